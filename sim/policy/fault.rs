//! Faults as data: what goes wrong, for whom, and when. Who is hit is decided by hash(seed, fault, device, update).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outcome, units};
use crate::random::{Domain, Seed};

/// One entry of a fault plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To whom.
    pub select: Select,
    /// When it becomes active, from the start of the load.
    #[serde(with = "units::duration")]
    pub at: Duration,
    /// How long it stays active; `None` to the end.
    #[serde(rename = "for", with = "units::optional_duration")]
    pub lasts: Option<Duration>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// The device answers the method with this status and starts nothing.
    Reject {
        /// The status, not 200.
        status: u16,
    },
    /// The device never answers the method.
    NoReply,
    /// The device is not connected.
    Offline,
    /// The device reports `failed` at the end of the stage.
    Fail {
        /// Where it fails.
        stage: FaultStage,
        /// Why, one of [`FaultKind::FAIL_CODES`].
        code: String,
    },
    /// The device stays connected in this stage and reports nothing more.
    Stall {
        /// The last stage that it enters.
        stage: FaultStage,
    },
}

/// A stage of the workflow in which a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultStage {
    /// Before the download has begun.
    #[serde(alias = "wait")]
    Waiting,
    /// While the image is downloaded.
    #[serde(alias = "download")]
    Downloading,
    /// While the image is verified, right after the download.
    #[serde(alias = "verify")]
    Verifying,
    /// While the image is applied.
    #[serde(alias = "apply")]
    Applying,
    /// While the device restarts into the new image, right after it was applied.
    #[serde(alias = "reboot")]
    Rebooting,
}

impl FaultStage {
    /// The name in reports and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Downloading => "downloading",
            Self::Verifying => "verifying",
            Self::Applying => "applying",
            Self::Rebooting => "rebooting",
        }
    }
}

/// Who is hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Every device.
    All,
    /// This share of the devices, 0 to 100, each drawn on its own.
    Percent(f64),
    /// Exactly so many devices (all, if there are fewer).
    Count(u32),
    /// The devices with these indices.
    Ids(Vec<u32>),
}

impl FaultKind {
    /// The failure codes of devices, in the meanings of LwM2M's firmware update object and its relatives.
    pub const FAIL_CODES: [&'static str; 12] = [
        "no_space",
        "out_of_memory",
        "connection_lost",
        "checksum_mismatch",
        "unsupported_package",
        "invalid_uri",
        "apply_failed",
        "boot_failed",
        "cancelled",
        "deferred",
        "same_version",
        "downgrade",
    ];

    /// The name in profiles and results.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reject { .. } => "reject",
            Self::NoReply => "no_reply",
            Self::Offline => "offline",
            Self::Fail { .. } => "fail",
            Self::Stall { .. } => "stall",
        }
    }

    /// The outcome of an update that is hit by this fault alone.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Reject { .. } => Outcome::Rejected,
            Self::NoReply => Outcome::NoResponse,
            Self::Offline => Outcome::NotOnline,
            Self::Fail { .. } => Outcome::Failed,
            Self::Stall { .. } => Outcome::Stuck,
        }
    }
}

/// The faults of a run with their selections resolved for a fleet.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    seed: Seed,
    faults: Vec<(Fault, Reach)>,
}

/// A selection as a condition on a device's hash.
#[derive(Debug, Clone)]
enum Reach {
    /// Hit if the hash is below this value; everyone at `u64::MAX` inclusive is spelled `All`.
    Below(u64),
    All,
    Devices(Vec<u32>),
}

impl FaultPlan {
    /// Resolves the selections of `faults` for a fleet of `devices`.
    #[must_use]
    pub fn new(seed: Seed, faults: &[Fault], devices: u32) -> Self {
        let faults = faults
            .iter()
            .enumerate()
            .map(|(index, fault)| (fault.clone(), reach(seed, index, &fault.select, devices)))
            .collect();
        Self { seed, faults }
    }

    /// The faults that hit the `nth` update of `device` (from 0), at whatever time: index in the plan, and fault.
    pub fn hits(&self, device: u32, nth: u32) -> impl Iterator<Item = (usize, &Fault)> {
        self.faults.iter().enumerate().filter_map(move |(index, (fault, reach))| {
            let hit = match reach {
                Reach::All => true,
                Reach::Below(limit) => hash(self.seed, index, device, nth) < *limit,
                Reach::Devices(devices) => devices.contains(&device),
            };
            hit.then_some((index, fault))
        })
    }

    /// Whether a fault, by its index, strikes updates one by one, rather than afflict devices whatever they do; and
    /// whether it then decides how they end.
    #[must_use]
    pub fn strikes(&self, fault: usize) -> (bool, bool) {
        let strikes = self.faults.get(fault).is_some_and(|(fault, _)| fault.kind != FaultKind::Offline);
        (strikes, strikes)
    }

    /// Whether any fault takes devices away at a time of its own, whatever they are doing.
    #[must_use]
    pub fn takes_offline(&self) -> bool {
        self.faults.iter().any(|(fault, _)| fault.kind == FaultKind::Offline)
    }
}

impl Fault {
    /// Whether the fault is active `since` the start of the load.
    #[must_use]
    pub fn active(&self, since: Duration) -> bool {
        self.at <= since && self.lasts.is_none_or(|lasts| since < self.at + lasts)
    }
}

fn hash(seed: Seed, fault: usize, device: u32, nth: u32) -> u64 {
    seed.hash(Domain::Faults, fault as u64, (u64::from(nth) << 32) | u64::from(device))
}

fn reach(seed: Seed, index: usize, select: &Select, devices: u32) -> Reach {
    match select {
        Select::All => Reach::All,
        Select::Percent(percent) if *percent >= 100.0 => Reach::All,
        Select::Percent(percent) => Reach::Below((percent / 100.0 * u64::MAX as f64) as u64),
        Select::Count(count) if *count >= devices => Reach::All,
        // The devices with the smallest hashes of their first update; later updates draw anew at the same rate.
        Select::Count(count) => {
            let mut hashes: Vec<u64> = (0..devices).map(|device| hash(seed, index, device, 0)).collect();
            let (_, limit, _) = hashes.select_nth_unstable(*count as usize);
            Reach::Below(*limit)
        }
        Select::Ids(ids) => Reach::Devices(ids.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(select: Select) -> Fault {
        Fault { kind: FaultKind::NoReply, select, at: Duration::ZERO, lasts: None }
    }

    fn hit(plan: &FaultPlan, devices: u32) -> Vec<u32> {
        (0..devices).filter(|&device| plan.hits(device, 0).next().is_some()).collect()
    }

    #[test]
    fn selections_hit_whom_they_name() {
        let devices = 10_000;
        let plan = |select| FaultPlan::new(Seed(7), &[fault(select)], devices);
        assert_eq!(hit(&plan(Select::All), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Percent(100.0)), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Percent(0.0)), devices).len(), 0);
        assert_eq!(hit(&plan(Select::Count(137)), devices).len(), 137);
        assert_eq!(hit(&plan(Select::Count(20_000)), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Ids(vec![3, 9_999])), devices), [3, 9_999]);
        let percent = hit(&plan(Select::Percent(2.0)), devices).len();
        assert!((150..250).contains(&percent), "{percent}");
    }

    #[test]
    fn the_same_seed_hits_the_same_devices() {
        let plan = |seed| FaultPlan::new(Seed(seed), &[fault(Select::Percent(10.0))], 1000);
        assert_eq!(hit(&plan(7), 1000), hit(&plan(7), 1000));
        assert_ne!(hit(&plan(7), 1000), hit(&plan(8), 1000));
    }

    #[test]
    fn a_window_opens_and_closes() {
        let second = Duration::from_secs(1);
        let fault = Fault { at: second, lasts: Some(second), ..fault(Select::All) };
        assert!(!fault.active(Duration::ZERO) && fault.active(second) && !fault.active(2 * second));
    }
}
