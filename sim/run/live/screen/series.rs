//! Percentiles so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::status::{SeriesRow, Status};
use super::Theme;
use super::text::{fit, grouped, heading, write};
use crate::report::human_duration;

/// The width of a column of values.
const COLUMN: usize = 10;
/// The width of the series' names, and the narrowest that they can be told apart by.
const NAME: usize = 24;
const NARROW: usize = 16;

/// A column: its title, and what stands there.
type Column = (&'static str, fn(&SeriesRow) -> String);

/// The columns in their order; the numbers say which are left out first where there is no room.
const COLUMNS: [(u8, Column); 5] = [
    (3, ("count", |row| grouped(row.count))),
    (1, ("p50", |row| time(row.p50))),
    (4, ("p90", |row| time(row.p90))),
    (0, ("p99", |row| time(row.p99))),
    (2, ("max", |row| time(row.max))),
];

/// A row for each of the most telling series.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let width = usize::from(area.width);
    let room = width.saturating_sub(NARROW) / COLUMN;
    let columns: Vec<Column> =
        COLUMNS.into_iter().filter(|(rank, _)| usize::from(*rank) < room).map(|(_, column)| column).collect();
    let name = width.saturating_sub(columns.len() * COLUMN).min(NAME);
    let below = heading(buffer, area, "Times so far", theme);
    // The titles stand in the heading: a row is worth having.
    for (number, (title, _)) in columns.iter().enumerate() {
        let end = u16::try_from(name + (number + 1) * COLUMN).unwrap_or(u16::MAX);
        let words = format!(" {title} ");
        let width = u16::try_from(words.len()).unwrap_or(u16::MAX);
        // The blank behind it lies beyond the column.
        let x = area.x.saturating_add((end + 1).saturating_sub(width));
        let place = Rect { x, width, height: 1, ..area }.intersection(area);
        write(buffer, place, vec![Line::styled(words, theme.dim())]);
    }
    let line = |row: &SeriesRow| {
        let values: String = columns.iter().map(|(_, value)| format!("{:>COLUMN$}", value(row))).collect();
        Line::from(vec![Span::raw(format!("{:<name$}", fit(row.name, name.saturating_sub(1)))), Span::raw(values)])
    };
    let rows = status.series.iter().take(below.height.into());
    write(buffer, below, rows.map(line).collect());
}

/// A time, or that there are too few samples for it.
fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), human_duration)
}
