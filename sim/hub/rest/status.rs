//! The hub's state for whoever watches it, without a token: `/healthz` and `/metrics`.

use hyper::Method;
use hyper::http::request::Parts;
use serde_json::json;

use super::answer::Answer;
use super::router::Service;
use crate::hub::partition::{Counters, Counts, Refusal};
use crate::hub::throttle::Operation;
use crate::measure::{Exposition, HubCounts, MetricsText, ServiceCount, ThrottleCount, Usage};
use crate::time::Nanos;

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Service {
    /// The answer to a request for the hub's own state; `None` if it is for something else.
    pub(super) async fn status(&self, head: &Parts) -> Option<Result<Answer, Refusal>> {
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/healthz") => {
                let uptime = self.worker.clock.now().as_secs();
                let text = json!({ "status": "ok", "version": VERSION, "uptime_s": uptime }).to_string();
                Some(Ok(Answer::ok(text)))
            }
            (&Method::GET, "/metrics") => Some(self.metrics().await.map(|text| {
                let mut answer = Answer::ok(text);
                answer.headers.push(("content-type", Exposition::OpenMetrics.content_type().to_owned()));
                answer
            })),
            _ => None,
        }
    }

    /// Asks every worker what it has done.
    async fn metrics(&self) -> Result<String, Refusal> {
        let (mut counts, mut counters, mut held) = (Counts::default(), Counters::default(), 0);
        for worker in 0..self.worker.peers.len() {
            let visit = self
                .worker
                .visit(worker, |partition, _| (partition.counts(), partition.counters().clone(), partition.held()));
            let (part, counted, waiting) = visit.await?;
            counts = counts + part;
            counters.add(counted);
            held += waiting;
        }
        let now = self.worker.clock.now();
        let held_back =
            HubCounts { throttled: self.worker.throttles.counts(now), service: self.worker.service_count(now) };
        Ok(text(now, counts, &counters, held, &held_back, Usage::of_self(), Usage::resident()))
    }
}

fn text(
    now: Nanos,
    counts: Counts,
    counters: &Counters,
    held: usize,
    held_back: &HubCounts,
    usage: Usage,
    resident: u64,
) -> String {
    let mut metrics = MetricsText::default();
    metrics.info("twinstorm_hub", "The hub's version.").sample(&[("version", VERSION)], 1);
    metrics
        .gauge("twinstorm_hub_uptime_seconds", "seconds", "Time since the hub was started.")
        .sample(&[], now.as_secs_f64());
    metrics.gauge("twinstorm_hub_connections", "", "Devices connected.").sample(&[], counts.connected);
    metrics
        .gauge("twinstorm_hub_registered_devices", "", "Devices registered.")
        .sample(&[("status", "enabled")], counts.total - counts.disabled)
        .sample(&[("status", "disabled")], counts.disabled);
    metrics.counter("twinstorm_hub_connects", "", "Connections accepted.").sample(&[], counters.connects);
    metrics.counter("twinstorm_hub_refused_connects", "", "Connections refused for what they said of themselves.");
    for (reason, count) in &counters.refused_connects {
        metrics.sample(&[("reason", reason)], count);
    }
    metrics.counter("twinstorm_hub_telemetry", "", "Messages from devices.").sample(&[], counters.telemetry);
    let [merged, refused] = counters.twin_updates;
    metrics
        .counter("twinstorm_hub_twin_operations", "", "Twin operations of devices.")
        .sample(&[("operation", "read"), ("outcome", "ok")], counters.twin_reads)
        .sample(&[("operation", "update"), ("outcome", "ok")], merged)
        .sample(&[("operation", "update"), ("outcome", "refused")], refused);
    metrics.counter("twinstorm_hub_methods", "", "Direct methods by how the call ended.");
    for (outcome, count) in &counters.methods {
        metrics.sample(&[("outcome", outcome)], count);
    }
    metrics.counter("twinstorm_hub_requests", "", "Requests of services by operation and HTTP status.");
    for ((operation, status), count) in &counters.requests {
        let operation = operation.map_or("other", Operation::name);
        metrics.sample(&[("operation", operation), ("code", &status.to_string())], count);
    }
    metrics
        .gauge("twinstorm_hub_held_packets", "", "Packets of devices that wait for a throttle or a server.")
        .sample(&[], held);
    limits(&mut metrics, &held_back.throttled);
    if let Some(count) = &held_back.service {
        service(&mut metrics, count);
    }
    metrics
        .counter("twinstorm_hub_process_cpu_seconds", "seconds", "CPU time of the hub's process.")
        .sample(&[], usage.cpu.as_secs_f64());
    metrics
        .gauge("twinstorm_hub_process_resident_memory_bytes", "bytes", "Resident memory of the hub's process.")
        .sample(&[], resident);
    metrics.gauge("twinstorm_hub_process_resident_memory_peak_bytes", "bytes", "Its peak.").sample(&[], usage.rss_peak);
    metrics.finish()
}

/// What the hub's servers did, where it has a service-time model.
fn service(metrics: &mut MetricsText, count: &ServiceCount) {
    metrics.gauge("twinstorm_hub_servers", "", "Servers of the service-time model.").sample(&[], count.servers);
    metrics
        .counter("twinstorm_hub_server_operations", "", "Operations that servers took at once, later, or not at all.")
        .sample(&[("result", "at_once")], count.operations.saturating_sub(count.waited))
        .sample(&[("result", "delayed")], count.waited)
        .sample(&[("result", "refused")], count.refused);
    metrics
        .counter("twinstorm_hub_server_wait_seconds", "seconds", "Time that operations waited for a server.")
        .sample(&[], count.wait_ms_total as f64 / 1e3);
    metrics
        .counter("twinstorm_hub_server_busy_seconds", "seconds", "Time that servers were at work, all together.")
        .sample(&[], count.busy_s);
}

/// What the limits of the hub did, of its tier and given one by one, where it has any, and those that faults have put on.
fn limits(metrics: &mut MetricsText, throttled: &[ThrottleCount]) {
    metrics.counter(
        "twinstorm_hub_throttled_operations",
        "",
        "Operations that a limit let through, delayed or refused.",
    );
    for count in throttled {
        let labels = labels(count);
        for (result, count) in [
            ("at_once", count.admitted.saturating_sub(count.delayed)),
            ("delayed", count.delayed),
            ("refused", count.refused),
        ] {
            metrics.sample(&[&labels[..], &[("result", result)]].concat(), count);
        }
    }
    metrics.counter("twinstorm_hub_throttle_wait_seconds", "seconds", "Time that operations waited for a limit.");
    for count in throttled {
        metrics.sample(&labels(count), count.wait_ms_total as f64 / 1e3);
    }
}

/// What tells a limit from the others.
fn labels(count: &ThrottleCount) -> Vec<(&str, &str)> {
    let fault = count.fault.as_deref().map(|fault| ("fault", fault));
    [Some(("operation", count.operation.as_str())), fault].into_iter().flatten().collect()
}
