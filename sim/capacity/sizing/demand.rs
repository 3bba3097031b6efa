//! What a plan asks of a hub, whatever its tier: read off what fleet and driver really do.

use super::beside::Beside;
use super::buckets::Amounts;
use super::patience::Patience;
use super::schedule::{DRAWN, Wave, downloads_per_s, waves};
use crate::device::Image;
use crate::driver::{ObserveKind, Via};
use crate::hub::{HubDelays, Operation};
use crate::policy::Load;
use crate::profile::{HubPlan, Plan};

/// A method call is metered by so many bytes of its payload (8.1).
const METHOD_BLOCK: usize = 4096;
/// Reports of an update in which nothing goes wrong: `downloading`, `applying`, `completed`.
const REPORTS: f64 = 3.0;
/// Rows of a page of a query's results, as the driver asks for them.
pub(super) const PAGE: f64 = 1000.0;
/// An id of an update: the run's id and a number.
const UPDATE_ID: &str = "00000000000-0000000";
/// Looks of an observer that polls which every update has: one as its call is answered, and one that sees its end.
const POLLS: f64 = 2.0;
/// How far the driver's queries reach back with a hub whose index may lag, as one of Azure's may, unless the plan says
/// otherwise, in seconds.
const OVERLAP_S: f64 = 1.0;

/// What a plan asks of a hub. Nothing fails, and nobody has to try anything again.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The plan's name.
    pub name: String,
    /// Devices.
    pub devices: u32,
    /// Updates, those to settle among them.
    pub updates: u64,
    /// The load in words.
    pub load: String,
    /// How long connecting takes on a hub without limits, in seconds.
    pub connect_s: f64,
    /// What all devices together cost as they come online.
    pub connecting: Amounts,
    /// What each update costs at least, on average: what is looked at more often stands in [`super::ObserverNeed`].
    pub per_update: Amounts,
    /// Pages that the observer's first looks read.
    pub first_pages: u64,
    /// Idle time before the load, in seconds.
    pub hold_s: f64,
    /// Idle time between two waves, in seconds.
    pub pause_s: f64,
    /// The waves; one without a roll-out.
    pub waves: Vec<Wave>,
    /// Updates per second at most, as the plan wants them, those to settle apart; `None` for as many as there can be.
    pub own_rate: Option<f64>,
    /// Updates in progress at once at most, in a closed load; `None` in an open one.
    pub in_progress: Option<f64>,
    /// What a device takes for an update on average, in seconds.
    pub update_s: f64,
    /// How long the load goes on in any case, in seconds.
    pub lasts_s: f64,
    /// What devices do beside.
    pub beside: Beside,
    /// How long the plan waits.
    pub patience: Patience,
    /// Whether what devices take is drawn for every update, rather than for some of them.
    pub is_drawn: bool,
    /// Seconds between two looks of the observer, and how far a query of it reaches back.
    pub look_s: (f64, f64),
    /// Whether it queries, rather than polls.
    pub queries: bool,
    /// Processes that observe.
    pub shards: u32,
    /// Devices of each job; `None` where calls are made one by one.
    pub job_devices: Option<u32>,
    /// Bytes of a call's payload.
    pub payload_bytes: usize,
    /// Bytes of the versions in reports.
    pub version_bytes: VersionBytes,
    /// Reports of a download's progress in each update.
    pub progress_reports: f64,
    /// How long a device's token lives, in seconds.
    pub token_life_s: f64,
    /// Keys of the profile's own hub that are not counted.
    pub uncounted: Vec<&'static str>,
    /// The faults, none of which is counted.
    pub faults: Vec<String>,
}

/// Bytes of the versions that devices report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionBytes {
    /// As a device comes online.
    pub standing: usize,
    /// In an update that is not complete.
    pub meanwhile: usize,
    /// As it is.
    pub completed: usize,
}

impl VersionBytes {
    fn of(plan: &Plan) -> Self {
        let (standing, new) = (json_bytes(&plan.firmware.version), plan.driver.version.as_deref());
        // It is told where the call named one: the old one until the update is complete.
        Self { standing, meanwhile: new.map_or(0, |_| standing), completed: new.map_or(0, json_bytes) }
    }

    /// Over the reports of an update.
    pub(super) fn on_average(self) -> f64 {
        ((REPORTS - 1.0) * self.meanwhile as f64 + self.completed as f64) / REPORTS
    }
}

impl Demand {
    /// That of `plan`, of which so many processes have a part.
    #[must_use]
    pub fn of(plan: &Plan, shards: u32) -> Self {
        let (fleet, driver) = (&plan.fleet, &plan.driver);
        let devices = f64::from(fleet.devices);
        let update_s = update_s(plan);
        let look_s = driver.observe.interval.as_secs_f64();
        let overlap_s = driver.observe.overlap.map_or(OVERLAP_S, |overlap| overlap.as_secs_f64());
        let payload_bytes = payload_bytes(plan);
        let progress = plan.firmware.downloads().and_then(|download| download.progress);
        let progress_reports = progress.map_or(0.0, |step| f64::from(100 / step.max(1)));
        let shards = shards.clamp(1, fleet.devices.max(1));
        let mut per_update = Amounts::from([(Operation::TwinUpdate, REPORTS + progress_reports)]);
        let job_devices = driver.via.job_devices();
        match driver.via {
            Via::Calls => {
                per_update.insert(Operation::Method, payload_bytes.div_ceil(METHOD_BLOCK).max(1) as f64);
            }
            Via::Job { devices } => {
                // It is scheduled, asked for once when it has ended, and its rows are read.
                let share = 1.0 / f64::from(devices.max(1));
                per_update.insert(Operation::JobDevice, 1.0);
                per_update.insert(Operation::Job, 2.0 * share);
                per_update.insert(Operation::Query, share);
            }
        }
        let queries = driver.observe.kind == ObserveKind::Query;
        if !queries {
            per_update.insert(Operation::TwinRead, POLLS);
        }
        Self {
            name: plan.name.clone(),
            devices: fleet.devices,
            updates: driver.settling() + plan.updates(),
            load: plan.load_in_words(),
            connect_s: connect_s(plan),
            connecting: Amounts::from([(Operation::Connect, devices), (Operation::TwinUpdate, devices)]),
            // All devices, and then what changed meanwhile.
            first_pages: u64::from(shards) * (u64::from(fleet.devices.div_ceil(shards)).div_ceil(PAGE as u64) + 1),
            hold_s: plan.hold.as_secs_f64(),
            pause_s: driver.rollout.as_ref().map_or(0.0, |rollout| rollout.pause.as_secs_f64()),
            waves: waves(plan, shards, progress_reports),
            own_rate: own_rate(plan, update_s),
            per_update,
            in_progress: in_progress(plan),
            update_s,
            lasts_s: driver.lasts.as_secs_f64(),
            beside: Beside::of(plan),
            patience: Patience::of(driver),
            is_drawn: driver.settling() + plan.updates() <= DRAWN,
            look_s: (look_s, overlap_s),
            queries,
            shards,
            job_devices,
            payload_bytes,
            version_bytes: VersionBytes::of(plan),
            progress_reports,
            token_life_s: fleet.token_life.as_secs_f64(),
            uncounted: uncounted(plan, shards),
            faults: plan.faults.iter().map(|fault| fault.name.clone()).collect(),
        }
    }

    /// What a single operation costs.
    pub(super) fn unit(&self, operation: Operation) -> f64 {
        match operation {
            Operation::Method => self.per_update.get(&operation).copied().unwrap_or(1.0),
            _ => 1.0,
        }
    }
}

/// What a device takes for an update on average, in seconds.
fn update_s(plan: &Plan) -> f64 {
    let firmware = &plan.firmware;
    let download = firmware.image.as_ref().map_or_else(|| firmware.download.mean(), Image::duration);
    (firmware.wait.mean() + download + firmware.apply.mean()).as_secs_f64()
}

/// How long it is from the first connection to the last, in seconds.
fn connect_s(plan: &Plan) -> f64 {
    let (last, rate) = (plan.fleet.devices.saturating_sub(1), plan.fleet.connect_rate);
    let settled = plan.fleet.connect_settle.map(|settle| settle.starts(u64::from(last), rate).as_secs_f64());
    settled.unwrap_or(f64::from(last) / rate)
}

fn own_rate(plan: &Plan, update_s: f64) -> Option<f64> {
    let called = match plan.driver.load {
        // A roll-out may become quicker from wave to wave.
        Load::Open { .. } if plan.driver.rollout.is_some() => plan.driver.peak_rate(),
        Load::Open { rate, .. } => Some(rate),
        Load::Closed { .. } => in_progress(plan).filter(|_| update_s > 0.0).map(|updates| updates / update_s),
    };
    called.into_iter().chain(downloads_per_s(plan)).min_by(f64::total_cmp)
}

/// Keys of the profile's own hub that make it another one than a tier's tables do.
fn uncounted(plan: &Plan, shards: u32) -> Vec<&'static str> {
    let HubPlan::Embedded { instances, slow, tier, throttle, service, .. } = &plan.hub else { return Vec::new() };
    // Each process of it has the limits for itself.
    let several = match instances {
        Some(instances) => *instances > 1,
        None => shards > 1 && (tier.is_some() || !throttle.is_empty()),
    };
    let keys = [
        ("hub.throttle", !throttle.is_empty()),
        ("hub.service", service.is_some()),
        ("hub.slow", *slow != HubDelays::default()),
        ("hub.instances", several),
    ];
    keys.into_iter().filter_map(|(key, says)| says.then_some(key)).collect()
}

fn in_progress(plan: &Plan) -> Option<f64> {
    let Load::Closed { in_flight } = plan.driver.load else { return None };
    // A device has one update at a time.
    Some(f64::from(in_flight.min(plan.fleet.devices).max(1)))
}

/// Bytes of a text in JSON, between its quotes.
fn json_bytes(text: &str) -> usize {
    serde_json::Value::from(text).to_string().len() - 2
}

/// Bytes of what a call tells a device.
fn payload_bytes(plan: &Plan) -> usize {
    let driver = &plan.driver;
    let mut payload = serde_json::Map::new();
    let package = match &plan.firmware.image {
        Some(Image::Url { url, .. }) => url,
        _ => &driver.package_uri,
    };
    payload.insert("fwPackageUri".to_owned(), package.as_str().into());
    if plan.firmware.downloads().is_some() {
        payload.insert("fwPackageCheckValue".to_owned(), "0".repeat(64).into());
    }
    if driver.update_id {
        payload.insert("updateId".to_owned(), UPDATE_ID.into());
    }
    if let Some(version) = &driver.version {
        payload.insert("fwVersion".to_owned(), version.as_str().into());
    }
    serde_json::Value::Object(payload).to_string().len()
}
