//! `[retry]`: when and how often something is tried again.

use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::reader::{Field, Section};
use crate::policy::{Backoff, Jitter, RetryPolicy};

/// The policies of a plan, by what is tried again.
pub(super) struct Retries {
    pub(super) connect: RetryPolicy,
    pub(super) method: RetryPolicy,
    pub(super) twin: RetryPolicy,
}

#[derive(Clone, Copy)]
enum Kind {
    None,
    Fixed,
    Exponential,
}

const KINDS: [(&str, Kind); 3] = [("none", Kind::None), ("fixed", Kind::Fixed), ("exponential", Kind::Exponential)];
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
        connect: policy(&section.required("connect")?, None)?,
        method: policy(&section.required("method")?, Some(METHOD_ATTEMPTS))?,
        twin: policy(&section.required("twin")?, None)?,
    };
    Ok(retries)
}

/// A policy's bare name, or a table with its parameters.
fn policy(field: &Field<'_>, attempts: Option<u32>) -> Result<RetryPolicy, Problem> {
    if !matches!(field.node.value, Value::Table(_)) {
        let backoff = match field.choice(&KINDS)? {
            Kind::None => return Ok(RetryPolicy::NEVER),
            Kind::Fixed => Backoff::Fixed { delay: FIXED_DELAY },
            Kind::Exponential => Backoff::Exponential { base: BASE, cap: CAP, jitter: Jitter::Full },
        };
        return Ok(RetryPolicy { backoff, max_attempts: attempts });
    }
    let section = field.section(&["policy", "delay", "base", "cap", "jitter", "max_attempts"])?;
    let kind = section.required("policy")?;
    let parsed = match kind.choice(&KINDS)? {
        Kind::None => {
            meaningless(&section, &kind, &["delay", "base", "cap", "jitter", "max_attempts"])?;
            RetryPolicy::NEVER
        }
        Kind::Fixed => {
            meaningless(&section, &kind, &["base", "cap", "jitter"])?;
            let backoff = Backoff::Fixed { delay: wait(&section, "delay", FIXED_DELAY)? };
            RetryPolicy { backoff, max_attempts: max_attempts(&section, attempts)? }
        }
        Kind::Exponential => {
            meaningless(&section, &kind, &["delay"])?;
            let base = wait(&section, "base", BASE)?;
            let cap = wait(&section, "cap", CAP.max(base))?;
            if cap < base {
                return Err(section.required("cap")?.problem("must not be shorter than `base`"));
            }
            let jitter = section.optional("jitter").map_or(Ok(Jitter::Full), |field| field.choice(&JITTERS))?;
            let backoff = Backoff::Exponential { base, cap, jitter };
            RetryPolicy { backoff, max_attempts: max_attempts(&section, attempts)? }
        }
    };
    Ok(parsed)
}

fn meaningless(section: &Section<'_>, kind: &Field<'_>, keys: &[&str]) -> Result<(), Problem> {
    keys.iter().try_for_each(|key| section.meaningless(key, kind, "for this policy"))
}

fn wait(section: &Section<'_>, key: &str, default: Duration) -> Result<Duration, Problem> {
    let range = Duration::from_millis(1)..=Duration::from_secs(3600);
    section.optional(key).map_or(Ok(default), |field| field.duration(range))
}

fn max_attempts(section: &Section<'_>, default: Option<u32>) -> Result<Option<u32>, Problem> {
    section.optional("max_attempts").map_or(Ok(default), |field| field.integer(1..=1000_u32).map(Some))
}
