//! Areas on top of one another over time: parts of a whole.

use super::frame::{Frame, count_scale, value_labels};
use super::labels;
use super::scale::Scale;
use super::svg::{Anchor, Path, Svg};
use super::ticks::Unit;
use super::time::{Mark, WIDTH, events, shades};

/// Parts of a whole over time.
#[derive(Debug, Clone)]
pub struct StackChart {
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
    /// The name of what is counted.
    pub name: String,
    /// When the values of each layer were taken, in seconds, in order.
    pub moments: Vec<f64>,
    /// The parts, the lowest first.
    pub layers: Vec<Layer>,
    /// What happened meanwhile.
    pub marks: Vec<Mark>,
}

/// A part.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name.
    pub label: String,
    /// Its class in the style sheet, which knows its colour.
    pub class: &'static str,
    /// How many, at each moment.
    pub values: Vec<f64>,
}

impl StackChart {
    /// The picture; `None` if there are no two moments, or nothing was ever counted.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        let count = self.moments.len();
        let mut tops = vec![vec![0.0; count]];
        for layer in &self.layers {
            let below = tops.last().cloned().unwrap_or_default();
            let values = layer.values.iter().chain(std::iter::repeat(&0.0));
            tops.push(below.iter().zip(values).map(|(below, value)| below + value.max(0.0)).collect());
        }
        let high = tops.last()?.iter().copied().fold(0.0, f64::max);
        if count < 2 || high <= 0.0 {
            return None;
        }
        let frame = Frame::new((WIDTH, self.height), value_labels(Unit::Count).iter().copied(), []);
        let (x, y) = (Scale::linear(self.span_s, frame.rightward()), count_scale(high, frame.upward()));
        let mut svg = Svg::new(&self.id, WIDTH, self.height, &self.title, &self.description);
        shades(&mut svg, &frame, &x, &self.marks);
        frame.values(&mut svg, &y, Unit::Count, &self.name);
        frame.time(&mut svg, &x);
        let mut unnamed = Vec::new();
        let mut names = Vec::new();
        for (layer, edges) in self.layers.iter().zip(tops.windows(2)) {
            let [lower, upper] = edges else { continue };
            let place = |(at, value): (&f64, &f64)| (x.at(*at), y.at(*value));
            let there = self.moments.iter().zip(upper).map(place);
            let back = self.moments.iter().zip(lower).rev().map(place);
            let mut path = Path::through(there.chain(back));
            path.end();
            if upper.iter().zip(lower).all(|(upper, lower)| upper <= lower) {
                continue;
            }
            svg.path(&format!("la {}", layer.class), &path, &layer.label);
            match self.room(&layer.label, lower, upper, &x, &y) {
                Some(at) => names.push((at, layer)),
                None => unnamed.push(layer),
            }
        }
        // Names stand above all areas.
        for (at, layer) in names {
            svg.text("ln-in", at, Anchor::Middle, &layer.label);
        }
        legend(&mut svg, &frame, &unnamed);
        events(&mut svg, &frame, &x, &self.marks);
        Some(svg)
    }

    /// Where in an area its name has room: the middle of the widest stretch that is high enough.
    fn room(&self, label: &str, lower: &[f64], upper: &[f64], x: &Scale, y: &Scale) -> Option<(f64, f64)> {
        /// What a line of text needs.
        const TALL: f64 = 17.0;
        let wide = labels::width(label) + 8.0;
        let mut best: Option<(f64, (f64, f64))> = None;
        for start in 0..self.moments.len() {
            let (mut floor, mut ceiling) = (f64::INFINITY, f64::NEG_INFINITY);
            for index in start..self.moments.len() {
                (floor, ceiling) = (floor.min(y.at(lower[index])), ceiling.max(y.at(upper[index])));
                let (height, width) = (floor - ceiling, x.at(self.moments[index]) - x.at(self.moments[start]));
                if height < TALL {
                    break;
                }
                if width >= wide {
                    if best.is_none_or(|(tallest, _)| height > tallest) {
                        let middle = f64::midpoint(x.at(self.moments[start]), x.at(self.moments[index]));
                        best = Some((height, (middle, f64::midpoint(floor, ceiling) + 4.0)));
                    }
                    break;
                }
            }
        }
        best.map(|(_, at)| at)
    }
}

/// Names of the areas that are too thin for theirs, at the top right.
fn legend(svg: &mut Svg, frame: &Frame, layers: &[&Layer]) {
    let mut x = frame.right;
    for layer in layers {
        x -= labels::width(&layer.label);
        svg.text("ax", (x, 12.0), Anchor::Start, &layer.label);
        x -= 14.0;
        svg.rect(&format!("la {}", layer.class), (x, 3.0), (x + 10.0, 13.0), "");
        x -= 14.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> StackChart {
        StackChart {
            id: "stages".to_owned(),
            title: "Stages".to_owned(),
            description: "by second".to_owned(),
            height: 200.0,
            span_s: (0.0, 3.0),
            name: "devices".to_owned(),
            moments: vec![1.0, 2.0, 3.0],
            layers: vec![
                Layer { label: "completed".to_owned(), class: "s-completed", values: vec![0.0, 60.0, 99.0] },
                Layer { label: "failed".to_owned(), class: "s-failed", values: vec![0.0, 0.0, 1.0] },
                Layer { label: "never".to_owned(), class: "s-rolledBack", values: vec![0.0; 3] },
            ],
            marks: vec![],
        }
    }

    #[test]
    fn names_stand_in_their_areas_where_they_fit() {
        insta::assert_snapshot!(chart().draw().unwrap().to_string().replace("><", ">\n<"));
    }

    #[test]
    fn nothing_to_show_is_no_picture() {
        assert!(StackChart { moments: vec![1.0], ..chart() }.draw().is_none());
        assert!(StackChart { layers: Vec::new(), ..chart() }.draw().is_none());
    }
}
