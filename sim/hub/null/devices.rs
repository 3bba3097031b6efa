//! The devices of one worker, and the order in which they last reported something.

use std::collections::HashMap;
use std::rc::Rc;

use super::twin::{Reported, Stamps};
use crate::dialect::azure::rest::DeltaQuery;
use crate::hub::endpoint::Outbox;
use crate::hub::json::write_text;
use crate::policy::DeviceIds;

/// Devices that a worker may have: as many as any fleet.
const MAX_DEVICES: usize = DeviceIds::MAX_DEVICES as usize;

/// The place of a device.
pub(super) type Slot = u32;

/// No device: the end of the list.
const NONE: Slot = Slot::MAX;

/// The devices. Those that changed are found without a search, since all of them form a list in which one that changes
/// goes to the end.
#[derive(Default)]
pub(super) struct Devices {
    slots: HashMap<Rc<str>, Slot>,
    devices: Vec<Device>,
    /// The one that changed last, if there is one.
    last: Option<Slot>,
    /// When that was: no two changes have the same time, so that a page may end at any.
    stamp: i64,
}

struct Device {
    id: Rc<str>,
    /// The way to it while it is connected.
    outbox: Option<Rc<Outbox>>,
    takes_calls: bool,
    reported: Reported,
    /// Those which changed before and after it.
    earlier: Slot,
    later: Slot,
}

/// A part of a page, in the order of changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// JSON, with commas between.
    pub(super) text: String,
    /// How many.
    pub(super) count: usize,
    /// From when on there are more.
    pub(super) next: Option<i64>,
}

impl Devices {
    /// A device has connected; one that was connected under its id is closed. `None` if there are too many.
    pub(super) fn connect(&mut self, id: &str, outbox: &Rc<Outbox>, now: i64) -> Option<Slot> {
        let slot = match self.slots.get(id) {
            Some(slot) => *slot,
            None if self.devices.len() >= MAX_DEVICES => return None,
            None => self.add(id, now),
        };
        let device = &mut self.devices[slot as usize];
        device.takes_calls = false;
        // 1.7: the newest connection wins.
        if let Some(older) = device.outbox.replace(Rc::clone(outbox)) {
            older.close();
        }
        Some(slot)
    }

    fn add(&mut self, id: &str, now: i64) -> Slot {
        let slot = Slot::try_from(self.devices.len()).unwrap_or(NONE);
        let (id, at) = (Rc::<str>::from(id), self.stamp_of(now));
        let reported = Reported::new(at);
        let device =
            Device { id: Rc::clone(&id), outbox: None, takes_calls: false, reported, earlier: NONE, later: NONE };
        self.devices.push(device);
        self.slots.insert(id, slot);
        self.append(slot);
        slot
    }

    /// A connection has ended. It may not be that of its device any more.
    pub(super) fn disconnected(&mut self, slot: Slot, outbox: &Rc<Outbox>) {
        let device = &mut self.devices[slot as usize];
        if device.outbox.as_ref().is_some_and(|current| Rc::ptr_eq(current, outbox)) {
            device.outbox = None;
            device.takes_calls = false;
        }
    }

    /// A device is ready to be called, over the connection of this outbox.
    pub(super) fn takes_calls(&mut self, slot: Slot, outbox: &Rc<Outbox>) {
        let device = &mut self.devices[slot as usize];
        device.takes_calls |= device.outbox.as_ref().is_some_and(|current| Rc::ptr_eq(current, outbox));
    }

    /// The way to a device that can be called.
    pub(super) fn callable(&self, id: &str) -> Option<&Outbox> {
        let device = &self.devices[*self.slots.get(id)? as usize];
        device.outbox.as_deref().filter(|_| device.takes_calls)
    }

    /// Keeps a patch, and gives `$version`; why not, if it is of no use.
    pub(super) fn report(&mut self, slot: Slot, patch: &[u8], now: i64) -> Result<u64, &'static str> {
        let at = self.stamp_of(now);
        let version = self.devices[slot as usize].reported.merge(patch, at)?;
        self.remove(slot);
        self.append(slot);
        Ok(version)
    }

    /// Writes a device's own view of its twin.
    pub(super) fn write_for_device(&self, slot: Slot, out: &mut String) {
        out.push_str("{\"desired\":{\"$version\":1},\"reported\":");
        self.devices[slot as usize].reported.write_for_device(out);
        out.push('}');
    }

    /// A twin as a service reads it, if there is such a device.
    pub(super) fn twin(&self, id: &str) -> Option<String> {
        let device = &self.devices[*self.slots.get(id)? as usize];
        let mut out = String::with_capacity(1024);
        device.write_head(&mut out);
        out.push_str(",\"properties\":{\"desired\":{\"$version\":1},\"reported\":");
        device.reported.write(&mut Stamps::default(), &mut out);
        out.push_str("}}");
        Some(out)
    }

    /// The devices of `query` that changed from `from` to `until`, `limit` at most.
    pub(super) fn changed(&self, query: &DeltaQuery<'_>, from: i64, until: i64, limit: usize) -> Rows {
        let mut rows = Rows::default();
        let (mut stamps, ids) = (Stamps::default(), query.first_id..=query.last_id);
        let mut next = self.first_since(from);
        while let Some(device) = self.devices.get(next as usize) {
            next = device.later;
            if device.updated() > until {
                break;
            }
            if !ids.contains(&&*device.id) {
                continue;
            }
            if rows.count == limit {
                rows.next = Some(device.updated());
                break;
            }
            if rows.count > 0 {
                rows.text.push(',');
            }
            rows.count += 1;
            device.write_head(&mut rows.text);
            rows.text.push_str(",\"reported\":");
            device.reported.write(&mut stamps, &mut rows.text);
            rows.text.push('}');
        }
        rows
    }

    /// The first that changed at `from` or later, looked for from the end: mostly there are few.
    fn first_since(&self, from: i64) -> Slot {
        let (mut first, mut look) = (NONE, self.last.unwrap_or(NONE));
        while let Some(device) = self.devices.get(look as usize).filter(|device| device.updated() >= from) {
            (first, look) = (look, device.earlier);
        }
        first
    }

    /// A time for a change: later than any before.
    fn stamp_of(&mut self, now: i64) -> i64 {
        self.stamp = now.max(self.stamp + 1);
        self.stamp
    }

    fn remove(&mut self, slot: Slot) {
        let Device { earlier, later, .. } = self.devices[slot as usize];
        if let Some(device) = self.devices.get_mut(earlier as usize) {
            device.later = later;
        }
        match self.devices.get_mut(later as usize) {
            Some(device) => device.earlier = earlier,
            None => self.last = Some(earlier).filter(|earlier| *earlier != NONE),
        }
    }

    fn append(&mut self, slot: Slot) {
        let earlier = self.last.replace(slot).unwrap_or(NONE);
        if let Some(device) = self.devices.get_mut(earlier as usize) {
            device.later = slot;
        }
        let device = &mut self.devices[slot as usize];
        (device.earlier, device.later) = (earlier, NONE);
    }
}

impl Device {
    const fn updated(&self) -> i64 {
        self.reported.updated()
    }

    /// Opens an object with what is said of a device beside its properties.
    fn write_head(&self, out: &mut String) {
        out.push_str("{\"deviceId\":");
        write_text(&self.id, out);
        let state = if self.outbox.is_some() { "Connected" } else { "Disconnected" };
        out.extend([",\"connectionState\":\"", state, "\""]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::azure::rest;

    const ALL: DeltaQuery<'_> = DeltaQuery { first_id: "a", last_id: "z", since: None };

    /// The ids of the rows, and from when on there are more.
    fn ids(devices: &Devices, query: &DeltaQuery<'_>, from: i64, until: i64, limit: usize) -> (String, Option<i64>) {
        let rows = devices.changed(query, from, until, limit);
        let page = format!("[{}]", rows.text);
        let page = rest::delta_page(page.as_bytes()).unwrap();
        assert_eq!(page.len(), rows.count);
        (page.iter().map(|row| &*row.device_id).collect(), rows.next)
    }

    fn five() -> (Devices, Rc<Outbox>) {
        let (mut devices, outbox) = (Devices::default(), Rc::new(Outbox::default()));
        for id in ["a", "b", "c", "d", "e"] {
            devices.connect(id, &outbox, 10);
        }
        (devices, outbox)
    }

    #[test]
    fn what_changed_is_found_in_the_order_of_changes_each_device_once() {
        let (mut devices, _) = five();
        assert_eq!(ids(&devices, &ALL, i64::MIN, i64::MAX, 9), ("abcde".to_owned(), None));
        for (slot, version) in [(4, 2), (0, 2), (4, 3), (2, 2)] {
            assert_eq!(devices.report(slot, b"{}", 100), Ok(version));
        }
        assert_eq!(ids(&devices, &ALL, i64::MIN, i64::MAX, 9).0, "bdaec");
        assert_eq!(ids(&devices, &ALL, 100, i64::MAX, 9).0, "aec");
        assert_eq!(ids(&devices, &ALL, 103, i64::MAX, 9).0, "c", "the fourth change came in the same microsecond");
        assert_eq!(ids(&devices, &ALL, 100, 102, 9).0, "ae");
        assert_eq!(ids(&devices, &ALL, 104, i64::MAX, 9).0, "");
        assert_eq!(ids(&devices, &DeltaQuery { first_id: "b", last_id: "d", ..ALL }, 0, i64::MAX, 9).0, "bdc");
    }

    #[test]
    fn pages_leave_nothing_out_and_repeat_nothing() {
        let (mut devices, _) = five();
        let (first, next) = ids(&devices, &ALL, 0, 50, 2);
        assert_eq!(first, "ab");
        // One that has been shown changes, and one that has not.
        devices.report(0, b"{}", 60).unwrap();
        devices.report(3, b"{}", 61).unwrap();
        let (second, next) = ids(&devices, &ALL, next.unwrap(), 50, 2);
        assert_eq!((second.as_str(), next), ("ce", None));
        assert_eq!(ids(&devices, &ALL, 51, i64::MAX, 9).0, "ad");
    }

    #[test]
    fn a_newer_connection_closes_the_older_and_outlives_its_end() {
        let (mut devices, older) = five();
        devices.takes_calls(1, &older);
        assert!(devices.callable("b").is_some() && devices.callable("a").is_none() && devices.callable("x").is_none());
        let newer = Rc::new(Outbox::default());
        devices.connect("b", &newer, 20);
        devices.disconnected(1, &older);
        devices.takes_calls(1, &older);
        assert!(devices.callable("b").is_none(), "the new connection has subscribed to nothing");
        devices.takes_calls(1, &newer);
        assert!(devices.callable("b").is_some());
        let state = |devices: &Devices| rest::twin(devices.twin("b").unwrap().as_bytes()).unwrap().connected;
        assert_eq!(state(&devices), Some(true));
        devices.disconnected(1, &newer);
        assert_eq!((state(&devices), devices.twin("x")), (Some(false), None));
    }
}
