//! Reaching devices as a client of a plain MQTT broker: lines (connections) over which calls are published and everything
//! that devices say is received.

mod calls;
mod deliveries;
mod hall;
mod hear;
mod line;
mod open;
mod settings;
mod share;

#[cfg(test)]
mod tests;

pub(super) use hall::Broker;
pub use open::LineError;
pub use settings::BrokerSettings;
