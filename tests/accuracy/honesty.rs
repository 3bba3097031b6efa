//! Whether comparisons tell the truth: series of short runs of the real program against an embedded hub with a known delay,
//! compared by the real program. For the test beside it, and for benches/honesty.rs, which makes many.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs a side.
pub(crate) const RUNS: usize = 5;
/// A run that a busy machine made invalid is made again, so often at most.
const ATTEMPTS: usize = 8;

/// A side under making: where its runs lie, and what its hub has planted.
pub(crate) struct Side {
    pub(crate) folder: PathBuf,
    pub(crate) planted: &'static str,
}

impl Side {
    pub(crate) fn new(folder: &Path, name: &str, planted: &'static str) -> Self {
        Self { folder: folder.join(name), planted }
    }
}

/// What a comparison said.
pub(crate) struct Found {
    pub(crate) verdict: String,
    pub(crate) exit_code: i32,
    /// Name, change in percent, and verdict of each metric.
    pub(crate) metrics: Vec<(String, f64, String)>,
}

impl Found {
    /// Whether it says that there is a change, for the better or the worse.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self.verdict.as_str(), "regressed" | "improved")
    }

    pub(crate) fn in_words(&self) -> String {
        let metrics = self.metrics.iter().map(|(name, change, verdict)| format!("{name} {change:+.1} % {verdict}"));
        format!("{:<12}  {}", self.verdict, metrics.collect::<Vec<_>>().join(", "))
    }
}

/// Makes the runs of all sides, in turn: A, B, A, B, ..., so that whatever drifts meets all of them alike. Returns how many
/// had to be made again because the machine was too busy for them to count.
pub(crate) fn interleaved(sides: &[Side]) -> usize {
    let mut again = 0;
    for number in 1..=RUNS {
        for side in sides {
            again += one(&side.folder.join(format!("run-{number:02}")), side.planted);
        }
    }
    again
}

/// One run that counts.
fn one(out: &Path, planted: &str) -> usize {
    for attempt in 0..ATTEMPTS {
        let mut command = twinstorm();
        command.args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/accuracy/honesty.toml"), "--format", "json"]);
        command.args(["--set", &format!("hub.slow.method_request={planted}"), "--out"]).arg(out);
        let ended = command.output().expect("the program runs");
        match ended.status.code() {
            Some(0) => return attempt,
            Some(96) => {}
            code => panic!("a run ended with {code:?}: {}", String::from_utf8_lossy(&ended.stderr)),
        }
    }
    let result = fs::read(out.join("results.json")).expect("a result");
    let result: Value = serde_json::from_slice(&result).expect("JSON");
    panic!("no run of {ATTEMPTS} counts on this machine: {}", result["invalid_reasons"])
}

/// Compares two sides as a user would.
pub(crate) fn compare(base: &Side, new: &Side) -> Found {
    let mut command = twinstorm();
    command.arg("compare").args([&base.folder, &new.folder]).args(["--format", "json"]);
    let ended = command.output().expect("the program runs");
    let json: Value = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|_| panic!("no comparison: {}", String::from_utf8_lossy(&ended.stderr)));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let metric =
        |row: &Value| (text(&row["metric"]), row["change_pct"].as_f64().unwrap_or(f64::NAN), text(&row["verdict"]));
    Found {
        verdict: text(&json["verdict"]),
        exit_code: ended.status.code().expect("an exit code"),
        metrics: json["metrics"].as_array().expect("metrics").iter().map(metric).collect(),
    }
}

/// The program, with nothing of this environment that would change what it does.
fn twinstorm() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TWINSTORM_") || name.starts_with("IOTHUB_"))
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}
