//! Following one device through a run: into a file, in the tutorial's words, or both.

use std::sync::Arc;

use super::narrate::Narrator;
use super::options::{RunError, RunOptions, View};
use super::output::Output;
use super::print;
use super::trace_file::TraceFile;
use crate::measure::Tracer;
use crate::policy::DeviceIds;
use crate::shard::Credentials;

/// The device that is followed, if one is.
pub(super) fn followed(options: &RunOptions) -> Option<u32> {
    options.trace.or(narrates(options).then_some(0))
}

/// Whether the run tells its story on standard output.
pub(super) fn narrates(options: &RunOptions) -> bool {
    options.plan.report.narrate && options.view != View::Quiet
}

/// Follows a device: into a file with `--trace`, or in the tutorial's words.
pub(super) fn tracer(
    options: &RunOptions,
    output: Option<&Output>,
    ids: &DeviceIds,
    credentials: &Credentials,
) -> Result<Option<Arc<Tracer>>, RunError> {
    // Who is followed into a file is also the one that is told of.
    let Some(device) = followed(options) else { return Ok(None) };
    let mut file = match output.filter(|_| options.trace.is_some()) {
        Some(output) => Some(TraceFile::create(output, &format!("trace-{}.txt", ids.id(device)))?),
        None => None,
    };
    let mut narrator = narrates(options).then(|| {
        let service = credentials.service.as_ref();
        let (host, policy) = service.map(|service| (service.host.clone(), service.policy.clone())).unwrap_or_default();
        let narrator = Narrator::new(ids.id(device), host, policy);
        narrator.opening().iter().for_each(print::line);
        narrator
    });
    Ok(Some(Arc::new(Tracer::new(device, move |now, event| {
        if let Some(file) = &mut file {
            file.line(format_args!("{now} {event}"));
        }
        if let Some(narrator) = &mut narrator {
            narrator.tell(event).iter().for_each(print::line);
        }
    }))))
}
