//! The faults that strike the hub, as it is told of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, FaultKind, HubSlow, Throttled};
use crate::policy::units;

/// A fault of the embedded hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HubFault {
    /// Its place in the plan.
    pub index: usize,
    /// Its name in results.
    pub name: String,
    /// What happens to the hub.
    pub effect: HubEffect,
    /// When it becomes active, from the start of the load.
    #[serde(with = "units::duration")]
    pub at: Duration,
    /// How long it stays active; `None` to the end.
    #[serde(with = "units::optional_duration")]
    pub lasts: Option<Duration>,
}

/// What happens to the hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubEffect {
    /// It closes every connection and refuses new ones.
    Down,
    /// It answers late.
    Slow(HubSlow),
    /// It lets less through.
    Throttle(Throttled),
}

impl HubFault {
    /// Those among the `faults` of a plan.
    #[must_use]
    pub fn among(faults: &[Fault]) -> Vec<Self> {
        let hub_fault = |(index, fault): (usize, &Fault)| {
            let effect = match &fault.kind {
                FaultKind::HubDown => HubEffect::Down,
                FaultKind::HubSlow(slow) => HubEffect::Slow(slow.clone()),
                FaultKind::Throttle(throttled) => HubEffect::Throttle(throttled.clone()),
                _ => return None,
            };
            Some(Self { index, name: fault.name.clone(), effect, at: fault.at, lasts: fault.lasts })
        };
        faults.iter().enumerate().filter_map(hub_fault).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_told_of_their_faults_alone_and_of_their_places() {
        let second = Duration::from_secs(1);
        let down = Fault { at: second, ..Fault::new(FaultKind::HubDown) };
        let found = HubFault::among(&[Fault::new(FaultKind::NoReply), down, Fault::new(FaultKind::Reset)]);
        let expected =
            HubFault { index: 1, name: "hub_down".to_owned(), effect: HubEffect::Down, at: second, lasts: None };
        assert_eq!(found, [expected]);
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Vec<HubFault>>(&json).unwrap(), found);
    }
}
