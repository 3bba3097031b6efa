//! `[hub]`: limits one by one, and how long the hub takes.

use std::collections::BTreeMap;

use super::*;
use crate::hub::Operation;
use crate::policy::{Delay, Limit, ServiceModel, ThrottledOperation};

fn limit(rate: f64, burst: f64, queue: Duration) -> Limit {
    Limit { rate, burst, queue }
}

#[test]
fn limits_one_by_one_are_written_as_those_of_a_fault() {
    let text =
        "[hub]\nthrottle.methods = { rate = '40/s', burst = 80, queue = '10s' }\nthrottle.twin_writes = { rate = 0.5 }";
    let methods = limit(40.0, 80.0, 10 * SECOND);
    let writes = limit(0.5, 1.0, Duration::ZERO);
    let hub = plan(text).hub;
    assert_eq!(hub.limits().unwrap().throttles, [(Operation::Method, methods), (Operation::TwinUpdate, writes)].into());
    assert_eq!(hub.embedded(Transport::Tcp).unwrap().limits, hub.limits());
    assert!(!hub.is_ideal() && plan("").hub.is_ideal() && plan("").hub.limits().is_none());
    for operation in ThrottledOperation::ALL {
        let arguments = [format!("hub.throttle.{}={{ rate = 40 }}", operation.name())];
        let limits = set(&arguments.each_ref().map(String::as_str)).unwrap().hub.limits().unwrap();
        assert_eq!(limits.throttles, BTreeMap::from([(operation.into(), limit(40.0, 40.0, Duration::ZERO))]));
    }
}

#[test]
fn a_single_limit_beside_a_tier_takes_the_place_of_the_tiers() {
    let mut limits = set(&["hub.tier=S1", "hub.throttle.twin_writes.rate=5/s"]).unwrap().hub.limits().unwrap();
    let tier = HubLimits::of(Tier::S1, 1);
    let single = limits.throttles.insert(Operation::TwinUpdate, tier.throttles[&Operation::TwinUpdate]);
    assert_eq!((single, limits), (Some(limit(5.0, 5.0, Duration::ZERO)), tier));
}

#[test]
fn servers_have_a_time_for_what_they_serve() {
    let plan = plan("[hub]\nservice = { methods = 'exp 5ms', queries = '1ms', servers = 4, queue = '2s' }");
    let ms = Duration::from_millis;
    let model = ServiceModel {
        methods: Some(Delay::Exponential(ms(5))),
        twin_writes: None,
        twin_reads: None,
        queries: Some(Delay::Fixed(ms(1))),
        servers: 4,
        queue: 2 * SECOND,
    };
    assert!(!plan.hub.is_ideal() && plan.hub.limits().is_none());
    let config = plan.embedded_hub().unwrap();
    assert_eq!((config.service.as_ref(), config.seed), (Some(&model), plan.seed));
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan, "shards get it whole");
    let fewest = set(&["hub.service.twin_reads=2ms"]).unwrap().embedded_hub().unwrap().service.unwrap();
    assert_eq!((fewest.servers, fewest.queue), (1, 60 * SECOND));
}

#[test]
fn limits_and_times_that_cannot_be_are_refused_where_they_stand() {
    for (text, line, says) in [
        ("[hub]\nthrottle.methods = { burst = 3 }", 2, "the key `hub.throttle.methods.rate` is missing"),
        ("[hub]\nthrottle.methods = '40/s'", 2, "`hub.throttle.methods` must be a table, not a text"),
        ("[hub]\nthrottle.methods.rate = 0", 2, "`hub.throttle.methods.rate` must be from 0.001/s"),
        ("[hub]\nthrottle.methods = { rate = 1, burst = 0.5 }", 2, "`hub.throttle.methods.burst` must be from 1 to"),
        ("[hub]\nthrottle.methods = { rate = 1, queue = '2h' }", 2, "must be from 0s to 1h"),
        (
            "[hub]\nthrottle.jobs = { rate = 1 }",
            2,
            "unknown key `jobs` in `hub.throttle`: allowed are methods, twin_writes, twin_reads, connects, queries",
        ),
        ("[hub]\nthrottle.queries = { rate = 1, brust = 2 }", 2, "allowed are rate, burst, queue"),
        ("[hub]\nkind = 'azure'\nthrottle.methods.rate = 1", 3, "`hub.throttle` means nothing for a hub that is not"),
        ("[hub]\nkind = 'azure'\nservice.methods = '1ms'", 3, "`hub.service` means nothing for a hub that is not"),
        (
            "[hub]\nservice = { servers = 4 }",
            2,
            "`hub.service` needs the time of at least one of `methods`, `twin_writes`",
        ),
        ("[hub]\nservice = { methods = '5ms', servers = 0 }", 2, "`hub.service.servers` must be from 1 to 10000"),
        ("[hub]\nservice = { methods = '0s' }", 2, "`hub.service.methods` must be longer than 0s"),
        ("[hub]\nservice = { methods = 'exp 1m' }", 2, "`hub.service.methods` must not be longer than 5m"),
        ("[hub]\nservice = { methods = 'fast' }", 2, "`hub.service.methods` is wrong: `fast` is not a delay"),
        (
            "[hub]\nservice = { connects = '1ms' }",
            2,
            "allowed are methods, twin_writes, twin_reads, queries, servers, queue",
        ),
        ("[hub]\nservice = 'exp 5ms'", 2, "`hub.service` must be a table"),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("my.toml:{line}: ")) && error.contains(says), "{text}\n{error}");
    }
}
