//! Whether what must hold in the end holds now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::status::Status;
use super::Theme;
use super::text::{fit, heading, write};
use crate::report::human_value;
use crate::verdict::{LightState, ThresholdLight};

/// The width of a sign and its word.
const SIGN: usize = 10;

/// A light for each threshold; where not all have room, the broken ones first.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let below = heading(buffer, area, "Thresholds", theme);
    let room = usize::from(below.height);
    let mut lights: Vec<&ThresholdLight> = status.thresholds.iter().collect();
    if lights.len() > room {
        lights.sort_by_key(|light| match light.state {
            LightState::Broken => 0,
            LightState::Unknown => 1,
            LightState::Holding => 2,
        });
    }
    let hidden = lights.len().saturating_sub(room);
    let shown = if hidden > 0 { room.saturating_sub(1) } else { room };
    let mut lines: Vec<Line<'_>> =
        lights.iter().take(shown).map(|light| line(light, area.width.into(), theme)).collect();
    if hidden > 0 {
        lines.push(Line::styled(format!("and {} more", lights.len() - shown), theme.dim()));
    }
    write(buffer, below, lines);
}

fn line(light: &ThresholdLight, width: usize, theme: Theme) -> Line<'static> {
    let (sign, style): (&str, Style) = match light.state {
        LightState::Holding => ("✓ ok", theme.good()),
        LightState::Broken => ("✗ broken", theme.bad()),
        LightState::Unknown => ("? unknown", theme.dim()),
    };
    let sign = Span::styled(format!("{sign:<SIGN$}"), style);
    let room = width.saturating_sub(SIGN);
    let observed = light.observed.map(|observed| format!("  now {}", human_value(light.unit(), observed)));
    let observed = observed.filter(|observed| light.expr.len() + observed.len() <= room);
    let expr = Span::raw(fit(&light.expr, room));
    Line::from(vec![sign, expr, Span::styled(observed.unwrap_or_default(), theme.dim())])
}
