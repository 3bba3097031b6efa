//! What a plan needs of a hub, from the tables of the tiers alone: how long its roll-out takes there, what binds, what it
//! is billed, and which tier is enough. Pure; nothing runs.
//!
//! Two times are told of everything. One is at the rates of the limits, where only what fits them goes on at once: what
//! one can count on, and what deadlines are held against. The other also counts what passes at once after a silence (a
//! minute's worth, as our hub has it): nothing can be quicker than that.

mod answer;
mod bound;
mod buckets;
mod course;
mod demand;
mod findings;
mod messages;
mod observer;
mod size;
mod source;
#[cfg(test)]
mod tests;
mod text;

pub use answer::{Answer, Brief, Enough, TierAnswer};
pub use bound::Bound;
pub use course::{Course, Phase};
pub use demand::{Demand, Wave};
pub use messages::Messages;
pub use observer::ObserverNeed;
pub use size::{Need, Sizing};
pub use source::{SOURCES, Source};
pub use text::{sizing_json, sizing_text};
