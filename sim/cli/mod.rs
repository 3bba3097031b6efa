//! The command line: one file per subcommand.

mod arguments;
mod compare;
mod doctor;
mod drive;
mod fleet;
mod hub;
mod profile;
mod provision;
mod run;
mod shard;
mod shared;

pub use arguments::Arguments;
