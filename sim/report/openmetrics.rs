//! `metrics.txt`: a result as OpenMetrics text, for whatever stores or pushes metrics; and the same families while a run
//! goes on, for whoever scrapes it.
//!
//! Names and labels are stable: what a dashboard was built on stays as it is, and more may come. Units are seconds and
//! bytes. What was measured as a duration has three significant digits, as the histograms have; sums of durations and CPU
//! times, of which differences are taken, have microseconds; counts are exact. A percentile with too few samples is left
//! out, and so is whatever is not known.
//!
//! | family | type, labels | what |
//! |---|---|---|
//! | `twinstorm_run` | info: `name`, `version`, `seed`, `verdict` | which run; the verdict is `running` while it goes on |
//! | `twinstorm_start_time_seconds` | gauge | when it started, Unix time; a search for a capacity as a whole |
//! | `twinstorm_run_duration_seconds` | gauge | how long it took so far, likewise |
//! | `twinstorm_valid`, `twinstorm_exit_code` | gauge | whether the figures count (1 or 0); only of a finished run |
//! | `twinstorm_phase` | gauge: `phase` | 1 for what is being done; only while it goes on |
//! | `twinstorm_devices` | gauge | devices of the fleet |
//! | `twinstorm_devices_connected`, `twinstorm_devices_gave_up`, `twinstorm_calls_in_flight` | gauge | what stands now; only while it goes on |
//! | `twinstorm_devices_by_stage` | gauge: `stage` | devices by what they reported last; only while it goes on |
//! | `twinstorm_updates_planned` | gauge | updates of the schedule |
//! | `twinstorm_updates` | counter: `outcome` | updates that ended; every outcome is there |
//! | `twinstorm_updates_unaccounted` | gauge | planned, and without an outcome; only of a finished run |
//! | `twinstorm_rate_offered`, `twinstorm_rate_achieved` | gauge | calls per second: over the last second while it goes on, over the load afterwards |
//! | `twinstorm_capacity_low`, `twinstorm_capacity_high` | gauge: `of` | the highest load that kept the thresholds, and the lowest above it that did not; absent where there was none |
//! | `twinstorm_capacity_cause` | gauge: `of`, `cause` | 1 for why there is no more; `generator` says that none of it is the hub's |
//! | `twinstorm_capacity_finished` | gauge: `of` | whether the search has; all four only of a search for a capacity |
//! | `twinstorm_duration_seconds` | summary: `series`, `quantile` | every series; quantile 0 is the shortest, 1 the longest |
//! | `twinstorm_duration_saturated` | counter: `series` | samples longer than a histogram holds |
//! | `twinstorm_threshold_ok` | gauge: `expr` | 1 if it holds, 0 if not; absent without evidence |
//! | `twinstorm_threshold_observed` | gauge: `expr` | the value, in the metric's own unit (seconds, per second, percent, a count) |
//! | `twinstorm_drill_ok` | gauge: `expr` | the same of a drill's steady states and assertions |
//! | `twinstorm_attempts`, `twinstorm_retries`, `twinstorm_give_ups` | counter: `of`, `policy` | `of` is `connect`, `method` or `twin` |
//! | `twinstorm_retry_wait_seconds` | counter: `of`, `policy` | waits before retries, added up |
//! | `twinstorm_attempts_peak` | gauge: `of`, `policy` | attempts in the second of the load that had most |
//! | `twinstorm_connections_lost` | counter: `policy` | neither renewed nor taken away on purpose |
//! | `twinstorm_connections_lost_unexplained` | counter | those that no fault explains |
//! | `twinstorm_fault_strikes`, `twinstorm_fault_off_diagonal` | counter: `fault`, `kind` | what was injected, and updates that ended as it does not let them |
//! | `twinstorm_fault_updates` | counter: `fault`, `kind`, `outcome` | how the updates ended that it hit |
//! | `twinstorm_invariant_violations` | counter: `invariant` | what must hold on every run, broken though nobody injected it |
//! | `twinstorm_wave_updates` | gauge: `wave`, `state` | `state` is `planned`, `called`, `ended`, `completed` or `failed` |
//! | `twinstorm_rollout_aborted` | gauge | 1 if the roll-out was |
//! | `twinstorm_image_downloads` | counter: `result` | `ok` or `failed` |
//! | `twinstorm_image_bytes` | counter | bytes that came with them |
//! | `twinstorm_messages_sent`, `twinstorm_messages_received` | counter: `kind`, `result` | times that messages were published, and that the driver received them: `first` or `again`; only of messages that are counted |
//! | `twinstorm_messages_ended` | counter: `kind`, `result` | `acknowledged`, `lost` or `unconfirmed` (QoS 0): all that were sent, in the end |
//! | `twinstorm_messages_undelivered` | counter: `kind`, `result` | not lost, and never received by the driver |
//! | `twinstorm_observer_requests` | counter: `result` | `ok`, `throttled` or `failed`; absent, as the next and the interval, where reports come by subscription |
//! | `twinstorm_observer_looks_left_out` | counter | as many as allowed were under way |
//! | `twinstorm_observer_stages` | counter: `seen` | `late`: between two looks; `after_end`: after the update had ended |
//! | `twinstorm_observer_interval_seconds` | gauge | time between two looks |
//! | `twinstorm_generator_cpu_seconds`, `twinstorm_generator_dropped_calls` | counter | of fleet and driver |
//! | `twinstorm_generator_cpu_ratio`, `twinstorm_generator_cores`, `twinstorm_generator_memory_peak_bytes`, `twinstorm_generator_descriptors_peak` | gauge | the same |
//! | `twinstorm_generator_schedule_lag_p99_seconds` | gauge | however few the samples |
//! | `twinstorm_generator_loop_lag_p99_seconds` | gauge: `worker` | the same of each event loop |
//! | `twinstorm_driver_connection_messages` | counter: `connection`, `direction` | the driver's connections to a plain broker: `in` or `out` |
//! | `twinstorm_driver_connection_reconnects` | counter: `connection` | lost, and came back |
//! | `twinstorm_driver_connection_lag_p99_seconds` | gauge: `connection` | how long its own ping took, however few the samples |
//! | `twinstorm_shards`, `twinstorm_shards_lost` | gauge | processes that share the devices |
//! | `twinstorm_embedded_hubs`, `twinstorm_embedded_hubs_memory_peak_bytes` | gauge | absent where the hub is not ours |
//! | `twinstorm_embedded_hubs_cpu_seconds` | counter | the same |
//! | `twinstorm_embedded_hubs_throttled_operations` | counter: `operation`, `result`, `fault` | `at_once`, `delayed` or `refused` by a limit of the hub, or of a fault; only of a finished run |
//! | `twinstorm_events` | counter: `result` | lines of `events.ndjson`: `written` or `dropped` |

mod actors;
mod capacity;
mod figures;
mod traffic;
mod trouble;

use super::{ReportError, Reporter};
use crate::measure::{Exposition, Gauges, MetricsText, RunResult, Verdict};
use crate::policy::{FirmwareStatus, Outcome};
use figures::{measured, to_micros};

/// `metrics.txt`.
#[derive(Debug, Clone, Copy)]
pub struct OpenMetrics;

/// What stands at a moment of a run that goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// What is being done.
    pub phase: &'static str,
    /// What stands now.
    pub gauges: Gauges,
}

impl Reporter for OpenMetrics {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        Ok(metrics(result, None, Exposition::OpenMetrics).into_bytes())
    }
}

/// All families of a result; of one that is still being measured, as things stand at this `moment`.
#[must_use]
pub fn metrics(result: &RunResult, moment: Option<&Moment>, form: Exposition) -> String {
    let mut text = MetricsText::new(form);
    run(&mut text, result, moment);
    if let Some(moment) = moment {
        standing(&mut text, moment);
    }
    updates(&mut text, result, moment.is_none());
    capacity::capacity(&mut text, result);
    figures::durations(&mut text, result);
    figures::thresholds(&mut text, result);
    trouble::retries(&mut text, result);
    trouble::faults(&mut text, result);
    trouble::invariants(&mut text, result);
    actors::rollout(&mut text, result);
    actors::images(&mut text, result);
    traffic::messages(&mut text, result);
    actors::observer(&mut text, result);
    actors::generator(&mut text, result);
    traffic::lines(&mut text, result);
    actors::hubs(&mut text, result);
    actors::events(&mut text, result);
    text.finish()
}

/// What a scraper gets before anything is known of a run.
#[must_use]
pub fn metrics_of_nothing(form: Exposition) -> String {
    let mut text = MetricsText::new(form);
    phase(&mut text, "starting");
    text.finish()
}

fn phase(text: &mut MetricsText, phase: &str) {
    text.gauge("twinstorm_phase", "", "What is being done.").sample(&[("phase", phase)], 1);
}

fn run(text: &mut MetricsText, result: &RunResult, moment: Option<&Moment>) {
    let verdict = match (moment, result.verdict) {
        (Some(_), _) => "running",
        (None, Verdict::Pass) => "pass",
        (None, Verdict::Fail) => "fail",
        (None, Verdict::NotRecovered) => "not_recovered",
        (None, Verdict::Invalid) => "invalid",
        (None, Verdict::Aborted) => "aborted",
    };
    let seed = result.seed.to_string();
    let labels = [("name", &*result.name), ("version", &*result.version), ("seed", &*seed), ("verdict", verdict)];
    text.info("twinstorm_run", "Which run this is, and what it proved.").sample(&labels, 1);
    let start = result.began_at().as_millisecond() as f64 / 1e3;
    text.gauge("twinstorm_start_time_seconds", "seconds", "When the run started, in Unix time.").sample(&[], start);
    text.gauge("twinstorm_run_duration_seconds", "seconds", "How long the run took so far.")
        .sample(&[], measured(result.took_s()));
    if moment.is_none() {
        text.gauge("twinstorm_valid", "", "Whether the figures count.").sample(&[], u8::from(result.valid));
        text.gauge("twinstorm_exit_code", "", "The exit code of the command.").sample(&[], result.exit_code);
    }
    let devices: u64 = result.shards.iter().map(|shard| u64::from(shard.devices)).sum();
    text.gauge("twinstorm_devices", "", "Devices of the fleet.").sample(&[], devices);
}

fn standing(text: &mut MetricsText, moment: &Moment) {
    phase(text, moment.phase);
    let gauges = &moment.gauges;
    for (name, help, value) in [
        ("twinstorm_devices_connected", "Devices connected now.", gauges.connected),
        ("twinstorm_devices_gave_up", "Devices that gave up connecting.", gauges.gave_up),
        ("twinstorm_calls_in_flight", "Method calls in flight now.", gauges.calls_in_flight),
    ] {
        text.gauge(name, "", help).sample(&[], value);
    }
    text.gauge("twinstorm_devices_by_stage", "", "Devices by what they reported last.");
    for (status, count) in FirmwareStatus::ALL.into_iter().zip(gauges.stages) {
        text.sample(&[("stage", status.as_str())], count);
    }
}

fn updates(text: &mut MetricsText, result: &RunResult, finished: bool) {
    let census = &result.census;
    text.gauge("twinstorm_updates_planned", "", "Updates that the schedule holds.").sample(&[], census.planned);
    text.counter("twinstorm_updates", "", "Updates that ended, by outcome.");
    for outcome in Outcome::ALL {
        text.sample(&[("outcome", outcome.as_str())], census.count(outcome));
    }
    if finished {
        text.gauge(
            "twinstorm_updates_unaccounted",
            "",
            "Planned updates without an outcome; negative if counted twice.",
        )
        .sample(&[], census.unaccounted());
    }
    let over = "per second: over the last second while the run goes on, over the whole load afterwards.";
    for (name, what, rate) in [
        ("twinstorm_rate_offered", "Calls due", result.rate.offered_per_s),
        ("twinstorm_rate_achieved", "Calls sent", result.rate.achieved_per_s),
    ] {
        if let Some(rate) = rate {
            text.gauge(name, "", &format!("{what} {over}")).sample(&[], to_micros(rate));
        }
    }
}

#[cfg(test)]
mod tests;
