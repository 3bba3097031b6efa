//! Whatever the network does, every message is accounted for.

use std::time::Duration;

use proptest::prelude::*;

use super::plain_rig::{PlainRig, Withheld, plain, with_telemetry};
use super::rig::{SECOND, at};
use crate::device::Input;
use crate::dialect::plain::PlainDevice;
use crate::measure::MessageKind;
use crate::mqtt::QoS;
use crate::policy::Churn;

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Call,
    Cut,
    Closed(bool),
    Withhold(Withheld),
    Release,
    Load,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let withheld = prop_oneof![Just(Withheld::Nothing), Just(Withheld::Second), Just(Withheld::All)];
    prop_oneof![
        3 => Just(Step::Call),
        3 => Just(Step::Cut),
        1 => any::<bool>().prop_map(Step::Closed),
        3 => withheld.prop_map(Step::Withhold),
        2 => Just(Step::Release),
        1 => Just(Step::Load),
        1 => Just(Step::Stop),
    ]
}

proptest! {
    #[test]
    fn what_was_sent_was_acknowledged_or_lost_or_is_nobodys_to_acknowledge(
        level in 0..3_u8,
        telemetry in 0..3_u8,
        churns in any::<bool>(),
        steps in proptest::collection::vec((0_u64..20_000, step()), 0..40),
        is_released in any::<bool>(),
    ) {
        let mut settings = with_telemetry(telemetry);
        settings.dialect = PlainDevice::new(plain(level), None, 60).unwrap();
        if churns {
            settings.fleet.churn = Some(Churn { up: "20s".parse().unwrap(), down: "3s".parse().unwrap() });
        }
        let mut rig = PlainRig::started(settings);
        let (mut loaded, mut stopped) = (false, false);
        for (millis, step) in steps {
            rig.run_for(Duration::from_millis(millis));
            match step {
                Step::Call => rig.call(QoS::AtLeastOnce),
                Step::Cut => rig.cut(),
                Step::Closed(closed) => rig.closed = closed,
                Step::Withhold(withheld) => rig.withheld = withheld,
                Step::Release => rig.release(),
                Step::Load if !std::mem::replace(&mut loaded, true) => rig.input(Input::LoadStarts(rig.now)),
                Step::Stop if !std::mem::replace(&mut stopped, true) => rig.stop(),
                Step::Load | Step::Stop => {}
            }
            for (kind, counts) in &rig.messages().0 {
                prop_assert!(counts.under_way() >= 0, "{:?} {:?}", kind, counts);
            }
        }
        if is_released {
            rig.release();
        }
        if !stopped {
            rig.stop();
        }
        rig.run_for(10 * SECOND);
        prop_assert!(rig.session.is_over());
        for (kind, counts) in &rig.messages().0 {
            prop_assert_eq!(counts.under_way(), 0, "{:?} {:?}", kind, counts);
        }
        let published = |part: &str| {
            rig.published.iter().filter(|(_, message)| message.topic.split('/').nth(2) == Some(part)).count() as u64
        };
        for (kind, part) in [
            (MessageKind::Report, "reported"),
            (MessageKind::Response, "responses"),
            (MessageKind::Presence, "presence"),
            (MessageKind::Telemetry, "telemetry"),
        ] {
            let counts = rig.counts(kind);
            prop_assert_eq!(counts.sent + counts.resent, published(part), "{:?}", kind);
        }
        let mut lost = rig.lost_telemetry();
        lost.sort_unstable();
        lost.dedup();
        prop_assert_eq!(lost.len() as u64, rig.counts(MessageKind::Telemetry).lost, "each is told once");
        let numbers: Vec<u32> = rig.telemetry().into_iter().map(|(seq, _)| seq).collect();
        prop_assert_eq!(numbers, (0..rig.counts(MessageKind::Telemetry).sent as u32).collect::<Vec<_>>());
        prop_assert!(rig.now >= at(1.0));
    }
}
