//! What this machine lacks for a plan: asked for by `twinstorm doctor`, and before every run.

use std::net::{IpAddr, Ipv4Addr};

use super::checks::{Finding, Grade, check};
use super::environment;
use super::needs::Needs;
use super::placement::{Impossible, Placement};
use super::preflight::{self, PreflightError};
use crate::measure::Machine;
use crate::profile::Plan;
use crate::shard::Roles;

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The processes that a run of the plan would start, in words; empty if it cannot be cut into any.
    pub processes: String,
    /// What is to be known of them, if anything.
    pub note: Option<String>,
    /// Each limit that was looked at.
    pub findings: Vec<Finding>,
}

/// Looks at this machine with the eyes of `plan`.
///
/// # Errors
/// The limit of open files cannot be read.
pub fn diagnose(plan: &Plan, roles: Roles) -> Result<Diagnosis, PreflightError> {
    match preflight::placement(plan, roles, false) {
        Ok(placement) => {
            // A hub elsewhere stands in the environment, if anywhere yet.
            let way = environment::read(roles, &plan.fleet, |name| std::env::var(name).ok());
            let hub = way.ok().and_then(|hub| Some(hub.mqtt.first()?.ip()));
            Ok(examine(plan, roles, &placement, hub))
        }
        Err(PreflightError::Placement(error)) => {
            let (what, text, mend) = match error {
                Impossible::TooLarge { needed, limit, whose, way_out } => {
                    ("open files", format!("{needed} in {whose}, {limit} allowed"), way_out)
                }
                Impossible::IdleHubs { .. } => ("hubs", error.to_string(), "raise fleet.shards".to_owned()),
            };
            let finding = Finding { what, grade: Grade::Short, text, mend };
            Ok(Diagnosis { processes: String::new(), note: None, findings: vec![finding] })
        }
        Err(error) => Err(error),
    }
}

/// The same for a plan that is cut already; `elsewhere` is where its hub is, if that is known and it is none of ours.
pub(super) fn examine(plan: &Plan, roles: Roles, placement: &Placement, elsewhere: Option<IpAddr>) -> Diagnosis {
    let hub = if placement.hubs > 0 { Some(Ipv4Addr::LOCALHOST.into()) } else { elsewhere };
    let needs = Needs::of(plan, roles, placement, hub);
    let mut findings = check(&needs, &Machine::read());
    findings.extend(hub.filter(|_| roles.fleet).and_then(|hub| source_addresses(plan, hub)));
    Diagnosis { processes: needs.processes(), note: plan.hub.multiplied(placement.hubs), findings }
}

/// Whether connections can come from the addresses of the plan.
fn source_addresses(plan: &Plan, hub: IpAddr) -> Option<Finding> {
    let what = "source addresses";
    let usable = plan.fleet.source_addresses.towards(hub, plan.fleet.devices).and_then(|sources| {
        sources.check()?;
        Ok(sources.count())
    });
    Some(match usable {
        Ok(0) => return None,
        Ok(count) => Finding { what, grade: Grade::Fine, text: format!("{count} can be used"), mend: String::new() },
        Err(error) => Finding {
            what,
            grade: Grade::Short,
            text: error.to_string(),
            mend: "ip address add ADDRESS dev INTERFACE, or list others in fleet.source_addresses".to_owned(),
        },
    })
}

impl Diagnosis {
    /// Whether the plan can run here.
    #[must_use]
    pub fn can_run(&self) -> bool {
        self.shortages().next().is_none()
    }

    /// What keeps the plan from running here, with what mends it.
    pub(super) fn shortages(&self) -> impl Iterator<Item = String> {
        let short = self.findings.iter().filter(|finding| finding.grade == Grade::Short);
        short.map(|finding| format!("{}: {} (mend: {})", finding.what, finding.text, finding.mend))
    }

    /// The whole in a line, with what is short or tight.
    #[must_use]
    pub fn line(&self) -> String {
        let fine = self.findings.iter().filter(|finding| finding.grade == Grade::Fine).count();
        let mut line = format!("checks    {}; {fine} of {} limits ok", self.processes, self.findings.len());
        for finding in self.findings.iter().filter(|finding| finding.grade > Grade::Fine) {
            line.push_str(&format!("; {} {}: {}", finding.grade, finding.what, finding.text));
        }
        line
    }
}
