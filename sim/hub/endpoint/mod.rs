//! The MQTT side: accepts connections, finds the worker that a device belongs to, and moves packets.

mod greeting;
mod link;
mod outbox;
mod throttling;

pub(super) use greeting::{Arrival, accept, adopt, turned_away, welcome};
pub(super) use outbox::{End, Outbox};
