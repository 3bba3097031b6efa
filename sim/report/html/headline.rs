//! What stands first: the verdict, what was proven, whether the figures count, and the figures that matter most.

use super::blocks::Tone;
use super::text;
use crate::measure::{RunResult, ThresholdResult, Verdict};
use crate::policy::{Outcome, Series, Statistic};
use crate::report::bench::{self, is_bench};
use crate::report::capacity::{headline, interval, is_generators, shown, steps, width};
use crate::report::health::has_driver;
use crate::report::terminal::{is_half_blind, unit_of, verdict_word};
use crate::verdict::notes;

const P50: Statistic = Statistic::Percentile(5_000);
const P99: Statistic = Statistic::Percentile(9_900);

/// The top of the page.
pub(super) struct Headline {
    pub(super) word: &'static str,
    pub(super) tone: Tone,
    pub(super) exit_code: u8,
    /// What was proven.
    pub(super) sentence: String,
    /// What ended the run before its time, and why the figures do not count.
    pub(super) reasons: Vec<String>,
    pub(super) standing: Standing,
    pub(super) standing_words: &'static str,
    pub(super) warnings: Vec<String>,
    pub(super) figures: Vec<Figure>,
    /// What stays in sight further below, and stands at the head of each printed page; empty where the figures count.
    pub(super) banner: &'static str,
}

/// A figure with its name and what it is to be compared with.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) aside: String,
}

/// What the figures are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// They count.
    Sound,
    /// They are of a part only.
    Partial,
    /// They do not count.
    Void,
}

impl Standing {
    const fn of(result: &RunResult) -> Self {
        match (result.valid, result.verdict) {
            (false, _) | (_, Verdict::Invalid) => Self::Void,
            (true, Verdict::Aborted) if result.is_partial() => Self::Partial,
            (true, _) => Self::Sound,
        }
    }

    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Partial => "partial",
            Self::Void => "void",
        }
    }
}

impl Headline {
    pub(super) fn of(result: &RunResult) -> Self {
        let tone = match result.verdict {
            Verdict::Pass => Tone::Good,
            Verdict::Fail | Verdict::NotRecovered | Verdict::Invalid => Tone::Bad,
            Verdict::Aborted => Tone::Doubt,
        };
        let standing = Standing::of(result);
        let (standing_words, banner) = match (standing, result.verdict) {
            (Standing::Sound, Verdict::Aborted) => (
                "The search ended before it was done: the interval is what it had come to. The step that all else is of \
                 ran whole.",
                "",
            ),
            (Standing::Sound, _) => ("The result is valid: the figures below count.", ""),
            (Standing::Partial, _) => (
                "The run was stopped before its end: the figures below cover only what ran.",
                "Stopped before its end: these figures cover only what ran",
            ),
            (Standing::Void, Verdict::Aborted) => (
                "The run was stopped before its end and is not valid besides: the figures below do not count.",
                "Stopped and not valid: these figures do not count",
            ),
            (Standing::Void, _) => {
                ("The result is not valid: the figures below do not count.", "Not valid: these figures do not count")
            }
        };
        Self {
            word: verdict_word(result.verdict).0,
            tone,
            exit_code: result.exit_code,
            sentence: sentence(result, standing),
            reasons: reasons(result),
            standing,
            standing_words,
            warnings: warnings(result),
            figures: figures(result),
            banner,
        }
    }

    /// What stands beside the heading of a section.
    pub(super) const fn badge(&self) -> &'static str {
        match self.standing {
            Standing::Sound => "",
            Standing::Partial => "stopped early",
            Standing::Void => "does not count",
        }
    }
}

/// What was proven, in a sentence.
fn sentence(result: &RunResult, standing: Standing) -> String {
    if standing == Standing::Void {
        return "Nothing was proven: what was measured cannot be relied upon.".to_owned();
    }
    let judged = judged(result);
    let broken: Vec<String> =
        judged.iter().filter(|(_, judged)| judged.ok == Some(false)).map(|(name, _)| name.clone()).collect();
    let updates = updates(result);
    let found = match &result.capacity {
        Some(capacity) if is_generators(capacity) => format!("Capacity: {}. ", headline(capacity)),
        // Why there is no more is told in its section.
        Some(capacity) => format!("Capacity: {}. ", interval(capacity)),
        None => String::new(),
    };
    let shown = result.capacity.as_ref().and_then(shown).map(|shown| format!("All else is of {shown}. "));
    let run = match (result.verdict, &result.drill) {
        (Verdict::Pass, Some(drill)) => format!("It held that {}. {updates}", claim(&drill.claim)),
        (Verdict::Pass, None) => format!("{updates} {}", thresholds(judged.len())),
        (Verdict::NotRecovered, _) => {
            format!("After its faults the fleet was not as it had been before.{} {updates}", named(&broken))
        }
        (Verdict::Fail, Some(drill)) => {
            format!("It did not hold that {}.{} {updates}", claim(&drill.claim), named(&broken))
        }
        (Verdict::Fail, None) => format!("{} {updates}", named(&broken).trim()),
        (Verdict::Aborted, _) if !result.is_partial() => format!("{updates}{}", named(&broken)),
        (Verdict::Aborted, _) => {
            format!("Nothing was proven of the whole run: it was stopped.{} {updates}", named(&broken))
        }
        (Verdict::Invalid, _) => String::new(),
    };
    format!("{found}{}{}", shown.unwrap_or_default(), run.trim()).trim().to_owned()
}

/// A claim without the point at its end.
fn claim(claim: &str) -> &str {
    claim.trim().trim_end_matches('.')
}

/// Every condition of a run with its name.
fn judged(result: &RunResult) -> Vec<(String, &ThresholdResult)> {
    let thresholds = result.thresholds.iter().map(|judged| (judged.expr.clone(), judged));
    let drill = result.drill.iter().flat_map(|drill| {
        let steady =
            drill.steady.iter().map(|steady| (format!("{}: {}", steady.phase, steady.judged.expr), &steady.judged));
        steady.chain(drill.assertions.iter().map(|judged| (judged.expr.clone(), judged)))
    });
    thresholds.chain(drill).collect()
}

fn thresholds(count: usize) -> String {
    match count {
        0 => "Nothing was asked of it: it has no thresholds.".to_owned(),
        1 => "Its threshold held.".to_owned(),
        2 => "Both thresholds held.".to_owned(),
        count => format!("All {count} thresholds held."),
    }
}

fn named(broken: &[String]) -> String {
    const NAMED: usize = 3;
    match broken {
        [] => String::new(),
        [one] => format!(" Broken: {one}."),
        all if all.len() <= NAMED => format!(" {} conditions were broken: {}.", all.len(), text::listed(all)),
        all => format!(" {} conditions were broken, among them {}.", all.len(), text::listed(&all[..NAMED])),
    }
}

fn updates(result: &RunResult) -> String {
    let (planned, completed) = (result.census.planned, result.census.count(Outcome::Completed));
    if !has_driver(result) {
        return "The fleet ran alone.".to_owned();
    }
    match planned {
        0 => bench::sentence(result),
        1 if completed == 1 => "The one planned update completed.".to_owned(),
        _ if planned == completed => format!("All {} planned updates completed.", text::count(planned)),
        _ => format!("{} of {} planned updates completed.", text::count(completed), text::count(planned)),
    }
}

fn reasons(result: &RunResult) -> Vec<String> {
    let ended = result.abort.iter().filter(|_| result.is_partial()).map(|abort| {
        let observed = text::value(unit_of(&abort.expr), abort.observed);
        format!("ended at {} by the threshold {}: observed {observed} then", text::moment(abort.at_s), abort.expr)
    });
    ended.chain(result.invalid_reasons.iter().cloned()).collect()
}

fn warnings(result: &RunResult) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_half_blind(&result.observer) {
        warnings.push(format!(
            "{} of the observer's {} requests failed: stages were seen late or not at all.",
            text::count(result.observer.errors),
            text::count(result.observer.requests)
        ));
    }
    warnings.extend(notes(result).into_iter().map(|note| format!("Note: {note}.")));
    warnings
}

fn figures(result: &RunResult) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut say = |name, value: String, aside: String| figures.push(Figure { name, value, aside });
    if let Some(capacity) = &result.capacity {
        let name = if is_generators(capacity) { "The generator's end" } else { "Capacity" };
        let found = interval(capacity);
        let unit = |last: &str| last == capacity.unit || last == capacity.of.unit_of(1.0);
        let (value, unit) = found.rsplit_once(' ').filter(|(_, last)| unit(last)).unwrap_or((&found, ""));
        let aside = [unit.to_owned()].into_iter().filter(|unit| !unit.is_empty()).chain(width(capacity));
        let aside = aside.chain((!capacity.finished).then(|| "not finished".to_owned())).collect::<Vec<_>>().join(", ");
        say(name, value.to_owned(), aside.replace(" %", "\u{a0}%"));
    }
    let series = |series| result.series.get(&series).filter(|data| data.count() > 0);
    let statistic = |of, what| text::statistic(series(of), what);
    let longest =
        |of| series(of).map_or_else(|| "not measured".to_owned(), |_| format!("max {}", statistic(of, Statistic::Max)));
    if is_bench(result) {
        for bench::Figure { name, value, aside } in bench::figures(result) {
            say(name, text::unbroken(&value), text::unbroken(&aside));
        }
    } else if has_driver(result) {
        let (planned, completed) = (result.census.planned, result.census.count(Outcome::Completed));
        let share = text::share(result.census.percent(Outcome::Completed));
        say("Updates completed", text::count(completed), format!("of {} planned, {share}", text::count(planned)));
        for (name, of) in [("update.total, p50", Series::UpdateTotal), ("update.overhead, p50", Series::UpdateOverhead)]
        {
            let aside = format!("p99 {}, {}", statistic(of, P99), longest(of));
            say(name, statistic(of, P50), aside);
        }
        say(
            "method.response, p99",
            statistic(Series::MethodResponse, P99),
            format!("p50 {}, {}", statistic(Series::MethodResponse, P50), longest(Series::MethodResponse)),
        );
        let offered = if result.plan["driver"]["load"]["kind"] == "closed" {
            "in a closed load".to_owned()
        } else {
            format!("of {} offered", text::maybe_rate(result.rate.offered_per_s))
        };
        say("Calls achieved", text::maybe_rate(result.rate.achieved_per_s), offered);
        let lag = result.generator.schedule_lag_p99_us.map_or_else(|| text::NONE.to_owned(), text::micros);
        say("schedule.lag, p99", lag, "the generator's own lateness".to_owned());
    }
    let devices: u64 = result.shards.iter().map(|shard| u64::from(shard.devices)).sum();
    let devices = result.plan["fleet"]["devices"].as_u64().unwrap_or(devices);
    let connected = result.intervals.iter().map(|interval| interval.connected).max().unwrap_or_default();
    say("Devices", text::count(devices), format!("{} connected at most", text::count(connected.into())));
    let load = result.load.map_or_else(
        // A result of an earlier version does not say.
        || if result.census.planned == 0 { "there was no load".to_owned() } else { String::new() },
        |load| format!("load for {}", text::span(load.to_s - load.from_s)),
    );
    let load = match &result.capacity {
        Some(capacity) => {
            let one = capacity.of_step.map(|step| format!("step {step}: {}", text::span(result.duration_s)));
            [Some(steps(capacity)), one].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        None => load,
    };
    say("Duration", text::span(result.took_s()), load);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn a_result_that_is_not_valid_proves_nothing_whatever_it_measured() {
        let mut result = sample();
        for (verdict, valid, standing, badge) in [
            (Verdict::Pass, true, Standing::Sound, ""),
            (Verdict::Fail, true, Standing::Sound, ""),
            (Verdict::Aborted, true, Standing::Partial, "stopped early"),
            (Verdict::Aborted, false, Standing::Void, "does not count"),
            (Verdict::Invalid, false, Standing::Void, "does not count"),
            (Verdict::Pass, false, Standing::Void, "does not count"),
        ] {
            (result.verdict, result.valid) = (verdict, valid);
            let headline = Headline::of(&result);
            assert_eq!((headline.standing, headline.badge()), (standing, badge));
            assert_eq!(headline.banner.is_empty(), standing == Standing::Sound);
            assert_eq!(
                headline.sentence.starts_with("Nothing was proven"),
                standing != Standing::Sound,
                "{}",
                headline.sentence
            );
        }
    }

    #[test]
    fn the_sentence_says_what_was_proven() {
        let mut result = sample();
        (result.verdict, result.valid) = (Verdict::Fail, true);
        let sentence = Headline::of(&result).sentence;
        assert!(sentence.starts_with("It did not hold that a fleet whose hub is away"), "{sentence}");
        assert!(sentence.ends_with("958 of 1,000 planned updates completed."), "{sentence}");
        assert!(
            sentence.contains("2 conditions were broken: census.completed.pct >= 100 and during: census"),
            "{sentence}"
        );
        (result.drill, result.verdict) = (None, Verdict::Pass);
        result.thresholds.truncate(2);
        assert_eq!(Headline::of(&result).sentence, "958 of 1,000 planned updates completed. Both thresholds held.");
        result.thresholds.clear();
        assert!(Headline::of(&result).sentence.ends_with("Nothing was asked of it: it has no thresholds."));
    }
}
