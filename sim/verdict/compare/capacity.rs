//! Comparisons of searches for a capacity: by the intervals that they found, as their runs are under different loads.

use serde::Serialize;

use super::judge::percent;
use super::{Candidate, Change, CompareError, Interval};
use crate::measure::{CapacityCause, CapacityResult};
use crate::policy::CapacityOf;

/// What became of a capacity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacityChange {
    /// What of.
    pub of: CapacityOf,
    /// What loads are counted in.
    pub unit: &'static str,
    /// What the base's searches found.
    pub base: CapacitySide,
    /// What the new ones found.
    pub new: CapacitySide,
    /// From whatever lies in the base's interval to whatever lies in the new one, in percent of the former; infinite where
    /// one of them is open.
    pub change: Interval,
    /// The verdict.
    pub verdict: Change,
    /// Why.
    pub reason: String,
}

/// What the searches of one side found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapacitySide {
    /// The least of their lower ends; `None` if one has none.
    pub low: Option<f64>,
    /// The greatest of their upper ends; `None` if one has none.
    pub high: Option<f64>,
    /// Each of them, in the order of the side's results.
    pub searches: Vec<FoundCapacity>,
}

/// What one search found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundCapacity {
    /// The highest load that kept the thresholds; `None` if none did.
    pub low: Option<f64>,
    /// The lowest load above it that broke them; `None` if none did.
    pub high: Option<f64>,
    /// Why it broke them.
    pub cause: Option<CapacityCause>,
    /// The same in words.
    pub cause_detail: String,
    /// Why nothing can be concluded from it, in words; empty if something can.
    pub doubts: Vec<String>,
}

/// What all of the results looked for the capacity of; `None` if they are runs.
pub(super) fn looked_for<'a>(
    candidates: impl Iterator<Item = &'a Candidate> + Clone,
) -> Result<Option<CapacityOf>, CompareError> {
    let of = |candidate: &Candidate| candidate.result.capacity.as_ref().map(|capacity| capacity.of);
    let Some((first, search)) = candidates.clone().find_map(|one| Some((one, of(one)?))) else { return Ok(None) };
    for other in candidates {
        match of(other) {
            None => return Err(CompareError::SearchAndRun(first.path.clone(), other.path.clone())),
            Some(of) if of != search => {
                let (first, other) = (first.path.clone(), other.path.clone());
                return Err(CompareError::Searches { first, of: search, other, of_other: of });
            }
            Some(_) => {}
        }
    }
    Ok(Some(search))
}

/// The verdict on two sides of searches. A change counts if it is larger than so many percent.
pub(super) fn capacity(of: CapacityOf, base: &[Candidate], new: &[Candidate], margin_pct: f64) -> CapacityChange {
    let (base, new) = (CapacitySide::of(base), CapacitySide::of(new));
    let change = base.to(&new);
    let (verdict, reason) = judge(change, margin_pct);
    let doubts = base.doubts().chain(new.doubts()).collect::<Vec<_>>().join("; ");
    let (verdict, reason) = if doubts.is_empty() { (verdict, reason) } else { (Change::Inconclusive, doubts) };
    CapacityChange { of, unit: of.unit(), base, new, change, verdict, reason }
}

impl CapacitySide {
    fn of(side: &[Candidate]) -> Self {
        let searches: Vec<FoundCapacity> = side.iter().filter_map(FoundCapacity::of).collect();
        let all = |end: fn(&FoundCapacity) -> Option<f64>| searches.iter().map(end).collect::<Option<Vec<f64>>>();
        Self {
            low: all(|one| one.low).and_then(|ends| ends.into_iter().reduce(f64::min)),
            high: all(|one| one.high).and_then(|ends| ends.into_iter().reduce(f64::max)),
            searches,
        }
    }

    /// The change from whatever lies in the one to whatever lies in the other.
    fn to(&self, new: &Self) -> Interval {
        let pct = |from: f64, to: f64| if from > 0.0 { (to / from - 1.0) * 100.0 } else { f64::INFINITY };
        Interval {
            low_pct: pct(self.high.unwrap_or(f64::INFINITY), new.low.unwrap_or(0.0)),
            high_pct: pct(self.low.unwrap_or(0.0), new.high.unwrap_or(f64::INFINITY)),
        }
    }

    fn doubts(&self) -> impl Iterator<Item = String> {
        self.searches.iter().flat_map(|search| search.doubts.clone())
    }
}

impl FoundCapacity {
    fn of(Candidate { path, result }: &Candidate) -> Option<Self> {
        let CapacityResult { low, high, cause, cause_detail, finished, ceiling, .. } = result.capacity.as_ref()?;
        let mut doubts = Vec::new();
        if *cause == Some(CapacityCause::Generator) {
            doubts.push(format!("{path} found the end of its generator, and none of the hub"));
        }
        if !finished {
            doubts.push(format!("{path} is not finished"));
        }
        if ceiling.as_ref().is_some_and(|ceiling| ceiling.near) {
            doubts.push(format!("{path} is close to what its machine's generator makes, and may be its limit"));
        }
        if doubts.is_empty() && !result.valid {
            doubts.push(format!("{path} is not valid: {}", result.invalid_reasons.join("; ")));
        }
        Some(Self { low: *low, high: *high, cause: *cause, cause_detail: cause_detail.clone(), doubts })
    }
}

/// The verdict on a change of a capacity, of which more is better.
fn judge(change: Interval, margin: f64) -> (Change, String) {
    let Interval { low_pct, high_pct } = change;
    let most = if high_pct.is_finite() { format!(" to {}", percent(high_pct)) } else { " or more".to_owned() };
    let told = format!("whatever lies in the two intervals differs by {}{most}", percent(low_pct));
    if high_pct < -margin {
        (Change::Regressed, format!("{told}: more than {margin} %"))
    } else if low_pct > margin {
        (Change::Improved, format!("{told}: more than {margin} %"))
    } else if low_pct >= -margin && high_pct <= margin {
        (Change::Equivalent, format!("{told}: no more than {margin} %"))
    } else {
        let way_out = if high_pct.is_finite() {
            "narrower intervals (capacity --precision) or another --margin may tell"
        } else {
            "an end that was not found, with more load (capacity --limit), may tell"
        };
        (Change::Inconclusive, format!("{told}, of which {margin} % lies in the midst: {way_out}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CompareOptions, compare};
    use super::*;
    use crate::measure::{CapacityCeiling, RunResult, Verdict};

    /// A search that ended between two loads by the hub's throttle, and is told by a step of so much load.
    fn search(path: &str, low: f64, high: f64) -> Candidate {
        let mut plan = serde_json::to_value(crate::profile::load("capacity", &[]).unwrap()).unwrap();
        plan["driver"]["load"]["rate"] = low.into();
        // Each of its steps draws anew, and which of them a result is of is chance.
        plan["seed"] = (low as u64).into();
        (plan["driver"]["updates"], plan["fleet"]["devices"]) =
            ((low * 6.0).round().into(), (low * 3.0).round().into());
        let capacity = CapacityResult {
            low: Some(low),
            high: Some(high),
            unit: "calls/s".to_owned(),
            cause: Some(CapacityCause::Throttled),
            cause_detail: "census.throttled.pct < 1 was 3.6 %".to_owned(),
            finished: true,
            took_s: low,
            ..CapacityResult::default()
        };
        let mut result = RunResult { plan, valid: true, verdict: Verdict::Pass, ..RunResult::default() };
        (result.name, result.capacity) = ("capacity".to_owned(), Some(capacity));
        Candidate { path: path.to_owned(), result }
    }

    fn of(candidate: &mut Candidate) -> &mut CapacityResult {
        candidate.result.capacity.as_mut().unwrap()
    }

    #[test]
    fn intervals_are_held_against_each_other_and_the_margin() {
        let base = [search("base", 40.0, 41.8)];
        for ((low, high), verdict, code, why) in [
            ((30.0, 31.3), Change::Regressed, 98, "differs by -28.2 % to -21.8 %: more than 10 %"),
            ((40.63, 42.4), Change::Equivalent, 0, "differs by -2.8 % to +6.0 %: no more than 10 %"),
            ((50.0, 52.0), Change::Improved, 0, "differs by +19.6 % to +30.0 %: more than 10 %"),
            ((36.0, 37.6), Change::Inconclusive, 96, "differs by -13.9 % to -6.0 %, of which 10 % lies in the midst: "),
            ((30.0, 50.0), Change::Inconclusive, 96, "narrower intervals (capacity --precision)"),
        ] {
            let found = compare(&base, &[search("new", low, high)], &CompareOptions::default()).unwrap();
            let change = found.capacity.unwrap();
            assert_eq!((found.verdict, change.verdict, found.exit_code), (verdict, verdict, code), "{}", change.reason);
            assert!(change.reason.contains(why), "{}", change.reason);
            // Latencies at different loads are nothing to be compared.
            assert!(found.metrics.is_empty() && found.series.is_empty());
        }
    }

    #[test]
    fn what_is_open_at_an_end_may_still_tell() {
        let base = [search("base", 40.0, 41.8)];
        let mut open = search("new", 50.0, 52.0);
        (of(&mut open).high, of(&mut open).cause) = (None, None);
        let change = |base: &[Candidate], new: &[Candidate]| {
            compare(base, new, &CompareOptions::default()).unwrap().capacity.unwrap()
        };
        let open = [open];
        let improved = change(&base, &open);
        assert_eq!(improved.verdict, Change::Improved);
        assert!(improved.reason.ends_with("differs by +19.6 % or more: more than 10 %"), "{}", improved.reason);
        assert_eq!(change(&open, &base).verdict, Change::Regressed);
        assert_eq!(change(&open, &[search("other", 60.0, 63.0)]).verdict, Change::Inconclusive);
        let reason = change(&[search("other", 60.0, 63.0)], &open).reason;
        assert!(reason.ends_with("an end that was not found, with more load (capacity --limit), may tell"), "{reason}");
    }

    #[test]
    fn several_searches_of_a_side_count_with_all_that_they_hold() {
        let base = [search("base/1", 40.0, 41.8), search("base/2", 38.2, 40.0)];
        let found = compare(&base, &[search("new", 30.0, 31.3)], &CompareOptions::default()).unwrap();
        let change = found.capacity.unwrap();
        assert_eq!((change.base.low, change.base.high, change.base.searches.len()), (Some(38.2), Some(41.8), 2));
        assert_eq!(change.verdict, Change::Regressed);
    }

    #[test]
    fn a_search_that_proves_nothing_of_the_hub_concludes_nothing() {
        let base = [search("base", 40.0, 41.8)];
        let told = |change: fn(&mut CapacityResult)| {
            let mut new = search("new", 30.0, 31.3);
            change(of(&mut new));
            let found = compare(&base, &[new], &CompareOptions::default()).unwrap();
            assert_eq!((found.verdict, found.exit_code), (Change::Inconclusive, 96));
            found.capacity.unwrap().reason
        };
        assert_eq!(
            told(|capacity| capacity.cause = Some(CapacityCause::Generator)),
            "new found the end of its generator, and none of the hub"
        );
        assert_eq!(told(|capacity| capacity.finished = false), "new is not finished");
        let near =
            told(|capacity| capacity.ceiling = Some(CapacityCeiling { near: true, ..CapacityCeiling::default() }));
        assert_eq!(near, "new is close to what its machine's generator makes, and may be its limit");
    }

    #[test]
    fn what_a_search_sets_itself_is_no_difference_and_all_else_is() {
        let (base, mut new) = ([search("base", 40.0, 41.8)], search("new", 40.0, 41.9));
        new.result.plan["fleet"]["keep_alive"] = "30s".into();
        let error = compare(&base, &[new], &CompareOptions::default()).unwrap_err().to_string();
        assert!(error.contains("fleet.keep_alive: ") && !error.contains("load.rate"), "{error}");
    }

    #[test]
    fn a_search_is_compared_with_another_for_the_same_and_with_no_run() {
        let base = [search("base", 40.0, 41.8)];
        let mut other = search("new", 40.0, 41.9);
        of(&mut other).of = CapacityOf::Devices;
        let refused = |new: Candidate| compare(&base, &[new], &CompareOptions::default()).unwrap_err();
        let error = refused(other.clone());
        assert_eq!(
            error.to_string(),
            "base looked for the capacity of calls, and new for that of devices: only searches for the same can be \
             compared"
        );
        other.result.capacity = None;
        let error = refused(other);
        assert_eq!(error.exit_code().code(), 2);
        assert_eq!(
            error.to_string(),
            "base is a search for a capacity, and new is a run: compare searches with searches, and runs with runs, of \
             which those of a search are in its steps/NN"
        );
        let asked = CompareOptions { metrics: vec!["connect.p50".parse().unwrap()], ..CompareOptions::default() };
        let error = compare(&base, &[search("new", 1.0, 2.0)], &asked).unwrap_err().to_string();
        assert!(error.contains("leave --metric out"), "{error}");
    }
}
