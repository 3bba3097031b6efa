//! The ids of a fleet's devices.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Arena, DeviceRange};

/// The ids of a fleet's devices, in an order that is also that of their numbers, so that a range of numbers is a range
/// of ids. Clones share everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Words", try_from = "Words")]
pub struct DeviceIds(Ids);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ids {
    /// A prefix, and the number in seven digits.
    Numbered(Arc<str>),
    /// Sorted.
    Listed(Arc<Arena>),
}

/// Ids as they travel.
#[derive(Serialize, Deserialize)]
enum Words {
    Numbered(String),
    Listed { first: u32, ids: Vec<String> },
}

impl DeviceIds {
    /// The largest fleet whose ids sort.
    pub const MAX_DEVICES: u32 = 10_000_000;

    /// Ids that begin with `prefix`; the number follows in seven digits.
    #[must_use]
    pub fn new(prefix: impl Into<Arc<str>>) -> Self {
        Self(Ids::Numbered(prefix.into()))
    }

    /// These ids, the first of which is that of device 0; `None` if they do not ascend or are too many.
    #[must_use]
    pub fn listed<T: AsRef<[u8]>>(ids: impl IntoIterator<Item = T>) -> Option<Self> {
        Self::listed_from(0, ids)
    }

    fn listed_from<T: AsRef<[u8]>>(first: u32, ids: impl IntoIterator<Item = T>) -> Option<Self> {
        let ids = Arena::new(first, ids)?;
        ids.iter().is_sorted_by(|a, b| a < b).then(|| Self(Ids::Listed(Arc::new(ids))))
    }

    /// The id of device number `device`; empty if it is none of those listed here.
    #[must_use]
    pub fn id(&self, device: u32) -> String {
        match &self.0 {
            Ids::Numbered(prefix) => format!("{prefix}{device:07}"),
            Ids::Listed(ids) => ids.get(device).map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default(),
        }
    }

    /// The number of the device with this id; `None` if it is not one of this fleet's.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<u32> {
        match &self.0 {
            Ids::Numbered(prefix) => {
                let digits = id.strip_prefix(&**prefix)?;
                (digits.len() == 7 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
            }
            Ids::Listed(ids) => ids.find(id.as_bytes()),
        }
    }

    /// The first id that there can be, and the last.
    #[must_use]
    pub fn bounds(&self) -> (String, String) {
        match &self.0 {
            Ids::Numbered(_) => (self.id(0), self.id(Self::MAX_DEVICES - 1)),
            Ids::Listed(ids) => (self.id(ids.first()), self.id((ids.first() + ids.len() as u32).saturating_sub(1))),
        }
    }

    /// What somebody has to know who has to do with the devices of `range` alone.
    #[must_use]
    pub fn slice(&self, range: DeviceRange) -> Self {
        match &self.0 {
            Ids::Numbered(_) => self.clone(),
            Ids::Listed(ids) => Self(Ids::Listed(Arc::new(ids.slice(range.start, range.end)))),
        }
    }
}

impl From<DeviceIds> for Words {
    fn from(ids: DeviceIds) -> Self {
        match ids.0 {
            Ids::Numbered(prefix) => Self::Numbered(prefix.to_string()),
            Ids::Listed(ids) => Self::Listed {
                first: ids.first(),
                ids: ids.iter().map(|id| String::from_utf8_lossy(id).into_owned()).collect(),
            },
        }
    }
}

impl TryFrom<Words> for DeviceIds {
    type Error = &'static str;

    fn try_from(words: Words) -> Result<Self, Self::Error> {
        match words {
            Words::Numbered(prefix) => Ok(Self::new(prefix)),
            Words::Listed { first, ids } => Self::listed_from(first, ids).ok_or("the ids do not ascend"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_there_and_back() {
        let ids = DeviceIds::new("sim-");
        assert_eq!(ids.id(42), "sim-0000042");
        assert_eq!(ids.device("sim-0000042"), Some(42));
        for other in ["sim-42", "sim-00000042", "other-0000042", "sim-+000042"] {
            assert_eq!(ids.device(other), None, "{other}");
        }
    }

    #[test]
    fn listed_ids_keep_their_numbers_in_a_part_and_on_their_way() {
        let ids = DeviceIds::listed(["a", "b#1", "c", "z"]).unwrap();
        assert_eq!((ids.id(1), ids.device("c"), ids.device("d")), ("b#1".to_owned(), Some(2), None));
        let part = ids.slice(DeviceRange { start: 1, end: 3 });
        assert_eq!((part.id(2), part.device("b#1"), part.device("z")), ("c".to_owned(), Some(1), None));
        assert_eq!(part.id(3), "", "another's");
        for ids in [ids, part, DeviceIds::new("sim-")] {
            let json = serde_json::to_string(&ids).unwrap();
            assert_eq!(serde_json::from_str::<DeviceIds>(&json).unwrap(), ids, "{json}");
        }
        assert_eq!(DeviceIds::listed(["b", "a"]), None);
        assert_eq!(DeviceIds::listed(["a", "a"]), None);
    }
}
