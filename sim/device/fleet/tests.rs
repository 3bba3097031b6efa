use std::future::poll_fn;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::device::{Transport, task, workers};
use crate::dialect::azure::{AzureDevice, FromDevice, FromHub, Key};
use crate::measure::TraceEvent;
use crate::mqtt::{
    ClientTls, ConnAck, ConnectReturnCode, Connection, Packet, PubAck, QoS, Scratch, SourceAddresses, SubAck,
    SubscribeReasonCode, publish, server_for,
};
use crate::policy::{Backoff, Delay, Fault, FaultKind, FirmwareStatus, Reject, RetryPolicy, Series};
use crate::time::TimestampFormat;

mod mishaps;

const LIMIT: Duration = Duration::from_secs(20);

pub(in crate::device) fn plan(hub: SocketAddr, devices: u32) -> FleetPlan<AzureDevice> {
    let retry = RetryPolicy::new(Backoff::Fixed { delay: Duration::from_millis(20) });
    let delay = Delay::Fixed(Duration::from_millis(5));
    FleetPlan {
        config: FleetConfig {
            devices,
            id_prefix: "sim-".to_owned(),
            devices_file: None,
            auth: crate::device::Auth::Sas,
            connect_rate: 10_000.0,
            connect_in_flight: 3,
            connect_slow_down: None,
            connect_settle: None,
            telemetry: None,
            churn: None,
            spontaneous_for: Duration::ZERO,
            source_addresses: SourceAddresses::Auto,
            transport: Transport::Tcp,
            tls_resumption: false,
            keep_alive: Duration::from_secs(60),
            token_life: Duration::from_secs(3600),
            workers: 2,
            timestamps: TimestampFormat::Local,
            retry_connect: retry.into(),
            retry_twin: retry,
        },
        firmware: FirmwareConfig { wait: delay, download: delay, apply: delay, image: None, version: "1".to_owned() },
        load_settles: false,
        faults: Arc::new(FaultPlan::new(Seed(7), &[], devices)),
        seed: Seed(7),
        range: DeviceRange { start: 0, end: devices },
        ids: DeviceIds::new("sim-"),
        hub,
        tls: None,
        identities: None,
        websocket: None,
        images: None,
        dialect: AzureDevice::new("hub.test", Key::from_bytes([7; 32]), 60),
        clock: Clock::start(),
        truth: None,
        tracer: None,
    }
}

/// How a hub treats its devices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Accepts every connection and answers every report.
    Plain,
    /// Calls the method, too, once a device stands by.
    Calls,
    /// Leaves reports unanswered.
    Mute,
    /// Refuses every connection.
    Refuses,
}

/// A hub that tells what it got.
async fn hub(manner: Manner) -> (SocketAddr, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, log) = mpsc::channel(10_000);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Connection::new(stream), manner, seen.clone()));
        }
    });
    (address, log)
}

async fn serve(mut peer: Connection, manner: Manner, seen: mpsc::Sender<(String, String)>) {
    let refuses = manner == Manner::Refuses;
    let code = if refuses { ConnectReturnCode::NotAuthorized } else { ConnectReturnCode::Success };
    let (mut scratch, mut packets, mut id) = (Scratch::default(), Vec::new(), String::new());
    while poll_fn(|cx| peer.poll_receive(cx, &mut scratch, &mut packets)).await.is_ok() {
        let mut answers = Vec::new();
        for packet in packets.drain(..) {
            let what = match packet {
                Packet::Connect(connect) => {
                    id = connect.client_id;
                    answers.push(Packet::ConnAck(ConnAck { session_present: false, code }));
                    "connect".to_owned()
                }
                Packet::Subscribe(subscribe) => {
                    let granted = subscribe.filters.iter().map(|filter| SubscribeReasonCode::Success(filter.qos));
                    answers.push(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes: granted.collect() }));
                    "subscribe".to_owned()
                }
                Packet::Publish(message) => {
                    let text = String::from_utf8(message.payload.to_vec()).unwrap();
                    if let Some(FromDevice::ReportedPatch { rid }) = FromDevice::parse(&message.topic) {
                        let topic = FromHub::TwinResponse { status: 204, rid, version: Some(2) }.to_string();
                        answers.push(Packet::PubAck(PubAck::new(message.pkid)));
                        if manner != Manner::Mute {
                            answers.push(publish(topic, QoS::AtMostOnce, 0, Bytes::new()));
                        }
                        if manner == Manner::Calls && text.contains("standBy") {
                            let topic = FromHub::Method { name: "firmwareUpdate", rid: "1" }.to_string();
                            let payload = br#"{"fwPackageUri":"x","updateId":"u1","fwVersion":"2"}"#;
                            answers.push(publish(topic, QoS::AtMostOnce, 0, Bytes::from_static(payload)));
                        }
                    }
                    text
                }
                other => format!("{other:?}"),
            };
            seen.send((id.clone(), what)).await.unwrap();
        }
        if peer.send(&mut scratch, &answers).is_err() {
            break;
        }
    }
    seen.send((id, "gone".to_owned())).await.unwrap();
}

/// Waits until the hub has seen `count` times something that contains `what`.
async fn wait_for(log: &mut mpsc::Receiver<(String, String)>, what: &str, count: usize) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while found.len() < count {
        let entry = timeout(LIMIT, log.recv()).await.expect(what).unwrap();
        if entry.1.contains(what) {
            found.push(entry);
        }
    }
    found
}

/// Samples until `enough`; gives everything measured meanwhile.
async fn sample_until(fleet: &Fleet, enough: impl Fn(&Measurements, &Gauges) -> bool) -> (Measurements, Gauges) {
    let mut all = Measurements::default();
    timeout(LIMIT, async {
        loop {
            let FleetSample { measurements, gauges, dead } = fleet.sample().await;
            assert_eq!(dead, [] as [&str; 0]);
            all.merge(&measurements);
            if enough(&all, &gauges) {
                return (all, gauges);
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn twenty_devices_come_online_stand_by_and_leave_politely() {
    let (address, mut log) = hub(Manner::Plain).await;
    let fleet = Fleet::start(plan(address, 20)).unwrap();
    let mut ids: Vec<String> = wait_for(&mut log, "standBy", 20).await.into_iter().map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ids, (0..20).map(|device| format!("sim-{device:07}")).collect::<Vec<_>>());
    let (measured, gauges) = sample_until(&fleet, |_, gauges| gauges.ready == 20).await;
    assert_eq!((gauges.connected, gauges.gave_up, gauges.stages), (20, 0, [20, 0, 0, 0, 0, 0]));
    assert_eq!(measured.series[&Series::Connect].count(), 20);
    assert_eq!(measured.series[&Series::TwinAck(FirmwareStatus::StandBy)].count(), 20);
    assert_eq!(measured.retries.connect_attempts(), 20);
    let (measured, _) = sample_until(&fleet, |measured, _| measured.loop_lag.len() == 2).await;
    assert_eq!(measured.loop_lag.keys().collect::<Vec<_>>(), ["fleet-0", "fleet-1"]);
    assert_eq!(fleet.failures().await, []);
    fleet.stop(LIMIT).await;
    wait_for(&mut log, "Disconnect", 20).await;
}

#[tokio::test]
async fn updates_run_and_leave_their_truth_and_their_trace() {
    let (address, mut log) = hub(Manner::Calls).await;
    let truth = Arc::new(Truth::new(DeviceRange { start: 10, end: 15 }));
    let (notes, traced) = std::sync::mpsc::sync_channel(1000);
    let tracer = Tracer::new(12, move |_, event: &TraceEvent| notes.send(event.to_string()).unwrap());
    let plan = FleetPlan {
        range: DeviceRange { start: 10, end: 15 },
        truth: Some(Arc::clone(&truth)),
        tracer: Some(Arc::new(tracer)),
        ..plan(address, 20)
    };
    let fleet = Fleet::start(plan).unwrap();
    fleet.load_starts(Nanos::ZERO, Nanos::ZERO).await;
    wait_for(&mut log, "completed", 5).await;
    let acked = Series::TwinAck(FirmwareStatus::Completed);
    let all_acked = |all: &Measurements, _: &Gauges| all.series.get(&acked).is_some_and(|data| data.count() == 5);
    let (_, gauges) = sample_until(&fleet, all_acked).await;
    assert_eq!((gauges.stages, gauges.reporting), ([0, 0, 0, 5, 0, 0], 0));
    for device in 10..15 {
        let times = truth.of(device, "u1").unwrap();
        assert_eq!(times.chosen, Duration::from_millis(15));
        let published = [1, 2, 3].map(|status| times.published[status].unwrap());
        assert!(times.received.unwrap() < published[0] && published.is_sorted());
    }
    fleet.stop(LIMIT).await;
    let trace: Vec<String> = traced.into_iter().collect();
    for part in ["CONNACK: accepted", "received method firmwareUpdate", "update 0 starts", "published completed", "204"]
    {
        assert!(trace.iter().any(|line| line.contains(part)), "{part}: {trace:#?}");
    }
    assert!(!trace.iter().any(|line| line.contains("SharedAccessSignature")));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fleet = Fleet::start(plan(nobody, 4)).unwrap();
    let tried = |all: &Measurements, _: &Gauges| all.retries.connect_attempts() >= 8;
    let (measured, gauges) = sample_until(&fleet, tried).await;
    assert_eq!((gauges.connected, gauges.ready), (0, 0));
    assert!(measured.series[&Series::ConnectError].count() >= 8);
    let failures = fleet.failures().await;
    assert_eq!(failures[0].text, format!("hub unreachable: connection refused at {nobody}"));
    assert!(failures.len() == 1 && failures[0].count >= 8 && !failures[0].local);
    fleet.stop(LIMIT).await;
}

#[tokio::test]
async fn a_source_address_of_another_machine_is_named_before_any_device_starts() {
    let mut plan = plan(([127, 0, 0, 1], 1).into(), 4);
    plan.config.source_addresses = SourceAddresses::Listed(vec!["192.0.2.4".parse().unwrap()]);
    let Err(error) = Fleet::start(plan) else { panic!("it started") };
    assert!(error.to_string().starts_with("no connection can come from 192.0.2.4: "), "{error}");
}

#[tokio::test]
async fn devices_that_are_not_let_in_give_up_and_say_why() {
    let (address, mut log) = hub(Manner::Refuses).await;
    let fleet = Fleet::start(plan(address, 4)).unwrap();
    let (measured, gauges) = sample_until(&fleet, |_, gauges| gauges.ready == 4).await;
    assert_eq!((gauges.gave_up, gauges.connected, measured.retries.connect_attempts()), (4, 0, 4));
    assert!(fleet.failures().await[0].text.contains("not authorized"));
    wait_for(&mut log, "gone", 4).await;
    fleet.stop(LIMIT).await;
}

#[tokio::test]
async fn devices_without_an_answer_count_as_reporting() {
    let (address, mut log) = hub(Manner::Mute).await;
    let fleet = Fleet::start(plan(address, 6)).unwrap();
    wait_for(&mut log, "standBy", 6).await;
    let (_, gauges) = sample_until(&fleet, |_, gauges| gauges.reporting == 6).await;
    assert_eq!((gauges.connected, gauges.ready), (6, 0));
    fleet.stop(LIMIT).await;
}

#[tokio::test]
async fn what_strikes_is_counted_without_a_truth_board() {
    let fault = |kind, at| Fault { at, ..Fault::new(kind) };
    let faults = [
        fault(FaultKind::Reject(Reject { status: 500 }), Duration::ZERO),
        fault(FaultKind::Offline, Duration::from_millis(300)),
    ];
    let (address, mut log) = hub(Manner::Calls).await;
    let plan = plan(address, 4);
    let clock = plan.clock;
    let fleet = Fleet::start(FleetPlan { faults: Arc::new(FaultPlan::new(Seed(7), &faults, 4)), ..plan }).unwrap();
    wait_for(&mut log, "rejected", 4).await;
    fleet.load_starts(clock.now(), Nanos::ZERO).await;
    wait_for(&mut log, "Disconnect", 4).await;
    let strikes = |all: &Measurements, fault| all.faults.get(&fault).map_or(0, |counts| counts.strikes);
    sample_until(&fleet, |all, _| (strikes(all, 0), strikes(all, 1)) == (4, 4)).await;
    fleet.stop(LIMIT).await;
}

#[tokio::test]
async fn a_sample_that_nobody_takes_is_kept_for_the_next_one() {
    let (address, mut log) = hub(Manner::Plain).await;
    let fleet = Fleet::start(plan(address, 4)).unwrap();
    wait_for(&mut log, "standBy", 4).await;
    for worker in &fleet.workers {
        let (gone, _) = oneshot::channel();
        assert!(worker.commands.send(Command::Sample(gone)).await.is_ok());
    }
    let all = |all: &Measurements, gauges: &Gauges| gauges.ready == 4 && all.retries.connect_attempts() == 4;
    sample_until(&fleet, all).await;
    fleet.stop(LIMIT).await;
}

#[tokio::test]
async fn a_fleet_that_has_stopped_gives_everything_back_however_often() {
    for _ in 0..2 {
        let (address, mut log) = hub(Manner::Calls).await;
        let plan = plan(address, 20);
        // Every worker holds one, and every device its worker: what is left behind would keep it.
        let held = Arc::downgrade(&plan.faults);
        let fleet = Fleet::start(plan).unwrap();
        wait_for(&mut log, "completed", 20).await;
        fleet.stop(LIMIT).await;
        let given_back = async {
            while held.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, given_back).await.expect("everything is given back");
    }
}

#[tokio::test]
async fn dropping_a_fleet_closes_its_connections() {
    let (address, mut log) = hub(Manner::Plain).await;
    let fleet = Fleet::start(plan(address, 6)).unwrap();
    wait_for(&mut log, "standBy", 6).await;
    drop(fleet);
    wait_for(&mut log, "gone", 6).await;
}

#[test]
fn a_devices_task_is_small() {
    let worker = workers::Worker::for_tests(plan(([127, 0, 0, 1], 1).into(), 1));
    let size = size_of_val(&task::run(worker, 0));
    // With what the runtime adds, it then takes 640 bytes: tasks are rounded up to multiples of 128.
    assert!(size <= 528, "{size} bytes");
}

/// The first connections that devices open to a TLS hub which closes each right after CONNACK, and whether they resumed
/// a session.
async fn resumed_connections(resumption: bool) -> Vec<bool> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (server, authority) = server_for("127.0.0.1");
    let mut plan = plan(listener.local_addr().unwrap(), 1);
    plan.tls = Some(ClientTls::new("127.0.0.1", &authority, resumption).unwrap());
    let fleet = Fleet::start(plan).unwrap();
    let mut resumed = Vec::new();
    while resumed.len() < 3 {
        let mut peer = Connection::server(listener.accept().await.unwrap().0, &server).unwrap();
        let mut scratch = Scratch::default();
        poll_fn(|cx| peer.poll_handshake(cx, &mut scratch)).await.unwrap();
        poll_fn(|cx| peer.poll_connect(cx, &mut scratch)).await.unwrap();
        resumed.push(peer.is_resumed());
        let accepted = Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success });
        peer.send(&mut scratch, &[accepted]).unwrap();
        poll_fn(|cx| peer.poll_flush(cx)).await.unwrap();
        // What the device says before the connection ends: a socket with unread bytes would reset it.
        let _ = poll_fn(|cx| peer.poll_receive(cx, &mut scratch, &mut Vec::new())).await;
    }
    fleet.stop(Duration::ZERO).await;
    resumed
}

#[tokio::test]
async fn a_device_that_comes_back_resumes_its_tls_session_if_that_is_wanted() {
    assert_eq!(timeout(LIMIT, resumed_connections(true)).await.unwrap(), [false, true, true]);
    assert_eq!(timeout(LIMIT, resumed_connections(false)).await.unwrap(), [false, false, false]);
}
