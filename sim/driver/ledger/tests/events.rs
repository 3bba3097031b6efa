//! Telling everything that happens.

use super::*;
use crate::measure::{Answer, Event, Happening, Measurements};

fn told(measured: &Measurements, device: u32) -> Vec<(Nanos, Happening)> {
    let events = measured.events.kept().iter().filter(|event| event.device == device);
    events.map(|Event { at, what, .. }| (*at, what.clone())).collect()
}

fn at(ms: u64) -> Nanos {
    Nanos::new(ms * 1_000_000)
}

#[test]
fn an_update_is_told_from_its_due_time_to_its_end() {
    let ms = Duration::from_millis;
    let truth = Arc::new(Truth::new(ALL));
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::new(Backoff::Fixed { delay: ms(100) }) };
    let mut ledger = with_truth(7, closed(1), 1000, retry, Some(Arc::clone(&truth)));
    ledger.tick(at(10));
    let device = send(&mut ledger, at(11))[0];
    ledger.answered(at(20), device, &MethodAnswer::NotOnline);
    ledger.tick(at(120));
    assert_eq!(send(&mut ledger, at(121)), [device]);
    let update = ledger.number(device).unwrap();
    truth.received(device, &format!("run-{update}"), at(122));
    ledger.answered(at(130), device, &ok());
    truth.published(device, Completed, at(190));
    truth.chose(device, ms(50));
    ledger.look(at(200), &completed(device));
    let measured = ledger.scribe().take();
    let answered = |answer, service, response| Happening::Answered { answer: Some(answer), service, response };
    assert_eq!(
        told(&measured, device),
        [
            (at(10), Happening::Due),
            (at(11), Happening::Called { attempt: 1, lag: None }),
            (at(20), answered(Answer::NotOnline, Some(ms(9)), None)),
            (at(121), Happening::Called { attempt: 2, lag: None }),
            (at(130), answered(Answer::Device(200), Some(ms(9)), Some(ms(120)))),
            (at(200), Happening::SeenLate(Downloading)),
            (at(200), Happening::SeenLate(Applying)),
            (at(200), Happening::Stage { stage: Completed, version: 9, transition: None, visible: Some(ms(10)) }),
            (
                at(200),
                Happening::Ended {
                    outcome: Outcome::Completed,
                    detail: "".into(),
                    total: ms(190),
                    overhead: Some(ms(140))
                }
            ),
        ]
    );
    assert!(measured.events.kept().iter().all(|event| event.update == update));
}

#[test]
fn a_call_that_the_twin_makes_needless_has_a_response_and_no_answer() {
    let retry = RetryPolicy::new(Backoff::Fixed { delay: Duration::from_secs(1) });
    let mut ledger = ledger(7, closed(1), 1000, retry);
    ledger.tick(at(0));
    let device = send(&mut ledger, at(0))[0];
    ledger.answered(at(5), device, &MethodAnswer::ClientTimeout);
    ledger.look(at(9), &completed(device));
    let measured = ledger.scribe().take();
    let answers: Vec<Happening> = told(&measured, device)
        .into_iter()
        .filter_map(|(_, what)| matches!(what, Happening::Answered { .. }).then_some(what))
        .collect();
    let five = Some(Duration::from_millis(5));
    assert_eq!(
        answers,
        [
            Happening::Answered { answer: Some(Answer::ClientTimeout), service: five, response: None },
            Happening::Answered { answer: None, service: None, response: five },
        ]
    );
    assert_eq!(measured.series[&Series::MethodResponseError].count(), 1);
}

#[test]
fn what_ends_uncalled_or_unsent_or_forgotten_is_told_as_it_is_counted() {
    let load = Load::Open { rate: 10.0, arrivals: ArrivalKind::Constant, ramp: None };
    let mut ledger = ledger(7, load, 3, RetryPolicy::NEVER);
    ledger.scribe = Scribe::new(Sources { swallow: 2, ..sources(None, false, None) });
    ledger.release_wave(0, Nanos::ZERO);
    while let Some(now) = ledger.wake().filter(|now| *now < at(1_000)) {
        ledger.tick(now);
        send(&mut ledger, now);
    }
    ledger.stop(at(1_000), Outcome::Aborted);
    let measured = ledger.scribe().take();
    let mut ends = std::collections::BTreeMap::<Outcome, u64>::new();
    for event in measured.events.kept() {
        match &event.what {
            Happening::Ended { outcome, .. } => *ends.entry(*outcome).or_default() += 1,
            Happening::EndedUncalled { outcome, count, .. } => *ends.entry(*outcome).or_default() += count,
            _ => {}
        }
    }
    assert_eq!(ends, measured.census.outcomes);
    assert!(ends[&Outcome::NotSent] > 0 && ends[&Outcome::Aborted] > 10, "{ends:?}");
}

#[test]
fn nothing_is_told_that_nobody_wants_to_know() {
    let mut ledger = ledger(7, closed(20), 1000, RetryPolicy::NEVER);
    ledger.scribe = Scribe::new(Sources { events: false, ..sources(None, false, None) });
    ledger.tick(at(0));
    for device in send(&mut ledger, at(0)) {
        ledger.answered(at(1), device, &ok());
        ledger.look(at(2), &completed(device));
    }
    ledger.stop(at(3), Outcome::Aborted);
    let measured = ledger.scribe().take();
    assert_eq!(measured.census.count(Outcome::Completed), 20);
    assert!(measured.events.is_empty());
}

#[test]
fn a_job_tells_how_its_calls_ended_and_not_how_long_they_took() {
    let mut ledger = ledger(7, open(), 1000, RetryPolicy::NEVER);
    ledger.rules.by_job = true;
    ledger.scribe = scribe(None, true);
    ledger.job_devices = Some(8);
    let now = ledger.wake().unwrap();
    ledger.tick(now);
    let Some(Action::Job(number, devices)) = ledger.next_action() else { panic!("no job") };
    let device = devices[3];
    assert!(ledger.sent(now, device));
    ledger.answered(now, device, &MethodAnswer::Device { status: 409, payload: 0.into() });
    let measured = ledger.scribe().take();
    let whats: Vec<Happening> = told(&measured, device).into_iter().map(|(_, what)| what).collect();
    assert_eq!(whats.len(), 4, "{whats:?}");
    assert_eq!(whats[2], Happening::Answered { answer: Some(Answer::Device(409)), service: None, response: None });
    assert!(measured.events.kept().iter().all(|event| event.update == number));
}
