//! Metrics as text for whoever scrapes them: OpenMetrics 1.0, and the older text form of Prometheus. The hub tells its
//! state by it, a run what it measures.

use std::fmt::{Arguments, Display, Write};

/// The two forms of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    #[default]
    OpenMetrics,
    /// What Prometheus read before there was OpenMetrics, version 0.0.4.
    Prometheus,
}

/// A text under way: families one after the other, each with all of its samples.
#[derive(Debug, Default)]
pub struct MetricsText {
    form: Exposition,
    text: String,
    /// The family that samples belong to: its name, and the suffix of its samples.
    family: String,
    suffix: &'static str,
}

impl Exposition {
    /// What such a text is sent as.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The form that a client wants who sends this `Accept`: OpenMetrics, unless it prefers plain text.
    #[must_use]
    pub fn wanted(accept: Option<&str>) -> Self {
        let Some(accept) = accept else { return Self::OpenMetrics };
        let weight = |kind: &str| {
            let of_range = |range: &str| {
                let mut words = range.split(';').map(str::trim);
                let named = words.next().is_some_and(|name| name.eq_ignore_ascii_case(kind));
                let weight = words.find_map(|word| word.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
                weight.filter(|_| named)
            };
            accept.split(',').filter_map(of_range).fold(0.0, f64::max)
        };
        let open = weight("application/openmetrics-text");
        if weight("text/plain") > open { Self::Prometheus } else { Self::OpenMetrics }
    }
}

impl MetricsText {
    /// An empty text in this form.
    #[must_use]
    pub fn new(form: Exposition) -> Self {
        Self { form, ..Self::default() }
    }

    /// Begins a family of counters; `name` without `_total`, but with its unit, where it has one.
    pub fn counter(&mut self, name: &str, unit: &str, help: &str) -> &mut Self {
        self.begin(name, "counter", unit, help, "_total")
    }

    /// Begins a family of gauges; `name` ends with its unit, where it has one.
    pub fn gauge(&mut self, name: &str, unit: &str, help: &str) -> &mut Self {
        self.begin(name, "gauge", unit, help, "")
    }

    /// Begins a family that tells nothing but labels.
    pub fn info(&mut self, name: &str, help: &str) -> &mut Self {
        self.begin(name, "info", "", help, "_info")
    }

    /// Begins a family of distributions; `name` ends with its unit, where it has one.
    pub fn summary(&mut self, name: &str, unit: &str, help: &str) -> &mut Self {
        self.begin(name, "summary", unit, help, "")
    }

    fn begin(&mut self, name: &str, kind: &str, unit: &str, help: &str, suffix: &'static str) -> &mut Self {
        name.clone_into(&mut self.family);
        self.suffix = suffix;
        match self.form {
            Exposition::OpenMetrics => {
                self.line(format_args!("# TYPE {name} {kind}"));
                if !unit.is_empty() {
                    self.line(format_args!("# UNIT {name} {unit}"));
                }
                self.line(format_args!("# HELP {name} {}", escaped(help)))
            }
            // The older form knows neither units nor info, and names a family as its samples are named.
            Exposition::Prometheus => {
                let kind = if kind == "info" { "gauge" } else { kind };
                let help = help.replace('\\', r"\\").replace('\n', r"\n");
                self.line(format_args!("# HELP {name}{suffix} {help}"));
                self.line(format_args!("# TYPE {name}{suffix} {kind}"))
            }
        }
    }

    /// A sample of the family begun last.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.put(self.suffix, labels, value)
    }

    /// A distribution of the summary begun last: values by quantile (`0.5`), samples in all, and their sum.
    pub fn distribution<'a>(
        &mut self,
        labels: &[(&str, &str)],
        quantiles: impl IntoIterator<Item = (&'a str, String)>,
        count: u64,
        sum: impl Display,
    ) -> &mut Self {
        for (quantile, value) in quantiles {
            self.put("", &[labels, &[("quantile", quantile)]].concat(), value);
        }
        self.put("_count", labels, count).put("_sum", labels, sum)
    }

    fn put(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        // Writing to a text does not fail: here and below.
        let _ = write!(self.text, "{}{suffix}", self.family);
        for (n, (name, label)) in labels.iter().enumerate() {
            let before = if n > 0 { ',' } else { '{' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(label));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.line(format_args!("{after} {value}"))
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.form == Exposition::OpenMetrics {
            self.line(format_args!("# EOF"));
        }
        self.text
    }

    fn line(&mut self, line: Arguments<'_>) -> &mut Self {
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

    fn text(form: Exposition) -> String {
        let mut metrics = MetricsText::new(form);
        metrics.info("hub", "Which \"hub\".").sample(&[("version", "1\n\"2\"\\")], 1);
        metrics.counter("hub_cpu_seconds", "seconds", "CPU.").sample(&[], 0.5);
        metrics.gauge("hub_devices", "", "Devices.").sample(&[("a", "x"), ("b", "y")], 7);
        let quantiles = [("0.5", "0.1".to_owned()), ("1", "0.2".to_owned())];
        metrics.summary("wait_seconds", "seconds", "Waits.").distribution(&[("of", "a")], quantiles, 3, 0.4);
        metrics.finish()
    }

    #[test]
    fn families_come_with_their_words_and_labels_are_escaped() {
        assert_eq!(
            text(Exposition::OpenMetrics),
            "# TYPE hub info\n# HELP hub Which \\\"hub\\\".\nhub_info{version=\"1\\n\\\"2\\\"\\\\\"} 1\n\
             # TYPE hub_cpu_seconds counter\n# UNIT hub_cpu_seconds seconds\n# HELP hub_cpu_seconds CPU.\n\
             hub_cpu_seconds_total 0.5\n\
             # TYPE hub_devices gauge\n# HELP hub_devices Devices.\nhub_devices{a=\"x\",b=\"y\"} 7\n\
             # TYPE wait_seconds summary\n# UNIT wait_seconds seconds\n# HELP wait_seconds Waits.\n\
             wait_seconds{of=\"a\",quantile=\"0.5\"} 0.1\nwait_seconds{of=\"a\",quantile=\"1\"} 0.2\n\
             wait_seconds_count{of=\"a\"} 3\nwait_seconds_sum{of=\"a\"} 0.4\n# EOF\n"
        );
    }

    #[test]
    fn the_older_form_knows_no_info_no_units_and_no_end() {
        assert_eq!(
            text(Exposition::Prometheus),
            "# HELP hub_info Which \"hub\".\n# TYPE hub_info gauge\nhub_info{version=\"1\\n\\\"2\\\"\\\\\"} 1\n\
             # HELP hub_cpu_seconds_total CPU.\n# TYPE hub_cpu_seconds_total counter\nhub_cpu_seconds_total 0.5\n\
             # HELP hub_devices Devices.\n# TYPE hub_devices gauge\nhub_devices{a=\"x\",b=\"y\"} 7\n\
             # HELP wait_seconds Waits.\n# TYPE wait_seconds summary\n\
             wait_seconds{of=\"a\",quantile=\"0.5\"} 0.1\nwait_seconds{of=\"a\",quantile=\"1\"} 0.2\n\
             wait_seconds_count{of=\"a\"} 3\nwait_seconds_sum{of=\"a\"} 0.4\n"
        );
    }

    #[test]
    fn who_prefers_plain_text_gets_it() {
        use Exposition::{OpenMetrics, Prometheus};
        for (accept, form) in [
            (None, OpenMetrics),
            (Some("*/*"), OpenMetrics),
            (
                Some("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
                OpenMetrics,
            ),
            (Some("application/openmetrics-text; version=1.0.0,text/plain"), OpenMetrics),
            (Some("text/plain;version=0.0.4;q=1,*/*;q=0.1"), Prometheus),
            (Some("text/plain; q=0.9, application/openmetrics-text; q=0.1"), Prometheus),
            (Some("TEXT/PLAIN"), Prometheus),
            (Some("text/plain;q=x"), OpenMetrics),
        ] {
            assert_eq!(Exposition::wanted(accept), form, "{accept:?}");
        }
    }
}
