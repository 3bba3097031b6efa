//! The buffers that connections borrow.

use std::fmt;

use bytes::BytesMut;

/// What one read takes at most, in bytes. Large, so that no second read is needed to learn that nothing is left.
pub(super) const READ: usize = 64 * 1024;

/// What is encoded before it is written, in bytes, and the size of a write buffer that is kept.
pub(super) const WRITE: usize = 256 * 1024;

/// The buffers that all connections of a worker share.
pub struct Scratch {
    pub(super) read: Box<[u8]>,
    pub(super) parse: BytesMut,
    pub(super) write: BytesMut,
    /// What TLS and WebSocket make of `write`.
    pub(super) sealed: BytesMut,
    /// What the one hands to the other.
    pub(super) between: BytesMut,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            read: vec![0; READ].into_boxed_slice(),
            parse: BytesMut::with_capacity(READ),
            write: BytesMut::with_capacity(READ),
            sealed: BytesMut::new(),
            between: BytesMut::new(),
        }
    }
}

impl Scratch {
    /// Gives back what a large packet took.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.write, &mut self.sealed, &mut self.between] {
            if buffer.capacity() > WRITE {
                *buffer = BytesMut::with_capacity(READ);
            }
        }
    }
}

/// What is buffered may hold a token, so none of it is shown.
impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}
