//! Whether new results are worse than base ones: verdicts on the named metrics by statistics over runs, and everything else
//! side by side; of searches for a capacity, by the intervals that they found.

mod capacity;
mod comparing;
mod error;
mod evidence;
mod judge;
mod plans;
mod result;
#[cfg(test)]
mod tests;

pub use capacity::{CapacityChange, CapacitySide, FoundCapacity};
pub use comparing::{Candidate, CompareOptions, compare};
pub use error::CompareError;
pub use evidence::value;
pub use judge::runs_needed;
pub use plans::{Difference, plan_differences};
pub use result::{Change, ComparisonResult, Interval, MetricRow, RunRow, SeriesRow};
