//! What a run proved: thresholds, drills, validity, verdict and exit code.

mod broker;
pub mod compare;
mod conclusion;
mod drill;
mod exit;
mod judge;
mod light;
mod notes;
mod observe;
mod outlook;
pub mod statistics;
mod truth;
mod validity;

pub use conclusion::{Ending, conclude};
pub use exit::ExitCode;
pub use judge::judge;
pub use light::{LightState, ThresholdLight, light};
pub use notes::notes;
pub use validity::{NOTHING_MEASURED, generator_faults, validity};
