//! What can be concluded from few numbers on two sides: a rank test, its correction for several questions at once, and
//! an interval for how much larger one side is. Pure, and the same answer for the same numbers in any order.

mod bootstrap;
mod holm;
mod rank_test;

pub use bootstrap::{RESAMPLES, Ratio, median, ratio_interval};
pub use holm::holm;
pub use rank_test::{EXACT_UP_TO, RankTest, rank_test, smallest_p};
