//! Faults that act on the connection, whatever the device is doing.

use std::time::Duration;

use super::rig::{Rig, SECOND, at, fault, settings};
use crate::device::{Event, Input};
use crate::mqtt::{ConnectReturnCode, Impairment};
use crate::policy::{Bandwidth, Delay, Fault, FaultKind, Latency, Series, TokenExpiry};

/// A device that stands by and has one fault at second 10 for 20 seconds, the load having started at second 1.
fn afflicted(kind: FaultKind) -> Rig {
    let mut rig = Rig::online(&[Fault { at: 9 * SECOND, lasts: Some(20 * SECOND), ..fault(kind) }]);
    rig.input(Input::LoadStarts(at(1.0)));
    rig.run_until(at(9.9));
    rig.did();
    assert_eq!(rig.count(&Event::Afflicted(0)), 0);
    rig
}

/// How long after it began each fault was over.
fn relieved(rig: &Rig) -> Vec<Duration> {
    rig.events
        .iter()
        .filter_map(|event| if let Event::Relieved(0, after) = event { Some(*after) } else { None })
        .collect()
}

/// How long after it began each fault was noticed.
fn found(rig: &Rig) -> Vec<Duration> {
    rig.events.iter().filter_map(|event| if let Event::Found(0, after) = event { Some(*after) } else { None }).collect()
}

#[test]
fn a_reset_tears_the_connection_once_and_the_policy_brings_it_back() {
    let mut rig = afflicted(FaultKind::Reset);
    rig.call("u1");
    rig.did();
    rig.run_until(at(60.0));
    assert_eq!(rig.did(), ["cut", "open", "CONNECT", "SUBSCRIBE 2", "downloading", "applying", "completed"]);
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Injected(0)), relieved(&rig)), (1, 1, vec![SECOND]));
    assert_eq!((rig.samples(Series::Reconnect), rig.count(&Event::LostUnexplained)), (vec![SECOND], 0));
    assert_eq!(rig.count(&Event::Connected) - rig.count(&Event::Disconnected), 1);
}

#[test]
fn a_fault_that_finds_no_connection_waits_for_one() {
    let mut rig = afflicted(FaultKind::Reset);
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(15.5));
    rig.hub.closed = false;
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::LostUnexplained)), (0, 1));
    rig.run_until(at(60.0));
    assert_eq!((rig.count(&Event::Afflicted(0)), relieved(&rig)), (1, vec![SECOND]));
}

#[test]
fn a_dead_connection_is_found_within_one_and_a_half_keep_alives_even_by_a_device_that_speaks() {
    for speaks in [false, true] {
        let mut rig = Rig::online(&[fault(FaultKind::HalfOpen)]);
        rig.input(Input::LoadStarts(at(2.0)));
        if speaks {
            rig.call("u1");
        }
        rig.run_until(at(500.0));
        assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Injected(0))), (1, usize::from(speaks)));
        let found = found(&rig);
        assert!(found.len() == 1 && found[0] <= 90 * SECOND, "{found:?}");
        assert_eq!((rig.times("impaired").len(), rig.times("open").len()), (1, 2), "the new path is sound");
        assert_eq!((relieved(&rig), rig.count(&Event::LostUnexplained)), (vec![found[0] + SECOND], 0));
        assert_eq!(rig.documents.len(), if speaks { 4 } else { 1 });
    }
}

#[test]
fn a_black_hole_that_closes_before_it_is_found_is_got_over() {
    let mut rig = afflicted(FaultKind::HalfOpen);
    rig.run_until(at(31.0));
    assert_eq!(rig.did(), ["impaired", "PINGREQ", "sound"]);
    rig.input(Input::Packet(crate::mqtt::Packet::PingResp));
    assert_eq!((relieved(&rig).len(), found(&rig)), (1, vec![]));
    rig.run_until(at(500.0));
    assert!(rig.times("close").is_empty());
}

#[test]
fn a_bad_path_is_one_for_every_connection_as_long_as_it_lasts() {
    let latency = FaultKind::Latency(Latency { delay: Delay::Fixed(SECOND) });
    let bandwidth = FaultKind::Bandwidth(Bandwidth { rate: 100.0 });
    for kind in [latency, bandwidth, FaultKind::SlowReader] {
        let mut rig = afflicted(kind);
        rig.run_until(at(15.0));
        assert_ne!(rig.impairment, Impairment::default());
        rig.cut();
        assert_eq!(rig.count(&Event::LostUnexplained), 0);
        rig.run_until(at(25.0));
        assert_ne!(rig.impairment, Impairment::default());
        rig.run_until(at(30.0));
        assert_eq!(rig.impairment, Impairment::default());
        assert_eq!((rig.count(&Event::Afflicted(0)), relieved(&rig)), (1, vec![20 * SECOND]));
    }
}

#[test]
fn paths_add_up() {
    let latency = fault(FaultKind::Latency(Latency { delay: Delay::Fixed(SECOND) }));
    let reader = Fault { at: SECOND, lasts: Some(SECOND), ..fault(FaultKind::SlowReader) };
    let mut rig = Rig::online(&[latency, reader]);
    rig.input(Input::LoadStarts(at(2.0)));
    for (moment, expected) in [(2.5, false), (3.5, true), (4.5, false)] {
        rig.run_until(at(moment));
        assert_eq!((rig.impairment.latency.len(), rig.impairment.reads_nothing), (1, expected));
    }
}

#[test]
fn several_latencies_add_up_and_the_narrowest_bandwidth_counts() {
    let latency = |seconds| fault(FaultKind::Latency(Latency { delay: Delay::Fixed(seconds * SECOND) }));
    let bandwidth = |rate| fault(FaultKind::Bandwidth(Bandwidth { rate }));
    let short = Fault { lasts: Some(5 * SECOND), ..bandwidth(100.0) };
    let mut rig = Rig::online(&[latency(1), bandwidth(2000.0), latency(2), short]);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(3.0));
    let delays: Vec<Delay> = rig.impairment.latency.iter().map(|latency| latency.delay).collect();
    assert_eq!(delays, [Delay::Fixed(SECOND), Delay::Fixed(2 * SECOND)]);
    let first = rig.impairment.clone();
    assert_ne!(first.latency[0].seed, first.latency[1].seed);
    assert_eq!(first.bandwidth, Some(100.0));
    rig.run_until(at(8.0));
    assert_eq!(rig.impairment, Impairment { bandwidth: Some(2000.0), ..first });
}

#[test]
fn a_wrong_key_is_refused_and_the_right_one_let_in_again() {
    let mut rig = afflicted(FaultKind::WrongKey);
    rig.hub.connack = ConnectReturnCode::NotAuthorized;
    rig.run_until(at(29.9));
    assert_eq!(rig.did(), ["Disconnect", "close", "open", "CONNECT wrong key", "close"]);
    assert!(!rig.session.is_over() && rig.count(&Event::GaveUp) == 0);
    assert!(!rig.events.iter().any(|event| matches!(event, Event::Failed(_))), "nobody is to mend the keys");
    rig.hub.connack = ConnectReturnCode::Success;
    rig.run_until(at(40.0));
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE 2"]);
    assert_eq!((rig.count(&Event::Afflicted(0)), relieved(&rig)), (1, vec![20 * SECOND]));
}

#[test]
fn a_wrong_key_from_the_start_waits_until_the_hub_knows_the_device() {
    let mut rig = Rig::online(&[fault(FaultKind::WrongKey)]);
    assert_eq!(rig.did()[3..6], ["standBy", "Disconnect", "close"]);
    assert_eq!(rig.count(&Event::Ready), 1);
}

#[test]
fn a_token_that_ends_is_taken_before_and_renewed_after_the_hub_has_closed() {
    let expiry = |spread| Fault { at: 100 * SECOND, ..fault(FaultKind::TokenExpiry(TokenExpiry { spread })) };
    for spread in [Duration::ZERO, 30 * SECOND] {
        let mut rig = Rig::online(&[expiry(spread)]);
        rig.input(Input::LoadStarts(at(5.0)));
        rig.call("u1");
        rig.run_until(at(80.0));
        let opens = rig.times("open");
        assert!(opens.len() == 2 && opens[1] <= at(53.0) + spread / 2, "{opens:?}");
        let ends = rig.expires[1];
        assert!(at(104.0) <= ends && ends <= at(105.0) + spread, "{ends}");
        assert_eq!(rig.count(&Event::Afflicted(0)), 0);
        rig.call("u2");
        rig.run_until(ends + SECOND);
        rig.cut();
        rig.run_until(at(1000.0));
        assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Injected(0)), found(&rig).len()), (1, 1, 1));
        assert_eq!((relieved(&rig).len(), rig.count(&Event::LostUnexplained)), (1, 0));
        assert_eq!(rig.times("open").len(), 3);
        assert!(rig.expires[2] > at(3000.0));
    }
}

#[test]
fn a_hub_that_does_not_close_at_the_end_of_a_token_strikes_nobody() {
    let mut rig = Rig::online(&[Fault {
        at: 100 * SECOND,
        ..fault(FaultKind::TokenExpiry(TokenExpiry { spread: Duration::ZERO }))
    }]);
    rig.input(Input::LoadStarts(at(5.0)));
    rig.run_until(at(1000.0));
    assert_eq!((rig.times("open").len(), rig.times("open")[2]), (3, at(135.0)));
    assert_eq!(rig.count(&Event::Afflicted(0)), 0);
}

#[test]
fn a_token_that_was_to_end_at_once_ends_soon() {
    let mut rig = Rig::online(&[fault(FaultKind::TokenExpiry(TokenExpiry { spread: Duration::ZERO }))]);
    rig.input(Input::LoadStarts(at(1.0)));
    rig.run_until(at(4.0));
    assert_eq!(rig.times("open").len(), 2);
    rig.run_until(at(5.5));
    rig.cut();
    rig.run_until(at(10.0));
    assert_eq!((rig.count(&Event::Afflicted(0)), relieved(&rig).len()), (1, 1));
}

#[test]
fn whoever_takes_a_devices_id_is_fought_and_gone_in_the_end() {
    let mut rig = afflicted(FaultKind::DuplicateId);
    rig.run_until(at(12.0));
    rig.cut();
    rig.run_until(at(14.0));
    rig.cut();
    rig.run_until(at(60.0));
    assert_eq!(
        rig.did(),
        ["intruder", "open", "CONNECT", "SUBSCRIBE 2", "open", "CONNECT", "SUBSCRIBE 2", "no intruder", "PINGREQ"]
    );
    assert_eq!((rig.count(&Event::Afflicted(0)), found(&rig)), (1, vec![2 * SECOND]));
    assert_eq!((relieved(&rig), rig.count(&Event::LostUnexplained)), (vec![20 * SECOND], 0));
}

#[test]
fn an_intruder_goes_with_the_device() {
    let mut rig = afflicted(FaultKind::DuplicateId);
    rig.run_until(at(12.0));
    rig.input(Input::Stop);
    assert_eq!(rig.did(), ["intruder", "no intruder", "Disconnect", "close"]);
}

#[test]
fn an_intruders_last_connect_may_come_after_its_end_and_nothing_later_is_blamed_on_it() {
    let mut rig = afflicted(FaultKind::DuplicateId);
    // It ends at 30 s; the device has asked the hub since, and been answered.
    rig.run_until(at(30.5));
    assert_eq!(relieved(&rig), [20 * SECOND]);
    rig.cut();
    assert_eq!(rig.count(&Event::LostUnexplained), 0);
    rig.run_until(at(40.0));
    rig.cut();
    assert_eq!(rig.count(&Event::LostUnexplained), 1);
}

#[test]
fn a_hub_that_is_down_is_blamed_for_what_fails_meanwhile_and_no_longer() {
    let mut rig = afflicted(FaultKind::HubDown);
    rig.run_until(at(12.0));
    rig.call("u1");
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(29.5));
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::Injected(0))), (1, 1));
    rig.hub.closed = false;
    rig.run_until(at(50.0));
    assert_eq!((relieved(&rig), rig.count(&Event::LostUnexplained)), (vec![18 * SECOND], 0));
    rig.cut();
    rig.run_until(at(60.0));
    assert_eq!((rig.count(&Event::Afflicted(0)), rig.count(&Event::LostUnexplained)), (1, 1));
}

#[test]
fn of_several_outages_of_the_hub_at_a_time_all_are_blamed() {
    let outage = |at, lasts| Fault { at: at * SECOND, lasts: Some(lasts * SECOND), ..fault(FaultKind::HubDown) };
    let mut rig = Rig::online(&[outage(9, 20), outage(10, 30), outage(50, 5)]);
    rig.input(Input::LoadStarts(at(1.0)));
    rig.run_until(at(12.0));
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(40.5));
    rig.hub.closed = false;
    rig.run_until(at(49.0));
    let count = |event| rig.count(&event);
    assert_eq!([0, 1, 2].map(|fault| count(Event::Afflicted(fault))), [1, 1, 0]);
    assert_eq!((relieved(&rig).len(), count(Event::LostUnexplained)), (1, 0));
}

#[test]
fn healing_ends_what_acts_and_what_was_to_come() {
    let kinds = [
        FaultKind::Offline,
        FaultKind::WrongKey,
        FaultKind::HalfOpen,
        FaultKind::SlowReader,
        FaultKind::DuplicateId,
        FaultKind::TokenExpiry(TokenExpiry { spread: Duration::ZERO }),
    ];
    for kind in kinds {
        let later = Fault { at: 40 * SECOND, ..fault(kind.clone()) };
        let mut rig = Rig::online(&[Fault { at: 9 * SECOND, ..fault(kind) }, later]);
        rig.input(Input::LoadStarts(at(1.0)));
        rig.run_until(at(13.0));
        rig.input(Input::Heal);
        rig.run_until(at(2000.0));
        assert_eq!(rig.count(&Event::Afflicted(0)), relieved(&rig).len(), "{:?}", rig.did());
        assert_eq!((rig.count(&Event::Afflicted(1)), rig.count(&Event::LostUnexplained)), (0, 0));
        assert_eq!(rig.impairment, Impairment::default());
        assert_eq!(rig.count(&Event::Connected) - rig.count(&Event::Disconnected), 1);
    }
}

#[test]
fn without_a_fault_a_loss_is_unexplained() {
    let mut rig = Rig::new(settings(&[]), 3);
    rig.run_until(at(1.0));
    rig.cut();
    assert_eq!(rig.count(&Event::LostUnexplained), 1);
}

#[test]
fn a_black_hole_swallows_one_connection_however_that_ends() {
    let reset = Fault { at: 9 * SECOND, ..fault(FaultKind::Reset) };
    let mut rig = Rig::online(&[fault(FaultKind::HalfOpen), reset]);
    rig.input(Input::LoadStarts(at(2.0)));
    rig.run_until(at(20.0));
    assert_eq!(rig.did()[4..], ["impaired", "cut", "open", "CONNECT", "SUBSCRIBE 2"]);
    assert_eq!((relieved(&rig), found(&rig)), (vec![10 * SECOND], vec![]));
}
