//! Whether comparisons of runs tell the truth. Ten times five runs a side against hubs that take the same 50 ms for a call:
//! none may be told apart. Ten times five against hubs that take 50 ms and 60 ms: nine at least must be a regression. The
//! runs of a comparison are made in turn (A, B, A, B, ...), so that whatever drifts meets both sides. 200 runs, some 15
//! minutes on a machine that does nothing else.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench ends where something is missing")]

#[path = "../tests/accuracy/honesty.rs"]
mod honesty;
#[path = "support/table.rs"]
#[allow(dead_code, reason = "other benches need the rest")]
mod table;

use std::process::ExitCode;

use honesty::{Found, RUNS, Side, compare, interleaved};
use table::verdict;
use twinstorm::time::Clock;

/// Comparisons of each kind.
const COMPARISONS: usize = 10;
/// Of so many with a slower hub at least must find that.
const FOUND: usize = 9;

fn main() -> ExitCode {
    let clock = Clock::start();
    println!("Comparisons of {RUNS} runs a side, three seconds each; the hub takes so long for each call:");
    let mut again = 0;
    let mut all = |kind: &str, planted: &'static str| -> Vec<Found> {
        println!("\n{kind}: 50ms and {planted}");
        let one = |number: usize| {
            let folder = tempfile::tempdir().expect("a folder");
            let sides = [Side::new(folder.path(), "base", "50ms"), Side::new(folder.path(), "new", planted)];
            again += interleaved(&sides);
            let found = compare(&sides[0], &sides[1]);
            println!("  {number:>2}  {}", found.in_words());
            found
        };
        (1..=COMPARISONS).map(one).collect()
    };
    let (same, slower) = (all("A/A", "50ms"), all("A/B", "60ms"));
    let wrong = same.iter().filter(|found| found.is_change()).count();
    let right = slower.iter().filter(|found| found.verdict == "regressed" && found.exit_code == 98).count();
    let (honest, sharp) = (wrong == 0, right >= FOUND);
    println!("\n  A/A with a verdict of change: {wrong} of {COMPARISONS}, none allowed: {}", verdict(honest));
    println!("  A/B regressed: {right} of {COMPARISONS}, at least {FOUND}: {}", verdict(sharp));
    let minutes = clock.now().as_secs_f64() / 60.0;
    println!(
        "  took {minutes:.0} minutes; {again} runs were made again, as the machine was too busy for them to count"
    );
    if honest && sharp { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
