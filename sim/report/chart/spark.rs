//! Pictures the size of a word, beside the figures that they show.

use super::scale::Scale;
use super::svg::{Path, Svg};

/// A line without axes: how a figure went over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparkline {
    /// The values, equally far apart; a gap where there is none.
    pub values: Vec<Option<f64>>,
}

/// A value and its limit on one line from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitDot {
    /// The value.
    pub observed: f64,
    /// The limit.
    pub limit: f64,
    /// Whether the good side is the lower one; `None` where only the limit itself is good, or all but it.
    pub is_below: Option<bool>,
    /// Whether it held.
    pub is_ok: bool,
}

/// A share of a whole, as a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShareBar {
    /// The share, from 0 to 1.
    pub share: f64,
}

impl ShareBar {
    /// The picture.
    #[must_use]
    pub fn draw(&self) -> Svg {
        const SIZE: (f64, f64) = (120.0, 10.0);
        let mut svg = Svg::ornament(SIZE.0, SIZE.1);
        svg.rect("al", (0.0, 4.0), (SIZE.0, 6.0), "");
        // However small a share is, it is not nothing.
        let end = if self.share > 0.0 { (self.share.min(1.0) * SIZE.0).max(1.5) } else { 0.0 };
        svg.rect("share", (0.0, 0.0), (end, SIZE.1), "");
        svg
    }
}

impl Sparkline {
    /// The picture; `None` if fewer than two values are there.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        const SIZE: (f64, f64) = (96.0, 18.0);
        let known = || self.values.iter().flatten();
        if known().count() < 2 {
            return None;
        }
        let high = known().copied().fold(0.0, f64::max);
        let x = Scale::linear((0.0, (self.values.len() - 1) as f64), (2.0, SIZE.0 - 2.0));
        let y = Scale::linear((0.0, high), (SIZE.1 - 2.0, 2.0));
        let mut path = Path::default();
        let mut is_drawing = false;
        for (index, value) in self.values.iter().enumerate() {
            if let Some(value) = value {
                path.to(if is_drawing { 'L' } else { 'M' }, (x.at(index as f64), y.at(*value)));
            }
            is_drawing = value.is_some();
        }
        let mut svg = Svg::ornament(SIZE.0, SIZE.1);
        svg.path("ln c0", &path, "");
        Some(svg)
    }
}

impl LimitDot {
    /// The picture: what is allowed as a bar, the limit as its end, the value as a dot.
    #[must_use]
    pub fn draw(&self) -> Svg {
        const SIZE: (f64, f64) = (120.0, 14.0);
        let Self { observed, limit, is_below, is_ok } = *self;
        let high = (limit * 1.25).max(observed * 1.05);
        let x = Scale::linear((0.0, if high > 0.0 { high } else { 1.0 }), (5.0, SIZE.0 - 5.0));
        let (at, middle) = (x.at(limit), SIZE.1 / 2.0);
        let mut svg = Svg::ornament(SIZE.0, SIZE.1);
        svg.line("bl", (5.0, middle), (SIZE.0 - 5.0, middle));
        match is_below {
            Some(true) => svg.rect("al", (5.0, middle - 2.5), (at, middle + 2.5), ""),
            Some(false) => svg.rect("al", (at, middle - 2.5), (SIZE.0 - 5.0, middle + 2.5), ""),
            None => {}
        }
        svg.line("li", (at, 1.0), (at, SIZE.1 - 1.0));
        let place = x.at(observed);
        let mut dot = Path::default();
        // A dot where it held, a cross where it did not.
        if is_ok {
            for (command, dx, dy) in [('M', -4.0, 0.0), ('L', 0.0, -4.0), ('L', 4.0, 0.0), ('L', 0.0, 4.0)] {
                dot.to(command, (place + dx, middle + dy));
            }
            dot.end();
            svg.path("dot good", &dot, "");
        } else {
            for (command, dx, dy) in [('M', -4.0, -4.0), ('L', 4.0, 4.0), ('M', -4.0, 4.0), ('L', 4.0, -4.0)] {
                dot.to(command, (place + dx, middle + dy));
            }
            svg.path("dot bad", &dot, "");
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_seen_beside_its_value() {
        let dot = LimitDot { observed: 2.0, limit: 1.0, is_below: Some(true), is_ok: false };
        insta::assert_snapshot!(dot.draw().to_string().replace("><", ">\n<"));
        let zero = LimitDot { observed: 0.0, limit: 0.0, is_below: None, is_ok: true };
        assert!(zero.draw().to_string().contains("good"));
    }

    #[test]
    fn a_sparkline_has_gaps_and_needs_two_values() {
        assert!(Sparkline { values: vec![None, Some(1.0), None] }.draw().is_none());
        let text = Sparkline { values: vec![Some(1.0), Some(2.0), None, Some(0.0)] }.draw().unwrap().to_string();
        assert_eq!(text.matches('M').count(), 2, "{text}");
    }
}
