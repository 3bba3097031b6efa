//! What became of messages, and what a plain broker leaves open, for people.

use super::human_duration;
use super::table::{Align, columns, paragraph};
use crate::measure::{LineRow, MessageCounts, MessageKind, RunResult};
use crate::policy::MessageFigure;

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
    const SHOWN: usize = 4;
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
    let micros = |micros: u64| human_duration(micros as f64 / 1e6);
    let lag = line.lag_p99_us.zip(line.lag_max_us).map_or_else(
        || "never pinged".to_owned(),
        |(p99, max)| format!("ping p99 {}, max {}", micros(p99), micros(max)),
    );
    let share = if line.share.is_empty() { String::new() } else { format!(" ({})", line.share) };
    let back = if line.reconnects == 0 { String::new() } else { format!(", reconnected {} times", line.reconnects) };
    format!("{}{share}: {} received, {} sent, {lag}{back}", line.name, line.received, line.sent)
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
            "line-1 (group): 2999 received, 500 sent, never pinged, reconnected 2 times",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= super::super::table::WIDTH), "{text}");
        for words in
            ["| report | 4000 |", "Presence is off", "the broker at mqtt", "each report as the broker delivers it"]
        {
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
    fn of_many_connections_those_are_told_that_were_furthest_behind() {
        let line = |number: u64| LineRow { name: format!("l{number}"), lag_max_us: Some(number), ..LineRow::default() };
        let told = lines(&(0..9).map(line).collect::<Vec<_>>());
        assert_eq!((told.len(), told[4].as_str()), (5, "and 5 that were less behind"));
        assert!(told[0].starts_with("l8: "), "{told:?}");
    }
}
