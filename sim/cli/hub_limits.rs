//! What `twinstorm hub` allows, and how long it takes for what it is asked.

use std::collections::BTreeSet;

use clap::Args;

use super::arguments::CommandError;
use crate::hub::{HubLimits, Tier};
use crate::policy::ServiceModel;
use crate::profile::{self, HubPlan, Override};

/// The flags of limits and of the service-time model.
#[derive(Debug, Args)]
pub(super) struct LimitFlags {
    /// Tier whose throttles and quotas to keep: F1, S1, S2 or S3 (default: none)
    #[arg(long, value_name = "TIER", value_parser = parse_tier)]
    tier: Option<Tier>,
    /// Units of the tier (F1: 1; S1 and S2: up to 200; S3: up to 10)
    #[arg(long, value_name = "N", default_value_t = 1, requires = "tier")]
    units: u32,
    /// Limit of one kind of operation, instead of the tier's: methods, twin_writes, twin_reads, connects or queries, how
    /// many per second, and with commas between, how many at once (burst; default: a second's) and how long the others
    /// wait at most (queue; default: 0s), like methods=40/s,burst=40,queue=10s; may be given for each kind. At each of
    /// --workers 65,536 requests or 64 MiB of them may wait, and what comes on top is refused
    #[arg(long, value_name = "KIND=RATE")]
    throttle: Vec<String>,
    /// How long the hub takes for what it is asked: a time for each of methods, twin_writes, twin_reads and queries that
    /// needs one, how many servers there are (default: 1) and how long anybody waits for one at most (queue; default:
    /// 60s), like "methods=exp 5ms,servers=4"
    #[arg(long, value_name = "KIND=TIME")]
    service: Option<String>,
    /// With limits: let refusals say when to come back (Retry-After), which the real hub's do not
    #[arg(long)]
    retry_after: bool,
}

impl LimitFlags {
    /// What the hub is to allow, and how long it is to take.
    pub(super) fn read(&self) -> Result<(Option<HubLimits>, Option<ServiceModel>), CommandError> {
        if let Some(tier) = self.tier
            && !tier.units().contains(&self.units)
        {
            let (name, most) = (tier.name(), tier.units().end().to_owned());
            return Err(CommandError::usage(format!(
                "--units {}: a hub of the tier {name} has from 1 to {most}",
                self.units
            )));
        }
        // As a profile says it: with the same ranges and the same errors.
        let plan = profile::load("quickstart", &self.overrides()?).map_err(CommandError::usage)?;
        let HubPlan::Embedded { throttle, service, .. } = plan.hub else { return Ok((None, None)) };
        let limits = HubLimits::effective(self.tier.map(|tier| (tier, self.units)), &throttle);
        if self.retry_after && limits.is_none() {
            return Err(CommandError::usage("--retry-after is for --tier and --throttle: neither is given"));
        }
        Ok((
            limits.map(|limits| HubLimits { retry_after: self.retry_after, ..limits }),
            service.map(|service| *service),
        ))
    }

    /// The flags as keys of a profile.
    fn overrides(&self) -> Result<Vec<Override>, CommandError> {
        let mut overrides = Vec::new();
        let mut given = BTreeSet::new();
        let mut add = |flag: &str, key: String, value: &str| {
            overrides.push(Override::of_argument(flag, &key, value));
            if given.contains(&key) {
                let way_out = "give each kind once, as KIND=RATE, and each of its other keys once";
                return Err(CommandError::usage(format!("{flag}: `{key}` has a value already: {way_out}")));
            }
            given.insert(key);
            Ok(())
        };
        for argument in &self.throttle {
            let flag = format!("--throttle {argument}");
            let mut parts = parts(&flag, argument)?.into_iter();
            let Some((kind, rate)) = parts.next() else { continue };
            add(&flag, format!("hub.throttle.{kind}.rate"), rate)?;
            parts.try_for_each(|(key, value)| add(&flag, format!("hub.throttle.{kind}.{key}"), value))?;
        }
        if let Some(argument) = &self.service {
            let flag = format!("--service {argument}");
            let mut parts = parts(&flag, argument)?.into_iter();
            parts.try_for_each(|(key, value)| add(&flag, format!("hub.service.{key}"), value))?;
        }
        Ok(overrides)
    }
}

/// The keys and values of an argument.
fn parts<'a>(flag: &str, argument: &'a str) -> Result<Vec<(&'a str, &'a str)>, CommandError> {
    let part = |part: &'a str| {
        let (key, value) = part.split_once('=').map(|(key, value)| (key.trim(), value.trim()))?;
        (!key.is_empty() && !key.contains('.') && !value.is_empty()).then_some((key, value))
    };
    let wrong = |text: &str| {
        CommandError::usage(format!("{flag}: `{text}` is no KEY=VALUE: write it like `methods=40/s,queue=10s`"))
    };
    argument.split(',').map(|text| part(text).ok_or_else(|| wrong(text))).collect()
}

fn parse_tier(name: &str) -> Result<Tier, String> {
    Tier::parse(name).ok_or_else(|| format!("allowed are {}", Tier::ALL.map(Tier::name).join(", ")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::Operation;
    use crate::policy::Limit;

    fn flags(throttle: &[&str], service: Option<&str>) -> LimitFlags {
        let throttle = throttle.iter().map(|text| (*text).to_owned()).collect();
        LimitFlags { tier: None, units: 1, throttle, service: service.map(str::to_owned), retry_after: false }
    }

    #[test]
    fn limits_are_given_one_by_one_and_beside_a_tier() {
        assert_eq!(flags(&[], None).read().unwrap(), (None, None));
        let texts = ["methods=40/s,burst=80,queue=10s", "twin_writes=300/m"];
        let alone = flags(&texts, Some("methods=exp 5ms, servers=4")).read().unwrap();
        let (limits, service) = (alone.0.unwrap(), alone.1.unwrap());
        let methods = Limit { rate: 40.0, burst: 80.0, queue: Duration::from_secs(10) };
        let writes = Limit { rate: 5.0, burst: 5.0, queue: Duration::ZERO };
        assert_eq!(limits.throttles, [(Operation::Method, methods), (Operation::TwinUpdate, writes)].into());
        assert_eq!((service.methods.unwrap().to_string().as_str(), service.servers), ("exp 5ms", 4));
        let beside = LimitFlags { tier: Some(Tier::S1), ..flags(&texts, None) }.read().unwrap().0.unwrap();
        assert_eq!((beside.throttles[&Operation::TwinUpdate], beside.messages_per_day), (writes, Some(400_000)));
    }

    #[test]
    fn nonsense_is_told_with_the_flag_it_stands_in() {
        for (throttle, service, says) in [
            (&["methods"][..], None, "--throttle methods: `methods` is no KEY=VALUE"),
            (&["methods=0"], None, "--throttle methods=0: `hub.throttle.methods.rate` must be from 0.001/s"),
            (&["jobs=4"], None, "unknown key `jobs` in `hub.throttle`: allowed are methods, twin_writes"),
            (
                &["methods=40,rate=3"],
                None,
                "--throttle methods=40,rate=3: `hub.throttle.methods.rate` has a value already",
            ),
            (&["methods=40", "methods=50"], None, "--throttle methods=50: `hub.throttle.methods.rate` has a value"),
            (&["methods=40,queue=1s,queue=2s"], None, "`hub.throttle.methods.queue` has a value already"),
            (&[], Some("methods=5ms,methods=6ms"), "`hub.service.methods` has a value already: give each kind once"),
            (&["methods=4,bust=3"], None, "unknown key `bust` in `hub.throttle.methods`"),
            (&[], Some("servers=4"), "needs the time of at least one of `methods`"),
            (
                &[],
                Some("methods=soon"),
                "--service methods=soon: `hub.service.methods` is wrong: `soon` is not a delay",
            ),
        ] {
            let error = flags(throttle, service).read().unwrap_err().message;
            assert!(error.contains(says), "{error}");
        }
        let error = LimitFlags { retry_after: true, ..flags(&[], None) }.read().unwrap_err().message;
        assert!(error.contains("--retry-after is for"), "{error}");
    }
}
