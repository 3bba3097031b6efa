//! What is made of a comparison: one file per format, each turning a [`ComparisonResult`] into bytes and reading nothing
//! else.

mod capacity;
pub(super) mod cells;
mod html;
mod json;
mod markdown;
#[cfg(test)]
mod sample;
mod terminal;

pub use html::ComparisonHtml;
pub use json::ComparisonJson;
pub use markdown::ComparisonMarkdown;
pub use terminal::ComparisonTerminal;

use super::ReportError;
use crate::verdict::compare::ComparisonResult;

/// A format of comparisons.
pub trait ComparisonReporter {
    /// The comparison in this format.
    ///
    /// # Errors
    /// A part of it cannot be written in it.
    fn render(&self, comparison: &ComparisonResult) -> Result<Vec<u8>, ReportError>;
}
