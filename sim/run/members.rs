//! The shards of a run: how far each is, and how to reach it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::carrier::Carrier;
use super::placement::Placement;
use crate::measure::Tracer;
use crate::shard::{Assignment, FromShard, QUEUE, StopReason, ToShard};

/// How long a shard may take to stop before it is given up; it waits for the last answers meanwhile.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// A shard that says something every second, and has said nothing for so long, is lost. One that dies is noticed at
/// once: this is for one that is stuck, on a machine that may have stalled as a whole for a while.
const SILENCE: Duration = Duration::from_secs(15);

/// A shard.
#[derive(Debug)]
pub(super) struct Member {
    /// The hub that serves it, where that is one of ours.
    pub(super) hub: Option<usize>,
    pub(super) state: State,
    carrier: Carrier,
    assignment: Option<Box<Assignment>>,
    heard: Instant,
}

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// Its devices connect.
    Preparing,
    /// It waits for the start.
    Ready,
    /// It has been told when to start.
    Running,
    /// All of its updates have ended.
    Finished,
    /// It has been told to stop.
    Stopping { until: Instant },
    /// It has said its last word, or never will.
    Over,
}

/// All shards of a run.
#[derive(Debug)]
pub(super) struct Members {
    members: Vec<Member>,
    words: mpsc::Receiver<(usize, Option<FromShard>)>,
}

impl Members {
    /// Starts a shard for each of `assignments`: a single one on a thread of this process, several as processes. To be
    /// called on the program's main thread, within a runtime.
    ///
    /// # Errors
    /// A thread or process cannot be started.
    pub(super) fn start(
        assignments: Vec<Assignment>,
        placement: &Placement,
        program: &Path,
        tracer: Option<Arc<Tracer>>,
    ) -> io::Result<Self> {
        let (say, words) = mpsc::channel(QUEUE);
        let alone = assignments.len() == 1;
        let mut members = Vec::with_capacity(assignments.len());
        for (shard, assignment) in assignments.into_iter().enumerate() {
            let carrier = if alone {
                Carrier::thread(shard, tracer.clone(), say.clone())?
            } else {
                Carrier::process(shard, program, say.clone())?
            };
            members.push(Member {
                hub: placement.hub_of(shard),
                state: State::Preparing,
                carrier,
                assignment: Some(Box::new(assignment)),
                heard: Instant::now(),
            });
        }
        Ok(Self { members, words })
    }

    /// What is heard next: who says it, or that he says nothing more.
    pub(super) async fn hear(&mut self) -> Option<(usize, Option<FromShard>)> {
        let heard = self.words.recv().await?;
        self.members[heard.0].heard = Instant::now();
        Some(heard)
    }

    /// Hands a shard its assignment.
    pub(super) fn assign(&mut self, shard: usize) {
        let member = &mut self.members[shard];
        if let Some(assignment) = member.assignment.take() {
            member.carrier.tell(ToShard::Assign(assignment));
        }
    }

    /// Starts the load of those that are ready.
    pub(super) fn start_at(&mut self, at: Timestamp) {
        for member in self.members.iter_mut().filter(|member| member.state == State::Ready) {
            member.state = State::Running;
            member.carrier.tell(ToShard::StartAt(at));
        }
    }

    /// Stops those of the living that `which` holds for, for this `reason`.
    pub(super) fn stop(&mut self, reason: StopReason, which: impl Fn(&Member) -> bool) {
        for member in self.members.iter_mut().filter(|member| member.is_at_work() && which(member)) {
            member.state = State::Stopping { until: Instant::now() + STOP_LIMIT };
            member.carrier.tell(ToShard::Stop(reason));
        }
    }

    /// Nothing more is expected of a shard.
    pub(super) fn end(&mut self, shard: usize) {
        let member = &mut self.members[shard];
        member.state = State::Over;
        member.carrier.kill();
    }

    /// Shards that do not answer any longer, or have not stopped when told to, and why they are lost.
    pub(super) fn stuck(&self, now: Instant) -> Vec<(usize, &'static str)> {
        let why = |member: &Member| match member.state {
            State::Over => None,
            State::Stopping { until } if until <= now => Some("did not stop when told to"),
            // A thread of this very process is as alive as whoever asks.
            _ if member.carrier.is_process() && now.saturating_duration_since(member.heard) > SILENCE => {
                Some("has fallen silent")
            }
            _ => None,
        };
        self.members.iter().enumerate().filter_map(|(shard, member)| Some((shard, why(member)?))).collect()
    }

    /// Whether all that are at work stand at `state`, and there is one.
    pub(super) fn all_at(&self, state: State) -> bool {
        let mut at_work = self.members.iter().filter(|member| member.is_at_work()).peekable();
        at_work.peek().is_some() && at_work.all(|member| member.state == state)
    }

    /// Whether nothing more is to be heard of any.
    pub(super) fn are_over(&self) -> bool {
        self.members.iter().all(|member| member.state == State::Over)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn get(&self, shard: usize) -> &Member {
        &self.members[shard]
    }

    pub(super) fn set(&mut self, shard: usize, state: State) {
        self.members[shard].state = state;
    }
}

impl Member {
    /// Whether it has neither ended nor been told to.
    const fn is_at_work(&self) -> bool {
        !matches!(self.state, State::Stopping { .. } | State::Over)
    }
}
