//! A command line of an operator's, while it is executed.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::{env, io};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What is told of its words, in bytes.
const WORDS: usize = 400;

/// One that is being executed, in a process group of its own: a terminal's Ctrl-C is not meant for it, nor for what it leaves
/// running. What it writes to standard error goes into a file that has no name any more, so that neither it nor what it leaves
/// running ever waits for a reader, or lacks one.
#[derive(Debug)]
pub(super) struct OperatorCommand {
    line: String,
    child: Child,
    words: File,
}

impl OperatorCommand {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started, in words.
    pub(super) fn start(line: &str) -> Result<Self, String> {
        let started = || {
            let words = nameless_file()?;
            let mut command = Command::new("sh");
            command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(words.try_clone()?);
            Ok((command.process_group(0).spawn()?, words))
        };
        let (child, words) = started().map_err(|error| cannot(line, &error))?;
        Ok(Self { line: line.to_owned(), child, words })
    }

    /// How it ended, if it has; an error, in words, unless with 0.
    pub(super) fn ended(&mut self) -> Option<Result<(), String>> {
        let status = match self.child.try_wait() {
            Ok(status) => status?,
            Err(error) => return Some(Err(cannot(&self.line, &error))),
        };
        Some(if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}: {}", self.line, self.words()))
        })
    }

    /// Ends it by force, and all that it has started.
    pub(super) fn kill(&mut self) {
        // Once it has been waited for, its number may be another's.
        if let (Ok(None), Ok(group)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }

    /// The first of what it has said.
    fn words(&self) -> String {
        let mut words = [0; WORDS];
        // Words that cannot be read say nothing.
        let length = self.words.read_at(&mut words, 0).unwrap_or_default();
        String::from_utf8_lossy(&words[..length]).trim().to_owned()
    }
}

fn cannot(line: &str, error: &io::Error) -> String {
    format!("`{line}` cannot be executed: {error}")
}

/// A file that ends with the last that has it open.
fn nameless_file() -> io::Result<File> {
    let name = env::temp_dir().join(format!("twinstorm-{:x}", getrandom::u64().map_err(io::Error::other)?));
    let file = File::options().read(true).append(true).create_new(true).mode(0o600).open(&name)?;
    fs::remove_file(name)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;

    use nix::unistd::getpgid;

    use super::*;

    fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            match look() {
                Some(found) => return found,
                None => thread::yield_now(),
            }
        }
    }

    fn execute(line: &str) -> Result<(), String> {
        let mut command = OperatorCommand::start(line).unwrap();
        until(|| command.ended())
    }

    #[test]
    fn it_is_told_by_the_first_of_its_words_however_many_there_are() {
        assert_eq!(execute("head -c 200000 /dev/zero >&2"), Ok(()));
        let why = execute("echo oh >&2; head -c 200000 /dev/zero | tr '\\0' x >&2; exit 3").unwrap_err();
        assert!(why.contains("exit status: 3: oh\nxxx") && why.len() < 2 * WORDS, "{why}");
    }

    #[test]
    fn nobody_waits_for_what_it_leaves_running_and_that_may_go_on_talking() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let (go, done) = (file("go"), file("done"));
        let talker = format!(
            "(until test -e {go}; do sleep 0.01; done; echo more >&2 && echo heard > {done}) & exit 4",
            go = go.display(),
            done = done.display()
        );
        assert!(execute(&talker).unwrap_err().contains("exit status: 4"));
        fs::write(go, "").unwrap();
        until(|| fs::read_to_string(&done).ok().filter(|text| text == "heard\n"));
    }

    #[test]
    fn it_is_out_of_the_terminals_group_and_killed_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut command = OperatorCommand::start(&format!("sleep 600 & echo $! > {}; wait", file.display())).unwrap();
        let pid = until(|| fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')));
        let group = Pid::from_raw(command.child.id().try_into().unwrap());
        assert_eq!(getpgid(Some(group)), Ok(group));
        assert!(command.ended().is_none());
        command.kill();
        assert!(command.ended().unwrap().unwrap_err().contains("signal: 9"));
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        // Nobody may have waited for it yet.
        until(|| fs::read_to_string(&stat).map_or(Some(()), |stat| stat.contains(") Z ").then_some(())));
    }
}
