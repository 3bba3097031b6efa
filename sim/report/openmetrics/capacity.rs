//! The capacity that was found.

use super::figures::measured;
use crate::measure::{MetricsText, RunResult};

/// Its ends and why there is no more; nothing where none was looked for.
pub(super) fn capacity(text: &mut MetricsText, result: &RunResult) {
    let Some(capacity) = &result.capacity else { return };
    let of = ("of", capacity.of.name());
    for (name, help, end) in [
        (
            "twinstorm_capacity_low",
            "The highest load that kept the thresholds, per second or in devices.",
            capacity.low,
        ),
        ("twinstorm_capacity_high", "The lowest load above it that broke them.", capacity.high),
    ] {
        if let Some(end) = end {
            text.gauge(name, "", help).sample(&[of], measured(end));
        }
    }
    if let Some(cause) = capacity.cause {
        text.gauge("twinstorm_capacity_cause", "", "Why a higher load broke the thresholds.")
            .sample(&[of, ("cause", cause.name())], 1);
    }
    text.gauge("twinstorm_capacity_finished", "", "Whether the search for the capacity has finished.")
        .sample(&[of], u8::from(capacity.finished));
}
