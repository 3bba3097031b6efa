//! Calling by jobs.

use super::*;

/// A ledger whose devices are called by jobs of 8.
fn by_jobs(max_in_flight: u32) -> Ledger {
    let mut ledger = ledger(7, open(), max_in_flight, RetryPolicy::NEVER);
    ledger.rules.by_job = true;
    ledger.scribe = scribe(None, true);
    ledger.job_devices = Some(8);
    ledger
}

/// The jobs that are to be scheduled by then, with when each was due.
fn jobs_until(ledger: &mut Ledger, end: Nanos) -> Vec<(Nanos, u64, Vec<u32>)> {
    let mut jobs = Vec::new();
    while let Some(wake) = ledger.wake().filter(|wake| *wake <= end) {
        ledger.tick(wake);
        while let Some(action) = ledger.next_action() {
            if let Action::Job(number, devices) = action {
                let sent = devices.into_iter().filter(|device| ledger.sent(wake, *device)).collect();
                jobs.push((wake, number, sent));
            }
        }
    }
    jobs
}

#[test]
fn a_job_is_due_with_its_first_update_and_takes_the_next_ones_with_it() {
    let mut ledger = by_jobs(100);
    let jobs = jobs_until(&mut ledger, Nanos::ZERO + Duration::from_secs(30));
    let sizes: Vec<usize> = jobs.iter().map(|(_, _, devices)| devices.len()).collect();
    assert_eq!(sizes, [8, 8, 4]);
    assert_eq!(jobs.iter().map(|(_, number, _)| *number).collect::<Vec<_>>(), [0, 8, 16]);
    let mut devices: Vec<u32> = jobs.iter().flat_map(|(.., devices)| devices.clone()).collect();
    devices.sort_unstable();
    assert_eq!(devices, (0..FLEET).collect::<Vec<_>>());
    for (due, number, devices) in &jobs {
        for device in devices {
            let update = ledger.update(*device).unwrap();
            assert_eq!((update.due(), update.named()), (*due, *number));
        }
    }
    assert_eq!(ledger.in_flight(), FLEET);
}

#[test]
fn the_devices_of_a_job_echo_its_id_and_their_calls_are_not_measured() {
    let mut ledger = by_jobs(100);
    let jobs = jobs_until(&mut ledger, Nanos::ZERO + Duration::from_secs(30));
    let (due, _, devices) = &jobs[1];
    let at = |seconds| *due + Duration::from_secs(seconds);
    let look = |ledger: &mut Ledger, now, device: u32, status, version, keys: &[(_, i64)]| {
        let mut report = report(status, version, Some("run-8"), keys);
        report.device_id = format!("sim-{device:07}");
        ledger.look(now, &report);
    };
    for device in devices {
        // One stage is seen before the job tells of the answer.
        look(&mut ledger, at(1), *device, Downloading, 2, &[]);
        ledger.answered(at(2), *device, &ok());
        look(&mut ledger, at(3), *device, Applying, 3, &[(Downloading, 2)]);
        look(&mut ledger, at(4), *device, Completed, 4, &[(Downloading, 2), (Applying, 3)]);
    }
    let measured = ledger.scribe().take();
    let count = |series| measured.series.get(&series).map_or(0, crate::measure::SeriesData::count);
    assert_eq!(measured.census.count(Outcome::Completed), 8);
    assert_eq!((count(Series::UpdateTotal), count(Series::ScheduleLag)), (8, 20));
    assert_eq!((count(Series::Transition(Applying)), count(Series::Transition(Completed))), (8, 8));
    for series in Series::ALL.into_iter().filter(|series| series.needs_calls()) {
        assert_eq!(count(series), 0, "{series}");
    }
}

#[test]
fn what_finds_no_room_is_not_sent() {
    let mut ledger = by_jobs(10);
    let jobs = jobs_until(&mut ledger, Nanos::ZERO + Duration::from_secs(30));
    let sizes: Vec<usize> = jobs.iter().map(|(_, _, devices)| devices.len()).collect();
    assert_eq!(sizes, [8, 2]);
    assert_eq!(ledger.scribe().take().census.count(Outcome::NotSent), 10);
}
