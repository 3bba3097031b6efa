//! What waits to be sent on one connection. Costs nothing but its own few words while the connection is idle.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::mqtt::{MAX_PACKET, Packet};

/// Packets that may wait. More than this waits only if a device is called faster than its task runs; the connection
/// is closed then.
const MAX_WAITING: usize = 4096;

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::hub) enum End {
    /// It does.
    #[default]
    Open,
    /// It is closed, after what was sent to it.
    Closed,
    /// It is cut off without a word.
    Cut,
}

/// Packets on their way to a connection's task.
#[derive(Default)]
pub(in crate::hub) struct Outbox {
    packets: RefCell<Vec<Packet>>,
    end: Cell<End>,
    /// The task, while it sleeps.
    waker: Cell<Option<Waker>>,
}

impl Outbox {
    /// Sends `packet`, after those before it. One that is too large to be sent is left out: a service's patch that
    /// deletes a hundred thousand keys makes such a notification, and must not cost the device its connection.
    pub(in crate::hub) fn push(&self, packet: Packet) {
        if packet.size() > MAX_PACKET {
            return tracing::warn!("left out a packet of {} bytes; {MAX_PACKET} can be sent", packet.size());
        }
        let mut packets = self.packets.borrow_mut();
        if packets.len() < MAX_WAITING {
            packets.push(packet);
        } else {
            tracing::warn!("closed: {MAX_WAITING} packets wait for a connection");
            self.end.set(End::Closed);
        }
        self.wake();
    }

    /// Closes the connection, after what was sent to it.
    pub(in crate::hub) fn close(&self) {
        self.end.set(End::Closed);
        self.wake();
    }

    /// Cuts the connection off, with what was sent to it and is still here.
    pub(in crate::hub) fn cut(&self) {
        self.end.set(End::Cut);
        self.wake();
    }

    pub(in crate::hub) fn end(&self) -> End {
        self.end.get()
    }

    /// What waits.
    pub(in crate::hub) fn take(&self) -> Vec<Packet> {
        self.packets.take()
    }

    /// The task sleeps until something is pushed.
    pub(in crate::hub) fn sleep(&self, waker: &Waker) {
        self.waker.set(Some(waker.clone()));
    }

    /// The task is awake: what it pushes itself needs no waking.
    pub(in crate::hub) fn awake(&self) {
        self.waker.take();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{QoS, publish};

    #[test]
    fn too_many_packets_close_the_connection() {
        let outbox = Outbox::default();
        for _ in 0..MAX_WAITING {
            outbox.push(Packet::PingResp);
        }
        assert_eq!(outbox.end(), End::Open);
        outbox.push(Packet::PingResp);
        assert_eq!(outbox.end(), End::Closed);
        assert_eq!(outbox.take().len(), MAX_WAITING);
    }

    #[test]
    fn a_packet_that_is_too_large_is_left_out() {
        let outbox = Outbox::default();
        for (size, waiting) in [(MAX_PACKET, 0), (MAX_PACKET - 100, 1)] {
            outbox.push(publish("a".to_owned(), QoS::AtMostOnce, 0, vec![0; size].into()));
            assert_eq!((outbox.take().len(), outbox.end()), (waiting, End::Open));
        }
    }
}
