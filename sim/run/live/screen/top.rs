//! The lines that stand alone: title, phase, gauges, keys.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::status::Status;
use super::Theme;
use super::text::{fit, gauge, grouped, row, span, write};

/// The width of what a gauge is of.
const LABEL: u16 = 10;
/// The width of what a gauge is at, as long as that is enough: so that all of them end at one place.
const LONGEST: usize = 28;
/// A bar that is shorter says nothing.
const SHORTEST_BAR: u16 = 8;
/// The phases of a drill, in their order.
const DRILL: [&str; 4] = ["before faults", "during faults", "after faults", "healing"];

/// Which profile, what is being done, since when and for how long.
pub(super) fn title(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let elapsed = span(status.elapsed);
    let left = status.left.map(|left| span(Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))));
    let times = match left {
        Some(left) => [format!("{elapsed} elapsed · about {left} left"), format!("{elapsed} · {left} left"), elapsed],
        None => [format!("{elapsed} elapsed"), elapsed.clone(), elapsed],
    };
    let width = usize::from(area.width);
    let cells = |text: &str| Span::raw(text).width();
    let what = [
        vec![
            ("twinstorm ", theme.dim()),
            (&*status.name, theme.strong()),
            ("  ", theme.dim()),
            (status.phase, theme.bar()),
        ],
        vec![(&*status.name, theme.strong()), ("  ", theme.dim()), (status.phase, theme.bar())],
        vec![(status.phase, theme.bar())],
    ];
    // The longest form of both that fits.
    let forms = what.iter().flat_map(|what| times.iter().map(move |time| (what, time)));
    let taken = |what: &[(&str, _)]| what.iter().map(|(text, _)| cells(text)).sum::<usize>();
    let Some((what, time)) = forms.into_iter().find(|(what, time)| taken(what) + 2 + cells(time) <= width) else {
        return write(buffer, area, vec![Line::styled(fit(status.phase, width), theme.bar())]);
    };
    let gap = width - taken(what) - cells(time);
    let mut line: Vec<Span<'_>> = what.iter().map(|(text, style)| Span::styled(*text, *style)).collect();
    line.extend([Span::raw(" ".repeat(gap)), Span::raw(time.as_str())]);
    write(buffer, area, vec![Line::from(line)]);
}

/// Where a drill and a roll-out stand.
pub(super) fn phase(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let label = |text: &str| Span::styled(format!("{text:<width$}", width = usize::from(LABEL)), theme.dim());
    let mut lines = Vec::new();
    if status.drill {
        let mut line = vec![label("drill")];
        for (number, phase) in DRILL.into_iter().enumerate() {
            if number > 0 {
                line.push(Span::styled(" › ", theme.dim()));
            }
            let here = phase == status.phase;
            line.push(if here {
                Span::styled(format!("[{phase}]"), theme.strong())
            } else {
                Span::styled(phase, theme.dim())
            });
        }
        let whole: usize = line.iter().map(Span::width).sum();
        lines.push(if whole <= usize::from(area.width) {
            Line::from(line)
        } else {
            Line::from(vec![label("drill"), Span::styled(status.phase, theme.strong())])
        });
    }
    if let Some(rollout) = &status.rollout {
        lines.push(Line::from(vec![label("roll-out"), Span::raw(rollout.as_str())]));
    }
    write(buffer, area, lines);
}

/// Updates that have ended, of all that are planned.
pub(super) fn updates(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let Some((planned, ended)) = status.updates else { return };
    let share = if planned > 0 { ended as f64 / planned as f64 } else { 0.0 };
    // Never 100 for less than all.
    let percent = (share * 100.0).floor();
    let words = [
        format!("{:>LONGEST$}", format!("{} of {} ended  {percent:>3} %", grouped(ended), grouped(planned))),
        format!("{}/{}  {percent} %", grouped(ended), grouped(planned)),
        format!("{percent} %"),
    ];
    measure(buffer, area, "updates", share, &words, theme);
}

/// Devices that are connected, of all.
pub(super) fn devices(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let (connected, all) = (status.gauges.connected, status.devices);
    let share = f64::from(connected) / f64::from(all.max(1));
    let (connected, all) = (grouped(connected.into()), grouped(all.into()));
    let words = [
        format!("{:>LONGEST$}", format!("{connected} of {all} connected")),
        format!("{connected}/{all} online"),
        connected,
    ];
    measure(buffer, area, "devices", share, &words, theme);
}

/// A gauge with the longest of `words` that leaves room for its bar; without a bar where not even the shortest does.
fn measure(buffer: &mut Buffer, area: Rect, label: &str, share: f64, words: &[String], theme: Theme) {
    let label = Span::styled(format!("{label:<width$}", width = usize::from(LABEL)), theme.dim());
    let room = area.width.saturating_sub(LABEL);
    let cells = |words: &String| u16::try_from(Span::raw(words.as_str()).width()).unwrap_or(u16::MAX);
    let long = words.iter().find(|words| cells(words).saturating_add(2 + SHORTEST_BAR) <= room);
    let line = match long {
        Some(words) => {
            let bar = room - cells(words) - 2;
            let style = if share >= 1.0 { theme.good() } else { theme.bar() };
            let mut line = vec![label];
            line.extend(gauge(share, bar, style, theme));
            line.push(Span::raw(format!("  {words}")));
            line
        }
        None => {
            let words = words.iter().find(|words| cells(words) <= room).or(words.last());
            vec![label, Span::raw(words.map_or("", String::as_str))]
        }
    };
    write(buffer, area, vec![Line::from(line)]);
}

/// What keys do.
pub(super) fn keys(buffer: &mut Buffer, area: Rect, status: &Status, theme: Theme) {
    let forms: &[&[(&str, &str)]] = if status.stopping {
        &[&[("stopping", ""), ("Ctrl-C", "again leaves at once")], &[("stopping", "")]]
    } else {
        &[
            &[("q", "or Ctrl-C stops gracefully and writes what there is"), ("Ctrl-C", "again leaves at once")],
            &[("q", "stops gracefully"), ("Ctrl-C", "twice leaves at once")],
            &[("q", "stop"), ("Ctrl-C twice", "leave")],
            &[("q", "stop")],
        ]
    };
    let line = |form: &&[(&str, &str)]| {
        let mut line = Vec::new();
        for (number, (key, deed)) in form.iter().enumerate() {
            let before = if number > 0 { "   " } else { "" };
            line.extend([Span::raw(before), Span::styled((*key).to_owned(), theme.strong())]);
            let between = if deed.is_empty() { "" } else { " " };
            line.push(Span::styled(format!("{between}{deed}"), theme.dim()));
        }
        Line::from(line)
    };
    let mut lines = forms.iter().map(line);
    let fits = lines.find(|line| line.width() <= usize::from(area.width));
    write(buffer, row(area, area.height.saturating_sub(1)), fits.into_iter().collect());
}
