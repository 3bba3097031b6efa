//! The program and brokers of others: Mosquitto and NATS, as Debian has them. Not for plain `cargo test`, which needs nothing that is not
//! here: `tests/brokers/run` installs them, and runs these.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod accounting;
mod benches;
mod drills;
mod limits;
mod nats;
mod outages;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod program;
mod rig;
mod runs;
mod search;
#[allow(dead_code, reason = "not every test needs all of it")]
mod support;
