//! The devices of a partition, found by slot, by id and by last update.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::device::Device;

/// Where a device lies for as long as it is registered: what it sends finds it without a search. The slot of a device
/// that was removed goes to another, so nobody keeps it longer than the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// Devices with their indexes.
#[derive(Debug, Default)]
pub(super) struct Devices {
    slots: Vec<Option<Box<Device>>>,
    free: Vec<Slot>,
    by_id: BTreeMap<Arc<str>, Slot>,
    /// How many of them are modules.
    modules: usize,
    /// When the reported properties last changed (microseconds of Unix time), and whose.
    by_update: BTreeMap<(i64, Arc<str>), Slot>,
}

impl Devices {
    /// How many there are, modules left out.
    pub(super) fn len(&self) -> usize {
        self.by_id.len() - self.modules
    }

    /// How many modules there are.
    pub(super) const fn modules(&self) -> usize {
        self.modules
    }

    /// The modules of the device `id`, in order of ids.
    pub(super) fn modules_of(&self, id: &str) -> impl Iterator<Item = &Device> {
        let prefix = format!("{id}/");
        let all = self.by_id.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let slots: Vec<Slot> = all.take_while(|(id, _)| id.starts_with(&prefix)).map(|(_, slot)| *slot).collect();
        slots.into_iter().filter_map(|slot| self.get(slot))
    }

    /// Where the device `id` lies.
    pub(super) fn slot(&self, id: &str) -> Option<Slot> {
        self.by_id.get(id).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Device> {
        self.slots.get(slot.0)?.as_deref()
    }

    /// A device for any change but one of its reported properties, which [`Devices::report`] makes.
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Device> {
        self.slots.get_mut(slot.0)?.as_deref_mut()
    }

    /// The device `id`.
    pub(super) fn named(&self, id: &str) -> Option<&Device> {
        self.get(self.slot(id)?)
    }

    /// The device `id`, for the changes that [`Devices::get_mut`] allows.
    pub(super) fn named_mut(&mut self, id: &str) -> Option<&mut Device> {
        self.get_mut(self.slot(id)?)
    }

    pub(super) fn insert(&mut self, device: Device) {
        self.remove(&device.id);
        self.modules += usize::from(device.is_module());
        let slot = self.free.pop().unwrap_or(Slot(self.slots.len()));
        self.by_id.insert(Arc::clone(&device.id), slot);
        self.by_update.insert((device.twin.reported.updated_micros(), Arc::clone(&device.id)), slot);
        if slot.0 == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot.0] = Some(Box::new(device));
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Box<Device>> {
        let slot = self.by_id.remove(id)?;
        let device = self.slots.get_mut(slot.0)?.take()?;
        self.by_update.remove(&(device.twin.reported.updated_micros(), Arc::clone(&device.id)));
        self.modules -= usize::from(device.is_module());
        self.free.push(slot);
        Some(device)
    }

    /// Lets `change` change the reported properties of a device, and keeps the index right.
    pub(super) fn report<T>(&mut self, slot: Slot, change: impl FnOnce(&mut Device) -> T) -> Option<T> {
        let device = self.slots.get_mut(slot.0)?.as_deref_mut()?;
        let before = device.twin.reported.updated_micros();
        let result = change(device);
        let after = device.twin.reported.updated_micros();
        if before != after {
            let mut place = (before, Arc::clone(&device.id));
            self.by_update.remove(&place);
            place.0 = after;
            self.by_update.insert(place, slot);
        }
        Some(result)
    }

    /// All devices and modules, in order of ids, from `first` on or behind it.
    pub(super) fn range_by_id(&self, first: Bound<&str>) -> impl Iterator<Item = &Device> {
        self.by_id.range::<str, _>((first, Bound::Unbounded)).filter_map(|(_, slot)| self.get(*slot))
    }

    /// All devices and modules, in order of (last update, id), behind `(at, id)` or from there on.
    pub(super) fn range_by_update(&self, first: Bound<(i64, Arc<str>)>) -> impl Iterator<Item = (i64, &Device)> {
        self.by_update.range((first, Bound::Unbounded)).filter_map(|((at, _), slot)| Some((*at, self.get(*slot)?)))
    }
}
