//! Which way a figure gets better.

use super::{FaultFigure, Metric, RolloutFigure, Statistic};
use crate::policy::{MessageFigure, Outcome, Series};

/// The better side of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better: durations, failures, what it costs.
    Smaller,
    /// More is better: rates, and how much was well.
    Bigger,
}

impl Metric {
    /// Which way it gets better; `None` for what is neither good nor bad in itself, as how often a planned fault struck.
    #[must_use]
    pub fn better(&self) -> Option<Better> {
        match self {
            Self::Series(series, Statistic::Count) => of_count(*series),
            Self::Census(outcome) | Self::CensusPercent(outcome) => Some(of_outcome(*outcome)),
            Self::RateAchieved | Self::ConnectedPercent | Self::Goodput(_) => Some(Better::Bigger),
            Self::Fault(_, figure) => of_fault(*figure),
            Self::Rollout(RolloutFigure::Aborted) => Some(Better::Smaller),
            Self::Rollout(_) => None,
            Self::Messages(_, figure) => of_messages(*figure),
            Self::Series(..)
            | Self::GeneratorCpu
            | Self::LossesUnexplained
            | Self::ReportsDropped
            | Self::InvariantViolations
            | Self::OffDiagonal
            | Self::Retry(..)
            | Self::ConnectPolicy(..)
            | Self::ConnectPolicyBack(..) => Some(Better::Smaller),
        }
    }
}

const fn of_outcome(outcome: Outcome) -> Better {
    match outcome {
        Outcome::Completed => Better::Bigger,
        _ => Better::Smaller,
    }
}

/// How often something happened: what went wrong, and what had to be done again, should have happened less.
fn of_count(series: Series) -> Option<Better> {
    if series.name().ends_with(".error") || series == Series::Reconnect {
        return Some(Better::Smaller);
    }
    (series == Series::UpdateTotal).then_some(Better::Bigger)
}

const fn of_messages(figure: MessageFigure) -> Option<Better> {
    match figure {
        MessageFigure::Acknowledged | MessageFigure::Delivered => Some(Better::Bigger),
        MessageFigure::Resent | MessageFigure::Lost | MessageFigure::Duplicates | MessageFigure::Undelivered => {
            Some(Better::Smaller)
        }
        MessageFigure::Sent | MessageFigure::Unconfirmed => None,
    }
}

const fn of_fault(figure: FaultFigure) -> Option<Better> {
    match figure {
        FaultFigure::Recovery(Statistic::Count) | FaultFigure::Found(Statistic::Count) => None,
        FaultFigure::Recovery(_) | FaultFigure::Found(_) => Some(Better::Smaller),
        FaultFigure::OutcomePercent(outcome) => Some(of_outcome(outcome)),
        FaultFigure::Updates | FaultFigure::Strikes | FaultFigure::Peak | FaultFigure::PeakPercent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_figure_has_its_side_or_none() {
        for (metric, better) in [
            ("update.overhead.p50", Some(Better::Smaller)),
            ("update.total.count", Some(Better::Bigger)),
            ("method.response.error.count", Some(Better::Smaller)),
            ("connect.count", None),
            ("census.completed.pct", Some(Better::Bigger)),
            ("census.stuck", Some(Better::Smaller)),
            ("rate.achieved", Some(Better::Bigger)),
            ("generator.cpu", Some(Better::Smaller)),
            ("faults.half_open.found.p99", Some(Better::Smaller)),
            ("faults.half_open.strikes", None),
            ("faults.stall.stuck.pct", Some(Better::Smaller)),
            ("retry.connect.fixed.back.p99", Some(Better::Smaller)),
            ("rollout.waves", None),
            ("messages.report.lost", Some(Better::Smaller)),
            ("messages.delivered", Some(Better::Bigger)),
            ("messages.sent", None),
            ("throttle.twin_update.goodput.pct", Some(Better::Bigger)),
        ] {
            assert_eq!(metric.parse::<Metric>().unwrap().better(), better, "{metric}");
        }
    }
}
