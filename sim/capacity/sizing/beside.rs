//! What devices ask of a hub beside their updates while the load goes on: telemetry, and connections that come and go.

use super::buckets::Amounts;
use crate::hub::Operation;
use crate::profile::Plan;

/// What devices do of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// How long they do, in seconds from the start of the load; `None`: to its end.
    for_s: Option<f64>,
    /// Operations per second of the whole fleet: messages, and connections that are made anew.
    pub(super) per_s: Amounts,
    /// Bytes of a message.
    pub(super) message_bytes: usize,
}

impl Beside {
    /// That of `plan`.
    pub(super) fn of(plan: &Plan) -> Self {
        let fleet = &plan.fleet;
        let devices = f64::from(fleet.devices);
        let mut per_s = Amounts::new();
        let mut present = 1.0;
        if let Some(churn) = &fleet.churn {
            let (up, down) = (churn.up.mean().as_secs_f64(), churn.down.mean().as_secs_f64());
            let cycle = (up + down).max(f64::EPSILON);
            present = up / cycle;
            per_s.insert(Operation::Connect, devices / cycle);
        }
        if let Some(telemetry) = &fleet.telemetry {
            // What is due while a device is away is left out.
            let interval = telemetry.interval.as_secs_f64().max(f64::EPSILON);
            per_s.insert(Operation::Telemetry, devices * present / interval);
        }
        let for_s = (!fleet.spontaneous_for.is_zero()).then_some(fleet.spontaneous_for.as_secs_f64());
        let message_bytes = fleet.telemetry.map_or(0, |telemetry| telemetry.size as usize);
        Self { for_s, per_s, message_bytes }
    }

    /// How long devices do it in a load of so many seconds.
    pub(super) fn lasts_s(&self, load_s: f64) -> f64 {
        self.for_s.unwrap_or(load_s)
    }

    /// Operations in a load of so many seconds.
    pub(super) fn in_all(&self, operation: Operation, load_s: f64) -> f64 {
        self.per_s.get(&operation).copied().unwrap_or_default() * self.lasts_s(load_s)
    }
}
