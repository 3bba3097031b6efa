//! Which of a device's numbered messages have arrived. Pure.

/// The numbers of one device, from 0, as they arrive.
#[derive(Debug, Clone, Default)]
pub(super) struct Deliveries {
    /// One more than the highest that has arrived.
    next: u32,
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
}

impl Deliveries {
    /// So many missing messages of a device are named; those beyond are counted.
    const NAMED: usize = 10_000;

    /// Message `number` arrived.
    pub(super) fn arrived(&mut self, number: u32) -> Arrived {
        if number >= self.next {
            let missing = self.next..number;
            if !missing.is_empty() {
                let named = &mut self.missing;
                let room = Self::NAMED.saturating_sub(named.len());
                self.unnamed += missing.len().saturating_sub(room) as u32;
                named.extend(missing.take(room));
            }
            self.next = number + 1;
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
        let tail = self.next..sent.max(self.next);
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
            assert_eq!(deliveries.arrived(number), arrived, "{number}");
        }
        assert_eq!(deliveries.undelivered(8, &[]), 4, "2, 4, 6 and 7");
        assert_eq!(deliveries.undelivered(8, &[4, 7]), 2);
        assert_eq!(deliveries.undelivered(6, &[2, 4]), 0);
        assert_eq!(Deliveries::default().undelivered(3, &[1]), 2);
    }

    #[test]
    fn a_flood_of_missing_messages_is_counted_and_not_kept() {
        let mut deliveries = Deliveries::default();
        deliveries.arrived(1_000_000);
        assert_eq!(deliveries.undelivered(1_000_001, &[]), 1_000_000);
    }
}
