//! Limits of one kind of operation: of a hub, or put on by a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::Problem;
use super::reader::{Field, Section};
use crate::policy::{Limit, ThrottledOperation};

/// The keys of a limit.
const KEYS: [&str; 3] = ["rate", "burst", "queue"];
const LONGEST_QUEUE: Duration = Duration::from_secs(3600);

/// Reads a limit from the keys `rate`, `burst` and `queue`.
pub(super) fn read(section: &Section<'_>) -> Result<Limit, Problem> {
    let rate = section.required("rate")?.rate()?;
    // A bucket that holds less than one operation would never let one through.
    let burst = section.optional("burst").map_or(Ok(rate.max(1.0)), |field| field.number(1.0..=1e9))?;
    let queue = section.optional("queue").map(|field| field.duration(Duration::ZERO..=LONGEST_QUEUE)).transpose()?;
    Ok(Limit { rate, burst, queue: queue.unwrap_or_default() })
}

/// Reads a table of limits, by operation.
pub(super) fn by_operation(field: &Field<'_>) -> Result<BTreeMap<ThrottledOperation, Limit>, Problem> {
    let section = field.section(&ThrottledOperation::ALL.map(ThrottledOperation::name))?;
    let mut limits = BTreeMap::new();
    for operation in ThrottledOperation::ALL {
        if let Some(limit) = section.optional(operation.name()) {
            limits.insert(operation, read(&limit.section(&KEYS)?)?);
        }
    }
    Ok(limits)
}
