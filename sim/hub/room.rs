//! How much may wait at one worker of a hub: for a throttle, or for a server of the service-time model.

/// What waits, and what it holds. Whoever brings something asks first whether there is room for it, before a limit is
/// drawn on or a server is taken for it: what finds none is refused, and leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Room {
    count: usize,
    bytes: usize,
}

impl Room {
    /// Requests of services, or packets of devices, that may wait at one worker.
    pub(super) const MAX_COUNT: usize = 65_536;
    /// The bytes that these may hold.
    pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;

    /// Whether there is room for something of so many bytes.
    pub(super) const fn is_there(&self, bytes: usize) -> bool {
        self.count < Self::MAX_COUNT && self.bytes + bytes <= Self::MAX_BYTES
    }

    /// Something of so many bytes comes.
    pub(super) const fn enter(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// The same goes.
    pub(super) const fn leave(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_may_and_who_goes_makes_room() {
        let mut room = Room::default();
        room.enter(Room::MAX_BYTES - 1);
        room.enter(1);
        assert!(!room.is_there(1) && room.is_there(0));
        room.leave(1);
        assert!(room.is_there(1) && !room.is_there(2));
        for _ in 1..Room::MAX_COUNT {
            room.enter(0);
        }
        assert!(!room.is_there(0));
        room.leave(0);
        assert!(room.is_there(0));
    }
}
