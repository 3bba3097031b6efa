//! The MQTT side: accepts connections, finds the worker that a device belongs to, and moves packets.

mod greeting;
mod link;
mod outbox;
mod throttling;

pub(super) use greeting::{Arrival, accept, adopt, welcome};
pub(super) use outbox::Outbox;
