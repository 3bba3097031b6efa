//! What a run over a plain broker tells of the broker's settings and of the driver's own losses, where it tells that clearly.
//!
//! A cause makes a result invalid: what was measured is then the rig's, and neither the broker's nor the devices'. A note is
//! for whoever reads figures that count.

use serde_json::Value;

use crate::measure::{MessageCounts, MessageKind, RunResult};
use crate::policy::{FaultKind, Outcome, Series, Statistic};

/// Nagle's algorithm at one end waits for the delayed acknowledgement of the other, of 40 ms on Linux.
const DELAYED_ACK: std::ops::RangeInclusive<f64> = 0.038..=0.050;

/// Why nothing could be measured, as far as the run shows it; `lacks` says that a threshold could not be judged.
pub(super) fn causes(result: &RunResult, lacks: bool) -> Vec<String> {
    if result.broker().is_none() || result.shards.iter().any(|shard| shard.lost) {
        return Vec::new();
    }
    let mut causes = Vec::new();
    causes.extend(gone(result));
    causes.extend(never_down(result));
    causes.extend(MessageKind::ALL.into_iter().filter_map(|kind| undelivered(result, kind)));
    if causes.is_empty() {
        causes.extend(unheard(result));
    }
    causes.extend(silent_devices(result).filter(|_| lacks));
    causes
}

/// What is to be known of figures that count, or that do not; empty without a plain broker.
pub(super) fn notes(result: &RunResult) -> Vec<String> {
    if result.broker().is_none() {
        return Vec::new();
    }
    let silent = silent_devices(result).filter(|reason| !result.invalid_reasons.contains(reason));
    [unexplained(result), forgotten(result), delayed_acks(result), silent].into_iter().flatten().collect()
}

/// The driver lost its broker and did not get it back, though nobody had planned that.
fn gone(result: &RunResult) -> Option<String> {
    let planned = result.faults.iter().any(|fault| fault.kind == FaultKind::HubDown.name());
    let lines = &result.generator.lines;
    let lost = lines.iter().filter(|line| line.losses > line.reconnects).count();
    (lost > 0 && !planned).then(|| {
        let what = if lines.len() == 1 {
            "its connection to the broker".to_owned()
        } else {
            format!("{lost} of its {} connections to the broker", lines.len())
        };
        format!("the driver lost {what} and did not get it back before the end: the broker went away, or is cut off")
    })
}

/// It was taken down, and nobody noticed.
fn never_down(result: &RunResult) -> Option<String> {
    let fault = result.faults.iter().find(|fault| fault.kind == FaultKind::HubDown.name() && fault.strikes > 0)?;
    let lost: u64 = result.retries.connect.iter().map(|row| row.lost).sum();
    let all_kept = lost == 0 && result.generator.lines.iter().all(|line| line.losses == 0);
    all_kept.then(|| {
        let name = &fault.name;
        format!(
            "the fault `{name}` took nothing down: no connection was lost. See that `hub.outage.down` ends the broker"
        )
    })
}

/// A kind of message that the broker takes and nobody ever gets.
fn undelivered(result: &RunResult, kind: MessageKind) -> Option<String> {
    let counts = result.messages.0.get(&kind)?;
    let MessageCounts { sent, acknowledged, unconfirmed, delivered, .. } = *counts;
    let has = |series| !result.absent.contains(&series);
    // Both ends have to be ours, or nobody knows what was sent or what came.
    if !has(Series::UpdateTotal) || !has(Series::Connect) || acknowledged + unconfirmed == 0 {
        return None;
    }
    let (topic, reader, writer) = match kind {
        MessageKind::Request => {
            // Who does not answer on purpose has received it all the same.
            let answered = result.messages.counts(Some(MessageKind::Response)).sent;
            let unanswered = result.census.count(Outcome::NoResponse);
            if answered > 0 || unanswered == 0 || !result.faults.is_empty() {
                return None;
            }
            ("request", "a device", "the driver")
        }
        _ if delivered > 0 => return None,
        MessageKind::Response => ("response", "the driver", "devices"),
        MessageKind::Report => ("reported", "the driver", "devices"),
        MessageKind::Presence => ("presence", "the driver", "devices"),
        MessageKind::Telemetry => ("telemetry", "the driver", "devices"),
    };
    let taken = match acknowledged {
        0 => format!("{unconfirmed} {} were sent at QoS 0", plural(kind)),
        _ => format!("{acknowledged} of {sent} {} were acknowledged by the broker", plural(kind)),
    };
    let filter = filter(&result.plan["hub"]["dialect"]["topics"], topic);
    let readers = if reader == "a device" { "devices" } else { reader };
    Some(format!(
        "{taken} and none was delivered to {reader}: has the broker an ACL on {filter} (the user of {writer} has to write \
         there, that of {readers} to read), or a limit of size that is too low for them?"
    ))
}

/// Devices that the driver took for gone because it lost what they had said.
fn unheard(result: &RunResult) -> Option<String> {
    let (calls, gone) = (result.observer.unheard, result.census.count(Outcome::NotOnline));
    (calls > 0 && gone > 0).then(|| {
        let calls = if calls == 1 { "1 call was".to_owned() } else { format!("{calls} calls were") };
        format!(
            "{calls} given up as not_online though the fleet of this run had those devices connected: the broker never \
             delivered their presence to the driver. It drops what it may not queue (in Mosquitto max_queued_messages and \
             max_inflight_messages: raise them, or set hub.driver = {{ connections = N }}), or an ACL hides some of it"
        )
    })
}

const fn plural(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Request => "requests",
        MessageKind::Response => "responses",
        MessageKind::Report => "reports",
        MessageKind::Presence => "messages of presence",
        MessageKind::Telemetry => "messages of telemetry",
    }
}

/// The filter for a topic of the plan, as a broker's rules name it.
fn filter(topics: &Value, name: &str) -> String {
    let prefix = topics["prefix"].as_str().unwrap_or_default();
    let topic = topics[name].as_str().unwrap_or(name).replace("{prefix}", prefix);
    let level = |level: &str| if level.contains('{') { "+".to_owned() } else { level.to_owned() };
    topic.split('/').map(level).collect::<Vec<_>>().join("/")
}

/// A driver alone whom nobody answered.
fn silent_devices(result: &RunResult) -> Option<String> {
    let census = &result.census;
    let unanswered = census.count(Outcome::NoResponse);
    let alone = result.absent.contains(&Series::Connect) && result.observer.presence == Some(true);
    let answered = result.messages.counts(Some(MessageKind::Response)).delivered;
    (alone && unanswered > 0 && unanswered == census.ended() && answered == 0).then(|| {
        "no device answered: that they are connected is what the broker keeps (retained presence), and may be of devices \
         that are gone"
            .to_owned()
    })
}

/// Connections that went, and nobody knows why.
fn unexplained(result: &RunResult) -> Option<String> {
    let lost = result.losses_unexplained;
    (lost > 0).then(|| {
        let were = if lost == 1 { "connection of a device was" } else { "connections of devices were" };
        format!(
            "{lost} {were} lost, and no fault explains it: the broker closed them, or somebody else uses these client ids \
             (another run? set fleet.id_prefix or hub.client_id)"
        )
    })
}

/// Reports that came while the driver was away.
fn forgotten(result: &RunResult) -> Option<String> {
    let reconnects: u64 = result.generator.lines.iter().map(|line| line.reconnects).sum();
    let missed = result.messages.counts(Some(MessageKind::Report)).undelivered;
    let kept = result.plan["hub"]["lines"]["keep_session"] == true;
    (reconnects > 0 && missed > 0 && !kept).then(|| {
        let times = if reconnects == 1 { "once".to_owned() } else { format!("{reconnects} times") };
        format!(
            "the driver reconnected {times}, and {missed} reports were never delivered to it: an update of which one was the \
             last ends as stuck. hub.driver = {{ keep_session = true }} has the broker keep them meanwhile, hub.retain = true \
             the latest of each device"
        )
    })
}

/// Acknowledgements that wait for a timer of TCP.
fn delayed_acks(result: &RunResult) -> Option<String> {
    let is_ack = |series: &Series| matches!(series, Series::TwinAck(_) | Series::TelemetryAck);
    let slow = result.series.iter().filter(|(series, _)| is_ack(series)).find(|(_, data)| {
        let median = data.statistic(Statistic::Percentile(5_000));
        median.is_some_and(|median| DELAYED_ACK.contains(&median))
    });
    slow.map(|(series, _)| {
        format!(
            "the median of {series} is about 40 ms, which is rather a timer of TCP than the broker: Nagle's algorithm there \
             waits for a delayed acknowledgement (in Mosquitto, set_tcp_nodelay true turns it off)"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::measure::{FaultRow, LineRow, RetryRow, SeriesData};
    use crate::policy::{FirmwareStatus, Place};

    /// A run over a broker, fleet and driver together.
    fn run() -> RunResult {
        let topics = json!({ "prefix": "plant", "reported": "{prefix}/{device}/reported", "request": "{prefix}/x-{device}/call" });
        let hub = json!({ "kind": "mqtt", "url": "mqtt://127.0.0.1:1883", "dialect": { "topics": topics },
                          "lines": { "keep_session": false } });
        RunResult { plan: json!({ "hub": hub }), ..RunResult::default() }
    }

    fn acknowledged(result: &mut RunResult, kind: MessageKind, sent: u64, delivered: u64) {
        *result.messages.of(kind) =
            MessageCounts { sent, acknowledged: sent, delivered, undelivered: sent - delivered, ..Default::default() };
    }

    #[test]
    fn what_the_broker_takes_and_nobody_gets_is_named_by_kind() {
        let mut result = run();
        for kind in MessageKind::ALL {
            acknowledged(&mut result, kind, 10, u64::from(kind != MessageKind::Report));
        }
        assert_eq!(
            causes(&result, true),
            [
                "10 of 10 reports were acknowledged by the broker and none was delivered to the driver: has the broker an ACL on \
              plant/+/reported (the user of devices has to write there, that of the driver to read), or a limit of size that is \
              too low for them?"
            ]
        );
        acknowledged(&mut result, MessageKind::Report, 10, 1);
        assert!(causes(&result, true).is_empty(), "what lacks only in part is no setting");
        *result.messages.of(MessageKind::Telemetry) =
            MessageCounts { sent: 7, unconfirmed: 7, ..MessageCounts::default() };
        assert!(
            causes(&result, true)[0].starts_with("7 messages of telemetry were sent at QoS 0 and none was delivered")
        );
        result.absent = vec![Series::UpdateTotal];
        assert!(causes(&result, true).is_empty(), "a fleet alone does not know what came");
        let other = RunResult { plan: json!({ "hub": { "kind": "embedded" } }), absent: Vec::new(), ..result };
        assert!(causes(&other, true).is_empty());
    }

    #[test]
    fn requests_that_no_device_gets_are_named_unless_devices_were_silent_on_purpose() {
        let mut result = run();
        acknowledged(&mut result, MessageKind::Request, 10, 0);
        assert!(causes(&result, true).is_empty(), "answers were not waited for");
        result.census.add(Outcome::NoResponse, "", 10);
        let told = causes(&result, true);
        assert!(
            told[0]
                .starts_with("10 of 10 requests were acknowledged by the broker and none was delivered to a device: ")
        );
        assert!(
            told[0]
                .contains("ACL on plant/+/call (the user of the driver has to write there, that of devices to read)")
        );
        acknowledged(&mut result, MessageKind::Response, 1, 1);
        assert!(causes(&result, true).is_empty());
    }

    #[test]
    fn a_driver_that_lost_the_presence_of_devices_does_not_blame_them() {
        let mut result = run();
        result.observer.unheard = 107;
        assert!(causes(&result, false).is_empty(), "each was reached in the end");
        result.census.add(Outcome::NotOnline, "", 107);
        assert!(
            causes(&result, false)[0]
                .starts_with("107 calls were given up as not_online though the fleet of this run ")
        );
        acknowledged(&mut result, MessageKind::Presence, 200, 0);
        let told = causes(&result, false);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("200 of 200 messages of presence were acknowledged"), "{told:?}");
    }

    #[test]
    fn a_broker_that_went_away_is_named_unless_that_was_planned() {
        let mut result = run();
        let line = |losses, reconnects| LineRow { losses, reconnects, ..LineRow::default() };
        result.generator.lines = vec![line(1, 1)];
        assert!(causes(&result, false).is_empty());
        result.generator.lines = vec![line(2, 1)];
        assert!(
            causes(&result, false)[0]
                .starts_with("the driver lost its connection to the broker and did not get it back")
        );
        result.generator.lines.push(line(0, 0));
        assert!(
            causes(&result, false)[0].starts_with("the driver lost 1 of its 2 connections to the broker and did not")
        );
        result.faults = vec![FaultRow {
            name: "away".to_owned(),
            kind: "hub_down".to_owned(),
            place: Place::Hub,
            expected: Vec::new(),
            strikes: 1,
            late: 0,
            injected: 0,
            observed: [].into(),
            off_diagonal: 0,
            peak_per_s: 0.0,
            recovery: None,
            found: None,
        }];
        assert!(causes(&result, false).is_empty());
        result.generator.lines = vec![line(0, 0)];
        assert!(causes(&result, false)[0].starts_with("the fault `away` took nothing down"));
        result.retries.connect = vec![RetryRow { lost: 1, ..RetryRow::default() }];
        assert!(causes(&result, false).is_empty());
    }

    #[test]
    fn a_driver_whom_nobody_answers_is_told_of_what_brokers_keep() {
        let mut result = run();
        result.absent = vec![Series::Connect];
        result.census.add(Outcome::NoResponse, "", 5);
        assert!(notes(&result).is_empty(), "without presence nobody said that they are there");
        result.observer.presence = Some(true);
        assert!(causes(&result, false).is_empty(), "a threshold has judged it");
        assert!(notes(&result)[0].starts_with("no device answered: "));
        result.invalid_reasons = causes(&result, true);
        assert_eq!((result.invalid_reasons.len(), notes(&result).len()), (1, 0), "it is said once");
        result.census.add(Outcome::Completed, "", 1);
        assert!(causes(&result, true).is_empty());
    }

    #[test]
    fn what_else_is_to_be_known_is_noted() {
        let mut result = run();
        assert!(notes(&result).is_empty());
        result.losses_unexplained = 512;
        assert!(notes(&result)[0].starts_with("512 connections of devices were lost, and no fault explains it: "));
        result.losses_unexplained = 0;
        acknowledged(&mut result, MessageKind::Report, 10, 7);
        assert!(notes(&result).is_empty(), "the driver was never away");
        result.generator.lines = vec![LineRow { losses: 1, reconnects: 1, ..LineRow::default() }];
        assert!(
            notes(&result)[0].starts_with("the driver reconnected once, and 3 reports were never delivered to it: ")
        );
        result.plan["hub"]["lines"]["keep_session"] = true.into();
        assert!(notes(&result).is_empty());
        for (ms, is_told) in [(5, false), (41, true), (80, false)] {
            let mut data = SeriesData::default();
            (0..30).for_each(|_| data.record(Duration::from_millis(ms)));
            result.series = [(Series::TwinAck(FirmwareStatus::Applying), data)].into();
            assert_eq!(notes(&result).len(), usize::from(is_told), "{ms} ms");
        }
        assert!(notes(&RunResult { losses_unexplained: 5, ..RunResult::default() }).is_empty());
    }
}
