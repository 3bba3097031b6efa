//! Percentile curves: how long it took for so many of all, the rare ones as wide as the common ones.

use super::frame::{EndLabel, Frame, duration_scale, nines_scale, value_labels};
use super::look::Look;
use super::scale::{nines, quantile_of};
use super::svg::{Path, Svg};
use super::ticks::Unit;
use crate::measure::SeriesData;

/// Points of a curve for each nine.
const PER_NINE: u32 = 12;

/// Curves by groups, each with one look and one label: a series each, or the runs of a side of a comparison.
#[derive(Debug, Clone)]
pub struct PercentileChart {
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
    /// The curves.
    pub groups: Vec<CurveGroup>,
}

/// Curves that belong together.
#[derive(Debug, Clone)]
pub struct CurveGroup {
    /// The name that stands at their end.
    pub label: String,
    /// How they look.
    pub look: Look,
    /// The curves; one without a point is not drawn, and a group without any has no label.
    pub curves: Vec<Vec<CurvePoint>>,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The share of all samples, from 0 to 1, that took no longer.
    pub quantile: f64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// The curve of a distribution, from its shortest sample up to the last percentile with 10 samples beyond it; empty
/// where not even a median has so many.
#[must_use]
pub fn curve_of(data: &SeriesData) -> Vec<CurvePoint> {
    let point = |quantile| data.quantile(quantile).map(|seconds| CurvePoint { quantile, seconds });
    if point(0.5).is_none() {
        return Vec::new();
    }
    let last = data.last_quantile();
    let steps = (0..PER_NINE * 12).map(|step| quantile_of(f64::from(step) / f64::from(PER_NINE)));
    let mut quantiles: Vec<f64> = steps.chain([0.5]).filter(|quantile| *quantile < last).collect();
    quantiles.push(last);
    quantiles.sort_by(f64::total_cmp);
    quantiles.into_iter().filter_map(point).collect()
}

impl PercentileChart {
    /// The picture; `None` if there is no curve.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        let points = || self.groups.iter().flat_map(|group| group.curves.iter().flatten());
        let seconds = || points().map(|point| point.seconds);
        points().next()?;
        let (low, high) = (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max));
        let longest = points().map(|point| nines(point.quantile)).fold(0.0, f64::max);
        let names = self.groups.iter().filter(|group| group.curves.iter().any(|curve| !curve.is_empty()));
        let frame = Frame::new(
            (self.width, self.height),
            value_labels(Unit::Duration).iter().copied(),
            names.map(|group| group.label.as_str()),
        );
        let (x, y) = (nines_scale(longest, frame.rightward()), duration_scale(low, high, frame.upward()));
        let mut svg = Svg::new(&self.id, self.width, self.height, &self.title, &self.description);
        frame.values(&mut svg, &y, Unit::Duration, if y.is_log() { "duration, logarithmic" } else { "duration" });
        frame.percentiles(&mut svg, &x, longest);
        let place = |point: &CurvePoint| (x.at(nines(point.quantile)), y.at(point.seconds));
        let mut labels = Vec::new();
        for group in &self.groups {
            let mut ends: Vec<(f64, f64)> = Vec::new();
            for curve in group.curves.iter().filter(|curve| !curve.is_empty()) {
                svg.path(&group.look.line(), &Path::through(curve.iter().map(place)), "");
                ends.extend(curve.last().map(place));
            }
            for end in &ends {
                let mark = group.look.mark(*end);
                if !mark.is_empty() {
                    svg.path(&group.look.dot(), &mark, "");
                }
            }
            // The curve in the middle has the label of all.
            ends.sort_by(|a, b| a.1.total_cmp(&b.1));
            if let Some(end) = ends.get(ends.len() / 2) {
                labels.push(EndLabel { text: &group.label, class: group.look.label(), end: *end });
            }
        }
        frame.ends(&mut svg, &labels);
        Some(svg)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::Statistic;

    fn data(samples: u64) -> SeriesData {
        let mut data = SeriesData::default();
        (1..=samples).for_each(|n| data.record(Duration::from_micros(n * 100)));
        data
    }

    #[test]
    fn a_curve_ends_where_ten_samples_lie_beyond() {
        for (samples, last) in [(20, 0.5), (100, 0.9), (1000, 0.99), (25_000, 0.9996)] {
            let curve = curve_of(&data(samples));
            assert!((curve.last().unwrap().quantile - last).abs() < 1e-9, "{samples}");
            assert!(
                curve.windows(2).all(|pair| pair[0].quantile < pair[1].quantile && pair[0].seconds <= pair[1].seconds)
            );
        }
        assert_eq!(curve_of(&data(19)), []);
        assert_eq!(curve_of(&data(0)), []);
    }

    #[test]
    fn a_curve_says_what_the_table_says() {
        let data = data(1000);
        let curve = curve_of(&data);
        for hundredths in [5_000, 9_000, 9_900] {
            let quantile = f64::from(hundredths) / 10_000.0;
            let point = curve.iter().find(|point| (point.quantile - quantile).abs() < 1e-9).unwrap();
            assert_eq!(Some(point.seconds), data.statistic(Statistic::Percentile(hundredths)));
        }
        assert_eq!(Some(curve[0].seconds), data.statistic(Statistic::Min));
    }

    fn chart(groups: Vec<CurveGroup>) -> PercentileChart {
        PercentileChart {
            id: "p".to_owned(),
            title: "Two sides".to_owned(),
            description: "one is slower".to_owned(),
            width: 430.0,
            height: 260.0,
            groups,
        }
    }

    #[test]
    fn groups_of_curves_have_a_look_and_a_label_each() {
        let point = |quantile, seconds| CurvePoint { quantile, seconds };
        let side = |label: &str, look, factor: f64| CurveGroup {
            label: label.to_owned(),
            look,
            curves: (1..=2)
                .map(|n| vec![point(0.0, factor), point(0.5, factor * 2.0), point(0.99, factor * f64::from(n + 4))])
                .collect(),
        };
        let groups = vec![side("base", Look::back().faint(), 0.01), side("new & slow", Look::nth(0), 0.012)];
        insta::assert_snapshot!(chart(groups).draw().unwrap().to_string().replace("><", ">\n<"));
    }

    #[test]
    fn no_curve_is_no_picture() {
        assert!(chart(Vec::new()).draw().is_none());
        let empty = CurveGroup { label: "none".to_owned(), look: Look::nth(1), curves: vec![Vec::new()] };
        assert!(chart(vec![empty]).draw().is_none());
    }
}
