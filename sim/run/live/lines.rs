//! The plain view: a line a second.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::status::Status;
use crate::measure::Gauges;
use crate::policy::FirmwareStatus;
use crate::report::human_duration;
use crate::verdict::ThresholdLight;

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
    if let Some((sent, delivered)) = status.telemetry {
        let gap = if text.is_empty() { "" } else { "  " };
        let _ = write!(text, "{gap}telemetry {sent:.1}/s sent  {delivered:.1}/s delivered");
    }
    if let Some(lag) = status.lag_us {
        let _ = write!(text, "  lag p99 {}", human_duration(lag as f64 / 1e6));
    }
    text
}

/// What is broken, by its metric; one of which several thresholds ask is told once.
fn broken(status: &Status) -> String {
    let broken: BTreeSet<&str> =
        status.thresholds.iter().filter(|light| light.is_broken()).map(ThresholdLight::metric).collect();
    let broken: Vec<&str> = broken.into_iter().collect();
    if broken.is_empty() { String::new() } else { format!("broken: {}", broken.join(", ")) }
}

/// How far a run is, in a line.
#[must_use]
pub fn line(status: &Status) -> String {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::options::Part;
    use super::*;
    use crate::verdict::LightState;

    #[test]
    fn a_line_says_how_far_the_run_is() {
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
        assert_eq!(
            line(&status),
            "[  12.0s] running | connected 9/10 | standBy 3  downloading 2  applying 1  completed 4 | 4/10 ended  \
             offered 5.0/s  achieved 4.0/s  lag p99 1.20 ms | about 8 s left"
        );
        let bench = Status { updates: None, rate: None, lag_us: None, telemetry: Some((9.0, 8.5)), ..status.clone() };
        assert!(line(&bench).ends_with("completed 4 | telemetry 9.0/s sent  8.5/s delivered | about 8 s left"));
        let part = Status { part: Some(Part { number: 3, of: 5 }), ..status.clone() };
        assert!(line(&part).starts_with("[  12.0s] running | run 3 of 5 | connected 9/10 | "));
        let light = |expr: &str, state| ThresholdLight { expr: expr.to_owned(), observed: Some(1.0), state };
        status.thresholds = vec![
            light("census.failed == 0", LightState::Broken),
            light("update.total.p99 < 5s", LightState::Holding),
            light("census.failed < 1", LightState::Broken),
        ];
        assert!(line(&status).ends_with("about 8 s left | broken: census.failed"), "{}", line(&status));
    }
}
