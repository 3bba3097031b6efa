//! The parts of a summary that tell what the run proved, from its verdict to its durations.

use super::super::bench::{self, is_bench};
use super::super::drill::{judged, timeline};
use super::super::health::has_driver;
use super::super::human::{percent, three_digits};
use super::super::messages::broker_notes;
use super::super::rollout::{abort_in_words, exposed_in_words, wave_rows};
use super::super::table::Align;
use super::super::terminal::{Terminal, Tone, ended_in_words, value, verdict_word};
use super::super::{human_duration, terminal};
use super::escape::{code, start, text};
use super::table::{ROWS, table};
use crate::measure::{ObserverHealth, RunResult, ThresholdResult, Verdict};
use crate::policy::{FirmwareStatus, Outcome, Series, Statistic};
use crate::verdict::notes;

const P50: Statistic = Statistic::Percentile(5000);
const P90: Statistic = Statistic::Percentile(9000);
const P99: Statistic = Statistic::Percentile(9900);
const P99_9: Statistic = Statistic::Percentile(9990);

/// The mark of a word.
const fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✅",
        Tone::Bad => "❌",
        Tone::Doubtful => "⚠️",
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Under a heading, unless there is nothing.
pub(super) fn titled(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("### {title}\n\n{body}") }
}

pub(super) fn verdict(result: &RunResult) -> String {
    let (word, tone) = verdict_word(result.verdict);
    let meaning = match (result.verdict, result.valid) {
        (Verdict::Aborted, _) if result.is_partial() => {
            "It was stopped before its end: the figures cover only what ran."
        }
        (Verdict::Aborted, _) => "The search ended before it was done: the interval is what it had come to.",
        (_, true) => "The figures count.",
        (_, false) if result.invalid_reasons.is_empty() => "**The figures do not count.**",
        (_, false) => "**The figures do not count:**",
    };
    let mut lines = format!(
        "## {} {word}: {}\n\n{meaning}\n",
        mark(tone),
        if result.name.is_empty() { "unnamed".to_owned() } else { text(&result.name) }
    );
    for abort in result.abort.iter().filter(|_| result.is_partial()) {
        lines.push_str(&format!("\n{}\n", start(&ended_in_words(abort))));
    }
    let reasons = &result.invalid_reasons;
    if !reasons.is_empty() {
        lines.push('\n');
        lines.extend(reasons.iter().take(ROWS).map(|reason| format!("- {}\n", start(reason))));
        let more = reasons.len().saturating_sub(ROWS);
        if more > 0 {
            lines.push_str(&format!("- and {more} more reasons\n"));
        }
    }
    let ObserverHealth { errors, requests, .. } = result.observer;
    if terminal::is_half_blind(&result.observer) {
        lines.push_str(&format!(
            "\n⚠️ {errors} of the observer's {requests} requests failed: stages were seen late or not at all.\n"
        ));
    }
    for note in notes(result) {
        lines.push_str(&format!("\n⚠️ {}\n", text(&note)));
    }
    lines.push_str(&format!(
        "\nExit code {}, took {}, started {:.0}, seed {}, twinstorm {}\n",
        result.exit_code,
        human_duration(result.took_s()),
        result.began_at(),
        result.seed,
        text(&result.version)
    ));
    lines
}

pub(super) fn headline(result: &RunResult) -> String {
    let mut rows = vec![row(["figure", "value"])];
    let census = &result.census;
    if has_driver(result) && census.planned > 0 {
        let completed = census.count(Outcome::Completed);
        let share = census.percent(Outcome::Completed).map_or_else(|| "-".to_owned(), percent);
        rows.push(vec!["updates completed".to_owned(), format!("{completed} of {} ({share} %)", census.planned)]);
        let rate = |rate: f64| format!("{}/s", three_digits(rate));
        let achieved = result.rate.achieved_per_s.map_or_else(|| "-".to_owned(), rate);
        let offered = result.rate.offered_per_s.map(|offered| format!(", offered {}", rate(offered)));
        rows.push(vec!["rate achieved".to_owned(), achieved + &offered.unwrap_or_default()]);
    }
    if is_bench(result) {
        let bench = bench::figures(result).into_iter();
        rows.extend(bench.map(|figure| vec![text(figure.name), format!("{}, {}", figure.value, figure.aside)]));
        return table(&[Align::Left; 2], &rows);
    }
    let headline = [
        Series::UpdateTotal,
        Series::UpdateOverhead,
        Series::MethodResponse,
        Series::TwinVisible(FirmwareStatus::Completed),
        Series::Connect,
        Series::Reconnect,
    ];
    for series in headline {
        let Some(data) = result.series.get(&series).filter(|data| data.count() > 0) else { continue };
        let figure =
            |(name, statistic)| data.statistic(statistic).map(|seconds| format!("{name} {}", human_duration(seconds)));
        let figures: Vec<String> =
            [("p50", P50), ("p99", P99), ("max", Statistic::Max)].into_iter().filter_map(figure).collect();
        rows.push(vec![code(series.name()), figures.join(", ")]);
    }
    table(&[Align::Left; 2], &rows)
}

/// A row for each condition.
fn conditions(judged: &[ThresholdResult]) -> String {
    let condition = |judged: &ThresholdResult| {
        let word = match judged.ok {
            Some(true) => "✅ held",
            Some(false) => "❌ broken",
            None => "⚠️ not judged",
        };
        let observed = value(judged).unwrap_or_else(|| "nothing measured".to_owned());
        vec![word.to_owned(), code(&judged.expr), text(&observed)]
    };
    // What is broken comes first, so that it is never what is left out.
    let mut sorted: Vec<&ThresholdResult> = judged.iter().collect();
    sorted.sort_by_key(|judged| match judged.ok {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    });
    let rows = sorted.into_iter().map(condition);
    let rows: Vec<Vec<String>> = std::iter::once(row(["", "condition", "observed"])).chain(rows).collect();
    table(&[Align::Left; 3], &rows)
}

pub(super) fn thresholds(result: &RunResult) -> String {
    titled("Thresholds", &conditions(&result.thresholds))
}

pub(super) fn census(result: &RunResult) -> String {
    let census = &result.census;
    let unaccounted = census.unaccounted();
    if !has_driver(result) {
        return String::new();
    }
    if census.planned == 0 && unaccounted == 0 {
        return titled("Updates", "None were planned.\n");
    }
    let mut rows = vec![row(["outcome", "updates", "share", ""])];
    rows.push(vec!["planned".to_owned(), census.planned.to_string()]);
    for outcome in Outcome::ALL.into_iter().filter(|o| *o == Outcome::Completed || census.count(*o) > 0) {
        let share = census.percent(outcome).map_or_else(|| "-".to_owned(), percent);
        let details = census.details.get(&outcome);
        let mut shown: Vec<String> = details
            .iter()
            .flat_map(|details| details.iter())
            .take(10)
            .map(|(detail, count)| format!("{} {count}", text(detail)))
            .collect();
        let more = details.map_or(0, |details| details.len().saturating_sub(shown.len()));
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        let count = census.count(outcome).to_string();
        rows.push(vec![outcome.to_string(), count, format!("{share} %"), shown.join(", ")]);
    }
    rows.push(vec!["unaccounted".to_owned(), unaccounted.to_string()]);
    let note: String = broker_notes(result).iter().map(|note| format!("\n{}\n", text(note))).collect();
    titled("Updates", &(table(&[Align::Left, Align::Right, Align::Right, Align::Left], &rows) + &note))
}

pub(super) fn durations(result: &RunResult) -> String {
    const SHOWN: [Statistic; 5] = [P50, P90, P99, P99_9, Statistic::Max];
    let mut rows = vec![row(["series", "count", "p50", "p90", "p99", "p99.9", "max"])];
    let mut notes = String::new();
    for (series, data) in &result.series {
        let cell = |statistic| data.statistic(statistic).map_or_else(|| "-".to_owned(), human_duration);
        rows.push([code(series.name()), data.count().to_string()].into_iter().chain(SHOWN.map(cell)).collect());
        if data.saturated > 0 {
            let count = data.saturated;
            notes.push_str(&format!(
                "\n{}: longer than one hour and counted as one hour: {count}\n",
                code(series.name())
            ));
        }
    }
    if !result.absent.is_empty() {
        let absent: Vec<String> = result.absent.iter().map(|series| code(series.name())).collect();
        notes.push_str(&format!("\nNot measurable in this run: {}\n", absent.join(", ")));
    }
    let mut align = [Align::Right; 7];
    align[0] = Align::Left;
    titled("Durations", &(table(&align, &rows) + &notes))
}

pub(super) fn drill(result: &RunResult) -> String {
    let Some(drill) = &result.drill else { return String::new() };
    let start = result.load.map_or(0.0, |load| load.from_s);
    let mut body = format!("{}\n\n{}", self::start(&drill.claim), conditions(&judged(drill)));
    let rows: Vec<Vec<String>> =
        timeline(drill, start).iter().map(|row| row.iter().map(|cell| text(cell)).collect()).collect();
    body.push_str(&format!("\n{}", table(&[Align::Right, Align::Right, Align::Left, Align::Left], &rows)));
    if drill.never_came > 0 {
        body.push_str(&format!("\nNever came to: {} updates\n", drill.never_came));
    }
    if drill.overran {
        body.push_str("\n❌ Stopped: it had not ended within its limit\n");
    }
    if let Some(heal) = &drill.heal {
        let mark = if heal.whole { "✅" } else { "❌" };
        body.push_str(&format!("\n{mark} {}\n", text(&Terminal::default().heal(heal, start))));
    }
    titled("Drill", &body)
}

pub(super) fn rollout(result: &RunResult) -> String {
    let Some(rollout) = &result.rollout else { return String::new() };
    let mut body = table(&[Align::Right; 7], &wave_rows(rollout));
    if let Some(abort) = &rollout.aborted {
        body.push_str(&format!("\n{}\n", start(&abort_in_words(abort))));
    }
    body.push_str(&format!("\n{}\n", text(&exposed_in_words(rollout))));
    titled("Roll-out", &body)
}

pub(super) fn repeat(result: &RunResult) -> String {
    // A block of code by indentation: nothing that stands in it can end it.
    let command: String = result.command.chars().map(|c| if c.is_control() { ' ' } else { c }).take(10_000).collect();
    if command.is_empty() { command } else { titled("Again", &format!("    {command}\n")) }
}
