//! How long the hub takes for what it is asked: its servers, shared by the workers, and who waits for them at a worker.

mod alarm;
mod desk;
mod servers;

pub(super) use desk::ServiceDesk;
pub(super) use servers::{Servers, Turn};
