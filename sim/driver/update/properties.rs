//! What holds whatever happens to an update.

use proptest::prelude::*;

use super::super::sighting::tests::report;
use super::tests::{ID, SECOND, Story, device, hub};
use super::*;
use crate::policy::FirmwareStatus::{Applying, Downloading};

/// Anything that may happen, as numbers.
fn anything() -> impl Strategy<Value = Vec<(u8, u8, u8, u64)>> {
    prop::collection::vec((0..9_u8, any::<u8>(), 0..9_u8, 0..40_u64), 0..60)
}

fn random_report(what: u8, which: u8, version: u64) -> TwinReport {
    let status = FirmwareStatus::ALL[usize::from(what) % 6];
    let keys: Vec<(FirmwareStatus, i64)> = FirmwareStatus::ALL
        .into_iter()
        .enumerate()
        .filter(|(index, _)| which >> index & 1 == 1)
        .map(|(index, stage)| (stage, 8 + index as i64))
        .collect();
    let id = [ID, ID, ID, None, Some("run-8")][usize::from(which) % 5];
    let mut report = report(status, version, id, &keys);
    match which % 11 {
        0 => report.unreadable = Some("odd".into()),
        1 => report.status = Some(Err("dancing".into())),
        2 => report.status = None,
        3 => report.fw_version = Some("1".into()),
        4 => report.connected = Some(false),
        _ => {}
    }
    report
}

proptest! {
    #[test]
    fn whatever_happens_an_update_ends_once_and_only_once(steps in anything(), attempts in 1..4_u32) {
        let mut story = Story::called(attempts);
        let mut now = 10;
        for (kind, which, what, number) in steps {
            now += number % 30;
            let report = random_report(what, which, number);
            let answers = [
                device(200), device(409), MethodAnswer::NotOnline, MethodAnswer::NoResponse, hub(404), hub(500),
                MethodAnswer::Throttled { retry_after: Some(SECOND) }, MethodAnswer::ClientTimeout,
            ];
            match kind {
                0 => story.then(now, Input::Answer(&answers[usize::from(what) % 8])),
                1..=3 => story.see(now, &report),
                4 => story.then(now, Input::Read(Some(&report))),
                5 => story.then(now, Input::Read(None)),
                6 => story.then(now, Input::Time),
                7 => story.then(now, Input::Sent),
                _ => story.then(now, Input::Due(Baseline::default())),
            };
            prop_assert!(story.ends().len() <= 1);
        }
        let ended = story.ends().len();
        let stage = story.update.shown.stage;
        story.then(now, Input::Stop(Outcome::Aborted));
        prop_assert_eq!(story.ends().len(), 1);
        prop_assert!(ended == 0 || story.ends()[0].0 != Outcome::Aborted);
        prop_assert_eq!(stage, story.update.shown.stage);
        let responses = story.effects.iter().filter(|effect| matches!(effect, Effect::Response { .. })).count();
        prop_assert!(responses <= 1, "one call has one response");
    }

    #[test]
    fn whatever_is_seen_of_an_honest_device_breaks_no_invariant(
        looks in prop::collection::vec((0..6_u64, any::<bool>()), 0..12),
        end in 3..6_usize,
        silent in any::<bool>(),
    ) {
        let mut story = Story::called(1);
        story.answer(11, &device(200));
        let (id, stages) = (if silent { None } else { ID }, [Downloading, Applying, FirmwareStatus::ALL[end]]);
        let mut reached = 0;
        for (second, (step, back)) in looks.into_iter().enumerate() {
            // The device only goes on; a look may show what was there a while ago.
            reached = step.max(reached).min(2);
            let shown = if back { step.min(2) } else { reached };
            let keys: Vec<_> = (0..shown).map(|stage| (stages[stage as usize], 12 + stage as i64)).collect();
            story.see(12 + second as u64, &report(stages[shown as usize], 12 + shown, id, &keys));
        }
        let broken = |effect: &&Effect| matches!(effect, Effect::Decided(decision) if decision.breaks().is_some());
        prop_assert_eq!(story.effects.iter().find(broken), None);
        story.then(90, Input::Stop(Outcome::Aborted));
        prop_assert_eq!(story.ends().len(), 1);
    }

    #[test]
    fn left_alone_every_update_ends_by_itself(answers in prop::collection::vec(0..8_usize, 5), seen in any::<u8>()) {
        let mut story = Story::called(4);
        let (mut now, mut sent, mut asked) = (10, 1, 0);
        let all = [
            device(200), device(500), MethodAnswer::NotOnline, MethodAnswer::NoResponse, hub(401), hub(503),
            MethodAnswer::Throttled { retry_after: None }, MethodAnswer::Broken { reason: "x".into() },
        ];
        let mut answers = answers.into_iter().cycle();
        for _ in 0..40 {
            now += 30;
            story.answer(now, &all[answers.next().unwrap_or_default()]);
            story.then(now, Input::Time);
            if story.count(&Effect::Call) > sent {
                sent += 1;
                story.then(now, Input::Sent);
            }
            if story.count(&Effect::ReadTwin) > asked {
                asked += 1;
                let report = report(Downloading, 11, ID, &[]);
                story.then(now, Input::Read((seen % 2 == 0).then_some(&report)));
            }
        }
        prop_assert_eq!(story.ends().len(), 1, "{:#?}", story.effects);
    }
}
