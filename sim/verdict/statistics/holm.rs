//! Holm's step-down correction: several questions asked at once, and still no more than 5 % wrong alarms among all.

/// The corrected p of each test, in the order of `raw`: to be compared with the level that a single test would have.
#[must_use]
pub fn holm(raw: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_by(|a, b| raw[*a].total_cmp(&raw[*b]));
    let mut corrected = vec![1.0; raw.len()];
    let mut so_far = 0.0_f64;
    for (rank, test) in order.into_iter().enumerate() {
        // The smallest has to stand up to all tests, the next to all but one; none is below one that came before it.
        so_far = so_far.max(raw[test] * (raw.len() - rank) as f64).min(1.0);
        corrected[test] = so_far;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (raw, corrected) in [
            // R: p.adjust(c(...), "holm").
            (&[0.01, 0.04, 0.03, 0.005][..], &[0.03, 0.06, 0.06, 0.02][..]),
            (&[0.01, 0.02, 0.03], &[0.03, 0.04, 0.04]),
            (&[0.5, 0.6, 0.001], &[1.0, 1.0, 0.003]),
            (&[2.0 / 252.0; 3], &[6.0 / 252.0; 3]),
            (&[0.04], &[0.04]),
            (&[], &[]),
        ] {
            let found = holm(raw);
            assert!(found.iter().zip(corrected).all(|(a, b)| (a - b).abs() < 1e-12), "{raw:?}: {found:?}");
            assert_eq!(found.len(), corrected.len());
        }
    }

    proptest! {
        #[test]
        fn it_lies_between_no_correction_and_bonferronis_and_keeps_the_order(
            raw in proptest::collection::vec(0.0..1.0_f64, 1..8)
        ) {
            let corrected = holm(&raw);
            for (a, (p, c)) in raw.iter().zip(&corrected).enumerate() {
                prop_assert!(c >= p && *c <= (p * raw.len() as f64).min(1.0) + 1e-15);
                for b in 0..raw.len() {
                    prop_assert!(raw[a] > raw[b] || corrected[a] <= corrected[b]);
                }
            }
        }
    }
}
