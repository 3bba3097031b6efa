//! An embedded hub as the coordinator reaches it: a process of its own, or threads of this one.

use std::io;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::hub_process::HubProcess;
use super::hub_threads::HubThreads;
use crate::hub::HubFaultNews;
use crate::measure::{HubCounts, Usage};
use crate::policy::HubFault;
use crate::shard::{Credentials, Endpoints};

/// The way to a hub. Dropping it ends the hub.
#[derive(Debug)]
pub(super) enum EmbeddedHub {
    /// A process of its own: its use of the machine is told apart, and it can die alone.
    Process(Box<HubProcess>),
    /// Threads of this process.
    Threads(Box<HubThreads>),
}

/// Why an embedded hub did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedHubError {
    /// The program could not be started.
    #[error("cannot start the hub: {0}")]
    Spawn(#[from] io::Error),
    /// It started, but cannot listen.
    #[error("the hub cannot start: {0}")]
    Failed(String),
    /// It said nothing, or nonsense.
    #[error("the hub did not say that it listens ({0})")]
    Silent(String),
}

/// What a hub says, or shows, of itself.
#[derive(Debug, Clone)]
pub(super) enum HubNews {
    /// What really becomes of a fault.
    Fault(HubFaultNews),
    /// What was to be done to it could not be: why.
    Trouble(String),
    /// It has ended.
    Gone,
}

/// Where the news of hub number `hub` goes to.
#[derive(Debug, Clone)]
pub(super) struct NewsOfHub {
    pub(super) hub: usize,
    pub(super) news: mpsc::Sender<(usize, HubNews)>,
}

impl NewsOfHub {
    /// Tells `news`. There is room for all that a hub can have to tell.
    pub(super) fn tell(&self, news: HubNews) {
        let _ = self.news.try_send((self.hub, news));
    }
}

impl EmbeddedHub {
    /// Where it listens, and what opens it.
    pub(super) fn way(&self) -> (Endpoints, Credentials) {
        let (endpoints, credentials) = match self {
            Self::Process(hub) => hub.way(),
            Self::Threads(hub) => hub.way(),
        };
        (endpoints.clone(), credentials.clone())
    }

    /// Tells it when the load starts, and which faults to do.
    pub(super) fn start_at(&mut self, at: Timestamp, faults: Vec<HubFault>) {
        match self {
            Self::Process(hub) => hub.start_at(at, faults),
            Self::Threads(hub) => hub.start_at(at, faults),
        }
    }

    /// Lifts every fault.
    pub(super) fn heal(&mut self) {
        match self {
            Self::Process(hub) => hub.heal(),
            Self::Threads(hub) => hub.heal(),
        }
    }

    /// What it has used so far; what was known last if it is gone, and `None` where it is a part of what this process
    /// uses.
    pub(super) fn usage(&mut self) -> Option<Usage> {
        match self {
            Self::Process(hub) => Some(hub.usage()),
            Self::Threads(_) => None,
        }
    }

    /// Whether it is stopped, by a signal or a debugger, while this process goes on.
    pub(super) fn is_stopped(&mut self) -> bool {
        match self {
            Self::Process(hub) => hub.is_stopped(),
            Self::Threads(_) => false,
        }
    }

    /// How it ended, in words, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self {
            Self::Process(hub) => hub.ended().map(|status| status.to_string()),
            Self::Threads(hub) => hub.failed().map(str::to_owned),
        }
    }

    /// What the limits and servers of all `hubs` did so far; those that do not say so in time are left out. Blocks for as
    /// long.
    pub(super) fn counts<'a>(hubs: impl Iterator<Item = &'a mut Self>) -> HubCounts {
        // All are asked before any answer is waited for.
        let asked: Vec<&mut Self> = hubs.filter_map(|hub| hub.asked_to_count().then_some(hub)).collect();
        HubCounts::merged(asked.into_iter().map(|hub| match hub {
            Self::Process(hub) => hub.counts(),
            Self::Threads(hub) => hub.counts(),
        }))
    }

    fn asked_to_count(&mut self) -> bool {
        match self {
            Self::Process(hub) => hub.ask_for_counts(),
            Self::Threads(_) => true,
        }
    }

    /// Stops `hubs`, all at once. Blocks until they have ended.
    pub(super) fn stop_all(hubs: impl Iterator<Item = Self>) {
        let mut processes = Vec::new();
        for hub in hubs {
            match hub {
                Self::Process(hub) => processes.push(*hub),
                Self::Threads(hub) => drop(hub),
            }
        }
        HubProcess::stop_all(processes);
    }
}
