//! A broker that goes by a script, over real sockets. It plays its devices, too.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::dialect::plain::{PlainOperator, PlainSettings};
use crate::driver::broker::BrokerSettings;
use crate::driver::{DriverPlan, LineConfig, ObserveKind, ServiceSettings, scripted, tests};
use crate::mqtt::{
    ConnAck, ConnectReturnCode, Connection, Packet, PubAck, Publish, QoS, Scratch, SubAck, Subscribe,
    SubscribeReasonCode, publish,
};

/// How the broker and its devices behave.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// CONNACK; `None` lets everybody in.
    pub(super) refuses: Option<ConnectReturnCode>,
    /// The filter that nobody may subscribe to ends so.
    pub(super) forbidden: Option<&'static str>,
    /// What is retained of each device's presence.
    pub(super) online: Option<bool>,
    /// Devices of which that is retained, two at least.
    pub(super) devices: u32,
    /// Whether devices leave calls unanswered.
    pub(super) silent: bool,
    /// What is retained of each device's reports.
    pub(super) kept: Option<&'static str>,
    /// Whether the first call that ever comes ends the connection, and once what has happened.
    pub(super) hangs_up: Option<HangUp>,
    /// By clients with this end of their names alone.
    pub(super) hangs_up_on: &'static str,
    /// Whether what is retained of presence comes late, with the answer to a ping, on all connections but a client's first.
    pub(super) retells_late: bool,
    /// Whether reports come late in the same way, on every connection.
    pub(super) reports_late: bool,
    /// Whether a client whose connection was lost is let in again.
    pub(super) turns_away: bool,
    /// Whether pings are never answered.
    pub(super) unanswered_pings: bool,
    /// Whether calls are never acknowledged.
    pub(super) unacknowledged: bool,
    /// Whether a session that a client wants to be kept is kept.
    pub(super) keeps_sessions: bool,
}

/// When a broker that hangs up does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HangUp {
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
pub(super) struct Seen {
    pub(super) connects: u32,
    pub(super) clients: BTreeSet<String>,
    pub(super) has_hung_up: bool,
    pub(super) filters: BTreeSet<String>,
    pub(super) subscribes: u32,
    pub(super) calls: u32,
    pub(super) farewells: u32,
}

/// A broker in this process.
pub(super) struct ScriptedBroker {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Seen>>,
}

impl ScriptedBroker {
    pub(super) async fn start(script: Script) -> Self {
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
    pub(super) fn plan(&self, devices: u32, settings: PlainSettings) -> DriverPlan {
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
