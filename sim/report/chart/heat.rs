//! Counts over time and latency: every sample has its place, no percentile hides any.

use super::frame::{Frame, value_labels};
use super::labels;
use super::scale::Scale;
use super::svg::{Anchor, Path, Svg};
use super::ticks::{self, Unit};
use super::time::{Line, Mark, WIDTH, events};

/// Rows of the picture.
const ROWS: usize = 36;
/// Shades of a cell, the darkest for the most.
const SHADES: usize = 6;

/// Latencies over time.
#[derive(Debug, Clone)]
pub struct HeatChart {
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
    /// What was counted when, in order.
    pub columns: Vec<HeatColumn>,
    /// Lines above it: percentiles.
    pub lines: Vec<Line>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
}

/// A stretch of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeatColumn {
    /// When it begins, in seconds.
    pub from_s: f64,
    /// When it ends.
    pub to_s: f64,
    /// Durations in seconds, and how many samples had each.
    pub counts: Vec<(f64, u64)>,
}

impl HeatChart {
    /// The picture; `None` if there is no sample.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        let durations = || self.columns.iter().flat_map(|column| &column.counts).map(|(seconds, _)| seconds.max(1e-6));
        durations().next()?;
        let (low, high) = (durations().fold(f64::INFINITY, f64::min), durations().fold(0.0, f64::max));
        let domain = ticks::around(low, high);
        let cells: Vec<[u64; ROWS]> = self.columns.iter().map(|column| rows(&column.counts, domain)).collect();
        let most = cells.iter().flatten().copied().max()?;
        let frame = Frame::new(
            (WIDTH, self.height),
            value_labels(Unit::Duration).iter().copied(),
            self.lines.iter().map(|line| line.label.as_str()),
        );
        let (x, y) = (Scale::linear(self.span_s, frame.rightward()), Scale::log(domain, frame.upward()));
        let mut svg = Svg::new(&self.id, WIDTH, self.height, &self.title, &self.description);
        frame.values(&mut svg, &y, Unit::Duration, "duration, logarithmic");
        frame.time(&mut svg, &x);
        let tall = (frame.bottom - frame.top) / ROWS as f64;
        let mut paths = vec![Path::default(); SHADES];
        for row in 0..ROWS {
            let top = frame.bottom - tall * (row + 1) as f64;
            let mut column = 0;
            while column < cells.len() {
                let start = column;
                let level = shade(cells[start][row], most);
                while column < cells.len() && shade(cells[column][row], most) == level {
                    column += 1;
                }
                let Some(path) = level.and_then(|level| paths.get_mut(level)) else { continue };
                let (from, to) = (x.at(self.columns[start].from_s), x.at(self.columns[column - 1].to_s));
                path.block((from, top), to - from, tall);
            }
        }
        for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            svg.path(&format!("he h{}", level + 1), path, "");
        }
        // Lines of any colour vanish somewhere on a picture of all shades: each has a halo.
        for line in &self.lines {
            halo(&mut svg, line, &x, &y);
        }
        let labels: Vec<_> = self.lines.iter().filter_map(|line| line.draw(&mut svg, &x, &y)).collect();
        events(&mut svg, &frame, &x, &self.marks);
        frame.ends(&mut svg, &labels);
        key(&mut svg, &frame, most);
        Some(svg)
    }
}

/// The counts of a column by row, the shortest first.
fn rows(counts: &[(f64, u64)], (low, high): (f64, f64)) -> [u64; ROWS] {
    let scale = Scale::log((low, high), (0.0, ROWS as f64));
    let mut rows = [0; ROWS];
    for (seconds, count) in counts {
        let row = (scale.at(*seconds) as usize).min(ROWS - 1);
        rows[row] += count;
    }
    rows
}

/// The shade of a cell, from 0: by the logarithm of its count, so that single samples show beside thousands.
fn shade(count: u64, most: u64) -> Option<usize> {
    if count == 0 {
        return None;
    }
    let share = (count as f64).ln() / (most.max(2) as f64).ln();
    Some(((share * SHADES as f64) as usize).min(SHADES - 1))
}

fn halo(svg: &mut Svg, line: &Line, x: &Scale, y: &Scale) {
    for (from, to, value) in &line.values {
        if let Some(value) = value {
            svg.line("ha", (x.at(*from), y.at(*value)), (x.at(*to), y.at(*value)));
        }
    }
}

/// What the shades mean, at the top right.
fn key(svg: &mut Svg, frame: &Frame, most: u64) {
    const WIDE: f64 = 14.0;
    let text = format!("{} samples a cell", Unit::Count.label(most as f64));
    let mut x = frame.right - labels::width(&text);
    svg.text("ax", (x, 12.0), Anchor::Start, &text);
    x -= 4.0 + WIDE * SHADES as f64;
    for level in 0..SHADES {
        let left = x + WIDE * level as f64;
        svg.rect(&format!("he h{}", level + 1), (left, 3.0), (left + WIDE, 13.0), "");
    }
    svg.text("ax", (x - 4.0, 12.0), Anchor::End, "1");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_sample_is_in_one_row(counts in proptest::collection::vec((1e-6..100.0_f64, 1..50_u64), 0..60)) {
            let sum: u64 = counts.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(rows(&counts, (1e-6, 100.0)).iter().sum::<u64>(), sum);
        }

        #[test]
        fn more_is_never_lighter(few in 0..5000_u64, more in 0..5000_u64) {
            let (few, more) = (few.min(more), few.max(more));
            prop_assert!(shade(few, more) <= shade(more, more));
            prop_assert_eq!(shade(0, more), None);
        }
    }

    #[test]
    fn a_single_sample_is_seen_and_the_most_are_darkest() {
        assert_eq!((shade(1, 10_000), shade(10_000, 10_000), shade(1, 1)), (Some(0), Some(5), Some(0)));
    }

    #[test]
    fn equal_neighbours_are_one_block() {
        let column =
            |from: f64, counts: &[(f64, u64)]| HeatColumn { from_s: from, to_s: from + 1.0, counts: counts.to_vec() };
        let chart = HeatChart {
            id: "heat".to_owned(),
            title: "Latency".to_owned(),
            description: "of calls".to_owned(),
            height: 220.0,
            span_s: (0.0, 4.0),
            columns: vec![
                column(0.0, &[(0.002, 40), (0.1, 1)]),
                column(1.0, &[(0.002, 40)]),
                column(2.0, &[(0.002, 40)]),
                column(3.0, &[]),
            ],
            lines: vec![Line {
                label: "p50".to_owned(),
                look: super::super::Look::nth(0),
                values: vec![(0.0, 3.0, Some(0.002))],
            }],
            marks: Vec::new(),
        };
        insta::assert_snapshot!(chart.draw().unwrap().to_string().replace("><", ">\n<"));
        assert!(HeatChart { columns: Vec::new(), ..chart }.draw().is_none());
    }
}
