//! Truth against observation, from a tally to a result.

use std::collections::BTreeMap;

use super::tally::Tally;
use crate::measure::{Distribution, FaultRow, InvariantRow, MatrixRow, Measurements};
use crate::policy::{Hit, Outcome};
use crate::profile::Plan;
use crate::shard::Roles;

/// A row for each fault of the plan that is `wanted` by its name. A driver alone does not know the truth.
pub(super) fn rows(plan: &Plan, roles: Roles, tally: &Tally, wanted: impl Fn(&str) -> bool) -> Vec<FaultRow> {
    if !(roles.fleet && roles.driver) {
        return Vec::new();
    }
    let faults = plan.faults.iter().enumerate().filter(|(_, fault)| wanted(&fault.name));
    let rows = faults.map(|(index, fault)| {
        let counts = tally.total.faults.get(&index).cloned().unwrap_or_default();
        FaultRow {
            name: fault.name.clone(),
            kind: fault.kind.name().to_owned(),
            place: fault.kind.place(),
            expected: fault.kind.outcomes().to_vec(),
            strikes: counts.strikes,
            late: counts.late,
            injected: counts.injected(),
            off_diagonal: counts.off_diagonal,
            peak_per_s: tally.strike_peaks.get(&index).copied().unwrap_or_default(),
            recovery: counts.recovery.as_deref().map(Distribution::of),
            found: counts.found.as_deref().map(Distribution::of),
            observed: counts.observed,
        }
    });
    rows.collect()
}

/// Updates by what hit them: by nothing, by each fault alone, by several.
pub(super) fn matrix(plan: &Plan, total: &Measurements) -> Vec<MatrixRow> {
    if total.judged.matrix.is_empty() {
        return Vec::new();
    }
    let ones = plan.faults.iter().enumerate().map(|(index, fault)| (Hit::One(index), fault.name.as_str()));
    let hits = [(Hit::None, "none")].into_iter().chain(ones).chain([(Hit::Several, "several")]);
    let row = |(hit, name): (Hit, &str)| {
        let outcomes = total.judged.matrix.iter().filter(|((of, _), _)| *of == hit);
        let outcomes: BTreeMap<Outcome, u64> = outcomes.map(|((_, outcome), count)| (*outcome, *count)).collect();
        MatrixRow { hit_by: name.to_owned(), outcomes }
    };
    hits.map(row).collect()
}

/// The records of all invariants. An update that has no outcome breaks the first, whichever it was.
pub(super) fn invariants(roles: Roles, total: &Measurements) -> Vec<InvariantRow> {
    if !roles.driver {
        return Vec::new();
    }
    let mut rows = total.invariants.rows().to_vec();
    if let Some(one_outcome) = rows.first_mut() {
        one_outcome.violations = one_outcome.violations.max(total.census.unaccounted().unsigned_abs());
    }
    rows
}
