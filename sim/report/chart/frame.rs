//! The box in which a picture's data stand, its axes and its grid.

use super::labels;
use super::scale::{Scale, nines};
use super::svg::{Anchor, Svg};
use super::ticks::{self, Unit};

/// Height of what stands below the box: ticks and the axis' name.
const BELOW: f64 = 38.0;
/// Height of what stands above it: the other axis' name.
const ABOVE: f64 = 26.0;
/// Labels of one column are so far apart at least.
const LABEL_GAP: f64 = 14.0;

/// The box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    width: f64,
    height: f64,
}

/// A label at the right of the box, for what ends at a height.
pub(super) struct EndLabel<'a> {
    pub(super) text: &'a str,
    /// The classes of the text.
    pub(super) class: String,
    /// Where what it names ends.
    pub(super) end: (f64, f64),
}

impl Frame {
    /// A box within `width` and `height`, with room for these labels at its left and at its right.
    pub(super) fn new<'a>(
        (width, height): (f64, f64),
        left: impl IntoIterator<Item = &'a str>,
        right: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let widest = |texts: &mut dyn Iterator<Item = &'a str>| texts.map(labels::width).fold(0.0, f64::max);
        let left = (widest(&mut left.into_iter()) + 14.0).clamp(44.0, width * 0.35);
        let right = (widest(&mut right.into_iter()) + 18.0).clamp(18.0, width * 0.35);
        Self { left, right: width - right, top: ABOVE, bottom: height - BELOW, width, height }
    }

    /// The same for a picture over time: as wide as all of them where its labels allow it, so that moments stand above one
    /// another.
    pub(super) fn over_time<'a>(size: (f64, f64), right: impl IntoIterator<Item = &'a str>) -> Self {
        const LEFT: f64 = 54.0;
        const RIGHT: f64 = 84.0;
        let frame = Self::new(size, [], right);
        Self { left: LEFT, right: frame.right.min(size.0 - RIGHT), ..frame }
    }

    /// The places from its bottom to its top.
    pub(super) const fn upward(&self) -> (f64, f64) {
        (self.bottom, self.top)
    }

    /// The places from its left to its right.
    pub(super) const fn rightward(&self) -> (f64, f64) {
        (self.left, self.right)
    }

    /// The grid and the labels of values, and their name above them.
    pub(super) fn values(&self, svg: &mut Svg, scale: &Scale, unit: Unit, name: &str) {
        let (low, high) = scale.domain();
        let room = ((self.bottom - self.top) / 30.0).max(2.0) as usize;
        let ticks = match (scale.is_log(), unit) {
            (true, _) => ticks::logarithmic(low, high, room.max(3)),
            (false, Unit::Count) => ticks::whole(low, high, room.min(5)),
            (false, _) => ticks::linear(low, high, room.min(5)),
        };
        for tick in ticks {
            let y = scale.at(tick);
            svg.line(if tick == 0.0 { "bl" } else { "gl" }, (self.left, y), (self.right, y));
            svg.text("ax", (self.left - 7.0, y + 4.0), Anchor::End, &unit.label(tick));
        }
        svg.text("an", (0.0, 12.0), Anchor::Start, name);
    }

    /// The ticks of a run's time.
    pub(super) fn time(&self, svg: &mut Svg, scale: &Scale) {
        let (low, high) = scale.domain();
        let room = ((self.right - self.left) / 84.0).max(2.0) as usize;
        for tick in ticks::moments(low, high, room) {
            self.below(svg, scale.at(tick), &ticks::moment(tick, high));
        }
        let name = if high < 120.0 {
            "time since the run started"
        } else if high < 3600.0 {
            "time since the run started, min:s"
        } else {
            "time since the run started, h:min:s"
        };
        self.named(svg, name);
    }

    /// The ticks of plain numbers.
    pub(super) fn numbers(&self, svg: &mut Svg, scale: &Scale, name: &str) {
        let (low, high) = scale.domain();
        let room = ((self.right - self.left) / 48.0).max(2.0) as usize;
        for tick in ticks::linear(low, high, room) {
            self.below(svg, scale.at(tick), &Unit::Count.label(tick));
        }
        self.named(svg, name);
    }

    /// The ticks of durations.
    pub(super) fn durations(&self, svg: &mut Svg, scale: &Scale, name: &str) {
        let (low, high) = scale.domain();
        let room = ((self.right - self.left) / 84.0).max(2.0) as usize;
        for tick in ticks::linear(low, high, room) {
            let x = scale.at(tick);
            svg.line("gl", (x, self.top), (x, self.bottom));
            self.below(svg, x, &ticks::tick_duration(tick));
        }
        self.named(svg, name);
    }

    /// The ticks of percents either way.
    pub(super) fn percents(&self, svg: &mut Svg, scale: &Scale, name: &str) {
        let (low, high) = scale.domain();
        let room = ((self.right - self.left) / 84.0).max(2.0) as usize;
        for tick in ticks::linear(low, high, room) {
            let x = scale.at(tick);
            svg.line("gl", (x, self.top), (x, self.bottom));
            // A zero has no sign, and what is as good as zero none either.
            let label =
                if tick.abs() < 1e-9 { "0 %".to_owned() } else { format!("{:+} %", (tick * 100.0).round() / 100.0) };
            self.below(svg, x, &label);
        }
        self.named(svg, name);
    }

    /// The ticks of percentiles by their nines, up to `longest` nines.
    pub(super) fn percentiles(&self, svg: &mut Svg, scale: &Scale, longest: f64) {
        let mut taken = f64::NEG_INFINITY;
        for (at, name) in ticks::nines(longest) {
            let x = scale.at(at);
            svg.line("gl", (x, self.top), (x, self.bottom));
            // Where nines stand close together some have no name.
            if x - labels::width(&name) / 2.0 > taken {
                self.below(svg, x, &name);
                taken = x + labels::width(&name) / 2.0 + 4.0;
            }
        }
        self.named(svg, "percentile, each step tenfold rarer");
    }

    /// Labels apart from one another, with a thin line from what each names: at the right of the box, or right behind
    /// what ends long before.
    pub(super) fn ends(&self, svg: &mut Svg, labels: &[EndLabel<'_>]) {
        /// What ends so far from the right has its label within the box.
        const EARLY: f64 = 60.0;
        for is_early in [true, false] {
            let labels: Vec<_> = labels.iter().filter(|label| (self.right - label.end.0 > EARLY) == is_early).collect();
            let wanted: Vec<f64> = labels.iter().map(|label| label.end.1).collect();
            let places = labels::spread(&wanted, LABEL_GAP, self.top, self.bottom);
            for (label, y) in labels.iter().zip(places) {
                let x = if is_early { label.end.0 } else { self.right } + 12.0;
                if (y - label.end.1).abs() > 1.0 || x - label.end.0 > 16.0 {
                    svg.line("ld", (label.end.0 + 5.0, label.end.1), (x - 3.0, y));
                }
                svg.text(&label.class, (x, y + 4.0), Anchor::Start, label.text);
            }
        }
    }

    fn below(&self, svg: &mut Svg, x: f64, label: &str) {
        svg.line("tk", (x, self.bottom), (x, self.bottom + 4.0));
        // Labels at the edges stay inside.
        let half = labels::width(label) / 2.0;
        svg.text("ax", (x.clamp(half, (self.width - half).max(half)), self.bottom + 17.0), Anchor::Middle, label);
    }

    fn named(&self, svg: &mut Svg, name: &str) {
        svg.text("an", (self.left, self.height - 4.0), Anchor::Start, name);
    }
}

/// A scale for durations between `low` and `high` seconds: logarithmic where they differ much, else from 0 on.
pub(super) fn duration_scale(low: f64, high: f64, range: (f64, f64)) -> Scale {
    /// From this ratio on small values would lie flat on the ground.
    const LARGE: f64 = 20.0;
    let low = low.max(1e-6);
    let high = high.max(low);
    if high / low > LARGE {
        Scale::log(ticks::around(low, high), range)
    } else {
        Scale::linear((0.0, high * 1.05), range)
    }
}

/// A scale for counts from 0 on.
pub(super) fn count_scale(high: f64, range: (f64, f64)) -> Scale {
    Scale::linear((0.0, if high > 0.0 { high * 1.05 } else { 1.0 }), range)
}

/// A scale for percentiles by nines.
pub(super) fn nines_scale(longest: f64, range: (f64, f64)) -> Scale {
    Scale::linear((nines(0.0), longest.max(0.5)), range)
}

/// The widest labels that an axis of values may show.
pub(super) fn value_labels(unit: Unit) -> &'static [&'static str] {
    match unit {
        Unit::Duration => &["500 ms"],
        Unit::Count | Unit::Rate => &["2,000"],
    }
}
