//! The shards of a run: how far each is, and how to reach it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::carrier::{Carrier, Threads};
use super::placement::Placement;
use crate::measure::Tracer;
use crate::shard::{Assignment, FromShard, QUEUE, StopReason, ToShard};

/// Seconds that a shard may take to stop before it is given up; it waits for the last answers meanwhile.
const STOP_LIMIT: u32 = 45;
/// A shard that says something every second, and has said nothing for so many of the coordinator's seconds, is lost. One
/// that dies is noticed at once: this is for one that is stuck. Counted are seconds that the coordinator lived through: a
/// machine, or a coordinator, that stood still as a whole has not heard anything either.
const SILENCE: u32 = 15;

/// A shard.
#[derive(Debug)]
pub(super) struct Member {
    /// The hub that serves it, where that is one of ours.
    pub(super) hub: Option<usize>,
    pub(super) state: State,
    carrier: Carrier,
    assignment: Option<Box<Assignment>>,
    /// Seconds since it said something.
    silent: u32,
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
    Stopping {
        /// For how many of the coordinator's seconds.
        seconds: u32,
    },
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
    /// Starts a shard for each of `assignments`: a single one on a thread of this process, which is put among `threads`,
    /// several as processes of `program`, bound to the life of the thread that this is called on. To be called within a
    /// runtime.
    ///
    /// # Errors
    /// A thread or process cannot be started.
    pub(super) fn start(
        assignments: Vec<Assignment>,
        placement: &Placement,
        program: Option<&Path>,
        tracer: Option<Arc<Tracer>>,
        threads: &mut Threads,
    ) -> io::Result<Self> {
        let (say, words) = mpsc::channel(QUEUE);
        let alone = assignments.len() == 1;
        let mut members = Vec::with_capacity(assignments.len());
        for (shard, assignment) in assignments.into_iter().enumerate() {
            let carrier = match program.filter(|_| !alone) {
                None => Carrier::thread(shard, tracer.clone(), say.clone(), threads)?,
                Some(program) => Carrier::process(shard, program, say.clone())?,
            };
            members.push(Member {
                hub: placement.hub_of(shard),
                state: State::Preparing,
                carrier,
                assignment: Some(Box::new(assignment)),
                silent: 0,
            });
        }
        Ok(Self { members, words })
    }

    /// What is heard next: who says it, or that he says nothing more.
    pub(super) async fn hear(&mut self) -> Option<(usize, Option<FromShard>)> {
        let heard = self.words.recv().await?;
        self.members[heard.0].silent = 0;
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

    /// Lifts every fault; stops calling as well, if it is to `abort`.
    pub(super) fn heal(&mut self, abort: bool) {
        for member in self.members.iter_mut().filter(|member| member.is_at_work()) {
            member.carrier.tell(ToShard::Heal { abort });
        }
    }

    /// Releases a wave of the roll-out.
    pub(super) fn release(&mut self, wave: u32, at: Timestamp) {
        for member in self.members.iter_mut().filter(|member| member.state == State::Running) {
            member.carrier.tell(ToShard::Release { wave, at });
        }
    }

    /// Stops those of the living that `which` holds for, for this `reason`. An interrupt also hurries those that are
    /// stopping already.
    pub(super) fn stop(&mut self, reason: StopReason, which: impl Fn(&Member) -> bool) {
        for member in self.members.iter_mut().filter(|member| which(member)) {
            if member.is_at_work() {
                // One that has not said hello yet learns what it is to stop: all of it is counted.
                if let Some(assignment) = member.assignment.take() {
                    member.carrier.tell(ToShard::Assign(assignment));
                }
                member.state = State::Stopping { seconds: 0 };
                member.carrier.tell(ToShard::Stop(reason));
            } else if reason == StopReason::Interrupted && member.state != State::Over {
                member.carrier.tell(ToShard::Stop(reason));
            }
        }
    }

    /// Nothing more is expected of a shard.
    pub(super) fn end(&mut self, shard: usize) {
        let member = &mut self.members[shard];
        member.state = State::Over;
        member.carrier.kill();
    }

    /// Lets a second pass: shards that do not answer any longer, or have not stopped when told to, and why they are lost.
    pub(super) fn stuck(&mut self) -> Vec<(usize, &'static str)> {
        let stuck = self.members.iter_mut().enumerate();
        stuck.filter_map(|(shard, member)| Some((shard, member.live_a_second()?))).collect()
    }

    /// How the process of a shard ended, in words, as far as that is known.
    pub(super) fn end_in_words(&mut self, shard: usize) -> String {
        self.members[shard].carrier.end_in_words()
    }

    /// Whether all that are at work stand at `state`, and there is one.
    pub(super) fn all_at(&self, state: State) -> bool {
        let mut at_work = self.members.iter().filter(|member| member.is_at_work()).peekable();
        at_work.peek().is_some() && at_work.all(|member| member.state == state)
    }

    /// Whether one of those that are at work is one of these.
    pub(super) fn any_at_work(&self, which: impl Fn(usize) -> bool) -> bool {
        self.members.iter().enumerate().any(|(shard, member)| member.is_at_work() && which(shard))
    }

    /// Whether anybody has neither ended nor been told to.
    pub(super) fn are_at_work(&self) -> bool {
        self.members.iter().any(Member::is_at_work)
    }

    /// Whether nothing more is to be heard of any.
    pub(super) fn are_over(&self) -> bool {
        self.members.iter().all(|member| member.state == State::Over)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// A shard.
    pub(super) fn get(&self, shard: usize) -> &Member {
        &self.members[shard]
    }

    /// Lets a shard stand at `state`.
    pub(super) fn set(&mut self, shard: usize, state: State) {
        self.members[shard].state = state;
    }
}

impl Member {
    /// Whether it has neither ended nor been told to.
    const fn is_at_work(&self) -> bool {
        !matches!(self.state, State::Stopping { .. } | State::Over)
    }

    /// Grows a second older; why it is lost by that.
    fn live_a_second(&mut self) -> Option<&'static str> {
        self.silent += 1;
        match &mut self.state {
            State::Over => None,
            // One that disconnects its devices says nothing meanwhile.
            State::Stopping { seconds } => {
                *seconds += 1;
                (*seconds > STOP_LIMIT).then_some("did not stop when told to")
            }
            // A thread of this very process is as alive as whoever asks.
            _ => (self.carrier.is_process() && self.silent > SILENCE).then_some("has fallen silent"),
        }
    }
}

/// All at once: each is waited for as it is dropped, and a large one takes a while to die.
impl Drop for Members {
    fn drop(&mut self) {
        self.members.iter_mut().for_each(|member| member.carrier.kill());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(state: State) -> (Member, mpsc::Receiver<ToShard>) {
        let (orders, told) = mpsc::channel(QUEUE);
        (Member { hub: None, state, carrier: Carrier::Thread(orders), assignment: None, silent: 0 }, told)
    }

    fn members(states: &[State]) -> (Members, Vec<mpsc::Receiver<ToShard>>) {
        let (members, told) = states.iter().map(|state| member(*state)).unzip();
        let (_, words) = mpsc::channel(1);
        (Members { members, words }, told)
    }

    #[test]
    fn an_interrupt_hurries_those_that_stop_and_nothing_else_does() {
        let states = [State::Running, State::Stopping { seconds: 3 }, State::Over];
        let (mut members, mut told) = members(&states);
        members.stop(StopReason::HubDied, |_| true);
        let mut count = || told.iter_mut().map(|told| usize::from(told.try_recv().is_ok())).collect::<Vec<_>>();
        assert_eq!(count(), [1, 0, 0]);
        members.stop(StopReason::Interrupted, |_| true);
        let mut count = || told.iter_mut().map(|told| usize::from(told.try_recv().is_ok())).collect::<Vec<_>>();
        assert_eq!(count(), [1, 1, 0]);
        assert_eq!(members.get(1).state, State::Stopping { seconds: 3 });
    }

    #[test]
    fn who_does_not_stop_in_time_is_lost() {
        let (mut members, _told) = members(&[State::Stopping { seconds: 0 }, State::Running]);
        for _ in 0..STOP_LIMIT {
            assert!(members.stuck().is_empty());
        }
        assert_eq!(members.stuck(), [(0, "did not stop when told to")]);
    }

    #[test]
    fn the_barrier_waits_for_all_that_are_at_work() {
        let all = |states: &[State]| members(states).0.all_at(State::Ready);
        assert!(all(&[State::Ready, State::Over, State::Stopping { seconds: 0 }]));
        assert!(!all(&[State::Ready, State::Preparing]));
        assert!(!all(&[State::Over]));
    }
}
