//! One process's share of a run: a range of devices, the driver for them, and the messages with the coordinator.

mod message;
mod serve;
mod workers;

pub use message::{Assignment, Credentials, Endpoints, FromShard, HubProof, Progress, Roles, StopReason, ToShard};
pub use workers::{Shard, ShardHandle};
