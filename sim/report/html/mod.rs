//! `report.html`: one file that needs nothing else, neither network nor script, to be read on a screen or on paper.
//!
//! `headline.rs` says what was proven; every other file makes one section, or none where there is nothing to tell.
//! Templates and style are in `reports/templates/`.

mod attempts;
pub(in crate::report) mod blocks;
mod capacity;
mod census;
mod drill;
mod faults;
mod headline;
mod health;
mod heat;
mod invariants;
mod judged;
mod messages;
mod page;
mod percentiles;
mod plan;
mod retries;
mod rollout;
mod spent;
mod stages;
#[cfg(test)]
mod tests;
pub(in crate::report) mod text;
mod timeline;

pub use page::Html;
