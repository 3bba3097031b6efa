//! The embedded hubs of a run.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::hub_process::{HubProcess, HubProcessError, StartingHub};
use crate::hub::HubConfig;
use crate::measure::{ThrottleCount, Usage};
use crate::shard::{Credentials, Endpoints};

/// How much later than its connections a hub's process may be known to have ended.
const END: Duration = Duration::from_millis(300);

/// The hubs, as many as the placement says; none where the hub is not ours.
#[derive(Debug)]
pub(super) struct Hubs {
    hubs: Vec<Embedded>,
    /// Whether they have limits.
    limited: bool,
    gone: mpsc::Receiver<usize>,
}

#[derive(Debug)]
struct Embedded {
    process: HubProcess,
    died: bool,
}

impl Hubs {
    /// Starts `count` hubs, and waits until all listen. To be called on the program's main thread, to whose life they
    /// are bound.
    ///
    /// # Errors
    /// The first that does not start; the others are stopped.
    pub(super) async fn start(count: usize, program: &Path, config: &HubConfig) -> Result<Self, HubProcessError> {
        let (tell, gone) = mpsc::channel(count.max(1));
        let starting: Vec<StartingHub> = (0..count)
            .map(|number| {
                let tell = tell.clone();
                let gone = move || {
                    // There is room for the end of each.
                    let _ = tell.try_send(number);
                };
                StartingHub::spawn(program, config, gone)
            })
            .collect::<Result<_, _>>()?;
        let mut hubs = Vec::with_capacity(count);
        for hub in starting {
            hubs.push(Embedded { process: hub.listening().await?, died: false });
        }
        Ok(Self { hubs, limited: config.limits.is_some(), gone })
    }

    /// None.
    pub(super) fn none() -> Self {
        let (_, gone) = mpsc::channel(1);
        Self { hubs: Vec::new(), limited: false, gone }
    }

    /// Where hub number `hub` listens, and what opens it.
    pub(super) fn way_to(&self, hub: usize) -> (Endpoints, Credentials) {
        let process = &self.hubs[hub].process;
        (process.endpoints.clone(), process.credentials.clone())
    }

    /// The next hub whose process ends; never, once there can be none.
    pub(super) async fn lose(&mut self) -> usize {
        match self.gone.recv().await {
            Some(hub) => hub,
            None => std::future::pending().await,
        }
    }

    /// Notes that hub number `hub` has died, and says so in words; `None` if that was noted before.
    pub(super) async fn note_death(&mut self, hub: usize) -> Option<String> {
        if std::mem::replace(&mut self.hubs[hub].died, true) {
            return None;
        }
        let how = self.status(hub).await.map(|status| format!(" ({status})")).unwrap_or_default();
        Some(match self.hubs.len() {
            1 => format!("the embedded hub died{how}"),
            count => format!("the embedded hub {hub} of {count} died{how}"),
        })
    }

    /// How hub number `hub` ended, if it has. One that dies closes its connections first; its end is known a moment
    /// later.
    pub(super) async fn status(&mut self, hub: usize) -> Option<ExitStatus> {
        let until = Instant::now() + END;
        loop {
            let status = self.hubs[hub].process.ended();
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn has_died(&self, hub: usize) -> bool {
        self.hubs[hub].died
    }

    /// What they have used so far, all together; `None` if there are none.
    pub(super) fn usage(&mut self) -> Option<Usage> {
        let parts = self.hubs.iter_mut().map(|hub| hub.process.usage());
        parts.reduce(|sum, part| sum + part)
    }

    /// What their limits did, all together; nothing where they have none. Blocks until they have said it.
    pub(super) fn throttled(&mut self) -> Vec<ThrottleCount> {
        if !self.limited {
            return Vec::new();
        }
        HubProcess::throttled(self.hubs.iter_mut().map(|hub| &mut hub.process))
    }

    /// Stops them all. Blocks until they have ended.
    pub(super) fn stop(&mut self) {
        HubProcess::stop_all(self.hubs.drain(..).map(|hub| hub.process).collect());
    }
}
