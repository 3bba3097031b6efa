//! `twinstorm report`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::CommandError;
use super::ci;
use super::shared::table;
use crate::measure::RunResult;
use crate::policy::ReportFormat;
use crate::report::{FormatFile, RESULTS, SUMMARY, files_of};
use crate::run::{self, Output, print};
use crate::verdict::ExitCode;

/// Makes the reports of a result again, from its results.json alone. What the run's verdict was does not change the exit code.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// A results.json, or the folder of a run, which has one
    result: PathBuf,
    /// Formats to make, e.g. `--format html,junit`, which may be given more than once; `terminal` prints the table that a run
    /// ends with (default: all that a run writes, but results.json itself)
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<String>,
    /// Where they go: a folder, a file (NAME.EXT) where there is only one to write, or `-` for standard output (default: the result's own
    /// folder)
    #[arg(long, value_name = "DIR|FILE|-")]
    out: Option<PathBuf>,
    /// Also tell the CI service, where there is one, as `run` does: annotations, and a summary of the job
    #[arg(long)]
    ci: bool,
}

/// What `--format` asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    terminal: bool,
    formats: BTreeSet<ReportFormat>,
}

impl Report {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let wanted = wanted(&self.format).map_err(CommandError::usage)?;
        let source = run::find_results(&self.result).map_err(CommandError::usage)?;
        let result = run::read_results(&source).map_err(CommandError::usage)?;
        if wanted.terminal {
            print::product(format!("{}\n", table(&result)?.trim_end()).as_bytes()).map_err(unprinted)?;
        }
        let files: Vec<FormatFile> = wanted.formats.iter().flat_map(|format| files_of(*format)).copied().collect();
        let kept = match &self.out {
            _ if files.is_empty() => Vec::new(),
            Some(out) if out.as_os_str() == "-" => show(&files, &result)?,
            out => keep(&files, &result, &source, out.as_deref())?,
        };
        if self.ci {
            let summary = kept.iter().find(|(file, _)| file.name == SUMMARY);
            ci::tell_of(&result, summary.map(|(_, path)| path.as_path()));
        }
        Ok(ExitCode::Success)
    }
}

/// The formats that these names stand for.
fn wanted(names: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        match ReportFormat::ALL.into_iter().find(|format| format.name() == name) {
            Some(format) if files_of(format).is_empty() => {
                return Err(format!(
                    "--format {name}: it is written while a run goes on (`twinstorm run --format {name}`) and cannot be made \
                     of its result"
                ));
            }
            Some(format) => {
                wanted.formats.insert(format);
            }
            None if name == "terminal" => wanted.terminal = true,
            None => {
                let names: Vec<String> = ReportFormat::ALL
                    .iter()
                    .filter(|format| !files_of(**format).is_empty())
                    .map(|f| format!("`{f}`"))
                    .collect();
                return Err(format!(
                    "--format {name}: there is no such format: there are `terminal`, {}",
                    names.join(", ")
                ));
            }
        }
    }
    if wanted == Wanted::default() {
        wanted.formats = ReportFormat::defaults().filter(|format| *format != ReportFormat::Json).collect();
    }
    Ok(wanted)
}

/// Prints the one file; nothing is kept.
fn show(files: &[FormatFile], result: &RunResult) -> Result<Vec<(FormatFile, PathBuf)>, CommandError> {
    let [file] = files else {
        let names: Vec<&str> = files.iter().map(|file| file.name).collect();
        return Err(CommandError::usage(format!(
            "--out - takes one file, and these would be {}: ask for one `--format`, or name a folder",
            names.join(", ")
        )));
    };
    let bytes = render(file, result)?;
    print::product(&bytes).map_err(unprinted)?;
    Ok(Vec::new())
}

/// Why standard output did not take what was asked for.
pub(super) fn unprinted(error: io::Error) -> CommandError {
    CommandError::other(format!("cannot write to standard output: {error}"))
}

fn render(file: &FormatFile, result: &RunResult) -> Result<Vec<u8>, CommandError> {
    file.reporter.render(result).map_err(|error| CommandError::usage(format!("cannot make {}: {error}", file.name)))
}

/// Writes them beside `source`, or where `out` says; returns what was written where.
fn keep(
    files: &[FormatFile],
    result: &RunResult,
    source: &Path,
    out: Option<&Path>,
) -> Result<Vec<(FormatFile, PathBuf)>, CommandError> {
    let beside = source.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = files.iter().map(|file| file.name.to_owned()).collect();
    let (folder, names) = match out {
        None => (beside, names),
        Some(out) => match (&names[..], out.file_name(), out.parent()) {
            ([_], Some(name), Some(folder)) if !is_folder(out) => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                (folder, vec![name.to_string_lossy().into_owned()])
            }
            _ => (out, names),
        },
    };
    let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
    let output = Output::open(folder.to_owned(), &borrowed).map_err(CommandError::usage)?;
    let mut kept = Vec::new();
    for (file, name) in files.iter().zip(&names) {
        if file.name == RESULTS && is_same(&folder.join(name), source) {
            return Err(CommandError::usage(format!(
                "--format json would replace {}, which everything is made of: name another place with --out",
                source.display()
            )));
        }
        let path = output.write(name, &render(file, result)?).map_err(CommandError::usage)?;
        print::line(path.display());
        kept.push((*file, path));
    }
    Ok(kept)
}

/// Whether a path names a folder: one that is there, or that does not look like a file. Files have an extension, all of ours
/// have.
fn is_folder(path: &Path) -> bool {
    let looks_like_a_file = path.extension().is_some() && !path.as_os_str().to_string_lossy().ends_with('/');
    path.is_dir() || !(looks_like_a_file || path.exists())
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Wanted, String> {
        wanted(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_format_everything_is_made_but_what_it_is_made_of() {
        let wanted = names("").unwrap();
        assert!(!wanted.terminal && !wanted.formats.contains(&ReportFormat::Json));
        assert!(wanted.formats.contains(&ReportFormat::Hlog));
        let table = names("terminal").unwrap();
        assert!(table.terminal && table.formats.is_empty());
        assert_eq!(names("hlog json terminal").unwrap().formats.len(), 2);
    }

    #[test]
    fn an_unknown_format_is_told_which_there_are() {
        let error = names("json pdf").unwrap_err();
        assert!(
            error.starts_with("--format pdf: there is no such format: there are `terminal`, `json`, `hlog`"),
            "{error}"
        );
    }
}
