//! What this machine lacks for a plan: asked for by `twinstorm doctor`, and before every run.

use std::net::{IpAddr, Ipv4Addr};

use super::checks::{Finding, Grade, check};
use super::needs::Needs;
use super::placement::Placement;
use super::preflight::{self, PreflightError};
use crate::measure::Machine;
use crate::profile::Plan;
use crate::shard::Roles;

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The processes that a run of the plan would start, in words; empty if it cannot be cut into any.
    pub processes: String,
    /// Each limit that was looked at.
    pub findings: Vec<Finding>,
}

/// Looks at this machine with the eyes of `plan`.
///
/// # Errors
/// The limit of open files cannot be read or raised.
pub fn diagnose(plan: &Plan, roles: Roles) -> Result<Diagnosis, PreflightError> {
    match preflight::placement(plan, roles) {
        Ok(placement) => Ok(examine(plan, roles, &placement)),
        Err(PreflightError::Descriptors(error)) => {
            let finding = Finding {
                what: "open files",
                grade: Grade::Short,
                text: format!("{} in {}, {} allowed", error.needed, error.whose, error.limit),
                mend: error.way_out,
            };
            Ok(Diagnosis { processes: String::new(), findings: vec![finding] })
        }
        Err(error) => Err(error),
    }
}

/// The same for a plan that is cut already.
pub(super) fn examine(plan: &Plan, roles: Roles, placement: &Placement) -> Diagnosis {
    let needs = Needs::of(plan, roles, placement);
    let mut findings = check(&needs, &Machine::read());
    findings.extend(source_addresses(plan, roles, placement.hubs > 0));
    Diagnosis { processes: needs.processes(), findings }
}

/// Whether connections can come from the addresses of the plan. Where the hub is, and so of which family they have to
/// be, is known only where it is ours; elsewhere the version that most hubs are reached by stands for it.
fn source_addresses(plan: &Plan, roles: Roles, embedded: bool) -> Option<Finding> {
    let hub = if embedded { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let sources = plan.fleet.source_addresses.towards(IpAddr::V4(hub), plan.fleet.devices).ok()?;
    if !roles.fleet || sources.count() == 0 {
        return None;
    }
    let count = sources.count();
    let what = "source addresses";
    Some(match sources.check() {
        Ok(()) => Finding { what, grade: Grade::Fine, text: format!("{count} can be used"), mend: String::new() },
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
