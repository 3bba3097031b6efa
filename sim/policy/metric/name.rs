//! The figures of a run that can be judged, and their names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Statistic, ThresholdError, Unit};
use crate::policy::{MessageFigure, MessageKind, Outcome, Series};

/// What a threshold looks at. Names of faults, policies and operations are the plan's, which they are checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Metric {
    /// A statistic of a series.
    Series(Series, Statistic),
    /// How many updates ended so.
    Census(Outcome),
    /// How many percent of the planned updates ended so.
    CensusPercent(Outcome),
    /// Calls really sent per second.
    RateAchieved,
    /// CPU of the generator, percent of the machine's cores.
    GeneratorCpu,
    /// Devices connected in the second of the load in which fewest were, percent of the fleet.
    ConnectedPercent,
    /// Connections that were lost while no fault explains it.
    LossesUnexplained,
    /// Reports that devices gave up.
    ReportsDropped,
    /// Updates that violated an invariant of the workflow.
    InvariantViolations,
    /// Updates that ended as none of the faults injected into them explains.
    OffDiagonal,
    /// A figure of the fault of this name.
    Fault(String, FaultFigure),
    /// A figure of all retries of a kind.
    Retry(RetryOf, RetryFigure),
    /// A figure of the connections that devices with the policy of this name tried.
    ConnectPolicy(String, RetryFigure),
    /// From the loss of a connection to the next that was good, of devices with the policy of this name.
    ConnectPolicyBack(String, Statistic),
    /// A figure of the roll-out.
    Rollout(RolloutFigure),
    /// Operations of this name that a limited hub let through, percent of what its limit allows.
    Goodput(String),
    /// A figure of the messages of a kind, or of all together.
    Messages(Option<MessageKind>, MessageFigure),
}

/// What is known of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultFigure {
    /// Updates that it struck.
    Updates,
    /// How often it struck anything.
    Strikes,
    /// Strikes in the second in which most came.
    Peak,
    /// The same in percent of all of its strikes.
    PeakPercent,
    /// From a strike until the device was well again.
    Recovery(Statistic),
    /// From a strike until the device noticed.
    Found(Statistic),
    /// Percent of the updates it struck that ended so.
    OutcomePercent(Outcome),
}

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOf {
    /// A device's connection.
    Connect,
    /// A method call.
    Method,
    /// A device's report.
    Twin,
}

/// What is known of retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryFigure {
    /// Attempts in all.
    Attempts,
    /// Those that were not the first.
    Retries,
    /// How often no other attempt was made.
    GiveUps,
    /// Attempts in the second of the load in which most were made.
    Peak,
    /// The same in percent of the devices.
    PeakPercent,
}

/// What is known of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutFigure {
    /// Devices that were called.
    Exposed,
    /// The same in percent of those that the roll-out was for.
    ExposedPercent,
    /// 1 if it was aborted, else 0.
    Aborted,
    /// Waves that were released.
    Waves,
}

impl Metric {
    /// The unit of its values.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Series(_, statistic) | Self::ConnectPolicyBack(_, statistic) => of_statistic(*statistic),
            Self::Fault(_, figure) => figure.unit(),
            Self::Retry(_, figure) | Self::ConnectPolicy(_, figure) => figure.unit(),
            Self::CensusPercent(_) | Self::GeneratorCpu | Self::ConnectedPercent | Self::Goodput(_) => Unit::Percent,
            Self::Rollout(RolloutFigure::ExposedPercent) => Unit::Percent,
            Self::RateAchieved => Unit::Rate,
            Self::Census(_)
            | Self::LossesUnexplained
            | Self::ReportsDropped
            | Self::InvariantViolations
            | Self::OffDiagonal
            | Self::Messages(..)
            | Self::Rollout(_) => Unit::Count,
        }
    }

    /// The fault of the plan that it names.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Fault(name, _) => Some(name),
            _ => None,
        }
    }

    /// The policy of the plan's connections that it names.
    #[must_use]
    pub fn connect_policy(&self) -> Option<&str> {
        match self {
            Self::ConnectPolicy(name, _) | Self::ConnectPolicyBack(name, _) => Some(name),
            _ => None,
        }
    }

    /// The hub's operation that it names.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        match self {
            Self::Goodput(operation) => Some(operation),
            _ => None,
        }
    }

    /// Whether it has a value in each phase of a drill, and not in the whole run alone: what the driver writes down of an
    /// update, and what is known of each second.
    #[must_use]
    pub const fn is_known_by_phase(&self) -> bool {
        match self {
            Self::Series(series, _) => !series.needs_fleet(),
            Self::Census(_) | Self::CensusPercent(_) | Self::ConnectedPercent => true,
            _ => false,
        }
    }
}

impl FaultFigure {
    const fn unit(self) -> Unit {
        match self {
            Self::Updates | Self::Strikes => Unit::Count,
            Self::Peak => Unit::Rate,
            Self::Recovery(statistic) | Self::Found(statistic) => of_statistic(statistic),
            Self::PeakPercent | Self::OutcomePercent(_) => Unit::Percent,
        }
    }
}

impl RetryFigure {
    /// The name in results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Retries => "retries",
            Self::GiveUps => "give_ups",
            Self::Peak => "peak",
            Self::PeakPercent => "peak.pct",
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Peak => Unit::Rate,
            Self::PeakPercent => Unit::Percent,
            Self::Attempts | Self::Retries | Self::GiveUps => Unit::Count,
        }
    }
}

impl RetryOf {
    /// The name in profiles, results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Method => "method",
            Self::Twin => "twin",
        }
    }
}

impl RolloutFigure {
    /// The name in results and thresholds.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exposed => "exposed",
            Self::ExposedPercent => "exposed.pct",
            Self::Aborted => "aborted",
            Self::Waves => "waves",
        }
    }
}

const fn of_statistic(statistic: Statistic) -> Unit {
    match statistic {
        Statistic::Count => Unit::Count,
        _ => Unit::Duration,
    }
}

impl fmt::Display for FaultFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Updates => f.write_str("updates"),
            Self::Strikes => f.write_str("strikes"),
            Self::Peak => f.write_str("peak"),
            Self::PeakPercent => f.write_str("peak.pct"),
            Self::Recovery(statistic) => write!(f, "recovery.{}", statistic.name()),
            Self::Found(statistic) => write!(f, "found.{}", statistic.name()),
            Self::OutcomePercent(outcome) => write!(f, "{outcome}.pct"),
        }
    }
}

impl TryFrom<String> for Metric {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(series, statistic) => write!(f, "{series}.{}", statistic.name()),
            Self::Census(outcome) => write!(f, "census.{outcome}"),
            Self::CensusPercent(outcome) => write!(f, "census.{outcome}.pct"),
            Self::RateAchieved => f.write_str("rate.achieved"),
            Self::GeneratorCpu => f.write_str("generator.cpu"),
            Self::ConnectedPercent => f.write_str("connected.pct"),
            Self::LossesUnexplained => f.write_str("connections.lost.unexplained"),
            Self::ReportsDropped => f.write_str("reports.dropped"),
            Self::InvariantViolations => f.write_str("invariants.violations"),
            Self::OffDiagonal => f.write_str("faults.off_diagonal"),
            Self::Messages(None, figure) => write!(f, "messages.{}", figure.name()),
            Self::Messages(Some(kind), figure) => write!(f, "messages.{}.{}", kind.name(), figure.name()),
            Self::Fault(name, figure) => write!(f, "faults.{name}.{figure}"),
            Self::Retry(what, figure) => write!(f, "retry.{}.{}", what.name(), figure.name()),
            Self::ConnectPolicy(name, figure) => write!(f, "retry.connect.{name}.{}", figure.name()),
            Self::ConnectPolicyBack(name, statistic) => write!(f, "retry.connect.{name}.back.{}", statistic.name()),
            Self::Rollout(figure) => write!(f, "rollout.{}", figure.name()),
            Self::Goodput(operation) => write!(f, "throttle.{operation}.goodput.pct"),
        }
    }
}
