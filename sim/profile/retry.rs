//! `[retry]`: when and how often something is tried again.

use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::reader::{Field, Section};
use crate::policy::{Backoff, ConnectPolicies, Jitter, RetryPolicy};

/// The policies of a plan, by what is tried again.
pub(super) struct Retries {
    pub(super) connect: ConnectPolicies,
    pub(super) method: RetryPolicy,
    pub(super) twin: RetryPolicy,
}

/// A policy by its name, with its defaults.
const POLICIES: [(&str, Backoff); 7] = [
    ("none", Backoff::None),
    ("fixed", Backoff::Fixed { delay: FIXED_DELAY }),
    ("exponential", Backoff::Exponential { base: BASE, cap: CAP, jitter: Jitter::Full }),
    ("azure-c", Backoff::AzureC),
    ("azure-dotnet", Backoff::AzureDotnet),
    ("azure-node", Backoff::AzureNode),
    ("azure-node-documented", Backoff::AzureNodeDocumented),
];
const JITTERS: [(&str, Jitter); 4] =
    [("none", Jitter::None), ("full", Jitter::Full), ("equal", Jitter::Equal), ("decorrelated", Jitter::Decorrelated)];

/// What the Python device SDK waits.
const FIXED_DELAY: Duration = Duration::from_secs(10);
const BASE: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(30);
/// A call must come to an end some day; a connection and a report are tried for as long as the run lasts.
const METHOD_ATTEMPTS: u32 = 5;

pub(super) fn read(field: &Field<'_>) -> Result<Retries, Problem> {
    let section = field.section(&["connect", "method", "twin"])?;
    let retries = Retries {
        connect: connect(&section.required("connect")?)?,
        method: policy(&section.required("method")?, Some(METHOD_ATTEMPTS))?,
        twin: policy(&section.required("twin")?, None)?,
    };
    Ok(retries)
}

/// A policy for all devices, or a list of policies that they take in turn.
fn connect(field: &Field<'_>) -> Result<ConnectPolicies, Problem> {
    if !matches!(field.node.value, Value::List(_)) {
        return policy(field, None).map(ConnectPolicies::from);
    }
    let policies: Vec<RetryPolicy> = field.list()?.map(|item| policy(&item, None)).collect::<Result<_, _>>()?;
    let most = ConnectPolicies::MAX;
    (policies.len() <= most)
        .then(|| ConnectPolicies::new(policies))
        .flatten()
        .ok_or_else(|| field.problem(format_args!("must have 1 to {most} policies, which devices take in turn")))
}

/// A policy's bare name, or a table with its parameters.
fn policy(field: &Field<'_>, attempts: Option<u32>) -> Result<RetryPolicy, Problem> {
    if !matches!(field.node.value, Value::Table(_)) {
        return Ok(usual(field.choice(&POLICIES)?, attempts));
    }
    let section =
        field.section(&["policy", "delay", "base", "cap", "jitter", "max_attempts", "give_up_after", "refused"])?;
    let kind = section.required("policy")?;
    let backoff = match kind.choice(&POLICIES)? {
        Backoff::Fixed { delay } => {
            meaningless(&section, &kind, &["base", "cap", "jitter"])?;
            Backoff::Fixed { delay: wait(&section, "delay", delay)? }
        }
        Backoff::Exponential { base, cap, jitter } => {
            meaningless(&section, &kind, &["delay"])?;
            let base = wait(&section, "base", base)?;
            let cap = wait(&section, "cap", cap.max(base))?;
            if cap < base {
                return Err(section.required("cap")?.problem("must not be shorter than `base`"));
            }
            let jitter = section.optional("jitter").map_or(Ok(jitter), |field| field.choice(&JITTERS))?;
            Backoff::Exponential { base, cap, jitter }
        }
        named => {
            meaningless(&section, &kind, &["delay", "base", "cap", "jitter"])?;
            named
        }
    };
    let usual = usual(backoff, attempts);
    if backoff == Backoff::None {
        meaningless(&section, &kind, &["max_attempts", "give_up_after", "refused"])?;
        return Ok(usual);
    }
    let max_attempts = section.optional("max_attempts").map(|field| field.integer(1..=1000_u32)).transpose()?;
    let limit = Duration::from_secs(1)..=Duration::from_secs(86_400);
    let give_up_after = section.optional("give_up_after").map(|field| field.duration(limit)).transpose()?;
    Ok(RetryPolicy {
        backoff,
        max_attempts: max_attempts.or(usual.max_attempts),
        give_up_after: give_up_after.or(usual.give_up_after),
        refused: section.optional("refused").map_or(Ok(false), |field| field.boolean())?,
    })
}

/// A policy with its usual limits, that of `attempts` among them.
fn usual(backoff: Backoff, attempts: Option<u32>) -> RetryPolicy {
    match backoff {
        Backoff::None => RetryPolicy::NEVER,
        _ => {
            RetryPolicy { max_attempts: attempts, give_up_after: backoff.gives_up_after(), ..RetryPolicy::new(backoff) }
        }
    }
}

fn meaningless(section: &Section<'_>, kind: &Field<'_>, keys: &[&str]) -> Result<(), Problem> {
    keys.iter().try_for_each(|key| section.meaningless(key, kind, "for this policy"))
}

fn wait(section: &Section<'_>, key: &str, default: Duration) -> Result<Duration, Problem> {
    let range = Duration::from_millis(1)..=Duration::from_secs(3600);
    section.optional(key).map_or(Ok(default), |field| field.duration(range))
}

#[cfg(test)]
mod tests {
    use super::super::{Override, Plan, load};
    use super::*;

    fn plan(sets: &[&str]) -> Plan {
        let overrides: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
        load("quickstart", &overrides).unwrap()
    }

    #[test]
    fn devices_may_take_policies_in_turn_and_every_policy_has_its_limits() {
        let dotnet = r#"{ policy = "azure-dotnet", refused = true, give_up_after = "1m" }"#;
        let plan = plan(&[
            &format!(r#"retry.connect=["azure-c", "azure-node", {dotnet}]"#),
            "retry.method=azure-node-documented",
            "retry.twin=none",
        ]);
        let connect = &plan.fleet.retry_connect;
        assert_eq!(connect.names(), ["azure-c", "azure-node", "azure-dotnet"]);
        assert_eq!(*connect.of(3), RetryPolicy::new(Backoff::AzureC));
        let limit = Some(Duration::from_secs(240));
        assert_eq!(*connect.of(4), RetryPolicy { give_up_after: limit, ..RetryPolicy::new(Backoff::AzureNode) });
        let minute = Some(Duration::from_secs(60));
        assert_eq!((connect.of(5).refused, connect.of(5).give_up_after), (true, minute));
        let RetryPolicy { backoff, max_attempts, .. } = plan.driver.retry_method;
        assert_eq!((backoff, max_attempts), (Backoff::AzureNodeDocumented, Some(METHOD_ATTEMPTS)));
        assert_eq!(plan.fleet.retry_twin, RetryPolicy::NEVER);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn the_name_of_another_policy_leaves_behind_what_the_profile_said_of_its_own() {
        let plan = plan(&["retry.connect.policy=azure-c"]);
        assert_eq!(plan.fleet.retry_connect, RetryPolicy::new(Backoff::AzureC).into());
    }
}
