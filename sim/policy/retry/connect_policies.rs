//! Which device comes back by which policy.

use serde::{Deserialize, Serialize};

use super::RetryPolicy;

/// The policies by which the devices of a fleet connect again. With one, it is everybody's. With n of them device d takes
/// number d % n, so that one run compares them: each has its cohort of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct ConnectPolicies {
    first: RetryPolicy,
    others: Vec<RetryPolicy>,
}

/// As it is written: a single policy stands for itself.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(RetryPolicy),
    Many(Vec<RetryPolicy>),
}

impl ConnectPolicies {
    /// So many there may be.
    pub const MAX: usize = 16;

    /// These policies; `None` without any.
    #[must_use]
    pub fn new(policies: Vec<RetryPolicy>) -> Option<Self> {
        let mut policies = policies.into_iter();
        Some(Self { first: policies.next()?, others: policies.collect() })
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Number of the policy that device number `device` takes.
    #[must_use]
    pub fn cohort(&self, device: u32) -> usize {
        device as usize % self.count()
    }

    /// The policy that device number `device` takes.
    #[must_use]
    pub fn of(&self, device: u32) -> &RetryPolicy {
        self.cohort(device).checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.first)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &RetryPolicy> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Their names, in order. A second one of the same name has a number behind it: `fixed`, `fixed-2`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut seen: Vec<&str> = Vec::new();
        let name = |policy: &RetryPolicy| {
            seen.push(policy.name());
            match seen.iter().filter(|name| **name == policy.name()).count() {
                1 => policy.name().to_owned(),
                nth => format!("{}-{nth}", policy.name()),
            }
        };
        self.iter().map(name).collect()
    }

    /// How many of `devices` devices take policy number `cohort`.
    #[must_use]
    pub fn devices(&self, cohort: usize, devices: u32) -> u32 {
        let (devices, count) = (devices as usize, self.count());
        u32::try_from((devices + count - 1).saturating_sub(cohort) / count).unwrap_or(u32::MAX)
    }
}

impl From<RetryPolicy> for ConnectPolicies {
    fn from(first: RetryPolicy) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl From<OneOrMany> for ConnectPolicies {
    fn from(written: OneOrMany) -> Self {
        match written {
            OneOrMany::One(policy) => policy.into(),
            OneOrMany::Many(policies) => Self::new(policies).unwrap_or_else(|| RetryPolicy::NEVER.into()),
        }
    }
}

impl From<ConnectPolicies> for OneOrMany {
    fn from(policies: ConnectPolicies) -> Self {
        match policies.others.is_empty() {
            true => Self::One(policies.first),
            false => Self::Many(policies.iter().copied().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Backoff;

    fn three() -> ConnectPolicies {
        let policies = [Backoff::AzureC, Backoff::None, Backoff::AzureC].map(RetryPolicy::new);
        ConnectPolicies::new(policies.to_vec()).unwrap()
    }

    #[test]
    fn devices_take_policies_in_turn() {
        let policies = three();
        let backoffs = [0, 1, 2, 3, 4].map(|device| policies.of(device).backoff);
        assert_eq!(backoffs, [Backoff::AzureC, Backoff::None, Backoff::AzureC, Backoff::AzureC, Backoff::None]);
        for devices in 0..10 {
            let counted = |cohort| (0..devices).filter(|device| policies.cohort(*device) == cohort).count();
            for cohort in 0..3 {
                assert_eq!(policies.devices(cohort, devices) as usize, counted(cohort), "{cohort} of {devices}");
            }
        }
        assert_eq!(policies.names(), ["azure-c", "none", "azure-c-2"]);
    }

    #[test]
    fn one_is_written_as_itself_and_several_as_a_list() {
        let one = ConnectPolicies::from(RetryPolicy::NEVER);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"backoff":{"policy":"none"},"max_attempts":null}"#);
        for policies in [one, three()] {
            let text = serde_json::to_string(&policies).unwrap();
            assert_eq!(serde_json::from_str::<ConnectPolicies>(&text).unwrap(), policies);
        }
    }
}
