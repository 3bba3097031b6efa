//! What goes into a session and what comes out of it.

use std::time::Duration;

use super::{Downloaded, Package};
use crate::measure::{MessageKind, TraceEvent};
use crate::mqtt::{Impairment, Packet};
use crate::policy::{FirmwareStatus, Series};
use crate::time::Nanos;

/// What a session is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The connection that [`Output::Connect`] asked for is open, TCP having started at `since`.
    Opened {
        /// When the attempt started.
        since: Nanos,
    },
    /// It could not be opened.
    OpenFailed {
        /// When the attempt started.
        since: Nanos,
        /// Why, in words without secrets.
        reason: String,
    },
    /// It could not be opened because this machine has run out of something: what, and the way out.
    Starved(&'static str),
    /// A packet arrived.
    Packet(Packet),
    /// The connection is over; the reason in words.
    Lost(String),
    /// So many percent of the image are there; only where the fleet reports that.
    DownloadProgress(u8),
    /// The download that [`Output::Download`] asked for is over.
    Downloaded(Box<Downloaded>),
    /// The load starts at this moment (it may lie ahead).
    LoadStarts(Nanos),
    /// Every fault is over, and none begins any more.
    Heal,
    /// The device is to go for good.
    Stop,
}

/// What a session wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a connection; answered with [`Input::Opened`], [`Input::OpenFailed`] or [`Input::Starved`].
    Connect,
    /// Send this packet over the open connection.
    Send(Packet),
    /// Close the connection, open or opening, once everything before is sent. Nothing is told about it any more.
    Close,
    /// Download this image; answered with [`Input::Downloaded`]. It takes the place of an earlier one.
    Download {
        /// What and where.
        package: Box<Package>,
        /// The device's n-th update.
        update: u32,
    },
    /// Let the connection go without a word, once everything before is sent: no DISCONNECT, no goodbye of TLS. Nothing is
    /// told about it any more.
    Cut {
        /// Whether the hub sees it torn (RST) rather than at its end (FIN); then what is not sent yet is lost.
        reset: bool,
    },
    /// From now on so much is wrong with the path of the open connection. A new connection is a sound one.
    Impair(Impairment),
    /// Let somebody else connect with the device's id and key, again and again; or no longer.
    Intruder(bool),
    /// Note this.
    Event(Event),
}

/// What happened, for recorder, truth and tracer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A connection was tried.
    Attempted,
    /// The hub accepted the connection.
    Connected,
    /// An accepted connection is over.
    Disconnected,
    /// An accepted connection was lost: neither side had said good-bye.
    Lost,
    /// The device is connected again, so long after its connection was lost.
    Back(Duration),
    /// The first `standBy` was acknowledged, or the device gave up before.
    Ready,
    /// The device gave up connecting.
    GaveUp,
    /// A fault has taken the device for good: it will not come back, healed or not.
    Gone,
    /// The device tries to connect again after this wait.
    ConnectRetry(Duration),
    /// The hub refused a connection as one too many.
    ConnectThrottled,
    /// The hub refused a report as one too many.
    ReportThrottled,
    /// A report goes out again after this wait, as the hub's answer asked for it.
    ReportRetry(Duration),
    /// A report is dropped: it was refused, or there were no more attempts.
    ReportDropped,
    /// Something went wrong, in words without secrets.
    Failed(String),
    /// This machine has run out of something that a connection needs: what, and the way out.
    Starved(&'static str),
    /// A duration was measured.
    Sample(Series, Duration),
    /// The call of a new update was received; an update without an id has the empty one.
    Received {
        /// Its id.
        update_id: String,
    },
    /// The device has waited so long by its own choice.
    Chose(Duration),
    /// The device accepted the call of a new update.
    Accepted,
    /// The device has done with the update that it accepted: nothing more will be done for it.
    Done,
    /// The present update fails for a reason of the device's own, which no fault gave it.
    FailedItself,
    /// A fault struck the present update, by index in the fault plan; once for each fault and update. It is told before
    /// the bytes leave by which others see the effect.
    Injected(usize),
    /// A fault, by index in the fault plan, afflicts the device from now on, whatever it does.
    Afflicted(usize),
    /// The device is well again: the fault, and how long after it began.
    Relieved(usize, Duration),
    /// The device has noticed that its connection is dead: the fault that killed it, and how long after it began.
    Found(usize, Duration),
    /// An accepted connection was lost while no fault afflicted the device.
    LostUnexplained,
    /// A download is over.
    Downloaded {
        /// Bytes of the image that came.
        bytes: u64,
        /// How often it went on where it had broken off.
        resumes: u32,
        /// Whether there is no image.
        failed: bool,
    },
    /// A report is about to be sent, for the first time or again.
    Published {
        /// What it says.
        status: FirmwareStatus,
        /// Whether it belongs to the present update, not to one before; what nobody can read belongs to none.
        present: bool,
    },
    /// What became of a message of this kind.
    Message(MessageKind, Fate),
    /// Telemetry of this number was given up before anybody acknowledged it.
    TelemetryLost(u32),
    /// A report of the present update that says so is the hub's, where no twin answers it: acknowledged, or at QoS 0 sent.
    HandedOver(FirmwareStatus),
    /// So much telemetry was left out, as it was due while the device was not connected.
    TelemetryLeftOut(u64),
    /// So much telemetry was dropped, as this generator was too late for it.
    TelemetryDropped(u64),
    /// Something for the trace; only where the device is traced.
    Trace(TraceEvent),
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was published.
    Sent,
    /// It was published again.
    Resent,
    /// The hub has acknowledged it.
    Acknowledged,
    /// It was given up before anybody acknowledged it.
    Lost,
    /// Nobody is going to acknowledge it.
    Unconfirmed,
}
