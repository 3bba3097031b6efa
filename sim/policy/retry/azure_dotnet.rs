//! Microsoft's device SDK for .NET, 1.x: `min(10 s, 100 ms + (2^n - 1) * rand(80..120 ms))` with n from 0.
//!
//! Source: Azure/azure-iot-sdk-csharp, `iothub/device/src/TransientFaultHandling/`: the formula in
//! `ExponentialBackoffRetryStrategy.cs` (80 and 120 % of the delta), the constants from the client's default policy
//! `ExponentialBackoff(int.MaxValue, 100 ms, 10 s, 100 ms)`, no first fast retry (`RetryStrategyAdapter.cs`), and at least
//! 1 s from the start of an attempt to the next (`RetryPolicy.cs`, `minimumTimeBetweenRetries`). After a connection was
//! lost it opens another at once, and waits only if that fails.

use std::time::Duration;

use rand::Rng;

use super::exponential::{between, doublings};
use super::retrying::Step;

const BASE: Duration = Duration::from_millis(100);
pub(super) const CAP: Duration = Duration::from_secs(10);
const DELTA: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(120));
/// From the start of one attempt to the start of the next.
const APART: Duration = Duration::from_secs(1);

pub(super) fn wait(step: &Step, random: &mut impl Rng) -> Duration {
    let Some(n) = step.attempts.checked_sub(1) else { return Duration::ZERO };
    let wait = BASE + between(DELTA.0, DELTA.1, random).saturating_mul(doublings(n));
    wait.min(CAP).max(APART.saturating_sub(step.took))
}
