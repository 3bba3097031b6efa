//! What is done to a hub on purpose while it runs: it goes down, becomes slow, or lets less through.

mod injector;
mod outage;
mod timeline;

pub use injector::{HubFaultChange, HubFaultNews};
pub(super) use injector::{Injector, Victim};
