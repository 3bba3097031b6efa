//! Whatever faults come together, the update ends as the fault that decides says.

use std::time::Duration;

use proptest::prelude::*;

use super::{Act, Form, Script, acts, script};
use crate::policy::{
    BootLoop, Delay, Duplicate, Fail, FaultKind, FaultStage, FirmwareStatus, Malformation, Malformed, Outcome, Reboot,
    Rollback, Skip, Slow, Slowness, Stall, Vanish,
};

fn fault() -> impl Strategy<Value = FaultKind> {
    use FaultStage::{Applying, Downloading, Rebooting, Verifying, Waiting};
    let timed = prop::sample::select(vec![Waiting, Downloading, Applying]);
    let stage = prop::sample::select(vec![Waiting, Downloading, Verifying, Applying, Rebooting]);
    let late = prop::sample::select(vec![Downloading, Verifying, Applying, Rebooting]);
    let reported = prop::sample::select(vec![FirmwareStatus::Downloading, FirmwareStatus::Applying]);
    let any_report = prop_oneof![reported.clone(), Just(FirmwareStatus::Completed)];
    let forms = [Malformation::BadJson, Malformation::WrongType, Malformation::TooLarge];
    let form = prop::sample::select(forms.to_vec());
    let by =
        prop_oneof![(1.0..3.0).prop_map(Slowness::Factor), Just(Slowness::Delay("uniform 1s..3s".parse().unwrap()))];
    let delay: Delay = "uniform 1s..30s".parse().unwrap();
    prop_oneof![
        late.prop_map(|stage| FaultKind::Fail(Fail { stage, code: "no_space".to_owned() })),
        Just(FaultKind::Rollback(Rollback { delay })),
        stage.clone().prop_map(|stage| FaultKind::Stall(Stall { stage })),
        (timed, by).prop_map(|(stage, by)| FaultKind::Slow(Slow { stage, by })),
        Just(FaultKind::Reboot(Reboot { away: delay })),
        (1..4_u32).prop_map(|times| FaultKind::BootLoop(BootLoop { times })),
        stage.prop_map(|stage| FaultKind::Vanish(Vanish { stage })),
        Just(FaultKind::FalseSuccess),
        reported.clone().prop_map(|stage| FaultKind::Skip(Skip { stage })),
        Just(FaultKind::Reorder),
        any_report.prop_map(|stage| FaultKind::Duplicate(Duplicate { stage })),
        (reported, form).prop_map(|(stage, form)| FaultKind::Malformed(Malformed { stage, form })),
    ]
}

/// How an update that plays `script` ends, for whoever sees every report that the hub takes.
fn end(script: &Script) -> (Outcome, Option<String>) {
    let mut shown = None;
    for (_, act) in acts(script) {
        let name = || Some(shown.map_or("waiting", FirmwareStatus::as_str).to_owned());
        let line = match act {
            Act::Vanish => return (Outcome::LostDevice, name()),
            Act::Hang => return (Outcome::Stuck, name()),
            Act::Report(line) if matches!(line.form, Form::Honest | Form::OldVersion) => line,
            Act::Report(line) if line.form == Form::WrongType => return (Outcome::ProtocolViolation, None),
            _ => continue,
        };
        let follows = match line.status {
            FirmwareStatus::StandBy => false,
            FirmwareStatus::Downloading => shown.is_none(),
            FirmwareStatus::Applying => shown == Some(FirmwareStatus::Downloading),
            FirmwareStatus::Completed | FirmwareStatus::RolledBack => shown == Some(FirmwareStatus::Applying),
            FirmwareStatus::Failed => true,
        };
        match line.status {
            _ if !follows || line.form == Form::OldVersion => return (Outcome::ProtocolViolation, None),
            FirmwareStatus::Completed => return (Outcome::Completed, None),
            FirmwareStatus::RolledBack => return (Outcome::RolledBack, None),
            FirmwareStatus::Failed => {
                let (stage, code) = line.error.as_deref().unwrap();
                return (Outcome::Failed, Some(format!("{}/{code}", stage.as_str())));
            }
            status => shown = Some(status),
        }
    }
    panic!("it ends in nothing: {script:?}");
}

/// When `fault` would strike alone.
fn alone(fault: &FaultKind) -> Duration {
    let script = script(std::slice::from_ref(fault));
    let strike = acts(&script).find(|(_, act)| matches!(act, Act::Strike(_)));
    strike.unwrap().0
}

proptest! {
    #[test]
    fn an_update_ends_as_the_fault_that_decides_says(faults in prop::collection::vec(fault(), 0..7)) {
        let script = script(&faults);
        let struck: Vec<&FaultKind> = script.strikes().map(|fault| &faults[fault]).collect();
        let (outcome, detail) = end(&script);
        match struck.iter().position(|fault| fault.is_terminal()) {
            None => {
                prop_assert_eq!((outcome, struck.len()), (Outcome::Completed, faults.len()));
            }
            Some(decides) => {
                prop_assert_eq!(decides, struck.len() - 1, "nothing strikes after it");
                prop_assert!(struck[decides].outcomes().contains(&outcome), "{:?}: {:?}", script, outcome);
                if let Some(expected) = struck[decides].detail() {
                    prop_assert_eq!(Some(expected), detail);
                }
                // A device that vanishes stays a moment longer in a stage that takes no time.
                let moment = alone(struck[decides]);
                let before = |fault: &&FaultKind| alone(fault) + Duration::from_millis(100) < moment;
                let earlier = faults.iter().filter(before).collect::<Vec<_>>();
                prop_assert!(earlier.iter().all(|fault| !fault.is_terminal()), "the first decides");
                prop_assert!(earlier.iter().all(|fault| struck.contains(fault)), "what came before it struck");
            }
        }
    }
}
