//! How much load a hub can take: found by runs.
//!
//! [`find`] makes the runs of a search one after another, [`Search`] decides which come next, and what each of them showed is
//! told by [`judge`].

mod conduct;
mod earlier;
mod judge;
mod options;
mod outcome;
mod probe;
mod search;
mod step;

pub use conduct::find;
pub use judge::{Judgement, judge};
pub use options::{CapacityError, CapacityOptions, Found, News};
pub use probe::Probe;
pub use search::{Next, Search, Trial};
pub use step::{StepPlan, settle};
