//! How much load a hub can take: found by runs, and told by tables.
//!
//! [`find`] makes the runs of a search one after another, [`Search`] decides which come next, and what each of them showed is
//! told by [`judge()`]. What the tables of a tier allow without any run is [`Sizing`].

mod attempt;
mod backlog;
mod blame;
mod calibration;
mod conduct;
mod earlier;
mod judge;
mod options;
mod outcome;
mod probe;
mod resolution;
mod search;
mod settling;
mod sizing;
mod step;

pub use calibration::{CALIBRATION_FILE, Calibration, CalibrationError, Calibrations, near};
pub use conduct::find;
pub use judge::{Judgement, judge};
pub use options::{CapacityError, CapacityOptions, Found, News, Watch};
pub use probe::Probe;
pub use search::{Next, Search, Trial};
pub use settling::settle;
pub use sizing::{
    Answer, Beside, Bound, Brief, Course, Demand, Enough, Messages, Need, ObserverNeed, Patience, Phase, SOURCES,
    Sizing, Source, TierAnswer, VersionBytes, Waits, Wave, sizing_json, sizing_text,
};
pub use step::StepPlan;
