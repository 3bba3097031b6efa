//! What holds for every policy, whatever the failures and the random numbers.

use std::time::Duration;

use proptest::prelude::*;

use super::{Backoff, Failed, Failure, Jitter, RetryPolicy, Retrying};
use crate::random::{Domain, Seed};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The waits of one thing that fails so often: first by `first`, then by `then`, each at once.
fn waits(backoff: Backoff, first: Failure, then: Failure, seed: u64, count: usize) -> Vec<Duration> {
    let (policy, mut retrying) = (RetryPolicy::new(backoff), Retrying::default());
    let mut random = Seed(seed).stream(Domain::ConnectRetry, 3, 1);
    let failures = std::iter::once(first).chain(std::iter::repeat(then)).take(count);
    failures.map(|why| retrying.next(&policy, Failed::new(why, Duration::ZERO), &mut random).unwrap()).collect()
}

fn any_backoff() -> impl Strategy<Value = Backoff> {
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::Decorrelated)];
    let exponential = (1..5_000_u64, 1..600_u64, jitter).prop_map(|(base, times, jitter)| {
        let base = Duration::from_millis(base);
        Backoff::Exponential { base, cap: base * times as u32, jitter }
    });
    prop_oneof![
        (1..3_600_000_u64).prop_map(|ms| Backoff::Fixed { delay: Duration::from_millis(ms) }),
        exponential,
        Just(Backoff::AzureC),
        Just(Backoff::AzureDotnet),
        Just(Backoff::AzureNode),
        Just(Backoff::AzureNodeDocumented),
    ]
}

fn any_failure() -> impl Strategy<Value = Failure> {
    prop_oneof![Just(Failure::Lost), Just(Failure::Transient), Just(Failure::Throttled)]
}

/// Lower and upper bound of the n-th wait (from 0) after an attempt failed at once.
fn bounds(backoff: Backoff, n: u32) -> (Duration, Duration) {
    let power = |n: u32| 1_u32 << n.min(20);
    match backoff {
        Backoff::AzureC if n == 0 => (Duration::ZERO, Duration::ZERO),
        Backoff::AzureC => {
            let wait = (SECOND * power(n - 1)).min(30 * SECOND);
            (wait, wait.mul_f64(1.05))
        }
        Backoff::AzureDotnet => {
            let bound = |ms: u32| (100 * MS + ms * MS * (power(n) - 1)).min(10 * SECOND).max(SECOND);
            (bound(80), bound(120))
        }
        Backoff::AzureNode => (100 * MS, (100 * MS + 25 * MS * (power(n) - 1)).min(10 * SECOND)),
        Backoff::AzureNodeDocumented if n == 0 => (Duration::ZERO, Duration::ZERO),
        Backoff::AzureNodeDocumented => {
            let bound = |ms: u32| (100 * MS + ms * MS * (power(n - 1) - 1)).min(10 * SECOND);
            (bound(50), bound(75))
        }
        other => unreachable!("{other:?}"),
    }
}

const AZURE: [Backoff; 4] = [Backoff::AzureC, Backoff::AzureDotnet, Backoff::AzureNode, Backoff::AzureNodeDocumented];

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_longest(
        backoff in any_backoff(), first in any_failure(), then in any_failure(), seed in any::<u64>()
    ) {
        for wait in waits(backoff, first, then, seed, 60) {
            prop_assert!(wait <= backoff.longest(first == Failure::Throttled || then == Failure::Throttled).unwrap(), "{wait:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits(
        backoff in any_backoff(), first in any_failure(), then in any_failure(), seed in any::<u64>()
    ) {
        prop_assert_eq!(waits(backoff, first, then, seed, 30), waits(backoff, first, then, seed, 30));
    }

    #[test]
    fn a_policy_of_an_sdk_keeps_to_its_bounds(seed in any::<u64>()) {
        for backoff in AZURE {
            for (n, wait) in waits(backoff, Failure::Transient, Failure::Transient, seed, 40).into_iter().enumerate() {
                let (low, high) = bounds(backoff, n as u32);
                prop_assert!(low <= wait && wait <= high, "{:?}: wait {} is {:?}", backoff, n, wait);
            }
        }
    }

    #[test]
    fn after_a_loss_an_sdk_comes_back_at_once_and_then_waits_as_ever(seed in any::<u64>()) {
        for backoff in [Backoff::AzureDotnet, Backoff::AzureNode] {
            let waits = waits(backoff, Failure::Lost, Failure::Transient, seed, 40);
            prop_assert_eq!(waits[0], Duration::ZERO);
            for (n, wait) in waits[1..].iter().enumerate() {
                let (low, high) = bounds(backoff, n as u32);
                prop_assert!(low <= *wait && *wait <= high, "{:?}: wait {} is {:?}", backoff, n, wait);
            }
        }
    }

    #[test]
    fn without_jitter_waits_never_shrink_and_with_it_their_cap_does_not(
        base in 1..5_000_u64, times in 1..600_u32, seed in any::<u64>()
    ) {
        let base = Duration::from_millis(base);
        let of = |jitter| {
            let backoff = Backoff::Exponential { base, cap: base * times, jitter };
            waits(backoff, Failure::Transient, Failure::Transient, seed, 60)
        };
        let plain = of(Jitter::None);
        prop_assert!(plain.is_sorted() && plain[0] == base);
        for ((full, equal), plain) in of(Jitter::Full).into_iter().zip(of(Jitter::Equal)).zip(&plain) {
            prop_assert!(full <= *plain && *plain / 2 <= equal && equal <= *plain);
        }
        let decorrelated = of(Jitter::Decorrelated);
        prop_assert!(decorrelated.iter().all(|wait| base <= *wait && *wait <= base * times));
        // To the microsecond to which the wait before is kept.
        let grown = |pair: &[Duration]| pair[1] <= (3 * pair[0]).max(base) + MS;
        prop_assert!(decorrelated.windows(2).all(grown));
    }

    #[test]
    fn a_throttled_node_waits_ten_seconds_to_a_minute(seed in any::<u64>()) {
        for (backoff, third) in [(Backoff::AzureNode, 0), (Backoff::AzureNodeDocumented, 2500)] {
            let waits = waits(backoff, Failure::Throttled, Failure::Throttled, seed, 20);
            prop_assert!(waits.iter().all(|wait| 10 * SECOND <= *wait && *wait <= 60 * SECOND));
            prop_assert!(waits[2] >= 10 * SECOND + third * MS);
        }
    }
}

#[test]
fn a_dotnet_attempt_that_took_its_time_is_followed_sooner() {
    let mut random = Seed(7).stream(Domain::ConnectRetry, 0, 0);
    let policy = RetryPolicy::new(Backoff::AzureDotnet);
    for (took, wait) in [(0, 1000), (300, 700), (900, 100), (5000, 100)] {
        let failed = Failed::new(Failure::Transient, took * MS);
        assert_eq!(Retrying::default().next(&policy, failed, &mut random), Some(wait * MS));
    }
}
