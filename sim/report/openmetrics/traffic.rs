//! What became of messages, and the driver's connections to a plain broker.

use super::measured;
use crate::measure::{MetricsText, RunResult};
use crate::policy::MessageFigure;
use crate::report::messages::counted;

/// A family of messages: name, help, and what its label `result` says of which figure; without any, the figure alone.
type Family = (&'static str, &'static str, &'static [(&'static str, MessageFigure)]);

const FAMILIES: [Family; 4] = [
    (
        "twinstorm_messages_sent",
        "Times that messages were published.",
        &[("first", MessageFigure::Sent), ("again", MessageFigure::Resent)],
    ),
    (
        "twinstorm_messages_ended",
        "Messages by what their publisher knows of them in the end.",
        &[
            ("acknowledged", MessageFigure::Acknowledged),
            ("lost", MessageFigure::Lost),
            ("unconfirmed", MessageFigure::Unconfirmed),
        ],
    ),
    (
        "twinstorm_messages_received",
        "Times that the driver received messages.",
        &[("first", MessageFigure::Delivered), ("again", MessageFigure::Duplicates)],
    ),
    (
        "twinstorm_messages_undelivered",
        "Messages that were not lost, and that the driver never received.",
        &[("never", MessageFigure::Undelivered)],
    ),
];

/// Messages by what they say; nothing where they were not counted.
pub(super) fn messages(text: &mut MetricsText, result: &RunResult) {
    if result.messages.is_empty() {
        return;
    }
    for (name, help, figures) in FAMILIES {
        text.counter(name, "", help);
        for (kind, counts) in &result.messages.0 {
            for (label, figure) in figures {
                if let Some(count) = counted(result, *kind, counts, *figure) {
                    text.sample(&[("kind", kind.name()), ("result", label)], count);
                }
            }
        }
    }
}

/// The driver's connections; nothing where it has none.
pub(super) fn lines(text: &mut MetricsText, result: &RunResult) {
    let lines = &result.generator.lines;
    if lines.is_empty() {
        return;
    }
    text.counter("twinstorm_driver_connection_messages", "", "Messages over a driver's connection.");
    for line in lines {
        text.sample(&[("connection", &line.name), ("direction", "in")], line.received);
        text.sample(&[("connection", &line.name), ("direction", "out")], line.sent);
    }
    text.counter(
        "twinstorm_driver_connection_reconnects",
        "",
        "How often a driver's connection was lost and came back.",
    );
    for line in lines {
        text.sample(&[("connection", &line.name)], line.reconnects);
    }
    let help = "How long a driver's own ping took behind what was sent off to it: 99th percentile.";
    text.gauge("twinstorm_driver_connection_lag_p99_seconds", "seconds", help);
    for line in lines {
        if let Some(lag) = line.lag_p99_us {
            text.sample(&[("connection", &line.name)], measured(lag as f64 / 1e6));
        }
    }
}
