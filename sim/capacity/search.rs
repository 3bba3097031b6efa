//! Which load is tried next: pure, so that a search can be gone on with from its steps alone.
//!
//! The load is doubled until it is too much, the interval between the highest load that was kept and the lowest that was not
//! is then halved (by the geometric mean, as its width is a ratio), and in the end both of its ends are confirmed at full
//! length. From a load `start` to a limit of `limit` that takes `floor(log2(limit / start)) + 2` steps of doubling, 4 of
//! halving to 5 %, and 2 to confirm.
//!
//! A hub is noisy, and so is the machine that measures it: what was kept once may break the next time. So a load is judged by
//! all that was seen of it, each trial by its length, and one that was kept once and broke once is tried again at full length
//! until one of the two has three quarters of the time. That way a hiccup costs steps and not the answer: it is outvoted where it
//! was, and told. What stays undecided, or contradicts its neighbours (kept above what broke), is never decided by the last
//! word: the interval holds it all, and becomes wider. So the lower end is a load at which, and below which, nothing was found
//! to break; the upper end one at which, and above which, nothing was found to be kept. (The same idea as in the FD.io project's
//! MLRsearch, whose loads may by default exceed their loss in half of the time; here it is a quarter.)

use crate::measure::StepPurpose;
use crate::policy::CapacityOf;

/// More steps than any search needs: one that contradicts itself all the time must end.
const MOST_STEPS: usize = 60;
/// A search that finds nothing kept gives up at this part of its first load.
const LEAST_PART: f64 = 1.0 / 1024.0;
/// What a trial counts for, by its length: those on the way are measured for half the time.
const WEIGHTS: (u32, u32) = (1, 2);
/// A load is decided where one answer has so many times the weight of the other.
const MAJORITY: u32 = 3;
/// Trials of one load at full length after which nobody asks any more.
const MOST_ASKED: usize = 5;
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

    /// The same search after these trials.
    #[must_use]
    pub fn after(&self, trials: impl Iterator<Item = Trial>) -> Self {
        Self { trials: trials.collect(), ..*self }
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

    /// The highest load at which and below which nothing was found to break.
    #[must_use]
    pub fn low(&self) -> Option<f64> {
        let doubtful = self.lowest_doubtful().unwrap_or(f64::INFINITY);
        self.loads().filter(|load| *load < doubtful).max_by(f64::total_cmp)
    }

    /// The lowest load at which and above which nothing was found to be kept.
    #[must_use]
    pub fn high(&self) -> Option<f64> {
        let doubtful = self.highest_doubtful().unwrap_or(0.0);
        self.loads().filter(|load| *load > doubtful).min_by(f64::total_cmp)
    }

    /// The loads that contradict themselves or one another, in ascending order: what they showed is not decided, or they were
    /// kept above one that broke.
    #[must_use]
    pub fn contradictions(&self) -> Vec<f64> {
        let (Some(broken), Some(kept)) = (self.lowest_doubtful(), self.highest_doubtful()) else { return Vec::new() };
        let mut between: Vec<f64> = self.loads().filter(|load| (broken..=kept).contains(load)).collect();
        between.sort_by(f64::total_cmp);
        between.dedup();
        between
    }

    /// The trials that others of the same load outvoted: they are told, and count for nothing.
    pub fn outvoted(&self) -> impl Iterator<Item = (usize, &Trial)> {
        let lost = |trial: &Trial| self.decided(trial.load).is_some_and(|kept| kept != trial.kept);
        self.trials.iter().enumerate().filter(move |(_, trial)| lost(trial))
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
        if let Some(load) = self.undecided() {
            return self.attempt(load, true, StepPurpose::Repeat);
        }
        match (self.low(), self.high()) {
            (None, None) if self.trials.is_empty() => self.attempt(self.start, false, StepPurpose::Double),
            (None, _) => self.below(),
            (Some(low), None) => self.above(low),
            (Some(low), Some(high)) => self.between(low, high),
        }
    }

    /// A load of which more is to be learnt by trying it again: the lowest that was kept once and broke once; or, of loads that
    /// contradict one another, the lowest that broke and then the highest that was kept, each of them once more.
    fn undecided(&self) -> Option<f64> {
        let contradictions = self.contradictions();
        let open = contradictions.iter().find(|load| self.decided(**load).is_none() && self.asked(**load) < MOST_ASKED);
        let (first, last) = (contradictions.first()?, contradictions.last()?);
        let ends = || [first, last].into_iter().find(|load| self.decided(**load).is_some() && self.asked(**load) < 2);
        open.or_else(ends).copied()
    }

    /// How many steps there will be after the next one, short ones and such of full length, if no step contradicts another;
    /// `None` as long as nobody knows where the upper end is.
    #[must_use]
    pub fn to_go(&self) -> Option<(usize, usize)> {
        let (low, high) = (self.low()?, self.high()?);
        let halvings = ((high / low).ln() / (1.0 + self.precision).ln()).log2().ceil().max(0.0) as usize;
        let ends = [(low, true), (high, false)];
        let open = ends.into_iter().filter(|(end, kept)| !self.is_confirmed(*end, *kept)).count();
        // One of the ends moves with each halving.
        let open = if halvings > 0 { 2 } else { open };
        Some(if halvings > 0 { (halvings - 1, open) } else { (0, open.saturating_sub(1)) })
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
                let within = self.contradictions();
                let widened = within.iter().filter(|load| self.asked(**load) > 0).count();
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

    /// How often a load was tried at full length.
    fn asked(&self, load: f64) -> usize {
        self.trials.iter().filter(|trial| trial.full && trial.load == load).count()
    }

    /// Whether a load keeps the thresholds, by three quarters of the time for which it was tried.
    fn decided(&self, load: f64) -> Option<bool> {
        let weight = |kept: bool| -> u32 {
            let those = self.trials.iter().filter(|trial| trial.load == load && trial.kept == kept);
            those.map(|trial| if trial.full { WEIGHTS.1 } else { WEIGHTS.0 }).sum()
        };
        let (kept, broken) = (weight(true), weight(false));
        match (kept >= broken * MAJORITY, broken >= kept * MAJORITY) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// The lowest load that was not found to be kept.
    fn lowest_doubtful(&self) -> Option<f64> {
        self.loads().filter(|load| self.decided(*load) != Some(true)).min_by(f64::total_cmp)
    }

    /// The highest load that was not found to break.
    fn highest_doubtful(&self) -> Option<f64> {
        self.loads().filter(|load| self.decided(*load) != Some(false)).max_by(f64::total_cmp)
    }

    fn loads(&self) -> impl Iterator<Item = f64> {
        self.trials.iter().map(|trial| trial.load)
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

    /// What was tried after the last step on the way, and whether it was kept.
    fn tail(search: &Search, from: usize) -> Vec<(f64, bool)> {
        search.trials()[from..].iter().map(|trial| (trial.load, trial.kept)).collect()
    }

    #[test]
    fn an_end_that_breaks_once_is_asked_again_until_three_quarters_agree() {
        let mut confirmed = 0;
        let (search, found) = search(10.0, None, |load, full| {
            confirmed += usize::from(full);
            load <= 40.0 && !(load == 40.0 && confirmed == 1)
        });
        assert!(found && search.contradictions().is_empty());
        assert_eq!((search.low(), search.high()), (Some(40.0), Some(41.77)));
        // Broken at full length and kept at half of it, it takes three more.
        assert_eq!(tail(&search, 8), [(40.0, false), (40.0, true), (40.0, true), (40.0, true), (41.77, false)]);
        let outvoted: Vec<usize> = search.outvoted().map(|(index, _)| index).collect();
        assert_eq!(outvoted, [8]);
    }

    #[test]
    fn an_end_that_stays_undecided_makes_the_interval_wider_and_not_half_as_low() {
        let mut asked = 0;
        let (search, found) = search(10.0, None, |load, full| {
            asked += usize::from(full && load == 40.0);
            load < 40.0 || (load == 40.0 && (!full || asked % 2 == 0))
        });
        assert!(found);
        assert_eq!(search.contradictions(), [40.0]);
        assert_eq!((search.low(), search.high()), (Some(38.1), Some(41.77)));
        assert_eq!(tail(&search, 8 + MOST_ASKED), [(38.1, true), (41.77, false)]);
        assert_eq!(search.outvoted().count(), 0, "nobody has won");
    }

    #[test]
    fn what_is_kept_above_what_breaks_is_asked_once_more_and_then_lies_within() {
        // A hub that cannot do 50 to 60, and can do more.
        let (mut search, keeps) = (Search::new(CapacityOf::Calls, 40.0, None, 0.05), |load: f64| {
            !(50.0..60.0).contains(&load) && load < 70.0
        });
        for load in [40.0, 55.0, 65.0, 80.0] {
            search.note(Trial { load, full: false, kept: keeps(load) });
        }
        assert_eq!(search.contradictions(), [55.0, 65.0]);
        let mut found = false;
        while let Next::Try { load, full, .. } = search.next() {
            search.note(Trial { load, full, kept: keeps(load) });
            found = matches!(search.next(), Next::Done { found: true });
        }
        assert!(found);
        let (low, high) = (search.low().unwrap(), search.high().unwrap());
        assert!(low < 55.0 && 65.0 < high, "{low} to {high}");
        assert_eq!(tail(&search, 4)[..2], [(55.0, false), (55.0, false)]);
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
        fn one_hiccup_costs_steps_and_not_the_answer(
            start in 0.5..2_000.0_f64,
            factor in 1.0..500.0_f64,
            hiccup in 0..14_usize,
        ) {
            let limit = start * factor;
            let mut number = 0;
            let (search, found) = search(start, None, |load, _| {
                number += 1;
                (load <= limit) != (number == hiccup + 1)
            });
            prop_assert!(found);
            let (low, high) = (search.low().unwrap(), search.high().unwrap());
            prop_assert!(low <= limit && limit < high, "{low} {limit} {high}");
            prop_assert!(high / low - 1.0 <= 0.05);
            let outvoted = search.outvoted().map(|(index, _)| index).collect::<Vec<_>>();
            prop_assert!(outvoted.is_empty() || outvoted == [hiccup], "{outvoted:?}");
            // It broke in vain, the interval above it was halved, its end asked for twice, and what was above it tried again.
            let steps = search.trials().len() as f64;
            prop_assert!(steps <= 8.0 + (factor * 1.001).log2() + 12.0, "{steps} steps to {factor} times the start");
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
            let outvoted = search.outvoted().map(|(index, _)| index).collect::<Vec<_>>();
            for (index, trial) in search.trials().iter().enumerate() {
                if outvoted.contains(&index) {
                    continue;
                }
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
