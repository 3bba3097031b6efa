//! What a roll-out is billed (8.2).

use serde::Serialize;

use super::demand::Demand;
use super::observer::ObserverNeed;
use crate::hub::{HubLimits, Operation};

/// Bytes of a report at most, without the version in it.
const REPORT: usize = 240;
/// Bytes of a device's answer to a call.
const ANSWER: usize = 60;
/// Bytes of a row of a query's results, of a device that has just come online, and of one that reported about an update,
/// on average: reported properties with their metadata, as our devices write them, without the version.
const ROWS: (f64, f64) = (430.0, 800.0);
/// Bytes of a twin as a poll reads it, on average, without the version.
const TWIN: usize = 1000;
/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Messages that a roll-out is billed; those of queries are an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// Reports of devices that come online.
    pub connecting: u64,
    /// Calls and their answers; by jobs, what they do on each device.
    pub calls: u64,
    /// Reports of updates.
    pub reports: u64,
    /// Telemetry.
    pub telemetry: u64,
    /// What the observer reads.
    pub observing: u64,
    /// All of them.
    pub total: u64,
    /// What the hub takes in a day.
    pub per_day: u64,
    /// Days of UTC whose messages that takes.
    pub days: u64,
}

impl Messages {
    /// Those of `demand`, whose load takes so many seconds and whose observer needs this.
    pub(super) fn of(demand: &Demand, limits: &HubLimits, load_s: f64, observer: Option<&ObserverNeed>) -> Self {
        let block = limits.message_bytes.max(1);
        let blocks = |bytes: usize| bytes.div_ceil(block).max(1) as u64;
        let amount = |operation| demand.per_update.get(&operation).copied().unwrap_or_default();
        let answer = if demand.job_devices.is_some() { 0 } else { blocks(ANSWER) };
        let versions = demand.version_bytes;
        let connecting = u64::from(demand.devices) * blocks(REPORT + versions.standing);
        let calls = demand.updates * (blocks(demand.payload_bytes) + answer);
        let changes = amount(Operation::TwinUpdate) * demand.updates as f64;
        // The last report has the new version, and those before the old one, if any.
        let reports = (changes as u64).saturating_sub(demand.updates) * blocks(REPORT + versions.meanwhile)
            + demand.updates * blocks(REPORT + versions.completed);
        let sent = demand.beside.in_all(Operation::Telemetry, load_s);
        let telemetry = sent.round() as u64 * blocks(demand.beside.message_bytes);
        // A look costs a message, and one more for each block of its rows. The first reads the whole fleet.
        let rows = (ROWS.0 + versions.standing as f64, ROWS.1 + versions.on_average());
        let mut observed = demand.first_pages as f64 + f64::from(demand.devices) * rows.0 / block as f64;
        if demand.queries {
            let look_s = observer.map_or(demand.look_s.0, ObserverNeed::effective_s);
            let looks = f64::from(demand.shards) * (load_s / look_s).ceil();
            // What a query reaches back it reads again.
            let read = changes * (look_s + demand.look_s.1) / look_s;
            observed += looks + read * rows.1 / block as f64;
        }
        let more =
            observer.filter(|observer| observer.operation == Operation::TwinRead).map_or(0.0, |polls| polls.in_all);
        observed +=
            (amount(Operation::TwinRead) * demand.updates as f64 + more) * blocks(TWIN + versions.completed) as f64;
        let observing = observed.ceil() as u64;
        let total = connecting + calls + reports + telemetry + observing;
        let per_day = limits.messages_per_day.unwrap_or(u64::MAX);
        Self { connecting, calls, reports, telemetry, observing, total, per_day, days: total.div_ceil(per_day).max(1) }
    }

    /// Those of the roll-out itself: telemetry that finds no room is lost, and not sent the next day.
    #[must_use]
    pub const fn own(&self) -> u64 {
        self.total - self.telemetry
    }

    /// Days of UTC whose messages the roll-out itself takes.
    #[must_use]
    pub fn own_days(&self) -> u64 {
        self.own().div_ceil(self.per_day).max(1)
    }

    /// How long its own take at least, in seconds: whoever starts shortly before midnight uses the first day's before it, the
    /// last day's begin at theirs, and only the days between pass whole.
    #[must_use]
    pub fn least_s(&self) -> f64 {
        self.own_days().saturating_sub(2) as f64 * DAY_S
    }

    /// How long a roll-out takes that starts at midnight, would take `alone_s` without a quota and uses its own evenly: after
    /// a day's last one it waits for midnight, and on the last day it has what is left to do.
    #[must_use]
    pub fn takes_s(&self, alone_s: f64) -> f64 {
        let (own, days) = (self.own(), self.own_days());
        if days <= 1 || own as f64 * DAY_S <= self.per_day as f64 * alone_s {
            return alone_s;
        }
        let left = own - (days - 1) * self.per_day;
        (days - 1) as f64 * DAY_S + alone_s * left as f64 / own as f64
    }

    /// What they are of a day's, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.total as f64 * 100.0 / self.per_day.max(1) as f64
    }
}
