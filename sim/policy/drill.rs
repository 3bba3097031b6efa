//! Drills as data: what a run is to prove, and the phases by which it is judged.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Metric, RolloutFigure, Series, Threshold, ThresholdError, units};

/// What a run is to prove, and by which expressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// What it proves, in a sentence.
    pub claim: String,
    /// What must hold of the phase before the faults, or there is nothing to break, and again of the phase after them.
    pub steady: Vec<Threshold>,
    /// What must hold of the whole run, or of one phase.
    #[serde(rename = "assert")]
    pub assertions: Vec<Assertion>,
    /// Updates that are due so long before the first fault belong to `during` already: what would still be in progress
    /// when it begins meets it.
    #[serde(with = "units::duration")]
    pub lead: Duration,
    /// What the fleet gets to recover, from the end of the last fault: updates due within it belong to `during`.
    #[serde(with = "units::duration")]
    pub recovery: Duration,
    /// How long the fleet is waited for to be whole again once every update has ended.
    #[serde(with = "units::duration")]
    pub heal: Duration,
    /// How long, from the start of the load, its updates may take in all; what is unfinished then is aborted.
    #[serde(with = "units::duration")]
    pub limit: Duration,
}

/// A condition on the whole run, or on one phase: `census.failed == 0`, `during: census.completed.pct >= 90`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Assertion {
    /// The phase; `None` for the whole run.
    pub phase: Option<DrillPhase>,
    /// The condition.
    pub threshold: Threshold,
}

/// A part of a drill. An update belongs to the one in which it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillPhase {
    /// No fault has begun yet, or will while the update is in progress.
    Before,
    /// A fault is active, or the fleet is recovering from one.
    During,
    /// All faults are over, and so is the time to recover.
    After,
}

/// When the phases of a drill begin, from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrillPhases {
    /// When the first fault begins; never, if there is none.
    during: Duration,
    /// When the fleet has recovered from the last one; `None` if one never ends.
    after: Option<Duration>,
}

impl Drill {
    /// All of its conditions, whatever they are judged of.
    pub fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        self.steady.iter().chain(self.assertions.iter().map(|assertion| &assertion.threshold))
    }

    /// The series that are recorded by phase: what every drill is asked for, and what its expressions name.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        let named = self.thresholds().filter_map(|threshold| match threshold.metric {
            Metric::Series(series, _) if !series.needs_fleet() => Some(series),
            _ => None,
        });
        let mut series = vec![Series::MethodResponse, Series::UpdateTotal, Series::UpdateOverhead];
        series.extend(named);
        series.sort_unstable();
        series.dedup();
        series
    }

    /// Its phases with these `faults`.
    #[must_use]
    pub fn phases(&self, faults: &[Fault]) -> DrillPhases {
        let during = faults.iter().map(|fault| fault.at).min().unwrap_or(Duration::MAX);
        // One without an end has no latest end either.
        let ends: Option<Vec<Duration>> = faults.iter().map(Fault::ends).collect();
        let last = ends.and_then(|ends| ends.into_iter().max());
        DrillPhases {
            during: if faults.is_empty() { during } else { during.saturating_sub(self.lead) },
            after: last.map(|last| last.saturating_add(self.recovery)),
        }
    }

    /// Whether an abort of the roll-out is what the drill wants to see.
    #[must_use]
    pub fn asserts_abort(&self) -> bool {
        self.assertions.iter().any(|Assertion { threshold, .. }| {
            let holds = |value| threshold.comparison.holds(value, threshold.limit);
            threshold.metric == Metric::Rollout(RolloutFigure::Aborted) && holds(1.0) && !holds(0.0)
        })
    }
}

impl DrillPhase {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    /// The name in profiles and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

impl DrillPhases {
    /// The phase of an update that is due at `due`.
    #[must_use]
    pub fn at(&self, due: Duration) -> DrillPhase {
        if due < self.during {
            DrillPhase::Before
        } else if self.after.is_none_or(|after| due < after) {
            DrillPhase::During
        } else {
            DrillPhase::After
        }
    }

    /// From when until when a phase lasts; its end is `None` if the load ends it. `None` if there is no such phase.
    #[must_use]
    pub fn span(&self, phase: DrillPhase) -> Option<(Duration, Option<Duration>)> {
        match phase {
            DrillPhase::Before if self.during.is_zero() => None,
            DrillPhase::Before => Some((Duration::ZERO, Some(self.during).filter(|end| *end < Duration::MAX))),
            DrillPhase::During => (self.during < Duration::MAX).then_some((self.during, self.after)),
            DrillPhase::After => self.after.map(|after| (after, None)),
        }
    }
}

impl fmt::Display for DrillPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Assertion {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, rest)) = text.split_once(':') else {
            return Ok(Self { phase: None, threshold: text.parse()? });
        };
        let phase = DrillPhase::ALL.into_iter().find(|phase| phase.name() == name.trim());
        let phase = phase.ok_or_else(|| ThresholdError::Phase(name.trim().to_owned()))?;
        Ok(Self { phase: Some(phase), threshold: rest.parse()? })
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phase {
            Some(phase) => write!(f, "{phase}: {}", self.threshold),
            None => self.threshold.fmt(f),
        }
    }
}

impl TryFrom<String> for Assertion {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Assertion> for String {
    fn from(assertion: Assertion) -> Self {
        assertion.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FaultKind;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn fault(at: u64, lasts: Option<u64>) -> Fault {
        Fault { at: second(at), lasts: lasts.map(second), ..Fault::new(FaultKind::NoReply) }
    }

    fn drill(lead: u64, assertions: &[&str]) -> Drill {
        Drill {
            claim: String::new(),
            steady: vec!["schedule.lag.p99 < 10ms".parse().unwrap()],
            assertions: assertions.iter().map(|text| text.parse().unwrap()).collect(),
            lead: second(lead),
            recovery: second(5),
            heal: second(1),
            limit: second(1),
        }
    }

    fn phases(faults: &[Fault]) -> DrillPhases {
        drill(0, &[]).phases(faults)
    }

    #[test]
    fn an_update_belongs_to_the_phase_in_which_it_is_due() {
        let phases = phases(&[fault(10, Some(3)), fault(11, Some(10)), fault(12, Some(1))]);
        for (due, phase) in [
            (0, DrillPhase::Before),
            (9, DrillPhase::Before),
            (10, DrillPhase::During),
            (21, DrillPhase::During),
            (25, DrillPhase::During),
            (26, DrillPhase::After),
            (1000, DrillPhase::After),
        ] {
            assert_eq!(phases.at(second(due)), phase, "{due}");
        }
        assert_eq!(phases.span(DrillPhase::Before), Some((second(0), Some(second(10)))));
        assert_eq!(phases.span(DrillPhase::During), Some((second(10), Some(second(26)))));
        assert_eq!(phases.span(DrillPhase::After), Some((second(26), None)));
    }

    #[test]
    fn a_fault_that_never_ends_leaves_no_phase_after_and_one_from_the_start_none_before() {
        let open = phases(&[fault(10, None), fault(11, Some(10))]);
        assert_eq!((open.at(second(9)), open.at(second(1000))), (DrillPhase::Before, DrillPhase::During));
        assert_eq!((open.span(DrillPhase::During), open.span(DrillPhase::After)), (Some((second(10), None)), None));
        let early = drill(3, &[]).phases(&[fault(10, Some(2))]);
        assert_eq!((early.at(second(6)), early.at(second(7))), (DrillPhase::Before, DrillPhase::During));
        let start = phases(&[fault(0, Some(2))]);
        assert_eq!((start.at(second(0)), start.span(DrillPhase::Before)), (DrillPhase::During, None));
        let none = phases(&[]);
        assert_eq!((none.at(second(1000)), none.span(DrillPhase::During)), (DrillPhase::Before, None));
        assert_eq!(none.span(DrillPhase::Before), Some((second(0), None)));
    }

    #[test]
    fn an_assertion_may_name_a_phase() {
        for text in ["census.failed == 0", "during: census.completed.pct >= 90", "after: update.total.p99 < 10s"] {
            assert_eq!(text.parse::<Assertion>().unwrap().to_string(), text);
        }
        let error = "amid: census.failed == 0".parse::<Assertion>().unwrap_err().to_string();
        assert_eq!(error, "unknown phase `amid`: allowed are before, during and after");
    }

    #[test]
    fn a_drill_knows_its_series_and_whether_it_wants_an_abort() {
        let named =
            drill(0, &["update.total.p99 < 10s", "during: method.response.error.count > 0", "reconnect.p99 < 9s"]);
        assert_eq!(
            named.series(),
            [
                Series::MethodResponse,
                Series::MethodResponseError,
                Series::UpdateTotal,
                Series::UpdateOverhead,
                Series::ScheduleLag
            ]
        );
        for (text, wants) in [
            ("rollout.aborted == 1", true),
            ("rollout.aborted > 0", true),
            ("rollout.aborted == 0", false),
            ("rollout.aborted >= 0", false),
            ("rollout.waves == 1", false),
        ] {
            assert_eq!(drill(0, &[text]).asserts_abort(), wants, "{text}");
        }
    }
}
