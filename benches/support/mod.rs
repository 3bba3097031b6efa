//! What the benches share. Hub, fleet and peer each run in a process of its own (the bench starts itself again in
//! another role), so that their memory and CPU are told apart.

#![allow(dead_code, clippy::expect_used, reason = "each bench uses its part, and ends where something is missing")]

pub(crate) mod device;
pub(crate) mod hub;
pub(crate) mod mosquitto;
pub(crate) mod online;
pub(crate) mod peer_fleet;
pub(crate) mod process;
pub(crate) mod table;
