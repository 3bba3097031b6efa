//! `[drill]`: what a run is to prove.

use std::time::Duration;

use super::error::Problem;
use super::load::LoadSection;
use super::metric::Scene;
use super::reader::Field;
use crate::policy::{Arrivals, Assertion, Drill, DrillPhase, DrillPhases, Metric, Threshold};
use crate::random::Seed;

const RECOVERY: Duration = Duration::from_secs(10);
const HEAL: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);

/// The schedule that says how many updates fall into each phase.
pub(super) struct Schedule<'a> {
    pub(super) seed: Seed,
    pub(super) devices: u32,
    pub(super) load: &'a LoadSection,
}

pub(super) fn read(field: &Field<'_>, scene: Scene<'_>, schedule: &Schedule<'_>) -> Result<Drill, Problem> {
    let section = field.section(&["claim", "steady", "assert", "lead", "recovery", "heal", "limit"])?;
    let claim = section.required("claim")?;
    let text = claim.text()?.trim();
    if text.is_empty() {
        return Err(claim.problem("must say what the drill proves, in a sentence"));
    }
    let steady = section.optional("steady").map_or(Ok(Vec::new()), |field| list(&field, |item| steady(item, scene)))?;
    let assertions =
        section.optional("assert").map_or(Ok(Vec::new()), |field| list(&field, |item| assertion(item, scene)))?;
    let duration = |key, default, range| section.optional(key).map_or(Ok(default), |field| field.duration(range));
    let drill = Drill {
        claim: text.to_owned(),
        steady,
        assertions,
        lead: duration("lead", Duration::ZERO, Duration::ZERO..=HOUR)?,
        recovery: duration("recovery", RECOVERY, Duration::ZERO..=HOUR)?,
        heal: duration("heal", HEAL, Duration::ZERO..=HOUR)?,
        limit: duration("limit", LIMIT, Duration::from_secs(1)..=24 * HOUR)?,
    };
    phases(field, &drill, scene, schedule)?;
    Ok(drill)
}

fn list<T>(field: &Field<'_>, read: impl Fn(&Field<'_>) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    field.list()?.map(|item| read(&item)).collect()
}

fn steady(field: &Field<'_>, scene: Scene<'_>) -> Result<Threshold, Problem> {
    let threshold: Threshold =
        field.text()?.parse().map_err(|error| field.problem(format_args!("is wrong: {error}")))?;
    scene.check(field, &threshold)?;
    by_phase(field, &threshold)?;
    Ok(threshold)
}

fn assertion(field: &Field<'_>, scene: Scene<'_>) -> Result<Assertion, Problem> {
    let assertion: Assertion =
        field.text()?.parse().map_err(|error| field.problem(format_args!("is wrong: {error}")))?;
    scene.check(field, &assertion.threshold)?;
    if assertion.phase.is_some() {
        by_phase(field, &assertion.threshold)?;
    }
    Ok(assertion)
}

/// Refuses a condition of a phase on what is known of the whole run alone.
fn by_phase(field: &Field<'_>, threshold: &Threshold) -> Result<(), Problem> {
    let metric = &threshold.metric;
    let why = match metric {
        _ if metric.is_known_by_phase() => return Ok(()),
        Metric::Series(series, _) => format!("devices measure `{series}`, and know of no phase"),
        _ => format!("`{metric}` is known of the whole run alone"),
    };
    Err(field.problem(format_args!(
        "cannot be judged of a phase: {why}. Of one are known census, connected.pct, and the series of calls and updates"
    )))
}

/// Refuses a drill one of whose phases is wanted and has no updates, with the arithmetic.
fn phases(field: &Field<'_>, drill: &Drill, scene: Scene<'_>, schedule: &Schedule<'_>) -> Result<(), Problem> {
    let load = schedule.load;
    if scene.faults.is_empty() {
        return Err(field.problem("needs a [[fault]]: without one there is nothing to recover from"));
    }
    if load.load.rate().is_none() {
        return Err(field.problem(
            "needs `load.kind` = \"open\": its updates are told apart by when they are due, and in a closed load that \
             depends on how quick the hub is",
        ));
    }
    let phases = drill.phases(scene.faults);
    let wanted = |phase| {
        let asserted = drill.assertions.iter().any(|assertion| assertion.phase == Some(phase));
        phase == DrillPhase::During || !drill.steady.is_empty() || asserted
    };
    if wanted(DrillPhase::After) && phases.span(DrillPhase::After).is_none() {
        return Err(field.problem(
            "wants something of the phase after the faults, and a fault without `for` never ends: say how long each lasts",
        ));
    }
    let updates = load.updates.unwrap_or(u64::from(schedule.devices));
    let mut counts = [0_u64; DrillPhase::ALL.len()];
    let mut last = Duration::ZERO;
    for due in Arrivals::due_times(schedule.seed, &load.load, updates) {
        counts[phases.at(due) as usize] += 1;
        last = due;
    }
    if last >= drill.limit {
        return Err(field.problem(format_args!(
            "has a `limit` of {} s, and its last update is due after {:.1} s",
            drill.limit.as_secs_f64(),
            last.as_secs_f64()
        )));
    }
    let Some(empty) = DrillPhase::ALL.into_iter().find(|phase| wanted(*phase) && counts[*phase as usize] == 0) else {
        return Ok(());
    };
    let words = DrillPhase::ALL.map(|phase| in_words(phase, &phases, counts[phase as usize]));
    Err(field.problem(format_args!(
        "has no update in the phase `{empty}`: the {updates} updates are due within {:.1} s; {}",
        last.as_secs_f64(),
        words.join(", ")
    )))
}

fn in_words(phase: DrillPhase, phases: &DrillPhases, updates: u64) -> String {
    let seconds = |duration: Duration| duration.as_secs_f64();
    match phases.span(phase) {
        Some((from, Some(to))) => format!("`{phase}` from {} s to {} s: {updates}", seconds(from), seconds(to)),
        Some((from, None)) => format!("`{phase}` from {} s on: {updates}", seconds(from)),
        None => format!("no `{phase}`"),
    }
}
