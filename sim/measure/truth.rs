//! The truth that devices leave behind: what each really did and when, for the driver to join with what it saw.
//!
//! One slot per device, written by the device's worker alone and read by the driver when it sees a stage. Plain
//! atomics: no message, no queue that could overflow, and no lock, but for the numbers of telemetry that was given up.
//! A device stores before it writes to its socket, so by the time an observer sees the effect, the cause stands here.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::policy::{DeviceRange, FirmwareStatus};
use crate::time::Nanos;

/// The truth of a range of devices.
#[derive(Debug)]
pub struct Truth {
    range: DeviceRange,
    slots: Box<[Slot]>,
    /// Messages of telemetry that each device has sent; empty where none is.
    telemetry: Box<[AtomicU32]>,
    /// What was given up of them, which is rare.
    lost: Mutex<BTreeMap<u32, LostTelemetry>>,
}

/// What a device published of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetryTruth {
    /// Messages, numbered from 0.
    pub sent: u32,
    /// Those that were given up before anybody acknowledged them.
    pub lost: LostTelemetry,
}

/// Messages of a device that were given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostTelemetry {
    /// Their numbers, in the order in which they were given up.
    pub named: Vec<u32>,
    /// Those that are not named, as there are too many.
    pub unnamed: u32,
}

impl LostTelemetry {
    /// So many of a device are named; those beyond are counted.
    const NAMED: usize = 10_000;

    fn add(&mut self, number: u32) {
        if self.named.len() < Self::NAMED {
            self.named.push(number);
        } else {
            self.unnamed += 1;
        }
    }
}

/// Times in nanoseconds since the run started; 0 means "not yet".
#[derive(Debug, Default)]
struct Slot {
    update: AtomicU64,
    received: AtomicU64,
    published: [AtomicU64; FirmwareStatus::ALL.len()],
    /// Bit n: a report of status n is the hub's.
    handed_over: AtomicU8,
    chosen: AtomicU64,
    /// Bit n: fault n of the plan struck this update.
    injected: AtomicU64,
    /// Bit n: fault n of the plan afflicts the device now, whatever it does.
    afflicted: AtomicU64,
    /// Bit n: fault n of the plan has afflicted the device since its latest update was called.
    felt: AtomicU64,
    /// The update that the driver has ended: what strikes it from then on comes too late for its outcome.
    ended: AtomicU64,
    /// Since when the device has its connection; 0 while it has none.
    connected: AtomicU64,
    /// 1 + the first fault that decided how this update ends; 0 if none has.
    decisive: AtomicU8,
    accepted: AtomicBool,
    failed_itself: AtomicBool,
    /// Whether the device is at work on an update, whichever.
    at_work: AtomicBool,
}

/// What a device did in one update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceTimes {
    /// When it first received the method call.
    pub received: Option<Nanos>,
    /// When it first published each status, in the order of [`FirmwareStatus::ALL`].
    pub published: [Option<Nanos>; FirmwareStatus::ALL.len()],
    /// Bit n: its report of status n is the hub's: acknowledged, or sent where nobody acknowledges it.
    pub handed_over: u8,
    /// The delays that it chose itself, added up.
    pub chosen: Duration,
    /// Bit n: fault n of the plan was injected into this update ([`Truth::MAX_FAULTS`] bits).
    pub injected: u64,
    /// The first fault that decided how the update ends, by index in the fault plan.
    pub decisive: Option<usize>,
    /// Whether the device accepted the call.
    pub accepted: bool,
    /// Whether it failed for a reason of its own, which no fault gave it.
    pub failed_itself: bool,
}

impl Truth {
    /// A plan may hold so many faults.
    pub const MAX_FAULTS: usize = 64;

    /// Empty slots for the devices of `range`.
    #[must_use]
    pub fn new(range: DeviceRange) -> Self {
        let slots = range.iter().map(|_| Slot::default()).collect();
        Self { range, slots, telemetry: Box::default(), lost: Mutex::default() }
    }

    /// The same with room for what devices say of telemetry that they send.
    #[must_use]
    pub fn with_telemetry(self) -> Self {
        let telemetry = self.range.iter().map(|_| AtomicU32::default()).collect();
        Self { telemetry, ..self }
    }

    /// The device received the call that starts `update_id`. A repeated call changes nothing. Calls without an id all
    /// have the empty one: the one after an accepted call starts another update.
    pub fn received(&self, device: u32, update_id: &str, at: Nanos) {
        let Some(slot) = self.slot(device) else { return };
        let update = fingerprint(update_id);
        let another = update_id.is_empty() && slot.accepted.load(Ordering::Relaxed);
        if slot.update.load(Ordering::Relaxed) == update && !another {
            return;
        }
        slot.update.store(0, Ordering::SeqCst);
        for published in &slot.published {
            published.store(0, Ordering::Relaxed);
        }
        slot.handed_over.store(0, Ordering::Relaxed);
        slot.chosen.store(0, Ordering::Relaxed);
        slot.injected.store(0, Ordering::Relaxed);
        slot.decisive.store(0, Ordering::Relaxed);
        slot.accepted.store(false, Ordering::Relaxed);
        slot.failed_itself.store(false, Ordering::Relaxed);
        slot.received.store(at.get(), Ordering::Relaxed);
        if update_id.is_empty() {
            slot.ended.store(0, Ordering::SeqCst);
        }
        slot.update.store(update, Ordering::SeqCst);
    }

    /// The device has a connection since `at`, or has none any more.
    pub fn connected(&self, device: u32, at: Option<Nanos>) {
        if let Some(slot) = self.slot(device) {
            slot.connected.store(at.map_or(0, |at| at.get().max(1)), Ordering::Release);
        }
    }

    /// Since when the device has its connection; `None` while it has none.
    #[must_use]
    pub fn connected_since(&self, device: u32) -> Option<Nanos> {
        let since = self.slot(device)?.connected.load(Ordering::Acquire);
        (since > 0).then(|| Nanos::new(since))
    }

    /// The device published `status`. A repeated report changes nothing: the first one counts.
    pub fn published(&self, device: u32, status: FirmwareStatus, at: Nanos) {
        if let Some(slot) = self.slot(device) {
            let published = &slot.published[status as usize];
            let _ = published.compare_exchange(0, at.get(), Ordering::Release, Ordering::Relaxed);
        }
    }

    /// The device's report of `status` is the hub's: acknowledged, or sent where nobody acknowledges it.
    pub fn handed_over(&self, device: u32, status: FirmwareStatus) {
        if let Some(slot) = self.slot(device) {
            slot.handed_over.fetch_or(1 << status as u8, Ordering::Release);
        }
    }

    /// The device published a further message of telemetry.
    pub fn telemetry_sent(&self, device: u32) {
        if let Some(sent) = self.telemetry_of(device) {
            sent.fetch_add(1, Ordering::Release);
        }
    }

    /// The device has given up telemetry of this number.
    pub fn telemetry_lost(&self, device: u32, number: u32) {
        if self.telemetry_of(device).is_some() {
            self.with_lost(|all| all.entry(device).or_default().add(number));
        }
    }

    /// What `device` published of its own.
    #[must_use]
    pub fn telemetry(&self, device: u32) -> TelemetryTruth {
        let Some(sent) = self.telemetry_of(device) else { return TelemetryTruth::default() };
        let lost = self.with_lost(|all| all.get(&device).cloned().unwrap_or_default());
        TelemetryTruth { sent: sent.load(Ordering::Acquire), lost }
    }

    fn telemetry_of(&self, device: u32) -> Option<&AtomicU32> {
        self.telemetry.get(device.checked_sub(self.range.start)? as usize)
    }

    fn with_lost<T>(&self, work: impl FnOnce(&mut BTreeMap<u32, LostTelemetry>) -> T) -> T {
        // Nothing in there can be half done.
        work(&mut self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The device chose to wait so long in its present update.
    pub fn chose(&self, device: u32, delay: Duration) {
        if let Some(slot) = self.slot(device) {
            slot.chosen.fetch_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
        }
    }

    /// Fault number `fault` of the plan strikes the device's present update. A `terminal` one decides how the update
    /// ends, unless another has before. Whether the strike counts for the outcome: not if the driver has ended that
    /// update already.
    pub fn injected(&self, device: u32, fault: usize, terminal: bool) -> bool {
        let Some(slot) = self.slot(device) else { return true };
        slot.injected.fetch_or(bit(fault), Ordering::SeqCst);
        if terminal {
            let fault = (fault % Self::MAX_FAULTS) as u8 + 1;
            let _ = slot.decisive.compare_exchange(0, fault, Ordering::SeqCst, Ordering::Relaxed);
        }
        slot.ended.load(Ordering::SeqCst) != slot.update.load(Ordering::Relaxed)
    }

    /// The device accepted the call of its present update: what kept earlier attempts from it decides nothing. Whether it
    /// is still at work on another one, as it must not be.
    pub fn accepted(&self, device: u32) -> bool {
        let Some(slot) = self.slot(device) else { return false };
        slot.decisive.store(0, Ordering::SeqCst);
        slot.accepted.store(true, Ordering::SeqCst);
        slot.at_work.swap(true, Ordering::Relaxed)
    }

    /// The device has done with the update that it accepted.
    pub fn done(&self, device: u32) {
        if let Some(slot) = self.slot(device) {
            slot.at_work.store(false, Ordering::Relaxed);
        }
    }

    /// The device's present update fails for a reason of the device's own, which no fault gave it.
    pub fn failed_itself(&self, device: u32) {
        if let Some(slot) = self.slot(device) {
            slot.failed_itself.store(true, Ordering::SeqCst);
        }
    }

    /// Fault number `fault` of the plan afflicts the device from now on, whatever it does.
    pub fn afflicted(&self, device: u32, fault: usize) {
        if let Some(slot) = self.slot(device) {
            slot.afflicted.fetch_or(bit(fault), Ordering::SeqCst);
            slot.felt.fetch_or(bit(fault), Ordering::SeqCst);
        }
    }

    /// Fault number `fault` of the plan afflicts the device no longer.
    pub fn relieved(&self, device: u32, fault: usize) {
        if let Some(slot) = self.slot(device) {
            slot.afflicted.fetch_and(!bit(fault), Ordering::SeqCst);
        }
    }

    /// The driver calls the device for a new update: what it has felt counts from here.
    pub fn called(&self, device: u32) {
        if let Some(slot) = self.slot(device) {
            // In this order, so that what begins meanwhile is not lost.
            slot.felt.store(0, Ordering::SeqCst);
            slot.felt.fetch_or(slot.afflicted.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    /// Bit n: fault n of the plan has afflicted the device since it was called, though it may be over.
    #[must_use]
    pub fn felt(&self, device: u32) -> u64 {
        self.slot(device).map_or(0, |slot| slot.felt.load(Ordering::SeqCst))
    }

    /// Bit n: fault n of the plan afflicts the device now.
    #[must_use]
    pub fn afflictions(&self, device: u32) -> u64 {
        self.slot(device).map_or(0, |slot| slot.afflicted.load(Ordering::SeqCst))
    }

    /// The driver has ended `update_id`. To be said before [`Truth::of`] is asked for the last time: then every strike
    /// either stands there, or is told by [`Truth::injected`] that it came too late.
    pub fn ended(&self, device: u32, update_id: &str) {
        let Some(slot) = self.slot(device) else { return };
        let (update, present) = (fingerprint(update_id), slot.update.load(Ordering::SeqCst));
        // A device that is still at an earlier update, which has ended too, turned this one away.
        if update == present || slot.ended.load(Ordering::Relaxed) != present {
            slot.ended.store(update, Ordering::SeqCst);
        }
    }

    /// What the device did in `update_id`; `None` if it is not in this range or has not received that update.
    #[must_use]
    pub fn of(&self, device: u32, update_id: &str) -> Option<DeviceTimes> {
        let slot = self.slot(device)?;
        if slot.update.load(Ordering::SeqCst) != fingerprint(update_id) {
            return None;
        }
        let time = |nanos: &AtomicU64| Some(nanos.load(Ordering::Acquire)).filter(|&nanos| nanos > 0).map(Nanos::new);
        Some(DeviceTimes {
            received: time(&slot.received),
            published: std::array::from_fn(|status| time(&slot.published[status])),
            handed_over: slot.handed_over.load(Ordering::Acquire),
            chosen: Duration::from_nanos(slot.chosen.load(Ordering::Acquire)),
            injected: slot.injected.load(Ordering::SeqCst),
            decisive: usize::from(slot.decisive.load(Ordering::SeqCst)).checked_sub(1),
            accepted: slot.accepted.load(Ordering::SeqCst),
            failed_itself: slot.failed_itself.load(Ordering::SeqCst),
        })
    }

    fn slot(&self, device: u32) -> Option<&Slot> {
        self.slots.get(device.checked_sub(self.range.start)? as usize)
    }
}

/// The bit that stands for a fault of the plan.
const fn bit(fault: usize) -> u64 {
    1 << (fault % Truth::MAX_FAULTS)
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
        assert!(truth.injected(10, 3, false));
        truth.received(10, "u1", Nanos::new(8));
        let times = truth.of(10, "u1").unwrap();
        assert_eq!((times.received, times.published[applying]), (Some(Nanos::new(5)), Some(Nanos::new(7))));
        assert_eq!((times.chosen, times.injected), (Duration::from_nanos(2), 1 << 3));
        truth.received(10, "u2", Nanos::new(20));
        assert_eq!(truth.of(10, "u1"), None);
        assert_eq!(truth.of(10, "u2").unwrap().published[applying], None);
        assert_eq!(truth.of(9, "u2"), None);
        assert_eq!(truth.of(12, "u2"), None);
    }

    #[test]
    fn telemetry_is_counted_by_device_and_what_is_lost_by_number() {
        let truth = Truth::new(DeviceRange { start: 10, end: 12 }).with_telemetry();
        (0..4).for_each(|_| truth.telemetry_sent(10));
        truth.telemetry_sent(11);
        truth.telemetry_lost(10, 3);
        truth.telemetry_lost(10, 1);
        let lost = |named: &[u32], unnamed| LostTelemetry { named: named.to_vec(), unnamed };
        assert_eq!(truth.telemetry(10), TelemetryTruth { sent: 4, lost: lost(&[3, 1], 0) });
        assert_eq!(truth.telemetry(11), TelemetryTruth { sent: 1, lost: lost(&[], 0) });
        truth.telemetry_sent(12);
        truth.telemetry_lost(12, 0);
        assert_eq!(truth.telemetry(12), TelemetryTruth::default());
        (0..20_000).for_each(|number| truth.telemetry_lost(11, number));
        let LostTelemetry { named, unnamed } = truth.telemetry(11).lost;
        assert_eq!((named.len(), unnamed), (LostTelemetry::NAMED, 10_000), "a flood is counted and not kept");
    }

    #[test]
    fn without_telemetry_none_is_kept() {
        let truth = Truth::new(DeviceRange { start: 0, end: 1 });
        truth.telemetry_sent(0);
        truth.telemetry_lost(0, 0);
        assert_eq!(truth.telemetry(0), TelemetryTruth::default());
    }

    #[test]
    fn a_device_has_its_connection_until_it_is_gone() {
        let truth = Truth::new(DeviceRange { start: 10, end: 12 });
        assert_eq!(truth.connected_since(10), None);
        truth.connected(10, Some(Nanos::new(7)));
        assert_eq!((truth.connected_since(10), truth.connected_since(11)), (Some(Nanos::new(7)), None));
        truth.connected(10, None);
        assert_eq!(truth.connected_since(10), None);
    }

    fn one_update() -> Truth {
        let truth = Truth::new(DeviceRange { start: 0, end: 1 });
        truth.received(0, "u1", Nanos::new(5));
        truth
    }

    #[test]
    fn the_first_terminal_fault_decides_unless_the_call_is_accepted_after_all() {
        let truth = one_update();
        let (of, fault) = (|| truth.of(0, "u1").unwrap(), |fault, terminal| truth.injected(0, fault, terminal));
        fault(1, true);
        assert_eq!((of().decisive, of().accepted), (Some(1), false));
        assert!(!truth.accepted(0));
        assert_eq!((of().decisive, of().accepted, of().injected), (None, true, 0b10));
        fault(4, false);
        fault(2, true);
        fault(3, true);
        assert_eq!((of().decisive, of().injected), (Some(2), 0b1_1110));
        assert!(!of().failed_itself);
        truth.failed_itself(0);
        assert!(of().failed_itself);
        truth.received(0, "u2", Nanos::new(9));
        let fresh = DeviceTimes { received: Some(Nanos::new(9)), ..DeviceTimes::default() };
        assert_eq!(truth.of(0, "u2"), Some(fresh));
    }

    #[test]
    fn a_device_that_accepts_one_update_before_it_has_done_with_another_is_found_out() {
        let truth = one_update();
        assert!(!truth.accepted(0));
        truth.done(0);
        truth.received(0, "u2", Nanos::new(9));
        assert!(!truth.accepted(0));
        truth.received(0, "u3", Nanos::new(9));
        assert!(truth.accepted(0));
    }

    #[test]
    fn a_strike_after_the_updates_end_comes_too_late() {
        let truth = one_update();
        assert!(truth.injected(0, 0, true));
        truth.ended(0, "u1");
        assert!(!truth.injected(0, 1, true));
        truth.received(0, "u2", Nanos::new(9));
        assert!(truth.injected(0, 0, true));
        truth.ended(0, "u2");
        truth.ended(0, "u2b");
        assert!(!truth.injected(0, 1, true), "what it turned away makes no difference to what it is at");
        truth.received(0, "u2c", Nanos::new(9));
        truth.ended(0, "u3");
        truth.received(0, "u3", Nanos::new(9));
        assert!(!truth.injected(0, 0, true), "ended before the call arrived");
    }

    #[test]
    fn afflictions_outlast_updates_and_each_ends_by_itself() {
        let truth = one_update();
        truth.afflicted(0, 0);
        truth.afflicted(0, 63);
        truth.received(0, "u2", Nanos::new(9));
        assert_eq!(truth.afflictions(0), 1 | 1 << 63);
        truth.relieved(0, 0);
        assert_eq!((truth.afflictions(0), truth.afflictions(1)), (1 << 63, 0));
        assert_eq!(truth.felt(0), 1 | 1 << 63, "what is over was felt all the same");
        truth.called(0);
        assert_eq!(truth.felt(0), 1 << 63);
    }

    #[test]
    fn a_call_without_an_id_starts_another_update_once_one_was_accepted() {
        let truth = Truth::new(DeviceRange { start: 0, end: 1 });
        truth.received(0, "", Nanos::new(1));
        truth.injected(0, 0, true);
        truth.received(0, "", Nanos::new(2));
        assert_eq!(truth.of(0, "").unwrap().injected, 1, "a retry of what was refused");
        truth.accepted(0);
        truth.received(0, "", Nanos::new(3));
        assert_eq!(truth.of(0, "").unwrap().injected, 0);
    }
}
