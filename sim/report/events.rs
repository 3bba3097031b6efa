//! `events.ndjson`: everything that happens to updates, as the driver sees it; a line of JSON for each event, written while
//! the run goes on.
//!
//! `t_s` counts from the start of the run on the clock of its shard; the clocks of several shards are brought together at
//! the start only, by wall time, so that lines of two shards compare no better than their machines' clocks do. Lines of one
//! shard stand about in their order, those of several shards mix second by second: sort by `t_s` where the order matters.
//! Durations are in whole microseconds. A key without a value is left out.
//!
//! | key | in | what |
//! |---|---|---|
//! | `t_s` | all | when it was noted, in seconds since the run started; for `due` the due time itself |
//! | `shard` | all | number of the shard |
//! | `device` | all but a summed `ended` | the device's id |
//! | `update` | all but a summed `ended` | the update's id as its call carries it (that of its job, where jobs call); its number where calls carry none |
//! | `event` | all | `due`, `called`, `answered`, `stage`, `seen_late`, `late` or `ended` |
//! | `attempt` | `called` | 1 for the first attempt |
//! | `lag_us` | `called` | how late the first attempt was; absent in a closed load |
//! | `answer` | `answered` | who answered, or how that failed: `device`, `not_online`, `no_response`, `throttled`, `hub`, `unreachable`, `broken`, `client_timeout`; absent where the call is given up by what the twin shows |
//! | `status` | `answered` | the status of the device, or of the hub's HTTP answer where that says no more |
//! | `service_us` | `answered` | from the send of the attempt; absent where jobs call |
//! | `response_us` | `answered` | from the due time, at the attempt that ends the call; absent where jobs call |
//! | `stage` | `stage`, `seen_late`, `late` | `downloading`, `applying`, `completed`, `failed` or `rolledBack` |
//! | `version` | `stage` | `$version` of the reported properties |
//! | `transition_us` | `stage` | since the stage before was seen, the first time since the call was answered; absent where that moment was not seen |
//! | `visible_us` | `stage` | since the device published it; absent where fleet and driver do not run together |
//! | `outcome` | `ended` | as in the census |
//! | `detail` | `ended` | what the census says beyond that |
//! | `total_us` | `ended` | from the due time; absent of a summed one |
//! | `overhead_us` | `ended` | the same without the delays that the device chose; of `completed` where those are known |
//! | `count` | `ended` | of a summed one: so many updates ended so that nobody had called, or that were lost with their shard |
//!
//! `seen_late` is a stage that came and went between two looks, `late` one that was seen after the update had ended. The
//! counts of all `ended` lines, 1 where they name none, add up to the census, if no event was dropped; how many were stands
//! in the result under `events`.

use std::time::Duration;

use serde::Serialize;

use crate::measure::{Answer, Event, Happening};
use crate::policy::{DeviceIds, FirmwareStatus, Outcome};
use crate::time::Nanos;

/// The file's name.
pub const EVENTS_FILE: &str = "events.ndjson";

/// How events are put into lines.
#[derive(Debug)]
pub struct EventLines {
    ids: DeviceIds,
    run_id: Option<String>,
}

/// A line, its keys in their order.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    t_s: f64,
    shard: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<String>,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<FirmwareStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visible_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overhead_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl EventLines {
    /// Lines about devices with these ids; `run_id` is what the ids of updates begin with, where calls carry one.
    #[must_use]
    pub const fn new(ids: DeviceIds, run_id: Option<String>) -> Self {
        Self { ids, run_id }
    }

    /// Adds the line of `event` to `text`.
    ///
    /// # Errors
    /// None that a line of ours can give.
    pub fn put(&self, text: &mut Vec<u8>, shard: usize, event: &Event) -> Result<(), serde_json::Error> {
        let line = line(&event.what);
        let named = line.count.is_none();
        let line = Line {
            t_s: seconds(event.at),
            shard,
            device: named.then(|| self.ids.id(event.device)),
            update: named.then(|| self.update(event.update)),
            ..line
        };
        serde_json::to_writer(&mut *text, &line)?;
        text.push(b'\n');
        Ok(())
    }

    fn update(&self, number: u64) -> String {
        match &self.run_id {
            Some(run_id) => format!("{run_id}-{number}"),
            None => number.to_string(),
        }
    }
}

/// What is said of what happened.
fn line(what: &Happening) -> Line<'_> {
    match what {
        Happening::Due => Line { event: "due", ..Line::default() },
        Happening::Called { attempt, lag } => {
            Line { event: "called", attempt: Some(*attempt), lag_us: lag.map(micros), ..Line::default() }
        }
        Happening::Answered { answer, service, response } => {
            let (answer, status) = answer.map(in_words).unzip();
            let (service_us, response_us) = (service.map(micros), response.map(micros));
            Line { event: "answered", answer, status: status.flatten(), service_us, response_us, ..Line::default() }
        }
        Happening::Stage { stage, version, transition, visible } => Line {
            event: "stage",
            stage: Some(*stage),
            version: Some(*version),
            transition_us: transition.map(micros),
            visible_us: visible.map(micros),
            ..Line::default()
        },
        Happening::SeenLate(stage) => Line { event: "seen_late", stage: Some(*stage), ..Line::default() },
        Happening::Late(stage) => Line { event: "late", stage: Some(*stage), ..Line::default() },
        Happening::Ended { outcome, detail, total, overhead } => Line {
            event: "ended",
            outcome: Some(*outcome),
            detail,
            total_us: Some(micros(*total)),
            overhead_us: overhead.map(micros),
            ..Line::default()
        },
        Happening::EndedUncalled { outcome, detail, count } => {
            Line { event: "ended", outcome: Some(*outcome), detail, count: Some(*count), ..Line::default() }
        }
    }
}

/// An answer's name and its status.
const fn in_words(answer: Answer) -> (&'static str, Option<i64>) {
    match answer {
        Answer::Device(status) => ("device", Some(status)),
        Answer::NotOnline => ("not_online", None),
        Answer::NoResponse => ("no_response", None),
        Answer::Throttled => ("throttled", None),
        Answer::Hub(status) => ("hub", Some(status as i64)),
        Answer::Unreachable => ("unreachable", None),
        Answer::Broken => ("broken", None),
        Answer::ClientTimeout => ("client_timeout", None),
    }
}

/// To the microsecond.
fn seconds(at: Nanos) -> f64 {
    (at.get() / 1000) as f64 / 1e6
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_line() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let stage = FirmwareStatus::RolledBack;
        let lines: Vec<String> = [
            Happening::Due,
            Happening::Called { attempt: 1, lag: Some(Duration::from_nanos(1_999)) },
            Happening::Answered { answer: Some(Answer::Hub(503)), service: ms(2), response: None },
            Happening::Answered { answer: Some(Answer::Device(-3)), service: ms(2), response: ms(5) },
            Happening::Answered { answer: None, service: None, response: ms(5) },
            Happening::Stage { stage, version: 12, transition: None, visible: ms(1) },
            Happening::SeenLate(stage),
            Happening::Late(FirmwareStatus::Applying),
            Happening::Ended {
                outcome: Outcome::RolledBack,
                detail: "a\"\n".into(),
                total: Duration::from_secs(9),
                overhead: None,
            },
            Happening::EndedUncalled { outcome: Outcome::Aborted, detail: "not_called".into(), count: 7 },
        ]
        .into_iter()
        .map(|what| {
            let event = Event { at: Nanos::new(12_345_678_901), device: 1, update: 17, what };
            let mut text = Vec::new();
            EventLines::new(DeviceIds::new("sim-"), Some("r".to_owned())).put(&mut text, 2, &event).unwrap();
            String::from_utf8(text).unwrap()
        })
        .collect();
        let head = r#"{"t_s":12.345678,"shard":2,"device":"sim-0000001","update":"r-17","event":"#;
        let named = |rest: &str| format!("{head}{rest}}}\n");
        assert_eq!(
            lines,
            [
                named(r#""due""#),
                named(r#""called","attempt":1,"lag_us":1"#),
                named(r#""answered","answer":"hub","status":503,"service_us":2000"#),
                named(r#""answered","answer":"device","status":-3,"service_us":2000,"response_us":5000"#),
                named(r#""answered","response_us":5000"#),
                named(r#""stage","stage":"rolledBack","version":12,"visible_us":1000"#),
                named(r#""seen_late","stage":"rolledBack""#),
                named(r#""late","stage":"applying""#),
                named(r#""ended","outcome":"rolled_back","detail":"a\"\n","total_us":9000000"#),
                concat!(
                    r#"{"t_s":12.345678,"shard":2,"event":"ended","outcome":"aborted","#,
                    r#""detail":"not_called","count":7}"#,
                    "\n"
                )
                .to_owned(),
            ]
        );
    }

    #[test]
    fn calls_without_an_id_are_told_by_number() {
        let lines = EventLines::new(DeviceIds::new("sim-"), None);
        assert_eq!(lines.update(17), "17");
    }
}
