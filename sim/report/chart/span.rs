//! Bars from a beginning to an end, a row for each thing: durations with whiskers, and what happened when.

use super::frame::Frame;
use super::labels;
use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// Height of a row.
const ROW: f64 = 26.0;
/// Height of a bar.
const BAR: f64 = 12.0;

/// Rows of bars.
#[derive(Debug, Clone)]
pub struct SpanChart {
    /// Unique in the page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// The same for who cannot see it.
    pub description: String,
    /// From where to where, in seconds.
    pub span_s: (f64, f64),
    /// The name of the axis; `None` for the time of a run.
    pub name: Option<String>,
    /// The rows, the topmost first.
    pub rows: Vec<SpanRow>,
}

/// A row.
#[derive(Debug, Clone, Default)]
pub struct SpanRow {
    /// Its name.
    pub label: String,
    /// What stands behind its last bar.
    pub note: String,
    /// The bars.
    pub spans: Vec<Span>,
    /// A thin line from where to where, above the bars.
    pub whisker: Option<(f64, f64)>,
}

/// A bar.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Where it begins, in seconds.
    pub from_s: f64,
    /// Where it ends; `None` for one that nobody ended.
    pub to_s: Option<f64>,
    /// Its class in the style sheet.
    pub class: &'static str,
    /// What it says where a pointer rests.
    pub tip: String,
}

impl SpanChart {
    /// The picture; `None` without rows.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        if self.rows.is_empty() {
            return None;
        }
        let height = 26.0 + ROW * self.rows.len() as f64 + 38.0;
        let frame = Frame::new(
            (super::time::WIDTH, height),
            self.rows.iter().map(|row| row.label.as_str()),
            self.rows.iter().map(|row| row.note.as_str()),
        );
        let x = Scale::linear(self.span_s, frame.rightward());
        let mut svg = Svg::new(&self.id, super::time::WIDTH, height, &self.title, &self.description);
        match &self.name {
            Some(name) => frame.durations(&mut svg, &x, name),
            None => frame.time(&mut svg, &x),
        }
        for (number, row) in self.rows.iter().enumerate() {
            let middle = frame.top + ROW * (number as f64 + 0.5);
            svg.text("rl", (frame.left - 7.0, middle + 4.0), Anchor::End, &fitting(&row.label, frame.left - 10.0));
            let mut end = frame.left;
            for span in &row.spans {
                let from = x.at(span.from_s);
                // The shortest of bars is still seen.
                let to = x.at(span.to_s.unwrap_or(self.span_s.1)).max(from + 1.5);
                let class = if span.to_s.is_some() { "" } else { " open" };
                svg.rect(
                    &format!("sp {}{class}", span.class),
                    (from, middle - BAR / 2.0),
                    (to, middle + BAR / 2.0),
                    &span.tip,
                );
                end = end.max(to);
            }
            if let Some((from, to)) = row.whisker {
                let (from, to) = (x.at(from), x.at(to));
                svg.line("wh", (from, middle), (to, middle));
                svg.line("wh", (from, middle - 4.0), (from, middle + 4.0));
                svg.line("wh", (to, middle - 4.0), (to, middle + 4.0));
                end = end.max(to);
            }
            svg.text("ax", (end + 7.0, middle + 4.0), Anchor::Start, &row.note);
        }
        svg.line("bl", (frame.left, frame.top), (frame.left, frame.bottom));
        Some(svg)
    }
}

/// A name that does not reach out of the picture.
fn fitting(label: &str, room: f64) -> String {
    if labels::width(label) <= room {
        return label.to_owned();
    }
    let fits = label.chars().scan(labels::width("…"), |width, c| {
        *width += labels::width("m");
        (*width <= room).then_some(c)
    });
    fits.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_whiskers_and_one_may_be_open() {
        let span = |from_s, to_s| Span { from_s, to_s, class: "c1", tip: "a bar".to_owned() };
        let chart = SpanChart {
            id: "spans".to_owned(),
            title: "Spans".to_owned(),
            description: "two rows".to_owned(),
            span_s: (0.0, 10.0),
            name: Some("seconds".to_owned()),
            rows: vec![
                SpanRow {
                    label: "first".to_owned(),
                    note: "4 s".to_owned(),
                    spans: vec![span(1.0, Some(5.0))],
                    whisker: Some((4.0, 7.0)),
                },
                SpanRow { label: "open".to_owned(), spans: vec![span(2.0, None)], ..SpanRow::default() },
            ],
        };
        insta::assert_snapshot!(chart.draw().unwrap().to_string().replace("><", ">\n<"));
        assert!(SpanChart { rows: Vec::new(), ..chart }.draw().is_none());
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(fitting("short", 100.0), "short");
        let cut = fitting(&"long".repeat(20), 100.0);
        assert!(cut.ends_with('…') && labels::width(&cut) <= 100.0, "{cut}");
    }
}
