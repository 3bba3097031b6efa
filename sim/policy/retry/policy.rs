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

    /// All waits together, at most, where every attempt is throttled and nobody asks for longer ones; `None`: without
    /// end.
    #[must_use]
    pub fn longest_waits(&self) -> Option<Duration> {
        let Some(longest) = self.backoff.longest(true) else { return Some(Duration::ZERO) };
        let until = self.give_up_after.into_iter().chain(self.backoff.gives_up_after()).min();
        let attempts = self.max_attempts.map(|attempts| {
            let retries = attempts.saturating_sub(1);
            // What doubles has come to its longest by then.
            let first = retries.min(20);
            let waits: Duration = (0..first).map(|retry| self.backoff.longest_after(retry, longest)).sum();
            waits.saturating_add(longest.saturating_mul(retries - first))
        });
        until.into_iter().chain(attempts).min()
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

    /// The longest wait after so many others, where the longest of all is `longest`.
    fn longest_after(&self, waits: u32, longest: Duration) -> Duration {
        match *self {
            Self::Exponential { base, cap, jitter: Jitter::None | Jitter::Full | Jitter::Equal } => {
                base.saturating_mul(1 << waits.min(20)).min(cap)
            }
            _ => longest,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_waits_together_are_bounded_by_attempts_or_by_time() {
        const SECOND: Duration = Duration::from_secs(1);
        let doubling = |jitter| Backoff::Exponential { base: SECOND, cap: 5 * SECOND, jitter };
        let limited = |backoff, max_attempts, give_up_after| RetryPolicy {
            max_attempts,
            give_up_after,
            ..RetryPolicy::new(backoff)
        };
        for (policy, together) in [
            (RetryPolicy::NEVER, Some(Duration::ZERO)),
            (RetryPolicy::new(doubling(Jitter::Full)), None),
            (limited(doubling(Jitter::Full), Some(1), None), Some(Duration::ZERO)),
            (limited(doubling(Jitter::Full), Some(6), None), Some((1 + 2 + 4 + 5 + 5) * SECOND)),
            (limited(doubling(Jitter::Full), Some(101), None), Some((7 + 97 * 5) * SECOND)),
            (limited(doubling(Jitter::Decorrelated), Some(3), None), Some(10 * SECOND)),
            (limited(doubling(Jitter::None), Some(6), Some(9 * SECOND)), Some(9 * SECOND)),
            (limited(Backoff::Fixed { delay: 10 * SECOND }, Some(3), None), Some(20 * SECOND)),
            (RetryPolicy::new(Backoff::AzureNode), Some(azure_node::GIVE_UP_AFTER)),
        ] {
            assert_eq!(policy.longest_waits(), together, "{policy:?}");
        }
    }
}
