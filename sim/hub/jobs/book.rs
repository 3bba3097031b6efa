//! All jobs of a hub: what was asked for, what is to be done next, what came of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::history::History;
use super::job::{Job, JobRequest, Status, Work};
use super::limits::{ACTIVE, IN_FLIGHT, MAX_WAIT, PAYLOAD_BYTES};
use super::row::{DeviceJob, RowState};
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::{DeviceAnswer, Refusal};
use crate::hub::query::{Plan, parse_condition};
use crate::time::{Nanos, WallClock};

/// What is to be done outside.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    /// Find the devices of a job, and tell them with [`JobBook::found`].
    Find { job: u64, plan: Plan },
    /// Do the job's work to the device of this row, and tell how it went with [`JobBook::done`].
    Operate { job: u64, row: usize, device: Arc<str>, work: Arc<Work> },
}

/// The jobs, by number: in the order in which they were made.
#[derive(Debug)]
pub(in crate::hub) struct JobBook {
    pub(super) jobs: BTreeMap<u64, Job>,
    pub(super) numbers: HashMap<String, u64>,
    /// Jobs that may be active: that have not ended.
    most_active: usize,
    wall: WallClock,
    last: u64,
    /// When something is due for which job.
    deadlines: BTreeSet<(Nanos, u64)>,
    /// Running jobs that have devices left, in turn.
    waiting: VecDeque<u64>,
    history: History,
    active: usize,
    effects: VecDeque<Effect>,
}

impl JobBook {
    /// A book without jobs. So many may be active at once if a tier says so; one that is only scheduled is, too (6).
    pub(in crate::hub) fn new(wall: WallClock, most_active: Option<usize>) -> Self {
        Self {
            jobs: BTreeMap::new(),
            numbers: HashMap::new(),
            most_active: most_active.unwrap_or(ACTIVE),
            wall,
            last: 0,
            deadlines: BTreeSet::new(),
            waiting: VecDeque::new(),
            history: History::default(),
            active: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes in a job; gives the answer to the service.
    pub(in crate::hub) fn schedule(&mut self, now: Nanos, request: JobRequest) -> Result<Value, Refusal> {
        if self.numbers.contains_key(&request.id) {
            return Err(Refusal::new(ErrorCode::JobAlreadyExists, format!("job `{}` exists already", request.id)));
        }
        if self.active >= self.most_active {
            let message = format!("{} jobs have not ended, and no more are allowed", self.active);
            return Err(Refusal::new(ErrorCode::ThrottlingMaxActiveJobCountExceeded, message));
        }
        let created = self.wall.at(now);
        // A time that has passed is now.
        let start = request.start.unwrap_or(created).max(created);
        if Duration::try_from(start.duration_since(created)).is_ok_and(|wait| wait > MAX_WAIT) {
            let message = format!("startTime lies more than {} hours ahead", MAX_WAIT.as_secs() / 3600);
            return Err(Refusal::new(ErrorCode::ArgumentInvalid, message));
        }
        self.last += 1;
        let (number, deadline) = (self.last, self.wall.moment(start).max(now));
        self.numbers.insert(request.id.clone(), number);
        let job = Job::new(request, created, start, deadline);
        let receipt = job.receipt();
        self.deadlines.insert((deadline, number));
        self.jobs.insert(number, job);
        self.active += 1;
        self.tick(now);
        Ok(receipt)
    }

    /// Gives up a job that has not begun; gives its document.
    pub(in crate::hub) fn cancel(&mut self, now: Nanos, id: &str) -> Result<Value, Refusal> {
        let job = self.numbers.get(id).and_then(|number| Some((*number, self.jobs.get(number)?)));
        let Some((number, job)) = job else {
            return Err(Refusal::new(ErrorCode::JobNotFound, format!("there is no job `{id}`")));
        };
        if !matches!(job.status, Status::Scheduled | Status::Queued) {
            let message = format!("job `{id}` is {} and cannot be cancelled", job.status.name());
            return Err(Refusal::new(ErrorCode::OperationNotAllowedInCurrentState, message));
        }
        let document = self.jobs.get_mut(&number).map(|job| {
            job.end(self.wall.at(now), Status::Cancelled, None);
            job.document()
        });
        self.finished(number);
        Ok(document.unwrap_or_default())
    }

    /// The next thing to do; drain it after each call of another function.
    pub(super) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`JobBook::tick`] is due next.
    pub(super) fn next_deadline(&self) -> Nanos {
        self.deadlines.first().map_or(Nanos::MAX, |(at, _)| *at)
    }

    /// Does what is due at `now`.
    pub(super) fn tick(&mut self, now: Nanos) {
        while let Some(&(at, number)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            if job.status == Status::Running {
                let seconds = job.request.max_execution.as_secs();
                let reason = format!("maxExecutionTimeInSeconds, {seconds}, have passed");
                job.end(self.wall.at(now), Status::Failed, Some(reason));
                self.finished(number);
            } else {
                self.begin(now, number);
            }
        }
    }

    /// The time of a job has come. Its condition is looked at only now: a bad one is no error of the request (6).
    fn begin(&mut self, now: Nanos, number: u64) {
        let at = self.wall.at(now);
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.status = Status::Queued;
        match parse_condition(&job.request.condition) {
            Ok(query) => {
                let plan = Plan::new(query).asked_at(at.as_microsecond());
                self.effects.push_back(Effect::Find { job: number, plan });
            }
            Err(error) => {
                job.end(at, Status::Failed, Some(format!("queryCondition is not understood: {error}")));
                self.finished(number);
            }
        }
    }

    /// The devices of a job, or why they could not be found.
    pub(super) fn found(&mut self, now: Nanos, number: u64, devices: Result<Vec<Arc<str>>, Refusal>) {
        let at = self.wall.at(now);
        // It may have been cancelled meanwhile.
        let Some(job) = self.jobs.get_mut(&number).filter(|job| job.status == Status::Queued) else { return };
        match devices {
            Ok(devices) => {
                let row = |device| DeviceJob { device, state: RowState::Pending, started: None, updated: at };
                job.rows = devices.into_iter().map(row).collect();
                job.status = Status::Running;
                job.start = at;
                job.deadline = now + job.request.max_execution;
                self.deadlines.insert((job.deadline, number));
                self.waiting.push_back(number);
                self.check(now, number);
                self.operate(now);
            }
            Err(refusal) => {
                job.end(at, Status::Failed, Some(refusal.message));
                self.finished(number);
            }
        }
    }

    /// How the work on one device went; with a method goes what the device answered.
    pub(super) fn done(&mut self, now: Nanos, number: u64, row: usize, outcome: Result<Option<DeviceAnswer>, Refusal>) {
        let at = self.wall.at(now);
        // The job's time may have passed meanwhile.
        let Some(job) = self.jobs.get_mut(&number).filter(|job| job.status == Status::Running) else { return };
        let Some(row) = job.rows.get_mut(row) else { return };
        job.running -= 1;
        row.updated = at;
        row.state = match outcome {
            Ok(answer) => {
                job.succeeded += 1;
                answer.map_or(RowState::Changed, |DeviceAnswer { status, payload }| {
                    let room = job.payloads + payload.len() <= PAYLOAD_BYTES;
                    job.payloads += if room { payload.len() } else { 0 };
                    RowState::Answered(status, room.then(|| payload.into()))
                })
            }
            Err(refusal) => {
                job.failed += 1;
                RowState::Failed(Box::new(refusal))
            }
        };
        // It stands in line once: it left when it had as many devices in hand as it may.
        if job.next < job.rows.len() && !self.waiting.contains(&number) {
            self.waiting.push_back(number);
        }
        self.check(now, number);
        self.operate(now);
    }

    /// Ends a job whose devices are all done.
    fn check(&mut self, now: Nanos, number: u64) {
        let at = self.wall.at(now);
        if let Some(job) = self.jobs.get_mut(&number).filter(|job| job.is_done()) {
            job.end(at, Status::Completed, None);
            self.finished(number);
        }
    }

    /// Begins with as many devices as may be worked on, job by job in turn.
    fn operate(&mut self, now: Nanos) {
        while let Some(number) = self.waiting.pop_front() {
            let Some(job) = self.jobs.get_mut(&number) else { continue };
            if job.status != Status::Running || job.running >= IN_FLIGHT {
                continue;
            }
            let Some(row) = job.rows.get_mut(job.next) else { continue };
            let at = self.wall.at(now);
            (row.state, row.started, row.updated) = (RowState::Running, Some(at), at);
            let (device, work) = (Arc::clone(&row.device), Arc::clone(&job.request.work));
            self.effects.push_back(Effect::Operate { job: number, row: job.next, device, work });
            job.next += 1;
            job.running += 1;
            if job.next < job.rows.len() && job.running < IN_FLIGHT {
                self.waiting.push_back(number);
            }
        }
    }

    /// A job has ended; what there is too much of is forgotten.
    fn finished(&mut self, number: u64) {
        self.active -= 1;
        if let Some(job) = self.jobs.get(&number) {
            self.deadlines.remove(&(job.deadline, number));
            self.history.keep(number, job.weight());
        }
        while let Some(number) = self.history.next_forgotten() {
            if let Some(job) = self.jobs.remove(&number) {
                self.numbers.remove(&job.request.id);
            }
        }
    }
}
