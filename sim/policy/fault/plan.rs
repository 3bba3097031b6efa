//! Who is hit by which fault: decided by hash(seed, fault, device, update), the same on any number of workers and shards.

use super::{Fault, Place, Select};
use crate::random::{Domain, Seed};

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
    /// In ascending order.
    Devices(Vec<u32>),
}

impl Reach {
    fn among(mut devices: Vec<u32>) -> Self {
        devices.sort_unstable();
        Self::Devices(devices)
    }
}

impl FaultPlan {
    /// Resolves the selections of `faults` for a fleet of `devices` that is called in one wave.
    #[must_use]
    pub fn new(seed: Seed, faults: &[Fault], devices: u32) -> Self {
        Self::in_waves(seed, faults, devices, |_| Vec::new())
    }

    /// The same for a roll-out in waves; `wave` tells the devices of one, and is asked only where a fault selects it.
    #[must_use]
    pub fn in_waves(seed: Seed, faults: &[Fault], devices: u32, wave: impl Fn(u32) -> Vec<u32>) -> Self {
        let reach = |(index, fault): (usize, &Fault)| {
            let reach = match &fault.select {
                Select::Wave(number) => Reach::among(wave(*number)),
                select => reach(seed, index, select, devices),
            };
            (fault.clone(), reach)
        };
        let faults = faults.iter().enumerate().map(reach).collect();
        Self { seed, faults }
    }

    /// The faults that hit the `nth` update of `device` (from 0), at whatever time: index in the plan, and fault.
    pub fn hits(&self, device: u32, nth: u32) -> impl Iterator<Item = (usize, &Fault)> {
        self.faults.iter().enumerate().filter_map(move |(index, (fault, reach))| {
            let hit = match reach {
                Reach::All => true,
                Reach::Below(limit) => hash(self.seed, index, device, nth) < *limit,
                Reach::Devices(devices) => devices.binary_search(&device).is_ok(),
            };
            hit.then_some((index, fault))
        })
    }

    /// A fault by its index in the plan.
    #[must_use]
    pub fn get(&self, fault: usize) -> Option<&Fault> {
        self.faults.get(fault).map(|(fault, _)| fault)
    }

    /// Every fault, in the order of the plan.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().map(|(fault, _)| fault)
    }

    /// Whether any fault strikes devices at a time of its own, whatever they are doing.
    #[must_use]
    pub fn strikes_links(&self) -> bool {
        self.faults().any(|fault| fault.kind.place() == Place::Link)
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
        Select::Ids(ids) => Reach::among(ids.clone()),
        // Told by whoever knows the roll-out.
        Select::Wave(_) => Reach::Devices(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FaultKind;

    fn fault(select: Select) -> Fault {
        Fault { select, ..Fault::new(FaultKind::NoReply) }
    }

    fn hit(plan: &FaultPlan, devices: u32) -> Vec<u32> {
        (0..devices).filter(|&device| plan.hits(device, 0).next().is_some()).collect()
    }

    #[test]
    fn selections_hit_whom_they_name() {
        let devices = 10_000;
        let plan = |select| FaultPlan::in_waves(Seed(7), &[fault(select)], devices, |wave| vec![9, wave]);
        assert_eq!(hit(&plan(Select::All), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Percent(100.0)), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Percent(0.0)), devices).len(), 0);
        assert_eq!(hit(&plan(Select::Count(137)), devices).len(), 137);
        assert_eq!(hit(&plan(Select::Count(20_000)), devices).len(), 10_000);
        assert_eq!(hit(&plan(Select::Ids(vec![3, 9_999])), devices), [3, 9_999]);
        assert_eq!(hit(&plan(Select::Wave(2)), devices), [2, 9]);
        let percent = hit(&plan(Select::Percent(2.0)), devices).len();
        assert!((150..250).contains(&percent), "{percent}");
    }

    #[test]
    fn the_same_seed_hits_the_same_devices() {
        let plan = |seed| FaultPlan::new(Seed(seed), &[fault(Select::Percent(10.0))], 1000);
        assert_eq!(hit(&plan(7), 1000), hit(&plan(7), 1000));
        assert_ne!(hit(&plan(7), 1000), hit(&plan(8), 1000));
    }
}
