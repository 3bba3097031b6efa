//! How generator, hub and observer fared: whether the figures are those of the hub under test.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::{EventCounts, ObserverHealth, RunResult};
use crate::report::health::has_driver;
use crate::report::human::percent;
use crate::report::messages::line_notes;
use crate::report::servers_in_words;

/// The section of generator, shards and hub.
pub(super) fn generator(result: &RunResult) -> Option<Section> {
    let generator = &result.generator;
    let place = if generator.hub_on_same_machine { "the same machine" } else { "another machine" };
    let lag = generator.schedule_lag_p99_us.map_or_else(|| text::NONE.to_owned(), text::micros);
    let facts = [
        (
            "CPU",
            format!(
                "{}, {}\u{a0}% of {} cores",
                text::cpu(generator.cpu_seconds),
                percent(generator.cpu_percent),
                generator.cores
            ),
        ),
        ("Memory at its peak", text::bytes(generator.rss_peak_bytes)),
        ("Descriptors at their peak", text::count(generator.descriptors_peak)),
        ("schedule.lag, p99", lag),
        ("Calls dropped", text::count(generator.dropped)),
        ("Hub on", place.to_owned()),
    ];
    let broker = result.broker().map(|url| ("Hub", format!("the broker at {url}")));
    let facts = facts.into_iter().chain(broker);
    let mut parts = vec![Part::Facts(facts.map(|(name, value)| (name.to_owned(), value)).collect())];
    if generator.dropped > 0 {
        let words = text::counted(generator.dropped, "call was dropped", "calls were dropped");
        parts.push(Part::Note(Tone::Bad, format!("{words}: the generator itself was too late for them.")));
    }
    if !generator.loop_lag_p99_us.is_empty() {
        parts.push(Part::Table(loops(result)));
    }
    if !generator.lines.is_empty() {
        parts.push(Part::Table(lines(result)));
        parts.extend(line_notes(result).into_iter().map(|note| Part::Note(Tone::Doubt, note)));
    }
    if result.shards.len() > 1 || result.shards.iter().any(|shard| shard.lost) {
        parts.push(Part::Table(shards(result)));
    }
    if let Some(hub) = &result.hub {
        let is_null = result.is_against_null_hub();
        let heading = if is_null { "Null hub (acknowledges only)" } else { "Embedded hub" };
        parts.push(Part::Heading(heading.to_owned()));
        // It cannot be told apart from the generator's where the hub was a thread of its process.
        let within = || "part of the generator's".to_owned();
        let facts = [
            ("Processes", text::count(hub.instances as u64)),
            ("CPU", hub.cpu_seconds.map_or_else(within, text::cpu)),
            ("Memory at its peak", hub.rss_peak_bytes.map_or_else(within, text::bytes)),
        ];
        let servers = hub.service.as_ref().map(|count| ("Servers".to_owned(), servers_in_words(count)));
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(servers);
        parts.push(Part::Facts(facts.collect()));
    }
    if let Some(images) = &result.images {
        parts.push(Part::Heading("Images".to_owned()));
        let facts = [
            ("Downloads", text::count(images.downloads)),
            ("Bytes", text::bytes(images.bytes)),
            ("Resumed", text::count(images.resumes)),
            ("Failed", text::count(images.failed)),
        ];
        parts.push(Part::Facts(facts.map(|(name, value)| (name.to_owned(), value)).into()));
    }
    if let Some(EventCounts { written, dropped }) = result.events {
        let words = text::counted(written, "event was", "events were");
        parts.push(if dropped == 0 {
            Part::text(format!("{words} written to events.ndjson."))
        } else {
            let lacks = text::count(dropped);
            Part::Note(Tone::Doubt, format!("{words} written to events.ndjson, which is not whole: it lacks {lacks}."))
        });
    }
    Some(Section::new("generator", "Generator health", parts))
}

/// The workers' event loops: the worst first, as there may be a hundred.
fn loops(result: &RunResult) -> Table {
    const SHOWN: usize = 12;
    let all = &result.generator.loop_lag_p99_us;
    let mut workers: Vec<(&String, &u64)> = all.iter().collect();
    workers.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let shown = workers.len().min(SHOWN);
    let caption = if shown < workers.len() {
        format!("How late event loops were: the worst {shown} of {}.", workers.len())
    } else {
        "How late event loops were.".to_owned()
    };
    let mut table = Table::new(caption, &["worker", "#p99"]);
    for (worker, lag) in workers.into_iter().take(SHOWN) {
        table.row(vec![Cell::code(worker.as_str()), text::micros(*lag).into()]);
    }
    table
}

/// The driver's connections to a plain broker.
fn lines(result: &RunResult) -> Table {
    let caption = "Driver connections. Lag: how long the connection's own ping took, behind everything that the broker had \
                   sent off to it.";
    let columns = ["connection", "share", "#received", "#sent", "#lost", "#came back", "#lag p99", "#lag max"];
    let mut table = Table::new(caption, &columns);
    let lag = |micros: Option<u64>| micros.map_or_else(|| text::NONE.to_owned(), text::micros);
    for line in &result.generator.lines {
        let share = if line.share.is_empty() { text::NONE } else { &line.share };
        table.row(vec![
            Cell::code(line.name.as_str()),
            share.into(),
            text::count(line.received).into(),
            text::count(line.sent).into(),
            text::count(line.losses).into(),
            text::count(line.reconnects).into(),
            lag(line.lag_p99_us).into(),
            lag(line.lag_max_us).into(),
        ]);
    }
    table
}

fn shards(result: &RunResult) -> Table {
    let columns = ["shard", "#hub", "#first device", "#devices", "#updates ended", "#CPU", "#memory", "state"];
    let mut table = Table::new("Shards: processes with a range of the devices each.", &columns);
    for shard in &result.shards {
        let state = if shard.lost {
            Cell::toned(Tone::Bad, "✗\u{a0}lost")
        } else {
            Cell::toned(Tone::Good, "✓\u{a0}told all")
        };
        table.row(vec![
            shard.shard.to_string().into(),
            shard.hub.map_or_else(|| text::NONE.to_owned(), |hub| hub.to_string()).into(),
            text::count(shard.first_device.into()).into(),
            text::count(shard.devices.into()).into(),
            text::count(shard.ended).into(),
            text::cpu(shard.cpu_seconds).into(),
            text::bytes(shard.rss_peak_bytes).into(),
            state,
        ]);
    }
    table
}

/// The section of the observer; none where nobody observed.
pub(super) fn observer(result: &RunResult) -> Option<Section> {
    let observer = &result.observer;
    if !has_driver(result) || observer.kind.is_empty() {
        return None;
    }
    if observer.is_told() {
        return Some(Section::new("observer", "Observer", told(observer)));
    }
    let mut facts = vec![
        ("Looks", format!("{} every {}", observer.kind, text::duration(observer.interval_ms as f64 / 1e3))),
        ("Resolution", text::micros(observer.resolution_us)),
        ("Requests", text::count(observer.requests)),
        ("Throttled", text::count(observer.throttled)),
        ("Failed otherwise", text::count(observer.errors)),
        ("Stages seen late", text::count(observer.seen_late)),
        ("After their update's end", text::count(observer.late)),
    ];
    if observer.left_out > 0 {
        facts.push(("Looks left out", text::count(observer.left_out)));
    }
    let parts = vec![
        Part::text(
            "Observing at intervals gives “not yet then, there now”: what is seen is uncertain by the resolution. A stage that \
             came and went between two looks is recovered from the twin and counted as seen late, without a sample.",
        ),
        Part::Facts(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
    ];
    Some(Section::new("observer", "Observer", parts))
}

/// What is told of an observer that is told of each report.
fn told(observer: &ObserverHealth) -> Vec<Part> {
    let mut facts = vec![
        ("Sees", "each report as the broker delivers it".to_owned()),
        ("Stages seen late", text::count(observer.seen_late)),
        ("After their update's end", text::count(observer.late)),
    ];
    if let Some(presence) = observer.presence {
        facts.push(("Presence", if presence { "told by devices" } else { "off" }.to_owned()));
    }
    let words = "Observing by subscription has no interval: a stage's time is that at which its report reached the driver, the \
                 broker's delivery included. A stage whose report came after a later one's, or never, counts as seen late, \
                 without a sample.";
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    vec![Part::text(words), Part::Facts(facts)]
}
