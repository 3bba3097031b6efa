//! What is to be known of figures that count, or that do not.

use serde::Deserialize;

use super::broker;
use crate::measure::RunResult;
use crate::profile::HubPlan;

/// Of how many hubs there were, and of a plain broker.
#[must_use]
pub fn notes(result: &RunResult) -> Vec<String> {
    hubs(result).into_iter().chain(broker::notes(result)).collect()
}

/// Whether several hubs had the profile's limits each, though nobody asked for several.
fn hubs(result: &RunResult) -> Option<String> {
    HubPlan::deserialize(&result.plan["hub"]).ok()?.multiplied(result.hub.as_ref()?.instances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::HubHealth;
    use crate::profile::{self, Override};

    #[test]
    fn limits_that_several_hubs_had_each_are_told_of_unless_several_were_asked_for() {
        let limit = "hub.throttle.methods={ rate = \"40/s\" }";
        let service = "hub.service={ methods = \"exp 5ms\" }";
        let told = |hubs: usize, sets: &[&str]| {
            let sets: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
            let plan = profile::load("quickstart", &sets).unwrap();
            let hub = Some(HubHealth { instances: hubs, ..HubHealth::default() });
            notes(&RunResult { plan: serde_json::to_value(plan).unwrap(), hub, ..RunResult::default() })
        };
        assert_eq!(
            told(3, &[limit]),
            [
                "3 hubs, each with the limits for itself, are 3 times the profile's: `hub.instances = 1` makes it one hub"
            ]
        );
        assert!(told(2, &["hub.tier=S1", service])[0].starts_with("2 hubs, each with the limits and the servers for"));
        assert!(told(2, &[service])[0].starts_with("2 hubs, each with the servers for itself"));
        for (hubs, sets) in [(1, &[limit][..]), (3, &[]), (3, &["hub.instances=3", limit]), (2, &["hub.kind=\"null\""])]
        {
            assert_eq!(told(hubs, sets), [""; 0], "{hubs} {sets:?}");
        }
        assert_eq!(notes(&RunResult::default()), [""; 0]);
    }
}
