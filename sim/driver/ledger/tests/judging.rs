//! How updates are judged against the truth, and what must hold of every one.

use super::super::super::sighting::tests::second;
use super::*;
use crate::dialect::ReportedError;
use crate::measure::{Invariant, InvariantRow, Measurements};
use crate::policy::FirmwareStatus::{self, Failed};
use crate::policy::{Fail, FaultStage, Hit, Stall};

/// Bits of the faults that [`judged`] plans, in this order.
const FAIL: usize = 0;
const STALL: usize = 1;
const REORDER: usize = 2;
const HUB_SLOW: usize = 3;

/// A ledger whose every device was called at once and accepted, and their truth.
fn judged() -> (Ledger, Arc<Truth>) {
    let truth = Arc::new(Truth::new(ALL));
    let fail = Fail { stage: FaultStage::Applying, code: "boot_failed".to_owned() };
    let mut slow = Fault::new(FaultKind::HubDown);
    (slow.at, slow.lasts) = (Duration::from_secs(100), Some(Duration::from_secs(10)));
    let stall = Stall { stage: FaultStage::Waiting };
    let kinds = [FaultKind::Fail(fail), FaultKind::Stall(stall), FaultKind::Reorder];
    let faults: Vec<Fault> = kinds.into_iter().map(Fault::new).chain([slow]).collect();
    let mut ledger = many(7, closed(FLEET), 1000, RetryPolicy::NEVER, Some(Arc::clone(&truth)), ALL, 40);
    ledger.scribe = Scribe::new(Sources {
        truth: Some(Arc::clone(&truth)),
        tracer: None,
        ids: Some(UpdateIds::new("run")),
        devices: DeviceIds::new("sim-"),
        diagonal: Diagonal::new(&faults, false),
        by_job: false,
        phases: None,
        is_told: false,
        events: false,
        swallow: 0,
    });
    call_all(&mut ledger, &truth, Nanos::ZERO);
    (ledger, truth)
}

fn call_all(ledger: &mut Ledger, truth: &Truth, now: Nanos) {
    ledger.tick(now);
    for device in send(ledger, now) {
        let id = id(ledger, device);
        truth.received(device, &id, now);
        truth.accepted(device);
        ledger.answered(now, device, &ok());
    }
}

fn id(ledger: &Ledger, device: u32) -> String {
    format!("run-{}", ledger.number(device).unwrap())
}

/// A report of the device's update.
fn says(ledger: &Ledger, device: u32, status: FirmwareStatus, version: u64) -> TwinReport {
    let keys: &[(FirmwareStatus, i64)] = match status {
        Downloading => &[],
        Applying => &[(Downloading, 7)],
        _ => &[(Downloading, 7), (Applying, 8)],
    };
    let device_id = DeviceIds::new("sim-").id(device);
    TwinReport { device_id, ..report(status, version, Some(&id(ledger, device)), keys) }
}

fn row(measured: &Measurements, invariant: Invariant) -> InvariantRow {
    measured.invariants.rows()[invariant as usize].clone()
}

#[test]
fn updates_on_the_diagonal_and_off_it_are_told_apart() {
    let (mut ledger, truth) = judged();
    let failed = |ledger: &Ledger, device, code: &str| TwinReport {
        error: Some(ReportedError { stage: "applying".into(), code: code.into() }),
        ..says(ledger, device, Failed, 9)
    };
    for device in [0, 1, 2] {
        truth.injected(device, FAIL, true);
    }
    for (device, code) in [(0, "boot_failed"), (1, "no_space")] {
        let report = failed(&ledger, device, code);
        ledger.look(Nanos::ZERO, &report);
    }
    // One that was to fail completes, and one that nothing hit fails.
    let report = says(&ledger, 2, Completed, 9);
    ledger.look(Nanos::ZERO, &report);
    let report = failed(&ledger, 3, "boot_failed");
    ledger.look(Nanos::ZERO, &report);
    let report = says(&ledger, 4, Completed, 9);
    ledger.look(Nanos::ZERO, &report);
    let name = id(&ledger, 2);
    let measured = ledger.scribe().take();
    let judged = &measured.judged;
    for (hit, outcome, count) in [
        (Hit::One(FAIL), Outcome::Failed, 2),
        (Hit::One(FAIL), Outcome::Completed, 1),
        (Hit::None, Outcome::Failed, 1),
        (Hit::None, Outcome::Completed, 1),
    ] {
        assert_eq!(judged.matrix[&(hit, outcome)], count, "{hit:?} {outcome}");
    }
    assert_eq!((judged.off_diagonal, measured.faults[&FAIL].off_diagonal), (3, 2));
    let liar = &judged.examples[1];
    assert_eq!((liar.device.as_str(), &liar.update), ("sim-0000002", &name));
    assert_eq!((&liar.injected[..], liar.observed.as_str()), (&["fail".to_owned()][..], "completed"));
    assert_eq!(liar.expected, ["failed:applying/boot_failed"]);
    let words: Vec<_> = judged.examples.iter().map(|row| (row.device.as_str(), row.detail.as_str())).collect();
    assert_eq!(
        words,
        [("sim-0000001", "applying/no_space"), ("sim-0000002", ""), ("sim-0000003", "applying/boot_failed")]
    );
}

#[test]
fn a_device_that_an_earlier_update_holds_is_refused_on_the_diagonal() {
    let (mut ledger, truth) = judged();
    for device in 0..FLEET {
        truth.injected(device, STALL, true);
    }
    let deadline = ledger.wake().unwrap();
    ledger.tick(deadline);
    while let Some(action) = ledger.next_action() {
        let Action::Read(device, number) = action else { panic!("{action:?}") };
        let device_id = DeviceIds::new("sim-").id(device);
        let stands = TwinReport { device_id, ..report(FirmwareStatus::StandBy, 1, None, &[]) };
        ledger.read(deadline, device, number, Some(&stands));
    }
    ledger.tick(deadline);
    for device in send(&mut ledger, deadline) {
        ledger.answered(deadline, device, &MethodAnswer::Device { status: 409, payload: 0.into() });
    }
    let measured = ledger.scribe().take();
    assert_eq!(measured.judged.off_diagonal, 0, "{:?}", measured.judged.examples);
    for outcome in [Outcome::Stuck, Outcome::Rejected] {
        assert_eq!(measured.judged.matrix[&(Hit::One(STALL), outcome)], 20, "{outcome}");
    }
}

#[test]
fn an_update_in_progress_while_the_hub_is_struck_is_hit() {
    let (mut ledger, _truth) = judged();
    let at = |second: u64| Nanos::new(second * 1_000_000_000);
    for (device, seen) in [(0, 99), (1, 101)] {
        let report = says(&ledger, device, Completed, 9);
        ledger.look(at(seen), &report);
    }
    let measured = ledger.scribe().take();
    assert_eq!(measured.judged.matrix[&(Hit::None, Outcome::Completed)], 1);
    assert_eq!(measured.judged.matrix[&(Hit::One(HUB_SLOW), Outcome::Completed)], 1);
}

#[test]
fn a_stage_out_of_order_breaks_an_invariant_unless_that_was_injected() {
    let (mut ledger, truth) = judged();
    truth.injected(0, REORDER, true);
    for device in [0, 1] {
        for (status, version) in [(Applying, 8), (Downloading, 9)] {
            let report = says(&ledger, device, status, version);
            ledger.look(Nanos::ZERO, &report);
        }
    }
    let measured = ledger.scribe().take();
    let broken = row(&measured, Invariant::ForwardOnly);
    assert_eq!((broken.injected, broken.violations), (1, 1));
    let example = &broken.examples[0];
    assert_eq!(
        (example.device.as_str(), example.transition.as_str()),
        ("sim-0000001", "backward:applying>downloading")
    );
    assert_eq!(measured.judged.off_diagonal, 1);
}

#[test]
fn a_device_that_is_at_two_updates_is_named_once() {
    let (mut ledger, _truth) = judged();
    let other = |status, version| TwinReport {
        device_id: DeviceIds::new("sim-").id(5),
        ..report(status, version, Some("run-99"), &[])
    };
    ledger.look(Nanos::ZERO, &other(Completed, 5));
    let mine = says(&ledger, 5, Applying, 9);
    ledger.look(Nanos::ZERO, &mine);
    ledger.look(Nanos::ZERO, &other(Downloading, 10));
    ledger.look(Nanos::ZERO, &other(Applying, 11));
    let broken = row(&ledger.scribe().take(), Invariant::OneAtATime);
    assert_eq!((broken.checked, broken.violations), (0, 1));
    assert_eq!(broken.examples[0].transition, "downloading of another update while this one is applying");
}

#[test]
fn a_success_after_a_failure_is_named() {
    let (mut ledger, _truth) = judged();
    for (status, version) in [(Failed, 9), (Completed, 10)] {
        let report = says(&ledger, 5, status, version);
        ledger.look(Nanos::ZERO, &report);
    }
    let broken = row(&ledger.scribe().take(), Invariant::NoSuccessAfterFailure);
    assert_eq!((broken.checked, broken.violations, broken.examples[0].device.as_str()), (1, 1, "sim-0000005"));
}

#[test]
fn a_version_that_falls_is_named_and_one_that_lags_is_not() {
    let (mut ledger, _truth) = judged();
    let twin =
        |version: u64, at: i64| TwinReport { last_updated: Some(second(at)), ..says(&ledger, 5, Downloading, version) };
    let looks = [twin(8, 20), twin(7, 19), twin(2, 21), twin(3, 22)];
    looks.iter().for_each(|report| ledger.look(Nanos::ZERO, report));
    let broken = row(&ledger.scribe().take(), Invariant::VersionGrows);
    assert_eq!((broken.checked, broken.violations), (4, 1));
    assert_eq!(broken.examples[0].transition, "$version 8>2, though written later");
    assert_eq!(broken.examples[0].update, id(&ledger, 5));
}

#[test]
fn an_update_that_ends_twice_is_named() {
    let (mut ledger, _truth) = judged();
    let slot = slot(&mut ledger.slots, ALL, 5).unwrap();
    let ended = Effect::Ended { outcome: Outcome::Completed, detail: String::new() };
    for _ in 0..2 {
        ledger.scribe.effect(Nanos::ZERO, 5, &slot.update, &mut slot.marks, &ended);
    }
    let broken = row(&ledger.scribe().take(), Invariant::OneOutcome);
    assert_eq!((broken.checked, broken.violations), (2, 1));
    assert_eq!(broken.examples[0].transition, "completed>completed");
}
