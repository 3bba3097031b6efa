//! `twinstorm`: a load simulator for IoT hubs. It brings virtual devices online over MQTT, calls `firmwareUpdate` on
//! them as a fleet's operator would, and measures how long every device-twin transition takes to become visible.
//!
//! Most people use the program of this name. As a library the crate runs the same plans within a program of yours, a test
//! for example, and hands back what was measured:
//!
//! ```
//! use twinstorm::policy::{Outcome, Series, Statistic, Threshold};
//! use twinstorm::profile::{self, Override};
//! use twinstorm::report::{Reporter, Terminal};
//! use twinstorm::run::{self, RunOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A profile, built in or a file, with values of its own changed: fewer devices, and stages that take no 15 s.
//! let sets = [
//!     "fleet.devices=20",
//!     "load.rate=50",
//!     "firmware.wait=50ms",
//!     "firmware.download=uniform 50ms..100ms",
//!     "firmware.apply=50ms",
//!     "observe.interval=20ms",
//! ];
//! let overrides = sets.iter().map(|set| Override::set(set)).collect::<Result<Vec<_>, _>>()?;
//! let mut plan = profile::load("quickstart", &overrides)?;
//! // What must hold in the end may be said in code as well. Here nothing else is asked for.
//! plan.thresholds.clear();
//! for expression in ["census.completed.pct >= 100", "update.total.p99 < 1m"] {
//!     plan.thresholds.push(expression.parse::<Threshold>()?.into());
//! }
//!
//! // Blocks until it is over: hub, fleet and driver are threads of this process, and talk to each other over sockets.
//! let run = run::execute(RunOptions::new(plan))?;
//!
//! let result = run.result;
//! assert!(result.valid, "{:?}", result.invalid_reasons);
//! assert_eq!((result.census.planned, result.census.count(Outcome::Completed)), (20, 20));
//! assert!(result.thresholds.iter().all(|threshold| threshold.ok == Some(true)));
//! let total = &result.series[&Series::UpdateTotal];
//! let longest = total.statistic(Statistic::Max).ok_or("no update ended")?;
//! assert!(longest > 0.15, "three stages of at least 50 ms each, not {longest} s");
//! // The same as a table, as `results.json`, or in any other format of `report`.
//! println!("{}", String::from_utf8(Terminal { color: false }.render(&result)?)?);
//! # Ok(())
//! # }
//! ```
//!
//! # What a run does to your process
//!
//! [`run::RunOptions::new`] leaves it alone: nothing is printed, no file written, no signal taken, no limit raised, and
//! events of `tracing` are heard by whoever subscribes. Each of these can be asked for, by a field of
//! [`run::RunOptions`]. [`run::execute`] may be called on any thread, and by several at once.
//!
//! - **Stopping.** A [`run::StopHandle`] stops a run as Ctrl-C stops the program; the result comes all the same. An
//!   [`run::Observer`] is told once a second how far the run is.
//! - **Size.** Both ends of every connection are open files of your process. A plan that needs more than it may have is
//!   refused; [`measure::raise_descriptor_limit`] raises the limit, and with the program at hand
//!   ([`run::RunOptions::program`]) shards and hubs are processes of their own.
//! - **Figures.** CPU, memory and open files are those of the whole process, the embedded hub and whatever else it does
//!   included. The result says so ([`measure::RunResult::hub_is_within_generator`]): to measure a hub's CPU, or your
//!   machine's ceiling, give the hub a process of its own.
//! - **Verdict.** [`measure::RunResult`] has been judged already, by the plan's thresholds. [`verdict::judge`] judges it
//!   by others, also long after: [`report::from_json`] reads it back.
//!
//! # Where things are
//!
//! | module | for users of the library |
//! |---|---|
//! | [`run`] | runs plans |
//! | [`profile`] | TOML and overrides to plans |
//! | [`measure`] | results, histograms |
//! | [`report`] | results to bytes, in each format |
//! | [`verdict`] | thresholds, validity, exit codes |
//! | [`policy`] | names of series, outcomes, statistics; thresholds |
//! | [`hub`] | the embedded hub alone |
//!
//! The other modules are public for the program, its tests and its benchmarks; they may change with any version.
//! ARCHITECTURE.md has the map. Imports point down this list, never up.

#[cfg(any(test, fuzzing))]
pub mod fuzz;

#[doc(hidden)]
pub mod cli;

#[doc(hidden)]
pub mod capacity;

pub mod run;

#[doc(hidden)]
pub mod shard;

pub mod report;

pub mod verdict;

pub mod profile;

pub mod driver;

pub mod hub;

pub mod device;

pub mod dialect;
pub mod mqtt;

pub mod measure;
pub mod policy;
pub mod random;
pub mod time;
