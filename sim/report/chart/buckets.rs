//! Many seconds as few: a picture has so many columns, and says of how many seconds each is.

use std::ops::Range;

/// Seconds of a run that are drawn as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Which intervals they are.
    pub intervals: Range<usize>,
    /// When the first begins, in seconds.
    pub from_s: f64,
    /// When the last ends, in seconds.
    pub to_s: f64,
}

impl Bucket {
    /// How long it is, in seconds; never nothing, so that it can be divided by.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        (self.to_s - self.from_s).max(1e-6)
    }

    /// The middle of it.
    #[must_use]
    pub const fn middle_s(&self) -> f64 {
        f64::midpoint(self.from_s, self.to_s)
    }
}

/// At most `most` buckets of equally many intervals each, the last of what is left. `ends` are the ends of the intervals
/// in seconds, in order, and their lengths.
#[must_use]
pub fn buckets(ends: &[(f64, f64)], most: usize) -> Vec<Bucket> {
    let each = ends.len().div_ceil(most.max(1)).max(1);
    let mut from_s = ends.first().map_or(0.0, |(end, length)| (end - length).max(0.0));
    let mut all = Vec::with_capacity(ends.len().div_ceil(each));
    for (number, chunk) in ends.chunks(each).enumerate() {
        let to_s = chunk.last().map_or(from_s, |(end, _)| end.max(from_s));
        all.push(Bucket { intervals: number * each..number * each + chunk.len(), from_s, to_s });
        from_s = to_s;
    }
    all
}

/// The same as at most `most` buckets, each of whole ones of these.
#[must_use]
pub fn grouped(buckets: &[Bucket], most: usize) -> Vec<Bucket> {
    let each = buckets.len().div_ceil(most.max(1)).max(1);
    let group = |chunk: &[Bucket]| {
        let (first, last) = (chunk.first()?, chunk.last()?);
        Some(Bucket { intervals: first.intervals.start..last.intervals.end, from_s: first.from_s, to_s: last.to_s })
    };
    buckets.chunks(each).filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_interval_is_in_one_bucket_and_sums_stay(counts in proptest::collection::vec(0..1000_u64, 0..700), most in 1..300_usize) {
            let ends: Vec<(f64, f64)> = (1..=counts.len()).map(|n| (n as f64, 1.0)).collect();
            let all = buckets(&ends, most);
            prop_assert!(all.len() <= most);
            let sum: u64 = all.iter().flat_map(|bucket| &counts[bucket.intervals.clone()]).sum();
            prop_assert_eq!(sum, counts.iter().sum::<u64>());
            prop_assert!(all.windows(2).all(|pair| pair[0].to_s == pair[1].from_s && pair[0].intervals.end == pair[1].intervals.start));
            let groups = grouped(&all, 7);
            prop_assert!(groups.len() <= 7);
            prop_assert_eq!(groups.iter().map(|group| group.intervals.len()).sum::<usize>(), counts.len());
            prop_assert!(groups.iter().all(|group| all.iter().any(|bucket| bucket.from_s == group.from_s)));
            if let (Some(first), Some(last)) = (all.first(), all.last()) {
                prop_assert_eq!((first.from_s, last.to_s), (0.0, counts.len() as f64));
            }
        }
    }

    #[test]
    fn a_short_run_is_drawn_second_by_second() {
        let ends = [(1.0, 0.9), (2.0, 1.0), (2.4, 0.4)];
        let all = buckets(&ends, 200);
        assert_eq!(all.len(), 3);
        assert!((all[0].from_s - 0.1).abs() < 1e-9 && (all[2].length_s() - 0.4).abs() < 1e-9);
        assert!((all[1].middle_s() - 1.5).abs() < 1e-9);
    }
}
