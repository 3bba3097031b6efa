//! What became of messages.

use super::blocks::{Cell, Part, Section, Table, Tone};
use super::text;
use crate::measure::{MessageCounts, MessageKind, RunResult};
use crate::policy::MessageFigure;
use crate::report::messages::{MEANING, counted, omitted};

/// The section; none where nothing was counted.
pub(super) fn messages(result: &RunResult) -> Option<Section> {
    if result.messages.is_empty() {
        return None;
    }
    let heads: Vec<String> = MessageFigure::ALL.iter().map(|figure| format!("#{}", figure.name())).collect();
    let heads: Vec<&str> = ["kind"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new("Messages by what they say.", &heads);
    for (kind, counts) in &result.messages.0 {
        table.row(cells(result, *kind, counts));
    }
    let omitted = omitted(result).map(Part::text);
    let parts = [Part::text(MEANING), Part::Table(table)].into_iter().chain(omitted);
    Some(Section::new("messages", "Messages", parts.collect()))
}

fn cells(result: &RunResult, kind: MessageKind, counts: &MessageCounts) -> Vec<Cell> {
    let cell = |figure| {
        let Some(count) = counted(result, kind, counts, figure) else { return text::NONE.into() };
        let is_bad = count > 0 && matches!(figure, MessageFigure::Lost | MessageFigure::Undelivered);
        Cell::toned(if is_bad { Tone::Bad } else { Tone::Plain }, text::count(count))
    };
    [Cell::code(kind.name())].into_iter().chain(MessageFigure::ALL.map(cell)).collect()
}
