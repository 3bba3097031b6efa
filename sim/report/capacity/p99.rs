//! The 99th percentile of a step, or what is known of it all the same.

use crate::measure::CapacityStep;

/// What is known of a step's 99th percentile, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum P99 {
    /// It is this.
    Is(u64),
    /// There are too few samples, and it is no more than the longest of them.
    AtMost(u64),
}

impl P99 {
    /// That of a series; `None` if the step has no sample of it.
    pub(in crate::report) fn of(step: &CapacityStep, series: &str) -> Option<Self> {
        let known = step.p99_us.get(series).copied().map(Self::Is);
        known.or_else(|| step.max_us.get(series).copied().map(Self::AtMost))
    }

    /// Whether it is no more than an upper bound.
    pub(in crate::report) const fn is_bound(self) -> bool {
        matches!(self, Self::AtMost(_))
    }

    /// The value, or its upper bound, in seconds.
    pub(in crate::report) fn seconds(self) -> f64 {
        let (Self::Is(micros) | Self::AtMost(micros)) = self;
        micros as f64 / 1e6
    }

    /// As a figure, by what tells durations; `at_most` stands before what is but a bound.
    pub(in crate::report) fn told(self, at_most: &str, duration: impl Fn(f64) -> String) -> String {
        let value = duration(self.seconds());
        if self.is_bound() { format!("{at_most} {value}") } else { value }
    }
}

/// What the marks in place of percentiles mean, as far as these steps have them, in sentences without their points. So
/// many samples it takes until 10 lie beyond a percentile.
pub(in crate::report) fn legend(steps: &[&CapacityStep], series: &[&str], at_most: &str) -> Vec<String> {
    let any = |of: &dyn Fn(&CapacityStep, &str) -> bool| {
        steps.iter().any(|step| series.iter().any(|series| of(step, series)))
    };
    let bound = any(&|step, series| P99::of(step, series).is_some_and(P99::is_bound));
    let missing = any(&|step, series| !step.p50_us.contains_key(series));
    let bound = bound.then(|| {
        format!("{at_most} is the longest: fewer than 1,000 samples tell no p99, and it is no more than that")
    });
    let missing = missing.then(|| "- is what so few samples do not tell: a p50 takes 20".to_owned());
    bound.into_iter().chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::human_duration;
    use super::super::super::sample::capacity as samples;
    use super::*;

    const SERIES: &str = "method.response";

    #[test]
    fn too_few_samples_tell_what_it_is_at_most() {
        let capacity = samples::capacity();
        let told = |step: &CapacityStep| P99::of(step, SERIES).map(|p99| p99.told("<=", human_duration));
        assert_eq!(told(&capacity.steps[0]).as_deref(), Some("<= 1.46 ms"));
        assert_eq!(told(&capacity.steps[2]).as_deref(), Some("1.73 ms"), "of enough samples it is known");
        assert_eq!(P99::of(&capacity.steps[0], "ping"), None);
    }

    #[test]
    fn only_marks_that_are_there_are_explained() {
        let capacity = samples::capacity();
        let steps: Vec<&CapacityStep> = capacity.steps.iter().collect();
        assert!(legend(&steps[2..6], &[SERIES], "<=").is_empty());
        let bound = "<= is the longest: fewer than 1,000 samples tell no p99, and it is no more than that";
        assert_eq!(legend(&steps, &[SERIES], "<="), [bound]);
        let mut bare = capacity.steps[2].clone();
        bare.p50_us.clear();
        let missing = "- is what so few samples do not tell: a p50 takes 20";
        assert_eq!(legend(&[&bare, steps[0]], &[SERIES], "<="), [bound, missing]);
    }
}
