//! What waits for the hub's servers, in virtual time.

use super::*;
use crate::hub::service::Servers;
use crate::hub::throttle::{HubLimits, Operation, Throttles};
use crate::policy::{Limit, ServiceModel};
use crate::random::Seed;

/// A partition of a hub with servers, that read no twins.
fn served(servers: u32, twin_writes: &str, queue: Duration) -> Bench {
    let model = ServiceModel {
        methods: None,
        twin_writes: Some(twin_writes.parse().unwrap()),
        twin_reads: None,
        queries: None,
        servers,
        queue,
    };
    let mut bench = Bench::new();
    bench.partition.served_by(Arc::new(Servers::new(model, Seed(7), 0)));
    bench
}

impl Bench {
    fn reports(&mut self, connection: u64, count: usize) {
        for n in 0..count {
            let rid = n.to_string();
            self.publish(connection, FromDevice::ReportedPatch { rid: &rid }, &format!("{{\"n\":{n}}}"));
        }
    }

    fn answered(&self, status: u16) -> Vec<String> {
        let topics = self.published().into_iter().map(|(topic, _)| topic);
        topics.filter(|topic| topic.starts_with(&format!("$iothub/twin/res/{status}/"))).collect()
    }
}

#[test]
fn reports_are_done_one_by_one_as_a_server_is_free_and_what_needs_none_passes() {
    let mut bench = served(2, "1s", 60 * SECOND);
    bench.online(1, "d");
    bench.online(2, "e");
    bench.reports(1, 3);
    bench.reports(2, 2);
    bench.online(3, "f");
    bench.publish(3, FromDevice::TwinGet { rid: "get" }, "");
    assert_eq!((bench.answered(204).len(), bench.answered(200).len()), (0, 1));
    let mut done = Vec::new();
    for _ in 0..4 {
        bench.pass(SECOND);
        done.push(bench.answered(204).len());
    }
    assert_eq!(done, [2, 4, 5, 5], "two at a time");
    let twin = bench.partition.twin("d").unwrap();
    assert!(twin.contains("\"n\":2"), "{twin}");
}

#[test]
fn what_one_device_says_is_not_overtaken_by_what_it_says_next() {
    let mut bench = served(50, "uniform 1ms..2s", 60 * SECOND);
    bench.online(1, "d");
    bench.reports(1, 40);
    bench.pass(SECOND);
    let halfway = bench.answered(204).len();
    bench.pass(2 * SECOND);
    let expected: Vec<String> = (0..40).map(|n| format!("$iothub/twin/res/204/?$rid={n}&$version={}", n + 2)).collect();
    assert!(halfway < 40, "they take their time");
    assert_eq!(bench.answered(204), expected, "in order");
    bench.reports(1, 1);
    bench.pass(2 * SECOND);
    assert_eq!(bench.answered(204).len(), 41, "nothing is left of those before");
}

#[test]
fn a_device_reads_what_it_has_written_though_reading_needs_no_server() {
    let mut bench = served(2, "1s", 60 * SECOND);
    bench.online(1, "d");
    bench.reports(1, 1);
    for rid in ["a", "b"] {
        bench.publish(1, FromDevice::TwinGet { rid }, "");
    }
    assert_eq!(bench.answered(200).len(), 0);
    bench.pass(SECOND);
    assert_eq!(bench.answered(200), ["$iothub/twin/res/200/?$rid=a", "$iothub/twin/res/200/?$rid=b"]);
    let read = bench.published().into_iter().find(|(topic, _)| topic.contains("/200/")).unwrap().1;
    assert_eq!(read["reported"]["n"], 0);
    bench.publish(1, FromDevice::TwinGet { rid: "c" }, "");
    assert_eq!(bench.answered(200).len(), 3, "there is nothing before it any more");
}

#[test]
fn a_report_is_billed_once_a_server_takes_it_and_not_if_none_does() {
    let mut bench = served(1, "1s", Duration::ZERO);
    let limit = Limit { rate: 1.0, burst: 3.0, queue: 60 * SECOND };
    let throttles = [(Operation::TwinUpdate, limit)].into();
    let limits = HubLimits { throttles, messages_per_day: Some(100), ..HubLimits::none() };
    let throttles = Arc::new(Throttles::new(Some(limits), bench.partition.wall));
    bench.partition.throttled_by(Arc::clone(&throttles));
    let billed = |bench: &Bench| {
        let counts = throttles.counts(bench.now);
        counts.iter().find(|count| count.operation == "daily_messages").unwrap().admitted
    };
    bench.online(1, "d");
    bench.reports(1, 3);
    assert_eq!((bench.answered(503).len(), billed(&bench)), (2, 1));
    // The throttle holds it until the server is free again.
    bench.reports(1, 1);
    assert_eq!((bench.partition.held(), billed(&bench)), (2, 1));
    bench.pass(2 * SECOND);
    assert_eq!((bench.answered(204).len(), bench.answered(503).len(), billed(&bench)), (2, 2, 2));
}

#[test]
fn a_limit_that_is_lifted_loses_nothing_that_is_with_the_servers() {
    let mut bench = served(1, "1s", 60 * SECOND);
    let limit = Limit { rate: 1.0, burst: 2.0, queue: 60 * SECOND };
    let limits = HubLimits { throttles: [(Operation::TwinUpdate, limit)].into(), ..HubLimits::none() };
    bench.partition.throttled_by(Arc::new(Throttles::new(Some(limits), bench.partition.wall)));
    bench.online(1, "d");
    bench.online(2, "e");
    // With the server until 1 s and 2 s; the others wait for the throttle.
    bench.reports(1, 1);
    bench.reports(2, 3);
    // The second is done at the very moment at which the limit is lifted.
    bench.now = bench.now + 2 * SECOND;
    bench.partition.release_all(bench.now);
    bench.drain();
    bench.pass(2 * SECOND);
    assert_eq!((bench.answered(204).len(), bench.partition.held()), (4, 0));
}

#[test]
fn beyond_the_queue_a_report_is_refused_with_a_body() {
    let mut bench = served(1, "1s", SECOND);
    bench.online(1, "d");
    bench.reports(1, 5);
    let refused: Vec<_> = bench.published().into_iter().filter(|(topic, _)| topic.contains("/503/")).collect();
    assert_eq!((refused.len(), refused[0].0.as_str()), (3, "$iothub/twin/res/503/?$rid=2"));
    assert_eq!(refused[0].1["errorCode"], 503_005);
    bench.pass(5 * SECOND);
    assert_eq!(bench.answered(204).len(), 2);
}

#[test]
fn what_a_throttle_lets_go_comes_to_the_servers_afterwards_and_stays_with_them() {
    let mut bench = served(1, "2s", 60 * SECOND);
    let limit = Limit { rate: 1.0, burst: 1.0, queue: 60 * SECOND };
    let limits = HubLimits { throttles: [(Operation::TwinUpdate, limit)].into(), ..HubLimits::none() };
    bench.partition.throttled_by(Arc::new(Throttles::new(Some(limits), bench.partition.wall)));
    bench.online(1, "d");
    bench.reports(1, 3);
    bench.pass(SECOND * 3 / 2);
    assert_eq!((bench.answered(204).len(), bench.partition.held()), (0, 3));
    // The second is with the server since its time came at 1 s, the third waits for the throttle until 2 s.
    bench.partition.release_all(bench.now);
    bench.drain();
    assert_eq!((bench.answered(204).len(), bench.partition.held()), (0, 3), "no server is quicker for it");
    bench.pass(SECOND * 5 / 2);
    assert_eq!(bench.answered(204).len(), 2, "after 2 s and 4 s");
    bench.pass(2 * SECOND);
    assert_eq!((bench.answered(204).len(), bench.partition.held()), (3, 0), "after 6 s");
}

#[test]
fn a_hub_that_goes_down_forgets_what_was_with_its_servers() {
    let mut bench = served(1, "1s", 60 * SECOND);
    bench.online(1, "d");
    bench.reports(1, 3);
    bench.partition.go_down();
    assert_eq!(bench.partition.held(), 0);
    bench.pass(10 * SECOND);
    assert_eq!(bench.answered(204).len(), 0);
}

#[test]
fn what_finds_no_room_takes_no_server_and_draws_on_no_limit() {
    let model = ServiceModel {
        methods: None,
        twin_writes: Some("1s".parse().unwrap()),
        twin_reads: None,
        queries: None,
        servers: 1,
        queue: 3600 * SECOND,
    };
    let servers = Arc::new(Servers::new(model, Seed(7), 0));
    let limit = Limit { rate: 1.0, burst: 1000.0, queue: SECOND };
    let mut bench = Bench::new();
    let limits = HubLimits { throttles: [(Operation::TwinUpdate, limit)].into(), ..HubLimits::none() };
    let throttles = Arc::new(Throttles::new(Some(limits), bench.partition.wall));
    bench.partition.throttled_by(Arc::clone(&throttles));
    bench.partition.served_by(Arc::clone(&servers));
    bench.online(1, "d");
    let large = " ".repeat(1024 * 1024);
    for _ in 0..73 {
        bench.publish(1, FromDevice::ReportedPatch { rid: "p" }, &large);
    }
    assert_eq!((bench.answered(503).len(), bench.closed.len(), bench.partition.held()), (10, 0, 63));
    let (served, limited) = (servers.count(bench.now), &throttles.counts(bench.now)[0]);
    assert_eq!((served.operations, served.refused, limited.admitted, limited.refused), (63, 10, 63, 0));
}
