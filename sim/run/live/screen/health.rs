//! Whether generator and hub keep up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::status::Status;
use super::Theme;
use super::text::{grouped, heading, write};
use crate::report::{human_bytes, human_duration};

/// Generator, hub, lateness and descriptors, as far as there is room.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let health = &status.health;
    let below = heading(buffer, area, &format!("Load on this machine, {} cores", health.cores), theme);
    let label = |name: &str| Span::styled(format!("{name:<12}"), theme.dim());
    let used = |cpu: Option<f64>, memory: u64| {
        let cpu = cpu.map_or_else(|| "  -".to_owned(), |cpu| format!("{cpu:>3.0}"));
        Span::raw(format!("CPU {cpu} %  memory {}", human_bytes(memory)))
    };
    let mut lines = vec![Line::from(vec![label("generator"), used(health.generator_cpu, health.generator_memory)])];
    if let Some(memory) = health.hub_memory {
        lines.push(Line::from(vec![label("hub"), used(health.hub_cpu, memory)]));
    }
    if status.drives {
        let lag = status.lag_us.map_or_else(|| "-".to_owned(), |lag| human_duration(lag as f64 / 1e6));
        lines.push(Line::from(vec![label("lateness"), Span::raw(format!("p99 {lag}"))]));
    }
    if let Some((open, limit)) = health.descriptors {
        let words = format!("{} of {} a process", grouped(open), grouped(limit));
        lines.push(Line::from(vec![label("descriptors"), Span::raw(words)]));
    }
    write(buffer, below, lines);
}
