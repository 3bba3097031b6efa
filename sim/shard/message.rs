//! The messages between a coordinator and its shards:
//! `Hello -> Assign -> Ready -> StartAt -> Release* -> Progress* -> Heal? -> Stop -> Result`. They hold plain data only,
//! so that the same
//! few serve a thread, a process and another machine. Between processes each is a line of JSON.

use std::fmt;
use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::wire;
use crate::device::Transport;
use crate::dialect::azure::{ConnectionString, DeviceSecrets};
use crate::dialect::plain::Password;
use crate::measure::{Gauges, Measurements, TraceEvent, Usage};
use crate::policy::{DeviceIds, DeviceRange};
use crate::profile::Plan;
use crate::time::Nanos;

/// From the coordinator to a shard.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToShard {
    /// What to do; answered by `Ready`, or by `Failed`.
    Assign(Box<Assignment>),
    /// The load starts then, by wall time; every shard gets the same moment.
    StartAt(Timestamp),
    /// A further wave of the roll-out is released then, by wall time; the first is by the start.
    Release {
        /// The wave, from 0.
        wave: u32,
        /// The moment.
        at: Timestamp,
    },
    /// Lift every fault; how the fleet comes back is told by `Progress`, ten times a second.
    Heal {
        /// Whether to stop calling as well: what is unfinished ends as `aborted`.
        abort: bool,
    },
    /// Stop calling, bring everything to an end, answer with `Result`.
    Stop(StopReason),
}

/// From a shard to its coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromShard {
    /// The first word: how many descriptors the shard may open.
    Hello {
        /// The limit.
        descriptors: u64,
    },
    /// Devices are connected, the observer is primed.
    Ready,
    /// Something happened to the device that is followed.
    Trace(Nanos, TraceEvent),
    /// Once a second from the assignment on, and once more when every update has ended: what happened since the last time.
    Progress(Box<Progress>),
    /// The shard cannot do what was assigned; it has ended. Says why and the way out.
    Failed(String),
    /// The last word: what happened since the last progress.
    Result(Box<Progress>),
}

/// A shard's share of the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// Number of the shard.
    pub shard: u32,
    /// When the run started; the shard's times count from there.
    pub epoch: Timestamp,
    /// The plan of the whole run.
    pub plan: Plan,
    /// The devices of this shard.
    pub range: DeviceRange,
    /// Their ids.
    pub ids: DeviceIds,
    /// Which of the actors it runs.
    pub roles: Roles,
    /// Where the hub is.
    pub endpoints: Endpoints,
    /// The image that devices really download, if they do.
    pub image: Option<ImageOffer>,
    /// How to prove oneself to the hub.
    #[serde(with = "wire::credentials")]
    pub credentials: Credentials,
    /// What every `updateId` of this run begins with.
    pub run_id: String,
    /// A device to follow, if it is one of the range; what happens to it is told by [`FromShard::Trace`].
    pub trace: Option<u32>,
    /// Forget so many outcomes: proves that the census notices.
    pub swallow_outcomes: u32,
}

/// An image that devices download.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOffer {
    /// Where it is, with the signature that it may hold.
    pub url: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The certificates of those who may have signed the server's, in PEM; `None` for those whom this system trusts.
    pub authority: Option<String>,
}

impl fmt::Debug for ImageOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may be signed: whoever has it has the image.
        f.debug_struct("ImageOffer").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Which actors a shard runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// The devices.
    pub fleet: bool,
    /// The operator's service.
    pub driver: bool,
}

impl Roles {
    /// Both ends in one run.
    pub const BOTH: Self = Self { fleet: true, driver: true };
    /// The devices alone.
    pub const FLEET: Self = Self { fleet: true, driver: false };
    /// The driver alone.
    pub const DRIVER: Self = Self { fleet: false, driver: true };
}

/// Where a hub listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// MQTT; `None` if there are no devices to connect.
    pub mqtt: Option<SocketAddr>,
    /// By what the hub proves itself, if devices speak TLS with it; `None` for plain TCP.
    pub tls: Option<HubProof>,
    /// Where a WebSocket is asked for, if MQTT goes over that.
    pub websocket: Option<String>,
    /// Base URL of the REST interface; `None` if nothing is to be asked of it.
    pub rest: Option<String>,
    /// The certificates of those who may have signed that of the REST interface, in PEM; `None` for those whom this
    /// system trusts.
    pub rest_authority: Option<String>,
    /// Base URL of the images that the hub serves, over TLS where devices speak that with it; `None` for no such hub.
    pub images: Option<String>,
    /// The hub's host name, as tokens carry it.
    pub host: String,
}

impl Endpoints {
    /// What MQTT goes over.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match (&self.tls, &self.websocket) {
            (Some(_), Some(_)) => Transport::Wss,
            (Some(_), None) => Transport::Tls,
            (None, Some(_)) => Transport::Ws,
            (None, None) => Transport::Tcp,
        }
    }
}

/// By what a hub proves itself in TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubProof {
    /// The name or the address that its certificate is for.
    pub host: String,
    /// The certificates of those who may have signed it, in PEM; `None` for those whom this system trusts.
    pub authority: Option<String>,
}

/// Secrets of a run. They never show themselves in a debug print.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The service's; needed to register devices and by a driver.
    pub service: Option<ConnectionString>,
    /// The devices'; needed by a fleet.
    pub devices: Option<DeviceSecrets>,
    /// Those of a plain broker.
    pub broker: BrokerSecrets,
}

/// What opens a plain broker, where it asks for anything.
#[derive(Debug, Clone, Default)]
pub struct BrokerSecrets {
    /// The devices' password.
    pub devices: Option<Password>,
    /// The driver's.
    pub driver: Option<Password>,
    /// A certificate and the key to it, in PEM, for driver and devices.
    pub client: Option<(String, Password)>,
}

/// Why a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// Every update has ended.
    Finished,
    /// The user said so.
    Interrupted,
    /// Too many updates of the roll-out failed.
    RolloutAborted,
    /// A threshold that ends the run is broken.
    ThresholdBroken,
    /// The hub is gone: what is unfinished ends as `hub_error`.
    HubDied,
}

/// What happened in a shard since the last message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From when on, since the run's start.
    pub from: Nanos,
    /// Until when, since the run's start.
    pub until: Nanos,
    /// What was measured since.
    #[serde(with = "wire::measurements")]
    pub measurements: Measurements,
    /// What stands now.
    pub gauges: Gauges,
    /// What the shard's process has used of the machine so far.
    pub usage: Usage,
    /// Descriptors that it had open when they were counted last.
    pub descriptors: u64,
    /// Whether every planned update has ended.
    pub finished: bool,
    /// What the user should know, in words: the first few reasons why devices do not connect.
    pub warnings: Vec<String>,
    /// What makes the result invalid, in words: a worker that died, something that ran out on this machine.
    pub mishaps: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dialect::azure::Key;
    use crate::measure::{Answer, Event, Happening, Invariant, MessageKind, OffDiagonal, Violation};
    use crate::policy::{DrillPhase, FirmwareStatus, Hit, Outcome, Series};
    use crate::profile::{self, Override};
    use crate::shard::lines::{read_line, write_line};

    fn travelled<T: Serialize + for<'de> Deserialize<'de>>(message: &T) -> T {
        let mut pipe = Vec::new();
        write_line(&mut pipe, message).unwrap();
        read_line(&mut &pipe[..], &mut Vec::new()).unwrap().unwrap()
    }

    #[test]
    fn progress_arrives_as_it_was_sent() {
        let second = Duration::from_secs(1);
        let mut progress = Progress { until: Nanos::ZERO + second, finished: true, ..Progress::default() };
        progress.gauges.stages[2] = 7;
        progress.warnings.push("a \"warning\"".to_owned());
        progress.usage = Usage { cpu: Duration::from_micros(1_500_001), rss_peak: 5 };
        let measurements = &mut progress.measurements;
        for series in Series::ALL {
            let data = measurements.series.entry(series).or_default();
            (0..3).for_each(|n| data.record(Duration::from_micros(1 << (9 * n))));
            data.record(Duration::from_secs(7200));
        }
        measurements.census.planned = 9;
        measurements.census.record(Outcome::Failed, "applying/checksum_mismatch");
        measurements.counters.late = 3;
        let fault = measurements.faults.entry(1).or_default();
        (fault.strikes, fault.late, fault.off_diagonal) = (5, 1, 2);
        fault.observed.insert(Outcome::Stuck, 2);
        fault.recovery.get_or_insert_default().record(second);
        fault.found.get_or_insert_default().record(2 * second);
        measurements.judged.add(Hit::One(1), Outcome::Stuck, 2);
        measurements.judged.off_diagonal(OffDiagonal { device: "sim-1".to_owned(), ..OffDiagonal::default() });
        measurements.invariants.violated(Invariant::VersionGrows, 1, Violation::default());
        measurements.loop_lag.entry("driver".to_owned()).or_default().0.record(second);
        measurements.messages.of(MessageKind::Report).acknowledged = 4;
        for (name, samples) in [("driver-0", 2), ("driver-1", 0)] {
            let line = measurements.lines.entry(name.to_owned()).or_default();
            (line.share, line.received, line.sent, line.reconnects) = ("group".to_owned(), 3, 2, 1);
            (line.losses, line.lost_by) = (2, "the broker closed".to_owned());
            (0..samples).for_each(|_| line.lag.record(second));
        }
        measurements.sent_span = Some((Nanos::ZERO + second, Nanos::ZERO + 2 * second));
        let phase = measurements.phases.entry(DrillPhase::After).or_default();
        phase.census.record(Outcome::Completed, "");
        phase.series.entry(Series::UpdateTotal).or_default().record(second);
        measurements.retries.connect(1).retry(second);
        measurements.retries.back(1, second);
        measurements.retries.method.attempts = 3;
        measurements.retries.twin.give_ups = 2;
        measurements.settled.census.record(Outcome::Throttled, "");
        measurements.settled.calls_due = 4;
        let wave = measurements.waves.entry(1).or_default();
        wave.call(Nanos::ZERO + second);
        wave.end(Outcome::Failed);
        for what in [
            Happening::Due,
            Happening::Answered { answer: Some(Answer::Device(-1)), service: Some(second), response: None },
            Happening::EndedUncalled { outcome: Outcome::Aborted, detail: "not_called".into(), count: 5 },
        ] {
            measurements.events.note(Event { at: Nanos::ZERO + second, device: 7, update: 8, what });
        }
        assert_eq!(travelled(&progress), progress);
        let trace = FromShard::Trace(
            Nanos::ZERO,
            TraceEvent::Published { status: FirmwareStatus::StandBy, document: "{}".into() },
        );
        assert!(matches!(travelled(&trace), FromShard::Trace(_, TraceEvent::Published { .. })));
    }

    #[test]
    fn every_plan_arrives_as_it_was_sent_and_secrets_with_it() {
        let service = "HostName=h;SharedAccessKeyName=service;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";
        for (name, _) in profile::list().unwrap() {
            let ramp = Override::set("load.ramp={ from = \"10/s\", over = \"3s\" }").unwrap();
            let overrides = if name == "quickstart" { vec![ramp] } else { Vec::new() };
            let assignment = Assignment {
                shard: 3,
                epoch: Timestamp::UNIX_EPOCH,
                plan: profile::load(name, &overrides).unwrap(),
                range: DeviceRange { start: 5, end: 9 },
                ids: DeviceIds::new("sim-"),
                roles: Roles::BOTH,
                endpoints: Endpoints {
                    mqtt: None,
                    tls: Some(HubProof { host: "h".into(), authority: Some("PEM".into()) }),
                    websocket: Some("/path".into()),
                    rest: Some("http://h".into()),
                    rest_authority: None,
                    images: None,
                    host: "h".into(),
                },
                image: Some(ImageOffer { url: "http://h/i".into(), sha256: "00".into(), authority: None }),
                credentials: Credentials {
                    service: Some(ConnectionString::parse(service).unwrap()),
                    devices: Some(Key::from_bytes([7; 32]).into()),
                    broker: BrokerSecrets { driver: Some(Password::new("p".into())), ..BrokerSecrets::default() },
                },
                run_id: "r".to_owned(),
                trace: Some(5),
                swallow_outcomes: 0,
            };
            let ToShard::Assign(arrived) = travelled(&ToShard::Assign(Box::new(assignment.clone()))) else { panic!() };
            assert_eq!(
                (arrived.plan, arrived.range, arrived.endpoints),
                (assignment.plan, assignment.range, assignment.endpoints)
            );
            assert_eq!(arrived.credentials.service.as_ref().map(ConnectionString::reveal).as_deref(), Some(service));
            assert_eq!(arrived.credentials.broker.driver, assignment.credentials.broker.driver);
            let key = |credentials: Credentials| credentials.devices.and_then(|devices| devices.key(5, "a"));
            assert_eq!(key(arrived.credentials), key(assignment.credentials));
        }
    }
}
