//! A session against a scripted hub, in virtual time.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::device::link::State;
use crate::device::{Event, FirmwareConfig, FleetConfig, Input, Output, Session, Settings};
use crate::dialect::azure::{AzureDevice, FromDevice, FromHub, Key, SasToken};
use crate::mqtt::{ConnAck, ConnectReturnCode, Impairment, Packet, QoS, SubAck, SubscribeReasonCode, publish};
use crate::policy::{Backoff, Delay, Fault, FaultKind, FaultPlan, RetryPolicy};
use crate::random::Seed;
use crate::time::{Nanos, TimestampFormat, WallClock};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The answer to the call of an update.
pub(super) const STARTED: &str = r#"200 {"Response":"Firmware update started"}"#;

pub(super) fn at(seconds: f64) -> Nanos {
    Nanos::ZERO + Duration::from_secs_f64(seconds)
}

pub(super) fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind)
}

pub(super) fn settings(faults: &[Fault]) -> Settings<AzureDevice> {
    let retry = RetryPolicy::new(Backoff::Fixed { delay: SECOND });
    Settings {
        dialect: AzureDevice::new("hub.test", Key::from_bytes([7; 32]), 60),
        ids: crate::policy::DeviceIds::new("sim-"),
        fleet: FleetConfig {
            devices: 10,
            id_prefix: "sim-".to_owned(),
            devices_file: None,
            auth: crate::device::Auth::Sas,
            connect_rate: 100.0,
            connect_in_flight: 10,
            connect_slow_down: None,
            connect_settle: None,
            telemetry: None,
            churn: None,
            spontaneous_for: Duration::ZERO,
            source_addresses: crate::mqtt::SourceAddresses::Auto,
            transport: crate::device::Transport::Tcp,
            tls_resumption: false,
            keep_alive: 60 * SECOND,
            token_life: 3600 * SECOND,
            workers: 1,
            timestamps: TimestampFormat::Rfc3339,
            retry_connect: retry.into(),
            retry_twin: retry,
        },
        firmware: FirmwareConfig {
            wait: Delay::Fixed(15 * SECOND),
            download: Delay::Fixed(15 * SECOND),
            apply: Delay::Fixed(15 * SECOND),
            image: None,
            version: "1".to_owned(),
        },
        version: "1".into(),
        faults: Arc::new(FaultPlan::new(Seed(7), faults, 10)),
        seed: Seed(7),
        wall: WallClock::new("2026-01-02T03:04:05Z".parse().unwrap()),
    }
}

/// How the hub behaves.
pub(super) struct Hub {
    /// TCP connections are refused.
    pub(super) closed: bool,
    /// Whatever a device sends gets lost.
    pub(super) deaf: bool,
    pub(super) connack: ConnectReturnCode,
    /// The answer to reports; `None`: merged, but the answer is lost.
    pub(super) twin: Option<u16>,
}

pub(super) struct Rig {
    pub(super) session: Session<AzureDevice>,
    pub(super) now: Nanos,
    pub(super) hub: Hub,
    /// Everything the device did, in order, with its time: `open`, `close`, packets, method answers, reports.
    pub(super) log: Vec<(Nanos, String)>,
    pub(super) events: Vec<Event>,
    /// Documents of the reports that reached the hub.
    pub(super) documents: Vec<String>,
    open: bool,
    /// When the token of each connection ends.
    pub(super) expires: Vec<Nanos>,
    /// What is wrong with the path: in a black hole nothing is sent or heard.
    pub(super) impairment: Impairment,
    calls: u32,
}

impl Rig {
    pub(super) fn new(settings: Settings<AzureDevice>, device: u32) -> Self {
        let session = Session::new(Rc::new(settings), device, false);
        let hub = Hub { closed: false, deaf: false, connack: ConnectReturnCode::Success, twin: Some(204) };
        let (log, events, documents) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            session,
            now: Nanos::ZERO,
            hub,
            log,
            events,
            documents,
            open: false,
            expires: Vec::new(),
            impairment: Impairment::default(),
            calls: 0,
        }
    }

    /// A device that stands by.
    pub(super) fn online(faults: &[Fault]) -> Self {
        let mut rig = Self::new(settings(faults), 3);
        rig.run_until(at(1.0));
        assert_eq!(rig.documents.len(), 1);
        rig
    }

    /// Lets time pass until `until`.
    pub(super) fn run_until(&mut self, until: Nanos) {
        self.settle();
        while self.session.wake_at() <= until {
            self.now = self.session.wake_at();
            self.settle();
        }
        self.now = self.now.max(until);
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        self.take(out);
        self.settle();
    }

    /// Cuts the connection.
    pub(super) fn cut(&mut self) {
        if std::mem::take(&mut self.open) {
            self.input(Input::Lost("cut".to_owned()));
        }
    }

    pub(super) fn call_method(&mut self, name: &str, payload: &str) {
        if self.open && !self.impairment.black_hole {
            self.calls += 1;
            let topic = FromHub::Method { name, rid: &format!("c{}", self.calls) }.to_string();
            let payload = Bytes::copy_from_slice(payload.as_bytes());
            self.input(Input::Packet(publish(topic, QoS::AtMostOnce, 0, payload)));
        }
    }

    pub(super) fn call(&mut self, id: &str) {
        self.call_method("firmwareUpdate", &format!(r#"{{"fwPackageUri":"x","updateId":"{id}","fwVersion":"2"}}"#));
    }

    /// What was logged since the last time, without times.
    pub(super) fn did(&mut self) -> Vec<String> {
        self.log.drain(..).map(|(_, what)| what).collect()
    }

    /// When `what` was logged.
    pub(super) fn times(&self, what: &str) -> Vec<Nanos> {
        self.log.iter().filter(|(_, logged)| logged == what).map(|(time, _)| *time).collect()
    }

    pub(super) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|seen| *seen == event).count()
    }

    /// Whether anything was told to have gone wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Failed(_)))
    }

    pub(super) fn samples(&self, series: crate::policy::Series) -> Vec<Duration> {
        let sample = |event: &Event| match event {
            Event::Sample(of, duration) if *of == series => Some(*duration),
            _ => None,
        };
        self.events.iter().filter_map(sample).collect()
    }

    fn settle(&mut self) {
        let mut out = Vec::new();
        self.session.poll(self.now, &mut out);
        self.take(out);
        assert!(self.session.wake_at() > self.now, "the session wants to be polled for ever");
    }

    fn take(&mut self, out: Vec<Output>) {
        let mut inputs = Vec::new();
        for output in out {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Close | Output::Cut { .. } => {
                    self.open = false;
                    self.log(if output == Output::Close { "close" } else { "cut" });
                    inputs.clear();
                }
                Output::Download { package, update } => self.log(&format!("download {} {update}", package.uri)),
                Output::Impair(impairment) => {
                    assert!(self.open);
                    self.log(if impairment == Impairment::default() { "sound" } else { "impaired" });
                    self.impairment = impairment;
                }
                Output::Intruder(begins) => self.log(if begins { "intruder" } else { "no intruder" }),
                Output::Connect => {
                    assert!(!self.open && self.session.link.state() == State::Opening);
                    self.log("open");
                    let since = self.now;
                    self.open = !self.hub.closed;
                    self.impairment = Impairment::default();
                    inputs.push(match self.hub.closed {
                        true => Input::OpenFailed { since, reason: "refused".to_owned() },
                        false => Input::Opened { since },
                    });
                }
                Output::Send(packet) => {
                    assert!(self.open, "sent over a closed connection: {packet:?}");
                    inputs.extend(self.receive(packet).map(Input::Packet));
                }
            }
        }
        if !inputs.is_empty() {
            let mut out = Vec::new();
            inputs.into_iter().for_each(|input| self.session.handle(self.now, input, &mut out));
            self.session.poll(self.now, &mut out);
            self.take(out);
        }
    }

    /// The hub's answer to a packet.
    fn receive(&mut self, packet: Packet) -> Option<Packet> {
        let answer = match &packet {
            Packet::Connect(connect) => {
                let password = &connect.login.as_ref().unwrap().password;
                assert!(password.contains("sim-0000003"));
                let token = SasToken::parse(password).unwrap();
                let is_right = token.is_signed_by(&Key::from_bytes([7; 32]).derive("sim-0000003"));
                self.expires.push(self.session.settings.wall.moment(Timestamp::from_second(token.expiry).unwrap()));
                self.log(if is_right { "CONNECT" } else { "CONNECT wrong key" });
                Some(Packet::ConnAck(ConnAck { session_present: false, code: self.hub.connack }))
            }
            Packet::Subscribe(subscribe) => {
                self.log(&format!("SUBSCRIBE {}", subscribe.filters.len()));
                let granted = vec![SubscribeReasonCode::Success(QoS::AtMostOnce); subscribe.filters.len()];
                Some(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes: granted }))
            }
            Packet::PingReq => {
                self.log("PINGREQ");
                Some(Packet::PingResp)
            }
            Packet::Publish(message) => {
                let text = String::from_utf8(message.payload.to_vec()).unwrap();
                match FromDevice::parse(&message.topic).unwrap() {
                    FromDevice::ReportedPatch { rid } => {
                        assert!(message.qos == QoS::AtLeastOnce && message.pkid != 0);
                        let twin = self.hub.twin.map(|status| if is_legal(&text) { status } else { 400 });
                        self.log(&subject(&text));
                        if !self.hub.deaf && !self.impairment.black_hole {
                            self.documents.push(text);
                        }
                        twin.map(|status| {
                            let topic = FromHub::TwinResponse { status, rid, version: Some(2) }.to_string();
                            publish(topic, QoS::AtMostOnce, 0, Bytes::new())
                        })
                    }
                    FromDevice::MethodResponse { status, .. } => {
                        self.log(&format!("{status} {text}"));
                        None
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => {
                self.log(&format!("{other:?}"));
                None
            }
        };
        answer.filter(|_| !self.hub.deaf && !self.impairment.black_hole)
    }

    fn log(&mut self, what: &str) {
        self.log.push((self.now, what.to_owned()));
    }
}

/// Whether a hub takes this report.
fn is_legal(report: &str) -> bool {
    report.len() <= 32 * 1024 && serde_json::from_str::<serde_json::Value>(report).is_ok()
}

/// What a report is about.
fn subject(report: &str) -> String {
    let Ok(report) = serde_json::from_str::<serde_json::Value>(report) else { return "no JSON".to_owned() };
    match &report["firmwareStatus"] {
        serde_json::Value::String(status) => status.clone(),
        serde_json::Value::Null => report.as_object().unwrap().keys().next_back().unwrap().clone(),
        other => other.to_string(),
    }
}
