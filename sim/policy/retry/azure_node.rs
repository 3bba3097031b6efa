//! Microsoft's device SDK for Node.js, as its code waits and as its text says.
//!
//! Source: Azure/azure-iot-sdk-node, `common/core/src/retry_policy.ts` and `retry_operation.ts`, as published in
//! azure-iot-common 1.13.3 (earlier code has `(x-1)^2` where this has `2^(x-1)`). Text and code agree on
//! `min(cMin + (2^(x-1) - 1) * r, cMax)` with cMin 100 ms and cMax 10 s, where throttled 10 s and 60 s. They differ in two
//! things. The text draws r from c * (1 - jd) to c * (1 - ju), which is 50 to 75 ms (throttled, with ju and jd
//! exchanged, 2.5 to 3.75 s); the code multiplies a random number by the difference of the two and forgets the lower one:
//! 0 to 25 ms (throttled 0 to 1.25 s). And the text makes the first retry at once unless throttled; the code asks for a
//! count of 0, which its caller never gives: the count begins at 1.
//!
//! Either adds up its waits, and gives up where the next would make them more than 240 s (`MAX_OPERATION_TIMEOUT`). After a
//! connection was lost the SDK opens another at once, and waits only if that fails.

use std::time::Duration;

use rand::Rng;

use super::exponential::{between, doublings};
use super::retrying::Step;

pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(240);

/// What the formula is filled with.
struct Constants {
    base: Duration,
    cap: Duration,
    /// What r is drawn from, by the code and by the text.
    code: (Duration, Duration),
    text: (Duration, Duration),
}

const NORMAL: Constants = Constants {
    base: Duration::from_millis(100),
    cap: Duration::from_secs(10),
    code: (Duration::ZERO, Duration::from_millis(25)),
    text: (Duration::from_millis(50), Duration::from_millis(75)),
};

const THROTTLED: Constants = Constants {
    base: Duration::from_secs(10),
    cap: Duration::from_secs(60),
    code: (Duration::ZERO, Duration::from_millis(1250)),
    text: (Duration::from_millis(2500), Duration::from_millis(3750)),
};

impl Constants {
    const fn of(throttled: bool) -> &'static Self {
        if throttled { &THROTTLED } else { &NORMAL }
    }

    /// Before the x-th retry.
    fn wait(&self, x: u32, r: Duration) -> Duration {
        (self.base + r.saturating_mul(doublings(x.saturating_sub(1)))).min(self.cap)
    }
}

/// As the code does.
pub(super) fn wait(step: &Step, random: &mut impl Rng) -> Duration {
    if step.attempts == 0 {
        return Duration::ZERO;
    }
    let constants = Constants::of(step.throttled);
    let (low, high) = constants.code;
    constants.wait(step.attempts, between(low, high, random))
}

/// As the text says: its x counts from 0, which is the retry at once.
pub(super) fn documented_wait(step: &Step, random: &mut impl Rng) -> Duration {
    let x = step.retry - 1;
    if x == 0 && !step.throttled {
        return Duration::ZERO;
    }
    let constants = Constants::of(step.throttled);
    let (low, high) = constants.text;
    constants.wait(x, between(low, high, random))
}

/// The longest wait.
pub(super) const fn longest(throttled: bool) -> Duration {
    Constants::of(throttled).cap
}
