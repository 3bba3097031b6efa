//! How a plan is cut into processes: shards, each with a range of the devices, and the embedded hubs that serve them.

use crate::device::Image;
use crate::policy::{DeviceRange, Load};
use crate::profile::{HubPlan, Plan};
use crate::shard::Roles;

/// Descriptors of a process beside devices and method calls: runtimes, pipes, files, listeners, and the connections by
/// which twins are read and devices registered.
pub(super) const BASE: u64 = 192;

/// The processes of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// The shards' devices, in order; at least one shard.
    pub(super) shards: Vec<DeviceRange>,
    /// How many embedded hubs there are; 0 where the hub is none of ours.
    pub(super) hubs: usize,
}

/// Why a plan cannot be cut into processes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A process would need more descriptors than it may have.
    #[error("the plan needs {needed} open files in {whose}, and a process may have {limit} here: {way_out}")]
    TooLarge {
        /// What the plan needs.
        needed: u64,
        /// What there is.
        limit: u64,
        /// Which process.
        whose: &'static str,
        /// What to do.
        way_out: String,
    },
    /// There would be hubs without a shard.
    #[error(
        "hub.instances is {instances}, but there are {shards} shards, and each needs one hub only: raise fleet.shards"
    )]
    IdleHubs {
        /// Hubs.
        instances: u32,
        /// Shards.
        shards: u32,
    },
}

impl Placement {
    /// Cuts `plan` into processes of at most `limit` descriptors each: one per device, one per method call in flight and
    /// one per image that is downloaded, at both ends. As few shards as will do, and a hub for each, unless the plan says how many.
    ///
    /// # Errors
    /// Even so a process would need more than `limit`, or there would be more shards or hubs than devices.
    pub(super) fn of(plan: &Plan, roles: Roles, limit: u64) -> Result<Self, Impossible> {
        let devices = plan.fleet.devices;
        let needs = Sizes { plan, roles };
        let instances = plan.hub.instances();
        // A hub serves one shard at least.
        let count = match plan.shards {
            Some(count) => count,
            None => needs.fewest_shards(limit)?.max(instances.unwrap_or(1)),
        };
        let count = count.min(devices);
        if let Some(instances) = instances.filter(|instances| *instances > count) {
            return Err(Impossible::IdleHubs { instances, shards: count });
        }
        let shards = cut(devices, count);
        let hubs = if plan.hub.is_ours() { instances.unwrap_or(count) } else { 0 };
        let placement = Self { shards, hubs: hubs as usize };
        needs.check(&placement, limit)?;
        Ok(placement)
    }

    /// Which hub serves shard number `shard`: neighbours share one.
    pub(super) fn hub_of(&self, shard: usize) -> Option<usize> {
        (self.hubs > 0).then(|| shard * self.hubs / self.shards.len())
    }

    /// Descriptors that shard number `shard` may need.
    pub(super) fn shard_needs(&self, plan: &Plan, roles: Roles, shard: usize) -> u64 {
        Sizes { plan, roles }.shard(self.shards[shard])
    }

    /// Method calls that a shard with the devices of `range` may have in flight.
    pub(super) fn calls(&self, plan: &Plan, range: DeviceRange) -> u64 {
        Sizes { plan, roles: Roles::BOTH }.calls(range)
    }

    /// Images that the devices of shard number `shard` may download at once.
    pub(super) fn downloads(&self, plan: &Plan, roles: Roles, shard: usize) -> u64 {
        if roles.fleet { Sizes { plan, roles }.downloads(self.shards[shard]) } else { 0 }
    }

    /// Descriptors that hub number `hub` may need.
    pub(super) fn hub_needs(&self, plan: &Plan, roles: Roles, hub: usize) -> u64 {
        let needs = Sizes { plan, roles };
        let served = (0..self.shards.len()).filter(|shard| self.hub_of(*shard) == Some(hub));
        BASE + served.map(|shard| needs.ends(self.shards[shard])).sum::<u64>()
    }

    /// Descriptors that a process needs which holds all of this.
    pub(super) fn needs_alone(&self, plan: &Plan, roles: Roles) -> u64 {
        let shards = (0..self.shards.len()).map(|shard| self.shard_needs(plan, roles, shard));
        shards.chain((0..self.hubs).map(|hub| self.hub_needs(plan, roles, hub))).sum()
    }
}

/// Ranges of as equal a size as can be.
fn cut(devices: u32, count: u32) -> Vec<DeviceRange> {
    let edge = |n: u32| u32::try_from(u64::from(devices) * u64::from(n) / u64::from(count)).unwrap_or(devices);
    (0..count).map(|n| DeviceRange { start: edge(n), end: edge(n + 1) }).collect()
}

/// What processes of a plan need.
struct Sizes<'a> {
    plan: &'a Plan,
    roles: Roles,
}

impl Sizes<'_> {
    /// Connections at a hub's end, of the devices, of the calls in flight and of images that it serves: never more than
    /// are planned.
    fn ends(&self, range: DeviceRange) -> u64 {
        let images =
            if matches!(self.plan.firmware.image, Some(Image::Hub { .. })) { self.downloads(range) } else { 0 };
        u64::from(range.len()) + self.calls(range) + images
    }

    /// Images that may be downloaded at once: by every device that is updated, where nothing bounds the updates in
    /// progress.
    fn downloads(&self, range: DeviceRange) -> u64 {
        if self.plan.firmware.downloads().is_none() {
            return 0;
        }
        let most = match self.plan.driver.load {
            Load::Closed { in_flight } => u64::from(in_flight),
            Load::Open { .. } => self.plan.updates(),
        };
        // Whoever else may call a fleet that runs alone is not known.
        let most = if self.roles.driver { most } else { u64::MAX };
        most.min(u64::from(range.len()))
    }

    /// A device has one call at a time, so there are never more calls than devices.
    fn calls(&self, range: DeviceRange) -> u64 {
        u64::from(self.plan.driver.max_in_flight)
            .min(u64::from(range.len()))
            .min(self.plan.driver.settling() + self.plan.updates())
    }

    fn shard(&self, range: DeviceRange) -> u64 {
        let devices = if self.roles.fleet { u64::from(range.len()) + self.downloads(range) } else { 0 };
        let calls = if self.roles.driver { self.calls(range) } else { 0 };
        BASE + devices + calls
    }

    /// The smallest number of shards with which everything fits, each with a hub of its own.
    fn fewest_shards(&self, limit: u64) -> Result<u32, Impossible> {
        let devices = self.plan.fleet.devices;
        let fits = |count: u32| {
            let largest = DeviceRange { start: 0, end: devices.div_ceil(count) };
            let hub = if self.plan.hub.is_ours() { BASE + self.ends(largest) } else { 0 };
            self.shard(largest).max(hub) <= limit
        };
        // More shards never need more: the first that fits is found by halving.
        let (mut low, mut high) = (1, devices);
        if !fits(high) {
            let needed = BASE + 2;
            let way_out = self.raise().to_owned();
            return Err(Impossible::TooLarge { needed, limit, whose: "each process", way_out });
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if fits(middle) { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    fn check(&self, placement: &Placement, limit: u64) -> Result<(), Impossible> {
        let shards = (0..placement.shards.len()).map(|n| (placement.shard_needs(self.plan, self.roles, n), "a shard"));
        let hub = if matches!(self.plan.hub, HubPlan::Null { .. }) { "a null hub" } else { "an embedded hub" };
        let hubs = (0..placement.hubs).map(|n| (placement.hub_needs(self.plan, self.roles, n), hub));
        // Both ends of the pipes to a child are the coordinator's until it has started.
        let children = (placement.shards.len() + placement.hubs) as u64;
        let coordinator = (BASE + 4 * children, "the coordinator");
        match shards.chain(hubs).chain([coordinator]).max() {
            Some((needed, whose)) if needed > limit => {
                let way_out = match self.fewest_shards(limit) {
                    Ok(fewest) => format!(
                        "leave fleet.shards and hub.instances out ({fewest} processes of each would do), or {}",
                        self.raise()
                    ),
                    Err(_) => self.raise().to_owned(),
                };
                Err(Impossible::TooLarge { needed, limit, whose, way_out })
            }
            _ => Ok(()),
        }
    }

    /// How a process may have more descriptors.
    fn raise(&self) -> &'static str {
        match self.plan.max_descriptors {
            Some(_) => "raise fleet.max_descriptors",
            None => "raise the hard limit (ulimit -Hn)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Override};
    use proptest::prelude::*;

    const SERVED: &str = "firmware.image={ size = \"1MiB\", serve = true }";

    fn plan(sets: &[&str]) -> Plan {
        let overrides: Vec<_> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        profile::load("quickstart", &overrides).unwrap()
    }

    #[test]
    fn as_many_processes_as_descriptors_ask_for() {
        for (sets, roles, limit, shards, hubs) in [
            (&["fleet.devices=1000"][..], Roles::BOTH, 20_000, 1, 1),
            (&["fleet.devices=18808"], Roles::BOTH, 20_000, 1, 1),
            (&["fleet.devices=18809"], Roles::BOTH, 20_000, 2, 2),
            (&["fleet.devices=100000"], Roles::BOTH, 20_000, 6, 6),
            (&["fleet.devices=100000", SERVED], Roles::BOTH, 20_000, 11, 11),
            (&["fleet.devices=100000", SERVED, "load.kind=closed", "load.in_flight=10"], Roles::BOTH, 20_000, 6, 6),
            (&["fleet.devices=1000000"], Roles::BOTH, 20_000, 54, 54),
            (&["fleet.devices=1000000", "load.max_in_flight=100"], Roles::BOTH, 20_000, 51, 51),
            (&["fleet.devices=300", "load.max_in_flight=8"], Roles::BOTH, 320, 3, 3),
            (&["fleet.devices=300", "fleet.shards=5"], Roles::BOTH, 20_000, 5, 5),
            (&["fleet.devices=300", "fleet.shards=5", "hub.instances=2"], Roles::BOTH, 20_000, 5, 2),
            (&["fleet.devices=300", "hub.instances=2"], Roles::BOTH, 20_000, 2, 2),
            (&["fleet.devices=3", "fleet.shards=5"], Roles::BOTH, 20_000, 3, 3),
            (&["fleet.devices=40000", "hub.kind=azure"], Roles::FLEET, 20_000, 3, 0),
            (&["fleet.devices=40000", "hub.kind=azure"], Roles::DRIVER, 20_000, 1, 0),
        ] {
            let placement = Placement::of(&plan(sets), roles, limit).unwrap();
            assert_eq!((placement.shards.len(), placement.hubs), (shards, hubs), "{sets:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_way_out() {
        for (sets, limit, says) in [
            (&["fleet.devices=1000"][..], 193, "194 open files in each process, and a process may have 193"),
            (&["fleet.devices=40000", "fleet.shards=1"], 20_000, "41192 open files in an embedded hub"),
            (&["fleet.devices=40000", "fleet.shards=1"], 20_000, "3 processes of each would do"),
            (&["fleet.devices=40000", "fleet.shards=1"], 20_000, "ulimit -Hn"),
            (
                &["fleet.devices=40000", "fleet.shards=1", "fleet.max_descriptors=20000"],
                20_000,
                "fleet.max_descriptors",
            ),
            (&["fleet.devices=30000", "hub.instances=1"], 20_000, "in an embedded hub"),
            (&["fleet.devices=30000", "hub.kind=null", "hub.instances=1"], 20_000, "in a null hub"),
            (&["fleet.devices=30000", "fleet.shards=9000"], 20_000, "in the coordinator"),
            (&["fleet.shards=2", "hub.instances=3"], 20_000, "there are 2 shards"),
        ] {
            let error = Placement::of(&plan(sets), Roles::BOTH, limit).unwrap_err().to_string();
            assert!(error.contains(says), "{sets:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_device_is_in_one_shard_and_neighbours_share_a_hub(
            devices in 40_u32..5000, shards in 1_u32..40, hubs in 1_u32..40,
        ) {
            let hubs = hubs.min(shards);
            let sets = [
                format!("fleet.devices={devices}"),
                format!("fleet.shards={shards}"),
                format!("hub.instances={hubs}"),
            ];
            let placement = Placement::of(&plan(&sets.each_ref().map(String::as_str)), Roles::BOTH, 1_000_000).unwrap();
            let mut next = 0;
            for range in &placement.shards {
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty());
                next = range.end;
            }
            prop_assert_eq!(next, devices);
            let hubs: Vec<_> = (0..placement.shards.len()).map(|shard| placement.hub_of(shard).unwrap()).collect();
            prop_assert!(hubs.is_sorted() && hubs[0] == 0 && hubs[hubs.len() - 1] + 1 == placement.hubs);
            prop_assert!(hubs.windows(2).all(|pair| pair[1] - pair[0] <= 1));
        }
    }
}
