//! The text form of OpenMetrics 1.0, as far as counters and gauges need it.

use std::fmt::{Display, Write};

/// What such a text is sent as.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A text under way: families one after the other, each with all of its samples.
#[derive(Debug, Default)]
pub(super) struct OpenMetrics {
    text: String,
    /// The family that samples belong to, with its suffix.
    sample: String,
}

impl OpenMetrics {
    /// Begins a family of counters; `name` without `_total`, but with its unit, where it has one.
    pub(super) fn counter(&mut self, name: &str, unit: &str, help: &str) -> &mut Self {
        self.family(name, "counter", unit, help, "_total")
    }

    /// Begins a family of gauges; `name` ends with its unit, where it has one.
    pub(super) fn gauge(&mut self, name: &str, unit: &str, help: &str) -> &mut Self {
        self.family(name, "gauge", unit, help, "")
    }

    /// Begins a family that tells nothing but labels.
    pub(super) fn info(&mut self, name: &str, help: &str) -> &mut Self {
        self.family(name, "info", "", help, "_info")
    }

    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str, suffix: &str) -> &mut Self {
        self.sample = format!("{name}{suffix}");
        self.line(format_args!("# TYPE {name} {kind}"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", escaped(help)))
    }

    /// A sample of the family begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let mut text = String::new();
        for (n, (name, label)) in labels.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            // Writing to a text does not fail.
            let _ = write!(text, "{comma}{name}=\"{}\"", escaped(label));
        }
        let name = self.sample.clone();
        if text.is_empty() {
            self.line(format_args!("{name} {value}"))
        } else {
            self.line(format_args!("{name}{{{text}}} {value}"))
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.line(format_args!("# EOF"));
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) -> &mut Self {
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "{line}");
        self
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('"', r#"\""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_come_with_their_words_and_labels_are_escaped() {
        let mut metrics = OpenMetrics::default();
        metrics.info("hub", "Which \"hub\".").sample(&[("version", "1\n\"2\"\\")], 1);
        metrics.counter("hub_cpu_seconds", "seconds", "CPU.").sample(&[], 0.5);
        metrics.gauge("hub_devices", "", "Devices.").sample(&[("a", "x"), ("b", "y")], 7);
        assert_eq!(
            metrics.finish(),
            "# TYPE hub info\n# HELP hub Which \\\"hub\\\".\nhub_info{version=\"1\\n\\\"2\\\"\\\\\"} 1\n\
             # TYPE hub_cpu_seconds counter\n# UNIT hub_cpu_seconds seconds\n# HELP hub_cpu_seconds CPU.\n\
             hub_cpu_seconds_total 0.5\n\
             # TYPE hub_devices gauge\n# HELP hub_devices Devices.\nhub_devices{a=\"x\",b=\"y\"} 7\n# EOF\n"
        );
    }
}
