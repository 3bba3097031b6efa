//! What was said last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::chronicle::Said;
use super::text::{fit, heading, write};
use super::{Picture, Theme};

/// The last lines, the newest at the bottom.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, picture: &Picture, theme: Theme) {
    let below = heading(buffer, area, "Messages", theme);
    let skipped = picture.said.len().saturating_sub(below.height.into());
    let line = |said: &Said| {
        let time = format!("{:>6.1}s  ", said.at.as_secs_f64());
        let room = usize::from(area.width).saturating_sub(time.len());
        let warns = said.text.starts_with("warning:") || said.text.contains(" WARN ");
        let errs = said.text.starts_with("error:") || said.text.contains(" ERROR ") || said.text.contains("panicked");
        let style = match (errs, warns) {
            (true, _) => theme.bad(),
            (false, true) => theme.doubtful(),
            (false, false) => Style::new(),
        };
        Line::from(vec![Span::styled(time, theme.dim()), Span::styled(fit(&said.text, room), style)])
    };
    let mut lines: Vec<Line<'_>> = picture.said.iter().skip(skipped).map(line).collect();
    if lines.is_empty() {
        lines.push(Line::styled("none", theme.dim()));
    }
    write(buffer, below, lines);
}
