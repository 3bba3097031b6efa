use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::measure::{Interval, RunResult, SeriesData, Verdict};
use crate::policy::Series;
use crate::report::sample::sample;
use crate::report::{Reporter, ResultsJson, encode, from_json};

fn render(result: &RunResult) -> String {
    String::from_utf8(Html.render(result).unwrap()).unwrap()
}

/// To look at pages with a browser: `TWINSTORM_RESULT=results.json TWINSTORM_PAGE=report.html cargo test --lib look_at`.
#[test]
fn look_at_a_page() {
    let (Ok(from), Ok(to)) = (std::env::var("TWINSTORM_RESULT"), std::env::var("TWINSTORM_PAGE")) else { return };
    let result = match from.as_str() {
        "empty" => RunResult::default(),
        "sample" => sample(),
        file => from_json(&std::fs::read(file).unwrap()).unwrap(),
    };
    std::fs::write(to, render(&result)).unwrap();
}
