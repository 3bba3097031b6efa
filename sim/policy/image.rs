//! Firmware images that are made up: bytes that follow from a name, so that whoever knows it knows them all, and nobody
//! has to keep them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::random::{Domain, Seed};

/// An image of this name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeImage {
    seed: Seed,
    size: u64,
}

impl MadeImage {
    /// The largest, in bytes.
    pub const MAX_SIZE: u64 = 1 << 30;
    /// The longest name, in bytes.
    const MAX_NAME: usize = 64;
    /// What is made at once where a whole image is wanted, in bytes.
    const PIECE: usize = 16 * 1024;

    /// The image called `name` with `size` bytes; `None` if it would be too large, or the name is none: 1 to 64 letters,
    /// digits, `-`, `_` and `.`.
    #[must_use]
    pub fn new(name: &str, size: u64) -> Option<Self> {
        let is_name = (1..=Self::MAX_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        // Any fixed hash will do, so long as it is the same in every process.
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (is_name && size <= Self::MAX_SIZE).then_some(Self { seed: Seed(seed), size })
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Puts the bytes from `offset` on into `piece`, which must not reach beyond the end.
    pub fn fill(&self, offset: u64, piece: &mut [u8]) {
        let skipped = (offset % 8) as usize;
        let mut word = offset / 8;
        let mut at = 0;
        while at < piece.len() {
            let bytes = self.seed.hash(Domain::Image, word, 0).to_le_bytes();
            let bytes = if at == 0 { &bytes[skipped..] } else { &bytes[..] };
            let count = bytes.len().min(piece.len() - at);
            piece[at..at + count].copy_from_slice(&bytes[..count]);
            (at, word) = (at + count, word + 1);
        }
    }

    /// The SHA-256 of all its bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        let (mut hash, mut offset, mut piece) = (Sha256::new(), 0, vec![0; Self::PIECE]);
        while offset < self.size {
            let count = (self.size - offset).min(Self::PIECE as u64) as usize;
            self.fill(offset, &mut piece[..count]);
            hash.update(&piece[..count]);
            offset += count as u64;
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_image_is_the_same_wherever_it_begins() {
        let image = MadeImage::new("2.0.0", 100).unwrap();
        let mut whole = [0; 100];
        image.fill(0, &mut whole);
        for (from, until) in [(0, 1), (3, 4), (7, 9), (8, 16), (5, 100), (99, 100), (50, 50)] {
            let mut part = vec![0; until - from];
            image.fill(from as u64, &mut part);
            assert_eq!(part, whole[from..until], "{from}..{until}");
        }
        let mut other = [0; 100];
        MadeImage::new("2.0.1", 100).unwrap().fill(0, &mut other);
        assert_ne!(other, whole, "another name, another image");
    }

    #[test]
    fn its_hash_is_that_of_its_bytes() {
        let empty = MadeImage::new("a", 0).unwrap().sha256();
        assert_eq!(empty, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let image = MadeImage::new("a", 40_000).unwrap();
        let mut whole = vec![0; 40_000];
        image.fill(0, &mut whole);
        let hash: String = Sha256::digest(&whole).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(image.sha256(), hash);
    }

    #[test]
    fn names_and_sizes_have_bounds() {
        for name in ["", "a/b", "a b", "\u{e4}", &"x".repeat(65)] {
            assert_eq!(MadeImage::new(name, 1), None, "{name}");
        }
        assert!(MadeImage::new("x", MadeImage::MAX_SIZE).is_some());
        assert!(MadeImage::new("x", MadeImage::MAX_SIZE + 1).is_none());
    }
}
