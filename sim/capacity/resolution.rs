//! Whether a step has enough calls for what it is judged by.

use crate::policy::{CapacityOf, Comparison, Metric};
use crate::profile::Plan;

/// So many calls of a step must be allowed to go wrong, if a share of them is: with fewer it is chance whether a step breaks.
const LEAST: f64 = 2.0;

/// What a share that a threshold of `plan` allows comes to in a step at full length with so much `load`, if it is so little that
/// chance moves the edge which the search finds; with the way out.
pub(super) fn coarse(plan: &Plan, load: f64) -> Option<String> {
    if plan.capacity.of != CapacityOf::Calls {
        return None;
    }
    let calls = load * plan.capacity.measure.as_secs_f64();
    let rules = plan.thresholds.iter().map(|rule| &rule.threshold);
    let shares = rules.filter(|rule| matches!(rule.metric, Metric::CensusPercent(_))).filter_map(|rule| {
        let share = match rule.comparison {
            Comparison::Less | Comparison::LessOrEqual => rule.limit,
            Comparison::Greater | Comparison::GreaterOrEqual => 100.0 - rule.limit,
            Comparison::Equal | Comparison::NotEqual => return None,
        };
        // Nothing at all may go wrong, or everything: that is no share.
        (0.0 < share && share < 100.0).then_some((share, rule))
    });
    let (share, rule) = shares.min_by(|one, other| one.0.total_cmp(&other.0))?;
    let allowed = calls * share / 100.0;
    (allowed < LEAST).then(|| {
        let enough = (LEAST * 100.0 / share / load).ceil();
        format!(
            "`{rule}` allows {allowed:.1} of the {calls:.0} calls of a step, so that chance moves the edge: take --measure \
             {enough}s or more"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};

    fn told(sets: &[&str], load: f64) -> Option<String> {
        let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        coarse(&profile::load("capacity", &sets).unwrap(), load)
    }

    #[test]
    fn a_share_of_less_than_two_calls_is_told_with_the_time_that_would_do() {
        let short = told(&["capacity.measure=2s"], 40.63).unwrap();
        assert_eq!(
            short,
            "`census.throttled.pct < 1` allows 0.8 of the 81 calls of a step, so that chance moves the edge: take --measure 5s \
             or more"
        );
        assert_eq!(told(&["capacity.measure=5s"], 40.63), None);
        let strict = told(&["capacity.measure=5s", "threshold.+.expr=census.completed.pct >= 99.9"], 40.0).unwrap();
        assert!(strict.starts_with("`census.completed.pct >= 99.9` allows 0.2 of the 200 calls"), "{strict}");
    }

    #[test]
    fn what_allows_nothing_or_everything_is_no_share() {
        let none = "threshold=[{ expr = \"census.failed.pct <= 0\" }, { expr = \"census.completed.pct >= 0\" }]";
        assert_eq!(told(&["capacity.measure=1s", none], 10.0), None);
        assert_eq!(told(&["capacity.measure=1s", "capacity.of=devices"], 10.0), None);
    }
}
