//! More or fewer updates than devices.

use super::*;

/// The report of `device` that it has completed update `number`, as its twin's `$version` `version`.
fn done(device: u32, number: u64, version: u64) -> TwinReport {
    let id = format!("run-{number}");
    let keys = [(Downloading, version as i64 - 2), (Applying, version as i64 - 1)];
    TwinReport { device_id: DeviceIds::new("sim-").id(device), ..report(Completed, version, Some(&id), &keys) }
}

#[test]
fn with_fewer_updates_than_devices_only_the_first_of_the_call_order_are_called() {
    let mut ledger = many(7, closed(100), 1000, RetryPolicy::NEVER, None, ALL, 7);
    ledger.tick(Nanos::ZERO);
    let called = send(&mut ledger, Nanos::ZERO);
    let first: Vec<u32> =
        Arrivals::new(Seed(7), &open(), FLEET, 20, ALL).take(7).map(|arrival| arrival.device).collect();
    assert_eq!(called, first);
    for device in called {
        ledger.answered(Nanos::ZERO, device, &MethodAnswer::NotOnline);
    }
    assert!(ledger.is_finished() && ledger.wake().is_none());
    assert_eq!((ledger.scribe().take().census.planned, ledger.slots.iter().flatten().count()), (7, 7));
}

#[test]
fn devices_are_called_again_once_they_are_free_and_are_counted_while_they_are_not() {
    let load = Load::Open { rate: 20.0, arrivals: ArrivalKind::Constant, ramp: None };
    // Three rounds over the fleet, one second each.
    let mut ledger = many(7, load, 1000, RetryPolicy::NEVER, None, ALL, 60);
    let round = |ledger: &mut Ledger, second: u64| {
        let now = Nanos::new(second * 1_000_000_000 + 999_000_000);
        ledger.tick(now);
        (now, send(ledger, now))
    };
    let (now, first) = round(&mut ledger, 0);
    // One has ended but its call has not, one the other way round.
    for &device in &first[2..] {
        ledger.answered(now, device, &ok());
        ledger.look(now, &done(device, ledger.number(device).unwrap(), 9));
    }
    ledger.look(now, &done(first[0], ledger.number(first[0]).unwrap(), 9));
    ledger.answered(now, first[1], &ok());
    let (now, second) = round(&mut ledger, 1);
    assert_eq!((first.len(), second.as_slice()), (20, &first[2..]));
    ledger.answered(now, first[0], &ok());
    ledger.look(now, &done(first[1], ledger.number(first[1]).unwrap(), 9));
    for &device in &second {
        ledger.answered(now, device, &ok());
        // What the first update left in the twin is none of the second's.
        ledger.look(now, &done(device, ledger.number(device).unwrap() - 20, 10));
        ledger.look(now, &done(device, ledger.number(device).unwrap(), 14));
    }
    let (now, third) = round(&mut ledger, 2);
    assert_eq!(third, first);
    assert!(!ledger.is_finished());
    for &device in &third {
        ledger.answered(now, device, &MethodAnswer::NotOnline);
    }
    assert!(ledger.is_finished());
    let measured = ledger.scribe().take();
    assert_eq!((measured.census.planned, measured.census.unaccounted()), (60, 0));
    assert_eq!(measured.census.details[&Outcome::NotSent]["device_busy"], 2);
    assert_eq!((measured.census.count(Outcome::Completed), measured.census.count(Outcome::NotOnline)), (38, 20));
    assert_eq!((measured.counters.calls_due, measured.counters.calls_sent), (60, 58));
}

#[test]
fn a_closed_load_waits_for_a_device_that_is_busy() {
    let range = DeviceRange { start: 0, end: FLEET };
    let mut ledger = many(7, closed(FLEET + 5), 1000, RetryPolicy::NEVER, None, range, 45);
    let (mut called, mut version) = (0, 9);
    while !ledger.is_finished() {
        ledger.tick(Nanos::ZERO);
        let devices = send(&mut ledger, Nanos::ZERO);
        called += devices.len();
        assert!(devices.len() == FLEET as usize || called == 45);
        assert_eq!(ledger.wake().filter(|&wake| wake == Nanos::ZERO), None, "all are busy");
        for device in devices {
            ledger.answered(Nanos::ZERO, device, &ok());
            ledger.look(Nanos::ZERO, &done(device, ledger.number(device).unwrap(), version));
        }
        version += 10;
    }
    let measured = ledger.scribe().take();
    assert_eq!((measured.census.count(Outcome::Completed), measured.census.unaccounted()), (45, 0));
}

#[test]
fn a_read_that_an_earlier_update_asked_for_says_nothing_of_the_next_one_s_progress() {
    let mut ledger = many(7, closed(FLEET), 1000, RetryPolicy::NEVER, None, ALL, 40);
    ledger.tick(Nanos::ZERO);
    for device in send(&mut ledger, Nanos::ZERO) {
        ledger.answered(Nanos::ZERO, device, &ok());
    }
    let late = ledger.wake().unwrap();
    ledger.tick(late);
    let Some(Action::Read(device, number)) = ledger.next_action() else { panic!("nothing to read") };
    for other in 0..FLEET {
        ledger.look(late, &done(other, ledger.number(other).unwrap(), 9));
    }
    while ledger.next_action().is_some() {}
    ledger.tick(late);
    for other in send(&mut ledger, late) {
        ledger.answered(late, other, &ok());
    }
    let later = ledger.wake().unwrap();
    ledger.tick(later);
    ledger.read(later, device, number, None);
    ledger.read(later, device, number, Some(&done(device, number, 9)));
    assert_eq!((ledger.number(device), ledger.ended), (Some(number + 20), 20));
}

#[test]
fn an_update_that_finds_its_device_offline_counts_as_hit_once() {
    let truth = Arc::new(Truth::new(ALL));
    truth.afflicted(3, 1);
    let delay = Duration::from_secs(1);
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::new(Backoff::Fixed { delay }) };
    let mut ledger = many(7, closed(FLEET), 1000, retry, Some(truth), ALL, 40);
    let mut now = Nanos::ZERO;
    while !ledger.is_finished() {
        ledger.tick(now);
        for device in send(&mut ledger, now) {
            let answer =
                if device == 3 { MethodAnswer::NotOnline } else { MethodAnswer::Throttled { retry_after: None } };
            ledger.answered(now, device, &answer);
        }
        now = now + delay;
    }
    let measured = ledger.scribe().take();
    assert_eq!((measured.faults[&1].injected(), measured.faults[&1].observed[&Outcome::NotOnline]), (2, 2));
}
