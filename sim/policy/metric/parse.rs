//! From a figure's name to the figure.

use std::str::FromStr;

use super::{FaultFigure, Metric, RetryFigure, RetryOf, RolloutFigure, Statistic, ThresholdError};
use crate::policy::{MessageFigure, MessageKind, Outcome, Series};

/// What may be asked of a fault.
const OF_FAULT: &str =
    "`updates`, `strikes`, `peak`, `peak.pct`, `recovery.<statistic>`, `found.<statistic>` and `<outcome>.pct`";
/// What may be asked of retries.
const OF_RETRIES: &str = "`retry.connect`, `retry.method` and `retry.twin`, each with `attempts`, `retries`, \
                          `give_ups`, `peak` or `peak.pct` (of the devices), and `retry.connect.<policy>` with these or `back.<statistic>`";
/// What may be asked of messages.
const OF_MESSAGES: &str = "`sent`, `resent`, `acknowledged`, `lost`, `unconfirmed`, `delivered`, `duplicates` and \
                           `undelivered`, of all together or of `request`, `response`, `report`, `presence` or \
                           `telemetry`, as in `messages.report.lost`";
/// What may be asked of a roll-out.
const OF_ROLLOUT: &str = "`exposed`, `exposed.pct`, `aborted` and `waves`";

impl FromStr for Metric {
    type Err = ThresholdError;

    fn from_str(metric: &str) -> Result<Self, Self::Err> {
        match metric {
            "rate.achieved" => return Ok(Self::RateAchieved),
            "generator.cpu" => return Ok(Self::GeneratorCpu),
            "connected.pct" => return Ok(Self::ConnectedPercent),
            "connections.lost.unexplained" => return Ok(Self::LossesUnexplained),
            "reports.dropped" => return Ok(Self::ReportsDropped),
            "invariants.violations" => return Ok(Self::InvariantViolations),
            "faults.off_diagonal" => return Ok(Self::OffDiagonal),
            _ => {}
        }
        match metric.split_once('.') {
            Some(("census", rest)) => census(metric, rest),
            Some(("faults", rest)) => fault(metric, rest),
            Some(("retry", rest)) => retry(metric, rest),
            Some(("rollout", rest)) => rollout(metric, rest),
            Some(("throttle", rest)) => goodput(metric, rest),
            Some(("messages", rest)) => messages(metric, rest),
            _ => series(metric),
        }
    }
}

fn census(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    Ok(match rest.strip_suffix(".pct") {
        Some(name) => Metric::CensusPercent(outcome(metric, name)?),
        None => Metric::Census(outcome(metric, rest)?),
    })
}

fn fault(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    let unknown = |figure: &str| ThresholdError::Figure {
        metric: metric.to_owned(),
        figure: figure.to_owned(),
        allowed: OF_FAULT,
    };
    let (name, figure) = rest.split_once('.').ok_or_else(|| unknown(""))?;
    let figure = match figure.split_once('.') {
        None => match figure {
            "updates" => FaultFigure::Updates,
            "strikes" => FaultFigure::Strikes,
            "peak" => FaultFigure::Peak,
            _ => return Err(unknown(figure)),
        },
        Some(("peak", "pct")) => FaultFigure::PeakPercent,
        Some(("recovery", name)) => FaultFigure::Recovery(statistic(metric, name)?),
        Some(("found", name)) => FaultFigure::Found(statistic(metric, name)?),
        Some((name, "pct")) => FaultFigure::OutcomePercent(outcome(metric, name)?),
        Some(_) => return Err(unknown(figure)),
    };
    Ok(Metric::Fault(name.to_owned(), figure))
}

fn retry(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    let unknown = |figure: &str| ThresholdError::Figure {
        metric: metric.to_owned(),
        figure: figure.to_owned(),
        allowed: OF_RETRIES,
    };
    let (what, rest) = rest.split_once('.').ok_or_else(|| unknown(rest))?;
    let what = [RetryOf::Connect, RetryOf::Method, RetryOf::Twin]
        .into_iter()
        .find(|retrying| retrying.name() == what)
        .ok_or_else(|| unknown(what))?;
    if let Some(figure) = retry_figure(rest) {
        return Ok(Metric::Retry(what, figure));
    }
    match (what, rest.split_once('.')) {
        (_, None) => Err(unknown(rest)),
        (RetryOf::Connect, Some((policy, figure))) => {
            if let Some(name) = figure.strip_prefix("back.") {
                return Ok(Metric::ConnectPolicyBack(policy.to_owned(), statistic(metric, name)?));
            }
            let figure = retry_figure(figure).ok_or_else(|| unknown(figure))?;
            Ok(Metric::ConnectPolicy(policy.to_owned(), figure))
        }
        (_, Some(_)) => Err(unknown(rest)),
    }
}

fn retry_figure(name: &str) -> Option<RetryFigure> {
    use RetryFigure::{Attempts, GiveUps, Peak, PeakPercent, Retries};
    [Attempts, Retries, GiveUps, Peak, PeakPercent].into_iter().find(|figure| figure.name() == name)
}

fn rollout(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    [RolloutFigure::Exposed, RolloutFigure::ExposedPercent, RolloutFigure::Aborted, RolloutFigure::Waves]
        .into_iter()
        .find(|figure| figure.name() == rest)
        .map(Metric::Rollout)
        .ok_or_else(|| ThresholdError::Figure {
            metric: metric.to_owned(),
            figure: rest.to_owned(),
            allowed: OF_ROLLOUT,
        })
}

fn goodput(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    match rest.strip_suffix(".goodput.pct") {
        Some(operation) if !operation.is_empty() => Ok(Metric::Goodput(operation.to_owned())),
        _ => Err(ThresholdError::Metric(metric.to_owned())),
    }
}

fn messages(metric: &str, rest: &str) -> Result<Metric, ThresholdError> {
    let unknown = |figure: &str| ThresholdError::Figure {
        metric: metric.to_owned(),
        figure: figure.to_owned(),
        allowed: OF_MESSAGES,
    };
    let (kind, name) = match rest.split_once('.') {
        Some((kind, name)) => (Some(MessageKind::parse(kind).ok_or_else(|| unknown(kind))?), name),
        None => (None, rest),
    };
    let figure = MessageFigure::ALL.into_iter().find(|figure| figure.name() == name).ok_or_else(|| unknown(name))?;
    Ok(Metric::Messages(kind, figure))
}

/// Series names hold dots and so may percentiles: the longest series name that fits decides.
fn series(metric: &str) -> Result<Metric, ThresholdError> {
    let series = Series::ALL
        .into_iter()
        .filter(|series| metric.strip_prefix(series.name()).is_some_and(|rest| rest.starts_with('.')))
        .max_by_key(|series| series.name().len());
    if let Some(series) = series {
        return Ok(Metric::Series(series, statistic(metric, &metric[series.name().len() + 1..])?));
    }
    match metric.rsplit_once('.') {
        Some((series, statistic)) if Statistic::parse(statistic).is_some() => {
            Err(ThresholdError::Series { metric: metric.to_owned(), series: series.to_owned() })
        }
        _ => Err(ThresholdError::Metric(metric.to_owned())),
    }
}

fn statistic(metric: &str, name: &str) -> Result<Statistic, ThresholdError> {
    Statistic::parse(name)
        .ok_or_else(|| ThresholdError::Statistic { metric: metric.to_owned(), statistic: name.to_owned() })
}

fn outcome(metric: &str, name: &str) -> Result<Outcome, ThresholdError> {
    Outcome::parse(name).ok_or_else(|| ThresholdError::Outcome { metric: metric.to_owned(), outcome: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_written_as_it_is_read() {
        for text in [
            "connected.pct",
            "connections.lost.unexplained",
            "reports.dropped",
            "invariants.violations",
            "faults.off_diagonal",
            "faults.hub_down.updates",
            "faults.fail-2.strikes",
            "faults.hub_down.peak",
            "faults.hub_down.peak.pct",
            "faults.half_open.found.p99",
            "faults.half_open.recovery.max",
            "faults.stall.stuck.pct",
            "retry.connect.attempts",
            "retry.method.give_ups",
            "retry.twin.retries",
            "retry.connect.azure-c.peak",
            "retry.connect.azure-c.peak.pct",
            "retry.twin.peak.pct",
            "retry.connect.exponential.back.p99",
            "rollout.exposed",
            "rollout.exposed.pct",
            "rollout.aborted",
            "rollout.waves",
            "throttle.twin_update.goodput.pct",
            "messages.lost",
            "messages.report.undelivered",
            "messages.telemetry.duplicates",
        ] {
            assert_eq!(text.parse::<Metric>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_a_family_does_not_have_is_named_with_what_it_has() {
        for (text, says) in [
            ("faults.hub_down", "unknown figure `` in `faults.hub_down`: allowed are `updates`"),
            ("faults.hub_down.speed", "unknown figure `speed`"),
            ("faults.hub_down.gone.pct", "unknown outcome `gone`"),
            ("faults.hub_down.found.p98", "unknown statistic `p98`"),
            ("retry.attempts", "unknown figure `attempts` in `retry.attempts`: allowed are `retry.connect`"),
            ("retry.twin.fixed.peak", "unknown figure `fixed.peak`"),
            ("retry.connect.fixed.speed", "unknown figure `speed`"),
            ("rollout.speed", "unknown figure `speed` in `rollout.speed`: allowed are `exposed`"),
            ("throttle.method", "unknown metric `throttle.method`"),
            ("messages.speed", "unknown figure `speed` in `messages.speed`: allowed are `sent`, `resent`"),
            ("messages.report", "unknown figure `report` in `messages.report`"),
            ("messages.gossip.lost", "unknown figure `gossip` in `messages.gossip.lost`"),
            ("connected", "unknown metric `connected`"),
        ] {
            let error = text.parse::<Metric>().unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
        }
    }
}
