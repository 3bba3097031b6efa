//! Labels beside what they name.

/// How wide a text is, in pixels, at the size of labels: an upper estimate, as nobody knows the reader's font.
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.9
}

/// Places for labels that want to stand at `wanted`, each at least `gap` from the next, within `low..=high` where they
/// fit at all; in the order given.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut places = wanted.to_vec();
    let mut least = low;
    for index in &order {
        places[*index] = places[*index].max(least);
        least = places[*index] + gap;
    }
    // Whoever was pushed beyond the end pushes back.
    let mut most = high;
    for index in order.iter().rev() {
        places[*index] = places[*index].min(most);
        most = places[*index] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_two_labels_touch_and_all_stay_inside(wanted in proptest::collection::vec(0.0..300.0_f64, 0..20)) {
            let mut places = spread(&wanted, 14.0, 0.0, 300.0);
            prop_assert!(places.iter().all(|place| (-1e-6..=300.0).contains(place)), "{places:?}");
            places.sort_by(f64::total_cmp);
            prop_assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 14.0 - 1e-6), "{places:?}");
        }
    }

    #[test]
    fn labels_with_room_stay_where_they_belong() {
        assert_eq!(spread(&[200.0, 10.0, 100.0], 14.0, 0.0, 300.0), [200.0, 10.0, 100.0]);
        assert_eq!(spread(&[100.0, 101.0], 14.0, 0.0, 300.0), [100.0, 114.0]);
        assert_eq!(spread(&[299.0, 298.0], 14.0, 0.0, 300.0), [300.0, 286.0]);
    }
}
