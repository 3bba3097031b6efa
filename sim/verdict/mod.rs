//! What a run proved: thresholds, drills, validity, verdict and exit code.

pub mod compare;
mod conclusion;
mod drill;
mod exit;
mod judge;
mod observe;
pub mod statistics;
mod truth;
mod validity;

pub use conclusion::{Ending, conclude};
pub use exit::ExitCode;
pub use judge::judge;
pub use validity::validity;
