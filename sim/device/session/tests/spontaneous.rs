//! Telemetry, and connections that come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use super::plain_rig::{PlainRig, Withheld, plain, plain_settings, with_telemetry};
use super::rig::{SECOND, at};
use crate::device::{Event, Input};
use crate::measure::{MessageCounts, MessageKind};
use crate::policy::{Churn, Series};

/// A device whose load started at two seconds.
fn loaded(qos: u8) -> PlainRig {
    let mut rig = PlainRig::started(with_telemetry(qos));
    rig.input(Input::LoadStarts(at(2.0)));
    rig
}

/// A device that stays for ten seconds each time, and is away for five.
fn churning() -> PlainRig {
    let mut settings = plain_settings(plain(1));
    settings.fleet.churn = Some(Churn { up: "10s".parse().unwrap(), down: "5s".parse().unwrap() });
    let mut rig = PlainRig::started(settings);
    rig.input(Input::LoadStarts(at(2.0)));
    rig
}

fn numbers(rig: &PlainRig) -> Vec<u32> {
    rig.telemetry().into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn telemetry_keeps_its_interval_from_a_phase_within_the_first_on() {
    for qos in 0..=2 {
        let mut rig = loaded(qos);
        rig.run_until(at(62.0));
        let sent = rig.telemetry();
        assert_eq!(numbers(&rig), (0..60).collect::<Vec<_>>(), "{qos}");
        assert!(sent[0].1 >= at(2.0) && sent[0].1 < at(3.0));
        assert!(sent.windows(2).all(|pair| pair[1].1.since(pair[0].1) == SECOND));
        let told: Vec<_> = rig.times("telemetry");
        assert_eq!(
            told,
            sent.iter().map(|(_, time)| *time).collect::<Vec<_>>(),
            "who is punctual sends when it is due"
        );
        let counts = rig.counts(MessageKind::Telemetry);
        let (acknowledged, unconfirmed) = if qos == 0 { (0, 60) } else { (60, 0) };
        assert_eq!(counts, MessageCounts { sent: 60, acknowledged, unconfirmed, ..MessageCounts::default() });
        assert_eq!(rig.samples(|series| series == Series::TelemetryAck) as u64, acknowledged);
    }
}

#[test]
fn phases_follow_from_the_seed_and_spread_the_fleet() {
    let first = |device| {
        let mut rig = PlainRig::new(with_telemetry(0), device);
        rig.input(Input::LoadStarts(at(2.0)));
        rig.run_until(at(3.0));
        rig.telemetry().first().copied().map(|(_, time)| time.since(at(2.0)))
    };
    let phases: Vec<Duration> = (0..40).filter_map(first).collect();
    assert_eq!(phases, (0..40).filter_map(first).collect::<Vec<_>>());
    let tenths: BTreeSet<u128> = phases.iter().map(|phase| phase.as_millis() / 100).collect();
    assert!(phases.len() == 40 && tenths.len() >= 8, "{phases:?}");
}

#[test]
fn a_device_that_is_away_says_nothing_and_makes_up_for_nothing() {
    let mut rig = loaded(1);
    rig.run_until(at(12.0));
    rig.closed = true;
    rig.cut();
    rig.run_until(at(32.5));
    assert_eq!(numbers(&rig).len(), 10);
    rig.closed = false;
    rig.run_until(at(62.0));
    let sent = rig.telemetry();
    assert_eq!(numbers(&rig), (0..sent.len() as u32).collect::<Vec<_>>(), "no number is left out");
    let gaps: Vec<Duration> = sent.windows(2).map(|pair| pair[1].1.since(pair[0].1)).collect();
    let long: Vec<_> = gaps.iter().filter(|gap| **gap != SECOND).collect();
    assert_eq!(long.len(), 1, "{gaps:?}");
    assert!(*long[0] > 20 * SECOND && long[0].subsec_nanos() == 0, "the phase stays: {long:?}");
    assert!(rig.lost_telemetry().is_empty());
    let counts = rig.counts(MessageKind::Telemetry);
    assert_eq!((counts.sent + counts.left_out, counts.dropped), (60, 0), "what was due and left out is counted");
}

/// How late the generator was with each message that it sent.
fn lags(rig: &PlainRig) -> Vec<Duration> {
    let lag = |(_, event): &(_, Event)| match event {
        Event::Sample(Series::TelemetryLag, lag) => Some(*lag),
        _ => None,
    };
    rig.events.iter().filter_map(lag).collect()
}

#[test]
fn a_generator_that_comes_late_sends_what_is_due_as_of_when_it_was_and_tells() {
    for qos in 0..=2 {
        let mut rig = loaded(qos);
        rig.run_until(at(12.0));
        rig.stall(SECOND * 9 / 10);
        rig.run_until(at(62.0));
        let sent = rig.telemetry();
        assert_eq!(sent.len(), 60, "none is left out");
        assert!(sent.windows(2).all(|pair| pair[1].1.since(pair[0].1) == SECOND), "by the schedule");
        let late: Vec<_> = lags(&rig).into_iter().filter(|lag| !lag.is_zero()).collect();
        assert_eq!((lags(&rig).len(), late.len()), (60, 1));
        let counts = rig.counts(MessageKind::Telemetry);
        assert_eq!((counts.sent, counts.dropped, counts.left_out, counts.under_way()), (60, 0, 0, 0));
    }
}

#[test]
fn what_a_generator_comes_to_too_late_is_dropped_and_counted() {
    let mut rig = loaded(1);
    rig.run_until(at(12.0));
    rig.stall(SECOND * 7 / 2);
    rig.run_until(at(42.0));
    // At half its rate from then on.
    for _ in 0..10 {
        rig.stall(2 * SECOND);
        rig.run_until(rig.now);
    }
    let (sent, counts) = (rig.telemetry(), rig.counts(MessageKind::Telemetry));
    assert_eq!((counts.sent + counts.dropped, counts.sent, counts.left_out), (60, sent.len() as u64, 0));
    assert!((12..=13).contains(&counts.dropped), "{counts:?}");
    let phase = sent[0].1.since(at(2.0));
    assert!(sent.iter().all(|(_, due)| due.since(at(2.0) + phase).subsec_nanos() == 0), "by the schedule");
    assert_eq!(numbers(&rig), (0..sent.len() as u32).collect::<Vec<_>>(), "what was not sent has no number");
    assert!(lags(&rig).into_iter().all(|lag| lag <= SECOND));
    // What was due while the device was connected is dropped, however the connection ends.
    let dropped = |rig: &PlainRig| rig.counts(MessageKind::Telemetry).dropped - counts.dropped;
    rig.stall(4 * SECOND);
    rig.closed = true;
    rig.cut();
    assert_eq!((dropped(&rig), rig.counts(MessageKind::Telemetry).left_out), (3, 0));
    rig.closed = false;
    rig.run_for(30 * SECOND);
    let counts = rig.counts(MessageKind::Telemetry);
    assert_eq!(dropped(&rig), 3);
    assert!((1..=3).contains(&counts.left_out), "that of the last second, and of the wait: {counts:?}");
    assert_eq!(counts.sent + counts.dropped + counts.left_out, 94);
}

#[test]
fn what_was_due_before_the_end_is_sent_though_the_generator_is_late() {
    let mut settings = with_telemetry(1);
    settings.fleet.spontaneous_for = 10 * SECOND;
    let mut rig = PlainRig::started(settings);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(11.0));
    rig.stall(SECOND * 11 / 10);
    rig.stop();
    rig.run_for(5 * SECOND);
    let counts = rig.counts(MessageKind::Telemetry);
    assert_eq!((counts.sent + counts.dropped, counts.acknowledged, rig.session.is_over()), (10, counts.sent, true));
}

#[test]
fn telemetry_ends_when_it_is_to_end() {
    let mut settings = with_telemetry(0);
    settings.fleet.spontaneous_for = 10 * SECOND;
    let mut rig = PlainRig::started(settings);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(100.0));
    assert_eq!(numbers(&rig).len(), 10);
    assert!(rig.telemetry().iter().all(|(_, time)| *time < at(12.0)));
    rig.cut();
    rig.run_until(at(200.0));
    assert_eq!(numbers(&rig).len(), 10, "nor on another connection");
}

#[test]
fn telemetry_that_is_not_acknowledged_when_its_connection_ends_is_lost_by_number() {
    for (qos, withheld) in [(1, Withheld::All), (2, Withheld::All), (2, Withheld::Second)] {
        let mut rig = loaded(qos);
        rig.run_until(at(7.0));
        rig.withheld = withheld;
        rig.run_until(at(10.0));
        assert!(rig.lost_telemetry().is_empty(), "not yet");
        rig.cut();
        let mut lost = rig.lost_telemetry();
        lost.sort_unstable();
        assert_eq!(lost, [5, 6, 7], "{qos} {withheld:?}");
        rig.withheld = Withheld::Nothing;
        rig.run_until(at(30.0));
        let counts = rig.counts(MessageKind::Telemetry);
        assert_eq!((counts.lost, counts.under_way(), counts.resent), (3, 0, 0));
        assert_eq!(numbers(&rig).iter().filter(|seq| (5..8).contains(*seq)).count(), 3, "never again");
    }
    let mut rig = loaded(0);
    rig.withheld = Withheld::All;
    rig.run_until(at(10.0));
    rig.cut();
    assert_eq!((rig.lost_telemetry(), rig.counts(MessageKind::Telemetry).under_way()), (Vec::new(), 0));
}

#[test]
fn a_fleet_without_either_does_nothing_of_its_own() {
    let mut rig = PlainRig::online(1);
    rig.did();
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(3600.0));
    assert_eq!(rig.did(), [] as [&str; 0]);
}

#[test]
fn a_churning_device_leaves_politely_and_joins_anew() {
    let mut rig = churning();
    rig.did();
    rig.run_until(at(45.0));
    let cycle = ["presence", "Disconnect", "close", "open", "CONNECT", "SUBSCRIBE", "presence"];
    assert_eq!(rig.times("Disconnect"), [at(12.0), at(27.0), at(42.0)]);
    assert_eq!(rig.times("CONNECT"), [at(17.0), at(32.0)]);
    assert_eq!(rig.did(), [&cycle[..], &cycle, &cycle[..3]].concat());
    assert_eq!((rig.count(&Event::Lost), rig.count(&Event::Disconnected)), (0, 3));
    assert_eq!(rig.samples(|series| series == Series::Connect), 3, "each is like a first one");
    assert_eq!(rig.samples(|series| series == Series::Reconnect), 0);
    assert!(!rig.events.iter().any(|(_, event)| matches!(event, Event::Back(_) | Event::ConnectRetry(_))));
}

#[test]
fn a_churning_device_whose_connection_is_lost_reconnects_and_stays_as_long_again() {
    let mut rig = churning();
    rig.run_until(at(8.0));
    rig.did();
    rig.cut();
    rig.run_until(at(30.0));
    assert_eq!((rig.times("CONNECT")[0], rig.times("Disconnect")[0]), (at(9.0), at(19.0)));
    assert_eq!((rig.count(&Event::Lost), rig.samples(|series| series == Series::Reconnect)), (1, 1));
}

#[test]
fn churn_ends_when_it_is_to_end_and_devices_are_there_then() {
    let mut settings = plain_settings(plain(1));
    settings.fleet.churn = Some(Churn { up: "10s".parse().unwrap(), down: "5s".parse().unwrap() });
    settings.fleet.spontaneous_for = 13 * SECOND;
    let mut rig = PlainRig::started(settings);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(500.0));
    assert_eq!(rig.times("Disconnect"), [at(12.0)]);
    assert_eq!(rig.times("CONNECT").last(), Some(&at(17.0)), "who is away by then comes back");
}

#[test]
fn a_device_may_come_back_at_once() {
    let mut settings = plain_settings(plain(1));
    settings.fleet.churn = Some(Churn { up: "10s".parse().unwrap(), down: "0s".parse().unwrap() });
    let mut rig = PlainRig::started(settings);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(25.0));
    let moments: Vec<_> = rig.times("CONNECT")[1..].iter().map(|time| time.since(at(2.0)).as_secs()).collect();
    assert_eq!(moments, [10, 20]);
}

#[test]
fn a_stop_while_a_device_is_away_is_the_end() {
    let mut rig = churning();
    rig.run_until(at(14.0));
    rig.did();
    rig.stop();
    rig.run_until(at(60.0));
    assert!(rig.session.is_over());
    assert_eq!(rig.did(), [] as [&str; 0]);
    assert_eq!(rig.counts(MessageKind::Presence).under_way(), 0);
}
