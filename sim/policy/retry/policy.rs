//! When and how often something is tried again.

use std::time::Duration;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::retrying::Step;
use super::{Jitter, azure_c, azure_dotnet, azure_node, exponential};
use crate::policy::units;

/// When and how often something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How long to wait before the next attempt.
    pub backoff: Backoff,
    /// Attempts in all, the first included; `None` for no limit. Once a good connection is lost they count anew, and its
    /// loss is none of them.
    pub max_attempts: Option<u32>,
    /// Nothing more is tried where the next wait would make all of them longer than this together; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "units::optional_duration")]
    pub give_up_after: Option<Duration>,
    /// Whether even that is tried again which would be refused again: see [`super::Failure::Refused`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// How the wait grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum Backoff {
    /// Never try again.
    None,
    /// The same wait every time (10 s is what the Python device SDK does).
    Fixed {
        /// The wait.
        #[serde(with = "units::duration")]
        delay: Duration,
    },
    /// Doubling from `base` to `cap`.
    Exponential {
        /// The first wait, before jitter.
        #[serde(with = "units::duration")]
        base: Duration,
        /// The longest wait.
        #[serde(with = "units::duration")]
        cap: Duration,
        /// What is random about it.
        jitter: Jitter,
    },
    /// As Microsoft's device SDK for C waits.
    AzureC,
    /// As Microsoft's device SDK for .NET (1.x) waits.
    AzureDotnet,
    /// As the code of Microsoft's device SDK for Node.js waits.
    AzureNode,
    /// As the text beside that code says that it waits.
    AzureNodeDocumented,
}

impl RetryPolicy {
    /// A policy that gives up after the first attempt.
    pub const NEVER: Self = Self::new(Backoff::None);

    /// A connection that held so long was a good one: once it is lost, the back-off begins anew. One that did not counts
    /// as a failed attempt.
    pub const HELD: Duration = Duration::from_secs(10);

    /// A policy without limits.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff, max_attempts: None, give_up_after: None, refused: false }
    }

    /// What it is called in results: the name in a profile; of an exponential one with its jitter.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.backoff {
            Backoff::None => "none",
            Backoff::Fixed { .. } => "fixed",
            Backoff::Exponential { jitter, .. } => match jitter {
                Jitter::None => "exponential-none",
                Jitter::Full => "exponential-full",
                Jitter::Equal => "exponential-equal",
                Jitter::Decorrelated => "exponential-decorrelated",
            },
            Backoff::AzureC => "azure-c",
            Backoff::AzureDotnet => "azure-dotnet",
            Backoff::AzureNode => "azure-node",
            Backoff::AzureNodeDocumented => "azure-node-documented",
        }
    }
}

impl Backoff {
    /// The longest wait, if nobody asks for a longer one, where attempts are `throttled` or fail otherwise; `None` if
    /// there is never another attempt.
    #[must_use]
    pub fn longest(&self, throttled: bool) -> Option<Duration> {
        match *self {
            Self::None => None,
            Self::Fixed { delay } => Some(delay),
            Self::Exponential { cap, .. } => Some(cap),
            Self::AzureC => Some(azure_c::longest()),
            Self::AzureDotnet => Some(azure_dotnet::CAP),
            Self::AzureNode | Self::AzureNodeDocumented => Some(azure_node::longest(throttled)),
        }
    }

    /// The client that is imitated gives up by itself before its waits come to more than this together.
    #[must_use]
    pub const fn gives_up_after(&self) -> Option<Duration> {
        match self {
            Self::AzureNode | Self::AzureNodeDocumented => Some(azure_node::GIVE_UP_AFTER),
            _ => None,
        }
    }

    /// The wait before the next attempt; `None` to give up.
    pub(super) fn wait(&self, step: &Step, random: &mut impl Rng) -> Option<Duration> {
        match *self {
            Self::None => None,
            Self::Fixed { delay } => Some(delay),
            Self::Exponential { base, cap, jitter } => Some(exponential::wait(base, cap, jitter, step, random)),
            Self::AzureC => Some(azure_c::wait(step, random)),
            Self::AzureDotnet => Some(azure_dotnet::wait(step, random)),
            Self::AzureNode => Some(azure_node::wait(step, random)),
            Self::AzureNodeDocumented => Some(azure_node::documented_wait(step, random)),
        }
    }
}
