//! The devices of a partition, found by id and by last update.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;

use super::device::Device;

/// Devices with their indexes.
#[derive(Debug, Default)]
pub(super) struct Devices {
    by_id: BTreeMap<Rc<str>, Box<Device>>,
    /// When the reported properties last changed (microseconds of Unix time), and whose.
    by_update: BTreeSet<(i64, Rc<str>)>,
}

impl Devices {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Device> {
        self.by_id.get(id).map(Box::as_ref)
    }

    /// A device for any change but one of its reported properties, which [`Devices::report`] makes.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Device> {
        self.by_id.get_mut(id).map(Box::as_mut)
    }

    pub(super) fn insert(&mut self, device: Device) {
        let id = Rc::clone(&device.id);
        self.remove(&id);
        self.by_update.insert((updated(&device), Rc::clone(&id)));
        self.by_id.insert(id, Box::new(device));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Box<Device>> {
        let device = self.by_id.remove(id)?;
        self.by_update.remove(&(updated(&device), Rc::clone(&device.id)));
        Some(device)
    }

    /// Lets `change` change the reported properties of the device `id`, and keeps the index right.
    pub(super) fn report<T>(&mut self, id: &str, change: impl FnOnce(&mut Device) -> T) -> Option<T> {
        let device = self.by_id.get_mut(id)?;
        let before = updated(device);
        let result = change(device);
        let after = updated(device);
        if before != after {
            let id = Rc::clone(&device.id);
            self.by_update.remove(&(before, Rc::clone(&id)));
            self.by_update.insert((after, id));
        }
        Some(result)
    }

    /// All devices, in order of ids, from `first` on or behind it.
    pub(super) fn range_by_id(&self, first: Bound<&str>) -> impl Iterator<Item = &Device> {
        self.by_id.range::<str, _>((first, Bound::Unbounded)).map(|(_, device)| device.as_ref())
    }

    /// All devices, in order of (last update, id), behind `(at, id)` or from there on.
    pub(super) fn range_by_update(&self, first: Bound<(i64, Rc<str>)>) -> impl Iterator<Item = (i64, &Device)> {
        self.by_update.range((first, Bound::Unbounded)).filter_map(|(at, id)| Some((*at, self.get(id)?)))
    }
}

fn updated(device: &Device) -> i64 {
    device.twin.reported.updated().as_microsecond()
}
