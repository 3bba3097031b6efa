//! What became of messages, and what a plain broker leaves open, for people.

use super::human_duration;
use super::table::{Align, columns, paragraph};
use crate::measure::{LineRow, MessageCounts, MessageKind, RunResult};
use crate::policy::{MessageFigure, Outcome};

/// So many of the driver's connections are shown one by one.
const SHOWN: usize = 4;

/// What the columns mean, in sentences.
pub(super) const MEANING: &str = "Sent: published, each once. Resent: published again. Acknowledged by the broker, lost (given \
                                  up before that) or unconfirmed (QoS 0, or a device's last word): together all that were sent. Delivered: \
                                  received by the driver, each once; duplicates: received again; undelivered: \
                                  acknowledged or unconfirmed, and never received; that is counted of telemetry, and of the reports of \
                                  an update's stages.";

/// What is not known where devices do not tell whether they are connected.
pub(super) const WITHOUT_PRESENCE: &str = "Presence is off (hub.topics.presence): a device that is not connected cannot be told \
                                           from one that does not answer. Its update ends as no_response or stuck, never \
                                           as not_online or lost_device.";

/// What one is to know before one trusts the figures of a run over a broker.
pub(super) fn broker_notes(result: &RunResult) -> Vec<String> {
    presence_note(result).map(str::to_owned).into_iter().chain(line_notes(result)).collect()
}

/// What befell the driver's connections, in sentences; nothing where all was well.
pub(super) fn line_notes(result: &RunResult) -> Vec<String> {
    [lost_lines(result), deaf_lines(result)].into_iter().flatten().collect()
}

fn lost_lines(result: &RunResult) -> Option<String> {
    let in_words = |line: &LineRow| {
        let lag = line.lag_max_us.map(|lag| format!("its ping took up to {}; ", micros(lag))).unwrap_or_default();
        format!("{} {} ({lag}{})", line.name, times(line.losses), line.lost_by)
    };
    let lost = named(result.generator.lines.iter().filter(|line| line.losses > 0), in_words)?;
    Some(format!(
        "Connections of the driver were lost: {lost}. What devices said meanwhile may be lost with them. Some brokers throw \
         out who reads too slowly: where pings took long before, more connections help (hub.driver.connections)."
    ))
}

/// Those that published calls, or should have, and heard nothing at all.
fn deaf_lines(result: &RunResult) -> Option<String> {
    let lines = &result.generator.lines;
    let expects = |(kind, counts): (&MessageKind, &MessageCounts)| *kind != MessageKind::Request && counts.sent > 0;
    let is_any_expected = result.census.count(Outcome::NotOnline) > 0 || result.messages.0.iter().any(expects);
    let are_all_deaf = is_any_expected && lines.iter().all(|line| line.received == 0);
    let deaf = lines.iter().filter(|line| line.received == 0 && (line.sent > 0 || are_all_deaf));
    let deaf = named(deaf, |line| line.name.clone())?;
    Some(format!(
        "Connections of the driver that heard nothing at all: {deaf}. Perhaps the driver may not read there, which some \
         brokers tell nobody (Mosquitto's ACLs): check the rights of hub.driver.username, and hub.topics."
    ))
}

/// These lines, a few of them in words; `None` if there are none.
fn named<'a>(lines: impl Iterator<Item = &'a LineRow>, in_words: impl Fn(&LineRow) -> String) -> Option<String> {
    let lines: Vec<&LineRow> = lines.collect();
    let shown: Vec<String> = lines.iter().take(SHOWN).map(|line| in_words(line)).collect();
    let more = lines.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!lines.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn micros(micros: u64) -> String {
    human_duration(micros as f64 / 1e6)
}

/// What is not known of outcomes; `None` where all is.
pub(super) fn presence_note(result: &RunResult) -> Option<&'static str> {
    (result.observer.presence == Some(false)).then_some(WITHOUT_PRESENCE)
}

/// The rows as a table, and what they mean.
pub(super) fn messages(result: &RunResult) -> Vec<String> {
    let rows = message_rows(result);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut align = [Align::Right; 1 + MessageFigure::ALL.len()];
    align[0] = Align::Left;
    let meaning = paragraph("  ", MEANING.split(' '), " ");
    let omitted = omitted(result).map_or_else(Vec::new, |text| paragraph("  ", text.split(' '), " "));
    [vec!["Messages".to_owned()], columns(&align, &rows), meaning, omitted].concat()
}

/// What was due and never sent, in a sentence; `None` if there was nothing.
pub(super) fn omitted(result: &RunResult) -> Option<String> {
    let MessageCounts { left_out, dropped, .. } = result.messages.counts(None);
    (left_out + dropped > 0).then(|| {
        format!(
            "Due and never sent: {left_out} left out by devices that were not connected, {dropped} dropped, as the generator \
             itself was too late for them."
        )
    })
}

/// The names of the columns, and a row for each kind; none where nothing was counted.
pub(super) fn message_rows(result: &RunResult) -> Vec<Vec<String>> {
    if result.messages.is_empty() {
        return Vec::new();
    }
    let heads = ["kind"].into_iter().chain(MessageFigure::ALL.map(MessageFigure::name)).map(str::to_owned).collect();
    let rows = result.messages.0.iter().map(|(kind, counts)| {
        let count = |figure| counted(result, *kind, counts, figure);
        let cells =
            MessageFigure::ALL.map(|figure| count(figure).map_or_else(|| "-".to_owned(), |count| count.to_string()));
        [kind.name().to_owned()].into_iter().chain(cells).collect()
    });
    std::iter::once(heads).chain(rows).collect()
}

/// A figure of messages of a kind; `None` where it is not counted.
pub(super) fn counted(
    result: &RunResult,
    kind: MessageKind,
    counts: &MessageCounts,
    figure: MessageFigure,
) -> Option<u64> {
    result.counts_messages(kind, figure).then(|| counts.figure(figure))
}

/// The driver's connections, each in a few words: all of a few, of many those that were furthest behind.
pub(super) fn lines(lines: &[LineRow]) -> Vec<String> {
    let mut sorted: Vec<&LineRow> = lines.iter().collect();
    if sorted.len() > SHOWN {
        sorted.sort_by(|a, b| b.lag_max_us.cmp(&a.lag_max_us).then(a.name.cmp(&b.name)));
    }
    let mut items: Vec<String> = sorted.iter().take(SHOWN).map(|line| in_words(line)).collect();
    if lines.len() > SHOWN {
        items.push(format!("and {} that were less behind", lines.len() - SHOWN));
    }
    items
}

fn in_words(line: &LineRow) -> String {
    let lag = line.lag_p99_us.zip(line.lag_max_us).map_or_else(
        || "never pinged".to_owned(),
        |(p99, max)| format!("ping p99 {}, max {}", micros(p99), micros(max)),
    );
    let share = if line.share.is_empty() { String::new() } else { format!(" ({})", line.share) };
    let lost = if line.losses == 0 { String::new() } else { format!(", lost {}", times(line.losses)) };
    let back = if line.reconnects == 0 { String::new() } else { format!(", came back {}", times(line.reconnects)) };
    format!("{}{share}: {} received, {} sent, {lag}{lost}{back}", line.name, line.received, line.sent)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{broker, sample};
    use super::super::{Markdown, Terminal};
    use super::*;
    use crate::report::Reporter;

    fn terminal(result: &RunResult) -> String {
        String::from_utf8(Terminal::default().render(result).unwrap()).unwrap()
    }

    #[test]
    fn a_run_over_a_broker_tells_what_became_of_messages_and_what_nobody_could_tell() {
        let result = broker();
        let (text, page) = (terminal(&result), Markdown::WHOLE.text(&result));
        for words in [
            "\nMessages\n  kind",
            "\n  report   4000",
            "  request  1000       0          1000     0            0          -           -            -\n",
            "Presence is off (hub.topics.presence)",
            "Observer   subscribe: each report as the broker delivers it, 12 stages seen late,\n",
            "Hub        the broker at mqtt://127.0.0.1:1884, on the same machine",
            "Driver     line-0 (group): 3000 received, 500 sent, ping p99 1.25 ms, max 4.00 ms,",
            "line-1 (group): 2999 received, 500 sent, never pinged, lost 2 times, came back 2 times",
            "Connections of the driver were lost: line-1 2 times (the broker has closed it).",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= super::super::table::WIDTH), "{text}");
        for words in [
            "| report | 4000 |",
            "Presence is off",
            "Connections of the driver were lost: line-1 2 times",
            "the broker at mqtt",
            "each report as the broker delivers it",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        for words in ["resolution", "requests", "every 0"] {
            assert!(!text.contains(words), "{words}\n{text}");
        }
    }

    #[test]
    fn what_was_due_and_never_sent_is_told() {
        let mut result = broker();
        assert!(!terminal(&result).contains("Due and never sent"));
        *result.messages.of(MessageKind::Telemetry) = MessageCounts { left_out: 7, dropped: 2, ..Default::default() };
        let page = Markdown::WHOLE.text(&result);
        assert!(terminal(&result).contains("  Due and never sent: 7 left out"), "{}", terminal(&result));
        assert!(page.contains("not connected, 2 dropped, as"), "{page}");
    }

    #[test]
    fn without_a_broker_nothing_of_it_is_told() {
        let (text, page) = (terminal(&sample()), Markdown::WHOLE.text(&sample()));
        for words in ["Messages", "Presence", "\nDriver"] {
            assert!(!text.contains(words) && !page.contains(words), "{words}\n{text}");
        }
    }

    #[test]
    fn connections_that_heard_nothing_are_named_if_there_was_anything_to_hear() {
        let heard = |sent: [u64; 2], received: [u64; 2], not_online: u64| {
            let mut result = RunResult::default();
            let line = |n: usize| LineRow {
                name: format!("l{n}"),
                sent: sent[n],
                received: received[n],
                ..LineRow::default()
            };
            result.generator.lines = vec![line(0), line(1)];
            result.census.add(Outcome::NotOnline, "", not_online);
            line_notes(&result).join("; ")
        };
        for (sent, received, not_online, named) in [
            ([3, 0], [0, 0], 0, Some("l0")),
            ([3, 3], [0, 9], 0, Some("l0")),
            ([3, 0], [9, 0], 1, None),
            ([0, 0], [0, 0], 0, None),
            ([0, 0], [0, 0], 3, Some("l0, l1")),
        ] {
            let notes = heard(sent, received, not_online);
            let told = named.is_some_and(|named| notes.contains(&format!("heard nothing at all: {named}. ")));
            assert_eq!(told, named.is_some(), "{sent:?} {received:?} {not_online}: {notes}");
            assert_eq!(notes.is_empty(), named.is_none(), "{notes}");
        }
    }

    #[test]
    fn what_was_lost_is_told_with_how_far_behind_it_was() {
        let mut result = RunResult::default();
        let line = |number: u64| LineRow {
            name: format!("l{number}"),
            losses: number,
            lost_by: "closed".to_owned(),
            lag_max_us: Some(19_000_000),
            ..LineRow::default()
        };
        result.generator.lines = (0..7).map(line).collect();
        let notes = line_notes(&result).join("; ");
        let words = "were lost: l1 once (its ping took up to 19.0 s; closed), l2 2 times (";
        assert!(notes.contains(words) && notes.contains(") and 2 more. "), "{notes}");
    }

    #[test]
    fn of_many_connections_those_are_told_that_were_furthest_behind() {
        let line = |number: u64| LineRow { name: format!("l{number}"), lag_max_us: Some(number), ..LineRow::default() };
        let told = lines(&(0..9).map(line).collect::<Vec<_>>());
        assert_eq!((told.len(), told[4].as_str()), (5, "and 5 that were less behind"));
        assert!(told[0].starts_with("l8: "), "{told:?}");
    }
}
