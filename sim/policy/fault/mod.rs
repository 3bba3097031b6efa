//! Faults as data: what goes wrong, for whom, and when.

#[expect(clippy::module_inception, reason = "one entry of the plan, in the room of its parts")]
mod fault;
mod hub_fault;
mod kind;
mod plan;
mod select;
mod stage;

pub use fault::Fault;
pub use hub_fault::{HubEffect, HubFault};
pub use kind::{
    Bandwidth, BootLoop, Duplicate, Fail, FaultKind, HubSlow, Latency, Malformation, Malformed, Place, Reboot, Reject,
    Rollback, Skip, Slow, SlowReply, Slowness, Stall, Throttled, ThrottledOperation, TokenExpiry, Vanish,
};
pub use plan::FaultPlan;
pub use select::Select;
pub use stage::FaultStage;
