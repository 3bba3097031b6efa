//! What a plan needs of a hub, from the tables of the tiers alone: how long its roll-out takes there, what binds, what it
//! is billed, and which tier is enough. Pure; nothing runs.
//!
//! Two times are told of everything. One is at the rates of the limits, where only what fits them goes on at once, and to
//! the look that sees the last report: what one can count on, and what deadlines are held against. The other also counts
//! what passes at once after a silence (a minute's worth, as our hub has it), and looks that see everything at once:
//! nothing can be quicker than that.
//!
//! Either is a simulation of the roll-out's phases ([`Course`]): its calls and its devices' delays are those that a run of
//! the plan draws from its seed (`schedule.rs`), and the limits are buckets that they pass (`buckets.rs`). What devices do
//! beside (`beside.rs`) goes on meanwhile. How long things then wait is held against what the plan has patience for
//! (`patience.rs`): a hub that lets them wait for longer is not enough, however quick it is with the rest.

mod answer;
mod beside;
mod bound;
mod buckets;
mod course;
mod demand;
mod findings;
mod messages;
mod observer;
mod patience;
mod schedule;
mod size;
mod source;
#[cfg(test)]
mod tests;
mod text;

pub use answer::{Answer, Brief, Enough, TierAnswer};
pub use beside::Beside;
pub use bound::Bound;
pub use course::{Course, Phase, Waits};
pub use demand::{Demand, VersionBytes};
pub use messages::Messages;
pub use observer::ObserverNeed;
pub use patience::Patience;
pub use schedule::Wave;
pub use size::{Need, Sizing};
pub use source::{SOURCES, Source};
pub use text::{sizing_json, sizing_text};
