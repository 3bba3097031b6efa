//! The command line: one file per subcommand.

mod arguments;
mod capacity;
mod ci;
mod compare;
mod doctor;
mod drive;
mod fleet;
mod hub;
mod hub_limits;
mod plan;
mod profile;
mod provision;
mod report;
mod run;
mod schema;
mod shard;
mod shared;

pub use arguments::Arguments;
