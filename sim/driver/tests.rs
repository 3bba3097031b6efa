//! The driver against a scripted hub, over real sockets.

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::scripted::{Asked, Devices, Reply, ScriptedHub, settings};
use super::*;
use crate::measure::{Measurements, TraceEvent, Tracer, Truth};
use crate::policy::FirmwareStatus::{Applying, Completed, Downloading};
use crate::policy::{
    ArrivalKind, DeviceIds, DeviceRange, Diagonal, Fail, Fault, FaultKind, FaultStage, Load, Outcome, RetryPolicy,
    Series,
};
use crate::random::Seed;
use crate::time::Clock;

pub(super) fn plan(rest: RestSettings, devices: u32) -> DriverPlan {
    let interval = Duration::from_millis(5);
    DriverPlan {
        config: DriverConfig {
            rollout: None,
            load: Load::Open { rate: 500.0, arrivals: ArrivalKind::Constant, ramp: None },
            updates: None,
            settle: None,
            lasts: Duration::ZERO,
            via: Via::Calls,
            max_in_flight: 1000,
            response_timeout: Duration::from_secs(30),
            connect_timeout: Duration::ZERO,
            package_uri: "https://example.com/image".to_owned(),
            package_check: None,
            version: None,
            update_id: true,
            observe: ObserveConfig {
                kind: ObserveKind::Query,
                interval,
                overlap: None,
                stage_deadline: Duration::from_secs(60),
            },
            retry_method: RetryPolicy::NEVER,
        },
        seed: Seed(7),
        devices,
        range: DeviceRange { start: 0, end: devices },
        ids: DeviceIds::new("sim-"),
        run_id: "run".to_owned(),
        service: ServiceSettings::Rest(rest),
        clock: Clock::start(),
        truth: None,
        diagonal: Diagonal::default(),
        tracer: None,
        phases: None,
        events: false,
        swallow_outcomes: 0,
    }
}

/// Runs a plan to its end; a driver that hangs fails the test.
async fn play(plan: DriverPlan) -> Measurements {
    let clock = plan.clock;
    let driver = Driver::start(plan).unwrap();
    let run = async {
        driver.prime(0).await.unwrap();
        driver.start_at(clock.now()).await.unwrap();
        driver.finished().await.unwrap();
        driver.stop(Outcome::Aborted).await.unwrap()
    };
    let sample = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap();
    assert!(sample.finished);
    sample.measurements
}

fn count(measured: &Measurements, series: Series) -> u64 {
    measured.series.get(&series).map_or(0, crate::measure::SeriesData::count)
}

#[tokio::test]
async fn every_update_of_an_open_load_is_called_observed_and_counted() {
    let devices = Devices::new(50);
    let script = Arc::clone(&devices);
    let hub = ScriptedHub::start(move |asked| ready(script.answer(&asked))).await;
    let measured = play(plan(hub.settings(), 50)).await;
    assert_eq!((measured.census.planned, measured.census.unaccounted()), (50, 0));
    assert_eq!(measured.census.count(Outcome::Completed), 50);
    for series in [
        Series::ScheduleLag,
        Series::MethodResponse,
        Series::MethodService,
        Series::Transition(Completed),
        Series::UpdateTotal,
    ] {
        assert_eq!(count(&measured, series), 50, "{series}");
    }
    for absent in [Series::MethodResponseError, Series::TwinVisible(Applying), Series::UpdateOverhead] {
        assert_eq!(count(&measured, absent), 0, "{absent}");
    }
    let updates = devices.updates.lock().unwrap();
    assert_eq!(updates.len(), 50);
    assert!(updates.contains("run-0") && updates.contains("run-49"));
    assert!(measured.loop_lag.contains_key("driver") || measured.counters.observer_requests > 0);
}

#[tokio::test]
async fn a_swallowed_outcome_is_missed_by_the_census() {
    let devices = Devices::new(10);
    let hub = ScriptedHub::start(move |asked| ready(devices.answer(&asked))).await;
    let measured = play(DriverPlan { swallow_outcomes: 1, ..plan(hub.settings(), 10) }).await;
    assert_eq!((measured.census.unaccounted(), measured.census.count(Outcome::Completed)), (1, 9));
}

#[tokio::test]
async fn a_device_that_completes_what_was_to_fail_is_named_with_its_update() {
    let fail = Fault::new(FaultKind::Fail(Fail { stage: FaultStage::Applying, code: "boot_failed".to_owned() }));
    let devices = Devices::new(10);
    let truth = Arc::new(Truth::new(DeviceRange { start: 0, end: 10 }));
    let (told, clock) = (Arc::clone(&truth), Clock::start());
    let script = move |asked: Asked| {
        let device = asked.what.strip_prefix("POST /twins/sim-").and_then(|rest| rest.get(..7)?.parse::<u32>().ok());
        if let (Some(device), Some(update)) = (device, asked.body["payload"]["updateId"].as_str()) {
            told.received(device, update, clock.now());
            told.accepted(device);
            // Device 3 says that it is going to fail, and goes on all the same.
            if device == 3 {
                told.injected(device, 0, true);
            }
        }
        devices.answer(&asked)
    };
    let hub = ScriptedHub::start(move |asked| ready(script(asked))).await;
    let diagonal = Diagonal::new(&[fail], false);
    let measured = play(DriverPlan { truth: Some(truth), diagonal, clock, ..plan(hub.settings(), 10) }).await;
    assert_eq!((measured.census.count(Outcome::Completed), measured.judged.off_diagonal), (10, 1));
    let liar = &measured.judged.examples[0];
    assert_eq!((liar.device.as_str(), liar.observed.as_str()), ("sim-0000003", "completed"));
    assert!(liar.update.starts_with("run-"), "{liar:?}");
    assert_eq!(measured.invariants.rows().iter().map(|row| row.violations).sum::<u64>(), 0);
    assert_eq!(measured.invariants.rows()[0].checked, 10);
}

#[tokio::test]
async fn polling_reads_each_twin_from_its_answer_to_its_end() {
    let devices = Devices::new(5);
    let hub = ScriptedHub::start(move |asked| ready(devices.answer(&asked))).await;
    let mut plan = plan(hub.settings(), 5);
    plan.config.observe.kind = ObserveKind::Poll;
    let notes = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notes);
    plan.tracer = Some(Arc::new(Tracer::new(3, move |_, event| sink.lock().unwrap().push(event.clone()))));
    let measured = play(plan).await;
    assert_eq!((measured.census.count(Outcome::Completed), measured.census.unaccounted()), (5, 0));
    assert_eq!(count(&measured, Series::Transition(Downloading)), 5);

    let notes = notes.lock().unwrap();
    assert_eq!(notes[..2], [TraceEvent::Due, TraceEvent::CallSent { attempt: 1 }]);
    assert!(notes.contains(&TraceEvent::CallAnswered(r#"200 {"Response":"Firmware update started"}"#.into())));
    let seen: Vec<_> = notes
        .iter()
        .filter_map(|event| if let TraceEvent::Seen { status, .. } = event { Some(*status) } else { None })
        .collect();
    assert_eq!(seen, [Downloading, Applying, Completed]);
    assert_eq!(notes.iter().filter(|event| matches!(event, TraceEvent::TwinRead(_))).count(), 3);
    assert!(matches!(notes.last(), Some(TraceEvent::Ended { outcome: Outcome::Completed, .. })));
}

#[tokio::test]
async fn pages_are_followed_duplicates_removed_and_a_throttled_look_caught_up() {
    let devices = Devices::new(20);
    let looks = AtomicUsize::new(0);
    let rest = Mutex::new(Vec::new());
    let script = move |asked: Asked| {
        if asked.what != "POST /devices/query" {
            return devices.answer(&asked);
        }
        if asked.continuation.as_deref() == Some("more") {
            return Reply::new(200, Value::Array(rest.lock().unwrap().split_off(0)));
        }
        if looks.fetch_add(1, Ordering::Relaxed) == 2 {
            return Reply::new(429, Value::Null);
        }
        let mut rows = devices.look();
        // The second page begins with rows that the first one had.
        *rest.lock().unwrap() = rows.split_off(8);
        rows.extend(rest.lock().unwrap()[..4].to_vec());
        Reply { continuation: Some("more"), ..Reply::new(200, Value::Array(rows)) }
    };
    let hub = ScriptedHub::start(move |asked| ready(script(asked))).await;
    let measured = play(plan(hub.settings(), 20)).await;
    assert_eq!((measured.census.count(Outcome::Completed), measured.census.unaccounted()), (20, 0));
    assert_eq!(count(&measured, Series::Transition(Applying)), 20);
    assert_eq!((measured.counters.observer_throttled, measured.counters.observer_errors), (1, 0));
    assert_eq!((measured.counters.late, measured.counters.seen_late), (0, 0));
}

#[tokio::test]
async fn a_stalled_hub_delays_no_later_call() {
    const CALLS: usize = 40;
    let devices = Devices::new(CALLS as u32);
    let (arrived, mut all_arrived) = watch::channel(0);
    // From the fifth call on nothing is answered before the last call has come: a driver that waited for an answer
    // would wait for ever.
    let hub = ScriptedHub::start(move |asked: Asked| {
        let reply = devices.answer(&asked);
        let stalled = asked.what.ends_with("/methods") && {
            arrived.send_modify(|calls| *calls += 1);
            *arrived.borrow() >= 5
        };
        let mut arrived = arrived.subscribe();
        async move {
            if stalled {
                arrived.wait_for(|calls| *calls == CALLS).await.unwrap();
            }
            reply
        }
    })
    .await;
    let mut plan = plan(hub.settings(), CALLS as u32);
    plan.config.load = Load::Open { rate: 200.0, arrivals: ArrivalKind::Constant, ramp: None };
    let measured = play(plan).await;
    assert_eq!(*all_arrived.borrow_and_update(), CALLS);
    assert_eq!(measured.census.count(Outcome::Completed), CALLS as u64);
    assert_eq!(count(&measured, Series::MethodResponse), CALLS as u64);
    assert_eq!((measured.counters.calls_sent, measured.counters.dropped), (CALLS as u64, 0));
    // The fifth call was due 35 calls before the last one, so that its answer took at least so long.
    let longest = measured.series[&Series::MethodResponse].histogram.max();
    assert!(longest >= 174_000_000, "{longest} ns");
}

#[tokio::test]
async fn a_hub_that_is_gone_ends_every_update_and_nothing_hangs() {
    let hub = ScriptedHub::start(|_| ready(Reply::new(200, json!([])))).await;
    let url = hub.url.clone();
    drop(hub);
    let clock = Clock::start();
    let driver = Driver::start(DriverPlan { clock, ..plan(settings(&url), 10) }).unwrap();
    let error = driver.prime(0).await.unwrap_err().to_string();
    assert!(error.contains(&url["http://".len()..]), "{error}");
    driver.start_at(clock.now()).await.unwrap();
    driver.finished().await.unwrap();
    let measured = driver.stop(Outcome::Aborted).await.unwrap().measurements;
    assert_eq!(measured.census.details[&Outcome::HubError]["unreachable"], 10);
    assert_eq!((measured.census.unaccounted(), count(&measured, Series::MethodResponseError)), (0, 10));
    assert!(measured.counters.observer_errors > 0);
}

#[tokio::test]
async fn a_stop_ends_what_is_left_and_a_range_without_devices_is_finished() {
    let hub = ScriptedHub::start(|asked: Asked| {
        ready(Reply::new(if asked.what == "POST /devices/query" { 200 } else { 500 }, json!([])))
    })
    .await;
    let driver = Driver::start(plan(hub.settings(), 10)).unwrap();
    driver.prime(0).await.unwrap();
    assert!(!driver.is_finished());
    let sample = driver.stop(Outcome::Aborted).await.unwrap();
    assert_eq!(sample.measurements.census.details[&Outcome::Aborted]["not_called"], 10);
    assert!(sample.finished && driver.is_finished());

    let empty = DriverPlan { range: DeviceRange { start: 5, end: 5 }, ..plan(hub.settings(), 10) };
    let driver = Driver::start(empty).unwrap();
    driver.finished().await.unwrap();
    assert_eq!(driver.sample().await.unwrap().measurements.census.planned, 0);
}

#[tokio::test]
async fn waiting_for_devices_ends_with_all_of_them_or_says_who_is_missing() {
    let range = DeviceRange { start: 0, end: 30 };
    let ids = DeviceIds::new("sim-");
    let second = Duration::from_secs(1);
    // Ten more come online with every look.
    let looks = AtomicUsize::new(0);
    let hub = ScriptedHub::start(move |_| {
        let online = 10 * (looks.fetch_add(1, Ordering::Relaxed) + 1);
        let rows = (0..30).map(|device| {
            let state = if device < online { "Connected" } else { "Disconnected" };
            json!({"deviceId": format!("sim-{device:07}"), "connectionState": state, "reported": {"$version": 1}})
        });
        ready(Reply::new(200, rows.collect()))
    })
    .await;
    let mut told = Vec::new();
    let clock = Clock::start();
    let waited =
        wait_online(&hub.client(), &ids, range, 60 * second, clock, |online, of| told.push((online, of))).await;
    assert_eq!(waited.unwrap(), 0);
    assert_eq!(told, [(10, 30), (20, 30), (30, 30)]);

    let hub = ScriptedHub::start(|_| {
        let row = json!({"deviceId": "sim-0000007", "connectionState": "Connected", "reported": {"$version": 1}});
        ready(Reply::new(200, json!([row])))
    })
    .await;
    let some = wait_online(&hub.client(), &ids, range, Duration::ZERO, clock, |_, _| ()).await;
    assert_eq!(some.unwrap(), 29, "those that are there can be updated");

    let hub = ScriptedHub::start(|_| ready(Reply::new(200, json!([])))).await;
    let nobody = wait_online(&hub.client(), &ids, range, Duration::ZERO, clock, |_, _| ()).await;
    let error = nobody.unwrap_err().to_string();
    assert!(error.contains("none of 30") && error.contains("sim-0000000"), "{error}");

    let hub = ScriptedHub::start(|_| ready(Reply::new(401, Value::Null))).await;
    let refused = wait_online(&hub.client(), &ids, range, 60 * second, clock, |_, _| ()).await;
    assert!(matches!(refused, Err(OnlineError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn only_a_401_is_told_as_a_wrong_key() {
    let says =
        |code: &str, text: &str| json!({ "Message": format!("ErrorCode:{code};{text}"), "ExceptionMessage": "" });
    for (status, body, words) in [
        (
            401,
            says("IotHubUnauthorizedAccess", "for another resource"),
            "another resource); check IOTHUB_CONNECTION_STRING: its HostName",
        ),
        (403, says("IotHubQuotaExceeded", "too many"), "(403): its quota of messages is spent"),
        (403, says("IotHubForbidden", "this address is filtered"), "(403): ErrorCode:IotHubForbidden;this address"),
    ] {
        let hub = ScriptedHub::start(move |_| ready(Reply::new(status, body.clone()))).await;
        let error = greet(&hub.client()).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(matches!(error, GreetError::Unauthorized(_)), status == 401);
    }
}

#[test]
fn an_unusable_address_is_told_and_no_secret_is() {
    for (url, words) in [
        ("ftp://hub.example", "https://"),
        ("hub.example", "http://"),
        ("http://user:secret@hub.example", "nothing before"),
        ("http://hub.example/secret", "nothing before"),
        ("", "http://host:port"),
    ] {
        let error = Client::new(&settings(url), Clock::start()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{url}: {error}");
    }
    let client = Client::new(&settings("http://hub.example:1"), Clock::start()).unwrap();
    assert!(!format!("{client:?}").contains("BwcH"), "the key in base64 begins so");
}
