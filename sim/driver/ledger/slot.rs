//! The place of one device in the ledger.

use crate::driver::marks::Marks;
use crate::driver::update::Update;
use crate::policy::DeviceRange;

/// The latest update of a device that was called.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) update: Update,
    pub(super) marks: Marks,
}

/// The place of `device` among those of `range`, taken or not.
pub(super) fn place(
    slots: &mut [Option<Box<Slot>>],
    range: DeviceRange,
    device: u32,
) -> Option<&mut Option<Box<Slot>>> {
    slots.get_mut(device.checked_sub(range.start)? as usize)
}

/// What stands there.
pub(super) fn slot(slots: &mut [Option<Box<Slot>>], range: DeviceRange, device: u32) -> Option<&mut Slot> {
    place(slots, range, device)?.as_deref_mut()
}
