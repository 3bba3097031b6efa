//! How things that are drawn together are told apart.

use super::svg::Path;

/// One of a few looks: a colour with a dash and a shape of mark. The style sheet knows the colours; dashes and shapes
/// tell them apart where colours do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The colour, from 1 to [`Look::COUNT`]; 0 is the one of what stands back.
    number: u8,
    /// Thin, and without a mark: what there is only to compare with.
    faint: bool,
}

impl Look {
    /// So many colours there are.
    pub const COUNT: u8 = 7;

    /// The look of the `index`-th thing of a picture, from 0; they come round again after [`Look::COUNT`].
    #[must_use]
    pub fn nth(index: usize) -> Self {
        let number = index % usize::from(Self::COUNT) + 1;
        Self { number: u8::try_from(number).unwrap_or(1), faint: false }
    }

    /// The look of what stands back: of what others are compared with.
    #[must_use]
    pub const fn back() -> Self {
        Self { number: 0, faint: false }
    }

    /// The second look: its lines are dashed.
    #[must_use]
    pub const fn second() -> Self {
        Self { number: 2, faint: false }
    }

    /// The same, thin and without a mark.
    #[must_use]
    pub const fn faint(self) -> Self {
        Self { faint: true, ..self }
    }

    /// The classes of a line.
    pub(super) fn line(self) -> String {
        format!("ln c{}{}", self.number, if self.faint { " faint" } else { "" })
    }

    /// The classes of a label.
    pub(super) fn label(self) -> String {
        format!("lb c{}", self.number)
    }

    /// The classes of an area.
    pub(super) fn area(self) -> String {
        format!("ar c{}", self.number)
    }

    /// The classes of a mark.
    pub(super) fn dot(self) -> String {
        format!("dt c{}", self.number)
    }

    /// The classes of a cross.
    pub(super) fn cross(self) -> String {
        format!("cr c{}", self.number)
    }

    /// The classes of a mark of what is no more than an upper bound.
    pub(super) fn hollow(self) -> String {
        format!("dt open c{}", self.number)
    }

    /// A cross at a point: the mark of what failed, of whichever look.
    pub(super) fn crossed((x, y): (f64, f64)) -> Path {
        const R: f64 = 3.8;
        let mut path = Path::default();
        for (command, dx, dy) in [('M', -R, -R), ('L', R, R), ('M', -R, R), ('L', R, -R)] {
            path.to(command, (x + dx, y + dy));
        }
        path
    }

    /// A mark of its shape around a point; none for a faint look.
    pub(super) fn mark(self, point: (f64, f64)) -> Path {
        self.shape(point, 3.2)
    }

    /// The same, so large that a cross has room in it.
    pub(super) fn frame(self, point: (f64, f64)) -> Path {
        self.shape(point, 5.2)
    }

    fn shape(self, (x, y): (f64, f64), r: f64) -> Path {
        if self.faint {
            return Path::default();
        }
        let corners: &[(f64, f64)] = match self.number % 4 {
            1 => &[
                (-1.0, -0.4),
                (-0.4, -1.0),
                (0.4, -1.0),
                (1.0, -0.4),
                (1.0, 0.4),
                (0.4, 1.0),
                (-0.4, 1.0),
                (-1.0, 0.4),
            ],
            2 => &[(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)],
            3 => &[(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
            _ => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        };
        let mut path = Path::through(corners.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)));
        path.end();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_round_and_the_one_that_stands_back_is_none_of_them() {
        let all: Vec<Look> = (0..7).map(Look::nth).collect();
        assert_eq!(Look::nth(7), all[0]);
        assert!(!all.contains(&Look::back()));
        assert_eq!((all[0].line(), Look::back().faint().line()), ("ln c1".to_owned(), "ln c0 faint".to_owned()));
        assert!(all[2].faint().mark((0.0, 0.0)).is_empty() && !all[2].mark((0.0, 0.0)).is_empty());
    }
}
