//! Microsoft's device SDK for C: the first retry at once, then 1 s doubling to 30 s, and up to 5 % on top.
//!
//! Source: Azure/azure-iot-sdk-c, `iothub_client/src/iothub_client_retry_control.c`, policy
//! `IOTHUB_CLIENT_RETRY_EXPONENTIAL_BACKOFF_WITH_JITTER`, its default over MQTT and AMQP: the retry of count 0 comes now;
//! `initial_wait_time_in_secs` 1; `DEFAULT_MAX_DELAY_IN_SECS` 30; `max_jitter_percent` 5, added after the limit. No
//! limit of time (`max_retry_time_in_secs` 0). Its document speaks of 0 to 100 % of jitter; the code adds 5.
//!
//! Two things are not imitated: the SDK cuts waits to whole seconds, which leaves nothing of the jitter below 20 s, and it
//! keeps trying after CONNACK 5 (`refused = true` does that).

use std::time::Duration;

use rand::{Rng, RngExt};

use super::retrying::Step;

const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(30);
/// As a share of the wait.
const JITTER: f64 = 0.05;

pub(super) fn wait(step: &Step, random: &mut impl Rng) -> Duration {
    let Some(doublings) = step.retry.checked_sub(2) else { return Duration::ZERO };
    let wait = BASE.saturating_mul(1 << doublings.min(20)).min(CAP);
    wait.mul_f64(1.0 + JITTER * random.random::<f64>())
}

/// The longest wait.
pub(super) fn longest() -> Duration {
    CAP.mul_f64(1.0 + JITTER)
}
