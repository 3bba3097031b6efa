//! Formats: what a run leaves behind, what is made of it again, and what CI services are told.

use std::fs;
use std::path::Path;

use crate::support::{QuickRun, Running, run, twinstorm};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A run that breaks a threshold on GitHub, with a summary and nothing else beside its results.
fn broken_run(quick: &QuickRun, step_summary: &Path) -> String {
    // The second one is for a lenient judge of lateness.
    let thresholds = "threshold=[{ expr = \"update.total.min > 1h\" }, { expr = \"update.total.max < 1h\" }]";
    let sets = ["--format", "markdown", "--set", thresholds];
    let mut command = quick.command(&["run", "quickstart", "--devices", "20", "--rate", "100"], &sets);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", step_summary);
    let ended = Running::start(command).wait().expect(99);
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn every_format_is_made_again_of_the_result_alone() {
    let quick = QuickRun::new();
    let step_summary = quick.folder.path().join("step.md");
    let told = broken_run(&quick, &step_summary);
    let out = quick.out();
    assert_eq!(names(&out), ["results.json", "summary.md"]);
    let annotation = "\n::error title=quickstart%3A threshold broken::update.total.min > 1h (observed ";
    assert!(told.contains(annotation), "{told}");
    assert_eq!(fs::read_to_string(&step_summary).unwrap(), quick.file("summary.md"));

    let summary = quick.file("summary.md");
    let ended = run(&["report", text(&out)]).expect(0);
    let made = names(&out);
    for name in
        ["TEST-twinstorm.xml", "benchmark-bigger.json", "benchmark-smaller.json", "histograms.hlog", "summary.md"]
    {
        assert!(made.iter().any(|made| made == name), "{made:?}");
        assert!(ended.stdout.contains(text(&out.join(name))), "{}", ended.stdout);
    }
    assert_eq!(quick.file("summary.md"), summary, "the same as the run's own");

    let results = out.join("results.json");
    let shown = run(&["report", text(&results), "--format", "junit", "--out", "-"]).expect(0).stdout;
    assert_eq!(shown, quick.file("TEST-twinstorm.xml"));
    assert!(shown.contains("<failure message=\"observed "), "{shown}");
    let table = run(&["report", text(&results), "--format", "terminal"]).expect(0).stdout;
    assert!(table.starts_with("FAIL quickstart (exit code 99)") && !table.contains("::error"), "{table}");

    // A single file may be named, several want a folder.
    let elsewhere = quick.folder.path().join("new/page.md");
    run(&["report", text(&out), "--format", "markdown", "--out", text(&elsewhere)]).expect(0);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), summary);
    let folder = quick.folder.path().join("both");
    run(&["report", text(&out), "--format", "markdown,junit", "--format", "json", "--out", text(&folder)]).expect(0);
    assert_eq!(names(&folder), ["TEST-twinstorm.xml", "results.json", "summary.md"]);
    assert_eq!(fs::read(folder.join("results.json")).unwrap(), fs::read(&results).unwrap());

    // Azure Pipelines reads the summary from a file.
    let mut command = twinstorm(&["report", text(&out), "--format", "markdown", "--ci"]);
    command.env("TF_BUILD", "True");
    let told = Running::start(command).wait().expect(0).stdout;
    assert!(
        told.contains("\n##vso[task.logissue type=error]quickstart: threshold broken: update.total.min > 1h "),
        "{told}"
    );
    assert!(told.contains(&format!("\n##vso[task.uploadsummary]{}\n", text(&out.join("summary.md")))), "{told}");
}

#[test]
fn a_summary_that_cannot_be_appended_is_a_warning() {
    let quick = QuickRun::new();
    let told = broken_run(&quick, &quick.folder.path().join("no/such/step.md"));
    assert!(told.contains("warning: the summary of the job lacks this one: cannot write to "), "{told}");
    assert_eq!(quick.results()["exit_code"], 99);
}

#[test]
fn what_cannot_be_made_is_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/samples/hundred-thousand/results.json");
    let whole = fs::read_to_string(&sample).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cut = file("cut.json", &whole[..whole.len() / 2]);
    let other = file("other.json", &whole.replace("twinstorm.results/1", "twinstorm.results/7"));
    let at = whole.find("\"hdr\": \"").unwrap() + 20;
    let damaged = file("damaged.json", &format!("{}!!{}", &whole[..at], &whole[at + 2..]));
    let none = file("none.json", "[1, 2]");
    let below = format!("{none}/below");
    let (empty, sample) = (text(folder.path()), text(&sample));
    for (arguments, says) in [
        (vec!["report", "/no/such/results.json"], "cannot read /no/such/results.json: "),
        (vec!["report", empty], "is a folder without a results.json"),
        (vec!["report", &cut], "the file ends too early"),
        (vec!["report", &other], "has the schema `twinstorm.results/7`, this program reads `twinstorm.results/1`"),
        (vec!["report", &damaged], "a histogram is damaged"),
        (vec!["report", &none], "not a result: "),
        (
            vec!["report", sample, "--format", "pdf"],
            "--format pdf: there is no such format: there are `terminal`, `json`, ",
        ),
        (vec!["report", sample, "--format", "events"], "is written while a run goes on"),
        (vec!["report", sample, "--format", "benchmark", "--out", "-"], "--out - takes one file"),
        (vec!["report", sample, "--format", "markdown,junit", "--out", &below], "cannot write to "),
        (vec!["report", sample, "--format", "json"], "would replace "),
        (vec!["report"], "<RESULT>"),
        (vec!["run", "--format", "pdf"], "--format pdf: `report.formats` cannot be `pdf`: allowed are `json`, "),
    ] {
        let ended = run(&arguments).expect(2);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn the_schema_is_printed_as_it_is_kept() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/results.schema.json");
    assert_eq!(run(&["schema", "results"]).expect(0).stdout, fs::read_to_string(kept).unwrap());
}
