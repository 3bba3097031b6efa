//! Following one device's update through the run: every timestamp and every decision about it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::policy::{FirmwareStatus, Outcome};
use crate::time::Nanos;

/// Follows one device. Everything that happens to it, on the device's side and on the driver's, is handed to one
/// sink in the order in which it is noted.
pub struct Tracer {
    device: u32,
    sink: Mutex<Sink>,
}

type Sink = Box<dyn FnMut(Nanos, &TraceEvent) + Send>;

/// Something that happened to the traced device.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TraceEvent {
    /// The device's connection: what happened to it.
    Connection(String),
    /// The device received a method call.
    MethodReceived {
        /// The method's name.
        name: String,
        /// Its payload as it came.
        payload: String,
    },
    /// The device answered the call.
    MethodAnswered {
        /// Its status.
        status: u16,
        /// Its payload.
        payload: String,
    },
    /// The device published a report.
    Published {
        /// What it reports.
        status: FirmwareStatus,
        /// The document as it was sent.
        document: String,
    },
    /// The hub answered the report.
    ReportAnswered {
        /// What was reported.
        status: FirmwareStatus,
        /// The hub's status.
        code: u16,
    },
    /// The driver's call was due.
    Due,
    /// The driver sent its call.
    CallSent {
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// The driver's call was answered, in words.
    CallAnswered(String),
    /// The driver read the device's twin: the document as it came.
    TwinRead(String),
    /// The observer saw a status for the first time.
    Seen {
        /// What it saw.
        status: FirmwareStatus,
        /// `$version` of the reported properties.
        version: u64,
    },
    /// A decision of either side, with its reason, in words.
    Decision(String),
    /// The update ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// What is known beyond that.
        detail: String,
    },
}

impl Tracer {
    /// Follows `device` and hands everything to `sink`.
    pub fn new(device: u32, sink: impl FnMut(Nanos, &TraceEvent) + Send + 'static) -> Self {
        Self { device, sink: Mutex::new(Box::new(sink)) }
    }

    /// Whether `device` is the one.
    #[must_use]
    pub const fn follows(&self, device: u32) -> bool {
        self.device == device
    }

    /// Notes an event of `device` at `now`, if it is the one; `event` is built only then.
    pub fn note(&self, device: u32, now: Nanos, event: impl FnOnce() -> TraceEvent) {
        if self.follows(device) {
            self.note_followed(now, &event());
        }
    }

    /// Notes an event of the device that is followed.
    pub fn note_followed(&self, now: Nanos, event: &TraceEvent) {
        (self.sink.lock().unwrap_or_else(PoisonError::into_inner))(now, event);
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("device", &self.device).finish_non_exhaustive()
    }
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(what) => write!(f, "device  connection: {what}"),
            Self::MethodReceived { name, payload } => write!(f, "device  received method {name} {payload}"),
            Self::MethodAnswered { status, payload } => write!(f, "device  answered {status} {payload}"),
            Self::Published { status, document } => write!(f, "device  published {status} {document}"),
            Self::ReportAnswered { status, code } => write!(f, "device  report {status} answered {code}"),
            Self::Due => write!(f, "driver  call due"),
            Self::CallSent { attempt } => write!(f, "driver  call sent, attempt {attempt}"),
            Self::CallAnswered(answer) => write!(f, "driver  call answered: {answer}"),
            Self::TwinRead(twin) => write!(f, "driver  twin read {twin}"),
            Self::Seen { status, version } => write!(f, "driver  saw {status} at version {version}"),
            Self::Decision(why) => write!(f, "        {why}"),
            Self::Ended { outcome, detail } if detail.is_empty() => write!(f, "driver  ended: {outcome}"),
            Self::Ended { outcome, detail } => write!(f, "driver  ended: {outcome} ({detail})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_the_followed_device_is_noted() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let tracer = Tracer::new(3, move |now, event| sink.lock().unwrap().push(format!("{now} {event}")));
        tracer.note(2, Nanos::new(1), || unreachable!("not the one"));
        tracer.note(3, Nanos::new(1_500_000_000), || TraceEvent::CallSent { attempt: 1 });
        assert_eq!(*lines.lock().unwrap(), ["1.500000s driver  call sent, attempt 1"]);
    }
}
