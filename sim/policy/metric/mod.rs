//! What thresholds and drills look at: the names of figures of a run, and the units of their values.

mod direction;
mod error;
mod name;
mod parse;
mod statistic;
mod unit;

pub use direction::Better;
pub use error::ThresholdError;
pub use name::{FaultFigure, Metric, RetryFigure, RetryOf, RolloutFigure};
pub use statistic::Statistic;
pub use unit::Unit;
