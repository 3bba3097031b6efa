//! Many short byte strings in two allocations: what each of a million devices has of its own must not cost an
//! allocation each.

use std::fmt;

/// Byte strings by number. How many, not which, is all that a debug print shows: they may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arena {
    /// The number of the first.
    first: u32,
    bytes: Box<[u8]>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Arena {
    /// The strings `items`, numbered from `first` on; `None` if they are longer than 4 GiB together.
    #[must_use]
    pub fn new<T: AsRef<[u8]>>(first: u32, items: impl IntoIterator<Item = T>) -> Option<Self> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for item in items {
            bytes.extend_from_slice(item.as_ref());
            ends.push(u32::try_from(bytes.len()).ok()?);
        }
        Some(Self { first, bytes: bytes.into(), ends: ends.into() })
    }

    /// The number of the first.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The one with this number, if it is here.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        self.at(number.checked_sub(self.first)? as usize)
    }

    fn at(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.at(index))
    }

    /// The number of the one that equals `wanted`, where they are sorted.
    #[must_use]
    pub fn find(&self, wanted: &[u8]) -> Option<u32> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle)?.cmp(wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.first + middle as u32),
            }
        }
        None
    }

    /// Those with the numbers `start..end`, as far as they are here, under the same numbers.
    #[must_use]
    pub fn slice(&self, start: u32, end: u32) -> Self {
        let first = start.max(self.first);
        let items = (first..end).map_while(|number| self.get(number));
        // A part is never longer than the whole.
        Self::new(first, items).unwrap_or_default()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arena({} from {})", self.len(), self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_number_and_its_text() {
        let arena = Arena::new(5, ["a", "bcd", "", "x"].map(str::as_bytes)).unwrap();
        assert_eq!((arena.len(), arena.get(4), arena.get(9)), (4, None, None));
        assert_eq!((arena.get(5), arena.get(6), arena.get(7)), (Some(&b"a"[..]), Some(&b"bcd"[..]), Some(&b""[..])));
        assert_eq!(arena.iter().count(), 4);
        let part = arena.slice(6, 8);
        assert_eq!((part.first(), part.len(), part.get(5), part.get(6)), (6, 2, None, Some(&b"bcd"[..])));
        assert!(arena.slice(20, 30).is_empty());
        let sorted = Arena::new(10, (0..100).map(|n| format!("{n:03}"))).unwrap();
        for n in 0..100_u32 {
            assert_eq!(sorted.find(format!("{n:03}").as_bytes()), Some(10 + n));
        }
        assert_eq!((sorted.find(b""), sorted.find(b"0415"), sorted.find(b"999")), (None, None, None));
    }

    #[test]
    fn a_debug_print_shows_none_of_them() {
        assert_eq!(format!("{:?}", Arena::new(0, ["secret"]).unwrap()), "Arena(1 from 0)");
    }
}
