//! A result made by hand, for the tests of every format.

pub(super) mod capacity;

use std::collections::BTreeMap;
use std::time::Duration;

use super::encode;
use crate::measure::{
    Census, Distribution, DrillResult, EventCounts, FaultRow, FaultSpan, GeneratorHealth, HealResult, HubHealth,
    ImageCounts, Interval, Invariant, InvariantRow, LineRow, LoadSpan, MatrixRow, MessageCounts, MessageKind, Messages,
    ObserverHealth, OffDiagonal, PhaseData, PhaseResult, RateResult, Retries, RetryRow, RolloutAbort, RolloutResult,
    RunResult, SeriesData, ShardResult, SteadyResult, TelemetryRate, ThresholdAbort, ThresholdResult, Verdict,
    WaveResult,
};
use crate::policy::{DrillPhase, Outcome, Place, Series};

/// `samples` evenly spread up to `longest`.
fn data(samples: u32, longest: Duration) -> SeriesData {
    let mut data = SeriesData::default();
    (1..=samples).for_each(|n| data.record(longest * n / samples));
    data
}

fn interval(t_s: f64, hdr: &[(Series, u32)]) -> Interval {
    let encoded = |samples| encode(&data(samples, Duration::from_millis(5))).unwrap();
    Interval {
        t_s,
        length_s: 1.0,
        connected: 500,
        stages: BTreeMap::from([("standBy".to_owned(), 490), ("downloading".to_owned(), 10)]),
        offered: 100,
        achieved: 98,
        attempts: 598,
        p50_us: BTreeMap::from([("connect".to_owned(), 812)]),
        p99_us: BTreeMap::new(),
        hdr: hdr.iter().map(|(series, samples)| (series.name().to_owned(), encoded(*samples))).collect(),
        connect_attempts: 500,
        call_attempts: 98,
        report_attempts: 291,
        cohort_attempts: vec![250, 250],
        telemetry_sent: 0,
        telemetry_delivered: 0,
    }
}

fn threshold(expr: &str, observed: Option<f64>, ok: Option<bool>) -> ThresholdResult {
    ThresholdResult { expr: expr.to_owned(), observed, judged_by: None, ok }
}

fn wave(wave: u32, updates: u64, released_s: Option<f64>, counts: [u64; 4]) -> WaveResult {
    let [called, ended, completed, failed] = counts;
    WaveResult { wave, updates, released_s, called, ended, completed, failed }
}

/// A run with everything in it.
pub(super) fn sample() -> RunResult {
    let ms = Duration::from_millis;
    let mut census = Census { planned: 1000, ..Census::default() };
    census.add(Outcome::Completed, "", 958);
    census.add(Outcome::Failed, "verifying/checksum_mismatch", 20);
    census.add(Outcome::Rejected, "409", 1);
    census.add(Outcome::Rejected, "500", 19);
    census.add(Outcome::Stuck, "applying", 2);
    RunResult {
        name: "quickstart".to_owned(),
        started_at: "2026-11-03T10:20:30Z".parse().unwrap(),
        duration_s: 24.25,
        version: "0.1.0".to_owned(),
        seed: 7,
        plan: serde_json::json!({
            "name": "quickstart", "fleet": { "devices": 1000 },
            "driver": { "load": { "kind": "open", "rate": 100.0 } },
        }),
        command: "twinstorm run quickstart --seed 7".to_owned(),
        valid: true,
        invalid_reasons: Vec::new(),
        verdict: Verdict::Fail,
        exit_code: 99,
        census,
        absent: vec![Series::Reconnect, Series::TwinVisible(crate::policy::FirmwareStatus::RolledBack)],
        series: BTreeMap::from([
            (Series::Connect, data(1000, ms(8))),
            (Series::Ping, data(210, Duration::from_micros(640))),
            (Series::MethodResponse, data(20_000, ms(35))),
            (Series::TwinAck(crate::policy::FirmwareStatus::StandBy), data(21, ms(21))),
            (Series::UpdateTotal, SeriesData { saturated: 1, ..data(958, ms(9500)) }),
            (Series::ScheduleLag, data(1000, Duration::from_micros(840))),
        ]),
        intervals: vec![
            interval(1.0, &[(Series::Connect, 3)]),
            interval(2.0, &[(Series::MethodResponse, 2), (Series::UpdateTotal, 1)]),
        ],
        rate: RateResult { offered_per_s: Some(98.75), achieved_per_s: Some(98.5), telemetry: None },
        generator: GeneratorHealth {
            cpu_seconds: 3.25,
            cpu_percent: 6.5,
            cores: 2,
            rss_peak_bytes: 47_185_920,
            descriptors_peak: 1203,
            schedule_lag_p99_us: Some(832),
            dropped: 0,
            hub_on_same_machine: true,
            loop_lag_p99_us: BTreeMap::from([("fleet-0".to_owned(), 1100), ("driver".to_owned(), 900)]),
            lines: Vec::new(),
        },
        hub: Some(HubHealth {
            instances: 1,
            cpu_seconds: Some(2.5),
            rss_peak_bytes: Some(13_631_488),
            throttled: Vec::new(),
            service: None,
            faults: Vec::new(),
        }),
        shards: vec![ShardResult {
            shard: 0,
            hub: Some(0),
            first_device: 0,
            devices: 1000,
            ended: 1000,
            lost: false,
            cpu_seconds: 5.25,
            rss_peak_bytes: 25_165_824,
        }],
        observer: ObserverHealth {
            kind: "query".to_owned(),
            interval_ms: 250,
            resolution_us: 250_000,
            seen_late: 12,
            late: 1,
            throttled: 0,
            errors: 0,
            requests: 93,
            left_out: 3,
            presence: None,
            unheard: 0,
        },
        faults: vec![
            fault("fail", Place::Device, Outcome::Failed, &[(Outcome::Failed, 20)]),
            FaultRow {
                off_diagonal: 1,
                ..fault("reject-2", Place::Call, Outcome::Rejected, &[(Outcome::Completed, 1), (Outcome::Rejected, 19)])
            },
            FaultRow {
                strikes: 30,
                peak_per_s: 12.5,
                recovery: Some(Distribution::of(&data(30, Duration::from_secs(4)))),
                found: Some(Distribution::of(&data(2, ms(70)))),
                ..fault("half_open", Place::Link, Outcome::Completed, &[(Outcome::Completed, 4)])
            },
        ],
        thresholds: vec![
            threshold("census.completed.pct >= 100", Some(95.8), Some(false)),
            threshold("method.response.p99 < 1s", Some(0.034_65), Some(true)),
            ThresholdResult {
                judged_by: Some("max".to_owned()),
                ..threshold("update.total.p99_9 < 1m", Some(9.5), Some(true))
            },
            threshold("rate.achieved >= 95/s", Some(98.5), Some(true)),
            threshold("census.hub_error == 0", Some(0.0), Some(true)),
            threshold("reconnect.p99 < 5s", None, None),
        ],
        abort: Some(ThresholdAbort { expr: "census.failed < 20".to_owned(), at_s: 20.0, observed: 20.0 }),
        rollout: Some(RolloutResult {
            waves: vec![
                wave(1, 10, Some(2.31), [10, 10, 10, 0]),
                wave(2, 90, Some(9.87), [50, 40, 34, 6]),
                wave(3, 900, None, [0; 4]),
            ],
            exposed: 60,
            exposed_pct: 6.0,
            aborted: Some(RolloutAbort {
                at_s: 12.5,
                wave: 2,
                reason: "6 of 50 updates failed, 12.0 %, with an abort at 10 %".to_owned(),
                overshoot: 3,
            }),
        }),
        images: Some(ImageCounts { downloads: 978, bytes: 256_901_120, resumes: 3, failed: 20 }),
        messages: Messages::default(),
        retries: retries(),
        matrix: vec![
            row("none", &[(Outcome::Completed, 956)]),
            row("fail", &[(Outcome::Failed, 20)]),
            row("reject-2", &[(Outcome::Completed, 1), (Outcome::Rejected, 18)]),
            row("half_open", &[(Outcome::Completed, 3)]),
            row("several", &[(Outcome::Completed, 1), (Outcome::Rejected, 1)]),
        ],
        off_diagonal: (0..12)
            .map(|number| OffDiagonal {
                device: format!("sim-{number:07}"),
                update: format!("20260101-{number}"),
                injected: vec!["reject-2".to_owned()],
                expected: vec!["rejected:503".to_owned()],
                observed: "completed".to_owned(),
                detail: String::new(),
            })
            .collect(),
        off_diagonal_total: 13,
        invariants: Invariant::ALL
            .map(|name| InvariantRow { name, checked: 1000, injected: 0, violations: 0, examples: Vec::new() })
            .into(),
        losses_unexplained: 2,
        load: Some(LoadSpan { from_s: 3.0, to_s: 23.5 }),
        drill: Some(drill()),
        events: Some(EventCounts { written: 6_958, dropped: 2 }),
        settled: None,
        capacity: None,
    }
}

/// The same over a plain broker, whose devices do not tell whether they are connected.
pub(super) fn broker() -> RunResult {
    let mut result = sample();
    result.plan["hub"] = serde_json::json!({ "kind": "mqtt", "url": "mqtt://127.0.0.1:1884" });
    result.hub = None;
    let ObserverHealth { seen_late, late, .. } = result.observer;
    result.observer =
        ObserverHealth { kind: "subscribe".to_owned(), seen_late, late, presence: Some(false), ..Default::default() };
    let counts = |sent, lost| MessageCounts { sent, acknowledged: sent - lost, lost, ..MessageCounts::default() };
    *result.messages.of(MessageKind::Request) = counts(1000, 0);
    *result.messages.of(MessageKind::Report) =
        MessageCounts { resent: 5, delivered: 3997, duplicates: 3, undelivered: 1, ..counts(4000, 2) };
    let line = LineRow {
        name: "line-0".to_owned(),
        share: "group".to_owned(),
        received: 3000,
        sent: 500,
        reconnects: 0,
        losses: 0,
        lost_by: String::new(),
        lag_p99_us: Some(1250),
        lag_max_us: Some(4000),
    };
    let other = LineRow {
        name: "line-1".to_owned(),
        received: 2999,
        reconnects: 2,
        losses: 2,
        lost_by: "the broker has closed it".to_owned(),
        lag_p99_us: None,
        lag_max_us: None,
        ..line.clone()
    };
    result.generator.lines = vec![line, other];
    result
}

/// A bench of a broker: telemetry, and nobody is updated.
pub(super) fn bench() -> RunResult {
    let mut result = broker();
    (result.census, result.rate) = (Census::default(), RateResult::default());
    (result.verdict, result.exit_code, result.drill, result.rollout) = (Verdict::Pass, 0, None, None);
    (result.faults, result.matrix, result.off_diagonal, result.thresholds) = Default::default();
    (result.off_diagonal_total, result.abort, result.images, result.losses_unexplained) = (0, None, None, 0);
    let ms = Duration::from_millis;
    result.series = BTreeMap::from([
        (Series::Connect, data(1000, ms(8))),
        (Series::TelemetryAck, data(30_000, ms(8))),
        (Series::TelemetryDelivery, data(29_990, ms(10))),
    ]);
    let (offered_per_s, sent_per_s, delivered_per_s) = (1000.0, Some(998.0), Some(997.0));
    result.rate.telemetry = Some(TelemetryRate { offered_per_s, sent_per_s, delivered_per_s });
    result.messages = Messages::default();
    *result.messages.of(MessageKind::Telemetry) =
        MessageCounts { sent: 30_000, acknowledged: 30_000, delivered: 29_990, undelivered: 10, ..Default::default() };
    result
}

/// The same, whose figures do not count.
pub(super) fn invalid() -> RunResult {
    let mut result = sample();
    (result.verdict, result.valid, result.exit_code) = (Verdict::Invalid, false, 96);
    result.invalid_reasons = vec![
        "the generator was too slow: schedule.lag p99 is 12.3 ms, allowed are 10.0 ms".to_owned(),
        "the embedded hub died: it ended with signal 9".to_owned(),
    ];
    result.census.planned += 1;
    result
}

/// A run that was stopped early, and no drill.
pub(super) fn aborted() -> RunResult {
    let mut result = sample();
    (result.verdict, result.exit_code) = (Verdict::Aborted, 97);
    result.census.planned += 500;
    result.census.add(Outcome::Aborted, "", 500);
    (result.drill, result.rollout) = (None, None);
    result
}

fn drill() -> DrillResult {
    let phase = |name, from_s, to_s, completed| {
        let mut data = PhaseData::default();
        data.census.planned = 300;
        data.census.add(Outcome::Completed, "", completed);
        if completed < 300 {
            data.census.add(Outcome::NotOnline, "", 300 - completed);
        }
        data.series.insert(Series::UpdateTotal, self::data(300, Duration::from_secs(7)));
        PhaseResult { name, from_s, to_s, data }
    };
    let steady =
        |phase, observed, ok| SteadyResult { phase, judged: threshold("census.completed.pct >= 99", observed, ok) };
    DrillResult {
        claim: "a fleet whose hub is away for five seconds is whole again ten seconds later, and loses nothing"
            .to_owned(),
        phases: vec![
            phase(DrillPhase::Before, 3.0, 8.0, 300),
            phase(DrillPhase::During, 8.0, 16.0, 240),
            phase(DrillPhase::After, 16.0, 23.5, 299),
        ],
        never_came: 100,
        timeline: vec![
            FaultSpan { name: "offline".to_owned(), from_s: 8.0, to_s: Some(13.0) },
            FaultSpan { name: "fail".to_owned(), from_s: 9.0, to_s: None },
        ],
        steady: vec![
            steady(DrillPhase::Before, Some(100.0), Some(true)),
            steady(DrillPhase::After, Some(99.67), Some(true)),
        ],
        assertions: vec![
            threshold("during: census.completed.pct >= 90", Some(80.0), Some(false)),
            threshold("connected.pct >= 95", None, None),
        ],
        heal: Some(HealResult { began_s: 23.5, took_s: Some(0.25), whole: true, missing: 0, gave_up: 0, gone: 3 }),
        overran: false,
        replay: "twinstorm run quickstart --seed 7".to_owned(),
    }
}

/// Two cohorts of which one has come back, and calls of which some were tried again.
fn retries() -> Retries {
    let row = |policy: &str, devices, attempts, retries| RetryRow {
        policy: policy.to_owned(),
        devices,
        attempts,
        retries,
        waited_s: retries as f64 / 4.0,
        peak_per_s: attempts / 10,
        ..RetryRow::default()
    };
    let back = Some(data(1000, Duration::from_secs(12)));
    Retries {
        connect: vec![
            RetryRow { lost: 1000, back_99_s: Some(11.88), back, ..row("azure-c", 500, 2500, 2000) },
            RetryRow { give_ups: 500, lost: 500, back: Some(SeriesData::default()), ..row("none", 500, 500, 0) },
        ],
        connect_peak_per_s: 300,
        method: RetryRow { give_ups: 2, ..row("exponential-full", 1000, 1024, 24) },
        twin: row("exponential-full", 1000, 3980, 0),
    }
}

fn fault(name: &str, place: Place, expected: Outcome, observed: &[(Outcome, u64)]) -> FaultRow {
    let injected = observed.iter().map(|(_, count)| count).sum();
    FaultRow {
        name: name.to_owned(),
        kind: name.split('-').next().unwrap_or_default().to_owned(),
        place,
        expected: vec![expected],
        strikes: injected,
        late: 0,
        injected,
        observed: observed.iter().copied().collect(),
        off_diagonal: 0,
        peak_per_s: 3.0,
        recovery: None,
        found: None,
    }
}

fn row(hit_by: &str, outcomes: &[(Outcome, u64)]) -> MatrixRow {
    MatrixRow { hit_by: hit_by.to_owned(), outcomes: outcomes.iter().copied().collect() }
}
