//! Who does faults to a hub: a thread of its own, which waits for their times and tells the workers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outage::Outage;
use super::timeline::{Timeline, Turn};
use crate::hub::config::HubDelays;
use crate::hub::partition::Partition;
use crate::hub::peers::{Message, Peers};
use crate::hub::ports::Ports;
use crate::hub::throttle::{Operation, Throttles};
use crate::hub::warning::Warning;
use crate::policy::{HubEffect, HubFault, HubSlow};
use crate::time::{Clock, Nanos};

/// How long until ports that somebody else has taken are tried again.
const AGAIN: Duration = Duration::from_millis(100);
/// Orders that may wait.
const ORDERS: usize = 4;

/// What became of a fault of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubFaultChange {
    /// It is done to the hub from now on.
    Began,
    /// The hub is well again.
    Ended,
}

/// What becomes of a fault of a hub, as it really happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubFaultNews {
    /// The fault's place in the plan.
    pub fault: usize,
    /// What became of it.
    pub change: HubFaultChange,
    /// When, from the start of the load.
    pub since_start: Duration,
}

/// Whom the news is told.
type Tell = Box<dyn FnMut(HubFaultNews) + Send>;

/// The parts of a hub that faults strike.
#[derive(Debug)]
pub(in crate::hub) struct Victim {
    pub(in crate::hub) peers: Peers,
    pub(in crate::hub) throttles: Arc<Throttles>,
    pub(in crate::hub) addresses: Ports<SocketAddr>,
    /// The delays that the hub was started with.
    pub(in crate::hub) delays: HubDelays,
    pub(in crate::hub) clock: Clock,
}

/// The way to the thread that injects faults. It ends once this is dropped.
#[derive(Debug)]
pub(in crate::hub) struct Injector {
    heal: SyncSender<SyncSender<()>>,
}

impl Injector {
    /// Does `faults` to a hub, from `start` on, and tells `tell` what becomes of each.
    ///
    /// # Errors
    /// No thread is to be had.
    pub(in crate::hub) fn start(
        victim: Victim,
        start: Nanos,
        faults: Vec<HubFault>,
        tell: impl FnMut(HubFaultNews) + Send + 'static,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (heal, healing) = sync_channel(ORDERS);
        let outage = Outage::new(victim.addresses);
        let timeline = Timeline::new(start, faults);
        let tell: Tell = Box::new(tell);
        let injecting = Injecting { victim, timeline, outage, returning: Vec::new(), taken: Warning::default(), tell };
        let thread = thread::Builder::new().name("hub-faults".to_owned()).spawn(move || injecting.run(&healing))?;
        Ok((Self { heal }, thread))
    }

    /// Lifts every fault. Blocks until that is done, as far as the ports are to be had.
    pub(in crate::hub) fn heal(&self) {
        let (done, is_done) = sync_channel(1);
        if self.heal.send(done).is_ok() {
            // It ends by being dropped.
            let _ = is_done.recv();
        }
    }
}

/// The thread.
struct Injecting {
    victim: Victim,
    timeline: Timeline,
    outage: Outage,
    /// Outages that are over but for the ports, which are not to be had.
    returning: Vec<HubFault>,
    taken: Warning,
    tell: Tell,
}

impl Injecting {
    fn run(mut self, healing: &Receiver<SyncSender<()>>) {
        loop {
            let mut done = None;
            match healing.recv_timeout(self.pause()) {
                Ok(healed) => {
                    self.timeline.heal().into_iter().for_each(|turn| self.carry_out(turn));
                    done = Some(healed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(turn) = self.timeline.turn(self.victim.clock.now()) {
                self.carry_out(turn);
            }
            self.come_back();
            drop(done);
        }
    }

    /// How long nothing is to be done.
    fn pause(&self) -> Duration {
        let pause = self.timeline.next().since(self.victim.clock.now());
        if self.returning.is_empty() { pause } else { pause.min(AGAIN) }
    }

    fn carry_out(&mut self, turn: Turn) {
        let Victim { throttles, clock, .. } = &self.victim;
        match turn {
            Turn::Begins(fault) => {
                match &fault.effect {
                    HubEffect::Down if self.outages() > 1 || !self.returning.is_empty() => {}
                    HubEffect::Down => {
                        self.outage.begin(&self.victim.peers);
                        throttles.forget_waiting(clock.now());
                    }
                    HubEffect::Slow(_) => self.slow_down(),
                    HubEffect::Throttle(throttled) => {
                        let operation = Operation::from(throttled.of);
                        throttles.impose(clock.now(), fault.index, &fault.name, operation, throttled.limit);
                    }
                }
                self.say(&fault, HubFaultChange::Began);
            }
            Turn::Ends(fault) => {
                match &fault.effect {
                    // Its ports may be somebody else's by now.
                    HubEffect::Down if self.outages() == 0 => return self.returning.push(fault),
                    HubEffect::Down => {}
                    HubEffect::Slow(_) => self.slow_down(),
                    HubEffect::Throttle(_) => {
                        throttles.lift(clock.now(), fault.index);
                        self.on_all_partitions(|partition, now| partition.release_all(now));
                    }
                }
                self.say(&fault, HubFaultChange::Ended);
            }
        }
    }

    /// How many faults keep the hub down.
    fn outages(&self) -> usize {
        self.timeline.active().filter(|fault| fault.effect == HubEffect::Down).count()
    }

    /// The hub listens again, once no outage is left and the ports are to be had.
    fn come_back(&mut self) {
        if self.returning.is_empty() || self.outages() > 0 {
            return;
        }
        match self.outage.end(&self.victim.peers) {
            Ok(()) => {
                for fault in std::mem::take(&mut self.returning) {
                    self.say(&fault, HubFaultChange::Ended);
                }
            }
            Err(error) => {
                if let Some(times) = self.taken.due(self.victim.clock.now()) {
                    tracing::warn!(times, "the hub was down and cannot come back: {error}; it tries on");
                }
            }
        }
    }

    /// Plants the delays of all faults that are active, beside those that the hub was started with.
    fn slow_down(&self) {
        let of = |fault: &HubFault| match &fault.effect {
            HubEffect::Slow(slow) => delays(slow),
            HubEffect::Down | HubEffect::Throttle(_) => HubDelays::default(),
        };
        let delays = self.timeline.active().map(of).fold(self.victim.delays, |sum, delays| sum + delays);
        self.on_all_partitions(move |partition, _| partition.delayed_by(delays));
    }

    fn on_all_partitions(&self, work: impl FnOnce(&mut Partition, Nanos) + Copy + Send + 'static) {
        self.victim.peers.tell_all(|done| {
            Message::Visit(Box::new(move |partition, now| {
                work(partition, now);
                drop(done);
            }))
        });
    }

    fn say(&mut self, fault: &HubFault, change: HubFaultChange) {
        let since_start = self.timeline.since_start(self.victim.clock.now());
        tracing::info!(fault = fault.name, ?change, "a fault of the hub");
        (self.tell)(HubFaultNews { fault: fault.index, change, since_start });
    }
}

fn delays(slow: &HubSlow) -> HubDelays {
    HubDelays {
        method_request: slow.methods,
        twin_ack: slow.twin_writes,
        twin_read: slow.twin_reads,
        ..HubDelays::default()
    }
}
