//! The plan: everything that a run is going to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::drill::Schedule;
use super::error::Problem;
use super::fleet::FleetSection;
use super::metric::Scene;
use super::reader::{Field, Section};
use super::{
    ComparePlan, HubPlan, ReportPlan, capacity, compare, drill, fault, firmware, fleet, hub, image, load, observe,
    report, retry, rollout, telemetry, threshold,
};
use crate::device::{FirmwareConfig, FleetConfig, Image, ImageUrl};
use crate::driver::{DriverConfig, ObserveKind, Via};
use crate::hub::HubConfig;
use crate::policy::{
    ArrivalKind, CapacityPlan, Drill, Fault, FaultKind, FaultPlan, Load, Rollout, ThresholdRule, units,
};
use crate::random::Seed;

/// A validated profile with all overrides. It holds no secrets: it goes into results and to shards as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The profile's name; letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What the profile is for.
    pub description: String,
    /// The seed of every random choice.
    pub seed: Seed,
    /// The hub under test.
    pub hub: HubPlan,
    /// The devices.
    pub fleet: FleetConfig,
    /// Processes that share the devices; `None` for as few as will do.
    pub shards: Option<u32>,
    /// Descriptors that each process may use; `None` for as many as the system allows.
    pub max_descriptors: Option<u32>,
    /// The devices' workflow.
    pub firmware: FirmwareConfig,
    /// The operator's service.
    pub driver: DriverConfig,
    /// How long the connected fleet stays idle before the load starts.
    #[serde(with = "units::duration")]
    pub hold: Duration,
    /// What is going to go wrong.
    pub faults: Vec<Fault>,
    /// What must hold in the end, and what ends the run where it cannot.
    pub thresholds: Vec<ThresholdRule>,
    /// What is to be proven, if the run is a drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// What comparisons with other runs of this plan judge by.
    #[serde(default)]
    pub compare: ComparePlan,
    /// How the highest load is looked for that keeps the thresholds.
    #[serde(default)]
    pub capacity: CapacityPlan,
    /// Where results go.
    pub report: ReportPlan,
}

/// The keys of a document.
pub(super) const KEYS: [&str; 17] = [
    "name",
    "description",
    "seed",
    "hub",
    "retry",
    "fleet",
    "firmware",
    "load",
    "telemetry",
    "rollout",
    "observe",
    "fault",
    "threshold",
    "drill",
    "capacity",
    "compare",
    "report",
];

/// Reads a plan; `stem` is its name if it gives none.
pub(super) fn read(root: &Section<'_>, stem: &str) -> Result<Plan, Problem> {
    let name = match root.optional("name") {
        Some(field) => name(&field)?,
        None => stem.chars().map(|c| if in_name(c) { c } else { '-' }).collect(),
    };
    let description = match root.optional("description") {
        Some(field) => field.text()?.trim().to_owned(),
        None => String::new(),
    };
    let seed = Seed(root.required("seed")?.integer(0..=u64::MAX)?);
    let hub = hub::read(&root.required("hub")?)?;
    let retries = retry::read(&root.required("retry")?)?;
    let FleetSection { mut fleet, shards, max_descriptors } = fleet::read(&root.required("fleet")?, &retries)?;
    if let Some(broker) = hub.broker() {
        // The address says it, whatever the profile says for other hubs.
        hub::agrees_on_transport(root, fleet.transport, broker.url.transport)?;
        fleet.transport = broker.url.transport;
    }
    let mut firmware = firmware::read(&root.required("firmware")?)?;
    let load = load::read(&root.required("load")?, &fleet, firmware.update_id)?;
    fleet.telemetry = root.optional("telemetry").map(|field| telemetry::read(&field, &hub)).transpose()?;
    fleet.spontaneous_for = load.lasts;
    let rollout = root.optional("rollout").map(|field| rollout::read(&field, &fleet, &load)).transpose()?;
    if hub.broker().is_some() {
        hub::suits_broker(root, &fleet, load.via)?;
    }
    if matches!(hub, HubPlan::Null { .. }) {
        hub::suits_null(root, fleet.transport, load.via)?;
    }
    if !matches!(hub, HubPlan::Embedded { .. })
        && let Some(image) = root.optional("firmware").and_then(|field| field.table_entry("image"))
        && matches!(firmware.config.image, Some(Image::Hub { .. }))
    {
        let why = "needs the embedded hub, which alone serves images: name the image's `url` and `sha256` instead";
        return Err(image.problem(format_args!("with `serve = true` {why}")));
    }
    let observe = observe::read(&root.required("observe")?, &firmware.config, &root.required("hub")?)?;
    if let Some(image) = &mut firmware.config.image {
        image::limit(image, observe.stage_deadline);
    }
    let waves = rollout.as_ref().map_or(0, Rollout::len);
    let targets = fault::Targets {
        fleet: &fleet,
        hub: &hub,
        waves,
        downloads: firmware.config.downloads().is_some(),
        hold: load.hold,
    };
    let faults = root.optional("fault").map_or(Ok(Vec::new()), |field| fault::read(&field, targets))?;
    if let Some(churn) = root.optional("fleet").and_then(|field| field.table_entry("churn"))
        && !faults.is_empty()
    {
        return Err(churn.problem("cannot go with a [[fault]]: who was away by which of the two could not be told"));
    }
    let scene = Scene {
        via: load.via,
        faults: &faults,
        connect: &fleet.retry_connect,
        rollout: rollout.is_some(),
        presence: hub.tells_presence(),
        broker: hub.broker().is_some(),
        telemetry: fleet.telemetry.is_some(),
    };
    let thresholds = root.optional("threshold").map_or(Ok(Vec::new()), |field| threshold::read(&field, scene))?;
    let schedule = Schedule { seed, devices: fleet.devices, load: &load };
    let drill = root.optional("drill").map(|field| drill::read(&field, scene, &schedule)).transpose()?;
    if (rollout.is_some() || drill.is_some())
        && let Some(settle) = root.optional("load").and_then(|field| field.table_entry("settle"))
    {
        return Err(settle.problem("means nothing in a roll-out or a drill: leave it out"));
    }
    let compare = match root.optional("compare") {
        Some(field) => compare::read(&field, scene)?,
        None => ComparePlan::of(load.via),
    };
    let capacity = capacity::read(&root.required("capacity")?)?;
    let report = root.optional("report").map_or(Ok(ReportPlan::default()), |field| report::read(&field))?;
    let driver = DriverConfig {
        load: load.load,
        rollout,
        updates: load.updates,
        settle: load.settle,
        lasts: load.lasts,
        via: load.via,
        max_in_flight: load.max_in_flight,
        response_timeout: load.response_timeout,
        connect_timeout: load.connect_timeout,
        package_uri: firmware.package_uri,
        package_check: None,
        version: firmware.new_version,
        update_id: firmware.update_id,
        observe,
        retry_method: retries.method,
    };
    let (firmware, hold) = (firmware.config, load.hold);
    Ok(Plan {
        name,
        description,
        seed,
        hub,
        fleet,
        shards,
        max_descriptors,
        firmware,
        driver,
        hold,
        faults,
        thresholds,
        drill,
        compare,
        capacity,
        report,
    })
}

/// A name becomes part of a folder's name.
fn name(field: &Field<'_>) -> Result<String, Problem> {
    let text = field.text()?;
    if (1..=64).contains(&text.len()) && text.chars().all(in_name) {
        return Ok(text.to_owned());
    }
    Err(field.problem("must have 1 to 64 characters: letters, digits, `-`, `_` and `.`"))
}

const fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

impl Plan {
    /// The same plan for a hub that is there already.
    #[must_use]
    pub fn without_embedded_hub(mut self) -> Self {
        if self.hub.is_ours() {
            self.hub = HubPlan::Azure;
        }
        self
    }

    /// What a hub of ours is started with; `None` for any other hub.
    #[must_use]
    pub fn embedded_hub(&self) -> Option<HubConfig> {
        let mut config = HubConfig { seed: self.seed, ..self.hub.embedded(self.fleet.transport)? };
        if self.fleet.transport.is_secure() && matches!(self.firmware.image, Some(Image::Hub { .. })) {
            // Whoever wants TLS for MQTT wants it for images.
            config.https = config.https.or(config.http);
        }
        Some(config)
    }

    /// Updates that are planned over the whole fleet.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.driver.updates(self.fleet.devices)
    }

    /// The faults, with their selections resolved for this fleet and its roll-out.
    #[must_use]
    pub fn fault_plan(&self) -> FaultPlan {
        let (seed, devices) = (self.seed, self.fleet.devices);
        FaultPlan::in_waves(seed, &self.faults, devices, |number| {
            let rollout = self.driver.rollout.as_ref().zip(number.checked_sub(1));
            rollout.map(|(rollout, wave)| rollout.members(seed, devices, wave)).unwrap_or_default()
        })
    }

    /// The load in words.
    #[must_use]
    pub fn load_in_words(&self) -> String {
        let load = match self.driver.load {
            Load::Open { rate, .. } => format!("{} method calls/s", self.driver.peak_rate().unwrap_or(rate)),
            Load::Closed { in_flight } => format!("{in_flight} updates in progress"),
        };
        let load = match self.driver.via {
            Via::Calls => load,
            Via::Job { devices } => format!("{load} in jobs of {devices}"),
        };
        let load = match &self.driver.rollout {
            Some(rollout) => format!("{load}, in {} waves", rollout.len()),
            None => load,
        };
        if self.updates() == u64::from(self.fleet.devices) {
            load
        } else {
            format!("{load}, {} updates in all", self.updates())
        }
    }

    /// The most that the hub has to bear per second, in words: of what a `fleet` does, a `driver`, or both.
    #[must_use]
    pub fn peak_rates_in_words(&self, fleet: bool, driver: bool) -> String {
        let mut rates = Vec::new();
        if fleet {
            let connects = self.fleet.connect_rate;
            rates.push(format!("{} devices, {connects} connections/s", self.fleet.devices));
            // One report of each device that comes online, three of each that is updated.
            let reports = self.driver.peak_rate().map_or(connects, |rate| connects.max(3.0 * rate));
            let what = if self.hub.broker().is_some() { "reports" } else { "twin updates" };
            rates.push(format!("{reports} {what}/s"));
        }
        if driver {
            rates.push(self.load_in_words());
            let looks = 1.0 / self.driver.observe.interval.as_secs_f64();
            let looks = (looks * 10.0).round() / 10.0;
            rates.push(match self.driver.observe.kind {
                ObserveKind::Query => format!("{looks} queries/s"),
                ObserveKind::Poll => format!("{looks} twin reads/s for each update in progress"),
                ObserveKind::Subscribe => "every message to a subscriber".to_owned(),
            });
        }
        rates.extend(self.downloads_in_words());
        rates.join(", ")
    }

    /// The server that devices download their image from, if it is on another machine.
    #[must_use]
    pub fn image_elsewhere(&self) -> Option<ImageUrl> {
        let Some(Image::Url { url, .. }) = &self.firmware.image else { return None };
        ImageUrl::parse(url).ok().filter(|url| !url.is_loopback())
    }

    /// The most that a server elsewhere has to bear of downloads, in words; `None` if there is no such server.
    #[must_use]
    pub fn downloads_in_words(&self) -> Option<String> {
        let host = self.image_elsewhere()?.host;
        let download = self.firmware.downloads()?;
        let often = match self.driver.load {
            Load::Open { rate, .. } => format!("{rate} downloads/s"),
            Load::Closed { in_flight } => format!("{in_flight} downloads at once"),
        };
        Some(match download.fleet_bandwidth {
            Some(bandwidth) => format!("{often} from {host} at up to {}", units::format_bandwidth(bandwidth)),
            None => format!("{often} from {host} without a limit of bandwidth"),
        })
    }

    /// The plan in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let hub = match &self.hub {
            HubPlan::Embedded { .. } => "an embedded hub".to_owned(),
            HubPlan::Null { .. } => "a null hub (acknowledges only)".to_owned(),
            HubPlan::Azure => "the hub that the environment names".to_owned(),
            HubPlan::Mqtt(broker) => format!("the broker at {}", broker.url),
        };
        format!(
            "{} devices on {hub}, {}, {} faults, {} thresholds, about {} s",
            self.fleet.devices,
            self.load_in_words(),
            self.faults.len(),
            self.thresholds.len(),
            self.estimated_duration().as_secs()
        )
    }

    /// How long a run takes at most if the hub keeps up, roughly: to say how much time is left.
    #[must_use]
    pub fn estimated_duration(&self) -> Duration {
        self.estimated_connect() + self.hold + self.driver.lead() + self.estimated_load()
    }

    /// How long connecting takes, roughly.
    #[must_use]
    pub fn estimated_connect(&self) -> Duration {
        let (devices, rate) = (self.fleet.devices, self.fleet.connect_rate);
        let settled = self.fleet.connect_settle.map(|settle| settle.starts(u64::from(devices), rate));
        settled.unwrap_or_else(|| Duration::from_secs_f64(f64::from(devices) / rate))
    }

    /// How long it is from the first call to the last outcome, roughly.
    #[must_use]
    pub fn estimated_load(&self) -> Duration {
        let load = &self.driver.load;
        let Some(rollout) = &self.driver.rollout else {
            return self.estimated_wave(load, self.updates()).max(self.driver.lasts) + Duration::from_secs(1);
        };
        // That a wave is over is known a second later at most.
        let waves = (0..rollout.len()).map(|wave| {
            let places = rollout.places(wave);
            self.estimated_wave(&rollout.load(load, wave), places.end - places.start) + Duration::from_secs(1)
        });
        waves.sum::<Duration>() + rollout.pause * rollout.len().saturating_sub(1)
    }

    /// How long it is from the first call to the last outcome of so many updates, roughly.
    fn estimated_wave(&self, load: &Load, updates: u64) -> Duration {
        let update = self.longest_update();
        let load = match *load {
            Load::Open { rate, arrivals, ramp } => {
                let ramp = ramp.map_or(0.0, |ramp| {
                    // The climb costs what it falls behind the full rate.
                    ramp.over.as_secs_f64() * (1.0 - (ramp.from / rate).min(1.0)) / 2.0
                });
                // The time of the last of n Poisson arrivals scatters by the root of n.
                let updates = updates as f64;
                let scatter = if arrivals == ArrivalKind::Poisson { 2.0 * updates.sqrt() } else { 0.0 };
                Duration::from_secs_f64(ramp + (updates + scatter) / rate)
            }
            // All rounds but the last. A device has one update at a time.
            Load::Closed { in_flight } => {
                let rounds = updates.div_ceil(u64::from(in_flight.min(self.fleet.devices).max(1)));
                update.saturating_mul(u32::try_from(rounds.saturating_sub(1)).unwrap_or(u32::MAX))
            }
        };
        load + update
    }

    /// The time that hardly any update exceeds, faults included.
    #[must_use]
    pub fn longest_update(&self) -> Duration {
        let observe = &self.driver.observe;
        let workflow = self.firmware.wait.upper() + self.firmware.longest_download() + self.firmware.apply.upper();
        let with_faults = self.faults.iter().map(|fault| match &fault.kind {
            FaultKind::Stall(_) | FaultKind::Vanish(_) => workflow + observe.stage_deadline,
            // Whether the device is at work all the same is waited for.
            FaultKind::NoReply => self.longest_call() + observe.stage_deadline,
            _ => Duration::ZERO,
        });
        with_faults.fold(workflow, Duration::max) + observe.interval
    }

    /// A call that is never answered, with all its retries.
    fn longest_call(&self) -> Duration {
        let retry = &self.driver.retry_method;
        let Some(pause) = retry.backoff.longest(false) else { return self.driver.response_timeout };
        let attempts = retry.max_attempts.unwrap_or(1);
        self.driver.response_timeout * attempts + pause * attempts.saturating_sub(1)
    }
}
