//! Brokers to test against, and a client by another hand to look at them with.

mod certificates;
mod gateway;
mod mosquitto;
mod nats;
mod peer;
pub(crate) mod quick;

pub(crate) use certificates::Certificates;
pub(crate) use gateway::Gateway;
pub(crate) use mosquitto::{Mosquitto, Setup};
pub(crate) use nats::Nats;
pub(crate) use peer::Peer;
