//! The driver as a client of a scripted broker, over real sockets. The broker plays its devices, too.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;

use super::BrokerSettings;
use crate::dialect::plain::{PlainOperator, PlainSettings, Topics};
use crate::driver::{Driver, DriverPlan, LineConfig, LineShare, ObserveKind, ServiceSettings, scripted, tests};
use crate::measure::{Measurements, MessageCounts, MessageKind, Truth};
use crate::mqtt::{
    ConnAck, ConnectReturnCode, Connection, Packet, PubAck, Publish, QoS, Scratch, SubAck, Subscribe,
    SubscribeReasonCode, publish,
};
use crate::policy::{Backoff, FirmwareStatus, Load, Outcome, RetryPolicy};
use crate::time::Nanos;

const LIMIT: Duration = Duration::from_secs(30);

/// How the broker and its devices behave.
#[derive(Debug, Clone, Default)]
struct Script {
    /// CONNACK; `None` lets everybody in.
    refuses: Option<ConnectReturnCode>,
    /// The filter that nobody may subscribe to ends so.
    forbidden: Option<&'static str>,
    /// What is retained of each device's presence.
    online: Option<bool>,
    /// Devices of which that is retained, two at least.
    devices: u32,
    /// Whether devices leave calls unanswered.
    silent: bool,
    /// What is retained of each device's reports.
    kept: Option<&'static str>,
    /// Whether the first call that ever comes ends the connection, and once what has happened.
    hangs_up: Option<HangUp>,
    /// By clients with this end of their names alone.
    hangs_up_on: &'static str,
    /// Whether what is retained of presence comes late, with the answer to a ping, on all connections but a client's first.
    retells_late: bool,
    /// Whether reports come late in the same way, on every connection.
    reports_late: bool,
    /// Whether a client whose connection was lost is let in again.
    turns_away: bool,
    /// Whether pings are never answered.
    unanswered_pings: bool,
    /// Whether calls are never acknowledged.
    unacknowledged: bool,
    /// Whether a session that a client wants to be kept is kept.
    keeps_sessions: bool,
}

/// When a broker that hangs up does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HangUp {
    /// At once.
    Before,
    /// Once the call is acknowledged.
    Acknowledged,
    /// Once it is answered.
    Answered,
    /// With everything that the device says, and something that is no packet, in one write.
    After,
}

/// What the broker has seen, over all connections.
#[derive(Debug, Default)]
struct Seen {
    connects: u32,
    clients: BTreeSet<String>,
    has_hung_up: bool,
    filters: BTreeSet<String>,
    subscribes: u32,
    calls: u32,
    farewells: u32,
}

/// A broker in this process.
struct ScriptedBroker {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl ScriptedBroker {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let told = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Connection::new(stream), script.clone(), Arc::clone(&told)));
            }
        });
        Self { address, seen }
    }

    /// A plan for so many devices that is played by subscription.
    fn plan(&self, devices: u32, settings: PlainSettings) -> DriverPlan {
        let mut plan = tests::plan(scripted::settings("http://127.0.0.1:1"), devices);
        plan.config.observe.kind = ObserveKind::Subscribe;
        plan.service = ServiceSettings::Broker(BrokerSettings {
            address: self.address,
            tls: None,
            websocket: None,
            dialect: Arc::new(PlainOperator::new(settings, None, 60, 0).unwrap()),
            lines: LineConfig::default(),
            has_others: false,
            telemetry: false,
        });
        plan
    }
}

async fn serve(mut peer: Connection, script: Script, seen: Arc<Mutex<Seen>>) {
    let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
    let (mut is_first, mut is_victim, mut late) = (true, false, Vec::new());
    while poll_fn(|cx| peer.poll_receive(cx, &mut scratch, &mut packets)).await.is_ok() {
        let mut answers = Vec::new();
        let mut ends = false;
        for packet in packets.drain(..) {
            match packet {
                Packet::Connect(connect) => {
                    let mut seen = seen.lock().unwrap();
                    seen.connects += 1;
                    is_victim = connect.client_id.ends_with(script.hangs_up_on);
                    is_first = seen.clients.insert(connect.client_id);
                    if script.turns_away && !is_first {
                        return;
                    }
                    let code = script.refuses.unwrap_or(ConnectReturnCode::Success);
                    let session_present = script.keeps_sessions && !is_first;
                    answers.push(Packet::ConnAck(ConnAck { session_present, code }));
                }
                Packet::Subscribe(subscribe) => {
                    let mut seen = seen.lock().unwrap();
                    seen.subscribes += 1;
                    let paths = subscribe.filters.iter().map(|filter| filter.path.clone());
                    seen.filters.extend(paths.clone());
                    let is_forbidden = |path: &str| script.forbidden.is_some_and(|end| path.ends_with(end));
                    let return_codes = subscribe.filters.iter().map(|filter| match is_forbidden(&filter.path) {
                        true => SubscribeReasonCode::Failure,
                        false => SubscribeReasonCode::Success(filter.qos),
                    });
                    answers.push(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes: return_codes.collect() }));
                    if let Some(kept) = script.kept {
                        let Packet::Publish(report) = said("reported", 0, kept.to_owned()) else { unreachable!() };
                        answers.push(Packet::Publish(Publish { retain: true, ..report }));
                    }
                    if let Some(online) = script.online.filter(|_| paths.clone().any(|path| path.ends_with("presence")))
                    {
                        let told = if script.retells_late && !is_first { &mut late } else { &mut answers };
                        for device in (0..script.devices.max(2)).rev() {
                            told.push(said("presence", device, format!(r#"{{"online":{online}}}"#)));
                        }
                    }
                }
                Packet::PingReq if script.unanswered_pings => {}
                Packet::PingReq => {
                    answers.push(Packet::PingResp);
                    answers.append(&mut late);
                }
                Packet::Publish(call) => {
                    let mut seen = seen.lock().unwrap();
                    seen.calls += 1;
                    let hangs_up = script.hangs_up.filter(|_| is_victim && !seen.has_hung_up);
                    seen.has_hung_up |= hangs_up.is_some();
                    if hangs_up == Some(HangUp::Before) {
                        return;
                    }
                    if !script.unacknowledged {
                        answers.push(Packet::PubAck(PubAck::new(call.pkid)));
                    }
                    if !script.silent && hangs_up != Some(HangUp::Acknowledged) {
                        let mut said = update(&call);
                        answers.push(said.remove(0));
                        match hangs_up {
                            Some(HangUp::Answered) => {}
                            _ if script.reports_late => late.append(&mut said),
                            _ => answers.append(&mut said),
                        }
                    }
                    ends |= hangs_up.is_some();
                    if hangs_up == Some(HangUp::After) {
                        answers.push(Packet::Subscribe(Subscribe::new_many([])));
                    }
                }
                Packet::Disconnect => seen.lock().unwrap().farewells += 1,
                _ => {}
            }
        }
        if peer.send(&mut scratch, &answers).is_err() || ends {
            return;
        }
    }
}

/// What device `device` says at the end of its topic.
fn said(what: &str, device: u32, text: String) -> Packet {
    publish(format!("twinstorm/sim-{device:07}/{what}"), QoS::AtMostOnce, 0, Bytes::from(text))
}

/// What a device says once it is called: that it begins, its three reports, and how far it is meanwhile.
fn update(call: &Publish) -> Vec<Packet> {
    let payload: Value = serde_json::from_slice(&call.payload).unwrap();
    let id = payload["updateId"].as_str().unwrap();
    let parts: Vec<&str> = call.topic.split('/').collect();
    let ["twinstorm", device, "methods", "firmwareUpdate", rid] = parts[..] else { panic!("{}", call.topic) };
    let device = device.strip_prefix("sim-").unwrap().parse().unwrap();
    let mut packets = vec![said(&format!("responses/{rid}/200"), device, "{}".to_owned())];
    for (status, key) in
        [("downloading", "startedDownloadingImage"), ("applying", "downloadComplete"), ("completed", "imageApplied")]
    {
        let text = format!(r#"{{"firmwareStatus":"{status}","{key}":"x","updateId":"{id}"}}"#);
        packets.push(said("reported", device, text));
        if status == "downloading" {
            let progress = [25, 50].map(|percent| format!(r#"{{"downloadProgress":{percent},"updateId":"{id}"}}"#));
            packets.extend(progress.map(|text| said("reported", device, text)));
        }
    }
    packets
}

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
