//! The embedded hub as threads of this process: for those who use the crate as a library and have no program that could
//! be started as a hub. What it uses of the machine cannot be told from what the generator uses.

use jiff::Timestamp;

use super::embedded_hub::{EmbeddedHubError, HubNews, NewsOfHub};
use super::hub_listening::start_hub;
use crate::hub::{Hub, HubConfig};
use crate::measure::HubCounts;
use crate::policy::HubFault;
use crate::shard::{Credentials, Endpoints};

/// A hub on threads of its own. Dropping it stops it.
#[derive(Debug)]
pub(super) struct HubThreads {
    hub: Hub,
    news: NewsOfHub,
    /// Why it can do no more what was asked of it.
    failed: Option<String>,
    endpoints: Endpoints,
    credentials: Credentials,
}

impl HubThreads {
    /// Starts it; `news` is told what becomes of its faults.
    ///
    /// # Errors
    /// It cannot listen.
    pub(super) fn start(config: HubConfig, news: NewsOfHub) -> Result<Self, EmbeddedHubError> {
        let (hub, listening) = start_hub(config).map_err(|error| EmbeddedHubError::Failed(error.to_string()))?;
        let (endpoints, credentials) = listening.way().map_err(|why| EmbeddedHubError::Failed(why.to_owned()))?;
        Ok(Self { hub, news, failed: None, endpoints, credentials })
    }

    /// Where it listens, and what opens it.
    pub(super) const fn way(&self) -> (&Endpoints, &Credentials) {
        (&self.endpoints, &self.credentials)
    }

    /// Does `faults` to it at their times, for a load that starts at `at`. A hub that cannot be struck as planned is as
    /// good as dead: its run does not count.
    pub(super) fn start_at(&mut self, at: Timestamp, faults: Vec<HubFault>) {
        let news = self.news.clone();
        if let Err(error) = self.hub.inject(at, faults, move |fault| news.tell(HubNews::Fault(fault))) {
            self.failed = Some(error.to_string());
            self.news.tell(HubNews::Gone);
        }
    }

    /// Lifts every fault.
    pub(super) fn heal(&self) {
        self.hub.heal();
    }

    /// What its limits and its servers did so far.
    pub(super) fn counts(&self) -> HubCounts {
        self.hub.counts()
    }

    /// How it failed, if it has.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }
}
