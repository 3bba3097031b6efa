//! Who gets how much room.

use ratatui::layout::Rect;

/// What a part of the picture wants, from left to right over its whole width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// Its turn when room is given away; the lowest comes first.
    pub(super) rank: u8,
    /// Fewer rows than these are of no use to it.
    pub(super) least: u16,
    /// More rows than these it does not need.
    pub(super) most: u16,
    /// Whether it takes what nobody needs.
    pub(super) grows: bool,
}

/// The heights of `bands`, which together are no more than `height`: each in its turn gets what it needs at least, if that
/// is left, then each in its turn what it can use, and the rest goes to the one that grows.
pub(super) fn heights(height: u16, bands: &[Band]) -> Vec<u16> {
    let mut turns: Vec<usize> = (0..bands.len()).collect();
    turns.sort_by_key(|turn| bands[*turn].rank);
    let mut left = height;
    let mut heights = vec![0; bands.len()];
    for turn in &turns {
        if bands[*turn].least <= left {
            heights[*turn] = bands[*turn].least;
            left -= bands[*turn].least;
        }
    }
    for turn in &turns {
        let turn = *turn;
        if heights[turn] > 0 {
            let more = bands[turn].most.saturating_sub(heights[turn]).min(left);
            heights[turn] += more;
            left -= more;
        }
    }
    if let Some(growing) = turns.into_iter().find(|turn| heights[*turn] > 0 && bands[*turn].grows) {
        heights[growing] += left;
    }
    heights
}

/// `area` in `count` columns of about the same width, with a gap between them.
pub(super) fn columns(area: Rect, count: usize, gap: u16) -> Vec<Rect> {
    let count = u16::try_from(count).unwrap_or(u16::MAX).max(1);
    let width = area.width.saturating_sub(gap * (count - 1)) / count;
    let column = |number: u16| {
        let x = area.x + number * (width + gap);
        // The last one takes what does not divide.
        let width = if number + 1 == count { area.right().saturating_sub(x) } else { width };
        Rect { x, width, ..area }
    };
    (0..count).map(column).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_telling_is_left_out_first() {
        let band = |rank, least, most| Band { rank, least, most, grows: false };
        let bands = [band(0, 1, 1), band(2, 3, 9), Band { grows: true, ..band(1, 2, 4) }];
        for (height, expected) in [
            (0, [0, 0, 0]),
            (2, [1, 0, 0]),
            (3, [1, 0, 2]),
            (5, [1, 0, 4]),
            (6, [1, 3, 2]),
            (9, [1, 4, 4]),
            (14, [1, 9, 4]),
            (99, [1, 9, 89]),
        ] {
            assert_eq!(heights(height, &bands), expected, "{height}");
        }
    }

    proptest! {
        #[test]
        fn nothing_stands_outside(height: u16, wants in prop::collection::vec((0u8..9, 0u16..9, 0u16..99), 0..12)) {
            let band = |(rank, least, most): &(u8, u16, u16)| Band { rank: *rank, least: *least, most: *most, grows: rank % 2 == 0 };
            let bands: Vec<_> = wants.iter().map(band).collect();
            let heights = heights(height, &bands);
            prop_assert!(heights.iter().map(|height| u32::from(*height)).sum::<u32>() <= height.into());
        }

        #[test]
        fn columns_lie_within(width in 0u16..300, count in 0usize..6) {
            let area = Rect { x: 0, y: 0, width, height: 1 };
            let columns = columns(area, count, 3);
            // Too narrow a terminal has columns without any width.
            prop_assert!(columns.iter().all(|column| column.is_empty() || column.right() <= width));
        }
    }
}
