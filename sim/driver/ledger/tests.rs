use std::sync::Arc;

use super::super::phases::PhasePlan;
use super::super::scribe::Sources;
use super::super::sighting::UpdateIds;
use super::super::sighting::tests::report;
use super::*;
use crate::measure::Truth;
use crate::policy::FirmwareStatus::{Applying, Completed, Downloading};
use crate::policy::{
    ArrivalKind, Backoff, Diagonal, Drill, DrillPhase, Fault, FaultKind, Outcome, RetryPolicy, Series,
};
use crate::random::Seed;

mod events;
mod jobs;
mod judging;
mod rounds;
mod waves;

const FLEET: u32 = 20;
const ALL: DeviceRange = DeviceRange { start: 0, end: FLEET };

fn ledger(seed: u64, load: Load, max_in_flight: u32, retry: RetryPolicy) -> Ledger {
    with_truth(seed, load, max_in_flight, retry, None)
}

fn with_truth(seed: u64, load: Load, max_in_flight: u32, retry: RetryPolicy, truth: Option<Arc<Truth>>) -> Ledger {
    part(seed, load, max_in_flight, retry, truth, DeviceRange { start: 0, end: FLEET })
}

fn part(
    seed: u64,
    load: Load,
    max_in_flight: u32,
    retry: RetryPolicy,
    truth: Option<Arc<Truth>>,
    range: DeviceRange,
) -> Ledger {
    many(seed, load, max_in_flight, retry, truth, range, u64::from(FLEET))
}

fn many(
    seed: u64,
    load: Load,
    max_in_flight: u32,
    retry: RetryPolicy,
    truth: Option<Arc<Truth>>,
    range: DeviceRange,
    updates: u64,
) -> Ledger {
    let rules = Rules {
        by_job: false,
        retry,
        stage_deadline: Duration::from_secs(60),
        read_again: Duration::from_secs(1),
        version: None,
        ids: UpdateIds::new("run"),
        seed: Seed(seed),
    };
    let ids = DeviceIds::new("sim-");
    let part = Part {
        ids,
        range,
        devices: FLEET,
        load,
        rollout: None,
        updates,
        settle: None,
        lasts: Duration::ZERO,
        max_in_flight,
        job_devices: None,
        polls: false,
    };
    let mut ledger = Ledger::new(rules, part, scribe(truth, false));
    ledger.release_wave(0, Nanos::ZERO);
    ledger
}

/// By nine faults that all afflict devices, whatever they do.
fn scribe(truth: Option<Arc<Truth>>, by_job: bool) -> Scribe {
    scribe_of(truth, by_job, None)
}

fn scribe_of(truth: Option<Arc<Truth>>, by_job: bool, phases: Option<PhasePlan>) -> Scribe {
    Scribe::new(sources(truth, by_job, phases))
}

fn sources(truth: Option<Arc<Truth>>, by_job: bool, phases: Option<PhasePlan>) -> Sources {
    let faults: Vec<Fault> = std::iter::repeat_n(Fault::new(FaultKind::Offline), 9).collect();
    let (ids, devices) = (Some(UpdateIds::new("run")), DeviceIds::new("sim-"));
    let diagonal = Diagonal::new(&faults, false);
    Sources { truth, tracer: None, ids, devices, diagonal, by_job, phases, is_told: false, events: true, swallow: 0 }
}

fn open() -> Load {
    Load::Open { rate: 10.0, arrivals: ArrivalKind::Poisson, ramp: None }
}

fn closed(in_flight: u32) -> Load {
    Load::Closed { in_flight }
}

/// Sends whatever is to be called, and gives the devices.
fn send(ledger: &mut Ledger, now: Nanos) -> Vec<u32> {
    let mut called = Vec::new();
    while let Some(action) = ledger.next_action() {
        if let Action::Call(device) = action {
            assert!(ledger.sent(now, device));
            called.push(device);
        }
    }
    called
}

fn ok() -> MethodAnswer {
    MethodAnswer::Device { status: 200, payload: serde_json::Value::Null }
}

fn completed(device: u32) -> TwinReport {
    let device_id = DeviceIds::new("sim-").id(device);
    TwinReport { device_id, ..report(Completed, 9, None, &[(Downloading, 7), (Applying, 8)]) }
}

/// Runs the schedule through, answering at once; gives device, update and due time of each call.
fn played(seed: u64) -> Vec<(u32, u64, Nanos)> {
    let mut ledger = ledger(seed, open(), 1000, RetryPolicy::NEVER);
    let mut calls = Vec::new();
    while calls.len() < FLEET as usize {
        let now = ledger.wake().unwrap();
        ledger.tick(now);
        for device in send(&mut ledger, now) {
            calls.push((device, ledger.number(device).unwrap(), now));
            ledger.answered(now, device, &MethodAnswer::NotOnline);
        }
    }
    assert!(ledger.is_finished());
    calls
}

#[test]
fn a_seed_fixes_who_is_called_when_and_by_which_update() {
    assert_eq!(played(7), played(7));
    assert_ne!(played(7), played(8));
    let schedule: Vec<(u32, u64, Nanos)> =
        Arrivals::new(Seed(7), &open(), FLEET, u64::from(FLEET), DeviceRange { start: 0, end: FLEET })
            .map(|arrival| (arrival.device, arrival.update, Nanos::ZERO + arrival.due))
            .collect();
    assert_eq!(played(7), schedule);
}

#[test]
fn a_full_driver_sends_nothing_late_and_forgets_nothing() {
    let mut ledger =
        ledger(7, Load::Open { rate: 1e6, arrivals: ArrivalKind::Constant, ramp: None }, 5, RetryPolicy::NEVER);
    let now = Nanos::new(1_000_000);
    ledger.tick(now);
    assert_eq!(send(&mut ledger, now).len(), 5);
    ledger.stop(now, Outcome::Aborted);
    let measured = ledger.scribe().take();
    assert_eq!((measured.census.planned, measured.census.unaccounted()), (20, 0));
    assert_eq!(measured.census.count(Outcome::NotSent), 15);
    assert_eq!(measured.census.details[&Outcome::NotSent]["max_in_flight"], 15);
    assert_eq!((measured.counters.calls_due, measured.counters.calls_sent, measured.counters.dropped), (20, 5, 0));
    assert_eq!(measured.series[&Series::ScheduleLag].count(), 5);
}

#[test]
fn what_the_generator_itself_is_too_late_for_is_dropped_and_counted() {
    let mut ledger = ledger(7, open(), 1000, RetryPolicy::NEVER);
    let now = Nanos::ZERO + Duration::from_secs(3600);
    ledger.tick(now);
    assert!(send(&mut ledger, now).is_empty() && ledger.is_finished());
    let measured = ledger.scribe().take();
    assert_eq!((measured.counters.dropped, measured.census.count(Outcome::NotSent)), (20, 20));
}

#[test]
fn a_closed_load_keeps_its_updates_in_progress() {
    let mut ledger = ledger(7, closed(3), 1000, RetryPolicy::NEVER);
    let mut now = Nanos::ZERO;
    let mut in_progress = VecDeque::new();
    let mut called = 0;
    while !ledger.is_finished() {
        ledger.tick(now);
        let new = send(&mut ledger, now);
        called += new.len();
        for device in &new {
            ledger.answered(now, *device, &ok());
        }
        in_progress.extend(new);
        assert!(in_progress.len() == 3 || called == FLEET as usize);
        assert_eq!(ledger.wake().filter(|&wake| wake <= now), None, "nothing to do before one ends");
        now = now + Duration::from_secs(1);
        ledger.look(now, &completed(in_progress.pop_front().unwrap()));
    }
    let measured = ledger.scribe().take();
    assert_eq!((measured.census.count(Outcome::Completed), measured.census.unaccounted()), (20, 0));
    assert_eq!(measured.series[&Series::UpdateTotal].count(), 20);
    assert_eq!(measured.counters.seen_late, 40);
    assert_eq!((measured.counters.calls_sent, measured.counters.dropped), (20, 0));
    assert!(!measured.series.contains_key(&Series::ScheduleLag), "no due time, no lag");
}

#[test]
fn a_call_that_is_no_longer_wanted_is_not_sent_and_gives_way() {
    let delay = Duration::from_secs(1);
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::new(Backoff::Fixed { delay }) };
    let mut ledger = ledger(7, closed(2), 1, retry);
    ledger.tick(Nanos::ZERO);
    let first = send(&mut ledger, Nanos::ZERO)[0];
    ledger.answered(Nanos::ZERO, first, &MethodAnswer::NoResponse);
    ledger.tick(Nanos::ZERO);
    let second = send(&mut ledger, Nanos::ZERO)[0];
    ledger.answered(Nanos::ZERO, second, &MethodAnswer::NoResponse);

    // Both are to be tried again and one has room; its twin shows it before it is sent, so the other has the room.
    let later = Nanos::ZERO + delay;
    ledger.tick(later);
    let Some(Action::Call(ready)) = ledger.next_action() else { panic!("nothing to call") };
    ledger.look(later, &completed(ready));
    assert!(!ledger.sent(later, ready));
    let other = if ready == first { second } else { first };
    assert_eq!((ledger.next_action(), ledger.in_flight()), (Some(Action::Call(other)), 1));

    // A stop comes before that one is sent.
    ledger.stop(later, Outcome::Aborted);
    assert!(!ledger.sent(later, other));
    assert!(ledger.is_finished() && ledger.in_flight() == 0);
    let measured = ledger.scribe().take();
    assert_eq!((measured.retries.method.attempts, measured.census.unaccounted()), (2, 0));
    assert_eq!(measured.census.details[&Outcome::Aborted]["calling"], 1);
}

#[test]
fn a_part_to_which_no_call_of_a_closed_load_falls_still_ends_its_updates() {
    let range = DeviceRange { start: 0, end: FLEET / 2 };
    let mut ledger = part(7, closed(1), 1000, RetryPolicy::NEVER, None, range);
    let mut called = 0;
    while !ledger.is_finished() {
        ledger.tick(Nanos::ZERO);
        let devices = send(&mut ledger, Nanos::ZERO);
        assert_eq!(devices.len(), 1, "one at a time");
        ledger.answered(Nanos::ZERO, devices[0], &MethodAnswer::NotOnline);
        called += 1;
    }
    assert_eq!(called, FLEET / 2);
}

#[test]
fn a_retry_waits_for_room_and_is_not_lost() {
    let delay = Duration::from_secs(1);
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::new(Backoff::Fixed { delay }) };
    let mut ledger = ledger(7, closed(2), 1, retry);
    ledger.tick(Nanos::ZERO);
    let first = send(&mut ledger, Nanos::ZERO)[0];
    ledger.answered(Nanos::ZERO, first, &MethodAnswer::NotOnline);
    ledger.tick(Nanos::ZERO);
    let second = send(&mut ledger, Nanos::ZERO)[0];
    let later = Nanos::ZERO + delay;
    ledger.tick(later);
    assert!(send(&mut ledger, later).is_empty(), "one call is in flight");
    ledger.answered(later, second, &ok());
    assert_eq!(send(&mut ledger, later), [first]);
}

#[test]
fn what_stood_in_the_twin_before_the_call_is_no_part_of_the_update() {
    let mut ledger = ledger(7, closed(20), 1000, RetryPolicy::NEVER);
    for device in 0..FLEET {
        ledger.look(Nanos::ZERO, &completed(device));
    }
    ledger.tick(Nanos::ZERO);
    for device in send(&mut ledger, Nanos::ZERO) {
        ledger.answered(Nanos::ZERO, device, &ok());
        ledger.look(Nanos::ZERO, &completed(device));
    }
    assert!(!ledger.is_finished());
    assert_eq!((ledger.seen().connected, ledger.seen().stages[Completed as usize]), (20, 20));
    let wake = ledger.wake().unwrap();
    ledger.tick(wake);
    while let Some(action) = ledger.next_action() {
        let Action::Read(device, number) = action else { panic!("{action:?}") };
        ledger.read(wake, device, number, Some(&completed(device)));
    }
    assert_eq!(ledger.scribe().take().census.details[&Outcome::Stuck]["waiting"], 20);
}

#[test]
fn what_devices_did_is_joined_with_what_was_seen() {
    let ms = |ms: u64| Nanos::new(ms * 1_000_000);
    let truth = Arc::new(Truth::new(DeviceRange { start: 0, end: FLEET }));
    let mut ledger = with_truth(7, closed(20), 1000, RetryPolicy::NEVER, Some(Arc::clone(&truth)));
    truth.afflicted(1, 2);
    ledger.tick(ms(10));
    for device in send(&mut ledger, ms(10)) {
        let update = format!("run-{}", ledger.number(device).unwrap());
        match device {
            0 => {
                truth.received(device, &update, ms(13));
                truth.published(device, Completed, ms(90));
                truth.chose(device, Duration::from_millis(50));
                ledger.answered(ms(20), device, &ok());
                ledger.look(ms(100), &completed(device));
            }
            1 => ledger.answered(ms(20), device, &MethodAnswer::NotOnline),
            _ => {
                truth.received(device, &update, ms(13));
                assert!(truth.injected(device, 0, true));
                ledger.answered(ms(20), device, &MethodAnswer::Device { status: 409, payload: 0.into() });
            }
        }
    }
    let measured = ledger.scribe().take();
    // Series, and its one value in milliseconds.
    for (series, expected) in [
        (Series::TwinVisible(Completed), 10.0),
        (Series::UpdateTotal, 90.0),
        (Series::UpdateOverhead, 40.0),
        (Series::MethodDelivery, 3.0),
    ] {
        let mean = measured.series[&series].histogram.mean() / 1e6;
        assert!((mean - expected).abs() < expected / 100.0, "{series}: {mean}");
    }
    // A refusal is an answer: its call was delivered, but it failed.
    for (series, count) in [
        (Series::MethodDelivery, 19),
        (Series::MethodService, 1),
        (Series::MethodServiceError, 19),
        (Series::MethodResponse, 1),
        (Series::MethodResponseError, 19),
    ] {
        assert_eq!(measured.series[&series].count(), count, "{series}");
    }
    assert_eq!(measured.faults[&2].observed[&Outcome::NotOnline], 1);
    assert_eq!(measured.faults[&0].observed[&Outcome::Rejected], 18);
    assert_eq!(measured.faults.len(), 2);
}

#[test]
fn what_was_handed_over_and_never_came_is_undelivered_and_what_was_overtaken_came() {
    let truth = Arc::new(Truth::new(ALL));
    let mut ledger = with_truth(7, closed(20), 1000, RetryPolicy::NEVER, Some(Arc::clone(&truth)));
    *ledger.scribe() = Scribe::new(Sources { is_told: true, ..sources(Some(Arc::clone(&truth)), false, None) });
    let now = Nanos::ZERO;
    ledger.tick(now);
    for device in send(&mut ledger, now) {
        let (id, device_id) = (format!("run-{}", ledger.number(device).unwrap()), DeviceIds::new("sim-").id(device));
        let says = |status, version| {
            let device_id = device_id.clone();
            TwinReport { device_id, ..report(status, version, Some(&id), &[(Downloading, 7)]) }
        };
        truth.received(device, &id, now);
        for status in [Downloading, Applying] {
            truth.handed_over(device, status);
        }
        ledger.answered(now, device, &ok());
        assert!(ledger.hear(now, &says(Applying, 8)) && !ledger.hear(now, &says(Applying, 9)));
        if device == 0 {
            let late = says(Downloading, 10);
            assert!(ledger.overtaken(&late) && !ledger.overtaken(&late), "once, and once more");
        }
    }
    ledger.settle();
    assert_eq!(ledger.scribe().take().messages.counts(None).undelivered, 19);
}

#[test]
fn in_a_drill_every_update_belongs_to_the_phase_in_which_it_is_due() {
    let load = Load::Open { rate: 10.0, arrivals: ArrivalKind::Constant, ramp: None };
    let mut ledger = ledger(7, load, 1000, RetryPolicy::NEVER);
    let fault = |at| Fault { at, lasts: Some(Duration::from_millis(400)), ..Fault::new(FaultKind::NoReply) };
    let text = "during: method.response.error.count > 0";
    let drill = Drill {
        claim: String::new(),
        steady: Vec::new(),
        assertions: vec![text.parse().unwrap()],
        lead: Duration::ZERO,
        recovery: Duration::from_millis(100),
        heal: Duration::ZERO,
        limit: Duration::ZERO,
    };
    let phases = drill.phases(&[fault(Duration::from_millis(450))]);
    *ledger.scribe() = scribe_of(None, false, Some(PhasePlan { phases, series: drill.series() }));
    // Ten of the twenty are called before the stop, and none of them is online.
    while let Some(now) = ledger.wake().filter(|now| *now < Nanos::ZERO + Duration::from_secs(1)) {
        ledger.tick(now);
        for device in send(&mut ledger, now) {
            ledger.answered(now, device, &MethodAnswer::NotOnline);
        }
    }
    ledger.stop(Nanos::ZERO + Duration::from_secs(1), Outcome::Aborted);
    let measured = ledger.scribe().take();
    let of = |phase: DrillPhase| {
        let data = &measured.phases[&phase];
        let errors = data.series.get(&Series::MethodResponseError).map_or(0, |data| data.count());
        assert_eq!(data.census.unaccounted(), 0);
        (data.census.count(Outcome::NotOnline), data.census.count(Outcome::Aborted), errors)
    };
    assert_eq!(DrillPhase::ALL.map(of), [(5, 0, 5), (5, 0, 5), (0, 10, 0)]);
}
