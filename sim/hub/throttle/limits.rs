//! What each tier allows (8.1, 8.2).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::Operation;
use crate::policy::{Limit, ThrottledOperation};

/// Limits are windows of about a minute: so much of a limit's rate passes at once after a silence (8.3).
const BURST_S: f64 = 60.0;
/// How long operations queue. No number is documented; refusals tell clients to come back after so long (8.3).
const QUEUE: Duration = Duration::from_secs(10);
/// How long a CONNACK is held back: shorter than the 30 s after which the first SDKs give up waiting for it (1.6).
const CONNECT_QUEUE: Duration = Duration::from_secs(25);

/// What counts as one message in all tiers that are not free, in bytes (8.2).
const MESSAGE_BYTES: usize = 4096;

/// The tier of a hub, as it is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tier {
    /// Free.
    F1,
    /// Standard 1.
    S1,
    /// Standard 2.
    S2,
    /// Standard 3.
    S3,
}

impl Tier {
    /// All of them, the smallest first.
    pub const ALL: [Self; 4] = [Self::F1, Self::S1, Self::S2, Self::S3];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F1 => "F1",
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
        }
    }

    /// The tier of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// How many units of it a hub may have.
    #[must_use]
    pub const fn units(self) -> RangeInclusive<u32> {
        match self {
            Self::F1 => 1..=1,
            Self::S1 | Self::S2 => 1..=200,
            Self::S3 => 1..=10,
        }
    }
}

/// What a hub allows. What is not limited here is not limited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubLimits {
    /// By operation.
    pub throttles: BTreeMap<Operation, Limit>,
    /// Billed messages in a day of UTC.
    pub messages_per_day: Option<u64>,
    /// What counts as one billed message, in bytes; more than zero.
    pub message_bytes: usize,
    /// Devices and modules that may be registered.
    pub devices: Option<u64>,
    /// Jobs that may run at once.
    pub concurrent_jobs: Option<usize>,
    /// Whether refusals of services' requests say when to come back. The real hub's do not (8.3).
    pub retry_after: bool,
}

impl HubLimits {
    /// No limits.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            throttles: BTreeMap::new(),
            messages_per_day: None,
            message_bytes: MESSAGE_BYTES,
            devices: None,
            concurrent_jobs: None,
            retry_after: false,
        }
    }

    /// What a hub allows that has `units` of a tier, or none, and beside it limits `one_by_one`: each of these takes the
    /// place of the tier's for its operation, however much more or less it allows. `None` where nothing is limited.
    #[must_use]
    pub fn effective(tier: Option<(Tier, u32)>, one_by_one: &BTreeMap<ThrottledOperation, Limit>) -> Option<Self> {
        if tier.is_none() && one_by_one.is_empty() {
            return None;
        }
        let mut limits = tier.map_or_else(Self::none, |(tier, units)| Self::of(tier, units));
        limits.throttles.extend(one_by_one.iter().map(|(operation, limit)| (Operation::from(*operation), *limit)));
        Some(limits)
    }

    /// What `units` of `tier` allow; units beyond [`Tier::units`] are left out.
    #[must_use]
    pub fn of(tier: Tier, units: u32) -> Self {
        let units = units.clamp(*tier.units().start(), *tier.units().end());
        let throttles = Operation::ALL.into_iter().map(|operation| {
            let rate = rate(tier, f64::from(units), operation);
            let queue = if operation == Operation::Connect { CONNECT_QUEUE } else { QUEUE };
            (operation, Limit { rate, burst: rate * BURST_S, queue })
        });
        let (per_unit, message_bytes, devices, jobs) = match tier {
            Tier::F1 => (8_000, 512, 500, 1),
            Tier::S1 => (400_000, MESSAGE_BYTES, 1_000_000, 1),
            Tier::S2 => (6_000_000, MESSAGE_BYTES, 1_000_000, 5),
            Tier::S3 => (300_000_000, MESSAGE_BYTES, 1_000_000, 10),
        };
        Self {
            throttles: throttles.collect(),
            messages_per_day: Some(per_unit * u64::from(units)),
            message_bytes,
            devices: Some(devices),
            concurrent_jobs: Some(jobs),
            retry_after: false,
        }
    }
}

/// Units of `operation` per second. Where the table has two figures the larger one counts: the first is the hub's
/// whatever it has of units, the second grows with them.
fn rate(tier: Tier, units: f64, operation: Operation) -> f64 {
    let per_minute = |small: f64, large: f64| if tier == Tier::S3 { large / 60.0 } else { small / 60.0 };
    match (operation, tier) {
        (Operation::Registry | Operation::Job, _) => per_minute(100.0, 5_000.0) * units,
        (Operation::Query, _) => per_minute(20.0, 1_000.0) * units,
        (Operation::Configuration, _) => per_minute(20.0, 20.0) * units,
        (Operation::Connect | Operation::Telemetry, Tier::F1 | Tier::S1) => f64::max(100.0, 12.0 * units),
        (Operation::Connect | Operation::Telemetry, Tier::S2) => 120.0 * units,
        (Operation::Connect | Operation::Telemetry, Tier::S3) => 6_000.0 * units,
        // 160 KB/s, 480 KB/s and 24 MB/s, in blocks of 4 KB.
        (Operation::Method, Tier::F1 | Tier::S1) => 40.0 * units,
        (Operation::Method, Tier::S2) => 120.0 * units,
        (Operation::Method, Tier::S3) => 6_144.0 * units,
        // The first two of these tiers have one figure, whatever they have of units.
        (Operation::TwinRead, Tier::F1 | Tier::S1) => 100.0,
        (Operation::TwinRead, Tier::S2) => f64::max(100.0, 10.0 * units),
        (Operation::TwinRead, Tier::S3) => 500.0 * units,
        (Operation::TwinUpdate, Tier::F1 | Tier::S1) => 50.0,
        (Operation::TwinUpdate, Tier::S2) => f64::max(50.0, 5.0 * units),
        (Operation::TwinUpdate, Tier::S3) => 250.0 * units,
        (Operation::JobDevice, Tier::F1 | Tier::S1) => 10.0,
        (Operation::JobDevice, Tier::S2) => f64::max(10.0, units),
        (Operation::JobDevice, Tier::S3) => 50.0 * units,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_allows_what_the_tables_say() {
        use Operation::{Connect, JobDevice, Method, Query, Registry, TwinRead, TwinUpdate};
        for (tier, units, rates, messages) in [
            (Tier::F1, 1, [100.0 / 60.0, 100.0, 20.0 / 60.0, 40.0, 100.0, 50.0, 10.0], 8_000),
            (Tier::S1, 1, [100.0 / 60.0, 100.0, 20.0 / 60.0, 40.0, 100.0, 50.0, 10.0], 400_000),
            (Tier::S1, 10, [1_000.0 / 60.0, 120.0, 200.0 / 60.0, 400.0, 100.0, 50.0, 10.0], 4_000_000),
            (Tier::S2, 20, [2_000.0 / 60.0, 2_400.0, 400.0 / 60.0, 2_400.0, 200.0, 100.0, 20.0], 120_000_000),
            (Tier::S3, 2, [10_000.0 / 60.0, 12_000.0, 2_000.0 / 60.0, 12_288.0, 1_000.0, 500.0, 100.0], 600_000_000),
        ] {
            let limits = HubLimits::of(tier, units);
            for (operation, rate) in
                [Registry, Connect, Query, Method, TwinRead, TwinUpdate, JobDevice].into_iter().zip(rates)
            {
                let limit = limits.throttles[&operation];
                assert!((limit.rate - rate).abs() < 1e-9, "{operation:?} of {units} {tier:?}: {}", limit.rate);
                assert!((limit.burst - rate * 60.0).abs() < 1e-6 && limit.queue >= QUEUE);
            }
            assert_eq!(limits.messages_per_day, Some(messages));
        }
        assert_eq!(HubLimits::of(Tier::F1, 9), HubLimits::of(Tier::F1, 1), "there is no second unit of it");
        assert_eq!(Tier::ALL.map(|tier| Tier::parse(tier.name())), Tier::ALL.map(Some));
        assert_eq!(Tier::parse("s1"), None);
    }

    #[test]
    fn a_single_limit_takes_the_place_of_the_tiers_and_stands_alone_without_one() {
        assert_eq!(HubLimits::effective(None, &BTreeMap::new()), None);
        assert_eq!(HubLimits::effective(Some((Tier::S2, 3)), &BTreeMap::new()), Some(HubLimits::of(Tier::S2, 3)));
        let slow = Limit { rate: 5.0, burst: 5.0, queue: Duration::ZERO };
        let single = BTreeMap::from([(ThrottledOperation::TwinWrites, slow)]);
        let alone = HubLimits::effective(None, &single).unwrap();
        assert_eq!(alone.throttles, BTreeMap::from([(Operation::TwinUpdate, slow)]));
        assert_eq!((alone.messages_per_day, alone.devices, alone.concurrent_jobs), (None, None, None));
        let mut beside = HubLimits::effective(Some((Tier::S1, 1)), &single).unwrap();
        assert_eq!(
            beside
                .throttles
                .insert(Operation::TwinUpdate, HubLimits::of(Tier::S1, 1).throttles[&Operation::TwinUpdate]),
            Some(slow)
        );
        assert_eq!(beside, HubLimits::of(Tier::S1, 1), "all else is the tier's");
    }
}
