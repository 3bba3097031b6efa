//! Several runs of one plan, one after another: what comparisons are made of.
//!
//! Each run is a process of its own, started as a user would start it, so that nothing of an earlier one (memory that was
//! reserved, caches that are warm, CPU that is counted) is part of a later one: the unit of replication is the run. They
//! share the seed, as comparable plans must: arrivals, delays and faults are the same, and what differs is the hub and
//! chance. They follow one another without a pause: on loopback the fleet comes from many addresses, so that ports in
//! TIME_WAIT do not run short.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::options::Part;
use super::output::{Output, OutputError};
use super::print;
use super::stop::StopHandle;
use super::stored::{self, Stored, StoredError, run_folder, runs_in};
use crate::report::{RESULTS, is_result};
use crate::time::Clock;
use crate::verdict::ExitCode;

/// What to repeat.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// This program.
    pub program: PathBuf,
    /// What it is told each time, beside where its results go.
    pub arguments: Vec<String>,
    /// How often.
    pub runs: u32,
    /// The profile's name.
    pub name: String,
    /// The folder of the series; by default a new one below reports/runs.
    pub out: Option<PathBuf>,
    /// What stops the series, and the run that is under way.
    pub stop: StopHandle,
}

/// A series that has ended.
#[derive(Debug)]
pub struct Repeated {
    /// Its folder.
    pub folder: PathBuf,
    /// The results of those runs that came to one.
    pub results: Vec<Stored>,
    /// The gravest exit code of all runs.
    pub exit: ExitCode,
}

/// Why there is no series.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    /// Its folder cannot be written to.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Its folder holds what would be taken for a part of it.
    #[error(
        "{path} holds {what}, which would be taken for a part of this series: remove it, or name another folder with --out"
    )]
    Stale {
        /// The folder.
        path: PathBuf,
        /// What is there.
        what: String,
    },
    /// A run left a result that cannot be read.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The system failed.
    #[error("the system failed: {0}")]
    System(#[from] io::Error),
}

impl RepeatError {
    /// What the command exits with.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Output(_) | Self::Stale { .. } => ExitCode::Usage,
            Self::Stored(_) | Self::System(_) => ExitCode::Error,
        }
    }
}

/// Makes the runs. A run that was stopped, or that came to no result, ends the series.
///
/// # Errors
/// The series cannot be begun, or the system fails.
pub fn repeat(options: &Repeat) -> Result<Repeated, RepeatError> {
    let folder = match &options.out {
        Some(folder) => Output::open(folder.clone(), &[])?,
        None => {
            let clock = Clock::start();
            Output::open_own(&options.name, clock.wall().at(clock.now()), &[])?
        }
    };
    let folder = folder.folder().to_owned();
    make_room(&folder, options.runs)?;
    let stop = Stop::listen(&options.stop)?;
    let (mut results, mut codes) = (Vec::new(), Vec::new());
    for number in 1..=options.runs {
        if stop.is_asked_for() {
            codes.push(ExitCode::Aborted);
            break;
        }
        let (out, part) = (run_folder(&folder, number), Part { number, of: options.runs });
        print::note(format_args!("{part}"));
        let code = one(options, &out, part, &stop)?;
        codes.push(code);
        let file = out.join(RESULTS);
        if file.is_file() {
            results.push(stored::read_file(&file)?);
        }
        if matches!(code, ExitCode::Usage | ExitCode::Error | ExitCode::Aborted) {
            break;
        }
    }
    Ok(Repeated { folder, results, exit: ExitCode::of(codes) })
}

/// One run from beginning to end.
fn one(options: &Repeat, out: &Path, part: Part, stop: &Stop) -> io::Result<ExitCode> {
    let mut child = Command::new(&options.program)
        .args(&options.arguments)
        .arg("--out")
        .arg(out)
        .args(["--part", &format!("{}/{}", part.number, part.of)])
        // In the terminal's signal group, unlike hubs and shards: it hears Ctrl-C itself, and what asks this process alone to
        // stop reaches it by the end of its standard input. As that is no terminal, it tells how it goes by lines.
        .stdin(Stdio::piped())
        .spawn()?;
    stop.hold(child.stdin.take());
    let status = child.wait()?;
    stop.hold(None);
    // One that was killed by a signal has no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::Error, ExitCode::from_code))
}

/// Makes sure that everything that lies in a series' folder in the end is of this series: results of an earlier one are
/// removed where a run is going to replace them, and refused where none is.
fn make_room(folder: &Path, runs: u32) -> Result<(), RepeatError> {
    let stale = |what: String| RepeatError::Stale { path: folder.to_owned(), what };
    if folder.join(RESULTS).exists() {
        return Err(stale(format!("the {RESULTS} of a single run")));
    }
    let mut earlier = Vec::new();
    for (number, path) in runs_in(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if number == 0 || number > runs || path != run_folder(folder, number) {
            return Err(stale(name));
        }
        let file = path.join(RESULTS);
        if file.exists() {
            // Nothing is removed that is none of ours.
            if !fs::read(&file).is_ok_and(|bytes| is_result(&bytes)) {
                return Err(stale(format!("{name}/{RESULTS}, which is no result of twinstorm")));
            }
            earlier.push(path);
        }
    }
    // Only now that nothing is in the way: a series that stops early must not end in runs of an earlier one.
    earlier.into_iter().try_for_each(|path| Ok(Output::open(path, &[])?.remove_earlier()?))
}

/// Whether somebody asked to stop, and the way to the run that is to hear of it.
#[derive(Debug, Clone, Default)]
struct Stop(Arc<Mutex<Asked>>);

#[derive(Debug, Default)]
struct Asked {
    stop: bool,
    /// Dropped to let the run know.
    run: Option<ChildStdin>,
}

impl Stop {
    /// Listens from now on.
    fn listen(handle: &StopHandle) -> io::Result<Self> {
        let (handle, stop) = (handle.clone(), Self::default());
        let heard = stop.clone();
        thread::Builder::new().name("stop".to_owned()).spawn(move || {
            if handle.wait().is_err() {
                return;
            }
            let mut asked = heard.lock();
            (asked.stop, asked.run) = (true, None);
        })?;
        Ok(stop)
    }

    fn is_asked_for(&self) -> bool {
        self.lock().stop
    }

    /// Lets `run` know from now on, at once if it has been asked for already.
    fn hold(&self, run: Option<ChildStdin>) {
        let mut asked = self.lock();
        asked.run = if asked.stop { None } else { run };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::RunResult;
    use crate::report::{Reporter as _, ResultsJson};

    fn result_in(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(RESULTS), ResultsJson.render(&RunResult::default()).unwrap()).unwrap();
    }

    #[test]
    fn what_is_going_to_be_replaced_goes_and_everything_else_is_in_the_way() {
        let series = tempfile::tempdir().unwrap();
        let folder = series.path();
        make_room(folder, 3).unwrap();
        (1..=3).for_each(|number| result_in(&run_folder(folder, number)));
        fs::write(folder.join("run-02/notes.txt"), "mine").unwrap();
        // Beyond the last: nothing is touched.
        let error = make_room(folder, 2).unwrap_err();
        assert!(error.to_string().contains("holds run-03, which would be taken for a part of this series"), "{error}");
        assert_eq!(error.exit_code(), ExitCode::Usage);
        assert!((1..=3).all(|number| run_folder(folder, number).join(RESULTS).exists()));
        make_room(folder, 3).unwrap();
        assert!((1..=3).all(|number| !run_folder(folder, number).join(RESULTS).exists()));
        assert!(folder.join("run-02/notes.txt").exists());
        fs::write(folder.join("run-01").join(RESULTS), "{\"schema\":\"another\"}").unwrap();
        assert!(make_room(folder, 3).unwrap_err().to_string().contains("run-01/results.json, which is no result"));
        fs::remove_file(folder.join("run-01").join(RESULTS)).unwrap();
        fs::create_dir(folder.join("run-1")).unwrap();
        assert!(make_room(folder, 3).unwrap_err().to_string().contains("holds run-1, "));
        fs::remove_dir(folder.join("run-1")).unwrap();
        result_in(folder);
        assert!(make_room(folder, 3).unwrap_err().to_string().contains("the results.json of a single run"));
    }
}
