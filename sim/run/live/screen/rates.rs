//! What was asked for and what was done, over the last minutes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

use super::super::status::{Pulse, Status};
use super::Theme;
use super::text::{heading, rate, row, span, write};

/// The width of a curve's name and last value.
const LABEL: u16 = 20;
/// A curve that is shorter says nothing.
const SHORTEST: u16 = 8;

/// A curve.
struct Curve {
    name: &'static str,
    of: fn(&Pulse) -> f64,
    style: Style,
}

/// Curves of the offered and the achieved rate, to one scale, and of attempts to connect.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let connects = Curve { name: "connecting", of: |pulse| pulse.connects, style: theme.dim() };
    let curves = if status.drives {
        let offered = Curve { name: "offered", of: |pulse| pulse.offered, style: theme.dim() };
        let achieved = Curve { name: "achieved", of: |pulse| pulse.achieved, style: theme.bar() };
        vec![offered, achieved, connects]
    } else {
        vec![Curve { style: theme.bar(), ..connects }]
    };
    let width = area.width.saturating_sub(LABEL);
    let columns = usize::from(if width < SHORTEST { 0 } else { width });
    let (seconds, pulse) = squeezed(&status.pulse, columns);
    // No more than has passed, however wide the screen is.
    let passed = status.pulse.last().map_or(0, |last| last.second + 1);
    let shown = std::time::Duration::from_secs((seconds * columns as u64).min(passed));
    let title = if columns > 0 && passed > 0 { format!("Rates, the last {}", span(shown)) } else { "Rates".to_owned() };
    let below = heading(buffer, area, &title, theme);
    let most = |of: &dyn Fn(&Pulse) -> f64| pulse.iter().map(of).fold(0.0, f64::max);
    let calls = most(&|pulse| pulse.offered.max(pulse.achieved));
    let each = (below.height / u16::try_from(curves.len()).unwrap_or(1)).clamp(1, 3);
    for (number, curve) in curves.iter().enumerate() {
        let Ok(number) = u16::try_from(number) else { return };
        let top = row(below, number * each);
        let scale = if curve.name == "connecting" { most(&curve.of) } else { calls };
        let last = status.pulse.last().map_or(0.0, curve.of);
        let label = Line::from(vec![
            Span::styled(format!("{:<11}", curve.name), theme.dim()),
            Span::raw(format!("{:>8}", rate(last))),
        ]);
        write(buffer, Rect { width: top.width.min(LABEL), ..top }, vec![label]);
        if each > 1 && scale > 0.0 {
            let peak = Line::styled(format!("{:>19}", format!("peak {}", rate(scale))), theme.dim());
            write(buffer, Rect { width: top.width.min(LABEL), ..row(below, number * each + 1) }, vec![peak]);
        }
        let height = each.min(below.height.saturating_sub(number * each));
        let place = Rect { x: below.x.saturating_add(LABEL), width, height, ..top };
        if columns > 0 && scale > 0.0 {
            // A widget that knows whole numbers alone.
            let fine = |value: f64| (value * 1000.0).round() as u64;
            let values: Vec<u64> = pulse.iter().rev().map(|pulse| fine((curve.of)(pulse))).collect();
            let curve = Sparkline::default().data(values).max(fine(scale)).style(curve.style);
            curve.direction(RenderDirection::RightToLeft).render(place.intersection(buffer.area), buffer);
        }
    }
}

/// `pulse` in at most `columns` columns of so many seconds each, which are returned with it. A second stays in its column's
/// company while time goes on, so that the curve only moves.
fn squeezed(pulse: &[Pulse], columns: usize) -> (u64, Vec<Pulse>) {
    let (Some(first), Some(last)) = (pulse.first(), pulse.last()) else { return (1, Vec::new()) };
    let length = (last.second - first.second.min(last.second) + 1).max(1);
    let seconds = length.div_ceil(columns.max(1) as u64).max(1);
    let mut squeezed: Vec<(u64, f64, Pulse)> = Vec::new();
    for one in pulse {
        let column = one.second / seconds;
        match squeezed.last_mut().filter(|(last, ..)| *last == column) {
            Some((_, count, sum)) => {
                *count += 1.0;
                sum.offered += one.offered;
                sum.achieved += one.achieved;
                sum.connects += one.connects;
            }
            None => squeezed.push((column, 1.0, *one)),
        }
    }
    let mean = |(_, count, sum): (u64, f64, Pulse)| Pulse {
        offered: sum.offered / count,
        achieved: sum.achieved / count,
        connects: sum.connects / count,
        ..sum
    };
    (seconds, squeezed.into_iter().map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_company() {
        let pulse: Vec<Pulse> =
            (0..10).map(|second| Pulse { second, offered: second as f64, ..Pulse::default() }).collect();
        let offered = |pulse: &[Pulse], columns| {
            let (seconds, squeezed) = squeezed(pulse, columns);
            (seconds, squeezed.iter().map(|pulse| pulse.offered).collect::<Vec<_>>())
        };
        assert_eq!(offered(&pulse[..4], 10), (1, vec![0.0, 1.0, 2.0, 3.0]));
        assert_eq!(offered(&pulse, 5), (2, vec![0.5, 2.5, 4.5, 6.5, 8.5]));
        assert_eq!(offered(&pulse[3..], 4), (2, vec![3.0, 4.5, 6.5, 8.5]));
        assert_eq!(offered(&pulse, 0).0, 10);
        assert_eq!(offered(&[], 5), (1, vec![]));
    }
}
