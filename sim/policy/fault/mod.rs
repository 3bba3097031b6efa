//! Faults as data: what goes wrong, for whom, and when.

mod entry;
mod hub_fault;
mod kind;
mod plan;
mod select;
mod stage;

pub use entry::Fault;
pub use hub_fault::{HubEffect, HubFault};
pub use kind::{
    Bandwidth, BootLoop, Duplicate, Fail, FaultKind, HubSlow, Latency, Malformation, Malformed, Place, Reboot, Reject,
    Rollback, Skip, Slow, SlowReply, Slowness, Stall, Throttled, ThrottledOperation, TokenExpiry, Vanish,
};
pub use plan::FaultPlan;
pub use select::Select;
pub use stage::FaultStage;
