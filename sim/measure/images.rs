//! What devices downloaded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Downloads of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageCounts {
    /// Downloads that are over.
    pub downloads: u64,
    /// Bytes of images that came with them.
    pub bytes: u64,
    /// How often one went on where it had broken off.
    pub resumes: u64,
    /// Those that brought no image, or another one than was announced.
    pub failed: u64,
}

impl ImageCounts {
    /// Adds another part's counts.
    pub const fn merge(&mut self, other: Self) {
        self.downloads += other.downloads;
        self.bytes += other.bytes;
        self.resumes += other.resumes;
        self.failed += other.failed;
    }
}
