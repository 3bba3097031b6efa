//! What the servers of a hub with a service-time model did.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ThrottleCount;

/// What became of the operations that need a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceCount {
    /// Those that were served, or were let into the queue.
    pub operations: u64,
    /// Those among them that had to wait for a server.
    pub waited: u64,
    /// How long they waited, all together, in milliseconds.
    pub wait_ms_total: u64,
    /// Those that would have had to wait for too long.
    pub refused: u64,
    /// Servers, of all hubs.
    pub servers: u64,
    /// How long servers were at work, all together, in seconds.
    pub busy_s: f64,
    /// How long they could have been: from the first operation on, each of them.
    pub server_s: f64,
}

impl ServiceCount {
    /// How much of their time the servers were at work, in percent; `None` before the first operation.
    #[must_use]
    pub fn busy_pct(&self) -> Option<f64> {
        (self.server_s > 0.0).then(|| 100.0 * self.busy_s / self.server_s)
    }

    /// The counts of several hubs added up; `None` where there are none.
    #[must_use]
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        parts.into_iter().reduce(|sum, part| Self {
            operations: sum.operations + part.operations,
            waited: sum.waited + part.waited,
            wait_ms_total: sum.wait_ms_total + part.wait_ms_total,
            refused: sum.refused + part.refused,
            servers: sum.servers + part.servers,
            busy_s: sum.busy_s + part.busy_s,
            server_s: sum.server_s + part.server_s,
        })
    }
}

/// What a hub, or several together, tell of what held their operations back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HubCounts {
    /// Their limits, by operation; empty without any.
    pub throttled: Vec<ThrottleCount>,
    /// Their servers; `None` without a service-time model.
    pub service: Option<ServiceCount>,
}

impl HubCounts {
    /// The counts of several hubs added up.
    #[must_use]
    pub fn merged(parts: impl IntoIterator<Item = Self>) -> Self {
        let (throttled, services): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.throttled, part.service)).unzip();
        Self {
            throttled: ThrottleCount::merged(throttled.into_iter().flatten()),
            service: ServiceCount::merged(services.into_iter().flatten()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_added_up_and_their_share_is_of_all_their_servers() {
        let one = ServiceCount {
            operations: 10,
            waited: 4,
            wait_ms_total: 20,
            refused: 1,
            servers: 2,
            busy_s: 3.0,
            server_s: 4.0,
        };
        let idle = ServiceCount { servers: 2, server_s: 4.0, ..ServiceCount::default() };
        let counts = |service| HubCounts { throttled: Vec::new(), service };
        let sum = HubCounts::merged([counts(Some(one)), counts(None), counts(Some(idle))]).service.unwrap();
        assert_eq!((sum.operations, sum.servers, sum.busy_pct()), (10, 4, Some(37.5)));
        assert_eq!(HubCounts::merged([]), HubCounts::default());
        assert_eq!(ServiceCount::default().busy_pct(), None);
    }
}
