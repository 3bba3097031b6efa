//! What a run proved: thresholds, validity, verdict and exit code.

mod conclusion;
mod exit;
mod judge;
mod validity;

pub use conclusion::{Ending, conclude};
pub use exit::ExitCode;
pub use judge::judge;
pub use validity::validity;
