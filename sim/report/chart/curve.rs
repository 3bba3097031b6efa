//! What a hub did under each of many loads: a mark for each, kept and broken told apart by shape.

use super::frame::{EndLabel, Frame, count_scale, duration_scale, value_labels};
use super::look::Look;
use super::scale::Scale;
use super::svg::{Path, Svg};
use super::ticks::Unit;

/// Values by load.
#[derive(Debug, Clone)]
pub struct LoadChart {
    /// Unique in the page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// The same for who cannot see it, with the figures that matter.
    pub description: String,
    /// Width in pixels.
    pub width: f64,
    /// Height in pixels.
    pub height: f64,
    /// What the values are counted in.
    pub unit: Unit,
    /// The name of the values.
    pub name: String,
    /// The name of the loads.
    pub load: String,
    /// Where the interval lies: shaded, an open end up to the edge.
    pub interval: Option<(Option<f64>, Option<f64>)>,
    /// The name of the line on which a value is the load itself; none without a name.
    pub diagonal: Option<String>,
    /// The lines.
    pub lines: Vec<LoadLine>,
}

/// What was measured of one thing.
#[derive(Debug, Clone)]
pub struct LoadLine {
    /// The name that stands at its end.
    pub label: String,
    /// How it looks.
    pub look: Look,
    /// The points by load; where a load was tried more than once the line goes through the last.
    pub points: Vec<LoadPoint>,
}

/// What was measured under one load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadPoint {
    /// The load.
    pub load: f64,
    /// The value.
    pub value: f64,
    /// Whether what was to be kept was kept.
    pub kept: bool,
    /// Whether the value is no more than an upper bound: its mark is hollow, around the cross of what broke.
    pub is_bound: bool,
    /// What it says where a pointer rests.
    pub tip: String,
}

impl LoadChart {
    /// The picture; `None` if no line has a point.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        points().next()?;
        let loads = points().map(|point| point.load);
        let ends = self.interval.into_iter().flat_map(|(low, high)| low.into_iter().chain(high));
        let most = loads.chain(ends).fold(0.0, f64::max);
        let values = || points().map(|point| point.value);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let names = self.lines.iter().map(|line| line.label.as_str()).chain(self.diagonal.as_deref());
        let frame = Frame::new((self.width, self.height), value_labels(self.unit).iter().copied(), names);
        let x = count_scale(most, frame.rightward());
        let y = match self.unit {
            Unit::Duration => duration_scale(low, high, frame.upward()),
            Unit::Count | Unit::Rate if self.diagonal.is_some() => count_scale(high.max(most), frame.upward()),
            Unit::Count | Unit::Rate => count_scale(high, frame.upward()),
        };
        let mut svg = Svg::new(&self.id, self.width, self.height, &self.title, &self.description);
        if let Some((low, high)) = self.interval {
            let (from, to) = (x.at(low.unwrap_or(0.0)), high.map_or(frame.right, |high| x.at(high)));
            // The narrowest of intervals is still seen.
            let middle = f64::midpoint(from, to);
            svg.rect("sh", (from.min(middle - 1.0), frame.top), (to.max(middle + 1.0), frame.bottom), "");
            for end in [low, high].into_iter().flatten() {
                svg.line("ev", (x.at(end), frame.top), (x.at(end), frame.bottom));
            }
        }
        let name = if y.is_log() { format!("{}, logarithmic", self.name) } else { self.name.clone() };
        frame.values(&mut svg, &y, self.unit, &name);
        frame.numbers(&mut svg, &x, &self.load);
        let mut labels = Vec::new();
        if let Some(label) = &self.diagonal {
            let look = Look::back().faint();
            let end = (x.at(most), y.at(most));
            svg.path(&look.line(), &Path::through([(x.at(0.0), y.at(0.0)), end]), "");
            labels.push(EndLabel { text: label, class: look.label(), end });
        }
        labels.extend(self.lines.iter().filter_map(|line| line.draw(&mut svg, &x, &y)));
        frame.ends(&mut svg, &labels);
        Some(svg)
    }
}

impl LoadLine {
    /// Draws it, and says where its label belongs.
    fn draw<'a>(&'a self, svg: &mut Svg, x: &Scale, y: &Scale) -> Option<EndLabel<'a>> {
        let place = |point: &LoadPoint| (x.at(point.load), y.at(point.value));
        let lasts = self.points.iter().enumerate().filter(|(index, point)| {
            self.points.get(index + 1).is_none_or(|next| next.load.total_cmp(&point.load).is_ne())
        });
        let through: Vec<(f64, f64)> = lasts.map(|(_, point)| place(point)).collect();
        let end = *through.last()?;
        svg.path(&self.look.line(), &Path::through(through), "");
        for point in &self.points {
            if point.is_bound {
                svg.path(&self.look.hollow(), &self.look.frame(place(point)), &point.tip);
                if point.kept {
                    continue;
                }
            }
            if point.kept {
                svg.path(&self.look.dot(), &self.look.mark(place(point)), &point.tip);
            } else {
                svg.path(&self.look.cross(), &Look::crossed(place(point)), &point.tip);
            }
        }
        Some(EndLabel { text: &self.label, class: self.look.label(), end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> LoadChart {
        let point = |load: f64, value: f64, kept| LoadPoint {
            load,
            value,
            kept,
            is_bound: false,
            tip: format!("{value} at {load}"),
        };
        LoadChart {
            id: "achieved".to_owned(),
            title: "Achieved".to_owned(),
            description: "offered and achieved".to_owned(),
            width: 440.0,
            height: 290.0,
            unit: Unit::Rate,
            name: "achieved, calls/s".to_owned(),
            load: "offered, calls/s".to_owned(),
            interval: Some((Some(40.0), Some(41.8))),
            diagonal: Some("all of it".to_owned()),
            lines: vec![LoadLine {
                label: "achieved".to_owned(),
                look: Look::nth(0),
                points: vec![
                    point(10.0, 10.0, true),
                    point(40.0, 40.0, true),
                    point(40.0, 39.9, true),
                    point(41.8, 40.0, false),
                    point(80.0, 40.0, false),
                ],
            }],
        }
    }

    #[test]
    fn kept_and_broken_have_marks_of_their_own_and_the_interval_is_shaded() {
        let text = chart().draw().unwrap().to_string();
        assert_eq!((text.matches("class=\"dt c1\"").count(), text.matches("class=\"cr c1\"").count()), (3, 2));
        assert_eq!((text.matches("class=\"sh\"").count(), text.matches("class=\"ev\"").count()), (1, 2));
        insta::assert_snapshot!(text.replace("><", ">\n<"));
    }

    #[test]
    fn what_is_but_an_upper_bound_has_a_hollow_mark() {
        let mut chart = chart();
        for point in &mut chart.lines[0].points[2..4] {
            point.is_bound = true;
        }
        let text = chart.draw().unwrap().to_string();
        let marks = ["dt c1", "dt open c1", "cr c1"].map(|class| text.matches(&format!("class=\"{class}\"")).count());
        assert_eq!(marks, [2, 2, 2], "what broke is crossed all the same");
    }

    #[test]
    fn an_interval_may_be_open_and_durations_far_apart_stand_on_a_logarithmic_axis() {
        let mut chart = chart();
        (chart.unit, chart.diagonal) = (Unit::Duration, None);
        for interval in [Some((None, Some(40.0))), Some((Some(40.0), None)), None] {
            chart.interval = interval;
            let text = chart.draw().unwrap().to_string();
            assert_eq!(text.matches("class=\"ev\"").count(), usize::from(interval.is_some()));
            assert!(!text.contains("logarithmic"));
        }
        chart.lines[0].points[0].value = 0.1;
        assert!(chart.draw().unwrap().to_string().contains("achieved, calls/s, logarithmic"));
        chart.lines[0].points.clear();
        assert!(chart.draw().is_none());
    }
}
