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

/// The ids of a fleet's devices: a prefix and the index in seven digits, so that ids of a fleet of up to ten million
/// sort as their indices do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIds {
    prefix: String,
}

impl DeviceIds {
    /// The largest fleet whose ids sort.
    pub const MAX_DEVICES: u32 = 10_000_000;

    /// Ids that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The id of device number `device`.
    #[must_use]
    pub fn id(&self, device: u32) -> String {
        format!("{}{device:07}", self.prefix)
    }

    /// The number of the device with this id; `None` if it is not one of this fleet's.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<u32> {
        let digits = id.strip_prefix(&self.prefix)?;
        (digits.len() == 7 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
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

    #[test]
    fn ids_go_there_and_back() {
        let ids = DeviceIds::new("sim-");
        assert_eq!(ids.id(42), "sim-0000042");
        assert_eq!(ids.device("sim-0000042"), Some(42));
        for other in ["sim-42", "sim-00000042", "other-0000042", "sim-+000042"] {
            assert_eq!(ids.device(other), None, "{other}");
        }
    }
}
