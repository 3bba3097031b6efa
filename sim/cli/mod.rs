//! The command line: one file per subcommand.

mod arguments;
mod drive;
mod fleet;
mod hub;
mod profile;
mod run;
mod shard;
mod shared;

pub use arguments::Arguments;
