//! What is told of a run in which no update was planned: connections, telemetry, and devices that come and go.

use super::health::has_driver;
use super::human::three_digits;
use super::human_duration;
use crate::measure::{MessageKind, RunResult, TelemetryRate};
use crate::policy::{Series, Statistic};

/// A figure, its name, and what it is to be compared with.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) aside: String,
}

/// Whether nobody was to be updated, though there was a driver.
pub(super) fn is_bench(result: &RunResult) -> bool {
    has_driver(result) && result.census.planned == 0 && result.census.unaccounted() == 0
}

/// The figures that matter most in such a run; none without a device.
pub(super) fn figures(result: &RunResult) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut say = |name, value: String, aside: String| figures.push(Figure { name, value, aside });
    let connections = connections(result);
    if connections > 0 {
        let p99 = statistic(result, Series::Connect, Statistic::Percentile(9_900));
        let longest = statistic(result, Series::Connect, Statistic::Max);
        say("connect, p50", median(result, Series::Connect), format!("p99 {p99}, max {longest}"));
        let peak = result.intervals.iter().map(|interval| interval.connected).max().unwrap_or_default();
        say("Connections", connections.to_string(), format!("{peak} at a time"));
    }
    let again = result.series.get(&Series::Reconnect).map_or(0, |data| data.count());
    if again > 0 {
        let p99 = statistic(result, Series::Reconnect, Statistic::Percentile(9_900));
        say("reconnect, p50", median(result, Series::Reconnect), format!("p99 {p99}, {again} of them"));
    }
    if let Some(rate) = &result.rate.telemetry {
        let [offered, sent, delivered] = rates(rate);
        let counts = result.messages.counts(Some(MessageKind::Telemetry));
        say("Messages sent", sent, format!("of {offered} offered, {} in all", counts.sent));
        if rate.delivered_per_s.is_some() {
            let open = format!("{} in all, {} undelivered", counts.delivered, counts.undelivered);
            say("Messages delivered", delivered, open);
        }
        for (name, of) in
            [("telemetry.delivery, p50", Series::TelemetryDelivery), ("telemetry.ack, p50", Series::TelemetryAck)]
        {
            if result.series.get(&of).is_some_and(|data| data.count() > 0) {
                let p99 = statistic(result, of, Statistic::Percentile(9_900));
                let longest = statistic(result, of, Statistic::Max);
                say(name, median(result, of), format!("p99 {p99}, max {longest}"));
            }
        }
    }
    figures
}

/// The same in a sentence.
pub(super) fn sentence(result: &RunResult) -> String {
    let connections = match connections(result) {
        1 => "1 connection was made".to_owned(),
        count => format!("{count} connections were made"),
    };
    let messages = result.rate.telemetry.map(|rate| {
        let counts = result.messages.counts(Some(MessageKind::Telemetry));
        let delivered = rate.delivered_per_s.map(|_| format!(" and {} delivered", counts.delivered));
        format!(", {} messages of telemetry sent{}", counts.sent, delivered.unwrap_or_default())
    });
    format!("No update was planned: {connections}{}.", messages.unwrap_or_default())
}

/// What was offered, sent and delivered, each per second.
pub(super) fn rates(rate: &TelemetryRate) -> [String; 3] {
    let per_second = |rate: f64| format!("{}/s", three_digits(rate));
    [Some(rate.offered_per_s), rate.sent_per_s, rate.delivered_per_s]
        .map(|rate| rate.map_or_else(|| "-".to_owned(), per_second))
}

fn connections(result: &RunResult) -> u64 {
    result.series.get(&Series::Connect).map_or(0, |data| data.count())
}

fn median(result: &RunResult, series: Series) -> String {
    statistic(result, series, Statistic::Percentile(5_000))
}

fn statistic(result: &RunResult, series: Series, statistic: Statistic) -> String {
    let value = result.series.get(&series).and_then(|data| data.statistic(statistic));
    value.map_or_else(|| "-".to_owned(), human_duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Census;
    use crate::report::sample::{bench, broker};
    use crate::report::{Html, Markdown, Reporter, Terminal};

    fn told(result: &RunResult) -> Vec<String> {
        figures(result).iter().map(|figure| format!("{} {}: {}", figure.name, figure.value, figure.aside)).collect()
    }

    #[test]
    fn what_there_is_without_updates_is_told_and_nothing_else() {
        let result = bench();
        assert_eq!(
            told(&result),
            [
                "connect, p50 4.00 ms: p99 7.92 ms, max 8.00 ms",
                "Connections 1000: 500 at a time",
                "Messages sent 998/s: of 1000/s offered, 30000 in all",
                "Messages delivered 997/s: 29990 in all, 10 undelivered",
                "telemetry.delivery, p50 5.00 ms: p99 9.90 ms, max 10.0 ms",
                "telemetry.ack, p50 4.00 ms: p99 7.92 ms, max 8.00 ms",
            ]
        );
        assert!(!is_bench(&broker()));
        let nothing = RunResult { census: Census::default(), ..RunResult::default() };
        assert!(is_bench(&nothing) && told(&nothing).is_empty());
    }

    #[test]
    fn every_report_of_a_bench_is_about_what_was_measured() {
        let result = bench();
        let [page, summary, terminal] =
            [Html.render(&result), Markdown::WHOLE.render(&result), Terminal::default().render(&result)]
                .map(|report| String::from_utf8(report.unwrap()).unwrap());
        for (name, report) in [("page", &page), ("summary", &summary), ("terminal", &terminal)] {
            for words in ["Messages delivered", "997/s", "of 1000/s offered", "telemetry.delivery, p50"] {
                assert!(report.contains(words), "{words} is not in the {name}: {report}");
            }
            for words in ["Updates completed", "updates completed", "update.total, p50", "Calls achieved"] {
                assert!(!report.contains(words), "{words} is in the {name}: {report}");
            }
        }
    }
}
