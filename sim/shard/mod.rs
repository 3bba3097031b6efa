//! One process's share of a run: a range of devices, the driver for them, and the messages with the coordinator.

mod dialects;
mod identities;
mod lines;
mod message;
mod prepare;
mod process;
mod serve;
mod wire;
mod workers;

pub use lines::{read_line, write_line};
pub use message::{
    Assignment, BrokerSecrets, Credentials, Endpoints, FromShard, HubProof, ImageOffer, Progress, Roles, StopReason,
    ToShard,
};
pub use process::serve_shard_process;
pub use workers::{QUEUE, spawn_shard};
