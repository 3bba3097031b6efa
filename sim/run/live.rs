//! What a user sees while a run goes on: in place on a terminal, else one plain line a second.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::Part;
use super::print;
use crate::measure::Gauges;
use crate::policy::FirmwareStatus;
use crate::report::human_duration;
use crate::verdict::ThresholdLight;

/// How far a run is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Status {
    /// Which run of a series this is.
    pub part: Option<Part>,
    /// What is being done.
    pub phase: &'static str,
    /// How far the roll-out is, where there is one.
    pub rollout: Option<String>,
    /// Time since the run started.
    pub elapsed: Duration,
    /// Estimate of the time left.
    pub left: Option<Duration>,
    /// Devices in all; 0 if the fleet is not ours.
    pub devices: u32,
    /// What stands now.
    pub gauges: Gauges,
    /// Updates planned and ended.
    pub updates: Option<(u64, u64)>,
    /// Calls due and calls sent per second, over the last second.
    pub rate: Option<(f64, f64)>,
    /// 99th percentile (or largest value) of the schedule lag over the last second, in microseconds.
    pub lag_us: Option<u64>,
    /// How each threshold of the plan stands.
    pub thresholds: Vec<ThresholdLight>,
}

/// The view.
#[derive(Debug)]
pub(super) enum Live {
    /// Redrawn in place.
    Terminal(ProgressBar),
    /// A line a second on standard error.
    Lines(print::Notes),
    /// Nothing but what has to be said: something else is being told.
    Silent(print::Notes),
    /// Nothing; what has to be said goes to the log.
    Quiet,
}

impl Live {
    /// In place if standard error is a terminal, else lines; nothing of the progress if `silent`.
    ///
    /// # Errors
    /// There can be no thread to print.
    pub(super) fn detect(silent: bool) -> io::Result<Self> {
        if silent {
            return Ok(Self::Silent(print::Notes::start()?));
        }
        if !io::stderr().is_terminal() {
            return Ok(Self::Lines(print::Notes::start()?));
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Ok(Self::Terminal(bar))
    }

    /// Shows `status`.
    pub(super) fn show(&self, status: &Status) {
        match self {
            Self::Terminal(bar) => {
                bar.set_message(lines(status));
                bar.tick();
            }
            Self::Lines(notes) => notes.say(line(status)),
            Self::Silent(_) | Self::Quiet => {}
        }
    }

    /// Says something that stays.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Terminal(bar) => bar.suspend(|| print::note(text)),
            Self::Lines(notes) | Self::Silent(notes) => notes.say(text.to_owned()),
            Self::Quiet => tracing::info!("{text}"),
        }
    }

    /// Clears what was drawn in place, and lets what was said be printed.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Terminal(bar) => bar.finish_and_clear(),
            Self::Lines(notes) | Self::Silent(notes) => notes.finish(),
            Self::Quiet => {}
        }
    }
}

fn left(status: &Status) -> String {
    status.left.map(|left| format!("about {} s left", left.as_secs_f64().ceil())).unwrap_or_default()
}

fn stages(gauges: &Gauges) -> String {
    let mut text = String::new();
    for (status, count) in FirmwareStatus::ALL.into_iter().zip(gauges.stages) {
        // The four of the workflow always, the other two where there are any.
        if count > 0 || !matches!(status, FirmwareStatus::Failed | FirmwareStatus::RolledBack) {
            let _ = write!(text, "{}{status} {count}", if text.is_empty() { "" } else { "  " });
        }
    }
    text
}

fn load(status: &Status) -> String {
    let mut text = String::new();
    if let Some((planned, ended)) = status.updates {
        let _ = write!(text, "{ended}/{planned} ended");
    }
    if let Some((offered, achieved)) = status.rate {
        let _ = write!(text, "  offered {offered:.1}/s  achieved {achieved:.1}/s");
    }
    if let Some(lag) = status.lag_us {
        let _ = write!(text, "  lag p99 {}", human_duration(lag as f64 / 1e6));
    }
    text
}

/// What is broken, by its metric.
fn broken(status: &Status) -> String {
    let broken: Vec<&str> =
        status.thresholds.iter().filter(|light| light.is_broken()).map(ThresholdLight::metric).collect();
    if broken.is_empty() { String::new() } else { format!("broken: {}", broken.join(", ")) }
}

fn line(status: &Status) -> String {
    let mut parts = vec![format!("[{:>6.1}s] {}", status.elapsed.as_secs_f64(), status.phase)];
    parts.extend(status.part.map(|part| part.to_string()));
    parts.extend(status.rollout.clone());
    if status.devices > 0 {
        parts.push(format!("connected {}/{}", status.gauges.connected, status.devices));
        parts.push(stages(&status.gauges));
    }
    parts.extend([load(status), left(status), broken(status)].into_iter().filter(|part| !part.is_empty()));
    parts.join(" | ")
}

fn lines(status: &Status) -> String {
    let mut text = format!("{:<14}{:.0} s  {}", status.phase, status.elapsed.as_secs_f64(), left(status));
    if let Some(part) = status.part {
        let _ = write!(text, "  {part}");
    }
    if let Some(rollout) = &status.rollout {
        let _ = write!(text, "\n{:<14}{rollout}", "roll-out");
    }
    if status.devices > 0 {
        let _ = write!(text, "\n{:<14}{}/{} connected", "devices", status.gauges.connected, status.devices);
        let _ = write!(text, "\n{:<14}{}", "stages", stages(&status.gauges));
    }
    let load = load(status);
    if !load.is_empty() {
        let _ = write!(text, "\n{:<14}{load}", "updates");
    }
    let broken = broken(status);
    if !broken.is_empty() {
        let _ = write!(text, "\n{:<14}{broken}", "thresholds");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::LightState;

    #[test]
    fn both_views_say_the_same() {
        let mut status =
            Status { phase: "running", elapsed: Duration::from_millis(12_040), devices: 10, ..Status::default() };
        status.gauges.connected = 9;
        status.gauges.stages = [3, 2, 1, 4, 0, 0];
        status.updates = Some((10, 4));
        status.rate = Some((5.0, 4.0));
        status.lag_us = Some(1_200);
        status.left = Some(Duration::from_millis(7_300));
        let rollout = Status { rollout: Some("wave 2 of 3, pausing".to_owned()), ..status.clone() };
        assert!(line(&rollout).starts_with("[  12.0s] running | wave 2 of 3, pausing | connected 9/10 | "));
        assert!(lines(&rollout).contains("\nroll-out      wave 2 of 3, pausing\n"));
        assert_eq!(
            line(&status),
            "[  12.0s] running | connected 9/10 | standBy 3  downloading 2  applying 1  completed 4 | 4/10 ended  \
             offered 5.0/s  achieved 4.0/s  lag p99 1.20 ms | about 8 s left"
        );
        let part = Status { part: Some(Part { number: 3, of: 5 }), ..status.clone() };
        assert!(line(&part).starts_with("[  12.0s] running | run 3 of 5 | connected 9/10 | "));
        assert!(lines(&part).starts_with("running       12 s  about 8 s left  run 3 of 5\n"));
        assert_eq!(lines(&status).lines().count(), 4);
        let light = |expr: &str, state| ThresholdLight { expr: expr.to_owned(), observed: Some(1.0), state };
        status.thresholds =
            vec![light("census.failed == 0", LightState::Broken), light("update.total.p99 < 5s", LightState::Holding)];
        assert!(line(&status).ends_with("about 8 s left | broken: census.failed"), "{}", line(&status));
        assert!(lines(&status).ends_with("\nthresholds    broken: census.failed"), "{}", lines(&status));
        assert!(lines(&status).contains("offered 5.0/s  achieved 4.0/s"));
    }
}
