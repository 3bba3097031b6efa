//! The parts of messages that serde alone cannot carry: histograms, and secrets, which travel only through pipes between
//! our own processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::{BrokerSecrets, Credentials};
use crate::dialect::azure::{CertificateFiles, ConnectionString, DeviceSecrets, Key};
use crate::dialect::plain::Password;
use crate::measure::{
    Census, Counters, Events, FaultCounts, Invariants, Judged, LineHealth, LoopLag, Measurements, Messages,
    OffDiagonal, PhaseData, RetryCounts, RetryTally, SeriesData, Settled, WaveCount,
};
use crate::policy::{Arena, DrillPhase, Hit, Outcome, Series};
use crate::report;
use crate::time::Nanos;

/// Measurements as they travel. Most of them are empty most of the time.
#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    series: BTreeMap<String, PackedSeries>,
    census: Census,
    counters: Counters,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    faults: BTreeMap<usize, PackedFault>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    matrix: Vec<(Hit, Outcome, u64)>,
    #[serde(default)]
    off_diagonal: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    examples: Vec<OffDiagonal>,
    #[serde(default, skip_serializing_if = "Invariants::is_empty")]
    invariants: Invariants,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    loop_lag: BTreeMap<String, PackedSeries>,
    sent_span: Option<(Nanos, Nanos)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    phases: BTreeMap<DrillPhase, PackedPhase>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    waves: BTreeMap<u32, WaveCount>,
    retries: PackedRetries,
    #[serde(default, skip_serializing_if = "Messages::is_empty")]
    messages: Messages,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lines: BTreeMap<String, PackedLine>,
    #[serde(default)]
    settled: Settled,
    #[serde(default, skip_serializing_if = "Events::is_empty")]
    events: Events,
}

/// A phase of a drill.
#[derive(Serialize, Deserialize)]
struct PackedPhase {
    census: Census,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    series: BTreeMap<String, PackedSeries>,
}

/// What was tried, and tried again.
#[derive(Serialize, Deserialize)]
struct PackedRetries {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    connect: BTreeMap<usize, RetryCounts>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    back: BTreeMap<usize, PackedSeries>,
    method: RetryCounts,
    twin: RetryCounts,
}

/// A histogram in its compressed form.
#[derive(Serialize, Deserialize)]
struct PackedSeries {
    hdr: String,
    #[serde(default)]
    saturated: u64,
}

/// A connection of the driver.
#[derive(Serialize, Deserialize)]
struct PackedLine {
    share: String,
    received: u64,
    sent: u64,
    reconnects: u64,
    lost: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lag: Option<PackedSeries>,
}

/// What is counted of one fault.
#[derive(Serialize, Deserialize)]
struct PackedFault {
    strikes: u64,
    late: u64,
    observed: BTreeMap<Outcome, u64>,
    off_diagonal: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<PackedSeries>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<PackedSeries>,
}

impl PackedFault {
    fn pack<E: serde::ser::Error>(counts: &FaultCounts) -> Result<Self, E> {
        let pack = |data: &Option<Box<SeriesData>>| data.as_deref().map(PackedSeries::pack).transpose();
        Ok(Self {
            strikes: counts.strikes,
            late: counts.late,
            observed: counts.observed.clone(),
            off_diagonal: counts.off_diagonal,
            recovery: pack(&counts.recovery)?,
            found: pack(&counts.found)?,
        })
    }

    fn unpack<E: serde::de::Error>(self) -> Result<FaultCounts, E> {
        let unpack = |data: Option<PackedSeries>| data.map(|data| data.unpack().map(Box::new)).transpose();
        Ok(FaultCounts {
            strikes: self.strikes,
            late: self.late,
            observed: self.observed,
            off_diagonal: self.off_diagonal,
            recovery: unpack(self.recovery)?,
            found: unpack(self.found)?,
        })
    }
}

impl PackedLine {
    fn pack<E: serde::ser::Error>(line: &LineHealth) -> Result<Self, E> {
        let LineHealth { share, received, sent, reconnects, lost, lag } = line;
        let lag = (lag.count() > 0).then(|| PackedSeries::pack(lag)).transpose()?;
        Ok(Self { share: share.clone(), received: *received, sent: *sent, reconnects: *reconnects, lost: *lost, lag })
    }

    fn unpack<E: serde::de::Error>(self) -> Result<LineHealth, E> {
        let Self { share, received, sent, reconnects, lost, lag } = self;
        let lag = lag.map(|lag| lag.unpack()).transpose()?.unwrap_or_default();
        Ok(LineHealth { share, received, sent, reconnects, lost, lag })
    }
}

impl PackedSeries {
    fn pack<E: serde::ser::Error>(data: &SeriesData) -> Result<Self, E> {
        Ok(Self { hdr: report::encode(data).map_err(E::custom)?, saturated: data.saturated })
    }

    fn unpack<E: serde::de::Error>(&self) -> Result<SeriesData, E> {
        report::decode(&self.hdr, self.saturated).map_err(E::custom)
    }
}

/// Distributions under their names.
fn pack<E: serde::ser::Error>(series: &BTreeMap<Series, SeriesData>) -> Result<BTreeMap<String, PackedSeries>, E> {
    series.iter().map(|(series, data)| Ok((series.name().to_owned(), PackedSeries::pack(data)?))).collect()
}

fn unpack<E: serde::de::Error>(series: &BTreeMap<String, PackedSeries>) -> Result<BTreeMap<Series, SeriesData>, E> {
    series.iter().map(|(name, data)| Ok((named(name)?, data.unpack()?))).collect()
}

impl PackedPhase {
    fn pack<E: serde::ser::Error>(data: &PhaseData) -> Result<Self, E> {
        Ok(Self { census: data.census.clone(), series: pack(&data.series)? })
    }

    fn unpack<E: serde::de::Error>(self) -> Result<PhaseData, E> {
        Ok(PhaseData { series: unpack(&self.series)?, census: self.census })
    }
}

impl PackedRetries {
    fn pack<E: serde::ser::Error>(from: &RetryTally) -> Result<Self, E> {
        let back = from.back.iter().map(|(cohort, data)| Ok((*cohort, PackedSeries::pack(data)?)));
        let connect = from.connect.clone();
        Ok(Self { connect, back: back.collect::<Result<_, E>>()?, method: from.method, twin: from.twin })
    }

    fn unpack<E: serde::de::Error>(self) -> Result<RetryTally, E> {
        let Self { connect, back, method, twin } = self;
        let back = back.into_iter().map(|(cohort, data)| Ok((cohort, data.unpack()?)));
        Ok(RetryTally { connect, back: back.collect::<Result<_, E>>()?, method, twin })
    }
}

/// For `#[serde(with)]`: measurements.
pub(super) mod measurements {
    use super::{
        Deserialize, Deserializer, Judged, LoopLag, Measurements, Packed, PackedFault, PackedLine, PackedPhase,
        PackedRetries, PackedSeries, Serialize, Serializer, pack, unpack,
    };

    pub(in super::super) fn serialize<S: Serializer>(from: &Measurements, serializer: S) -> Result<S::Ok, S::Error> {
        let loop_lag = from.loop_lag.iter();
        let phases = from.phases.iter();
        Packed {
            series: pack(&from.series)?,
            census: from.census.clone(),
            counters: from.counters,
            faults: from
                .faults
                .iter()
                .map(|(fault, counts)| Ok((*fault, PackedFault::pack(counts)?)))
                .collect::<Result<_, S::Error>>()?,
            matrix: from.judged.matrix.iter().map(|((hit, outcome), count)| (*hit, *outcome, *count)).collect(),
            off_diagonal: from.judged.off_diagonal,
            examples: from.judged.examples.clone(),
            invariants: from.invariants.clone(),
            loop_lag: loop_lag
                .map(|(worker, lag)| Ok((worker.clone(), PackedSeries::pack(&lag.0)?)))
                .collect::<Result<_, S::Error>>()?,
            sent_span: from.sent_span,
            phases: phases
                .map(|(phase, data)| Ok((*phase, PackedPhase::pack(data)?)))
                .collect::<Result<_, S::Error>>()?,
            retries: PackedRetries::pack(&from.retries)?,
            waves: from.waves.clone(),
            messages: from.messages.clone(),
            lines: from
                .lines
                .iter()
                .map(|(name, line)| Ok((name.clone(), PackedLine::pack(line)?)))
                .collect::<Result<_, S::Error>>()?,
            settled: from.settled.clone(),
            events: from.events.clone(),
        }
        .serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Measurements, D::Error> {
        let packed = Packed::deserialize(deserializer)?;
        let loop_lag = packed.loop_lag.iter();
        let phases = packed.phases.into_iter();
        Ok(Measurements {
            series: unpack(&packed.series)?,
            census: packed.census,
            counters: packed.counters,
            faults: packed
                .faults
                .into_iter()
                .map(|(fault, counts)| Ok((fault, counts.unpack()?)))
                .collect::<Result<_, D::Error>>()?,
            judged: Judged {
                matrix: packed.matrix.into_iter().map(|(hit, outcome, count)| ((hit, outcome), count)).collect(),
                off_diagonal: packed.off_diagonal,
                examples: packed.examples,
            },
            invariants: packed.invariants,
            loop_lag: loop_lag
                .map(|(worker, lag)| Ok((worker.clone(), LoopLag(lag.unpack()?))))
                .collect::<Result<_, D::Error>>()?,
            sent_span: packed.sent_span,
            phases: phases.map(|(phase, data)| Ok((phase, data.unpack()?))).collect::<Result<_, D::Error>>()?,
            retries: packed.retries.unpack()?,
            waves: packed.waves,
            messages: packed.messages,
            lines: packed
                .lines
                .into_iter()
                .map(|(name, line)| Ok((name, line.unpack()?)))
                .collect::<Result<_, D::Error>>()?,
            settled: packed.settled,
            events: packed.events,
        })
    }
}

fn named<E: serde::de::Error>(name: &str) -> Result<Series, E> {
    Series::parse(name).ok_or_else(|| E::custom(format_args!("there is no series `{name}`")))
}

/// Secrets as they travel.
#[derive(Serialize, Deserialize)]
struct Revealed {
    service: Option<String>,
    devices: Option<RevealedDevices>,
    broker: RevealedBroker,
}

/// The same of a plain broker.
#[derive(Serialize, Deserialize)]
struct RevealedBroker {
    devices: Option<String>,
    driver: Option<String>,
    client: Option<(String, String)>,
}

impl RevealedBroker {
    fn of(secrets: &BrokerSecrets) -> Self {
        let text = |password: &Password| password.reveal().to_owned();
        Self {
            devices: secrets.devices.as_ref().map(text),
            driver: secrets.driver.as_ref().map(text),
            client: secrets.client.as_ref().map(|(certificate, key)| (certificate.clone(), text(key))),
        }
    }

    fn hide(self) -> BrokerSecrets {
        BrokerSecrets {
            devices: self.devices.map(Password::new),
            driver: self.driver.map(Password::new),
            client: self.client.map(|(certificate, key)| (certificate, Password::new(key))),
        }
    }
}

/// The same of devices: keys in base64, each numbered list with the number of its first.
#[derive(Serialize, Deserialize)]
enum RevealedDevices {
    Derived(String),
    Keys(u32, Vec<String>),
    Certificates(u32, Vec<String>, Vec<String>),
}

impl RevealedDevices {
    fn of(devices: &DeviceSecrets) -> Self {
        match devices {
            DeviceSecrets::Derived(master) => Self::Derived(master.to_base64()),
            DeviceSecrets::Keys(keys) => {
                Self::Keys(keys.first(), keys.iter().filter_map(Key::from_slice).map(|key| key.to_base64()).collect())
            }
            DeviceSecrets::Certificates(files) => {
                let (first, certificates, keys) = files.paths();
                Self::Certificates(first, certificates, keys)
            }
        }
    }

    /// Its errors quote nothing.
    fn hide(self) -> Result<DeviceSecrets, &'static str> {
        const TOO_LONG: &str = "too many secrets";
        match self {
            Self::Derived(master) => Key::from_base64(&master).map(DeviceSecrets::Derived),
            Self::Keys(first, keys) => {
                let keys: Vec<Key> = keys.iter().map(|key| Key::from_base64(key)).collect::<Result<_, _>>()?;
                let keys = Arena::new(first, keys.iter().map(Key::reveal)).ok_or(TOO_LONG)?;
                Ok(DeviceSecrets::Keys(Arc::new(keys)))
            }
            Self::Certificates(first, certificates, keys) => {
                let files = CertificateFiles::new(first, &certificates, &keys).ok_or(TOO_LONG)?;
                Ok(DeviceSecrets::Certificates(files))
            }
        }
    }
}

/// For `#[serde(with)]`: credentials.
pub(super) mod credentials {
    use super::{
        ConnectionString, Credentials, Deserialize, Deserializer, Revealed, RevealedBroker, RevealedDevices, Serialize,
        Serializer,
    };

    pub(in super::super) fn serialize<S: Serializer>(from: &Credentials, serializer: S) -> Result<S::Ok, S::Error> {
        Revealed {
            service: from.service.as_ref().map(ConnectionString::reveal),
            devices: from.devices.as_ref().map(RevealedDevices::of),
            broker: RevealedBroker::of(&from.broker),
        }
        .serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Credentials, D::Error> {
        use serde::de::Error as _;
        let Revealed { service, devices, broker } = Revealed::deserialize(deserializer)?;
        // Neither error quotes the text.
        let service = service.map(|text| ConnectionString::parse(&text)).transpose().map_err(D::Error::custom)?;
        let devices = devices.map(RevealedDevices::hide).transpose().map_err(D::Error::custom)?;
        Ok(Credentials { service, devices, broker: broker.hide() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_have_of_their_own_arrives_as_it_was_sent() {
        let there = |devices: &DeviceSecrets| {
            let json = serde_json::to_string(&RevealedDevices::of(devices)).unwrap();
            serde_json::from_str::<RevealedDevices>(&json).unwrap().hide().unwrap()
        };
        let keys = DeviceSecrets::Keys(Arc::new(Arena::new(3, [[1_u8; 16], [2; 16]]).unwrap()));
        assert_eq!(there(&keys).key(4, "b"), keys.key(4, "b"));
        assert_eq!((there(&keys).key(2, "x"), there(&keys).key(5, "y")), (None, None));
        let texts = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let files = CertificateFiles::new(7, &texts("a", "b"), &texts("c", "d")).unwrap();
        let DeviceSecrets::Certificates(arrived) = there(&DeviceSecrets::Certificates(files.clone())) else { panic!() };
        assert_eq!(arrived.paths(), files.paths());
        assert!(RevealedDevices::Keys(0, vec!["c2VjcmV0".to_owned()]).hide().is_err());
    }
}
