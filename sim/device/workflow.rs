//! The firmware workflow of the tutorial: standBy, then downloading, applying and completed after a delay each, unless
//! the update's script says otherwise.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::document::{self, Document, ErrorEntry};
use super::script::{Act, Form, Line, Script, Step};
use super::{FirmwareConfig, ImageFailure, Package, Request};
use crate::policy::FirmwareStatus;
use crate::random::{Domain, Seed};
use crate::time::{Nanos, TimestampFormat, WallClock};

/// How a device writes the time.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The run's wall clock.
    pub wall: WallClock,
    /// The format.
    pub format: TimestampFormat,
}

impl Stamp {
    /// The time at `now`, as the device writes it.
    #[must_use]
    pub fn text(self, now: Nanos) -> String {
        self.format.format(self.wall.at(now))
    }
}

/// The delays before `downloading`, `applying` and `completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays(pub [Duration; 3]);

impl Delays {
    /// Those of the `nth` update of `device`. All are drawn at once and in order, so that what a device chooses never
    /// depends on how far it gets.
    #[must_use]
    pub fn draw(firmware: &FirmwareConfig, seed: Seed, device: u32, nth: u32) -> Self {
        let mut random = seed.stream(Domain::Delays, u64::from(device), u64::from(nth));
        let [wait, mut download, apply] =
            [&firmware.wait, &firmware.download, &firmware.apply].map(|delay| delay.sample(&mut random));
        if let Some(image) = &firmware.image {
            // A real one takes as long as it takes.
            download = if image.download().is_some() { Duration::ZERO } else { image.duration() };
        }
        Self([wait, download, apply])
    }
}

/// What the device does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The fault of this index in the fault plan strikes.
    Strike(usize),
    /// Something is reported.
    Report(Report),
    /// This image is downloaded: [`Workflow::downloaded`] is awaited.
    Download(Box<Package>),
    /// The connection is dropped without a word until then.
    Cut(Nanos),
    /// The connection is dropped without a word, and the device is gone for good.
    Vanish,
}

/// A patch of the reported properties that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it says.
    pub status: FirmwareStatus,
    /// The JSON document.
    pub document: Bytes,
    /// Whether anybody can read what it says.
    pub readable: bool,
    /// How often it is published beyond the first time.
    pub copies: u8,
    /// The delays of the device's own choice that have passed since the report before.
    pub waited: Duration,
}

/// One device's firmware: the version that runs, and the update that is under way.
#[derive(Debug)]
pub struct Workflow {
    running: Option<Box<Running>>,
    /// The update that runs or ended last, where it has an id.
    last_id: Option<Box<str>>,
    /// The version that runs; one that many devices share is there once.
    version: Rc<str>,
    /// Whether the twin holds an `error` that the next report has to clear.
    error_stands: bool,
}

#[derive(Debug)]
struct Running {
    request: Request,
    /// What is still to be done.
    steps: std::vec::IntoIter<Step>,
    /// When the next step ends; never in a stall.
    due: Nanos,
    /// The delays since the last report.
    waited: Duration,
    /// Whether the image is under way.
    downloading: bool,
}

impl Workflow {
    /// A device that runs `version`; one without a version (empty) reports none.
    #[must_use]
    pub fn new(version: Rc<str>) -> Self {
        Self { running: None, last_id: None, version, error_stands: false }
    }

    /// The report of a device that has come online.
    #[must_use]
    pub fn stand_by(&self, now: Nanos, stamp: Stamp) -> Report {
        let status = FirmwareStatus::StandBy;
        let version = Some(&*self.version).filter(|version| !version.is_empty());
        let (time, error, form) = (stamp.text(now), ErrorEntry::Absent, Form::Honest);
        let document = Document { status, time: &time, update_id: None, version, error, form }.write();
        Report { status, document, readable: true, copies: 0, waited: Duration::ZERO }
    }

    /// Whether an update is under way.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether `request` repeats the call of the update that runs or ended last.
    #[must_use]
    pub fn repeats(&self, request: &Request) -> bool {
        request.update_id.is_some() && request.update_id.as_deref() == self.last_id.as_deref()
    }

    /// Whether `request` names another version than the one that runs, so that a success can be told from a lie.
    #[must_use]
    pub fn changes(&self, request: &Request) -> bool {
        request.fw_version.as_deref().is_some_and(|version| *version != *self.version)
    }

    /// Starts an update at `now`.
    pub fn start(&mut self, now: Nanos, request: Request, script: Script) {
        self.last_id = request.update_id.as_deref().map(Into::into);
        let (steps, waited) = (script.into_steps(), Duration::ZERO);
        let mut running = Running { request, steps, due: now, waited, downloading: false };
        running.look_ahead();
        self.running = Some(Box::new(running));
    }

    /// The download took so long, and there is an image, or not. Whether that was waited for.
    pub fn downloaded(&mut self, now: Nanos, took: Duration, result: Result<(), ImageFailure>) -> bool {
        let Some(running) = self.running.as_mut().filter(|running| running.downloading) else { return false };
        running.downloading = false;
        running.waited += took;
        running.due = now;
        if let Err(ImageFailure { stage, code }) = result {
            let act = Act::Report(Line::failed(stage, code));
            running.steps = vec![Step { stage, after: Duration::ZERO, act }].into_iter();
        }
        if !running.look_ahead() {
            self.running = None;
        }
        true
    }

    /// The report that so many percent of the image are there.
    #[must_use]
    pub fn progress(&self, percent: u8) -> Option<Bytes> {
        let running = self.running.as_ref().filter(|running| running.downloading)?;
        Some(document::progress(percent, running.request.update_id.as_deref()))
    }

    /// When [`Workflow::poll`] has something to say.
    #[must_use]
    pub fn wake_at(&self) -> Nanos {
        self.running.as_ref().map_or(Nanos::MAX, |running| running.due)
    }

    /// What is due at `now`; to be asked until there is nothing.
    pub fn poll(&mut self, now: Nanos, stamp: Stamp) -> Option<Deed> {
        while self.wake_at() <= now {
            let mut running = self.running.take()?;
            let step = running.steps.next()?;
            let at = running.due;
            running.waited += step.after;
            let deed = match step.act {
                Act::Pass | Act::Hang => None,
                Act::Strike(fault) => Some(Deed::Strike(fault)),
                Act::Download => running.request.package.take().map(Deed::Download),
                Act::Report(line) => Some(Deed::Report(self.report(now, stamp, &mut running, &line))),
                Act::Cut(away) => Some(Deed::Cut(at + away)),
                Act::Vanish => Some(Deed::Vanish),
            };
            if running.look_ahead() {
                if let Some(Deed::Download(_)) = deed {
                    (running.downloading, running.due) = (true, Nanos::MAX);
                }
                self.running = Some(running);
            }
            if deed.is_some() {
                return deed;
            }
        }
        None
    }

    fn report(&mut self, now: Nanos, stamp: Stamp, running: &mut Running, line: &Line) -> Report {
        let request = &running.request;
        let error = match line.error.as_deref() {
            Some((stage, code)) => ErrorEntry::Is { stage: *stage, code },
            None if self.error_stands => ErrorEntry::Clear,
            None => ErrorEntry::Absent,
        };
        if let (FirmwareStatus::Completed, Form::Honest, Some(version)) = (line.status, line.form, &request.fw_version)
        {
            self.version = version.as_str().into();
        }
        // The version is echoed where the call named one: the old one until the update is complete.
        let version = request.fw_version.as_ref().map(|_| &*self.version);
        // A lie must be one even where devices say nothing of the version that they ran before.
        let version = version.filter(|version| !version.is_empty() || line.form == Form::OldVersion);
        let (status, form, time) = (line.status, line.form, stamp.text(now));
        let update_id = request.update_id.as_deref();
        let document = Document { status, time: &time, update_id, version, error, form }.write();
        // A report that the hub refuses clears nothing.
        if !matches!(form, Form::BadJson | Form::TooLarge) {
            self.error_stands = line.error.is_some();
        }
        let readable = !matches!(form, Form::BadJson | Form::WrongType);
        Report { status, document, readable, copies: line.copies, waited: std::mem::take(&mut running.waited) }
    }
}

impl Running {
    /// Looks at the next step; whether there is one. It begins when the one before was due, not when that one's report
    /// went out: the generator's own lateness does not add up.
    fn look_ahead(&mut self) -> bool {
        let next = self.steps.as_slice().first();
        self.due = match next {
            Some(Step { act: Act::Hang, .. }) | None => Nanos::MAX,
            Some(step) => self.due + step.after,
        };
        next.is_some()
    }
}

#[cfg(test)]
mod tests;
