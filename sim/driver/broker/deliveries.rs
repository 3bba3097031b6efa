//! Which of a device's numbered messages have arrived. Pure.

/// The numbers of one device, from 0, as they arrive.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries {
    /// One more than the highest that has arrived; `None` before any has.
    next: Option<u32>,
    /// Those below that have not, in order; there are none mostly.
    missing: Vec<u32>,
    /// Those that are missing, and not named, as there are too many.
    unnamed: u32,
}

/// What arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    /// For the first time.
    New,
    /// Again.
    Again,
    /// The device has not sent it.
    Foreign,
}

impl Deliveries {
    /// So many missing messages of a device are named; those beyond are counted.
    const NAMED: usize = 10_000;

    /// Message `number` arrived of a device that has `sent` so many, where that is known.
    pub(super) fn arrived(&mut self, number: u32, sent: impl FnOnce() -> Option<u32>) -> Arrived {
        let next = self.next.unwrap_or_default();
        if number >= next {
            let from = match (number > next).then(sent) {
                Some(Some(sent)) if number >= sent => return Arrived::Foreign,
                // What was sent before anybody listened is not missing.
                Some(None) if self.next.is_none() => number,
                _ => next,
            };
            let missing = from..number;
            if !missing.is_empty() {
                let named = &mut self.missing;
                let room = Self::NAMED.saturating_sub(named.len());
                self.unnamed += missing.len().saturating_sub(room) as u32;
                named.extend(missing.take(room));
            }
            self.next = Some(number.saturating_add(1));
            return Arrived::New;
        }
        match self.missing.binary_search(&number) {
            Ok(place) => {
                self.missing.remove(place);
                Arrived::New
            }
            Err(_) => Arrived::Again,
        }
    }

    /// Of the first `sent` numbers, how many have not arrived and are none of the `lost` ones.
    pub(super) fn undelivered(&self, sent: u32, lost: &[u32]) -> u64 {
        let named = &self.missing;
        let next = self.next.unwrap_or_default();
        let tail = next..sent.max(next);
        let missing = named.iter().copied().chain(tail).filter(|number| !lost.contains(number)).count();
        missing as u64 + u64::from(self.unnamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_arrive_is_found_and_what_comes_late_or_twice_is_told() {
        let mut deliveries = Deliveries::default();
        for (number, arrived) in [
            (0, Arrived::New),
            (3, Arrived::New),
            (3, Arrived::Again),
            (1, Arrived::New),
            (1, Arrived::Again),
            (5, Arrived::New),
        ] {
            assert_eq!(deliveries.arrived(number, || Some(8)), arrived, "{number}");
        }
        assert_eq!(deliveries.undelivered(8, &[]), 4, "2, 4, 6 and 7");
        assert_eq!(deliveries.undelivered(8, &[4, 7]), 2);
        assert_eq!(deliveries.undelivered(6, &[2, 4]), 0);
        assert_eq!(Deliveries::default().undelivered(3, &[1]), 2);
    }

    #[test]
    fn a_flood_of_missing_messages_is_counted_and_not_kept() {
        let mut deliveries = Deliveries::default();
        deliveries.arrived(1_000_000, || Some(1_000_001));
        assert_eq!(deliveries.undelivered(1_000_001, &[]), 1_000_000);
    }

    #[test]
    fn who_listens_later_misses_nothing_of_before_unless_it_is_known_that_it_was_to_hear_it() {
        for (sent, undelivered) in [(None, 1), (Some(9), 8)] {
            let mut deliveries = Deliveries::default();
            for number in [7, 8, 10] {
                deliveries.arrived(number, || sent.map(|sent: u32| sent.max(number + 1)));
            }
            assert_eq!(deliveries.undelivered(0, &[]), undelivered, "{sent:?}");
        }
    }

    #[test]
    fn a_number_that_no_device_has_sent_yet_is_somebody_else_s() {
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.arrived(0, || Some(2)), Arrived::New);
        assert_eq!(deliveries.arrived(u32::MAX, || Some(2)), Arrived::Foreign);
        assert_eq!(deliveries.undelivered(2, &[]), 1);
        // Where that is not known, it must not break anything.
        assert_eq!(Deliveries::default().arrived(u32::MAX, || None), Arrived::New);
    }
}
