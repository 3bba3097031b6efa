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
    if drill.thresholds().next().is_none() {
        return Err(field.problem(
            "proves nothing: it needs `steady`, what must hold before the faults and again after them, or `assert`, what must \
             hold whatever they do, like assert = [\"census.completed.pct >= 99\"]",
        ));
    }
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
    // A roll-out that is to be aborted need not come so far.
    let cut = drill.asserts_abort();
    let wanted = |phase| {
        let asserted = drill.assertions.iter().any(|assertion| assertion.phase == Some(phase));
        let is_owed = phase == DrillPhase::Before || !cut;
        phase == DrillPhase::During || (!drill.steady.is_empty() && is_owed) || asserted
    };
    if wanted(DrillPhase::After) && phases.span(DrillPhase::After).is_none() {
        return Err(field.problem(
            "wants something of the phase after the faults, and a fault without `for` never ends: say how long each lasts",
        ));
    }
    if scene.rollout {
        // When each wave is released depends on how the one before it fares.
        return Ok(());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::parse;

    /// 1000 updates at 100/s, and a fault from 3 s to 5 s.
    const FAULT: &str = "[[fault]]\nkind = 'offline'\nselect = 'all'\nat = '3s'\nfor = '2s'\n";

    fn drill(faults: &str, keys: &str) -> Result<Drill, String> {
        let text = format!("[load]\narrivals = 'constant'\n{faults}[drill]\n{keys}");
        parse("my.toml", &text, &[]).map(|plan| plan.drill.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_drill_is_read_with_its_defaults() {
        let steady = "steady = ['update.total.p99 < 10s', 'connected.pct >= 99']\nrecovery = '2s'";
        let assert =
            "assert = ['during: census.completed.pct >= 90', 'faults.offline.updates > 3', 'rate.achieved > 9']";
        let drill = drill(FAULT, &format!("claim = ' it works '\n{steady}\n{assert}")).unwrap();
        assert_eq!((drill.claim.as_str(), drill.steady.len(), drill.assertions.len()), ("it works", 2, 3));
        assert_eq!((drill.lead, drill.recovery), (Duration::ZERO, Duration::from_secs(2)));
        assert_eq!((drill.heal, drill.limit), (HEAL, LIMIT));
        assert_eq!(parse("my.toml", "", &[]).unwrap().drill, None);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let faults = format!("{FAULT}[[fault]]\nkind = 'offline'\nselect = 'all'\nat = '3s'\n");
        for (faults, keys, says) in [
            (FAULT, "", "the key `drill.claim` is missing"),
            (FAULT, "claim = ' '", "`drill.claim` must say what the drill proves"),
            (FAULT, "claim = 'x'\nsteady = ['speed > 1']", "`drill.steady.0` is wrong: unknown metric `speed`"),
            (FAULT, "claim = 'x'\nsteady = ['rate.achieved > 1']", "`rate.achieved` is known of the whole run alone"),
            (FAULT, "claim = 'x'\nsteady = ['twin.ack.completed.p50 < 1s']", "devices measure `twin.ack.completed`"),
            (FAULT, "claim = 'x'\nassert = ['amid: census.stuck == 0']", "`drill.assert.0` is wrong: unknown phase"),
            (FAULT, "claim = 'x'\nassert = ['after: generator.cpu < 9']", "known of the whole run alone"),
            (FAULT, "claim = 'x'\nassert = ['faults.ofline.updates > 1']", "unknown fault `ofline`: there are offline"),
            (FAULT, "claim = 'x'\nlimit = '5s'", "has a `limit` of 5 s, and its last update is due after 10.0 s"),
            ("", "claim = 'x'", "`drill` needs a [[fault]]"),
            (FAULT, "claim = 'x'", "`drill` proves nothing: it needs `steady`"),
            (FAULT, "claim = 'x'\nsteady = []\nassert = []", "or `assert`, what must hold"),
            (&faults, "claim = 'x'\nsteady = ['census.stuck == 0']", "a fault without `for` never ends"),
        ] {
            let error = drill(faults, keys).unwrap_err();
            assert!(error.contains(says), "{keys}\n{error}");
        }
        let closed = format!("[load]\nkind = 'closed'\n{FAULT}[drill]\nclaim = 'x'");
        assert!(parse("my.toml", &closed, &[]).unwrap_err().to_string().contains("needs `load.kind` = \"open\""));
        let job = format!(
            "[load]\nvia = 'job'\n{FAULT}[drill]\nclaim = 'x'\nrecovery = '1s'\nsteady = ['method.response.p99 < 1s']"
        );
        assert!(parse("my.toml", &job, &[]).unwrap_err().to_string().contains("`method.response` is not measured"));
    }

    #[test]
    fn a_phase_without_updates_is_refused_with_the_arithmetic_if_something_is_wanted_of_it() {
        let steady = "claim = 'x'\nsteady = ['census.stuck == 0']";
        let error = drill(FAULT, steady).unwrap_err();
        assert!(
            error.contains(
                "`drill` has no update in the phase `after`: the 1000 updates are due within 10.0 s; \
                 `before` from 0 s to 3 s: 300, `during` from 3 s to 15 s: 700, `after` from 15 s on: 0"
            ),
            "{error}"
        );
        assert!(
            drill(FAULT, "claim = 'x'\nassert = ['census.stuck == 0']").is_ok(),
            "nothing is wanted of what follows"
        );
        assert!(drill(FAULT, "claim = 'x'\nassert = ['after: census.stuck == 0']").is_err());
        assert!(drill(FAULT, &format!("{steady}\nrecovery = '4s'")).is_ok());
        let error = drill(FAULT, &format!("{steady}\nrecovery = '4s'\nlead = '3s'")).unwrap_err();
        assert!(error.contains("no update in the phase `before`") && error.contains("no `before`, "), "{error}");
        let late = "[[fault]]\nkind = 'offline'\nselect = 'all'\nat = '20s'\n";
        assert!(drill(late, "claim = 'x'").unwrap_err().contains("no update in the phase `during`"));
    }
}
