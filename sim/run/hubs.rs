//! The embedded hubs of a run.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::embedded_hub::{EmbeddedHub, EmbeddedHubError, HubNews, NewsOfHub};
use super::farewell::Farewell;
use super::hub_process::StartingHub;
use super::hub_threads::HubThreads;
use super::outages::Outages;
use crate::hub::HubConfig;
use crate::measure::{HubCounts, Usage};
use crate::policy::{HubEffect, HubFault, OutageCommands};
use crate::shard::{Credentials, Endpoints};

/// How much later than its connections a hub's process may be known to have ended.
const END: Duration = Duration::from_millis(300);

/// The hubs, as many as the placement says; none where the hub is not ours.
#[derive(Debug)]
pub(super) struct Hubs {
    hubs: Vec<Embedded>,
    /// What they are, in words.
    name: &'static str,
    /// Whether they have limits, of their own or by a fault, or a service-time model.
    limited: bool,
    faults: Vec<HubFault>,
    /// Where the hub is not ours, and its operator said how it is taken down.
    outages: Option<Outages>,
    news: mpsc::Receiver<(usize, HubNews)>,
}

#[derive(Debug)]
struct Embedded {
    embedded: EmbeddedHub,
    died: bool,
    /// How often it was found stopped by [`Hubs::look`], which looks once a second.
    stopped: u32,
}

impl Hubs {
    /// Starts `count` hubs, and waits until all listen: as processes of `program`, bound to the life of the thread that
    /// this is called on, or else as threads of this process.
    ///
    /// # Errors
    /// The first that does not start; the others are stopped.
    pub(super) async fn start(
        count: usize,
        program: Option<&Path>,
        config: &HubConfig,
        faults: Vec<HubFault>,
    ) -> Result<Self, EmbeddedHubError> {
        // There is room for beginning and end of each fault of each hub, and for the end of each.
        let (tell, news) = mpsc::channel((count * (2 * faults.len() + 1)).max(1));
        let news_of = |hub| NewsOfHub { hub, news: tell.clone() };
        let mut started = Vec::with_capacity(count);
        let config_of =
            |number: usize| HubConfig { instance: u32::try_from(number).unwrap_or(u32::MAX), ..config.clone() };
        match program {
            Some(program) => {
                let starting: Vec<StartingHub> = (0..count)
                    .map(|number| StartingHub::spawn(program, config_of(number), news_of(number)))
                    .collect::<Result<_, _>>()?;
                for hub in starting {
                    started.push(EmbeddedHub::Process(Box::new(hub.listening().await?)));
                }
            }
            None => {
                for number in 0..count {
                    started
                        .push(EmbeddedHub::Threads(Box::new(HubThreads::start(config_of(number), news_of(number))?)));
                }
            }
        }
        let hubs = started.into_iter().map(|embedded| Embedded { embedded, died: false, stopped: 0 }).collect();
        let throttles = |fault: &HubFault| matches!(fault.effect, HubEffect::Throttle(_));
        let limited = config.limits.is_some() || config.service.is_some() || faults.iter().any(throttles);
        let name = if config.acknowledge_only { "null hub" } else { "embedded hub" };
        Ok(Self { hubs, name, limited, faults, outages: None, news })
    }

    /// None of ours; `faults` are done to the one that there is by `outage`, where that is known, and it is brought back at the
    /// latest at the `farewell`.
    pub(super) fn elsewhere(outage: Option<OutageCommands>, faults: Vec<HubFault>, farewell: Farewell) -> Self {
        // There is room for beginning, end and trouble of each.
        let (tell, news) = mpsc::channel(4 * faults.len() + 1);
        let outages = outage.map(|commands| Outages::new(commands, NewsOfHub { hub: 0, news: tell }, farewell));
        Self { hubs: Vec::new(), name: "hub", limited: false, faults, outages, news }
    }

    /// Where hub number `hub` listens, and what opens it.
    pub(super) fn way_to(&self, hub: usize) -> (Endpoints, Credentials) {
        self.hubs[hub].embedded.way()
    }

    /// The load starts at `at`: from then on their faults are done to them.
    pub(super) fn start_at(&mut self, at: Timestamp) {
        if !self.faults.is_empty() {
            let Self { hubs, faults, outages, .. } = self;
            if let Some(outages) = outages {
                outages.start_at(at, faults.clone());
            }
            hubs.iter_mut().for_each(|hub| hub.embedded.start_at(at, faults.clone()));
        }
    }

    /// Lifts every fault of theirs.
    pub(super) fn heal(&mut self) {
        if !self.faults.is_empty() {
            self.hubs.iter_mut().for_each(|hub| hub.embedded.heal());
            if let Some(outages) = &self.outages {
                outages.heal();
            }
        }
    }

    /// The next that is heard of a hub, and its number; never, once there can be nothing more.
    pub(super) async fn hear(&mut self) -> (usize, HubNews) {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// The same, if it is there already.
    pub(super) fn heard(&mut self) -> Option<(usize, HubNews)> {
        self.news.try_recv().ok()
    }

    /// Notes that hub number `hub` has died, and says so in words; `None` if that was noted before.
    pub(super) async fn note_death(&mut self, hub: usize) -> Option<String> {
        if std::mem::replace(&mut self.hubs[hub].died, true) {
            return None;
        }
        let how = self.status(hub).await.map(|status| format!(" ({status})")).unwrap_or_default();
        Some(format!("{} died{how}", self.name(hub)))
    }

    fn name(&self, hub: usize) -> String {
        match self.hubs.len() {
            1 => format!("the {}", self.name),
            count => format!("the {} {hub} of {count}", self.name),
        }
    }

    /// Which of several hubs number `hub` is, to be put behind a sentence; nothing where there is one.
    pub(super) fn which(&self, hub: usize) -> String {
        if self.hubs.len() > 1 { format!(" (hub {hub})") } else { String::new() }
    }

    /// How hub number `hub` ended, in words, if it has. One that dies closes its connections first; its end is known a
    /// moment later.
    pub(super) async fn status(&mut self, hub: usize) -> Option<String> {
        let until = Instant::now() + END;
        loop {
            let status = self.hubs[hub].embedded.ended();
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn has_died(&self, hub: usize) -> bool {
        self.hubs[hub].died
    }

    /// Looks at them, which is to be done once a second: what they use is not known any more once they are gone. Says,
    /// in words, which have been found stopped for the first time.
    pub(super) fn look(&mut self) -> Vec<String> {
        self.usage();
        let mut found = Vec::new();
        for hub in 0..self.hubs.len() {
            let Embedded { embedded, stopped, .. } = &mut self.hubs[hub];
            if embedded.is_stopped() {
                *stopped += 1;
                if *stopped == 1 {
                    found.push(format!("{} is stopped by a signal: it serves nobody until it goes on", self.name(hub)));
                }
            }
        }
        found
    }

    /// How long each was stopped that was, in words.
    pub(super) fn stops(&self) -> Vec<String> {
        let stopped = self.hubs.iter().enumerate().filter(|(_, hub)| hub.stopped > 0);
        stopped
            .map(|(n, hub)| format!("{} was stopped by a signal for about {} s", self.name(n), hub.stopped))
            .collect()
    }

    /// What they have used so far, all together; `None` if there are none, or none in a process of its own.
    pub(super) fn usage(&mut self) -> Option<Usage> {
        let parts = self.hubs.iter_mut().filter_map(|hub| hub.embedded.usage());
        parts.reduce(|sum, part| sum + part)
    }

    /// What their limits and servers did, all together; nothing where they have none. Blocks until they have said it.
    pub(super) fn counts(&mut self) -> HubCounts {
        if !self.limited {
            return HubCounts::default();
        }
        EmbeddedHub::counts(self.hubs.iter_mut().map(|hub| &mut hub.embedded))
    }

    /// Ends the outages of one that is not ours, and brings it back. Blocks until that is done; what there is to say of it can
    /// be heard then.
    pub(super) fn end_outages(&mut self) {
        self.outages = None;
    }

    /// Stops them all. Blocks until they have ended.
    pub(super) fn stop(&mut self) {
        self.end_outages();
        EmbeddedHub::stop_all(self.hubs.drain(..).map(|hub| hub.embedded));
    }
}
