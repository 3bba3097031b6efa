//! Lines and bands over the time of a run.

use super::frame::{EndLabel, Frame, count_scale, duration_scale, value_labels};
use super::look::Look;
use super::scale::Scale;
use super::svg::{Anchor, Path, Svg};
use super::ticks::Unit;

/// Lines over time.
#[derive(Debug, Clone)]
pub struct TimeChart {
    /// Unique in the page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// The same for who cannot see it.
    pub description: String,
    /// Height in pixels.
    pub height: f64,
    /// From when until when, in seconds.
    pub span_s: (f64, f64),
    /// What is counted.
    pub unit: Unit,
    /// The name of what is counted.
    pub name: String,
    /// Areas between the least and the most of a bucket.
    pub bands: Vec<Band>,
    /// The lines.
    pub lines: Vec<Line>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
}

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    /// The name that stands at its end.
    pub label: String,
    /// How it looks.
    pub look: Look,
    /// From when until when each value holds; a line has a gap where there is none.
    pub values: Vec<(f64, f64, Option<f64>)>,
}

/// An area between two lines.
#[derive(Debug, Clone)]
pub struct Band {
    /// How it looks.
    pub look: Look,
    /// From when until when, the least and the most.
    pub values: Vec<(f64, f64, f64, f64)>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// From then on: a line from top to bottom with a name.
    At(f64, String),
    /// From when until when: a shade.
    Shade(f64, f64),
}

/// The width of every picture over time.
pub(super) const WIDTH: f64 = 880.0;

impl TimeChart {
    /// The picture; `None` if no line has a value.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        let values = || self.lines.iter().flat_map(|line| &line.values).filter_map(|(_, _, value)| *value);
        values().next()?;
        let most = self.bands.iter().flat_map(|band| &band.values).map(|(_, _, _, most)| *most);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().chain(most).fold(0.0, f64::max));
        let frame = Frame::new(
            (WIDTH, self.height),
            value_labels(self.unit).iter().copied(),
            self.lines.iter().map(|line| line.label.as_str()),
        );
        let y = match self.unit {
            Unit::Duration => duration_scale(low, high, frame.upward()),
            Unit::Count | Unit::Rate => count_scale(high, frame.upward()),
        };
        let x = Scale::linear(self.span_s, frame.rightward());
        let mut svg = Svg::new(&self.id, WIDTH, self.height, &self.title, &self.description);
        shades(&mut svg, &frame, &x, &self.marks);
        let name = if y.is_log() { format!("{}, logarithmic", self.name) } else { self.name.clone() };
        frame.values(&mut svg, &y, self.unit, &name);
        frame.time(&mut svg, &x);
        for band in &self.bands {
            let there = band.values.iter().flat_map(|(from, to, _, most)| [(*from, *most), (*to, *most)]);
            let back = band.values.iter().rev().flat_map(|(from, to, least, _)| [(*to, *least), (*from, *least)]);
            let mut path = Path::through(there.chain(back).map(|(at, value)| (x.at(at), y.at(value))));
            path.end();
            svg.path(&band.look.area(), &path, "");
        }
        let labels: Vec<EndLabel<'_>> = self.lines.iter().filter_map(|line| line.draw(&mut svg, &x, &y)).collect();
        events(&mut svg, &frame, &x, &self.marks);
        frame.ends(&mut svg, &labels);
        Some(svg)
    }
}

impl Line {
    /// Draws it in steps, and says where its label belongs.
    pub(super) fn draw<'a>(&'a self, svg: &mut Svg, x: &Scale, y: &Scale) -> Option<EndLabel<'a>> {
        let mut path = Path::default();
        let (mut is_drawing, mut end) = (false, None);
        for (from, to, value) in &self.values {
            let Some(value) = value else {
                is_drawing = false;
                continue;
            };
            let (from, to) = ((x.at(*from), y.at(*value)), (x.at(*to), y.at(*value)));
            path.to(if is_drawing { 'L' } else { 'M' }, from);
            path.to('L', to);
            (is_drawing, end) = (true, Some(to));
        }
        let end = end?;
        svg.path(&self.look.line(), &path, "");
        Some(EndLabel { text: &self.label, class: self.look.label(), end })
    }
}

/// Draws the shades, below everything else.
pub(super) fn shades(svg: &mut Svg, frame: &Frame, x: &Scale, marks: &[Mark]) {
    for mark in marks {
        if let Mark::Shade(from, to) = mark {
            svg.rect("sh", (x.at(*from), frame.top), (x.at(*to), frame.bottom), "");
        }
    }
}

/// Draws the moments, above everything else.
pub(super) fn events(svg: &mut Svg, frame: &Frame, x: &Scale, marks: &[Mark]) {
    for mark in marks {
        if let Mark::At(at, name) = mark {
            let place = x.at(*at);
            svg.line("ev", (place, frame.top - 8.0), (place, frame.bottom));
            svg.text("ax", (place + 4.0, frame.top - 2.0), Anchor::Start, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn chart() -> TimeChart {
        TimeChart {
            id: "rate".to_owned(),
            title: "Calls".to_owned(),
            description: "offered and sent".to_owned(),
            height: 200.0,
            span_s: (0.0, 4.0),
            unit: Unit::Rate,
            name: "calls per second".to_owned(),
            bands: vec![Band { look: Look::back(), values: vec![(0.0, 1.0, 10.0, 20.0), (1.0, 4.0, 15.0, 30.0)] }],
            lines: vec![
                Line {
                    label: "offered".to_owned(),
                    look: Look::nth(0),
                    values: vec![(0.0, 1.0, Some(10.0)), (1.0, 2.0, None), (2.0, 4.0, Some(40.0))],
                },
                Line { label: "nothing".to_owned(), look: Look::nth(1), values: vec![(0.0, 4.0, None)] },
            ],
            marks: vec![Mark::At(1.0, "load".to_owned()), Mark::Shade(2.0, 3.0)],
        }
    }

    #[test]
    fn lines_have_gaps_where_there_is_no_value() {
        insta::assert_snapshot!(chart().draw().unwrap().to_string().replace("><", ">\n<"));
    }

    #[test]
    fn nothing_to_show_is_no_picture() {
        let mut chart = chart();
        chart.lines.remove(0);
        assert!(chart.draw().is_none());
    }
}
