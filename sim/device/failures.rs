//! The first errors of a fleet, in words, for whoever wonders why its devices do not come online.

/// An error that one or more devices met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, without secrets and without anything that differs from device to device.
    pub text: String,
    /// How often.
    pub count: u64,
    /// Whether it is this machine's own: no fault of the hub, and the result cannot be trusted.
    pub local: bool,
}

/// The first few different errors and how often each came; later kinds are left out, but for this machine's own, which
/// are few.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

impl Failures {
    /// So many different texts are kept, before only those of this machine's own are added.
    const MAX: usize = 8;

    /// Counts an error.
    pub(super) fn note(&mut self, failure: Failure) {
        if let Some(known) = self.0.iter_mut().find(|known| known.text == failure.text) {
            known.count += failure.count;
        } else if failure.local || self.0.len() < Self::MAX {
            self.0.push(failure);
        }
    }

    /// The errors so far, the earliest first.
    pub(super) fn list(&self) -> &[Failure] {
        &self.0
    }

    /// Gives them away.
    pub(super) fn into_list(self) -> Vec<Failure> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_counts_and_the_number_of_texts_is_bounded() {
        let mut failures = Failures::default();
        let failure = |text: &str, count, local| Failure { text: text.to_owned(), count, local };
        for number in 0..100 {
            failures.note(failure(&format!("error {number}"), 1, false));
            failures.note(failure("error 0", 2, false));
        }
        assert_eq!(failures.list().len(), Failures::MAX);
        failures.note(failure("no more descriptors", 1, true));
        assert_eq!(failures.list()[0], failure("error 0", 201, false));
        assert_eq!(failures.into_list().pop(), Some(failure("no more descriptors", 1, true)), "always has room");
    }
}
