//! Workers that end, and devices with a bug.

use super::*;
use crate::dialect::Message;
use crate::mqtt::QoS;

/// A dialect with a bug.
#[derive(Clone)]
struct Buggy;

impl DeviceDialect for Buggy {
    fn connect(&self, _: u32, _: &str, _: jiff::Timestamp) -> crate::mqtt::Connect {
        panic!("a bug in a device")
    }

    fn connect_with_wrong_key(&self, _: u32, _: &str, _: jiff::Timestamp) -> crate::mqtt::Connect {
        panic!("a bug in a device")
    }

    fn has_tokens(&self) -> bool {
        false
    }

    fn refusal_hint(&self) -> &'static str {
        "look at the bug"
    }

    fn subscriptions(&self, _: &str) -> Vec<crate::mqtt::SubscribeFilter> {
        Vec::new()
    }

    fn read(&self, _: &str, _: &crate::mqtt::Publish) -> Option<crate::dialect::ToDevice> {
        None
    }

    fn method_response(&self, _: &str, _: &str, _: &str, _: u16, payload: Bytes) -> Message {
        Message::new(String::new(), QoS::AtMostOnce, payload)
    }

    fn report(&self, _: &str, _: &str, document: Bytes) -> Message {
        Message::new(String::new(), QoS::AtMostOnce, document)
    }

    fn answers_reports(&self) -> bool {
        true
    }

    fn telemetry(&self, _: &str, qos: QoS, payload: Bytes) -> Message {
        Message::new(String::new(), qos, payload)
    }

    fn presence(&self, _: &str, _: bool) -> Option<Message> {
        None
    }
}

#[tokio::test]
async fn workers_that_have_ended_or_lost_a_device_to_a_panic_are_named() {
    let (address, _log) = hub(Manner::Plain).await;
    let FleetPlan {
        config,
        firmware,
        faults,
        seed,
        range,
        ids,
        hub,
        tls,
        identities,
        websocket,
        images,
        clock,
        truth,
        tracer,
        ..
    } = plan(address, 1);
    let plan = FleetPlan {
        load_settles: false,
        dialect: Buggy,
        config,
        firmware,
        faults,
        seed,
        range,
        ids,
        hub,
        tls,
        identities,
        websocket,
        images,
        clock,
        truth,
        tracer,
    };
    let mut fleet = Fleet::start(plan).unwrap();
    let dead = timeout(LIMIT, async {
        loop {
            let dead = fleet.sample().await.dead;
            if !dead.is_empty() {
                return dead;
            }
        }
    });
    assert_eq!(dead.await.unwrap(), ["fleet-0"]);
    (fleet.workers[1].commands, _) = mpsc::channel(1);
    assert_eq!(fleet.sample().await.dead, ["fleet-0", "fleet-1"]);
    let failures = fleet.failures().await;
    assert_eq!((&failures[0].text[..], failures[0].local), ("worker fleet-1 ended unexpectedly", true));
    fleet.stop(LIMIT).await;
}
