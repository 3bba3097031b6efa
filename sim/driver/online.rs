//! Waiting until devices are online.

use std::time::Duration;

use super::client::Client;
use super::query::PAGE;
use super::shared::{ReadError, fetch};
use crate::dialect::azure::rest;
use crate::policy::{DeviceIds, DeviceRange};
use crate::time::Clock;

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Why the devices are not online.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// Some are missing.
    #[error(
        "{missing} of {devices} devices are not online after {limit:?}, the first is `{first}`: start the fleet first"
    )]
    Missing {
        /// How many.
        missing: u32,
        /// Of how many.
        devices: u32,
        /// The first of them.
        first: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The hub does not accept the question.
    #[error("cannot ask which devices are online: {0}")]
    Refused(String),
    /// The hub could not be asked at the last look.
    #[error("cannot ask which devices are online, and {limit:?} have passed: {reason}")]
    Unanswered {
        /// Why.
        reason: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// Waits until every device of `range` has been seen connected, for `limit` at most. `progress` is told how many were,
/// and of how many. A cloud hub's word may lag by minutes (3.2).
///
/// # Errors
/// Some are missing at the end, or the hub cannot be asked.
pub async fn wait_online(
    client: &Client,
    ids: &DeviceIds,
    range: DeviceRange,
    limit: Duration,
    clock: Clock,
    mut progress: impl FnMut(u32, u32),
) -> Result<(), OnlineError> {
    let mut online = Online { range, seen: range.iter().map(|_| false).collect(), count: 0 };
    let deadline = clock.now() + limit;
    loop {
        let began = clock.now();
        let looked = online.look(client, ids).await;
        progress(online.count, range.len());
        let Some(missing) = online.missing() else { return Ok(()) };
        let mut pause = PAUSE;
        match looked {
            Err(ReadError::Throttled(Some(retry_after))) if clock.now() < deadline => pause = retry_after,
            Err(ReadError::Status { status, message }) if status < 500 => {
                return Err(OnlineError::Refused(format!("the hub answered {status}: {message}")));
            }
            Err(error) if clock.now() >= deadline => {
                return Err(OnlineError::Unanswered { reason: error.to_string(), limit });
            }
            Ok(()) if clock.now() >= deadline => {
                let first = ids.id(missing.start);
                return Err(OnlineError::Missing {
                    missing: range.len() - online.count,
                    devices: range.len(),
                    first,
                    limit,
                });
            }
            _ => {}
        }
        // A big fleet's look costs the hub something: it gets four times as long to rest.
        let pause = clock.now().since(began).saturating_mul(4).max(pause);
        tokio::time::sleep_until(clock.instant((clock.now() + pause).min(deadline))).await;
    }
}

/// Which devices have been seen online.
struct Online {
    range: DeviceRange,
    seen: Vec<bool>,
    count: u32,
}

impl Online {
    /// The range from the first to the last device that was not seen yet; `None` if there is none.
    fn missing(&self) -> Option<DeviceRange> {
        let first = self.seen.iter().position(|seen| !seen)?;
        let last = self.seen.iter().rposition(|seen| !seen)?;
        Some(DeviceRange { start: self.range.start + first as u32, end: self.range.start + last as u32 + 1 })
    }

    /// Asks for those that were not seen yet.
    async fn look(&mut self, client: &Client, ids: &DeviceIds) -> Result<(), ReadError> {
        let Some(missing) = self.missing() else { return Ok(()) };
        let text = rest::delta_query(&ids.id(missing.start), &ids.id(missing.end - 1), None);
        let mut continuation: Option<String> = None;
        loop {
            let page = fetch(client, rest::query(&text, PAGE, continuation.as_deref())).await?;
            for report in rest::delta_page(&page.body)? {
                let device = ids.device(&report.device_id).filter(|&device| self.range.contains(device));
                if let Some(device) = device
                    && report.connected == Some(true)
                    && let Some(seen) = self.seen.get_mut((device - self.range.start) as usize)
                    && !std::mem::replace(seen, true)
                {
                    self.count += 1;
                }
            }
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(());
            }
        }
    }
}
