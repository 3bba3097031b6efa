//! The firmware workflow of the tutorial: standBy, then downloading, applying and completed after a delay each.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{FirmwareConfig, ImageFailure, Package, Request, Strike};
use crate::policy::{FaultStage, FirmwareStatus};
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

/// The delays before `downloading`, `applying` and `completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays(pub [Duration; 3]);

impl Delays {
    /// Those of the `nth` update of `device`. All are drawn at once and in order, so that what a device chooses never
    /// depends on how far it gets.
    #[must_use]
    pub fn draw(firmware: &FirmwareConfig, seed: Seed, device: u32, nth: u32) -> Self {
        let mut random = seed.stream(Domain::Delays, u64::from(device), u64::from(nth));
        let mut delays = [&firmware.wait, &firmware.download, &firmware.apply].map(|delay| delay.sample(&mut random));
        if let Some(image) = &firmware.image {
            // A real one takes as long as it takes.
            delays[DOWNLOAD] = if image.download().is_some() { Duration::ZERO } else { image.duration() };
        }
        Self(delays)
    }
}

/// A patch of the reported properties that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it says.
    pub status: FirmwareStatus,
    /// The JSON document.
    pub document: Bytes,
    /// The delay of the device's own choice that has passed before it.
    pub waited: Duration,
    /// The fault that struck with it, by index in the fault plan.
    pub struck: Option<usize>,
    /// Whether it is `failed` for a reason of the device's own.
    pub failed_itself: bool,
}

/// What each step reports at its end.
const STEPS: [FirmwareStatus; 3] = [FirmwareStatus::Downloading, FirmwareStatus::Applying, FirmwareStatus::Completed];

/// The step in which the image is downloaded.
const DOWNLOAD: usize = 1;

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
    delays: Delays,
    strike: Option<Strike>,
    step: usize,
    /// When the step ends; never in a stall, and not before the image is there.
    due: Nanos,
    /// Why there is no image.
    failure: Option<ImageFailure>,
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
        let version = Some(&*self.version).filter(|version| !version.is_empty());
        report(now, stamp, FirmwareStatus::StandBy, &Request::default(), version, Error::Absent, Duration::ZERO)
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

    /// Starts an update at `now`. Says which fault has struck at once (a stall before the first stage), by index in
    /// the fault plan.
    pub fn start(&mut self, now: Nanos, request: Request, delays: Delays, strike: Option<Strike>) -> Option<usize> {
        self.last_id = request.update_id.as_deref().map(Into::into);
        let mut running = Running { request, delays, strike, step: 0, due: now, failure: None };
        let struck = running.enter(0);
        self.running = Some(Box::new(running));
        struck
    }

    /// The image that is to be downloaded now; once for each update whose call named one ([`Request::package`]). The
    /// workflow then waits for [`Workflow::downloaded`].
    pub fn take_download(&mut self) -> Option<Box<Package>> {
        self.running.as_mut().filter(|running| running.step == DOWNLOAD)?.request.package.take()
    }

    /// The download took so long, and there is an image, or not.
    pub fn downloaded(&mut self, now: Nanos, took: Duration, result: Result<(), ImageFailure>) {
        if let Some(running) = self.running.as_mut().filter(|running| running.awaits_image()) {
            (running.delays.0[DOWNLOAD], running.due, running.failure) = (took, now, result.err());
        }
    }

    /// The report that so many percent of the image are there.
    #[must_use]
    pub fn progress(&self, percent: u8) -> Option<Bytes> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Progress<'a> {
            download_progress: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            update_id: Option<&'a str>,
        }
        let running = self.running.as_ref().filter(|running| running.awaits_image())?;
        let progress = Progress { download_progress: percent, update_id: running.request.update_id.as_deref() };
        serde_json::to_vec(&progress).ok().map(Into::into)
    }

    /// When [`Workflow::poll`] has something to say.
    #[must_use]
    pub fn wake_at(&self) -> Nanos {
        self.running.as_ref().map_or(Nanos::MAX, |running| running.due)
    }

    /// The next report that is due at `now`.
    pub fn poll(&mut self, now: Nanos, stamp: Stamp) -> Option<Report> {
        if now < self.wake_at() {
            return None;
        }
        let mut running = self.running.take()?;
        let (step, waited) = (running.step, running.delays.0[running.step]);
        let mut error = if std::mem::take(&mut self.error_stands) { Error::Clear } else { Error::Absent };
        let mut status = STEPS[step];
        let mut struck = None;
        let failure = running.failure.take();
        if let Some(ImageFailure { stage, code }) = failure {
            status = FirmwareStatus::Failed;
            error = Error::Is { stage, code };
            self.error_stands = true;
        } else if let Some(Strike { fault, stage, code: Some(code) }) =
            running.strike.as_ref().filter(|strike| strike.step() == step)
        {
            (status, struck) = (FirmwareStatus::Failed, Some(*fault));
            error = Error::Is { stage: *stage, code };
            self.error_stands = true;
        }
        if let (FirmwareStatus::Completed, Some(version)) = (status, &running.request.fw_version) {
            self.version = version.as_str().into();
        }
        // The version is echoed where the call named one: the old one until the update is complete.
        let version = running.request.fw_version.as_ref().map(|_| &*self.version).filter(|v| !v.is_empty());
        let mut report = report(now, stamp, status, &running.request, version, error, waited);
        if !status.is_terminal() {
            struck = running.enter(step + 1);
            self.running = Some(running);
        }
        (report.struck, report.failed_itself) = (struck, failure.is_some());
        Some(report)
    }
}

impl Running {
    /// Goes on to `step`; says which fault stalls it there. A step begins when the one before was due, not when its
    /// report went out: the generator's own lateness does not add up.
    fn enter(&mut self, step: usize) -> Option<usize> {
        let stall = self.strike.as_ref().filter(|strike| strike.stalls(step)).map(|strike| strike.fault);
        self.step = step;
        if stall.is_some() {
            self.request.package = None;
        }
        let waits = stall.is_some() || (step == DOWNLOAD && self.request.package.is_some());
        self.due = if waits { Nanos::MAX } else { self.due + self.delays.0[step] };
        stall
    }

    /// Whether its image is under way. A stall takes no image.
    fn awaits_image(&self) -> bool {
        self.step == DOWNLOAD && self.due == Nanos::MAX && !self.strike.as_ref().is_some_and(|s| s.stalls(DOWNLOAD))
    }
}

/// What a report says of errors.
#[derive(Clone, Copy)]
enum Error<'a> {
    Absent,
    /// An earlier update's error is taken out of the twin.
    Clear,
    Is {
        stage: FaultStage,
        code: &'a str,
    },
}

fn report(
    now: Nanos,
    stamp: Stamp,
    status: FirmwareStatus,
    request: &Request,
    version: Option<&str>,
    error: Error<'_>,
    waited: Duration,
) -> Report {
    let time = stamp.format.format(stamp.wall.at(now));
    let document = Document { status, time: &time, update_id: request.update_id.as_deref(), version, error };
    // Strings and a map of strings cannot fail to become JSON.
    let document = serde_json::to_vec(&document).unwrap_or_default().into();
    Report { status, document, waited, struck: None, failed_itself: false }
}

/// The document in the tutorial's order of keys.
struct Document<'a> {
    status: FirmwareStatus,
    time: &'a str,
    update_id: Option<&'a str>,
    version: Option<&'a str>,
    error: Error<'a>,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Failure<'a> {
            stage: &'a str,
            code: &'a str,
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("firmwareStatus", self.status.as_str())?;
        map.serialize_entry(self.status.time_key(), self.time)?;
        if let Some(update_id) = self.update_id {
            map.serialize_entry("updateId", update_id)?;
        }
        if let Some(version) = self.version {
            map.serialize_entry("fwVersion", version)?;
        }
        match self.error {
            Error::Absent => {}
            Error::Clear => map.serialize_entry("error", &())?,
            Error::Is { stage, code } => map.serialize_entry("error", &Failure { stage: stage.as_str(), code })?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
