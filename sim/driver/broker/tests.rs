//! The driver as a client of a scripted broker, over real sockets. The broker plays its devices, too.

mod scripted_broker;

use std::sync::Arc;
use std::time::Duration;

use self::scripted_broker::{HangUp, Script, ScriptedBroker};
use crate::dialect::plain::{PlainSettings, Topics};
use crate::driver::{Driver, DriverPlan, LineConfig, LineShare, ServiceSettings};
use crate::measure::{Measurements, MessageCounts, MessageKind, Truth};
use crate::mqtt::ConnectReturnCode;
use crate::policy::{Backoff, FirmwareStatus, Load, Outcome, RetryPolicy};
use crate::time::Nanos;

const LIMIT: Duration = Duration::from_secs(30);

fn without_presence() -> PlainSettings {
    PlainSettings { topics: Topics { presence: None, ..Topics::default() }, ..PlainSettings::default() }
}

/// Runs a plan to its end, `connected` devices being there; a driver that hangs fails the test.
async fn play(plan: DriverPlan, connected: u32) -> Measurements {
    let clock = plan.clock;
    let driver = Driver::start(plan).unwrap();
    let run = async {
        driver.open().await.unwrap();
        driver.prime(connected).await.unwrap();
        driver.start_at(clock.now()).await.unwrap();
        driver.finished().await.unwrap();
        end(&driver).await
    };
    tokio::time::timeout(LIMIT, run).await.unwrap()
}

/// Stops and settles: everything that was measured since the last sample.
async fn end(driver: &Driver) -> Measurements {
    let mut measured = driver.stop(Outcome::Aborted).await.unwrap().measurements;
    measured.absorb(driver.settle().await.unwrap().measurements);
    measured
}

/// Why the driver does not come in.
async fn refused(script: Script) -> String {
    let broker = ScriptedBroker::start(script).await;
    let driver = Driver::start(broker.plan(1, PlainSettings::default())).unwrap();
    tokio::time::timeout(LIMIT, driver.open()).await.unwrap().unwrap_err().to_string()
}

#[tokio::test]
async fn every_device_is_called_answers_and_completes() {
    let broker = ScriptedBroker::start(Script { online: Some(true), ..Script::default() }).await;
    let measured = play(broker.plan(2, PlainSettings::default()), 2).await;
    assert_eq!((measured.census.planned, measured.census.count(Outcome::Completed)), (2, 2), "{:?}", measured.census);
    assert_eq!(measured.census.unaccounted(), 0);
    let counts = |kind| measured.messages.counts(Some(kind));
    let requests = counts(MessageKind::Request);
    assert_eq!((requests.sent, requests.lost, requests.unconfirmed), (2, 0, 0));
    assert_eq!(counts(MessageKind::Response), MessageCounts { delivered: 2, ..MessageCounts::default() });
    assert_eq!(counts(MessageKind::Report), MessageCounts { delivered: 10, ..MessageCounts::default() });
    let line = measured.lines.values().next().unwrap();
    assert_eq!((line.sent, line.received, line.reconnects), (2, 14, 0));
    let seen = broker.seen.lock().unwrap();
    let filters: Vec<&str> = seen.filters.iter().map(String::as_str).collect();
    assert_eq!(filters, ["twinstorm/+/presence", "twinstorm/+/reported", "twinstorm/+/responses/+/+"]);
    assert_eq!((seen.connects, seen.subscribes), (1, 1));
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_named() {
    let error = refused(Script { forbidden: Some("reported"), ..Script::default() }).await;
    assert!(error.contains("subscription to `twinstorm/+/reported`") && error.contains("hub.topics"), "{error}");
}

#[tokio::test]
async fn a_login_that_is_refused_tells_what_to_check() {
    for code in [ConnectReturnCode::NotAuthorized, ConnectReturnCode::BadUserNamePassword] {
        let error = refused(Script { refuses: Some(code), ..Script::default() }).await;
        assert!(error.contains("refuses the driver (CONNACK "), "{error}");
        assert!(error.contains("hub.driver.username and TWINSTORM_DRIVER_PASSWORD"), "{error}");
    }
    let error = refused(Script { refuses: Some(ConnectReturnCode::ServiceUnavailable), ..Script::default() }).await;
    assert!(error.contains("CONNACK 3, the service is unavailable): try again later"), "{error}");
}

#[tokio::test]
async fn a_line_that_is_lost_comes_back_and_subscribes_again() {
    let broker = ScriptedBroker::start(Script { hangs_up: Some(HangUp::Before), ..Script::default() }).await;
    let measured = play(once_more(broker.plan(1, without_presence()), Duration::from_millis(20)), 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    let line = measured.lines.values().next().unwrap();
    assert_eq!((line.reconnects, line.losses, line.lost_by.contains("closed")), (1, 1, true), "{}", line.lost_by);
    let requests = measured.messages.counts(Some(MessageKind::Request));
    assert_eq!((requests.sent, requests.lost), (2, 1));
    let seen = broker.seen.lock().unwrap();
    assert_eq!((seen.connects, seen.subscribes, seen.calls), (2, 2, 2));
}

#[tokio::test]
async fn what_a_broker_kept_of_another_run_is_not_delivered_now() {
    let kept = Some(r#"{"firmwareStatus":"completed","updateId":"another-0"}"#);
    let broker = ScriptedBroker::start(Script { hangs_up: Some(HangUp::Before), kept, ..Script::default() }).await;
    let mut plan = broker.plan(1, without_presence());
    plan.config.retry_method = RetryPolicy::new(Backoff::Fixed { delay: Duration::from_millis(20) });
    let measured = play(plan, 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    let reports = measured.messages.counts(Some(MessageKind::Report));
    assert_eq!((reports.delivered, reports.duplicates), (5, 0), "though it came with either subscription");
}

#[tokio::test]
async fn a_call_whose_line_is_lost_is_broken() {
    let broker = ScriptedBroker::start(Script { hangs_up: Some(HangUp::Before), ..Script::default() }).await;
    let mut plan = broker.plan(1, without_presence());
    plan.config.observe.stage_deadline = Duration::from_millis(50);
    let measured = play(plan, 0).await;
    assert_eq!(measured.census.count(Outcome::HubError), 1, "{:?}", measured.census);
    assert_eq!(measured.census.details[&Outcome::HubError]["broken"], 1);
}

#[tokio::test]
async fn a_device_that_says_it_is_away_is_not_called() {
    let broker = ScriptedBroker::start(Script { online: Some(false), ..Script::default() }).await;
    let measured = play(broker.plan(1, PlainSettings::default()), 0).await;
    assert_eq!(measured.census.count(Outcome::NotOnline), 1, "{:?}", measured.census);
    assert_eq!(broker.seen.lock().unwrap().calls, 0);
}

#[tokio::test]
async fn a_device_that_is_connected_and_of_which_the_broker_never_told_is_the_drivers_loss() {
    for (said, connected, unheard) in [(None, true, 1), (None, false, 0), (Some(false), true, 0)] {
        let broker = ScriptedBroker::start(Script { online: said, ..Script::default() }).await;
        let mut plan = broker.plan(1, PlainSettings::default());
        // As long as the driver waits for whoever has not been heard of.
        plan.config.connect_timeout = Duration::from_secs(3);
        let truth = Truth::new(plan.range);
        truth.connected(plan.range.start, connected.then_some(Nanos::ZERO));
        plan.truth = Some(Arc::new(truth));
        let measured = play(plan, 0).await;
        assert_eq!(measured.census.count(Outcome::NotOnline), 1, "{:?}", measured.census);
        assert_eq!(measured.counters.unheard, unheard, "{said:?} {connected}");
    }
}

#[tokio::test]
async fn where_nobody_says_who_is_there_everybody_is_called() {
    let broker = ScriptedBroker::start(Script { online: Some(false), ..Script::default() }).await;
    let measured = play(broker.plan(1, without_presence()), 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    assert!(!broker.seen.lock().unwrap().filters.iter().any(|filter| filter.contains("presence")));
}

#[tokio::test]
async fn a_device_that_does_not_answer_in_time_has_not_responded() {
    let broker = ScriptedBroker::start(Script { silent: true, ..Script::default() }).await;
    let mut plan = broker.plan(1, without_presence());
    plan.config.response_timeout = Duration::from_millis(50);
    plan.config.observe.stage_deadline = Duration::from_millis(50);
    let measured = play(plan, 0).await;
    assert_eq!(measured.census.count(Outcome::NoResponse), 1, "{:?}", measured.census);
    assert_eq!(broker.seen.lock().unwrap().calls, 1);
}

/// A plan whose calls are made once more a while after they failed.
fn once_more(mut plan: DriverPlan, delay: Duration) -> DriverPlan {
    plan.config.retry_method = RetryPolicy::new(Backoff::Fixed { delay });
    plan
}

#[tokio::test]
async fn a_line_that_is_back_waits_to_be_told_again_who_is_there() {
    let script = Script { online: Some(true), hangs_up: Some(HangUp::Before), retells_late: true, ..Script::default() };
    let broker = ScriptedBroker::start(script).await;
    // By then the line is back.
    let plan = once_more(broker.plan(1, PlainSettings::default()), Duration::from_millis(500));
    let measured = play(plan, 1).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    assert_eq!(measured.retries.method.attempts, 2, "the second is not refused: the device never was away");
}

#[tokio::test]
async fn a_device_of_which_a_line_that_is_back_is_not_told_again_is_called_all_the_same() {
    let script = Script { online: Some(true), hangs_up: Some(HangUp::Before), ..Script::default() };
    let broker = ScriptedBroker::start(Script { retells_late: true, unanswered_pings: true, ..script }).await;
    let plan = once_more(broker.plan(1, PlainSettings::default()), Duration::from_millis(500));
    let measured = play(plan, 1).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    assert_eq!(measured.retries.method.attempts, 2);
}

#[tokio::test]
async fn a_device_is_not_lost_because_a_line_was() {
    let script =
        Script { online: Some(true), hangs_up: Some(HangUp::Answered), retells_late: true, ..Script::default() };
    let broker = ScriptedBroker::start(script).await;
    let mut plan = broker.plan(1, PlainSettings::default());
    // By then the line is back, and has been told nothing.
    plan.config.observe.stage_deadline = Duration::from_millis(500);
    let measured = play(plan, 1).await;
    assert_eq!(measured.census.count(Outcome::Stuck), 1, "{:?}", measured.census);
}

#[tokio::test]
async fn a_line_that_is_away_takes_nothing_from_what_others_reach() {
    let script = Script { hangs_up: Some(HangUp::Before), hangs_up_on: "-0", turns_away: true, ..Script::default() };
    let broker = ScriptedBroker::start(Script { online: Some(true), devices: 8, ..script }).await;
    let mut plan = broker.plan(8, PlainSettings::default());
    if let ServiceSettings::Broker(settings) = &mut plan.service {
        settings.lines = LineConfig { connections: 2, share: LineShare::All, keep_session: false };
    }
    plan.config.load = Load::Closed { in_flight: 1 };
    plan.config.observe.stage_deadline = Duration::from_millis(50);
    let measured = play(plan, 8).await;
    let census = &measured.census;
    assert_eq!((census.count(Outcome::HubError), census.count(Outcome::Completed)), (4, 4), "{census:?}");
    let told: Vec<_> = measured.lines.values().map(|line| (line.losses, line.reconnects)).collect();
    assert_eq!(told, [(1, 0), (0, 0)], "it is counted though it never came back");
}

#[tokio::test]
async fn what_comes_with_the_end_of_a_connection_has_come() {
    let broker = ScriptedBroker::start(Script { hangs_up: Some(HangUp::After), ..Script::default() }).await;
    let measured = play(broker.plan(1, without_presence()), 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 1, "{:?}", measured.census);
    let requests = measured.messages.counts(Some(MessageKind::Request));
    assert_eq!((requests.sent, requests.acknowledged, requests.lost), (1, 1, 0));
}

#[tokio::test]
async fn a_call_that_a_kept_session_does_not_answer_blames_no_device() {
    for (hangs_up, keeps_sessions) in [(HangUp::Before, true), (HangUp::Acknowledged, false)] {
        let script = Script { hangs_up: Some(hangs_up), keeps_sessions, ..Script::default() };
        let broker = ScriptedBroker::start(script).await;
        let mut plan = once_more(broker.plan(1, without_presence()), Duration::from_millis(20));
        if let ServiceSettings::Broker(settings) = &mut plan.service {
            settings.lines.keep_session = true;
        }
        plan.config.response_timeout = LIMIT * 2;
        let measured = play(plan, 0).await;
        assert_eq!(measured.census.count(Outcome::Completed), 1, "{hangs_up:?} {:?}", measured.census);
        let requests = measured.messages.counts(Some(MessageKind::Request));
        assert_eq!(requests.under_way(), 0, "{hangs_up:?} {requests:?}");
    }
}

#[tokio::test]
async fn requests_that_nobody_acknowledges_are_lost_in_the_end() {
    let broker = ScriptedBroker::start(Script { unacknowledged: true, ..Script::default() }).await;
    let measured = play(broker.plan(2, without_presence()), 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 2, "{:?}", measured.census);
    let requests = measured.messages.counts(Some(MessageKind::Request));
    assert_eq!((requests.sent, requests.acknowledged, requests.lost), (2, 0, 2));
}

#[tokio::test]
async fn reports_that_are_on_their_way_at_the_end_are_waited_for() {
    let broker = ScriptedBroker::start(Script { reports_late: true, ..Script::default() }).await;
    let mut plan = broker.plan(1, without_presence());
    let (clock, truth) = (plan.clock, Arc::new(Truth::new(plan.range)));
    truth.received(0, "run-0", clock.now());
    for status in [FirmwareStatus::Downloading, FirmwareStatus::Applying, FirmwareStatus::Completed] {
        truth.published(0, status, clock.now());
        truth.handed_over(0, status);
    }
    plan.truth = Some(truth);
    let driver = Driver::start(plan).unwrap();
    let run = async {
        driver.open().await.unwrap();
        driver.start_at(clock.now()).await.unwrap();
        let mut measured = Measurements::default();
        while measured.messages.counts(Some(MessageKind::Response)).delivered == 0 {
            measured.absorb(driver.sample().await.unwrap().measurements);
            tokio::task::yield_now().await;
        }
        measured.absorb(end(&driver).await);
        measured
    };
    let measured = tokio::time::timeout(LIMIT, run).await.unwrap();
    let reports = measured.messages.counts(Some(MessageKind::Report));
    assert_eq!((reports.delivered, reports.undelivered), (5, 0));
}

#[tokio::test]
async fn a_driver_takes_leave() {
    let broker = ScriptedBroker::start(Script::default()).await;
    let mut plan = broker.plan(3, without_presence());
    plan.config.load = Load::Closed { in_flight: 1 };
    let measured = play(plan, 0).await;
    assert_eq!(measured.census.count(Outcome::Completed), 3, "{:?}", measured.census);
    // The driver's thread has ended by now; the broker may have yet to read what it sent last.
    tokio::time::timeout(LIMIT, async {
        while broker.seen.lock().unwrap().farewells == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
