//! Why results cannot be compared.

use super::Difference;
use crate::policy::CapacityOf;
use crate::verdict::ExitCode;

/// So many differences of plans are told.
const TOLD: usize = 5;

/// Why results cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// A side has no result.
    #[error("there is no result on the {0} side: name a results.json, or a folder that holds one or several runs")]
    Empty(&'static str),
    /// The same run is there twice.
    #[error("{0} and {1} are the same run: a run that is counted twice proves nothing")]
    SameRun(String, String),
    /// A search for a capacity, and a run.
    #[error(
        "{0} is a search for a capacity, and {1} is a run: compare searches with searches, and runs with runs, of which \
         those of a search are in its steps/NN"
    )]
    SearchAndRun(String, String),
    /// Searches for capacities of different things.
    #[error(
        "{first} looked for the capacity of {of}, and {other} for that of {of_other}: only searches for the same can be \
         compared"
    )]
    Searches {
        /// The result that all others are held against.
        first: String,
        /// What it looked for.
        of: CapacityOf,
        /// The one that looked for something else.
        other: String,
        /// What that looked for.
        of_other: CapacityOf,
    },
    /// Plans that do not ask the same of the hub.
    #[error(
        "{first} and {other} come from different plans:\n{}\nOnly [hub] may differ; run both with the same profile, \
         or compare them all the same with --force",
        told(.differences)
    )]
    Plans {
        /// The result that all others are held against.
        first: String,
        /// The one whose plan is another.
        other: String,
        /// What is not the same.
        differences: Vec<Difference>,
    },
    /// Results that do not count.
    #[error(
        "results that do not count cannot be compared:\n{}\nRun them again, leave them out, or compare them all the same with \
         --force",
        .0.join("\n")
    )]
    NotValid(Vec<String>),
    /// Inputs that ask to be judged differently.
    #[error("the results do not agree on {what}, as their plans ask for it: {one} and {other}; say {flag}")]
    Settings {
        /// What they do not agree on.
        what: &'static str,
        /// What one says.
        one: String,
        /// What another says.
        other: String,
        /// The flag that decides.
        flag: &'static str,
    },
    /// A metric that cannot be judged.
    #[error("{0}")]
    Metric(String),
}

impl CompareError {
    /// What the command exits with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotValid(_) => ExitCode::Invalid,
            _ => ExitCode::Usage,
        }
    }
}

/// The first differences, a line for each.
pub(super) fn told(differences: &[Difference]) -> String {
    let mut lines: Vec<String> = differences.iter().take(TOLD).map(|difference| format!("  {difference}")).collect();
    if differences.len() > TOLD {
        lines.push(format!("  and {} more", differences.len() - TOLD));
    }
    lines.join("\n")
}
