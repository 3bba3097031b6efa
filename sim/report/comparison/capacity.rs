//! What tables of comparisons say of capacities.

use super::super::capacity::interval_of;
use crate::verdict::compare::{CapacityChange, CapacitySide, FoundCapacity};

/// What one search found, or the searches of a side together.
pub(super) struct Found {
    /// Whose: `base`, `base 2`, `base, all`.
    pub(super) side: String,
    /// The interval.
    pub(super) interval: String,
    /// Why there is no more, and what makes it worth nothing.
    pub(super) why: String,
}

/// A row for each search, and one for all of a side where there are several.
pub(super) fn found(change: &CapacityChange) -> Vec<Found> {
    let of_side = |name: &str, side: &CapacitySide| -> Vec<Found> {
        let several = side.searches.len() > 1;
        let row = |(number, search): (usize, &FoundCapacity)| Found {
            side: if several { format!("{name} {number}") } else { name.to_owned() },
            interval: interval_of(change.of, search.low, search.high),
            why: why(search),
        };
        let all = several.then(|| Found {
            side: format!("{name}, all"),
            interval: interval_of(change.of, side.low, side.high),
            why: "what these intervals hold together".to_owned(),
        });
        (1..).zip(&side.searches).map(row).chain(all).collect()
    };
    of_side("base", &change.base).into_iter().chain(of_side("new", &change.new)).collect()
}

/// Why a search found no more.
fn why(search: &FoundCapacity) -> String {
    match search.cause {
        None => "no load that was tried was too much".to_owned(),
        Some(cause) if search.cause_detail.is_empty() => cause.name().to_owned(),
        Some(cause) => format!("{}: {}", cause.name(), search.cause_detail),
    }
}

/// What became of it, in a sentence without its point.
pub(super) fn sentence(change: &CapacityChange) -> String {
    let of = |side: &CapacitySide| interval_of(change.of, side.low, side.high);
    format!("the capacity of {} is {}, and was {}", change.of, of(&change.new), of(&change.base))
}
