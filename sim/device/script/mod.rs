//! The script of one update: what the device does and when, with the faults that hit it written in, each kind by its
//! own file.

mod act;
mod boot_loop;
mod compose;
mod duplicate;
mod fail;
mod false_success;
mod malformed;
mod reboot;
mod reorder;
mod rollback;
mod skip;
mod slow;
mod stall;
mod steps;
mod vanish;

pub use act::{Act, Form, Line, Step};
pub use steps::Script;

#[cfg(test)]
mod tests;
