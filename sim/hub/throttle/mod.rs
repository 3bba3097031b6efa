//! Tiers: what a hub lets through, and how much of it in a day (8).

mod gate;
mod goodput;
mod limits;
mod operation;
mod quota;
mod throttles;

pub use limits::{HubLimits, Tier};
pub use operation::Operation;
pub(super) use throttles::Throttles;
