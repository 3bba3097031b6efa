//! Seeded random streams. Every random choice of a run derives from (seed, domain, numbers) and never from the order
//! of draws, so the truth of a run is the same on any number of workers and shards.

use rand_pcg::Mcg128Xsl64;
use serde::{Deserialize, Serialize};

/// A stream of random numbers. PCG: small, quick, and its output is fixed for all time (unlike `StdRng`).
pub type Stream = Mcg128Xsl64;

/// What a stream is drawn for: streams of different domains are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Domain {
    /// Gaps between arrivals; number: none.
    Arrivals = 1,
    /// Which device gets which update; number: none.
    CallOrder,
    /// Stage delays; numbers: device, its n-th update.
    Delays,
    /// Who is hit by a fault; numbers: fault, device and its n-th update.
    Faults,
    /// Back-off of a connection; numbers: device, connection.
    ConnectRetry,
    /// Back-off of a method call; number: update.
    MethodRetry,
    /// When a device renews its token; numbers: device, connection.
    TokenRenewal,
    /// Phases of polling; number: device.
    PollPhase,
    /// Back-off of a report; numbers: device, sending.
    TwinRetry,
    /// The delays of faults; numbers: fault, device and its n-th update.
    FaultDelays,
    /// When a token ends by fault, and when it is taken; numbers: device, fault.
    TokenExpiry,
    /// Pauses of whoever connects with a device's id; numbers: device, connection.
    Intruder,
    /// Back-off of an image's download; numbers: device and its n-th update, attempt.
    ImageRetry,
    /// The bytes of a made-up image; number: the word.
    Image,
    /// How late a fault makes what a connection carries; numbers: device, fault, then connection and direction.
    PathLatency,
    /// Runs drawn again to tell how sure a comparison is; number: the side.
    Bootstrap,
    /// How long a hub's servers take; numbers: the hub among those of the run, its n-th operation.
    ServiceTimes,
    /// When in its interval a device publishes; number: device.
    TelemetryPhase,
    /// How long connections last, and are away; numbers: device, twice the n-th connection and one for away.
    Churn,
}

/// The seed of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// A uniformly distributed hash of the seed, `domain`, `a` and `b`.
    #[must_use]
    pub const fn hash(self, domain: Domain, a: u64, b: u64) -> u64 {
        let mut h = mix(self.0 ^ 0x9e37_79b9_7f4a_7c15);
        h = mix(h ^ (domain as u64));
        h = mix(h ^ a);
        mix(h ^ b)
    }

    /// The random stream of `domain` for the numbers `a` and `b`.
    #[must_use]
    pub fn stream(self, domain: Domain, a: u64, b: u64) -> Stream {
        let high = self.hash(domain, a, b);
        let low = mix(high ^ 0xd1b5_4a32_d192_ed03);
        Stream::new((u128::from(high) << 64) | u128::from(low))
    }
}

/// SplitMix64's step and finaliser (Steele, Lea, Flood 2014): each input bit changes half of the output bits.
const fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_stream_depends_on_seed_domain_and_numbers_alone() {
        let first = |seed, domain, a, b| Seed(seed).stream(domain, a, b).next_u64();
        let base = first(7, Domain::Delays, 1, 2);
        assert_eq!(base, first(7, Domain::Delays, 1, 2));
        for other in [
            first(8, Domain::Delays, 1, 2),
            first(7, Domain::Faults, 1, 2),
            first(7, Domain::Delays, 2, 2),
            first(7, Domain::Delays, 1, 3),
            first(7, Domain::Delays, 2, 1),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn hashes_are_uniform_enough_to_select_by() {
        let below = (0..10_000).filter(|&device| Seed(7).hash(Domain::Faults, 0, device) < u64::MAX / 50).count();
        assert!((150..250).contains(&below), "2 % of 10,000 came out as {below}");
    }
}
