//! What a command tells the CI service that it runs in, beside its files: annotations on standard output, and a summary of the
//! job. That it could not be told is a warning, and changes no exit code.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::measure::RunResult;
use crate::report::{Ci, Finding, Markdown, SUMMARY_LIMIT, findings};
use crate::run::print;

/// Tells of a result; `file` is the summary that was written of it, if one was.
pub(super) fn tell_of(result: &RunResult, file: Option<&Path>) {
    tell(&findings(result), file, |limit| Markdown { limit }.text(result));
}

/// Tells of `findings`; `file` is a summary that was written, and `summary` makes one of so many bytes.
pub(super) fn tell(findings: &[Finding], file: Option<&Path>, summary: impl FnOnce(usize) -> String) {
    let ci = Ci::of(|name| std::env::var(name).ok());
    ci.annotations(findings).iter().for_each(print::line);
    if let Some(line) = file.and_then(|file| ci.upload_summary(&std::path::absolute(file).ok()?)) {
        print::line(line);
    }
    if let Some(path) = &ci.step_summary
        && let Err(error) = append(path, summary)
    {
        print::note(format!(
            "warning: the summary of the job lacks this one: cannot write to {}: {error}",
            path.display()
        ));
    }
}

/// Appends a summary to that of the step, whose limit is for all that it has.
fn append(path: &Path, summary: impl FnOnce(usize) -> String) -> io::Result<()> {
    let taken = fs::metadata(path).map_or(0, |file| file.len());
    let room = SUMMARY_LIMIT.saturating_sub(usize::try_from(taken).unwrap_or(usize::MAX));
    let text = summary(room.saturating_sub(1));
    if text.is_empty() {
        return Err(io::Error::other("as much as a step may have is in it already"));
    }
    let gap = if taken > 0 { "\n" } else { "" };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{gap}{text}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_follow_one_another_and_never_exceed_what_a_step_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        for _ in 0..2 {
            append(&path, |limit| "x".repeat(limit.min(3))).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "xxx\nxxx");
        append(&path, |limit| "y".repeat(limit)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), SUMMARY_LIMIT as u64);
        let error = append(&path, |limit| "y".repeat(limit)).unwrap_err().to_string();
        assert!(error.contains("already"), "{error}");
        let nowhere = folder.path().join("no/such/folder");
        assert!(append(&nowhere, |_| "x".to_owned()).is_err());
    }
}
