//! How many devices last reported what.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::status::Status;
use super::Theme;
use super::text::{bar, grouped, heading, write};
use crate::policy::FirmwareStatus;

const NAME: u16 = 13;

/// A bar for each stage, as far as there is room: those that end an update badly only where there are any.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let below = heading(buffer, area, "Devices by stage", theme);
    let all = FirmwareStatus::ALL.into_iter().zip(status.gauges.stages);
    let bad = |stage| matches!(stage, FirmwareStatus::Failed | FirmwareStatus::RolledBack);
    let roomy = usize::from(below.height) >= FirmwareStatus::ALL.len();
    // The ones that went badly first where not all have room.
    let mut shown: Vec<_> = all.filter(|(stage, count)| roomy || *count > 0 || !bad(*stage)).collect();
    while shown.len() > usize::from(below.height) {
        let empty = shown.iter().position(|(_, count)| *count == 0).unwrap_or(0);
        shown.remove(empty);
    }
    let digits = u16::try_from(grouped(status.devices.into()).len()).unwrap_or(u16::MAX);
    let room = area.width.saturating_sub(NAME + digits + 1);
    let line = |(stage, count): (FirmwareStatus, u32)| {
        let share = f64::from(count) / f64::from(status.devices.max(1));
        let style = theme.stage(stage);
        let bar = format!("{:<width$}", bar(share, room), width = usize::from(room));
        let marked = if bad(stage) && count > 0 { theme.bad() } else { ratatui::style::Style::new() };
        Line::from(vec![
            Span::styled(format!("{:<width$}", stage.as_str(), width = usize::from(NAME)), marked),
            Span::styled(bar, style),
            Span::styled(format!(" {:>width$}", grouped(count.into()), width = usize::from(digits)), marked),
        ])
    };
    write(buffer, below, shown.into_iter().map(line).collect());
}
