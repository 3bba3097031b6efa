//! `hub.service`: how long the embedded hub takes for what it is asked.

use std::time::Duration;

use super::error::Problem;
use super::reader::Field;
use crate::policy::{Delay, ServiceModel, ThrottledOperation};

/// Callers wait no longer than this for a method, and a request of a device is sent again by then.
const QUEUE: Duration = Duration::from_secs(60);
/// A queue of more, or a service that takes more, is a mistake.
const LONGEST_QUEUE: Duration = Duration::from_secs(3600);
const LONGEST_SERVICE: Duration = Duration::from_secs(300);

pub(super) fn read(field: &Field<'_>) -> Result<ServiceModel, Problem> {
    let names = ServiceModel::OPERATIONS.map(ThrottledOperation::name);
    let section = field.section(&[&names[..], &["servers", "queue"]].concat())?;
    let time = |operation: ThrottledOperation| -> Result<Option<Delay>, Problem> {
        let Some(field) = section.optional(operation.name()) else { return Ok(None) };
        let time = field.delay(LONGEST_SERVICE)?;
        if time.upper().is_zero() { Err(field.problem("must be longer than 0s")) } else { Ok(Some(time)) }
    };
    let queue = section.optional("queue").map(|field| field.duration(Duration::ZERO..=LONGEST_QUEUE)).transpose()?;
    let model = ServiceModel {
        methods: time(ThrottledOperation::Methods)?,
        twin_writes: time(ThrottledOperation::TwinWrites)?,
        twin_reads: time(ThrottledOperation::TwinReads)?,
        queries: time(ThrottledOperation::Queries)?,
        servers: section.optional("servers").map_or(Ok(1), |field| field.integer(1..=10_000_u32))?,
        queue: queue.unwrap_or(QUEUE),
    };
    if ServiceModel::OPERATIONS.into_iter().all(|operation| model.time_of(operation).is_none()) {
        let names = names.map(|name| format!("`{name}`")).join(", ");
        return Err(field.problem(format_args!("needs the time of at least one of {names}, like `exp 5ms`")));
    }
    Ok(model)
}
