//! The script of one update: what the device does and when, with the faults that hit it written in.

mod act;
mod compose;
mod fail;
mod stall;
mod steps;

pub use act::{Act, Form, Line, Step};
pub use steps::Script;
