//! Which load is tried next: pure, so that a search can be gone on with from its steps alone.
//!
//! The load is doubled until it is too much, the interval between the highest load that was kept and the lowest that was not
//! is then halved (by the geometric mean, as its width is a ratio), and in the end both of its ends are confirmed at full
//! length. From a load `start` to a limit of `limit` that takes `floor(log2(limit / start)) + 2` steps of doubling, 4 of
//! halving to 5 %, and 2 to confirm.
//!
//! A hub is noisy: what was kept once may break the next time. Such loads are never decided by the last word. The lower end
//! of the interval is a load at which, and below which, nothing ever broke; the upper end one at which, and above which,
//! nothing was ever kept. What contradicts itself lies between the two, and makes the interval wider.

use crate::measure::StepPurpose;
use crate::policy::CapacityOf;

/// More steps than any search needs: one that contradicts itself all the time must end.
const MOST_STEPS: usize = 60;
/// A search that finds nothing kept gives up at this part of its first load.
const LEAST_PART: f64 = 1.0 / 1024.0;
/// Ends that lie so many widths beyond what contradicts itself are near enough.
const SLACK: f64 = 2.0;
/// No load is higher than this, in any unit.
const HIGHEST: f64 = 1e6;

/// One load that was tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// The load.
    pub load: f64,
    /// Whether it was measured at full length.
    pub full: bool,
    /// Whether it kept the thresholds.
    pub kept: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// This load is to be tried.
    Try {
        /// The load.
        load: f64,
        /// Whether at full length.
        full: bool,
        /// What for.
        purpose: StepPurpose,
    },
    /// Nothing more is to be learnt; whether the interval is what was asked for.
    Done {
        /// It has two confirmed ends that are close enough, or one that nothing lies beyond.
        found: bool,
    },
}

/// A search and what it has tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    of: CapacityOf,
    start: f64,
    limit: f64,
    precision: f64,
    trials: Vec<Trial>,
}

impl Search {
    /// A search from the load `start`, never beyond `limit`, for an interval with this relative width.
    #[must_use]
    pub fn new(of: CapacityOf, start: f64, limit: Option<f64>, precision: f64) -> Self {
        let mut search = Self { of, start, limit: limit.unwrap_or(HIGHEST), precision, trials: Vec::new() };
        // What no load can be is no bound to reach.
        let nearest = search.rounded(search.limit);
        search.limit = if nearest > search.limit { search.digits(search.limit, f64::floor) } else { nearest };
        search.start = search.rounded(start).min(search.limit);
        search
    }

    /// A load was tried.
    pub fn note(&mut self, trial: Trial) {
        self.trials.push(trial);
    }

    /// What was tried, in order.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The highest load at which and below which nothing broke.
    #[must_use]
    pub fn low(&self) -> Option<f64> {
        let broke = self.lowest_broken().unwrap_or(f64::INFINITY);
        self.loads(true).filter(|load| *load < broke).max_by(f64::total_cmp)
    }

    /// The lowest load at which and above which nothing was kept.
    #[must_use]
    pub fn high(&self) -> Option<f64> {
        let kept = self.highest_kept().unwrap_or(0.0);
        self.loads(false).filter(|load| *load > kept).min_by(f64::total_cmp)
    }

    /// The loads that contradict the interval's ends or one another, in ascending order: each was kept once and broke once,
    /// or was kept above one that broke.
    #[must_use]
    pub fn contradictions(&self) -> Vec<f64> {
        let (Some(broken), Some(kept)) = (self.lowest_broken(), self.highest_kept()) else { return Vec::new() };
        let mut between: Vec<f64> =
            self.trials.iter().map(|trial| trial.load).filter(|load| (broken..=kept).contains(load)).collect();
        between.sort_by(f64::total_cmp);
        between.dedup();
        between
    }

    /// The relative width of the interval.
    #[must_use]
    pub fn width(&self) -> Option<f64> {
        Some(self.high()? / self.low()? - 1.0)
    }

    /// What to try next.
    #[must_use]
    pub fn next(&self) -> Next {
        if self.trials.len() >= MOST_STEPS {
            return Next::Done { found: false };
        }
        match (self.low(), self.high()) {
            (None, None) if self.trials.is_empty() => self.attempt(self.start, false, StepPurpose::Double),
            (None, _) => self.below(),
            (Some(low), None) => self.above(low),
            (Some(low), Some(high)) => self.between(low, high),
        }
    }

    /// Nothing was kept below what broke: further down.
    fn below(&self) -> Next {
        let lowest = self.trials.iter().map(|trial| trial.load).fold(f64::INFINITY, f64::min);
        let load = self.rounded(lowest / 2.0);
        if load < self.start * LEAST_PART || load >= lowest {
            return Next::Done { found: false };
        }
        self.attempt(load, false, StepPurpose::Halve)
    }

    /// Nothing broke above what was kept: further up.
    fn above(&self, low: f64) -> Next {
        let highest = self.trials.iter().map(|trial| trial.load).fold(low, f64::max);
        if highest < self.limit {
            return self.attempt((highest * 2.0).min(self.limit), false, StepPurpose::Double);
        }
        if self.is_confirmed(low, true) {
            return Next::Done { found: low >= self.limit };
        }
        self.attempt(low, true, StepPurpose::Confirm)
    }

    fn between(&self, low: f64, high: f64) -> Next {
        match self.contradictions()[..] {
            [] if high / low - 1.0 > self.precision => {
                let load = self.rounded((low * high).sqrt());
                if low < load && load < high {
                    return self.attempt(load, false, StepPurpose::Bisect);
                }
            }
            [] => {}
            [first, .., last] | [first @ last] => {
                let slack = 1.0 + SLACK * self.precision;
                let widened = self.trials.iter().filter(|trial| trial.full).count();
                // Each time further, as nobody knows how far the noise reaches.
                let reach = (1.0 + self.precision).powi(1 + i32::try_from(widened / 4).unwrap_or(i32::MAX));
                let (under, over) = (self.rounded(first / reach), self.rounded(last * reach));
                if first / low > slack && low < under && under < first {
                    return self.attempt(under, true, StepPurpose::Widen);
                }
                if high / last > slack && last < over && over < high {
                    return self.attempt(over, true, StepPurpose::Widen);
                }
            }
        }
        for (end, kept) in [(low, true), (high, false)] {
            if !self.is_confirmed(end, kept) {
                return self.attempt(end, true, StepPurpose::Confirm);
            }
        }
        Next::Done { found: true }
    }

    fn attempt(&self, load: f64, full: bool, purpose: StepPurpose) -> Next {
        Next::Try { load: self.rounded(load), full, purpose }
    }

    /// Four digits are enough for any precision, and devices are whole.
    fn rounded(&self, load: f64) -> f64 {
        self.digits(load, f64::round)
    }

    fn digits(&self, load: f64, whole: fn(f64) -> f64) -> f64 {
        if self.of == CapacityOf::Devices {
            return whole(load).max(1.0);
        }
        let digits = 10_f64.powi(3 - load.log10().floor() as i32);
        whole(load * digits) / digits
    }

    fn is_confirmed(&self, load: f64, kept: bool) -> bool {
        self.trials.iter().any(|trial| trial.full && trial.load == load && trial.kept == kept)
    }

    fn lowest_broken(&self) -> Option<f64> {
        self.loads(false).min_by(f64::total_cmp)
    }

    fn highest_kept(&self) -> Option<f64> {
        self.loads(true).max_by(f64::total_cmp)
    }

    fn loads(&self, kept: bool) -> impl Iterator<Item = f64> {
        self.trials.iter().filter(move |trial| trial.kept == kept).map(|trial| trial.load)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches where `keeps` says whether a load is kept; the search in its end, and whether it found what it was to.
    fn search(start: f64, limit: Option<f64>, mut keeps: impl FnMut(f64, bool) -> bool) -> (Search, bool) {
        let mut search = Search::new(CapacityOf::Calls, start, limit, 0.05);
        loop {
            match search.next() {
                Next::Try { load, full, .. } => {
                    let kept = keeps(load, full);
                    search.note(Trial { load, full, kept });
                }
                Next::Done { found } => return (search, found),
            }
        }
    }

    fn loads(search: &Search) -> Vec<f64> {
        search.trials().iter().map(|trial| trial.load).collect()
    }

    #[test]
    fn a_sharp_limit_is_found_and_both_ends_are_confirmed() {
        let (search, found) = search(10.0, None, |load, _| load <= 40.4);
        assert!(found);
        assert_eq!(loads(&search), [10.0, 20.0, 40.0, 80.0, 56.57, 47.57, 43.62, 41.77, 40.0, 41.77]);
        assert_eq!((search.low(), search.high()), (Some(40.0), Some(41.77)));
        assert!(search.trials()[8..].iter().all(|trial| trial.full));
    }

    #[test]
    fn a_low_end_that_breaks_when_it_is_confirmed_makes_the_interval_wider_and_not_half_as_low() {
        let mut confirmed = 0;
        let (search, found) = search(10.0, None, |load, full| {
            confirmed += usize::from(full);
            load <= 40.0 && !(load == 40.0 && confirmed == 1)
        });
        assert!(found);
        assert_eq!(search.contradictions(), [40.0]);
        assert_eq!((search.low(), search.high()), (Some(38.1), Some(41.77)));
        let (_, tail) = search.trials().split_at(8);
        assert_eq!(
            tail.iter().map(|trial| (trial.load, trial.kept)).collect::<Vec<_>>(),
            [(40.0, false), (38.1, true), (41.77, false)]
        );
    }

    #[test]
    fn a_high_end_that_is_kept_when_it_is_confirmed_does_so_too() {
        let mut times = 0;
        let (search, found) = search(10.0, None, |load, _| {
            times += usize::from(load == 41.77);
            load <= 40.0 || (load == 41.77 && times == 2)
        });
        assert!(found);
        assert_eq!((search.low(), search.high(), search.contradictions()), (Some(40.0), Some(43.62), vec![41.77]));
    }

    #[test]
    fn a_start_that_is_too_much_is_halved_until_something_is_kept() {
        let (low, _) = search(64.0, None, |load, _| load <= 5.0);
        assert!(low.low().unwrap() <= 5.0 && low.width().unwrap() <= 0.05, "{low:?}");
        let (never, found) = search(64.0, None, |_, _| false);
        assert_eq!((never.low(), found), (None, false));
        assert!(never.trials().len() <= 12);
    }

    #[test]
    fn a_bound_that_is_kept_is_confirmed_and_ends_the_search() {
        let (search, found) = search(10.0, Some(50.0), |_, _| true);
        assert!(found);
        assert_eq!(
            (loads(&search), search.low(), search.high()),
            (vec![10.0, 20.0, 40.0, 50.0, 50.0], Some(50.0), None)
        );
    }

    #[test]
    fn devices_are_whole_and_two_neighbours_cannot_get_any_closer() {
        let mut search = Search::new(CapacityOf::Devices, 4.0, None, 0.05);
        while let Next::Try { load, full, .. } = search.next() {
            assert!(load.fract() == 0.0);
            search.note(Trial { load, full, kept: load <= 9.0 });
        }
        assert_eq!((search.low(), search.high()), (Some(9.0), Some(10.0)));
    }

    proptest! {
        #[test]
        fn no_bound_is_passed_or_tried_for_ever(start in 0.5..2_000.0_f64, factor in 1.0..100.0_f64) {
            let bound = start * factor;
            let (search, found) = search(start, Some(bound), |_, _| true);
            prop_assert!(found && search.high().is_none());
            let low = search.low().unwrap();
            prop_assert!(low <= bound && low > bound * 0.998, "{low} of {bound}");
            prop_assert!(search.trials().iter().all(|trial| trial.load <= bound));
            prop_assert!(search.trials().len() <= 10);
        }

        #[test]
        fn any_limit_is_found_in_so_many_steps(start in 0.5..2_000.0_f64, factor in 1.0..500.0_f64) {
            let limit = start * factor;
            let (search, found) = search(start, None, |load, _| load <= limit);
            prop_assert!(found);
            let (low, high) = (search.low().unwrap(), search.high().unwrap());
            prop_assert!(low <= limit && limit < high, "{low} {limit} {high}");
            prop_assert!(high / low - 1.0 <= 0.05);
            // The first load is rounded, by half of its fourth digit at most.
            let steps = search.trials().len() as f64;
            prop_assert!(steps <= 8.0 + (factor * 1.001).log2(), "{steps} steps to {factor} times the start");
        }

        #[test]
        fn whatever_a_hub_does_the_search_ends_and_hides_nothing(
            start in 1.0..100.0_f64,
            limit in 1.0..1_000.0_f64,
            noise in prop::collection::vec(-0.3..0.3_f64, 80),
        ) {
            let mut noise = noise.into_iter();
            let (search, found) = search(start, None, |load, _| load <= limit * (1.0 + noise.next().unwrap_or(0.0)));
            let (low, high) = (search.low(), search.high());
            for trial in search.trials() {
                prop_assert!(trial.kept || low.is_none_or(|low| trial.load > low), "{trial:?} broke, low is {low:?}");
                prop_assert!(!trial.kept || high.is_none_or(|high| trial.load < high), "{trial:?} was kept, high is {high:?}");
            }
            if found {
                let (low, high) = (low.unwrap(), high.unwrap());
                prop_assert!(low < high);
                let is_full = |load, kept| search.trials().contains(&Trial { load, full: true, kept });
                prop_assert!(is_full(low, true) && is_full(high, false));
            }
        }
    }
}
