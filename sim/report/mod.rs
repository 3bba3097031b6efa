//! What is made of a result: one file per format, each turning a [`RunResult`] into bytes and reading nothing else.

mod annotations;
mod bench;
mod benchmark;
mod capacity;
pub mod chart;
pub mod comparison;
mod drill;
mod drill_json;
mod error;
mod events;
mod formats;
mod hdr;
mod health;
mod hlog;
mod html;
mod human;
mod junit;
mod limits;
mod markdown;
mod messages;
mod openmetrics;
mod repeats;
mod results_json;
mod retries;
mod rollout;
#[cfg(test)]
mod sample;
mod schema;
mod series_json;
mod table;
mod terminal;
mod truth;

pub use annotations::{Ci, Finding, Service, Weight, findings};
pub use benchmark::Benchmark;
pub use capacity::capacity_step;
pub use error::ReportError;
pub use events::{EVENTS_FILE, EventLines};
pub use formats::{FormatFile, RESULTS, SUMMARY, files, files_of};
pub use hdr::{decode, encode};
pub use hlog::HistogramLog;
pub use html::Html;
pub use human::{human_bytes, human_duration, human_value};
pub use junit::Junit;
pub use limits::{limit_in_words, servers_in_words};
pub use markdown::{Markdown, SUMMARY_LIMIT};
pub use openmetrics::{Moment, OpenMetrics, metrics, metrics_of_nothing};
pub use repeats::{one_line, repeats};
pub use results_json::{ResultsJson, from_json, is_result};
pub use schema::results_schema;
pub(crate) use table::{Align, columns, paragraph};
pub use terminal::Terminal;

use crate::measure::RunResult;

/// A format.
pub trait Reporter {
    /// The result in this format.
    ///
    /// # Errors
    /// A part of the result cannot be written in it.
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError>;
}
