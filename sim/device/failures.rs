//! The first errors of a fleet, in words, for whoever wonders why its devices do not come online.

/// An error that one or more devices met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, without secrets and without anything that differs from device to device.
    pub text: String,
    /// How often.
    pub count: u64,
}

/// The first few different errors and how often each came; later kinds are left out.
#[derive(Debug, Default)]
pub(super) struct Failures(Vec<Failure>);

impl Failures {
    /// So many different texts are kept.
    const MAX: usize = 8;

    /// Counts an error.
    pub(super) fn note(&mut self, text: String, count: u64) {
        if let Some(failure) = self.0.iter_mut().find(|failure| failure.text == text) {
            failure.count += count;
        } else if self.0.len() < Self::MAX {
            self.0.push(Failure { text, count });
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
        for number in 0..100 {
            failures.note(format!("error {number}"), 1);
            failures.note("error 0".to_owned(), 2);
        }
        assert_eq!(failures.list().len(), Failures::MAX);
        assert_eq!(failures.into_list()[0], Failure { text: "error 0".to_owned(), count: 201 });
    }
}
