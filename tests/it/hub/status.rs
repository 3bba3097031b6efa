//! `/healthz` and `/metrics`, read with a parser that holds them to OpenMetrics.

use std::collections::{BTreeMap, BTreeSet};

use twinstorm::hub::Operation;
use twinstorm::policy::Limit;

use super::throttling::limits;
use super::*;

/// The samples of an OpenMetrics text by name and labels. Fails where the text is none.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let lines = text.strip_suffix("# EOF\n").unwrap();
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let (mut family, mut kind, mut said) = (String::new(), String::new(), BTreeSet::new());
    for line in lines.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            let [word, name, rest] = words.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            if word == "TYPE" {
                assert!(families.insert(name.to_owned()), "a family stands in one place: {line}");
                (family, kind) = (name.to_owned(), rest.to_owned());
                said.clear();
            }
            assert!(name == family && said.insert(word.to_owned()), "{line}");
            assert!(word != "UNIT" || name.ends_with(&format!("_{rest}")), "a name ends with its unit: {line}");
            assert!(word != "TYPE" || ["counter", "gauge", "info"].contains(&rest), "{line}");
            continue;
        }
        let (metric, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match metric.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (metric, ""),
        };
        let suffix = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert_eq!(name, format!("{family}{suffix}"), "{line}");
        assert!(
            name.starts_with("twinstorm_hub_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, text) = label.split_once('=').unwrap();
            assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()), "{line}");
            assert!(text.len() >= 2 && text.starts_with('"') && text.ends_with('"'), "{line}");
        }
        assert!(samples.insert(metric.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

impl Bench {
    /// Asked without a token.
    async fn ask(&self, path: &str) -> (hyper::HeaderMap, Response) {
        let request = Request { method: "GET", path: path.to_owned(), headers: Vec::new(), body: String::new() };
        tokio::time::timeout(PATIENCE, self.send("", request)).await.unwrap()
    }

    async fn metrics(&self) -> BTreeMap<String, f64> {
        let (headers, answer) = self.ask("/metrics").await;
        assert_eq!(headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
        parse(std::str::from_utf8(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn the_hub_tells_that_it_is_well_and_what_it_has_done() {
    let bench = Bench::start();
    let (headers, answer) = bench.ask("/healthz").await;
    let health: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &health["status"]), (200, &json!("ok")));
    assert_eq!(headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(bench.ask("/statistics/devices").await.1.status, 401, "all else needs a token");

    let mut device = bench.online("d").await;
    device.subscribe(FromHub::TWIN_RESPONSE_FILTER).await;
    for (topic, body) in [
        (FromDevice::ReportedPatch { rid: "1" }, json!({"a": 1})),
        (FromDevice::ReportedPatch { rid: "2" }, json!([])),
        (FromDevice::TwinGet { rid: "3" }, json!({})),
        (FromDevice::Telemetry { device: "d", module: None, properties: "" }, json!({})),
    ] {
        device.publish(topic, body).await;
        device.until(|packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    }
    bench.device("d", &Key::from_bytes([9; 32])).end().await;
    assert_eq!(bench.plain("GET", "/twins/d", &[], Value::Null).await.status, 200);
    assert_eq!(bench.plain("GET", "/twins/e", &[], Value::Null).await.status, 404);
    let call = serde_json::to_value(Bench::call(5)).unwrap();
    assert_eq!(bench.plain("POST", "/twins/d/methods", &[], call).await.status, 404);

    let metrics = bench.metrics().await;
    for (sample, value) in [
        ("twinstorm_hub_connections", 1.0),
        ("twinstorm_hub_registered_devices{status=\"enabled\"}", 1.0),
        ("twinstorm_hub_connects_total", 1.0),
        ("twinstorm_hub_refused_connects_total{reason=\"not_authorized\"}", 1.0),
        ("twinstorm_hub_telemetry_total", 1.0),
        ("twinstorm_hub_twin_operations_total{operation=\"read\",outcome=\"ok\"}", 1.0),
        ("twinstorm_hub_twin_operations_total{operation=\"update\",outcome=\"ok\"}", 1.0),
        ("twinstorm_hub_twin_operations_total{operation=\"update\",outcome=\"refused\"}", 1.0),
        ("twinstorm_hub_methods_total{outcome=\"not_online\"}", 1.0),
        ("twinstorm_hub_requests_total{operation=\"twin_read\",code=\"200\"}", 1.0),
        ("twinstorm_hub_requests_total{operation=\"twin_read\",code=\"404\"}", 1.0),
        ("twinstorm_hub_requests_total{operation=\"method\",code=\"404\"}", 1.0),
        ("twinstorm_hub_requests_total{operation=\"other\",code=\"401\"}", 1.0),
    ] {
        assert_eq!(metrics.get(sample), Some(&value), "{sample} in {metrics:#?}");
    }
    assert!(metrics["twinstorm_hub_process_resident_memory_bytes"] > 1e6);
    assert!(metrics["twinstorm_hub_process_cpu_seconds_total"] > 0.0);
}

#[tokio::test]
async fn what_limits_did_stands_in_the_metrics() {
    let limit = Limit { rate: 1e-3, burst: 1.0, queue: Duration::ZERO };
    let bench = Bench::limited(limits(&[(Operation::Registry, limit)]));
    for _ in 0..3 {
        bench.plain("GET", "/devices", &[], Value::Null).await;
    }
    let metrics = bench.metrics().await;
    let throttled = |result| {
        metrics[&format!("twinstorm_hub_throttled_operations_total{{operation=\"registry\",result=\"{result}\"}}")]
    };
    assert_eq!((throttled("at_once"), throttled("delayed"), throttled("refused")), (1.0, 0.0, 2.0));
    assert_eq!(metrics["twinstorm_hub_requests_total{operation=\"registry\",code=\"429\"}"], 2.0);
}
