//! What a hub of ours is given, in words.

use std::time::Duration;

use super::HubPlan;
use crate::hub::HubDelays;
use crate::policy::{Limit, ServiceModel, ThrottledOperation, units};

impl HubPlan {
    /// What limits a hub of ours, how long it takes and how many there are, as far as the plan says it; empty if it says
    /// nothing of that.
    #[must_use]
    pub fn given(&self) -> Vec<String> {
        let instances = self.instances().map(|count| format!("hub.instances {count}"));
        let Self::Embedded { slow, tier, units, throttle, service, .. } = self else {
            return instances.into_iter().collect();
        };
        let tier =
            tier.map(|tier| format!("tier {} with {units} unit{}", tier.name(), if *units == 1 { "" } else { "s" }));
        let limits = throttle.iter().map(|(operation, limit)| limit_in_words(*operation, *limit));
        let service = service.as_deref().map(service_in_words);
        let slow = (*slow != HubDelays::default()).then(|| slow_in_words(slow));
        tier.into_iter().chain(limits).chain(service).chain(slow).chain(instances).collect()
    }

    /// What is to be known where so many processes serve a run though the plan does not say how many, and each has for itself
    /// what the plan gives the hub.
    #[must_use]
    pub fn multiplied(&self, hubs: usize) -> Option<String> {
        let Self::Embedded { instances: None, tier, throttle, service, .. } = self else { return None };
        let what = match (tier.is_some() || !throttle.is_empty(), service.is_some()) {
            (true, true) => "the limits and the servers",
            (true, false) => "the limits",
            (false, true) => "the servers",
            (false, false) => return None,
        };
        let way_out = "`hub.instances = 1` makes it one hub";
        (hubs > 1)
            .then(|| format!("{hubs} hubs, each with {what} for itself, are {hubs} times the profile's: {way_out}"))
    }
}

fn limit_in_words(operation: ThrottledOperation, limit: Limit) -> String {
    let (rate, burst) = (rounded(limit.rate), rounded(limit.burst));
    let queue = match limit.queue {
        Duration::ZERO => "none waits".to_owned(),
        queue => format!("others wait up to {}", units::format_duration(queue)),
    };
    format!("{} {rate}/s ({burst} at once, {queue})", operation.name())
}

fn service_in_words(model: &ServiceModel) -> String {
    let times = ServiceModel::OPERATIONS.into_iter().filter_map(|operation| {
        let time = model.time_of(operation)?;
        Some(format!("{} {time}", operation.name()))
    });
    let times: Vec<String> = times.collect();
    let plural = if model.servers == 1 { "" } else { "s" };
    let (servers, queue) = (model.servers, units::format_duration(model.queue));
    format!("{servers} server{plural} ({}, others wait up to {queue})", times.join(", "))
}

fn slow_in_words(slow: &HubDelays) -> String {
    let HubDelays { method_request, method_answer, twin_ack, twin_read } = *slow;
    let delays = [
        ("method_request", method_request),
        ("method_answer", method_answer),
        ("twin_ack", twin_ack),
        ("twin_read", twin_read),
    ];
    let planted = delays.iter().filter(|(_, delay)| !delay.is_zero());
    let words: Vec<String> =
        planted.map(|(name, delay)| format!("{name} {}", units::format_duration(*delay))).collect();
    format!("slow by {}", words.join(", "))
}

/// A number as people write it: of 20/m, a third is enough.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
