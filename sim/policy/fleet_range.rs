//! A contiguous range of a fleet's devices, and the ids they carry.

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

    /// Their indices.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        self.start..self.end
    }
}
