//! What each kind makes of the script.

use super::{script, told};
use crate::policy::{
    BootLoop, Delay, Duplicate, Fail, FaultKind, FaultStage, FirmwareStatus, Malformation, Malformed, Reboot, Rollback,
    Skip, Slow, Slowness, Stall, Vanish,
};

fn delay(text: &str) -> Delay {
    text.parse().unwrap()
}

#[track_caller]
fn makes(faults: &[FaultKind], expected: &str) {
    assert_eq!(told(&script(faults)), expected, "{faults:?}");
}

#[test]
fn without_faults_it_is_the_tutorials() {
    makes(&[], "10 downloading, 30 applying, 70 completed");
    makes(&[FaultKind::NoReply, FaultKind::Offline], "10 downloading, 30 applying, 70 completed");
}

#[test]
fn fail_reports_at_the_end_of_its_stage() {
    let fail = |stage| [FaultKind::Fail(Fail { stage, code: "no_space".to_owned() })];
    makes(&fail(FaultStage::Downloading), "10 downloading, 30 !0, 30 failed:downloading/no_space");
    makes(&fail(FaultStage::Verifying), "10 downloading, 30 !0, 30 failed:verifying/no_space");
    makes(&fail(FaultStage::Applying), "10 downloading, 30 applying, 70 !0, 70 failed:applying/no_space");
    makes(&fail(FaultStage::Rebooting), "10 downloading, 30 applying, 70 !0, 70 failed:rebooting/no_space");
}

#[test]
fn stall_strikes_as_its_stage_begins() {
    let stall = |stage| [FaultKind::Stall(Stall { stage })];
    makes(&stall(FaultStage::Waiting), "0 !0, 0 for ever");
    makes(&stall(FaultStage::Verifying), "10 downloading, 30 !0, 30 for ever");
    makes(&stall(FaultStage::Applying), "10 downloading, 30 applying, 30 !0, 30 for ever");
}

#[test]
fn vanish_strikes_in_the_midst_of_its_stage_and_lets_the_last_word_be_heard() {
    let vanish = |stage| [FaultKind::Vanish(Vanish { stage })];
    makes(&vanish(FaultStage::Waiting), "5 !0, 5 gone");
    makes(&vanish(FaultStage::Applying), "10 downloading, 30 applying, 50 !0, 50 gone");
    makes(&vanish(FaultStage::Rebooting), "10 downloading, 30 applying, 70.1 !0, 70.1 gone");
}

#[test]
fn slow_stretches_its_stage() {
    let slow = |by| FaultKind::Slow(Slow { stage: FaultStage::Downloading, by });
    let (twice, more) = (|| slow(Slowness::Factor(2.0)), || slow(Slowness::Delay(delay("7s"))));
    makes(&[twice()], "10 downloading, 10 !0, 50 applying, 90 completed");
    makes(&[more()], "10 downloading, 10 !0, 37 applying, 77 completed");
    makes(&[twice(), more()], "10 downloading, 10 !0, 10 !1, 57 applying, 97 completed");
}

#[test]
fn reboot_goes_and_comes_while_the_image_is_applied() {
    let reboot = FaultKind::Reboot(Reboot { away: delay("5s") });
    makes(&[reboot], "10 downloading, 30 applying, 50 !0, 50 away 5, 70 completed");
}

#[test]
fn boot_loop_comes_up_so_many_times_and_fails() {
    let boot_loop = FaultKind::BootLoop(BootLoop { times: 2 });
    let down = "70 !0, 70 away 0.2, 70.5 away 0.2, 71 away 0.2, 71.2 failed:rebooting/boot_failed";
    makes(&[boot_loop], &format!("10 downloading, 30 applying, {down}"));
}

#[test]
fn rollback_takes_its_time() {
    let rollback = FaultKind::Rollback(Rollback { delay: delay("3s") });
    makes(&[rollback], "10 downloading, 30 applying, 70 !0, 73 rolledBack");
}

#[test]
fn reports_are_left_out_swapped_doubled_broken_and_false() {
    use FirmwareStatus::{Applying, Completed, Downloading};
    makes(&[FaultKind::FalseSuccess], "10 downloading, 30 applying, 70 !0, 70 completed(OldVersion)");
    makes(&[FaultKind::Skip(Skip { stage: Downloading })], "10 !0, 30 applying, 70 completed");
    makes(&[FaultKind::Skip(Skip { stage: Applying })], "10 downloading, 30 !0, 70 completed");
    makes(&[FaultKind::Reorder], "10 !0, 10 applying, 30 downloading, 70 completed");
    let duplicate = || FaultKind::Duplicate(Duplicate { stage: Completed });
    makes(&[duplicate()], "10 downloading, 30 applying, 70 !0, 70 completedx2");
    makes(&[duplicate(), duplicate()], "10 downloading, 30 applying, 70 !0, 70 !1, 70 completedx3");
    let malformed = FaultKind::Malformed(Malformed { stage: Applying, form: Malformation::TooLarge });
    makes(&[malformed], "10 downloading, 30 !0, 30 applying(TooLarge), 70 completed");
}

#[test]
fn of_several_the_first_that_decides_is_the_last_that_strikes() {
    let duplicate = FaultKind::Duplicate(Duplicate { stage: FirmwareStatus::Downloading });
    let skip = |stage| FaultKind::Skip(Skip { stage });
    let fail = FaultKind::Fail(Fail { stage: FaultStage::Applying, code: "cancelled".to_owned() });
    let reboot = FaultKind::Reboot(Reboot { away: delay("5s") });
    let faults = [fail.clone(), skip(FirmwareStatus::Applying), reboot.clone(), duplicate.clone()];
    makes(&faults, "10 !3, 10 downloadingx2, 30 !1, 70 completed");
    makes(&[reboot, fail], "10 downloading, 30 applying, 50 !0, 50 away 5, 70 !1, 70 failed:applying/cancelled");
    makes(&[duplicate, skip(FirmwareStatus::Downloading)], "10 !1, 30 applying, 70 completed");
}

#[test]
fn a_script_without_faults_is_small() {
    let steps = script(&[]).into_steps();
    let afters: Vec<u64> = steps.as_slice().iter().map(|step| step.after.as_secs()).collect();
    assert_eq!(afters, [10, 20, 40]);
    let size = size_of_val(steps.as_slice());
    assert!(size <= 144, "{size} bytes");
}
