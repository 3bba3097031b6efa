//! Injected faults in a result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SeriesData;
use crate::policy::{Outcome, Place, Statistic};

/// One fault of the plan: what was injected, and how the updates that it hit were observed to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRow {
    /// The fault's name, unique in its plan.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Where it strikes.
    pub place: Place,
    /// What an update that is hit by it alone may end in.
    pub expected: Vec<Outcome>,
    /// Times that it was done to an update (`call`, `device`, `report`) or to a device (`link`, `hub`).
    pub strikes: u64,
    /// Those of them that came after the driver had ended the update: too late for its outcome.
    pub late: u64,
    /// Updates that it hit and that have ended, those that several faults hit among them.
    pub injected: u64,
    /// Their outcomes.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Outcome" }))]
    pub observed: BTreeMap<Outcome, u64>,
    /// Those of them that ended as their faults do not let them.
    pub off_diagonal: u64,
    /// Strikes in the second that had most.
    pub peak_per_s: f64,
    /// From its beginning at a device until that was well again; `None` where nothing was measured.
    pub recovery: Option<Distribution>,
    /// From its beginning at a device until that noticed; `None` where nothing was measured.
    pub found: Option<Distribution>,
}

impl FaultRow {
    /// Updates that it struck and that never came to an end: what a fault strikes one by one is counted at both ends.
    #[must_use]
    pub fn lost(&self) -> u64 {
        match self.place {
            Place::Call | Place::Device | Place::Report => {
                self.strikes.saturating_sub(self.late).saturating_sub(self.injected)
            }
            Place::Link | Place::Hub => 0,
        }
    }
}

/// A row of the matrix of injected against observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixRow {
    /// `none`, the name of the one fault that hit these updates, or `several`.
    pub hit_by: String,
    /// Updates by outcome.
    #[schemars(extend("propertyNames" = { "$ref": "#/$defs/Outcome" }))]
    pub outcomes: BTreeMap<Outcome, u64>,
}

/// A distribution of durations in figures, in microseconds; a percentile with fewer than 10 samples beyond it is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// How many samples.
    pub count: u64,
    /// The shortest.
    pub min_us: Option<u64>,
    /// The arithmetic mean.
    pub mean_us: Option<u64>,
    /// The median.
    pub p50_us: Option<u64>,
    /// 90 % are not longer.
    pub p90_us: Option<u64>,
    /// 95 % are not longer.
    pub p95_us: Option<u64>,
    /// 99 % are not longer.
    pub p99_us: Option<u64>,
    /// 99.9 % are not longer.
    pub p99_9_us: Option<u64>,
    /// 99.99 % are not longer.
    pub p99_99_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
}

impl Distribution {
    /// That of `data`.
    #[must_use]
    pub fn of(data: &SeriesData) -> Self {
        let micros = |statistic| data.statistic(statistic).map(|seconds| (seconds * 1e6).round() as u64);
        let percentile = |hundredths| micros(Statistic::Percentile(hundredths));
        Self {
            count: data.count(),
            min_us: micros(Statistic::Min),
            mean_us: micros(Statistic::Mean),
            p50_us: percentile(5_000),
            p90_us: percentile(9_000),
            p95_us: percentile(9_500),
            p99_us: percentile(9_900),
            p99_9_us: percentile(9_990),
            p99_99_us: percentile(9_999),
            max_us: micros(Statistic::Max),
        }
    }

    /// A statistic, in seconds; the count as a plain number. `None` where there is no such figure.
    #[must_use]
    pub fn statistic(&self, statistic: Statistic) -> Option<f64> {
        let micros = match statistic {
            Statistic::Count => return Some(self.count as f64),
            Statistic::Min => self.min_us,
            Statistic::Max => self.max_us,
            Statistic::Mean => self.mean_us,
            Statistic::Percentile(5_000) => self.p50_us,
            Statistic::Percentile(9_000) => self.p90_us,
            Statistic::Percentile(9_500) => self.p95_us,
            Statistic::Percentile(9_900) => self.p99_us,
            Statistic::Percentile(9_990) => self.p99_9_us,
            Statistic::Percentile(9_999) => self.p99_99_us,
            Statistic::Percentile(_) => None,
        };
        micros.map(|micros| micros as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_distribution_has_the_figures_of_its_data() {
        let mut data = SeriesData::default();
        (1..=30).for_each(|second| data.record(Duration::from_secs(second)));
        let distribution = Distribution::of(&data);
        assert_eq!((distribution.count, distribution.p99_us), (30, None));
        for statistic in
            [Statistic::Count, Statistic::Min, Statistic::Max, Statistic::Mean, Statistic::Percentile(5_000)]
        {
            let (one, other) = (distribution.statistic(statistic).unwrap(), data.statistic(statistic).unwrap());
            assert!((one - other).abs() < 1e-5, "{statistic:?}: {one} {other}");
        }
        assert_eq!(distribution.statistic(Statistic::Percentile(1_234)), None);
    }

    #[test]
    fn an_update_that_was_struck_and_never_ended_is_lost() {
        let mut row = FaultRow {
            name: "fail".to_owned(),
            kind: "fail".to_owned(),
            place: Place::Device,
            expected: vec![Outcome::Failed],
            strikes: 10,
            late: 2,
            injected: 7,
            observed: BTreeMap::new(),
            off_diagonal: 0,
            peak_per_s: 1.0,
            recovery: None,
            found: None,
        };
        assert_eq!(row.lost(), 1);
        row.injected = 9;
        assert_eq!(row.lost(), 0);
        (row.injected, row.place) = (0, Place::Link);
        assert_eq!(row.lost(), 0, "it strikes devices, not updates");
    }
}
