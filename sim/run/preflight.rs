//! What is checked before anything starts.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::environment::Elsewhere;
use super::options::RunOptions;
use super::placement::{Impossible, Placement};
use crate::dialect::azure::jobs;
use crate::measure::{ProcessError, Usage, descriptor_limit};
use crate::policy::{DeviceIds, Fault, Place};
use crate::profile::Plan;
use crate::shard::Roles;

/// How long one of several addresses may take to take a connection.
const PROBE: Duration = Duration::from_secs(3);

/// Why a plan cannot run here.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The limit of open files cannot be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It cannot be cut into processes.
    #[error(transparent)]
    Placement(#[from] Impossible),
    /// More processes than this one, and no program to start.
    #[error(
        "the plan needs {shards} shards and {hubs} embedded hubs, as a process may have {limit} open files: several are \
         processes of their own. Name the program that can be started as one (RunOptions::program), run fewer devices, or \
         raise the limit before (measure::raise_descriptor_limit, which is for the whole process)"
    )]
    NeedsProgram {
        /// Shards.
        shards: usize,
        /// Embedded hubs.
        hubs: usize,
        /// Descriptors that a process may have.
        limit: u64,
    },
    /// Both ends in this process are too much for it.
    #[error(
        "the plan needs {needed} open files in this process, which holds devices and hub, and which may have {limit}: raise \
         the limit before (measure::raise_descriptor_limit, which is for the whole process), name a program that can be \
         started as the hub (RunOptions::program), or run fewer devices"
    )]
    NeedsDescriptors {
        /// What the plan needs beside what is open already.
        needed: u64,
        /// What there is.
        limit: u64,
    },
    /// Something else is short.
    #[error("this machine cannot carry the plan: {0}; see `twinstorm doctor`")]
    Machine(String),
    /// Devices of a file on a hub that knows none of them.
    #[error(
        "fleet.devices_file names devices of a hub elsewhere, not of an embedded one: take --hub azure, or the address of a \
         plain broker"
    )]
    DevicesFile,
    /// An id that no topic may hold.
    #[error(
        "fleet.devices_file names the device `{id}`, whose `{character}` means something else in topics: a plain broker cannot \
         have it. Name it otherwise, or leave it out"
    )]
    TopicId {
        /// The id.
        id: String,
        /// What it must not hold.
        character: char,
    },
    /// Devices to create or delete, and no registry.
    #[error(
        "{broker} is a plain broker (hub.kind = \"mqtt\"), which has no registry of devices: make its users by its own tools, \
         and name them by `hub.username` and TWINSTORM_HUB_PASSWORD, or by certificates in `fleet.devices_file`"
    )]
    NoRegistry {
        /// Its address.
        broker: String,
    },
    /// A fault of the hub, and no hub of ours.
    #[error(
        "the fault `{name}` (kind `{kind}`) strikes the hub itself, which only an embedded one lets us do: take --hub \
         embedded with `run`, or leave that [[fault]] out"
    )]
    HubFault {
        /// Its name.
        name: String,
        /// Its kind.
        kind: &'static str,
    },
    /// Ids of a file that are too long for jobs of so many devices.
    #[error(
        "load.job_devices must not exceed {most} with the ids of fleet.devices_file: a job's condition names each of its \
         devices, and no more of the longest ids fit into it"
    )]
    JobDevices {
        /// Devices whose ids always fit.
        most: usize,
    },
    /// A drill without devices of its own.
    #[error(
        "`{profile}` is a drill, which breaks and heals the devices that it updates: `twinstorm run {profile}` does both"
    )]
    Drill {
        /// The profile.
        profile: String,
    },
    /// Load on a hub elsewhere.
    #[error(
        "{address} is not on this machine: this puts up to {load} on it. If you may put that load on it, say so with \
         --i-own-this-hub"
    )]
    Foreign {
        /// The hub.
        address: SocketAddr,
        /// The planned peak rates, in words.
        load: String,
    },
    /// Downloads from a server elsewhere.
    #[error(
        "firmware.image.url leads to {host}, which is not on this machine: this means up to {load}. If you may put that \
         load on it, say so with --i-own-this-hub"
    )]
    ForeignImage {
        /// The server.
        host: String,
        /// The planned peak rates, in words.
        load: String,
    },
}

/// A drill needs both ends: a driver alone cannot heal what it breaks, and a fleet alone has nothing to judge, so that its
/// faults are all that is left of a drill.
pub(super) fn drill(options: &mut RunOptions) -> Result<(), PreflightError> {
    let RunOptions { plan, roles, .. } = options;
    match (plan.drill.is_some() && *roles != Roles::BOTH, roles.driver) {
        (true, true) => Err(PreflightError::Drill { profile: plan.name.clone() }),
        (true, false) => {
            plan.drill = None;
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

/// Cuts the plan into processes that stay below the limit of descriptors, or below what the plan allows them; if it is to
/// be `alone` in this process, into a shard and a hub that do so together.
pub(super) fn placement(plan: &Plan, roles: Roles, alone: bool) -> Result<Placement, PreflightError> {
    let (limit, _) = descriptor_limit()?;
    let limit = plan.max_descriptors.map_or(limit, |most| limit.min(u64::from(most)));
    let placement = Placement::of(plan, roles, limit)?;
    if !alone {
        return Ok(placement);
    }
    let (shards, hubs) = (placement.shards.len(), placement.hubs);
    if shards > 1 || hubs > 1 {
        return Err(PreflightError::NeedsProgram { shards, hubs, limit });
    }
    // What the process has open already is the caller's.
    let needed = Usage::open_descriptors() + placement.needs_alone(plan, roles);
    if needed > limit {
        return Err(PreflightError::NeedsDescriptors { needed, limit });
    }
    Ok(placement)
}

/// Shards that a run of `plan` has where a process may have as many open files as this one.
///
/// # Errors
/// It cannot be cut into processes here.
pub fn shards_here(plan: &Plan) -> Result<u32, PreflightError> {
    let placement = placement(plan, Roles::BOTH, false)?;
    Ok(u32::try_from(placement.shards.len()).unwrap_or(u32::MAX))
}

/// Refuses faults of the hub where there is none of ours to do them to.
pub(super) fn faults(plan: &Plan) -> Result<(), PreflightError> {
    let strikes_hub = |fault: &&Fault| fault.kind.place() == Place::Hub;
    match plan.faults.iter().find(strikes_hub) {
        Some(fault) if !plan.hub.can_be_struck(&fault.kind) => {
            Err(PreflightError::HubFault { name: fault.name.clone(), kind: fault.kind.name() })
        }
        _ => Ok(()),
    }
}

/// Refuses ids of `plan`'s devices that a plain broker's topics cannot hold.
pub(super) fn topics(plan: &Plan, ids: &DeviceIds) -> Result<(), PreflightError> {
    if plan.hub.broker().is_none() {
        return Ok(());
    }
    let forbidden = |id: &String| id.chars().find(|c| matches!(c, '+' | '#' | '/'));
    let wrong = (0..plan.fleet.devices).map(|device| ids.id(device)).find_map(|id| Some((forbidden(&id)?, id)));
    wrong.map_or(Ok(()), |(character, id)| Err(PreflightError::TopicId { id, character }))
}

/// Refuses to create or delete devices where there is no registry.
pub(super) fn registry(plan: &Plan) -> Result<(), PreflightError> {
    let broker = plan.hub.broker().map(|broker| broker.url.to_string());
    broker.map_or(Ok(()), |broker| Err(PreflightError::NoRegistry { broker }))
}

/// Refuses jobs whose condition would be too long, whichever of `plan`'s devices, which have these `ids`, came together.
pub(super) fn jobs(plan: &Plan, ids: &DeviceIds) -> Result<(), PreflightError> {
    let Some(together) = plan.driver.via.job_devices() else { return Ok(()) };
    let mut lengths: Vec<usize> = (0..plan.fleet.devices).map(|device| ids.id(device).chars().count()).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    lengths.truncate(together as usize);
    let wanted = lengths.len();
    match jobs::ids_that_fit(lengths) {
        most if most < wanted => Err(PreflightError::JobDevices { most }),
        _ => Ok(()),
    }
}

/// Refuses to put `load` on a hub elsewhere unless the user owns it; returns whether the hub is on this machine.
pub(super) fn target(hub: &Elsewhere, load: String, owns_hub: bool) -> Result<bool, PreflightError> {
    let mut addresses = hub.mqtt.iter().chain(&hub.rest);
    match addresses.find(|address| !address.ip().is_loopback()) {
        None => Ok(true),
        Some(_) if owns_hub => Ok(false),
        Some(&address) => Err(PreflightError::Foreign { address, load }),
    }
}

/// Refuses to let devices download from a server elsewhere unless the user owns it.
pub(super) async fn image(plan: &Plan, owns: bool) -> Result<(), PreflightError> {
    let Some(url) = plan.image_elsewhere().filter(|_| !owns) else { return Ok(()) };
    // A name that cannot be looked up is nobody's on this machine.
    let here = match lookup_host((url.host.as_str(), url.port)).await {
        Ok(addresses) => addresses.map(|address| address.ip().is_loopback()).reduce(|all, one| all && one),
        Err(_) => None,
    };
    match here {
        Some(true) => Ok(()),
        _ => Err(PreflightError::ForeignImage { host: url.host, load: plan.downloads_in_words().unwrap_or_default() }),
    }
}

/// The first of `addresses` that takes a connection; a name may stand for some that lead nowhere from here. If none
/// does, the first: its devices will say why.
pub(super) async fn first_that_answers(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    if addresses.len() > 1 {
        for address in addresses {
            if let Ok(Ok(_)) = timeout(PROBE, TcpStream::connect(address)).await {
                return Some(*address);
            }
        }
    }
    addresses.first().copied()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::profile::{self, Override};

    #[test]
    fn jobs_over_more_ids_than_fit_are_refused_with_the_figure() {
        let long = |device: u32| format!("{device:0128}");
        let ids = DeviceIds::listed((0..100).map(long)).unwrap();
        for (sets, most) in [
            (&[][..], Some(62)),
            (&["load.job_devices=62"], None),
            (&["load.job_devices=63"], Some(62)),
            (&["fleet.devices=62"], None),
        ] {
            let all = ["fleet.devices=100"];
            let sets: Vec<_> = all.iter().chain(sets).map(|set| Override::set(set).unwrap()).collect();
            let plan = profile::load("scheduled-job", &sets).unwrap();
            let refused = jobs(&plan, &ids).err().map(|error| error.to_string());
            let says = most.map(|most: usize| format!("load.job_devices must not exceed {most} with"));
            assert_eq!(refused.is_some(), says.is_some(), "{sets:?}");
            assert!(refused.zip(says).is_none_or(|(refused, says)| refused.starts_with(&says)), "{sets:?}");
        }
    }

    #[test]
    fn a_plain_broker_has_topics_for_ids_and_no_registry() {
        let plan = |sets: &[&str]| {
            let sets: Vec<_> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
            profile::load("quickstart", &sets).unwrap()
        };
        let devices = "fleet.devices=2";
        let broker = plan(&[devices, "hub.kind=mqtt", "hub.url=mqtt://127.0.0.1"]);
        // Ids are listed in their order.
        let ids = |second: &str| DeviceIds::listed(["a1", second]).unwrap();
        for (id, character) in [("b2", None), ("b#2", Some("`#`")), ("b+2", Some("`+`")), ("b$2", None)] {
            let refused = topics(&broker, &ids(id)).err().map(|error| error.to_string());
            assert_eq!(refused.is_some(), character.is_some(), "{id}");
            let says = |refused: &String| refused.contains(id) && character.is_some_and(|part| refused.contains(part));
            assert!(refused.iter().all(says), "{refused:?}");
            assert!(topics(&plan(&[devices]), &ids(id)).is_ok());
        }
        let refused = registry(&broker).unwrap_err().to_string();
        assert!(refused.starts_with("mqtt://127.0.0.1:1883 is a plain broker"), "{refused}");
        assert!(refused.contains("TWINSTORM_HUB_PASSWORD") && registry(&plan(&[])).is_ok(), "{refused}");
    }

    #[test]
    fn a_plan_has_the_shards_that_descriptors_ask_for() {
        let shards = |sets: &[&str]| {
            let sets: Vec<_> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
            shards_here(&profile::load("quickstart", &sets).unwrap()).ok()
        };
        let few = ["fleet.devices=300", "load.max_in_flight=8", "fleet.max_descriptors=320"];
        assert_eq!((shards(&few), shards(&["fleet.shards=5"])), (Some(3), Some(5)));
        assert_eq!(shards(&["fleet.devices=3000", "fleet.shards=1", "fleet.max_descriptors=320"]), None);
    }

    #[tokio::test]
    async fn of_several_addresses_the_first_that_answers_is_taken() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = listening.local_addr().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(first_that_answers(&[gone, answers, gone]).await, Some(answers));
        assert_eq!(first_that_answers(&[gone, gone]).await, Some(gone));
        assert_eq!(first_that_answers(&[gone]).await, Some(gone));
        assert_eq!(first_that_answers(&[]).await, None);
    }
}
