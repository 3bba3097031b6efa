//! Integration tests, by actor. One binary: it links once and its tests share the machine's cores.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod actors;
mod capacity;
mod compare;
mod doctor;
mod drills;
mod elsewhere;
mod events;
mod every_fault;
mod exit_codes;
mod faults;
mod formats;
mod hostile;
mod hub;
mod images;
mod layers;
mod library;
mod links;
mod metrics;
mod mishaps;
mod outages;
mod parsers;
mod retries;
mod rollout;
mod run;
mod scheduled;
mod shards;
mod sizing;
#[allow(dead_code, reason = "tests/accuracy needs the rest")]
mod support;
mod ten_drills;
mod terminal;
mod thresholds;
mod tls;
mod websocket;
