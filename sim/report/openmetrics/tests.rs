use std::collections::BTreeSet;

use super::figures::{exact, measured, to_micros};
use super::*;
use crate::measure::{RunResult, ThresholdResult};
use crate::report::sample::{broker, capacity, sample};

fn rendered(result: &RunResult) -> String {
    String::from_utf8(OpenMetrics.render(result).unwrap()).unwrap()
}

#[test]
fn a_result_as_metrics() {
    insta::assert_snapshot!(rendered(&sample()));
}

#[test]
fn a_capacity_has_its_ends_and_its_cause() {
    let told = |found| -> Vec<String> {
        let text = rendered(&capacity::with(found));
        text.lines().filter(|line| line.starts_with("twinstorm_capacity")).map(str::to_owned).collect()
    };
    assert_eq!(
        told(capacity::capacity()),
        [
            "twinstorm_capacity_low{of=\"calls\"} 40",
            "twinstorm_capacity_high{of=\"calls\"} 41.8",
            "twinstorm_capacity_cause{of=\"calls\",cause=\"throttled\"} 1",
            "twinstorm_capacity_finished{of=\"calls\"} 1",
        ]
    );
    assert_eq!(told(capacity::nothing_kept())[0], "twinstorm_capacity_high{of=\"calls\"} 47.6");
    assert_eq!(
        told(capacity::nothing_broken()),
        ["twinstorm_capacity_low{of=\"calls\"} 40", "twinstorm_capacity_finished{of=\"calls\"} 0"]
    );
    let whole = rendered(&capacity::with(capacity::capacity()));
    assert!(whole.contains("\ntwinstorm_run_duration_seconds 96.4\n"), "of the search: {whole}");
    assert!(!rendered(&sample()).contains("capacity"));
}

#[test]
fn a_broker_has_messages_and_connections_and_no_looks() {
    let text = rendered(&broker());
    for line in [
        "twinstorm_messages_sent_total{kind=\"report\",result=\"first\"} 4000",
        "twinstorm_messages_ended_total{kind=\"report\",result=\"lost\"} 2",
        "twinstorm_messages_received_total{kind=\"report\",result=\"again\"} 3",
        "twinstorm_messages_undelivered_total{kind=\"report\",result=\"never\"} 1",
        "twinstorm_driver_connection_messages_total{connection=\"line-0\",direction=\"in\"} 3000",
        "twinstorm_driver_connection_reconnects_total{connection=\"line-1\"} 2",
        "twinstorm_driver_connection_lag_p99_seconds{connection=\"line-0\"} 0.00125",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    assert!(!text.contains("observer_requests") && !text.contains("observer_interval"), "{text}");
    for name in ["twinstorm_messages", "twinstorm_driver_connection"] {
        assert!(!rendered(&sample()).contains(name), "{name}");
    }
}

#[test]
fn a_moment_tells_what_stands_and_no_verdict() {
    let gauges =
        Gauges { connected: 990, gave_up: 3, calls_in_flight: 7, stages: [1, 2, 3, 4, 5, 6], ..Gauges::default() };
    let text = metrics(&sample(), Some(&Moment { phase: "running", gauges }), Exposition::OpenMetrics);
    for line in [
        "twinstorm_run_info{name=\"quickstart\",version=\"0.1.0\",seed=\"7\",verdict=\"running\"} 1",
        "twinstorm_phase{phase=\"running\"} 1",
        "twinstorm_devices_connected 990",
        "twinstorm_devices_gave_up 3",
        "twinstorm_calls_in_flight 7",
        "twinstorm_devices_by_stage{stage=\"rolledBack\"} 6",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    for name in ["twinstorm_valid", "twinstorm_exit_code", "twinstorm_updates_unaccounted"] {
        assert!(!text.contains(name) && rendered(&sample()).contains(name), "{name}");
    }
}

#[test]
fn every_family_is_whole_and_stands_once_in_both_forms() {
    let mut odd = sample();
    odd.name = "a \"b\"\\\nc".to_owned();
    // A plan may ask for the same twice.
    let twice = odd.thresholds[0].clone();
    odd.thresholds.push(twice);
    odd.thresholds.push(ThresholdResult {
        expr: "x".to_owned(),
        observed: Some(f64::INFINITY),
        judged_by: None,
        ok: None,
    });
    for result in [sample(), odd, RunResult::default(), capacity::with(capacity::by_generator())] {
        for form in [Exposition::OpenMetrics, Exposition::Prometheus] {
            let text = metrics(&result, None, form);
            assert_eq!(text.ends_with("# EOF\n"), form == Exposition::OpenMetrics);
            let (mut families, mut samples) = (BTreeSet::new(), BTreeSet::new());
            let mut family = String::new();
            for line in text.lines() {
                if let Some(words) = line.strip_prefix("# TYPE ") {
                    let name = words.split(' ').next().unwrap();
                    assert!(families.insert(name.to_owned()), "twice: {line}");
                    family = name.to_owned();
                } else if !line.starts_with('#') {
                    let (sample, value) = line.rsplit_once(' ').unwrap();
                    assert!(sample.starts_with(&family), "{line} is no part of {family}");
                    assert!(samples.insert(sample.to_owned()), "twice: {line}");
                    assert!(value == "+Inf" || value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                    assert!(!value.contains('e'), "{line}");
                }
            }
            assert!(families.len() > 20, "{families:?}");
        }
    }
}

#[test]
fn durations_have_three_digits_and_counts_are_exact() {
    for (value, text) in [
        (0.0, "0"),
        (0.000_001_234, "0.00000123"),
        (0.034_650_9, "0.0347"),
        (0.999_6, "1"),
        (9.996, "10"),
        (12.34, "12.3"),
        (99.96, "100"),
        (14_412.4, "14412"),
    ] {
        assert_eq!(measured(value), text);
    }
    assert_eq!(to_micros(1_234.567_891_2), "1234.567891");
    assert_eq!(
        (exact(1e12), exact(f64::INFINITY), exact(f64::NAN)),
        ("1000000000000".to_owned(), "+Inf".to_owned(), "NaN".to_owned())
    );
}

#[test]
fn a_percentile_with_too_few_samples_is_left_out() {
    let text = rendered(&sample());
    let quantiles = |series: &str| {
        let head = format!("twinstorm_duration_seconds{{series=\"{series}\",quantile=\"");
        text.lines().filter_map(|line| line.strip_prefix(&head)?.split('"').next()).collect::<Vec<_>>()
    };
    assert_eq!(quantiles("twin.ack.standBy"), ["0.0", "0.5", "1.0"]);
    assert_eq!(quantiles("method.response"), ["0.0", "0.5", "0.9", "0.95", "0.99", "0.999", "1.0"]);
    assert!(text.contains("twinstorm_duration_seconds_count{series=\"twin.ack.standBy\"} 21\n"));
}
