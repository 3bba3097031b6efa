//! From a value to a place on an axis.

/// A scale; what lies outside of its domain is drawn at its edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    domain: (f64, f64),
    range: (f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Log,
}

impl Scale {
    /// A linear scale.
    pub(super) fn linear(domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { kind: Kind::Linear, domain, range }
    }

    /// A logarithmic one; its domain begins above zero.
    pub(super) fn log(domain: (f64, f64), range: (f64, f64)) -> Self {
        let low = domain.0.max(f64::MIN_POSITIVE);
        Self { kind: Kind::Log, domain: (low, domain.1.max(low)), range }
    }

    /// Where `value` stands.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        let share = match self.kind {
            Kind::Linear => (value - low) / (high - low),
            Kind::Log => (value.max(low) / low).ln() / (high / low).ln(),
        };
        // A domain of one value only has no length.
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// The values between which it tells apart.
    pub(super) const fn domain(&self) -> (f64, f64) {
        self.domain
    }

    pub(super) const fn is_log(&self) -> bool {
        matches!(self.kind, Kind::Log)
    }
}

/// How many nines a quantile has: 0 for 0, 1 for 0.9, 2 for 0.99. It is where percentiles stand on their axis.
#[must_use]
pub(super) fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 1.0 - 1e-12)).log10()
}

/// The quantile with so many nines.
#[must_use]
pub(super) fn quantile_of(nines: f64) -> f64 {
    1.0 - 10_f64.powf(-nines)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scales_are_monotone_and_stay_in_their_range(a in 0.0..1e6_f64, b in 0.0..1e6_f64, low in 1e-6..1.0_f64, high in 1.0..1e5_f64) {
            for scale in [Scale::linear((low, high), (300.0, 20.0)), Scale::log((low, high), (300.0, 20.0))] {
                let (at_a, at_b) = (scale.at(a), scale.at(b));
                prop_assert!((20.0..=300.0).contains(&at_a));
                let is_monotone = if a <= b { at_a >= at_b } else { at_a <= at_b };
                prop_assert!(is_monotone);
                prop_assert!((scale.at(low) - 300.0).abs() < 1e-6 && (scale.at(high) - 20.0).abs() < 1e-6);
            }
        }

        #[test]
        fn nines_and_quantiles_are_inverse(quantile in 0.0..0.999_999_f64) {
            prop_assert!((quantile_of(nines(quantile)) - quantile).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_steps_are_equal_factors_and_equal_nines() {
        let scale = Scale::log((0.001, 10.0), (0.0, 400.0));
        for (value, at) in [(0.001, 0.0), (0.01, 100.0), (1.0, 300.0), (10.0, 400.0), (0.0, 0.0), (99.0, 400.0)] {
            assert!((scale.at(value) - at).abs() < 1e-9, "{value}");
        }
        for (quantile, count) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0), (0.999, 3.0)] {
            assert!((nines(quantile) - count).abs() < 1e-9, "{quantile}");
        }
        assert!(nines(1.0).is_finite());
    }

    #[test]
    fn a_domain_of_one_value_has_a_place_for_it() {
        assert_eq!(Scale::linear((3.0, 3.0), (10.0, 20.0)).at(3.0), 10.0);
        assert_eq!(Scale::log((3.0, 3.0), (10.0, 20.0)).at(3.0), 10.0);
    }
}
