//! The picture: from plain data and an area to the cells of a terminal. What does not fit is left out, the least telling
//! first.

mod health;
mod layout;
mod mishaps;
mod rates;
mod said;
mod series;
mod stages;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod thresholds;
mod top;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chronicle::Said;
use super::status::Status;
use layout::Band;
pub(super) use theme::Theme;

/// What is drawn.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// How far the run is.
    pub(super) status: Arc<Status>,
    /// What was said last, oldest first.
    pub(super) said: Vec<Said>,
}

/// The width from which panels stand side by side.
const WIDE: u16 = 76;
/// Between two panels side by side.
const GAP: u16 = 3;

/// A part of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panel {
    Title,
    Phase,
    Updates,
    Devices,
    Stages,
    Rates,
    Series,
    Thresholds,
    Health,
    Mishaps,
    Said,
    Keys,
}

/// Draws `picture` over the whole of `buffer`.
pub(super) fn draw(buffer: &mut Buffer, picture: &Picture, theme: Theme) {
    let area = buffer.area;
    let wide = area.width >= WIDE;
    let rows: &[&[Panel]] = if wide {
        &[
            &[Panel::Title],
            &[Panel::Phase],
            &[Panel::Updates],
            &[Panel::Devices],
            &[Panel::Stages, Panel::Rates],
            &[Panel::Series],
            &[Panel::Thresholds, Panel::Health],
            &[Panel::Mishaps, Panel::Said],
            &[Panel::Keys],
        ]
    } else {
        &[
            &[Panel::Title],
            &[Panel::Phase],
            &[Panel::Updates],
            &[Panel::Devices],
            &[Panel::Stages],
            &[Panel::Rates],
            &[Panel::Series],
            &[Panel::Thresholds],
            &[Panel::Mishaps],
            &[Panel::Said],
            &[Panel::Health],
            &[Panel::Keys],
        ]
    };
    let bands: Vec<(Vec<Panel>, Band)> = rows.iter().filter_map(|row| band(row, picture)).collect();
    let heights = layout::heights(area.height, &bands.iter().map(|(_, band)| *band).collect::<Vec<_>>());
    let mut top = area.y;
    for ((panels, _), height) in bands.iter().zip(heights) {
        if height > 0 {
            let row = Rect { y: top, height, ..area };
            for (panel, part) in panels.iter().zip(layout::columns(row, panels.len(), GAP)) {
                panel.draw(buffer, part, picture, theme);
            }
        }
        top += height;
    }
}

/// The panels of `row` that have something to show, and the height that they want; `None` if there is none.
fn band(row: &[Panel], picture: &Picture) -> Option<(Vec<Panel>, Band)> {
    let panels: Vec<Panel> = row.iter().copied().filter(|panel| panel.band(picture).is_some()).collect();
    let bands = panels.iter().filter_map(|panel| panel.band(picture));
    let band = bands.reduce(|one, other| Band {
        rank: one.rank.min(other.rank),
        least: one.least.max(other.least),
        most: one.most.max(other.most),
        grows: one.grows || other.grows,
    })?;
    Some((panels, band))
}

impl Panel {
    /// How much room it wants, and how urgently; `None` if it has nothing to show.
    fn band(self, picture: &Picture) -> Option<Band> {
        let status = &*picture.status;
        let count = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(1);
        let band = |rank, least, most| Some(Band { rank, least, most, grows: self == Self::Said });
        match self {
            Self::Title => band(0, 1, 1),
            Self::Updates => status.updates.and_then(|_| band(1, 1, 1)),
            Self::Keys => band(2, 1, 1),
            Self::Devices if status.devices > 0 => band(3, 1, 1),
            Self::Phase if status.drill || status.rollout.is_some() => {
                let rows = u16::from(status.drill) + u16::from(status.rollout.is_some());
                band(4, rows, rows)
            }
            Self::Mishaps if !status.mishaps.is_empty() => {
                band(5, count(status.mishaps.len()).min(3), count(status.mishaps.len()).min(9))
            }
            Self::Stages if status.devices > 0 => band(6, 5, 7),
            Self::Thresholds if !status.thresholds.is_empty() => {
                band(7, count(status.thresholds.len()).min(4), count(status.thresholds.len()))
            }
            Self::Series if !status.series.is_empty() => {
                band(8, count(status.series.len()).min(3), count(status.series.len()))
            }
            Self::Said => band(9, 2, 5),
            Self::Rates => band(10, 4, 7),
            Self::Health if status.health.cores > 0 => band(11, 3, 5),
            _ => None,
        }
    }

    fn draw(self, buffer: &mut Buffer, area: Rect, picture: &Picture, theme: Theme) {
        let status = &*picture.status;
        match self {
            Self::Title => top::title(buffer, area, status, theme),
            Self::Phase => top::phase(buffer, area, status, theme),
            Self::Updates => top::updates(buffer, area, status, theme),
            Self::Devices => top::devices(buffer, area, status, theme),
            Self::Stages => stages::draw(buffer, area, status, theme),
            Self::Rates => rates::draw(buffer, area, status, theme),
            Self::Series => series::draw(buffer, area, status, theme),
            Self::Thresholds => thresholds::draw(buffer, area, status, theme),
            Self::Health => health::draw(buffer, area, status, theme),
            Self::Mishaps => mishaps::draw(buffer, area, status, theme),
            Self::Said => said::draw(buffer, area, picture, theme),
            Self::Keys => top::keys(buffer, area, status, theme),
        }
    }
}
