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
    /// How often it was lost, come back or not.
    pub losses: u64,
    /// Why it was lost the last time, in words without secrets; empty if it never was.
    pub lost_by: String,
    /// PINGREQ sent -> PINGRESP read, or the line lost: behind everything that the broker had sent off to it. What a broker
    /// holds back at QoS 1 and 2, as enough waits for acknowledgement already, a ping overtakes.
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
    /// How often it was lost, come back or not.
    #[serde(default)]
    pub losses: u64,
    /// Why it was lost the last time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lost_by: String,
    /// 99th percentile, however few the samples, of how long its own ping took, behind everything that the broker had sent off
    /// to it (at QoS 1 and 2 not behind what it held back); `None` if it never pinged.
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
            losses: self.losses,
            lost_by: self.lost_by.clone(),
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
        self.losses += other.losses;
        if !other.lost_by.is_empty() {
            self.lost_by.clone_from(&other.lost_by);
        }
        if other.lag.count() > 0 {
            self.lag.merge(&other.lag);
        }
    }
}
