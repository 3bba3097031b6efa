//! The start of a run: everything is checked, then the hubs, then the shards.

use std::collections::BTreeSet;

use tokio::select;

use super::carrier::Threads;
use super::coordinator::{Coordinator, Phase};
use super::drill::Conduct;
use super::events_file::EventsFile;
use super::follow::{followed, tracer};
use super::hub_faults::HubFaults;
use super::hubs::Hubs;
use super::live::{Live, Meter, Status};
use super::members::Members;
use super::options::{ResultsFolder, RunError, RunOptions};
use super::output::Output;
use super::preflight::{self, PreflightError};
use super::rate::schedule_spans;
use super::rollout::Rollout;
use super::tally::Tally;
use super::thresholds::Watch;
use super::{broker, devices_file, doctor, environment, images};
use crate::measure::Usage;
use crate::policy::{DeviceIds, HubFault, ReportFormat};
use crate::profile::HubPlan;
use crate::report::{self, EventLines};
use crate::shard::{Assignment, Credentials, Endpoints};
use crate::time::{Clock, Nanos};

/// Starts everything that `options` ask for; children are bound to the life of the thread that this is called on. Threads
/// that outlast the coordinator are put among `threads`. To be called within a runtime.
///
/// # Errors
/// What is in the way; everything that was started has been stopped.
pub(super) async fn launch(
    mut options: RunOptions,
    clock: Clock,
    threads: &mut Threads,
) -> Result<Coordinator, RunError> {
    let before = Usage::of_self();
    let mut stop = options.stop.request();
    preflight::drill(&mut options)?;
    let plan = &options.plan;
    preflight::faults(plan)?;
    let placement = preflight::placement(plan, options.roles, options.program.is_none())?;
    let mut elsewhere = match &plan.hub {
        HubPlan::Embedded { .. } | HubPlan::Null { .. } => None,
        HubPlan::Azure => Some(environment::read(options.roles, &plan.fleet, |name| std::env::var(name).ok())?),
        HubPlan::Mqtt(broker) => Some(broker::read(plan, broker, |name| std::env::var(name).ok())?),
    };
    let mut ids = DeviceIds::new(plan.fleet.id_prefix.as_str());
    let mut warning = None;
    if let Some(path) = &plan.fleet.devices_file {
        let hub = elsewhere.as_mut().ok_or(PreflightError::DevicesFile)?;
        let roster = devices_file::read(path, plan.fleet.devices, plan.fleet.auth)?;
        (ids, warning) = (roster.ids, roster.warning);
        preflight::topics(plan, &ids)?;
        if options.roles.driver {
            preflight::jobs(plan, &ids)?;
        }
        hub.credentials.devices = Some(roster.secrets).filter(|_| options.roles.fleet);
    }
    let hub = elsewhere.as_ref().and_then(|hub| Some(hub.mqtt.first()?.ip()));
    let diagnosis = doctor::examine(plan, options.roles, &placement, hub);
    if !diagnosis.can_run() {
        let shortages: Vec<String> = diagnosis.shortages().collect();
        return Err(PreflightError::Machine(shortages.join("; ")).into());
    }
    if let Some(device) = options.trace.filter(|device| *device >= plan.fleet.devices) {
        return Err(RunError::Trace { device, last: plan.fleet.devices.saturating_sub(1) });
    }
    let names: Vec<&str> = report::files(&plan.report.formats).iter().map(|file| file.name).collect();
    let output = match (&options.folder, &plan.report.out) {
        (ResultsFolder::At(folder), _) | (_, Some(folder)) => Some(Output::open(folder.clone(), &names)?),
        (ResultsFolder::Own, None) => Some(Output::open_own(&plan.name, clock.wall().at(clock.now()), &names)?),
        (ResultsFolder::Planned, None) => None,
    };
    if let Some(output) = &output {
        output.remove_earlier()?;
    }
    if let (Some(device), None) = (options.trace, &output) {
        return Err(RunError::TraceNowhere { device });
    }
    // Before anything else is started that may have something to say.
    let first = Status::first(plan, &options);
    let live = Live::open(options.view, plan.report.narrate, clock, &options.stop, first)?;
    let hubs = match plan.embedded_hub() {
        Some(config) => {
            let (program, faults) = (options.program.as_deref(), HubFault::among(&plan.faults));
            select! {
                started = Hubs::start(placement.hubs, program, &config, faults) => started?,
                () = stop.come() => return Err(RunError::Interrupted),
            }
        }
        None => {
            // Of a fleet and a driver that are two runs, one takes the hub down: the one whose load it is.
            let outage = plan.hub.broker().filter(|_| options.roles.driver).and_then(|broker| broker.outage.clone());
            Hubs::elsewhere(outage, HubFault::among(&plan.faults), options.stop.farewell().clone())
        }
    };
    if let Some(hub) = elsewhere.as_ref().filter(|_| options.roles.fleet) {
        // Where the environment decides, the result still says what was done.
        options.plan.fleet.transport = hub.endpoints.transport();
    }
    let plan = &options.plan;
    if let Some(warning) = &warning {
        live.say(warning);
    }
    let mut hub_on_same_machine = true;
    preflight::image(plan, options.owns_hub).await?;
    if elsewhere.is_none()
        && let Some(load) = plan.downloads_in_words()
    {
        live.say(&format!("load on others: up to {load}"));
    }
    if let Some(hub) = &mut elsewhere {
        let load = plan.peak_rates_in_words(options.roles.fleet, options.roles.driver);
        hub_on_same_machine = preflight::target(hub, load.clone(), options.owns_hub)?;
        if !hub_on_same_machine {
            live.say(&format!("load on {}: up to {load}", hub.endpoints.host));
        }
        hub.endpoints.mqtt = preflight::first_that_answers(&hub.mqtt).await;
    }
    let image = images::Images::of(plan, |name| std::env::var(name).ok())?;
    let way_of = |shard: usize| -> Option<(Endpoints, Credentials)> {
        let theirs = || elsewhere.as_ref().map(|hub| (hub.endpoints.clone(), hub.credentials.clone()));
        placement.hub_of(shard).map(|hub| hubs.way_to(hub)).or_else(theirs)
    };
    if !plan.report.narrate {
        live.say(&diagnosis.line());
    }
    let followed = followed(&options);
    let follower = followed.and_then(|device| placement.shards.iter().position(|range| range.contains(device)));
    let tracer = match follower.and_then(way_of) {
        Some((_, credentials)) => tracer(&options, output.as_ref(), &ids, &credentials)?,
        None => None,
    };
    let run_id = format!("{:x}", clock.wall().at(clock.now()).as_millisecond());
    let wants_events = options.roles.driver && plan.report.formats.contains(&ReportFormat::Events);
    let events = output.as_ref().filter(|_| wants_events).map(|output| {
        let run_id = plan.driver.update_id.then(|| run_id.clone());
        EventsFile::create(output, EventLines::new(ids.clone(), run_id))
    });
    let events = events.transpose()?;
    let assignment = |shard: usize| {
        let (endpoints, mut credentials) = way_of(shard)?;
        let range = placement.shards[shard];
        credentials.devices = credentials.devices.map(|devices| devices.slice(range));
        Some(Assignment {
            shard: u32::try_from(shard).ok()?,
            epoch: clock.wall().at(Nanos::ZERO),
            plan: plan.clone(),
            range,
            ids: ids.slice(range),
            roles: options.roles,
            image: image.as_ref().and_then(|image| image.at(&endpoints)),
            endpoints,
            credentials,
            run_id: run_id.clone(),
            trace: followed,
            // A test's trick, which one shard is enough for.
            swallow_outcomes: if shard == 0 { options.swallow_outcomes } else { 0 },
        })
    };
    let assignments: Vec<Assignment> = (0..placement.shards.len()).filter_map(assignment).collect();
    let members = Members::start(assignments, &placement, options.program.as_deref(), tracer.clone(), threads)?;
    Ok(Coordinator {
        last_due: schedule_spans(plan).last().map(|(_, last)| *last),
        rollout: Rollout::of(plan, options.roles),
        watch: Watch::of(plan, options.roles, &placement.shards),
        tally: Tally::new(placement.shards.len(), plan.fleet.retry_connect.count()),
        options,
        before,
        clock,
        output,
        live,
        meter: Meter::default(),
        stop,
        placement,
        hubs,
        hub_on_same_machine,
        members,
        tracer,
        phase: Phase::Connecting,
        hub_faults: HubFaults::default(),
        reasons: Vec::new(),
        said: BTreeSet::new(),
        load_start: None,
        load_end: None,
        conduct: Conduct::default(),
        events,
    })
}
