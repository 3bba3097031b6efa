//! Answers queries (4) from the indexes of a partition.

use std::ops::Bound;
use std::sync::Arc;

use super::device::Device;
use super::row::View;
use super::state::Partition;
use crate::hub::query::{Collection, Cursor, Groups, Plan, Select, Source, matches, write_row};

/// How many rows are looked at in one go: devices must not wait for a scan of the whole fleet.
const SLICE: usize = 2000;

/// Part of an answer.
#[derive(Debug, Default, PartialEq)]
pub(in crate::hub) struct Slice {
    /// The rows, one behind the other; none where groups are asked for.
    text: String,
    /// The place of each row, in order, and where in the text it ends.
    ends: Vec<(Cursor, usize)>,
    /// The groups of the rows that fulfilled the condition, where groups are asked for.
    pub(in crate::hub) groups: Groups,
    /// Behind which row to go on; `None` if no more can follow.
    pub(in crate::hub) next: Option<Cursor>,
}

impl Slice {
    /// How many rows there are.
    pub(in crate::hub) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The rows with their places, in order.
    pub(in crate::hub) fn rows(&self) -> impl Iterator<Item = (&Cursor, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(cursor, end)| (cursor, &self.text[std::mem::replace(&mut start, *end)..*end]))
    }
}

impl Partition {
    /// The rows of `plan` behind `after`, `limit` at most, as far as one slice of work goes.
    pub(in crate::hub) fn search(&self, plan: &Plan, after: Option<&Cursor>, limit: usize) -> Slice {
        match &plan.source {
            Source::Ids(ids) => {
                let behind = ids.iter().filter(|id| match after {
                    Some(Cursor::Id(after)) => ***id > **after,
                    _ => true,
                });
                self.slice(plan, limit, behind.filter_map(|id| self.devices.named(id)).map(by_id))
            }
            Source::Range { first, last } => {
                let from = match after {
                    Some(Cursor::Id(after)) => Bound::Excluded(&**after),
                    _ => Bound::Included(first.as_str()),
                };
                let within = |device: &&Device| last.as_deref().is_none_or(|last| &*device.id <= last);
                self.slice(plan, limit, self.devices.range_by_id(from).take_while(within).map(by_id))
            }
            // Those are not here.
            Source::Job(_) => Slice::default(),
            Source::Updated { since, until } => {
                let from = match after {
                    Some(Cursor::Updated(at, id)) => Bound::Excluded((*at, Arc::clone(id))),
                    _ => Bound::Included((*since, Arc::from(""))),
                };
                let rows = self.devices.range_by_update(from).take_while(|(at, _)| at < until);
                self.slice(plan, limit, rows.map(|(at, device)| (Cursor::Updated(at, Arc::clone(&device.id)), device)))
            }
        }
    }

    fn slice<'a>(&self, plan: &Plan, limit: usize, rows: impl Iterator<Item = (Cursor, &'a Device)>) -> Slice {
        let mut slice = Slice::default();
        let mut rows = rows.enumerate().peekable();
        while let Some((seen, (cursor, device))) = rows.next() {
            let view = View { device, wall: self.wall };
            // Modules have a source of their own (4).
            let asked_for = device.is_module() == (plan.from == Collection::Modules);
            let full = asked_for && plan.condition.as_ref().is_none_or(|condition| matches(condition, &view)) && {
                if let Select::Groups(grouping) = &plan.select {
                    slice.groups.add(grouping, &view);
                } else {
                    write_row(&plan.select, &view, &mut slice.text);
                    slice.ends.push((cursor.clone(), slice.text.len()));
                }
                slice.len() >= limit
            };
            if (full || seen + 1 >= SLICE) && rows.peek().is_some() {
                slice.next = Some(cursor);
                break;
            }
        }
        slice
    }
}

fn by_id(device: &Device) -> (Cursor, &Device) {
    (Cursor::Id(Arc::clone(&device.id)), device)
}
