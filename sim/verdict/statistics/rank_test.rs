//! The two-sided Mann-Whitney test (Wilcoxon's rank sum): do values of one side tend to be larger than the other's?

/// Up to so many values on both sides together p is exact; beyond, it is the normal approximation.
pub const EXACT_UP_TO: usize = 64;

/// What the test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankTest {
    /// Mann and Whitney's U of the first side: pairs of which its value is the larger one, and half of the equal ones.
    pub u: f64,
    /// How probable at least so uneven a division of the ranks is if the sides do not differ, 0 to 1.
    pub p: f64,
    /// Whether p is exact.
    pub exact: bool,
}

/// Compares two sides; `None` if one is empty. No value may be NaN.
///
/// Equal values share the mean of their ranks. p is the share of all divisions of these very ranks into two sides of these
/// sizes whose rank sum is at least as far from the expected one as this division's: exact with ties too. Beyond
/// [`EXACT_UP_TO`] values it comes from the normal approximation, corrected for ties and continuity.
#[must_use]
pub fn rank_test(first: &[f64], second: &[f64]) -> Option<RankTest> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(first, second);
    let (n, m) = (first.len() as u64, second.len() as u64);
    let sum: u64 = ranks[..first.len()].iter().sum();
    // Doubled, as the ranks are: n (N + 1) / 2 for the rank sum that is expected.
    let expected = n * (n + m + 1);
    let u = (sum - n * (n + 1)) as f64 / 2.0;
    let off = sum.abs_diff(expected);
    let exact = ranks.len() <= EXACT_UP_TO;
    let p = if exact { exact_p(&ranks, first.len(), expected, off) } else { normal_p(&ranks, n, m, off) };
    Some(RankTest { u, p, exact })
}

/// The smallest p that any outcome of sides of these sizes can have; 1 if one is empty.
#[must_use]
pub fn smallest_p(first: usize, second: usize) -> f64 {
    // Two of all divisions are that uneven.
    (2.0 / divisions(first + second, first)).min(1.0)
}

/// In how many ways `count` of `all` can be chosen.
fn divisions(all: usize, count: usize) -> f64 {
    (0..count).map(|n| (all - n) as f64 / (n + 1) as f64).product::<f64>().round()
}

/// Twice the rank of each value, the first side's first: whole numbers, as a shared rank may end in a half.
fn doubled_ranks(first: &[f64], second: &[f64]) -> Vec<u64> {
    let values: Vec<f64> = first.iter().chain(second).copied().collect();
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        (2 * below + equal + 1) as u64
    };
    values.iter().map(rank).collect()
}

/// The share of divisions whose rank sum is at least `off` from `expected`.
fn exact_p(ranks: &[u64], size: usize, expected: u64, off: u64) -> f64 {
    let most = ranks.iter().sum::<u64>() as usize;
    // In how many ways so many of the ranks looked at so far have this sum. 64 choose 32 has 61 bits.
    let mut ways = vec![vec![0_u64; most + 1]; size + 1];
    ways[0][0] = 1;
    let mut reached = 0;
    for (seen, rank) in ranks.iter().enumerate() {
        let rank = *rank as usize;
        reached += rank;
        // From the largest count down, so that no rank is taken twice.
        for count in (1..=size.min(seen + 1)).rev() {
            let (fewer, these) = ways.split_at_mut(count);
            for (to, from) in these[0][rank..=reached].iter_mut().zip(&fewer[count - 1]) {
                *to += from;
            }
        }
    }
    let (mut far, mut all) = (0, 0);
    for (sum, ways) in ways[size].iter().enumerate() {
        all += ways;
        far += if (sum as u64).abs_diff(expected) >= off { *ways } else { 0 };
    }
    far as f64 / all as f64
}

/// The normal approximation. `off` is doubled.
fn normal_p(ranks: &[u64], n: u64, m: u64, off: u64) -> f64 {
    let (n, m, all) = (n as f64, m as f64, ranks.len() as f64);
    let ties: f64 =
        ranks.iter().map(|rank| ranks.iter().filter(|other| *other == rank).count() as f64).map(|t| t * t - 1.0).sum();
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (off as f64 / 2.0 - 0.5).max(0.0) / variance.sqrt();
    erfc(z / std::f64::consts::SQRT_2).min(1.0)
}

/// The complementary error function of `x` from 0 on, within 1.5e-7 (Abramowitz and Stegun 7.1.26).
fn erfc(x: f64) -> f64 {
    const FACTORS: [f64; 5] = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    FACTORS.iter().fold(0.0, |sum, factor| (sum + factor) * t) * (-x * x).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(from: u32, to: u32, by: f64) -> Vec<f64> {
        (from..=to).map(|n| f64::from(n) + by).collect()
    }

    #[track_caller]
    fn check(first: &[f64], second: &[f64], u: f64, p: f64) {
        let found = rank_test(first, second).unwrap();
        assert!((found.p - p).abs() < 1e-12 && found.u == u && found.exact, "{found:?}");
    }

    #[test]
    fn known_answers_without_ties() {
        // scipy.stats.mannwhitneyu(method="exact") of SciPy 1.x.
        check(&counted(1, 5, 0.0), &counted(6, 10, 0.0), 0.0, 2.0 / 252.0);
        check(&counted(5, 8, 0.0), &counted(1, 4, 0.0), 16.0, 2.0 / 70.0);
        check(&counted(1, 3, 0.0), &counted(4, 6, 0.0), 0.0, 0.1);
        check(&[1.1, 2.2, 3.3, 7.7, 4.4], &[2.5, 3.5, 6.6, 8.8, 9.9], 6.0, 0.222_222_222_222_222_2);
        check(&[19.0, 22.0, 16.0, 29.0, 24.0], &[20.0, 11.0, 17.0, 12.0], 17.0, 0.111_111_111_111_111_1);
        check(&counted(1, 20, 0.0), &counted(1, 20, 4.5), 120.0, 0.030_411_256_038_764_864);
        check(&counted(1, 30, 0.0), &counted(1, 30, 4.5), 325.0, 0.065_399_114_713_278_9);
    }

    #[test]
    fn known_answers_with_ties() {
        // Every division enumerated.
        check(&[1.0, 2.0, 2.0, 3.0], &[2.0, 3.0, 4.0, 4.0, 5.0], 2.5, 11.0 / 126.0);
        check(&[1.0, 1.0, 1.0, 2.0, 2.0], &[2.0, 2.0, 3.0, 3.0, 3.0], 2.0, 1.0 / 21.0);
        check(&[5.0; 3], &[5.0; 3], 4.5, 1.0);
        check(&[0.0; 5], &[0.0, 0.0, 0.0, 0.0, 3.0], 10.0, 1.0);
        check(&counted(1, 3, 0.0), &counted(3, 6, 0.0), 0.5, 3.0 / 35.0);
    }

    #[test]
    fn beyond_the_exact_sizes_it_is_the_normal_approximation() {
        // scipy.stats.mannwhitneyu(method="asymptotic").
        let found = rank_test(&counted(1, 40, 0.0), &counted(1, 40, 7.5)).unwrap();
        assert!((found.p - 0.008_988_007_122).abs() < 1e-6 && !found.exact, "{found:?}");
        let repeated = |values: [f64; 7]| values.repeat(5);
        let found =
            rank_test(&repeated([1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0]), &repeated([2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]));
        assert!((found.unwrap().p - 4.113_543_841e-5).abs() < 1e-6, "{found:?}");
        assert_eq!(rank_test(&[1.0; 40], &[1.0; 40]).unwrap().p, 1.0);
    }

    #[test]
    fn so_few_runs_can_show_no_more() {
        for (first, second, p) in [(3, 3, 0.1), (4, 4, 2.0 / 70.0), (5, 5, 2.0 / 252.0), (1, 1, 1.0), (2, 0, 1.0)] {
            assert!((smallest_p(first, second) - p).abs() < 1e-15, "{first} {second}");
        }
        assert_eq!(rank_test(&[], &[1.0]), None);
    }

    /// Every division, one by one.
    fn enumerated(first: &[f64], second: &[f64]) -> f64 {
        let ranks = doubled_ranks(first, second);
        let expected = (first.len() * (ranks.len() + 1)) as u64;
        let sum_of = |set: u32| -> u64 { (0..ranks.len()).filter(|n| set >> n & 1 == 1).map(|n| ranks[n]).sum() };
        let off = |set| sum_of(set).abs_diff(expected);
        let own = off((1 << first.len()) - 1);
        let sets: Vec<u32> =
            (0..1 << ranks.len()).filter(|set: &u32| set.count_ones() as usize == first.len()).collect();
        sets.iter().filter(|set| off(**set) >= own).count() as f64 / sets.len() as f64
    }

    proptest! {
        #[test]
        fn it_counts_what_enumeration_counts(
            first in proptest::collection::vec(0..6_u32, 1..6), second in proptest::collection::vec(0..6_u32, 1..6),
        ) {
            let [first, second] = [first, second].map(|side| side.into_iter().map(f64::from).collect::<Vec<_>>());
            let found = rank_test(&first, &second).unwrap();
            prop_assert!((found.p - enumerated(&first, &second)).abs() < 1e-12);
        }

        #[test]
        fn neither_the_sides_names_nor_the_scale_nor_the_order_matter(
            mut first in proptest::collection::vec(0.001..1e6_f64, 1..9),
            mut second in proptest::collection::vec(0.001..1e6_f64, 1..9),
        ) {
            let found = rank_test(&first, &second).unwrap();
            let swapped = rank_test(&second, &first).unwrap();
            prop_assert_eq!(found.p, swapped.p);
            prop_assert_eq!(found.u + swapped.u, (first.len() * second.len()) as f64);
            prop_assert!(found.p >= smallest_p(first.len(), second.len()) - 1e-15 && found.p <= 1.0);
            // By a power of two, so that no rounding makes values equal.
            first.iter_mut().chain(&mut second).for_each(|value| *value *= 1024.0);
            first.reverse();
            prop_assert_eq!(rank_test(&first, &second), Some(found));
        }
    }
}
