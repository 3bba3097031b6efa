//! Creating and deleting a profile's devices on a hub elsewhere.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::select;

use super::devices_file::{self, DevicesFileError};
use super::environment::{self, EnvironmentError};
use super::keys_file::KeysFile;
use super::options::RunError;
use super::preflight;
use super::print::Notes;
use super::stop::{StopHandle, StopRequest};
use crate::dialect::azure::DeviceSecrets;
use crate::dialect::azure::enrolment::Enrolment;
use crate::driver::{self, Client, Enrol, Provisioned, RegistryError, RegistryProgress, RestSettings, Roll};
use crate::mqtt::first_certificate;
use crate::policy::{DeviceIds, DeviceRange};
use crate::profile::Plan;
use crate::shard::Roles;
use crate::time::{Clock, Nanos};
use crate::verdict::ExitCode;

/// How long a connection to the hub's REST side may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How often a line tells how far it is.
const EVERY: Duration = Duration::from_secs(1);

/// What to create or to delete.
#[derive(Debug)]
pub struct RegistryOptions {
    /// The plan, whose devices it is about.
    pub plan: Plan,
    /// A file that keeps a random key for each device; without it keys derive from the fleet's master key, or stand in
    /// the plan's devices file.
    pub keys: Option<PathBuf>,
    /// Identities per second; `None` for as many as the hub takes.
    pub rate: Option<f64>,
    /// Whether the hub knows certificates by the CA that signed them rather than one by one.
    pub by_authority: bool,
    /// Whether the devices are those of the plan and no more; [`cleanup`] takes all that are there otherwise.
    pub planned_only: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Whether the user confirmed that load may go to a hub elsewhere.
    pub owns_hub: bool,
    /// What stops the work before its end; the same again goes on from there.
    pub stop: StopHandle,
}

/// What was done, as the command shows it.
#[derive(Debug)]
pub struct RegistrySummary {
    /// What to print.
    pub table: String,
    /// What to exit with.
    pub exit: ExitCode,
}

/// Creates the devices of a plan.
///
/// # Errors
/// What is in the way, or what went wrong; the same again goes on from there.
pub fn provision(options: RegistryOptions) -> Result<RegistrySummary, RunError> {
    Builder::new_current_thread().enable_all().build()?.block_on(async move {
        let work = Work::new(&options, true)?;
        let mut telling = Telling::new("provisioning", work.clock)?;
        let Some(done) = unless_stopped(
            options.stop.request(),
            driver::provision(&work.client, &work.roll, work.clock, options.dry_run, |now| telling.tell(now)),
        )
        .await
        else {
            return Ok(telling.stopped());
        };
        let done = done?;
        let host = &work.host;
        let Provisioned { created, found, .. } = done;
        let mut table = if options.dry_run {
            format!("at most {created} devices would be created on {host}, {found} carry their mark already")
        } else {
            format!("{created} devices created on {host}, {found} were there already")
        };
        if done.in_the_way > 0 {
            table.push_str(&format!(
                "\n{} are there with other keys and were left as they are: {}{}; delete them, or take another \
                 fleet.id_prefix",
                done.in_the_way,
                done.named.join(", "),
                dots(done.in_the_way, &done.named)
            ));
        }
        if done.disabled > 0 {
            table.push_str(&format!(
                "\n{} of these are disabled and were left as they are: {}{}; enable them, or the hub lets none of them in",
                done.disabled,
                done.named_disabled.join(", "),
                dots(done.disabled, &done.named_disabled)
            ));
        }
        let exit = if done.in_the_way > 0 || done.disabled > 0 { ExitCode::Error } else { ExitCode::Success };
        Ok(RegistrySummary { table, exit })
    })
}

/// Deletes the devices that [`provision`] created, and no other.
///
/// # Errors
/// What is in the way, or what went wrong; the same again goes on from there.
pub fn cleanup(options: RegistryOptions) -> Result<RegistrySummary, RunError> {
    Builder::new_current_thread().enable_all().build()?.block_on(async move {
        let work = Work::new(&options, false)?;
        let mut telling = Telling::new("cleaning up", work.clock)?;
        let Some(done) = unless_stopped(
            options.stop.request(),
            driver::cleanup(&work.client, &work.roll, work.clock, options.dry_run, |now| telling.tell(now)),
        )
        .await
        else {
            return Ok(telling.stopped());
        };
        let done = done?;
        let words = if options.dry_run { "would be deleted" } else { "deleted" };
        let most = if options.dry_run { "at most " } else { "" };
        let mut table = format!("{most}{} devices {words} on {}", done.deleted, work.host);
        if done.left > 0 {
            table.push_str(&format!("; {} are not what was provisioned any more and were left as they are", done.left));
        }
        if done.rekeyed > 0 {
            table.push_str(&format!(
                "\n{} have other keys by now and were left as they are: {}{}",
                done.rekeyed,
                done.named.join(", "),
                dots(done.rekeyed, &done.named)
            ));
        }
        Ok(RegistrySummary { table, exit: ExitCode::Success })
    })
}

/// Tells that there are more than those that are named.
fn dots(count: u32, named: &[String]) -> &'static str {
    if count as usize > named.len() { ", ..." } else { "" }
}

/// What both need.
struct Work {
    /// Locked as long as the work lasts.
    _keys: Option<KeysFile>,
    client: Client,
    roll: Roll,
    clock: Clock,
    host: String,
}

impl Work {
    /// With `creates`, keys that are missing in the file of keys are made.
    fn new(options: &RegistryOptions, creates: bool) -> Result<Self, RunError> {
        let variable = |name: &str| std::env::var(name).ok();
        let plan = &options.plan;
        preflight::registry(plan)?;
        let mut hub = environment::read(Roles::DRIVER, &plan.fleet, variable)?;
        let load = match options.rate {
            Some(rate) => format!("{} devices, {rate} registry operations/s", plan.fleet.devices),
            None => format!("{} devices, as many registry operations/s as it takes", plan.fleet.devices),
        };
        preflight::target(&hub, load, options.owns_hub)?;
        let keys = options.keys.as_deref().map(|path| KeysFile::open(path, creates && !options.dry_run)).transpose()?;
        let (ids, secrets) = roster(options, keys.as_ref(), creates)?;
        let by_authority = options.by_authority;
        let known = ids.clone();
        let enrol: Enrol = Arc::new(move |device| enrolment(&secrets, device, known.id(device), by_authority));
        let clock = Clock::start();
        let (url, connection) = hub.endpoints.rest.take().zip(hub.credentials.service.take()).ok_or_else(nowhere)?;
        let authority = hub.endpoints.rest_authority.take();
        let settings = RestSettings { url, authority, connection, connect_timeout: CONNECT_LIMIT };
        let client = Client::new(&settings, clock).map_err(RegistryError::from)?;
        let end = if options.planned_only { plan.fleet.devices } else { u32::MAX };
        let range = DeviceRange { start: 0, end };
        let roll = Roll { ids, range, enrol, rate: options.rate };
        Ok(Self { _keys: keys, client, roll, clock, host: hub.endpoints.host })
    }
}

fn nowhere() -> RunError {
    EnvironmentError::Missing { variable: environment::CONNECTION_STRING, meaning: environment::OWNER }.into()
}

/// Who the devices are, and what they prove themselves by.
fn roster(
    options: &RegistryOptions,
    keys: Option<&KeysFile>,
    creates: bool,
) -> Result<(DeviceIds, DeviceSecrets), RunError> {
    let fleet = &options.plan.fleet;
    let ids = DeviceIds::new(fleet.id_prefix.as_str());
    let devices = options.planned_only.then_some(fleet.devices);
    let roster = match (keys, &fleet.devices_file) {
        (Some(_), Some(_)) => {
            let path = options.keys.clone().unwrap_or_default();
            return Err(DevicesFileError::Both { path }.into());
        }
        (Some(keys), None) if creates => keys.complete(&ids, fleet.devices)?,
        (Some(keys), None) => keys.read(&ids, devices)?,
        (None, Some(path)) => devices_file::read_some(path, devices, fleet.auth)?,
        (None, None) => {
            let master = environment::fleet_key(|name| std::env::var(name).ok())?;
            return Ok((ids, master.into()));
        }
    };
    if let Some(warning) = &roster.warning {
        super::print::note(warning);
    }
    Ok((roster.ids, roster.secrets))
}

fn enrolment(secrets: &DeviceSecrets, device: u32, id: String, by_authority: bool) -> Result<Enrolment, String> {
    match secrets {
        DeviceSecrets::Derived(master) => Ok(Enrolment::derived(id, master)),
        DeviceSecrets::Keys(_) => {
            let key = secrets.key(device, &id).ok_or_else(|| format!("`{id}` has no key"))?;
            Ok(Enrolment::keyed(id, key))
        }
        DeviceSecrets::Certificates(files) => {
            let (path, _) = files.of(device).ok_or_else(|| format!("`{id}` has no certificate"))?;
            let pem = std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let certificate = first_certificate(&pem).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok(Enrolment::certified(id, &certificate, by_authority))
        }
    }
}

/// Does `work` unless somebody says stop first; nothing is left under way then.
async fn unless_stopped<T>(mut stop: StopRequest, work: impl Future<Output = T>) -> Option<T> {
    select! {
        done = work => Some(done),
        () = stop.come() => None,
    }
}

/// Tells how far it is.
struct Telling {
    what: &'static str,
    notes: Notes,
    clock: Clock,
    last: RegistryProgress,
    next: Nanos,
}

impl Telling {
    fn new(what: &'static str, clock: Clock) -> Result<Self, RunError> {
        let last = RegistryProgress { done: 0, of: 0, throttled: 0 };
        Ok(Self { what, notes: Notes::start()?, clock, last, next: clock.now() })
    }

    fn tell(&mut self, progress: RegistryProgress) {
        self.last = progress;
        let now = self.clock.now();
        if now < self.next && progress.done < progress.of {
            return;
        }
        self.next = now + EVERY;
        let RegistryProgress { done, of, throttled } = progress;
        let mut line = format!("[{:>6.1}s] {} | {done}/{of} devices", now.since(Nanos::ZERO).as_secs_f64(), self.what);
        if throttled > 0 {
            line.push_str(&format!(" | throttled {throttled} times"));
        }
        self.notes.say(line);
    }

    fn stopped(&self) -> RegistrySummary {
        let RegistryProgress { done, of, .. } = self.last;
        let table = format!("stopped {} after {done} of {of} devices; the same command goes on from there", self.what);
        RegistrySummary { table, exit: ExitCode::Aborted }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.notes.finish();
    }
}
