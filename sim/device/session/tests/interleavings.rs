//! Whatever the network does, every report arrives, in order.

use proptest::prelude::*;

use super::rig::{Rig, SECOND, at, settings};
use crate::device::Event;

/// What the network does next.
#[derive(Debug, Clone, Copy)]
enum Mishap {
    Cut,
    Closed(bool),
    Deaf(bool),
    LoseTwinAnswers,
    Throttle,
    AnswerTwin,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => Just(Mishap::Cut),
        1 => any::<bool>().prop_map(Mishap::Closed),
        1 => any::<bool>().prop_map(Mishap::Deaf),
        1 => Just(Mishap::LoseTwinAnswers),
        1 => Just(Mishap::Throttle),
        1 => Just(Mishap::AnswerTwin),
    ]
}

proptest! {
    #[test]
    fn reports_are_neither_lost_nor_reordered(
        mishaps in proptest::collection::vec((0_u64..20_000, mishap()), 0..40),
        token_life in 5_u32..200,
    ) {
        let mut settings = settings(&[]);
        settings.fleet.token_life = token_life * SECOND;
        let mut rig = Rig::new(settings, 3);
        rig.run_until(at(1.0));
        rig.call("u1");
        for (millis, mishap) in mishaps {
            rig.run_until(rig.now + std::time::Duration::from_millis(millis));
            match mishap {
                Mishap::Cut => rig.cut(),
                Mishap::Closed(closed) => rig.hub.closed = closed,
                Mishap::Deaf(deaf) => rig.hub.deaf = deaf,
                Mishap::LoseTwinAnswers => rig.hub.twin = None,
                Mishap::Throttle => rig.hub.twin = Some(429),
                Mishap::AnswerTwin => rig.hub.twin = Some(204),
            }
        }
        (rig.hub.closed, rig.hub.deaf, rig.hub.twin) = (false, false, Some(204));
        rig.cut();
        rig.run_until(rig.now + 200 * SECOND);
        rig.documents.dedup();
        let status = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap()["firmwareStatus"].clone();
        let statuses: Vec<_> = rig.documents.iter().map(status).collect();
        prop_assert_eq!(statuses, ["standBy", "downloading", "applying", "completed"]);
        prop_assert_eq!(rig.session.outbox.wake_at(), crate::time::Nanos::MAX);
    }

    #[test]
    fn a_device_is_at_one_update_at_a_time(calls in proptest::collection::vec((0_u64..40_000, 0..6_u8), 0..20)) {
        let mut rig = Rig::online(&[]);
        for (millis, update) in calls {
            rig.run_until(rig.now + std::time::Duration::from_millis(millis));
            rig.call(&format!("u{update}"));
        }
        rig.run_until(rig.now + 200 * SECOND);
        let mut at_work = false;
        for event in &rig.events {
            match event {
                Event::Accepted => prop_assert!(!std::mem::replace(&mut at_work, true)),
                Event::Done => prop_assert!(std::mem::replace(&mut at_work, false)),
                _ => {}
            }
        }
        prop_assert!(!at_work);
    }
}
