//! The lines at the end of the table: how generator, observer and hub fared.

use super::bench::rates;
use super::human::{percent, three_digits};
use super::messages::lines;
use super::table::paragraph;
use super::{EVENTS_FILE, human_bytes, human_duration, limit_in_words, servers_in_words};
use crate::measure::{EventCounts, GeneratorHealth, ImageCounts, ObserverHealth, RunResult};
use crate::policy::Series;

/// Whether there was a driver, which alone plans updates and observes them.
pub(super) fn has_driver(result: &RunResult) -> bool {
    !result.absent.contains(&Series::UpdateTotal)
}

/// Rate, observer, generator, hub, and the command that repeats the run.
pub(super) fn health(result: &RunResult) -> Vec<String> {
    let again = ("Again", vec![result.command.clone()]);
    let line = |(head, items): (&str, Vec<String>)| paragraph(&format!("{head:<11}"), items, ", ");
    facts(result).into_iter().chain([again]).flat_map(line).collect()
}

/// What is told of rate, observer, generator and hub, each under its head; what has no head belongs to the one before it.
pub(super) fn facts(result: &RunResult) -> Vec<(&'static str, Vec<String>)> {
    let mut facts = Vec::new();
    let mut say = |head: &'static str, items: Vec<String>| facts.push((head, items));
    if has_driver(result) && result.census.planned > 0 {
        say("Rate", rate(result));
    }
    if let Some(rate) = &result.rate.telemetry {
        let [offered, sent, delivered] = rates(rate);
        say("Telemetry", vec![format!("offered {offered}"), format!("sent {sent}"), format!("delivered {delivered}")]);
    }
    if has_driver(result) && !result.observer.kind.is_empty() {
        say("Observer", observer(&result.observer));
    }
    let both = result.hub_is_within_generator().then(|| "the embedded hub's use included".to_owned());
    say(
        "Generator",
        [processes(result.shards.len(), "shard"), generator(&result.generator), Vec::from_iter(both)].concat(),
    );
    if !result.generator.lines.is_empty() {
        say("Driver", lines(&result.generator.lines));
    }
    let place = if result.generator.hub_on_same_machine { "on the same machine" } else { "on another machine" };
    let hub = result.hub.as_ref().map_or_else(
        || vec![result.broker().map_or_else(|| "not ours".to_owned(), |url| format!("the broker at {url}"))],
        |hub| {
            let used = match (hub.cpu_seconds, hub.rss_peak_bytes) {
                (None, _) => vec!["within the generator's process".to_owned()],
                (Some(seconds), memory) => {
                    let memory = memory.map(|bytes| format!("memory {}", human_bytes(bytes)));
                    std::iter::once(format!("CPU {}", cpu(seconds))).chain(memory).collect()
                }
            };
            [null_hub(result), processes(hub.instances, "hub"), used].concat()
        },
    );
    say("Hub", [hub, vec![place.to_owned()]].concat());
    if let Some(images) = &result.images {
        say("Images", self::images(images));
    }
    if let Some(events) = &result.events {
        say("Events", self::events(events));
    }
    for (n, line) in limits(result).into_iter().enumerate() {
        say(if n == 0 { "Limits" } else { "" }, vec![line]);
    }
    if let Some(count) = result.hub.as_ref().and_then(|hub| hub.service.as_ref()) {
        say("Servers", vec![servers_in_words(count)]);
    }
    facts
}

/// What keeps a result against a null hub from being taken for one of a hub.
fn null_hub(result: &RunResult) -> Vec<String> {
    if result.is_against_null_hub() { vec!["null hub (acknowledges only)".to_owned()] } else { Vec::new() }
}

/// What devices downloaded.
fn images(images: &ImageCounts) -> Vec<String> {
    let ImageCounts { downloads, bytes, resumes, failed } = images;
    vec![
        format!("{downloads} downloads"),
        human_bytes(*bytes),
        format!("resumed {resumes} times"),
        format!("{failed} failed"),
    ]
}

/// Whether all that happened is in its file.
fn events(events: &EventCounts) -> Vec<String> {
    let lacks = match (events.written, events.dropped) {
        (_, 0) => "none lacks".to_owned(),
        (0, dropped) => format!("{dropped} could not be kept"),
        (_, dropped) => format!("{dropped} dropped: {EVENTS_FILE} is not whole"),
    };
    vec![format!("{} written", events.written), lacks]
}

/// What the hub's limits did, where it has any.
fn limits(result: &RunResult) -> Vec<String> {
    let throttled = result.hub.as_ref().map(|hub| hub.throttled.as_slice()).unwrap_or_default();
    let mut lines: Vec<String> = throttled.iter().filter(|count| count.is_notable()).map(limit_in_words).collect();
    if lines.is_empty() && !throttled.is_empty() {
        lines.push("nothing was held back".to_owned());
    }
    lines
}

/// How many processes there were, where there was more than one.
fn processes(count: usize, what: &str) -> Vec<String> {
    if count > 1 { vec![format!("{count} {what}s")] } else { Vec::new() }
}

fn rate(result: &RunResult) -> Vec<String> {
    let rate = |rate: f64| format!("{}/s", three_digits(rate));
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), rate);
    let is_closed = result.plan["driver"]["load"]["kind"] == "closed";
    let offered =
        if is_closed { "closed load".to_owned() } else { format!("offered {}", figure(result.rate.offered_per_s)) };
    vec![offered, format!("achieved {}", figure(result.rate.achieved_per_s))]
}

fn observer(observer: &ObserverHealth) -> Vec<String> {
    if observer.is_told() {
        let presence = (observer.presence == Some(false)).then(|| "presence off".to_owned());
        let told = [
            "subscribe: each report as the broker delivers it".to_owned(),
            format!("{} stages seen late", observer.seen_late),
            format!("{} after their update's end", observer.late),
        ];
        return told.into_iter().chain(presence).collect();
    }
    let mut items = vec![
        format!("{} every {}", observer.kind, human_duration(observer.interval_ms as f64 / 1e3)),
        format!("resolution {}", micros(observer.resolution_us)),
        format!("{} stages seen late", observer.seen_late),
        format!("{} after their update's end", observer.late),
        format!("{} requests", observer.requests),
        format!("{} throttled", observer.throttled),
        format!("{} failed", observer.errors),
    ];
    if observer.left_out > 0 {
        items.push(format!("{} looks left out (as many as allowed were under way)", observer.left_out));
    }
    items
}

fn generator(generator: &GeneratorHealth) -> Vec<String> {
    let lag = generator.schedule_lag_p99_us.map_or_else(|| "-".to_owned(), micros);
    let mut items = vec![
        format!(
            "CPU {} ({} % of {} cores)",
            cpu(generator.cpu_seconds),
            percent(generator.cpu_percent),
            generator.cores
        ),
        format!("memory {}", human_bytes(generator.rss_peak_bytes)),
        format!("{} descriptors", generator.descriptors_peak),
        format!("{} calls dropped", generator.dropped),
        format!("schedule lag p99 {lag}"),
    ];
    // The worker that fared worst stands for all: there may be a hundred.
    let worst = generator.loop_lag_p99_us.iter().max_by_key(|(_, lag)| **lag);
    items.extend(worst.map(|(worker, lag)| format!("loop lag p99 {} at most ({worker})", micros(*lag))));
    items
}

/// CPU time. What counts it may tick in 10 ms: nothing counted is not nothing used.
fn cpu(seconds: f64) -> String {
    if seconds > 0.0 { human_duration(seconds) } else { "< 10 ms".to_owned() }
}

fn micros(micros: u64) -> String {
    human_duration(micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;
    use crate::measure::{BusyThrottle, HubHealth, RateResult, ServiceCount, ThrottleCount};

    #[test]
    fn an_open_load_without_a_figure_is_still_open() {
        let mut result = sample();
        result.rate = RateResult::default();
        assert_eq!(health(&result)[0], "Rate       offered -, achieved -");
    }

    #[test]
    fn cpu_time_below_what_is_counted_is_not_none() {
        let mut result = sample();
        let (cpu_seconds, rss_peak_bytes) = (Some(0.0), Some(1024));
        result.hub = Some(HubHealth { instances: 1, cpu_seconds, rss_peak_bytes, ..HubHealth::default() });
        let expected = "Hub        CPU < 10 ms, memory 1.00 KiB, on the same machine";
        assert!(health(&result).iter().any(|line| line == expected));
    }

    #[test]
    fn a_hub_within_the_generator_s_process_has_no_figures_of_its_own() {
        let mut result = sample();
        result.hub = Some(HubHealth { instances: 1, ..HubHealth::default() });
        let lines = health(&result);
        let hub = "Hub        within the generator's process, on the same machine";
        assert!(lines.iter().any(|line| line == hub), "{lines:?}");
        assert!(lines.join(" ").contains("the embedded hub's use included"), "{lines:?}");
        assert!(!health(&sample()).join(" ").contains("included"));
    }

    #[test]
    fn a_null_hub_is_called_one() {
        let mut result = sample();
        result.hub = Some(HubHealth { instances: 2, ..HubHealth::default() });
        assert!(!health(&result).join(" ").contains("null"));
        result.plan = serde_json::json!({ "hub": { "kind": "null" } });
        let lines = health(&result).join("\n");
        assert!(lines.contains("Hub        null hub (acknowledges only), 2 hubs, "), "{lines}");
    }

    #[test]
    fn what_the_hub_s_limits_did_is_told_by_operation() {
        let mut result = sample();
        let count = |operation: &str, delayed, refused| ThrottleCount {
            operation: operation.to_owned(),
            admitted: 1200,
            delayed,
            refused,
            wait_ms_total: 2500 * delayed,
            ..ThrottleCount::default()
        };
        let mut lines = |throttled| {
            result.hub = Some(HubHealth { instances: 1, throttled, ..HubHealth::default() });
            limits(&result)
        };
        assert_eq!(lines(vec![count("method", 0, 0)]), ["nothing was held back"]);
        assert_eq!(
            lines(vec![count("connect", 0, 0), count("query", 0, 7), count("twin_update", 10, 0)]),
            [
                "query: 1200 let through, 7 refused",
                "twin_update: 1200 let through (10 after 2.50 s on average), 0 refused"
            ]
        );
        let busy = Some(BusyThrottle { seconds: 10, allowed: 500.0, passed: 490.0 });
        let imposed = ThrottleCount { fault: Some("tight".to_owned()), busy, ..count("method", 0, 7) };
        assert_eq!(lines(vec![imposed]), ["method (fault tight): 1200 let through, 7 refused, 98 % of the limit used"]);
        assert_eq!(lines(Vec::new()), Vec::<String>::new());
    }

    #[test]
    fn how_busy_the_hub_s_servers_were_is_told_where_it_has_any() {
        let mut result = sample();
        let told = |result: &RunResult| facts(result).into_iter().find(|(head, _)| *head == "Servers");
        assert_eq!(told(&result), None);
        let service =
            ServiceCount { operations: 80, servers: 4, busy_s: 9.8, server_s: 10.0, ..ServiceCount::default() };
        result.hub = Some(HubHealth { instances: 1, service: Some(service), ..HubHealth::default() });
        let (_, items) = told(&result).unwrap();
        assert!(items[0].ends_with("0 refused; 4 servers, 98 % of the time at work"), "{items:?}");
    }
}
