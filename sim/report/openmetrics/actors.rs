//! How generator, observer and hubs fared, and what became of roll-out, downloads and events.

use super::{measured, to_micros};
use crate::measure::{MetricsText, RunResult};

/// The waves.
pub(super) fn rollout(text: &mut MetricsText, result: &RunResult) {
    let Some(rollout) = &result.rollout else { return };
    text.gauge("twinstorm_wave_updates", "", "Updates of a roll-out's waves.");
    for wave in &rollout.waves {
        let number = wave.wave.to_string();
        for (state, count) in [
            ("planned", wave.updates),
            ("called", wave.called),
            ("ended", wave.ended),
            ("completed", wave.completed),
            ("failed", wave.failed),
        ] {
            text.sample(&[("wave", &number), ("state", state)], count);
        }
    }
    text.gauge("twinstorm_rollout_aborted", "", "Whether the roll-out was aborted.")
        .sample(&[], u8::from(rollout.aborted.is_some()));
}

/// What devices downloaded.
pub(super) fn images(text: &mut MetricsText, result: &RunResult) {
    let Some(images) = &result.images else { return };
    text.counter("twinstorm_image_downloads", "", "Downloads of images that are over.")
        .sample(&[("result", "ok")], images.downloads.saturating_sub(images.failed))
        .sample(&[("result", "failed")], images.failed);
    text.counter("twinstorm_image_bytes", "bytes", "Bytes of images that came.").sample(&[], images.bytes);
}

/// How transitions were observed; nothing where nobody did.
pub(super) fn observer(text: &mut MetricsText, result: &RunResult) {
    let observer = &result.observer;
    if observer.kind.is_empty() {
        return;
    }
    if !observer.is_told() {
        let failed = observer.throttled + observer.errors;
        text.counter("twinstorm_observer_requests", "", "The observer's requests.")
            .sample(&[("result", "ok")], observer.requests.saturating_sub(failed))
            .sample(&[("result", "throttled")], observer.throttled)
            .sample(&[("result", "failed")], observer.errors);
        text.counter("twinstorm_observer_looks_left_out", "", "Looks left out as too many were under way.")
            .sample(&[], observer.left_out);
    }
    text.counter("twinstorm_observer_stages", "", "Stages seen too late to be measured.")
        .sample(&[("seen", "late")], observer.seen_late)
        .sample(&[("seen", "after_end")], observer.late);
    if !observer.is_told() {
        text.gauge("twinstorm_observer_interval_seconds", "seconds", "Time between two looks.")
            .sample(&[], to_micros(observer.interval_ms as f64 / 1e3));
    }
}

/// Fleet and driver.
pub(super) fn generator(text: &mut MetricsText, result: &RunResult) {
    let generator = &result.generator;
    text.counter("twinstorm_generator_cpu_seconds", "seconds", "CPU time of fleet and driver.")
        .sample(&[], to_micros(generator.cpu_seconds));
    text.gauge("twinstorm_generator_cpu_ratio", "ratio", "The same over all cores and the whole run.")
        .sample(&[], measured(generator.cpu_percent / 100.0));
    text.gauge("twinstorm_generator_cores", "", "Cores that they may use.").sample(&[], generator.cores);
    text.gauge("twinstorm_generator_memory_peak_bytes", "bytes", "Resident memory at its peak.")
        .sample(&[], generator.rss_peak_bytes);
    text.gauge("twinstorm_generator_descriptors_peak", "", "Descriptors of the process that had most.")
        .sample(&[], generator.descriptors_peak);
    text.counter("twinstorm_generator_dropped_calls", "", "Calls that the generator was too late for.")
        .sample(&[], generator.dropped);
    let seconds = |micros: u64| measured(micros as f64 / 1e6);
    text.gauge("twinstorm_generator_schedule_lag_p99_seconds", "seconds", "How late calls were sent: 99th percentile.");
    if let Some(lag) = generator.schedule_lag_p99_us {
        text.sample(&[], seconds(lag));
    }
    text.gauge("twinstorm_generator_loop_lag_p99_seconds", "seconds", "How late event loops were: 99th percentile.");
    for (worker, lag) in &generator.loop_lag_p99_us {
        text.sample(&[("worker", worker)], seconds(*lag));
    }
    text.gauge("twinstorm_shards", "", "Processes that share the devices.").sample(&[], result.shards.len());
    text.gauge("twinstorm_shards_lost", "", "Those of them that were lost.")
        .sample(&[], result.shards.iter().filter(|shard| shard.lost).count());
}

/// The embedded hubs; nothing where the hub is not ours.
pub(super) fn hubs(text: &mut MetricsText, result: &RunResult) {
    let Some(hub) = &result.hub else { return };
    text.gauge("twinstorm_embedded_hubs", "", "Processes of the embedded hub.").sample(&[], hub.instances);
    // What a hub within the generator's process used, nobody can tell.
    text.counter("twinstorm_embedded_hubs_cpu_seconds", "seconds", "Their CPU time.");
    if let Some(seconds) = hub.cpu_seconds {
        text.sample(&[], to_micros(seconds));
    }
    text.gauge("twinstorm_embedded_hubs_memory_peak_bytes", "bytes", "Their resident memory at its peak.");
    if let Some(bytes) = hub.rss_peak_bytes {
        text.sample(&[], bytes);
    }
    if hub.throttled.is_empty() {
        return;
    }
    let help = "Operations that a limit of the embedded hubs let through, delayed or refused.";
    text.counter("twinstorm_embedded_hubs_throttled_operations", "", help);
    for count in &hub.throttled {
        let fault = count.fault.as_deref().map(|fault| ("fault", fault));
        let labels: Vec<(&str, &str)> = [("operation", &*count.operation)].into_iter().chain(fault).collect();
        for (result, count) in [
            ("at_once", count.admitted.saturating_sub(count.delayed)),
            ("delayed", count.delayed),
            ("refused", count.refused),
        ] {
            text.sample(&[&labels[..], &[("result", result)]].concat(), count);
        }
    }
}

/// The lines of `events.ndjson`; nothing where none was asked for.
pub(super) fn events(text: &mut MetricsText, result: &RunResult) {
    let Some(events) = &result.events else { return };
    text.counter("twinstorm_events", "", "Lines of events.ndjson.")
        .sample(&[("result", "written")], events.written)
        .sample(&[("result", "dropped")], events.dropped);
}
