//! The truth that devices leave behind: what each really did and when, for the driver to join with what it saw.
//!
//! One slot per device, written by the device's worker alone and read by the driver when it sees a stage. Plain
//! atomics: no message, no queue that could overflow, no lock. A device stores before it writes to its socket, so by
//! the time an observer sees the effect, the cause stands here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::policy::{DeviceRange, FirmwareStatus};
use crate::time::Nanos;

/// The truth of a range of devices.
#[derive(Debug)]
pub struct Truth {
    range: DeviceRange,
    slots: Box<[Slot]>,
}

/// Times in nanoseconds since the run started; 0 means "not yet".
#[derive(Debug, Default)]
struct Slot {
    update: AtomicU64,
    received: AtomicU64,
    published: [AtomicU64; FirmwareStatus::ALL.len()],
    chosen: AtomicU64,
    /// Bit n: fault n of the plan was injected into this update.
    injected: AtomicU64,
    /// 1 + the fault that keeps the device offline now; 0 if none does.
    offline: AtomicU64,
}

/// What a device did in one update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceTimes {
    /// When it first received the method call.
    pub received: Option<Nanos>,
    /// When it first published each status, in the order of [`FirmwareStatus::ALL`].
    pub published: [Option<Nanos>; FirmwareStatus::ALL.len()],
    /// The delays that it chose itself, added up.
    pub chosen: Duration,
    /// Bit n: fault n of the plan was injected into this update ([`Truth::MAX_FAULTS`] bits).
    pub injected: u64,
}

impl Truth {
    /// A plan may hold so many faults.
    pub const MAX_FAULTS: usize = 64;

    /// Empty slots for the devices of `range`.
    #[must_use]
    pub fn new(range: DeviceRange) -> Self {
        Self { range, slots: range.iter().map(|_| Slot::default()).collect() }
    }

    /// The device received the call that starts `update_id`. A repeated call changes nothing.
    pub fn received(&self, device: u32, update_id: &str, at: Nanos) {
        let Some(slot) = self.slot(device) else { return };
        let update = fingerprint(update_id);
        if slot.update.load(Ordering::Relaxed) == update {
            return;
        }
        slot.update.store(0, Ordering::Release);
        for published in &slot.published {
            published.store(0, Ordering::Relaxed);
        }
        slot.chosen.store(0, Ordering::Relaxed);
        slot.injected.store(0, Ordering::Relaxed);
        slot.received.store(at.get(), Ordering::Relaxed);
        slot.update.store(update, Ordering::Release);
    }

    /// The device published `status`. A repeated report changes nothing: the first one counts.
    pub fn published(&self, device: u32, status: FirmwareStatus, at: Nanos) {
        if let Some(slot) = self.slot(device) {
            let published = &slot.published[status as usize];
            let _ = published.compare_exchange(0, at.get(), Ordering::Release, Ordering::Relaxed);
        }
    }

    /// The device chose to wait so long in its present update.
    pub fn chose(&self, device: u32, delay: Duration) {
        if let Some(slot) = self.slot(device) {
            slot.chosen.fetch_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
        }
    }

    /// The device let fault number `fault` of the plan strike its present update.
    pub fn injected(&self, device: u32, fault: usize) {
        if let Some(slot) = self.slot(device) {
            slot.injected.fetch_or(1 << (fault % Self::MAX_FAULTS), Ordering::Release);
        }
    }

    /// Fault number `fault` of the plan keeps the device offline from now on; `None`: no fault does any more.
    pub fn set_offline(&self, device: u32, fault: Option<usize>) {
        if let Some(slot) = self.slot(device) {
            slot.offline.store(fault.map_or(0, |fault| fault as u64 + 1), Ordering::Release);
        }
    }

    /// The fault that keeps the device offline now.
    #[must_use]
    pub fn offline(&self, device: u32) -> Option<usize> {
        let fault = self.slot(device)?.offline.load(Ordering::Acquire);
        usize::try_from(fault).ok()?.checked_sub(1)
    }

    /// What the device did in `update_id`; `None` if it is not in this range or has not received that update.
    #[must_use]
    pub fn of(&self, device: u32, update_id: &str) -> Option<DeviceTimes> {
        let slot = self.slot(device)?;
        if slot.update.load(Ordering::Acquire) != fingerprint(update_id) {
            return None;
        }
        let time = |nanos: &AtomicU64| Some(nanos.load(Ordering::Acquire)).filter(|&nanos| nanos > 0).map(Nanos::new);
        Some(DeviceTimes {
            received: time(&slot.received),
            published: std::array::from_fn(|status| time(&slot.published[status])),
            chosen: Duration::from_nanos(slot.chosen.load(Ordering::Acquire)),
            injected: slot.injected.load(Ordering::Acquire),
        })
    }

    fn slot(&self, device: u32) -> Option<&Slot> {
        self.slots.get(device.checked_sub(self.range.start)? as usize)
    }
}

/// A hash that tells updates of one device apart; never 0.
fn fingerprint(update_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    update_id.hash(&mut hasher);
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_told_from_the_next_one() {
        let truth = Truth::new(DeviceRange { start: 10, end: 12 });
        let applying = FirmwareStatus::Applying as usize;
        assert_eq!(truth.of(10, "u1"), None);
        truth.received(10, "u1", Nanos::new(5));
        truth.published(10, FirmwareStatus::Applying, Nanos::new(7));
        truth.published(10, FirmwareStatus::Applying, Nanos::new(9));
        truth.chose(10, Duration::from_nanos(2));
        truth.injected(10, 3);
        truth.received(10, "u1", Nanos::new(8));
        let times = truth.of(10, "u1").unwrap();
        assert_eq!((times.received, times.published[applying]), (Some(Nanos::new(5)), Some(Nanos::new(7))));
        assert_eq!((times.chosen, times.injected), (Duration::from_nanos(2), 1 << 3));
        truth.set_offline(11, Some(0));
        assert_eq!((truth.offline(11), truth.offline(10)), (Some(0), None));
        truth.received(10, "u2", Nanos::new(20));
        assert_eq!(truth.of(10, "u1"), None);
        assert_eq!(truth.of(10, "u2").unwrap().published[applying], None);
        assert_eq!(truth.of(9, "u2"), None);
        assert_eq!(truth.of(12, "u2"), None);
    }
}
