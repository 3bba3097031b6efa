//! Two sides of a comparison on one axis: each run as a mark, and where the change lies.

use super::frame::Frame;
use super::look::Look;
use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// Height of a row.
const ROW: f64 = 58.0;
/// Where, from a row's top, the marks of each side and the change stand.
const LANES: [f64; 3] = [14.0, 28.0, 44.0];

/// Rows of marks, all in percent of the base's median.
#[derive(Debug, Clone)]
pub struct ChangeChart {
    /// Unique in the page.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// The same for who cannot see it, with the figures that matter.
    pub description: String,
    /// Changes up to so many percent either way do not count: shaded.
    pub margin_pct: f64,
    /// The rows, the topmost first.
    pub rows: Vec<ChangeRow>,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub struct ChangeRow {
    /// Its name.
    pub label: String,
    /// The runs of the base, in percent from their median.
    pub base: Vec<f64>,
    /// The new runs, in percent from the base's median.
    pub new: Vec<f64>,
    /// The change from median to median, in percent.
    pub change: Option<f64>,
    /// Where it lies.
    pub interval: Option<(f64, f64)>,
    /// What stands behind it.
    pub note: String,
}

impl ChangeRow {
    fn values(&self) -> impl Iterator<Item = f64> {
        let ends = self.interval.into_iter().flat_map(|(low, high)| [low, high]);
        self.base.iter().chain(&self.new).copied().chain(self.change).chain(ends).filter(|value| value.is_finite())
    }
}

impl ChangeChart {
    /// The picture; `None` if no row has a value.
    #[must_use]
    pub fn draw(&self) -> Option<Svg> {
        self.rows.iter().flat_map(ChangeRow::values).next()?;
        let bounds = self.rows.iter().flat_map(ChangeRow::values).chain([self.margin_pct, -self.margin_pct]);
        let (low, high) = bounds.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let room = (high - low) * 0.06;
        let height = 26.0 + ROW * self.rows.len() as f64 + 38.0;
        let frame = Frame::new(
            (super::time::WIDTH, height),
            self.rows.iter().map(|row| row.label.as_str()),
            self.rows.iter().map(|row| row.note.as_str()),
        );
        let x = Scale::linear((low - room, high + room), frame.rightward());
        let mut svg = Svg::new(&self.id, super::time::WIDTH, height, &self.title, &self.description);
        svg.rect("sh", (x.at(-self.margin_pct), frame.top), (x.at(self.margin_pct), frame.bottom), "");
        frame.percents(&mut svg, &x, "percent from the base's median; shaded: within the margin");
        svg.line("bl", (x.at(0.0), frame.top), (x.at(0.0), frame.bottom));
        for (number, row) in self.rows.iter().enumerate() {
            let top = frame.top + ROW * number as f64;
            svg.text("rl", (frame.left - 7.0, top + LANES[1] + 4.0), Anchor::End, &row.label);
            for (values, look, lane) in [(&row.base, Self::BASE, LANES[0]), (&row.new, Self::NEW, LANES[1])] {
                for value in values.iter().filter(|value| value.is_finite()) {
                    svg.path(&look.dot(), &look.mark((x.at(*value), top + lane)), &format!("{value:+.1} %"));
                }
            }
            let middle = top + LANES[2];
            if let Some((from, to)) = row.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
                let (from, to) = (x.at(from), x.at(to));
                svg.line("wh", (from, middle), (to, middle));
                svg.line("wh", (from, middle - 4.0), (from, middle + 4.0));
                svg.line("wh", (to, middle - 4.0), (to, middle + 4.0));
            }
            if let Some(change) = row.change.filter(|change| change.is_finite()) {
                svg.line("li", (x.at(change), middle - 6.0), (x.at(change), middle + 6.0));
            }
            svg.text("ax", (frame.right + 8.0, middle + 4.0), Anchor::Start, &row.note);
        }
        Some(svg)
    }

    /// How the base looks, here and in curves beside.
    pub const BASE: Look = Look::back();
    /// How what is new looks: dashed.
    pub const NEW: Look = Look::second();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_a_mark_and_the_change_lies_in_its_interval() {
        let row = ChangeRow {
            label: "method.response.p50".to_owned(),
            base: vec![-1.0, 0.0, 1.5],
            new: vec![18.0, 19.5, 21.0],
            change: Some(19.5),
            interval: Some((17.0, 22.0)),
            note: "regressed".to_owned(),
        };
        let chart = ChangeChart {
            id: "changes".to_owned(),
            title: "Changes".to_owned(),
            description: "one row".to_owned(),
            margin_pct: 10.0,
            rows: vec![row, ChangeRow { label: "nothing".to_owned(), ..ChangeRow::default() }],
        };
        let svg = chart.draw().unwrap().to_string();
        assert_eq!((svg.matches("class=\"dt c0\"").count(), svg.matches("class=\"dt c2\"").count()), (3, 3));
        insta::assert_snapshot!(svg.replace("><", ">\n<"));
        assert!(ChangeChart { rows: vec![ChangeRow::default()], ..chart }.draw().is_none());
    }

    #[test]
    fn what_is_infinite_is_left_out() {
        let row = ChangeRow { change: Some(f64::INFINITY), new: vec![f64::INFINITY, 3.0], ..ChangeRow::default() };
        let (id, title, description) = (String::new(), String::new(), String::new());
        let svg = ChangeChart { id, title, description, margin_pct: 10.0, rows: vec![row] }.draw().unwrap().to_string();
        assert!(!svg.contains("inf") && !svg.contains("NaN"), "{svg}");
    }
}
