//! Waiting until devices are online.

use std::time::Duration;

use super::client::{Client, ClientError};
use super::query::PAGE;
use super::shared::{ReadError, fetch};
use crate::dialect::azure::rest;
use crate::policy::{DeviceIds, DeviceRange};
use crate::time::{Clock, Nanos};

/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Once devices come online, the rest is given up if none has come for so long.
const QUIET: Duration = Duration::from_secs(10);

/// Why the devices are not online.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// Not one of them is.
    #[error("none of {devices} devices is online after {limit:?}, the first is `{first}`: start the fleet first")]
    Nobody {
        /// Devices that were waited for.
        devices: u32,
        /// The first of them.
        first: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The hub does not accept the question.
    #[error("cannot ask which devices are online: {0}")]
    Refused(String),
    /// None was seen, and the hub could not be asked at the last look.
    #[error("cannot ask which devices are online, and {limit:?} have passed: {reason}")]
    Unanswered {
        /// Why.
        reason: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// Why there is nothing to hope for from a hub.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The hub does not accept the service's key.
    #[error(
        "the hub refuses the service's key (401: {0}); check IOTHUB_CONNECTION_STRING: its HostName must be the hub's own \
         name, as tokens are signed for that, and its policy must have the rights RegistryRead and ServiceConnect"
    )]
    Unauthorized(String),
    /// The hub refuses something else: 403.
    #[error("the hub refuses the service (403): {0}")]
    Forbidden(String),
}

/// Waits until every device of `range` has been seen connected, for `limit` at most, or until no further one has come
/// for ten seconds; gives how many are missing. `progress` is told how many were seen, and of how many. A cloud hub's
/// word may lag by minutes (3.2).
///
/// # Errors
/// None was ever seen, or the hub refuses the question.
pub async fn wait_online(
    client: &Client,
    ids: &DeviceIds,
    range: DeviceRange,
    limit: Duration,
    clock: Clock,
    mut progress: impl FnMut(u32, u32),
) -> Result<u32, OnlineError> {
    let mut online = Online { range, seen: range.iter().map(|_| false).collect(), count: 0, gained: Nanos::ZERO };
    let deadline = clock.now() + limit;
    loop {
        let began = clock.now();
        let seen = online.count;
        let looked = online.look(client, ids).await;
        let now = clock.now();
        if online.count > seen {
            online.gained = now;
        }
        progress(online.count, range.len());
        let mut pause = PAUSE;
        match looked {
            Err(ReadError::Status { status, message }) if status < 500 => {
                return Err(OnlineError::Refused(format!("the hub answered {status}: {message}")));
            }
            _ if online.is_over(now, deadline, looked.is_ok()) => return Ok(range.len() - online.count),
            Err(error) if now >= deadline => {
                return Err(OnlineError::Unanswered { reason: error.to_string(), limit });
            }
            Ok(()) if now >= deadline => {
                return Err(OnlineError::Nobody { devices: range.len(), first: ids.id(range.start), limit });
            }
            Err(ReadError::Throttled(Some(retry_after))) => pause = retry_after,
            _ => {}
        }
        // A big fleet's look costs the hub something: it gets four times as long to rest.
        let pause = clock.now().since(began).saturating_mul(4).max(pause);
        tokio::time::sleep_until(clock.instant((clock.now() + pause).min(deadline))).await;
    }
}

/// Asks a hub something cheap, so that an address, a certificate or a key that is wrong is told before anything starts.
///
/// # Errors
/// The hub does not answer, or refuses the service. One that is merely busy is left to those who have work for it.
pub async fn greet(client: &Client) -> Result<(), GreetError> {
    match fetch(client, rest::service_statistics()).await {
        Err(ReadError::Client(error)) => Err(GreetError::Client(error)),
        Err(ReadError::Status { status: 401, message }) => Err(GreetError::Unauthorized(message)),
        Err(ReadError::Status { status: 403, message }) => Err(GreetError::Forbidden(message)),
        _ => Ok(()),
    }
}

/// Which devices have been seen online.
struct Online {
    range: DeviceRange,
    seen: Vec<bool>,
    count: u32,
    /// When the count last rose.
    gained: Nanos,
}

impl Online {
    /// Whether a look that ended at `now` was the last: all are there, or some and no more are to be expected. A look
    /// that failed says nothing of who came.
    fn is_over(&self, now: Nanos, deadline: Nanos, looked: bool) -> bool {
        let quiet = looked && now.since(self.gained) >= QUIET;
        self.missing().is_none() || (self.count > 0 && (quiet || now >= deadline))
    }

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
            for row in rest::delta_page(&page.body)? {
                let device = ids.device(&row.device_id).filter(|&device| self.range.contains(device));
                if let Some(device) = device
                    && row.connected() == Some(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_over_when_all_are_there_or_no_more_are_to_be_expected() {
        let at = |seconds: u64| Nanos::ZERO + Duration::from_secs(seconds);
        let range = DeviceRange { start: 5, end: 8 };
        // who was seen, whether the look succeeded at second `now`, whether that was the last; the latest came at
        // second 20, and the limit is second 60
        for (seen, looked, now, over) in [
            ([true, true, true], true, 20, true),
            ([false, true, false], true, 20, false),
            ([false, true, false], true, 29, false),
            ([false, true, false], true, 30, true),
            ([false, true, false], false, 59, false),
            ([false, true, false], false, 60, true),
            ([false, false, false], true, 59, false),
            ([false, false, false], true, 60, false),
        ] {
            let count = seen.iter().filter(|&&seen| seen).count() as u32;
            let online = Online { range, seen: seen.to_vec(), count, gained: at(20) };
            assert_eq!(online.is_over(at(now), at(60), looked), over, "{seen:?} at {now}");
        }
    }
}
