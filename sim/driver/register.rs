//! Registering devices by bulk requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, ClientError};
use crate::dialect::azure::rest::{self, Authentication, BULK_MAX, BulkIdentity, SymmetricKey};
use crate::dialect::azure::{Key, ServiceError};
use crate::policy::{Backoff, DeviceIds, DeviceRange, Jitter, RetryPolicy};
use crate::random::{Domain, Seed};

/// Requests under way at once.
const IN_FLIGHT: usize = 4;
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Registries are throttled hard (8.1); nothing else is worth another try.
const THROTTLED: RetryPolicy = RetryPolicy {
    backoff: Backoff::Exponential { base: Duration::from_secs(1), cap: Duration::from_secs(30), jitter: Jitter::Equal },
    max_attempts: Some(8),
};

/// Why devices could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No answer.
    #[error("cannot register devices: {0}")]
    Client(#[from] ClientError),
    /// The hub does not accept the service's key.
    #[error(
        "cannot register devices: the hub refuses the service's key ({0}); check the connection string and its policy"
    )]
    Unauthorized(u16),
    /// The hub refused the request.
    #[error("cannot register devices: the hub answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The hub's words.
        message: String,
    },
    /// The hub refused some of the devices.
    #[error("cannot register {count} devices; the first: {first}")]
    Devices {
        /// How many of one request.
        count: usize,
        /// The first, with its reason.
        first: String,
    },
}

/// Creates the devices of `range` with keys derived from `master`; those that exist already are left as they are.
/// `progress` is told how many are done, and of how many.
///
/// # Errors
/// The first thing that went wrong; what was created stays.
pub async fn register(
    client: &Client,
    master: &Key,
    ids: &DeviceIds,
    range: DeviceRange,
    mut progress: impl FnMut(u32, u32),
) -> Result<(), RegisterError> {
    let (master, ids) = (Arc::new(master.clone()), Arc::new(ids.clone()));
    let mut batches = (range.start..range.end)
        .step_by(BULK_MAX)
        .map(|start| DeviceRange { start, end: start.saturating_add(BULK_MAX as u32).min(range.end) });
    let mut tasks = JoinSet::new();
    let mut done = 0;
    loop {
        while tasks.len() < IN_FLIGHT
            && let Some(batch) = batches.next()
        {
            let (client, master, ids) = (client.clone(), Arc::clone(&master), Arc::clone(&ids));
            tasks.spawn(async move { create(&client, &master, &ids, batch).await.map(|()| batch.len()) });
        }
        match tasks.join_next().await {
            None => return Ok(()),
            Some(Ok(created)) => {
                done += created?;
                progress(done, range.len());
            }
            // Nobody aborts these tasks, and a panic in one goes on here.
            Some(Err(error)) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}

async fn create(client: &Client, master: &Key, ids: &DeviceIds, batch: DeviceRange) -> Result<(), RegisterError> {
    let identities: Vec<BulkIdentity> = batch.iter().map(|device| identity(master, ids.id(device))).collect();
    let request = rest::create_devices(&identities);
    let mut random = Seed(0).stream(Domain::MethodRetry, u64::from(batch.start), 0);
    let (mut failed, mut waited) = (0, Duration::ZERO);
    loop {
        let response = client.send(request.clone(), LIMIT).await?;
        if response.status != 429 {
            return judge(&response);
        }
        failed += 1;
        let Some(delay) = THROTTLED.delay(failed, waited, &mut random) else { return judge(&response) };
        waited = delay;
        tokio::time::sleep(delay.max(response.retry_after.unwrap_or_default())).await;
    }
}

fn identity(master: &Key, id: String) -> BulkIdentity {
    // A second key that differs from the first, and derives from the master key as well.
    let symmetric_key = SymmetricKey {
        primary_key: master.derive(&id).to_base64(),
        secondary_key: master.derive(&format!("{id}.secondary")).to_base64(),
    };
    let authentication = Authentication { kind: "sas", symmetric_key };
    BulkIdentity { id, import_mode: "create", status: "enabled", authentication }
}

/// 5: the answer is 200 or 400, both with the list of what went wrong.
fn judge(response: &rest::Response) -> Result<(), RegisterError> {
    let refused = || {
        let error = ServiceError::parse(response.status, &response.body);
        RegisterError::Refused { status: response.status, message: error.message }
    };
    match response.status {
        401 | 403 => Err(RegisterError::Unauthorized(response.status)),
        200 | 400 => {
            let is_list = response.body.windows(8).any(|window| window == b"\"errors\"");
            let errors = rest::bulk_errors(&response.body).ok().filter(|_| is_list || response.status == 200);
            let errors = errors.ok_or_else(refused)?;
            let count = errors.len();
            errors.into_iter().next().map_or(Ok(()), |first| Err(RegisterError::Devices { count, first }))
        }
        _ => Err(refused()),
    }
}
