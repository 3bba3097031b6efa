//! A contiguous range of a fleet's devices.

use serde::{Deserialize, Serialize};

/// The devices `start..end` of a fleet: a shard's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRange {
    /// Index of the first device.
    pub start: u32,
    /// Index after the last device.
    pub end: u32,
}

impl DeviceRange {
    /// How many devices these are.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.end - self.start
    }

    /// Whether there is no device in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether `device` is one of them.
    #[must_use]
    pub const fn contains(self, device: u32) -> bool {
        self.start <= device && device < self.end
    }

    /// Where it begins in a fleet of `devices`, from 0 to 1: by this the shards of a machine take turns with what they do
    /// again and again, as all of it at once would delay the calls of all.
    #[must_use]
    pub fn turn(self, devices: u32) -> f64 {
        f64::from(self.start) / f64::from(devices.max(1))
    }

    /// Their indices.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        self.start..self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_take_their_turns_one_after_another() {
        let turn = |start| DeviceRange { start, end: start + 25 }.turn(100);
        assert_eq!([turn(0), turn(25), turn(75)], [0.0, 0.25, 0.75]);
    }
}
