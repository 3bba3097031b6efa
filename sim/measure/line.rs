//! The driver's own connections to a broker: what went over each, and how far behind it was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SeriesData;
use crate::policy::Statistic;

/// What one connection of a driver did; what is told of different stretches of time adds up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineHealth {
    /// How it shares devices' messages with the driver's other connections, in a word; empty until that is known.
    pub share: String,
    /// Messages that it received.
    pub received: u64,
    /// Messages that it published.
    pub sent: u64,
    /// How often it was lost and came back.
    pub reconnects: u64,
    /// How often it was lost.
    pub lost: u64,
    /// PINGREQ sent -> PINGRESP read, behind everything that the broker had queued for it.
    pub lag: SeriesData,
}

/// A connection of a driver in the result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineRow {
    /// Its name; with several shards, the shard's before it.
    pub name: String,
    /// How it shares devices' messages with the driver's other connections, in a word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
    /// Messages that it received.
    pub received: u64,
    /// Messages that it published.
    pub sent: u64,
    /// How often it was lost and came back.
    pub reconnects: u64,
    /// How often it was lost; once more than it came back where it was away in the end.
    #[serde(default)]
    pub lost: u64,
    /// 99th percentile, however few the samples, of how long its own ping took, behind everything that the broker had queued
    /// for it; `None` if it never pinged.
    pub lag_p99_us: Option<u64>,
    /// The longest such ping.
    pub lag_max_us: Option<u64>,
}

impl LineHealth {
    /// It as a row of the result, under this name.
    #[must_use]
    pub fn row(&self, name: &str) -> LineRow {
        let micros = |seconds: f64| (seconds * 1e6).round() as u64;
        LineRow {
            name: name.to_owned(),
            share: self.share.clone(),
            received: self.received,
            sent: self.sent,
            reconnects: self.reconnects,
            lost: self.lost,
            lag_p99_us: self.lag.cautious_p99().map(micros),
            lag_max_us: self.lag.statistic(Statistic::Max).map(micros),
        }
    }

    /// Adds what is told of another stretch of time.
    pub fn merge(&mut self, other: &Self) {
        if !other.share.is_empty() {
            self.share.clone_from(&other.share);
        }
        self.received += other.received;
        self.sent += other.sent;
        self.reconnects += other.reconnects;
        self.lost += other.lost;
        if other.lag.count() > 0 {
            self.lag.merge(&other.lag);
        }
    }
}
