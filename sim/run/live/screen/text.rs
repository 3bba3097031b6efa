//! Words, numbers and bars as the panels write them.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};

use super::Theme;

/// Eighths of a cell.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Writes `lines` into `area`, one a row; what is too long or too many is cut off.
pub(super) fn write(buffer: &mut Buffer, area: Rect, lines: Vec<Line<'_>>) {
    Paragraph::new(lines).render(area.intersection(buffer.area), buffer);
}

/// Draws the heading of a panel, and returns the area below it.
pub(super) fn heading(buffer: &mut Buffer, area: Rect, title: &str, theme: Theme) -> Rect {
    let rule = "─".repeat(usize::from(area.width).saturating_sub(title.chars().count() + 4));
    let line = vec![
        Span::styled("── ", theme.dim()),
        Span::styled(title.to_owned(), theme.strong()),
        Span::styled(format!(" {rule}"), theme.dim()),
    ];
    write(buffer, Rect { height: area.height.min(1), ..area }, vec![Line::from(line)]);
    Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area }
}

/// Row number `row` of `area`; without any height if there are not so many.
pub(super) fn row(area: Rect, row: u16) -> Rect {
    Rect { y: area.y.saturating_add(row), height: u16::from(row < area.height), ..area }
}

/// A bar of `share` (0 to 1) of `width` cells. What is more than nothing is seen.
pub(super) fn bar(share: f64, width: u16) -> String {
    let eighths = share.clamp(0.0, 1.0) * f64::from(width) * 8.0;
    let eighths = if eighths > 0.0 { (eighths.floor() as usize).max(1) } else { 0 };
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

/// A bar of `share` with what is missing from its whole.
pub(super) fn gauge(share: f64, width: u16, style: Style, theme: Theme) -> Vec<Span<'static>> {
    let bar = bar(share, width);
    let missing = usize::from(width).saturating_sub(bar.chars().count());
    vec![Span::styled(bar, style), Span::styled("░".repeat(missing), theme.dim())]
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12 s`, `3 min 20 s`, `2 h 05 min`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// A rate, `30.0/s`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 999.95 { format!("{per_second:.1}/s") } else { format!("{}/s", grouped(per_second.round() as u64)) }
}

/// `text` in at most `width` cells: what is cut off shows.
pub(super) fn fit(text: &str, width: usize) -> String {
    if Span::raw(text).width() <= width {
        return text.to_owned();
    }
    let mut fitting = String::new();
    for character in text.chars() {
        fitting.push(character);
        if Span::raw(fitting.as_str()).width() + 1 > width {
            fitting.pop();
            break;
        }
    }
    if width > 0 {
        fitting.push('…');
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_what_there_is() {
        for (share, text) in
            [(0.0, ""), (0.001, "▏"), (0.5, "██"), (0.54, "██▏"), (0.999, "███▉"), (1.0, "████"), (7.0, "████")]
        {
            assert_eq!(bar(share, 4), text, "{share}");
        }
        assert_eq!(bar(f64::NAN, 4), "");
        assert_eq!(bar(0.5, 0), "");
    }

    #[test]
    fn numbers_and_times_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let spans = [0, 59, 60, 200, 3599, 3600, 90_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0 s", "59 s", "1 min 00 s", "3 min 20 s", "59 min 59 s", "1 h 00 min", "25 h 00 min"]);
        assert_eq!([0.0, 30.04, 999.96, 12_345.6].map(rate), ["0.0/s", "30.0/s", "1,000/s", "12,346/s"]);
    }

    #[test]
    fn what_is_cut_off_shows() {
        for (width, text) in [(9, "abcdef"), (6, "abcdef"), (5, "abcd…"), (1, "…"), (0, "")] {
            assert_eq!(fit("abcdef", width), text);
        }
        // Wide characters take two cells.
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
    }
}
