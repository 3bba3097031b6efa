//! Whether what an expression names is there to be judged, by the plan.

use super::error::Problem;
use super::reader::Field;
use crate::driver::Via;
use crate::hub::Operation;
use crate::policy::{Fault, Metric, Threshold};

/// What the expressions of a plan may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) via: Via,
    pub(super) faults: &'a [Fault],
}

impl Scene<'_> {
    /// Refuses a threshold whose metric is not there in this plan.
    pub(super) fn check(&self, field: &Field<'_>, threshold: &Threshold) -> Result<(), Problem> {
        let metric = &threshold.metric;
        if let Metric::Series(series, _) = metric
            && series.needs_calls()
            && self.via != Via::Calls
        {
            return Err(field.problem(format_args!(
                "cannot be judged while `load.via` is \"job\": the hub makes the calls, and `{series}` is not measured"
            )));
        }
        let faults = names(self.faults);
        known(field, "fault", metric.fault(), &faults)?;
        let operations: Vec<String> = Operation::ALL.iter().map(|operation| operation.name().to_owned()).collect();
        known(field, "operation", metric.operation(), &operations)
    }
}

fn known(field: &Field<'_>, what: &str, name: Option<&str>, names: &[String]) -> Result<(), Problem> {
    match name {
        Some(name) if !names.iter().any(|known| known == name) => {
            let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(field.problem(format_args!("names the unknown {what} `{name}`: there are {allowed}")))
        }
        _ => Ok(()),
    }
}

/// The names of `faults`: their kinds, numbered from the second of a kind on.
fn names(faults: &[Fault]) -> Vec<String> {
    let name = |index: usize| {
        let kind = faults[index].kind.name();
        match faults[..index].iter().filter(|fault| fault.kind.name() == kind).count() {
            0 => kind.to_owned(),
            before => format!("{kind}-{}", before + 1),
        }
    };
    (0..faults.len()).map(name).collect()
}
