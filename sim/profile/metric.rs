//! Whether what an expression names is there to be judged, by the plan.

use super::error::Problem;
use super::reader::Field;
use crate::driver::Via;
use crate::hub::Operation;
use crate::policy::{
    ConnectPolicies, Fault, FaultFigure, MessageFigure, MessageKind, MessageWitnesses, Metric, Outcome, Threshold,
};

/// What the expressions of a plan may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) via: Via,
    pub(super) faults: &'a [Fault],
    pub(super) connect: &'a ConnectPolicies,
    /// Whether the fleet is called in waves.
    pub(super) rollout: bool,
    /// Whether a device that is not connected can be told from one that does not answer.
    pub(super) presence: bool,
    /// Whether the hub is a plain broker, where it is counted what becomes of messages.
    pub(super) broker: bool,
    /// Whether devices send telemetry, of which that is counted everywhere.
    pub(super) telemetry: bool,
}

impl Scene<'_> {
    /// Refuses a threshold whose metric is not there in this plan.
    pub(super) fn check(&self, field: &Field<'_>, threshold: &Threshold) -> Result<(), Problem> {
        self.check_metric(field, &threshold.metric)
    }

    /// Refuses a metric that is not there in this plan.
    pub(super) fn check_metric(&self, field: &Field<'_>, metric: &Metric) -> Result<(), Problem> {
        if let Metric::Series(series, _) = metric
            && series.needs_calls()
            && self.via != Via::Calls
        {
            return Err(field.problem(format_args!(
                "cannot be judged while `load.via` is \"job\": the hub makes the calls, and `{series}` is not measured"
            )));
        }
        if matches!(metric, Metric::Rollout(_)) && !self.rollout {
            return Err(field.problem(format_args!("cannot be judged without a [rollout]: there is no `{metric}`")));
        }
        if let Some((outcome, instead)) = of_presence(metric).filter(|_| !self.presence) {
            return Err(field.problem(format_args!(
                "cannot be judged while `hub.topics.presence` is off: nobody can tell `{outcome}` from `{instead}`, and all \
                 count as that. Name a topic for presence, or judge `{instead}`"
            )));
        }
        if let Metric::Messages(kind, figure) = metric
            && let Some(reason) = self.uncounted(metric, *kind, *figure)
        {
            return Err(field.problem(format_args!("cannot be judged: {reason}")));
        }
        let faults: Vec<&str> = self.faults.iter().map(|fault| fault.name.as_str()).collect();
        known(field, "fault", metric.fault(), &faults)?;
        let policies = self.connect.names();
        let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
        known(field, "policy of `retry.connect`", metric.connect_policy(), &policies)?;
        known(field, "operation", metric.operation(), &Operation::ALL.map(Operation::name))
    }

    /// Why nobody counts this `figure` of messages, and the way out; `None` where it is counted.
    fn uncounted(&self, metric: &Metric, kind: Option<MessageKind>, figure: MessageFigure) -> Option<String> {
        let (broker, telemetry) = (self.broker, self.telemetry);
        if !broker && !telemetry {
            return Some(format!(
                "what becomes of messages is counted with a plain broker (`hub.kind = \"mqtt\"`) or [telemetry], and there \
                 is no `{metric}` here"
            ));
        }
        if kind == Some(MessageKind::Telemetry) && !telemetry {
            return Some(
                "no device sends telemetry. Give it an interval in [telemetry], or name another kind".to_owned(),
            );
        }
        if figure.needs_driver() && !broker {
            return Some(
                "the driver receives messages of a plain broker (`hub.kind = \"mqtt\"`) alone. Judge what devices know of \
                 them, as `messages.telemetry.lost`"
                    .to_owned(),
            );
        }
        if !broker && kind.is_some_and(|kind| kind != MessageKind::Telemetry) {
            return Some(format!(
                "without a plain broker (`hub.kind = \"mqtt\"`) only telemetry is counted by messages. Judge \
                 `messages.telemetry.{}`",
                figure.name()
            ));
        }
        // A fleet or a driver alone knows less; that is for the result to say.
        let known = MessageWitnesses { broker, fleet: true, driver: true };
        if kind.is_none_or(|kind| figure.is_counted(kind, known)) {
            return None;
        }
        let reason = match kind {
            Some(MessageKind::Request) => {
                "the driver sends requests, and receives none. How calls ended is in the census, and in `messages.response`"
            }
            Some(MessageKind::Response) => {
                "nobody knows which answers never came. Judge the calls without one, `census.no_response`, or \
                 `messages.report.undelivered`"
            }
            _ => {
                "nobody knows which of these never came: what the broker keeps takes the place of what came before. Judge \
                 `messages.report.undelivered`"
            }
        };
        Some(reason.to_owned())
    }
}

/// The outcome that `metric` counts and only presence tells, and what it is taken for without.
fn of_presence(metric: &Metric) -> Option<(Outcome, Outcome)> {
    let (Metric::Census(outcome)
    | Metric::CensusPercent(outcome)
    | Metric::Fault(_, FaultFigure::OutcomePercent(outcome))) = metric
    else {
        return None;
    };
    outcome.without_presence().map(|instead| (*outcome, instead))
}

fn known(field: &Field<'_>, what: &str, name: Option<&str>, names: &[&str]) -> Result<(), Problem> {
    match name {
        Some(name) if !names.contains(&name) => {
            let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(field.problem(format_args!("names the unknown {what} `{name}`: there are {allowed}")))
        }
        _ => Ok(()),
    }
}
