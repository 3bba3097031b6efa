//! How updates ended that did not complete.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::status::{Mishap, Status};
use super::Theme;
use super::text::{fit, grouped, heading, write};

/// A row for each way, as far as there is room.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let below = heading(buffer, area, "Not completed", theme);
    let digits = status.mishaps.iter().map(|mishap| grouped(mishap.count).len()).max().unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(digits + 2);
    let line = |mishap: &Mishap| {
        Line::from(vec![
            Span::styled(format!("{:>digits$}", grouped(mishap.count)), theme.bad()),
            Span::raw(format!("  {}", fit(&mishap.what, room))),
        ])
    };
    let (all, rows) = (status.mishaps.len(), usize::from(below.height));
    let shown = if all > rows { rows.saturating_sub(1) } else { rows };
    let mut lines: Vec<Line<'_>> = status.mishaps.iter().take(shown).map(line).collect();
    if all > rows {
        let rest: u64 = status.mishaps.iter().skip(shown).map(|mishap| mishap.count).sum();
        lines.push(Line::styled(format!("{} in {} more ways", grouped(rest), all - shown), theme.dim()));
    }
    write(buffer, below, lines);
}
