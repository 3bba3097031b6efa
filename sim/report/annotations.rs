//! What a CI service is told of a result beside its files: annotations, as lines on standard output. The environment goes in,
//! text comes out.

use std::path::{Path, PathBuf};

use super::capacity::brief;
use super::drill::judged;
use super::terminal::{ended_in_words, value, verdict_word};
use crate::measure::{RunResult, ThresholdResult, Verdict};

/// GitHub shows so many of each step.
const MOST: usize = 10;

/// A service that reads commands from what a job prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    Azure,
}

/// What the environment says of the service that the program runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ci {
    /// Whose commands are understood.
    pub service: Option<Service>,
    /// The file that takes the summary of a GitHub step.
    pub step_summary: Option<PathBuf>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is wrong.
    Error,
    /// It is good to know.
    Notice,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What it is, in a few words.
    pub title: String,
    /// What there is to say of it.
    pub message: String,
}

impl Ci {
    /// Reads the environment, which `variable` looks up.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let says_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let service = if says_true("GITHUB_ACTIONS") {
            Some(Service::GitHub)
        } else {
            says_true("TF_BUILD").then_some(Service::Azure)
        };
        let step_summary = variable("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { service, step_summary }
    }

    /// Lines for standard output that show `findings` where the job is shown: ten at most, the last of which says how many
    /// more there are. Empty where no service would read them.
    #[must_use]
    pub fn annotations(&self, findings: &[Finding]) -> Vec<String> {
        let Some(service) = self.service else { return Vec::new() };
        let fits = if findings.len() > MOST { MOST - 1 } else { findings.len() };
        let (shown, rest) = findings.split_at(fits);
        let more = (!rest.is_empty()).then(|| Finding {
            weight: Weight::Error,
            title: "twinstorm".to_owned(),
            message: format!("and {} more: see the summary or results.json", rest.len()),
        });
        shown.iter().chain(&more).map(|finding| annotation(service, finding)).collect()
    }

    /// The line for standard output that makes the service show a summary; `None` where no service reads one from there.
    /// `file` must be an absolute path.
    #[must_use]
    pub fn upload_summary(&self, file: &Path) -> Option<String> {
        let is_azure = self.service == Some(Service::Azure);
        is_azure.then(|| format!("##vso[task.uploadsummary]{}", azure(&file.display().to_string())))
    }
}

/// What is wrong with a result: why it does not count, what of a drill did not hold, and which thresholds were broken; before
/// that the capacity that was found.
#[must_use]
pub fn findings(result: &RunResult) -> Vec<Finding> {
    let told = |weight, title: &str, message| Finding { weight, title: format!("{}: {title}", result.name), message };
    let titled = |title: &str, message: String| told(Weight::Error, title, message);
    let mut findings: Vec<Finding> =
        result.invalid_reasons.iter().map(|reason| titled("the result does not count", reason.clone())).collect();
    if result.verdict == Verdict::Aborted {
        let words = "it was stopped before its end: the figures cover only what ran".to_owned();
        findings.push(if result.is_partial() {
            titled("the run was aborted", result.abort.as_ref().map_or(words, ended_in_words))
        } else {
            titled(
                "the search was aborted",
                "it ended before it was done: the interval is what it had come to".to_owned(),
            )
        });
    }
    let broken = |title: &str, judged: &ThresholdResult| {
        let observed = value(judged).unwrap_or_else(|| "nothing measured".to_owned());
        titled(title, format!("{} (observed {observed})", judged.expr))
    };
    if let Some(drill) = &result.drill {
        let failed = judged(drill).into_iter().filter(|judged| judged.ok == Some(false));
        findings.extend(failed.map(|judged| broken("the drill failed", &judged)));
        if drill.overran {
            findings.push(titled("the drill failed", "it had not ended within its limit".to_owned()));
        }
        if let Some(heal) = drill.heal.as_ref().filter(|heal| !heal.whole) {
            findings.push(titled("not recovered", format!("{} devices did not come back", heal.missing)));
        }
    }
    let failed = result.thresholds.iter().filter(|judged| judged.ok == Some(false));
    findings.extend(failed.map(|judged| broken("threshold broken", judged)));
    if findings.is_empty() && result.exit_code != 0 {
        findings.push(titled(verdict_word(result.verdict).0, format!("exit code {}", result.exit_code)));
    }
    if let Some(capacity) = &result.capacity {
        findings.insert(0, told(Weight::Notice, "capacity", brief(capacity)));
    }
    findings
}

fn annotation(service: Service, finding: &Finding) -> String {
    let Finding { weight, title, message } = finding;
    match (service, weight) {
        (Service::GitHub, weight) => {
            let word = if *weight == Weight::Error { "error" } else { "notice" };
            format!("::{word} title={}::{}", github_property(title), github(message))
        }
        // Its issues have no titles, ...
        (Service::Azure, Weight::Error) => {
            format!("##vso[task.logissue type=error]{}", azure(&format!("{title}: {message}")))
        }
        // ... and are warnings at least: what is neither stands out in the log alone.
        (Service::Azure, Weight::Notice) => format!("##[section]{}", azure(&format!("{title}: {message}"))),
    }
}

/// Text after a command of GitHub.
fn github(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of such a command.
fn github_property(text: &str) -> String {
    github(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in a command of Azure Pipelines.
fn azure(text: &str) -> String {
    let text = text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A");
    text.replace(';', "%3B").replace(']', "%5D")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{aborted, capacity, invalid, sample};
    use super::*;

    fn ci(variables: &[(&str, &str)]) -> Ci {
        Ci::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_tells_the_service() {
        assert_eq!(ci(&[]), Ci::default());
        assert_eq!(ci(&[("GITHUB_ACTIONS", ""), ("TF_BUILD", "no"), ("GITHUB_STEP_SUMMARY", "")]), Ci::default());
        let github = ci(&[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/tmp/s.md")]);
        assert_eq!(github, Ci { service: Some(Service::GitHub), step_summary: Some("/tmp/s.md".into()) });
        assert_eq!(ci(&[("TF_BUILD", "True")]).service, Some(Service::Azure));
        assert_eq!(ci(&[]).annotations(&findings(&sample())), Vec::<String>::new());
    }

    #[test]
    fn each_service_gets_its_own_escapes() {
        let (title, message) = ("50%: a, b".to_owned(), "x]\r\n;y: 1%, \u{e4}".to_owned());
        let finding = Finding { weight: Weight::Error, title, message };
        let lines = |variables| ci(variables).annotations(std::slice::from_ref(&finding));
        assert_eq!(lines(&[("GITHUB_ACTIONS", "true")]), ["::error title=50%25%3A a%2C b::x]%0D%0A;y: 1%25, \u{e4}"]);
        assert_eq!(
            lines(&[("TF_BUILD", "True")]),
            ["##vso[task.logissue type=error]50%AZP25: a, b: x%5D%0D%0A%3By: 1%AZP25, \u{e4}"]
        );
    }

    #[test]
    fn a_capacity_is_a_notice_before_all_that_is_wrong() {
        let result = capacity::with(capacity::capacity());
        let line = |variables| ci(variables).annotations(&findings(&result));
        let words =
            "40 to 41.8 calls/s (4.5 %25 wide); more is throttled: census.throttled.pct < 1 was 4.31 at 41.8 calls/s";
        assert_eq!(line(&[("GITHUB_ACTIONS", "true")]), [format!("::notice title=quickstart%3A capacity::{words}")]);
        let words = words.replace("%25", "%AZP25").replace(';', "%3B");
        assert_eq!(line(&[("TF_BUILD", "True")]), [format!("##[section]quickstart: capacity: {words}")]);
        let mut broken = sample();
        broken.capacity = result.capacity;
        let found = findings(&broken);
        assert!(found[0].weight == Weight::Notice && found[1..].iter().all(|one| one.weight == Weight::Error));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_search_that_is_unfinished_or_near_the_ceiling_says_so() {
        let found = |capacity| findings(&capacity::with(capacity)).remove(0).message;
        let unfinished = found(capacity::unfinished());
        assert!(unfinished.starts_with("40 to 47.6 calls/s (19.0 % wide); "), "{unfinished}");
        assert!(
            unfinished.contains("; not finished: 6 steps in 60.0 s; wanted: 5 % wide at most; the budget"),
            "{unfinished}"
        );
        let near = found(capacity::by_generator());
        assert!(near.ends_with("this is within a fifth of it, and may be its limit rather than the hub's"), "{near}");
        assert!(!found(capacity::capacity()).contains("finished"));
        let stopped = findings(&capacity::stopped()).remove(1);
        assert_eq!(stopped.title, "quickstart: the search was aborted");
        assert!(!stopped.message.contains("figures"), "the step ran whole: {}", stopped.message);
    }

    #[test]
    fn only_azure_is_told_of_a_file() {
        let file = Path::new("/build/100%/summary.md");
        let line = ci(&[("TF_BUILD", "True")]).upload_summary(file).unwrap();
        assert_eq!(line, "##vso[task.uploadsummary]/build/100%AZP25/summary.md");
        assert_eq!(ci(&[("GITHUB_ACTIONS", "true")]).upload_summary(file), None);
    }

    #[test]
    fn ten_annotations_at_most_and_the_last_counts_the_rest() {
        let finding =
            |number: usize| Finding { weight: Weight::Error, title: "t".to_owned(), message: number.to_string() };
        let github = ci(&[("GITHUB_ACTIONS", "true")]);
        for (count, lines, last) in [
            (0, 0, None),
            (10, 10, Some("::error title=t::9")),
            (11, 10, Some("and 2 more")),
            (500, 10, Some("and 491 more")),
        ] {
            let told = github.annotations(&(0..count).map(finding).collect::<Vec<_>>());
            assert_eq!(told.len(), lines);
            assert_eq!(
                told.last().map(|line| last.is_some_and(|last| line.contains(last))),
                last.map(|_| true),
                "{told:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_found_and_nothing_else() {
        let told = |result: &RunResult| -> Vec<String> {
            findings(result).into_iter().map(|finding| format!("{}: {}", finding.title, finding.message)).collect()
        };
        assert_eq!(
            told(&sample()),
            [
                "quickstart: the drill failed: during: census.completed.pct >= 90 (observed 80.0 %)",
                "quickstart: threshold broken: census.completed.pct >= 100 (observed 95.8 %)",
            ]
        );
        assert!(told(&invalid())[1].starts_with("quickstart: the result does not count: the embedded hub died"));
        assert!(told(&aborted())[0].starts_with("quickstart: the run was aborted: "));
        let mut passed = sample();
        (passed.verdict, passed.exit_code, passed.drill) = (Verdict::Pass, 0, None);
        passed.thresholds.remove(0);
        assert_eq!(told(&passed), Vec::<String>::new());
        passed.exit_code = 99;
        assert_eq!(told(&passed).len(), 1, "whatever is not green says something");
    }
}
