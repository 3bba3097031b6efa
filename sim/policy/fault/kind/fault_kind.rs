//! What all kinds have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duplicate_id::DuplicateId;
use super::false_success::FalseSuccess;
use super::half_open::HalfOpen;
use super::hub_down::HubDown;
use super::no_reply::NoReply;
use super::offline::Offline;
use super::reorder::Reorder;
use super::reset::Reset;
use super::slow_reader::SlowReader;
use super::wrong_key::WrongKey;
use super::{
    Bandwidth, BootLoop, Duplicate, Fail, HubSlow, Latency, Malformed, Reboot, Reject, Rollback, Skip, Slow, SlowReply,
    Stall, Throttled, TokenExpiry, Vanish,
};
use crate::policy::Outcome;

/// What every kind says of itself.
pub(super) trait Kind {
    /// The name in profiles and results.
    fn name(&self) -> &'static str;
    /// Where it strikes.
    fn place(&self) -> Place;
    /// What an update that is hit by this fault alone may end in.
    fn outcomes(&self) -> &'static [Outcome];
    /// The detail that its census entry must carry, where the fault decides that too.
    fn detail(&self) -> Option<String> {
        None
    }
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The device's answer to the call of an update.
    Call,
    /// What the device does in an update.
    Device,
    /// What it reports of an update.
    Report,
    /// Its connection, whatever the device is doing.
    Link,
    /// The hub, and with it every device.
    Hub,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each stands in its own file")]
pub enum FaultKind {
    Reject(Reject),
    NoReply,
    SlowReply(SlowReply),
    Offline,
    Fail(Fail),
    Rollback(Rollback),
    Stall(Stall),
    Slow(Slow),
    Reboot(Reboot),
    BootLoop(BootLoop),
    Vanish(Vanish),
    FalseSuccess,
    Skip(Skip),
    Reorder,
    Duplicate(Duplicate),
    Malformed(Malformed),
    TokenExpiry(TokenExpiry),
    WrongKey,
    DuplicateId,
    HalfOpen,
    Latency(Latency),
    Bandwidth(Bandwidth),
    SlowReader,
    Reset,
    HubDown,
    HubSlow(HubSlow),
    Throttle(Throttled),
}

impl FaultKind {
    fn kind(&self) -> &dyn Kind {
        match self {
            Self::Reject(kind) => kind,
            Self::NoReply => &NoReply,
            Self::SlowReply(kind) => kind,
            Self::Offline => &Offline,
            Self::Fail(kind) => kind,
            Self::Rollback(kind) => kind,
            Self::Stall(kind) => kind,
            Self::Slow(kind) => kind,
            Self::Reboot(kind) => kind,
            Self::BootLoop(kind) => kind,
            Self::Vanish(kind) => kind,
            Self::FalseSuccess => &FalseSuccess,
            Self::Skip(kind) => kind,
            Self::Reorder => &Reorder,
            Self::Duplicate(kind) => kind,
            Self::Malformed(kind) => kind,
            Self::TokenExpiry(kind) => kind,
            Self::WrongKey => &WrongKey,
            Self::DuplicateId => &DuplicateId,
            Self::HalfOpen => &HalfOpen,
            Self::Latency(kind) => kind,
            Self::Bandwidth(kind) => kind,
            Self::SlowReader => &SlowReader,
            Self::Reset => &Reset,
            Self::HubDown => &HubDown,
            Self::HubSlow(kind) => kind,
            Self::Throttle(kind) => kind,
        }
    }

    /// The name in profiles and results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Where it strikes.
    #[must_use]
    pub fn place(&self) -> Place {
        self.kind().place()
    }

    /// What an update that is hit by this fault alone may end in.
    #[must_use]
    pub fn outcomes(&self) -> &'static [Outcome] {
        self.kind().outcomes()
    }

    /// Whether an update that it strikes cannot complete.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !self.outcomes().contains(&Outcome::Completed)
    }

    /// The detail that its census entry must carry, where the fault decides that too.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        self.kind().detail()
    }
}
