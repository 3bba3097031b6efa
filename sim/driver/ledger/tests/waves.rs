//! Roll-outs: what is called when, and what is counted of it.

use super::*;
use crate::policy::Rollout;

fn in_waves(seed: u64, load: Load, rollout: &Rollout, range: DeviceRange, job_devices: Option<u32>) -> Ledger {
    let rules = Rules {
        by_job: job_devices.is_some(),
        retry: RetryPolicy::NEVER,
        stage_deadline: Duration::from_secs(60),
        read_again: Duration::from_secs(1),
        version: None,
        ids: UpdateIds::new("run"),
        seed: Seed(seed),
    };
    let part = Part {
        ids: DeviceIds::new("sim-"),
        range,
        devices: FLEET,
        load,
        updates: rollout.updates(),
        settle: None,
        lasts: Duration::ZERO,
        rollout: Some(rollout.clone()),
        max_in_flight: 1000,
        job_devices,
        polls: false,
    };
    let by_job = job_devices.is_some();
    Ledger::new(rules, part, scribe(None, by_job))
}

fn rollout(waves: &[u32]) -> Rollout {
    Rollout { waves: waves.to_vec(), pause: Duration::ZERO, growth: 1.0, abort: None }
}

/// Lets the ledger do all it has to do, answering at once; the numbers of the updates that it called.
fn settle(ledger: &mut Ledger) -> Vec<u64> {
    let mut called = Vec::new();
    while let Some(now) = ledger.wake() {
        ledger.tick(now);
        for device in send(ledger, now) {
            called.extend(ledger.number(device));
            ledger.answered(now, device, &MethodAnswer::NotOnline);
        }
    }
    called
}

const ALL: DeviceRange = DeviceRange { start: 0, end: FLEET };

#[test]
fn nobody_is_called_before_his_wave_is_released() {
    for load in [open(), closed(3)] {
        let waves = rollout(&[2, 5, 12]);
        let mut ledger = in_waves(7, load, &waves, ALL, None);
        assert_eq!(ledger.wake(), None);
        for (wave, places) in (0..).zip([0..2_u64, 2..5, 5..12]) {
            let at = Nanos::ZERO + Duration::from_secs(1000 * u64::from(wave + 1));
            // Neither a wave out of its turn nor one again releases anything.
            ledger.release_wave(wave + 1, at);
            if wave > 0 {
                ledger.release_wave(wave - 1, at);
            }
            assert_eq!((ledger.wake(), ledger.is_finished()), (None, false));
            ledger.release_wave(wave, at);
            assert!(ledger.wake().unwrap() >= at);
            assert_eq!(settle(&mut ledger), places.collect::<Vec<_>>());
        }
        assert!(ledger.is_finished());
        let measured = ledger.scribe().take();
        assert_eq!((measured.census.planned, measured.census.unaccounted()), (12, 0));
        let counts: Vec<_> = measured.waves.values().map(|wave| (wave.planned, wave.called, wave.ended())).collect();
        assert_eq!(counts, [(2, 2, 2), (3, 3, 3), (7, 7, 7)]);
        // How long after its due time a call went out counts from the release.
        let lag = measured.series.get(&Series::ScheduleLag).and_then(|lag| lag.cautious_p99());
        assert!(lag.is_none_or(|lag| lag < 0.001), "{lag:?}");
    }
}

#[test]
fn parts_of_a_fleet_call_what_the_whole_would_call_in_each_wave() {
    let waves = rollout(&[3, 10, 20]);
    let parts = [0..7, 7..8, 8..20].map(|range| DeviceRange { start: range.start, end: range.end });
    let called = |ranges: &[DeviceRange]| {
        let mut ledgers: Vec<Ledger> = ranges.iter().map(|range| in_waves(7, open(), &waves, *range, None)).collect();
        (0..3)
            .map(|wave| {
                let mut called = Vec::new();
                for ledger in &mut ledgers {
                    ledger.release_wave(wave, Nanos::ZERO + Duration::from_secs(1000 * u64::from(wave)));
                    called.extend(settle(ledger));
                }
                called.sort_unstable();
                called
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(called(&parts), called(&[ALL]));
}

#[test]
fn what_was_not_released_when_the_run_stops_was_not_called() {
    let mut ledger = in_waves(7, open(), &rollout(&[2, 5]), ALL, None);
    ledger.release_wave(0, Nanos::ZERO);
    settle(&mut ledger);
    let now = Nanos::ZERO + Duration::from_secs(100);
    ledger.stop(now, Outcome::Aborted);
    ledger.release_wave(1, now);
    assert!(ledger.wake().is_none() && ledger.is_finished());
    let measured = ledger.scribe().take();
    assert_eq!((measured.census.count(Outcome::Aborted), measured.census.unaccounted()), (3, 0));
    let counts: Vec<_> = measured.waves.values().map(|wave| (wave.planned, wave.called, wave.ended())).collect();
    assert_eq!(counts, [(2, 2, 2), (3, 0, 0)]);
}

#[test]
fn a_job_holds_devices_of_one_wave() {
    let mut ledger = in_waves(7, open(), &rollout(&[3, 8]), ALL, Some(2));
    let mut jobs = Vec::new();
    for wave in 0..2 {
        ledger.release_wave(wave, Nanos::ZERO + Duration::from_secs(1000 * u64::from(wave)));
        while let Some(now) = ledger.wake() {
            ledger.tick(now);
            while let Some(action) = ledger.next_action() {
                let Action::Job(first, devices) = action else { panic!("{action:?}") };
                jobs.push((first, devices.len()));
                for device in devices {
                    assert!(ledger.sent(now, device));
                    ledger.answered(now, device, &MethodAnswer::NotOnline);
                }
            }
        }
    }
    assert_eq!(jobs, [(0, 2), (2, 1), (3, 2), (5, 2), (7, 1)]);
}
