//! Starting the program as a user does, and reading what it leaves behind.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use twinstorm::time::{Clock, Nanos};

/// How long anything in a test may take before the test fails: far longer than it should.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// The program with `arguments`, and nothing of this environment that would change what it does.
pub(crate) fn twinstorm(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    // Nor is the CI service told of runs that tests make fail.
    let matters = |name: &str| {
        ["TWINSTORM_", "IOTHUB_", "GITHUB_"].iter().any(|prefix| name.starts_with(prefix)) || name == "TF_BUILD"
    };
    for (name, _) in std::env::vars().filter(|(name, _)| matters(name)) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails with everything that was printed unless the command exited with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Running::start(twinstorm(arguments)).wait()
}

/// Everything completes, however late a crowded machine makes the generator: lateness is judged against the tightest
/// objective (1 % of it), and whether a machine is quick is not what these tests are about.
pub(crate) const LENIENT: &str =
    "threshold=[{ expr = \"census.completed.pct >= 100\" }, { expr = \"update.total.max < 1h\" }]";

/// Nothing is asked for but a lenient judge of lateness.
pub(crate) const ANY_CENSUS: &str = "threshold=[{ expr = \"update.total.max < 1h\" }]";

/// A quick run in a folder of its own, and its results.
pub(crate) struct QuickRun {
    pub(crate) folder: TempDir,
}

impl QuickRun {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// `twinstorm <words> --out DIR` with short stages, overridden by `more`.
    pub(crate) fn command(&self, words: &[&str], more: &[&str]) -> Command {
        let mut command = twinstorm(words);
        command.arg("--out").arg(self.out());
        for set in [
            "fleet.connect_rate=1000",
            "firmware.wait=uniform 100ms..200ms",
            "firmware.download=uniform 100ms..200ms",
            "firmware.apply=uniform 100ms..200ms",
            "observe.interval=20ms",
            LENIENT,
        ] {
            command.args(["--set", set]);
        }
        command.args(more);
        command
    }

    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.out().join(name)).unwrap()
    }

    pub(crate) fn results(&self) -> Value {
        serde_json::from_str(&self.file("results.json")).unwrap()
    }
}

/// The program while it runs. It is killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What was printed so far, read as it comes so that a full pipe cannot hold the program.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn read(source: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = source.map(|mut source| {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = source.read(&mut buffer) {
                    sink.lock().unwrap().extend_from_slice(&buffer[..read]);
                }
            })
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Stream::read(child.stdout.take()), Stream::read(child.stderr.take()));
        Self { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// What it has said on standard error so far.
    pub(crate) fn said(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until standard error says `text`.
    #[track_caller]
    pub(crate) fn until_it_says(&self, text: &str) {
        eventually(text, || self.stderr.so_far().contains(text) || !alive(self.pid()));
        assert!(self.stderr.so_far().contains(text), "`{text}` was never said:\n{}", self.stderr.so_far());
    }

    /// What standard output says behind `what`, at the beginning of a line.
    pub(crate) fn printed(&self, what: &str) -> Option<String> {
        self.stdout.so_far().lines().find_map(|line| line.strip_prefix(what)).map(str::to_owned)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let pid = self.pid();
        eventually("the program ended", || !alive(pid));
        let code = self.child.wait().unwrap().code();
        Ended { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    /// Its child processes.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid.try_into().unwrap()), signal);
}

/// Whether a process runs (a zombie does not).
pub(crate) fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
}

pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let parent = |stat: &str| stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse::<u32>().ok();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(other) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if fs::read_to_string(format!("/proc/{other}/stat")).is_ok_and(|stat| parent(&stat) == Some(pid)) {
            children.push(other);
        }
    }
    children
}

/// The words that a process was started with.
pub(crate) fn command_line(pid: u32) -> Vec<String> {
    let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split_terminator('\0').map(str::to_owned).collect()
}

/// Waits until `condition` holds, and fails if it never does.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let clock = Clock::start();
    while !condition() {
        assert!(clock.now().since(Nanos::ZERO) < LIMIT, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A hub of its own process, and the environment to reach it.
pub(crate) struct HubProcess {
    pub(crate) running: Running,
    pub(crate) environment: Vec<(String, String)>,
    _folder: TempDir,
}

impl HubProcess {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::run_by(twinstorm(&[]), more, Stdio::inherit())
    }

    /// A hub that `command` starts, once it has the words; what it says goes to `stderr`.
    pub(crate) fn run_by(mut command: Command, more: &[&str], stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.env");
        command.args(["hub", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--env-file"]);
        command.arg(&file).args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let running = Running::start(command);
        eventually("the hub wrote its env file", || file.exists());
        let environment = read_env_file(&file);
        Self { running, environment, _folder: folder }
    }

    /// `command` with this hub's environment.
    pub(crate) fn reach(&self, mut command: Command) -> Command {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What a shell would have in its environment after sourcing `file`.
pub(crate) fn read_env_file(file: &Path) -> Vec<(String, String)> {
    let script = format!(". '{}' && env -0", file.display());
    let output = Command::new("sh").arg("-c").arg(script).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split('\0')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.starts_with("TWINSTORM_") || name.starts_with("IOTHUB_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The median of a series, in milliseconds.
#[track_caller]
pub(crate) fn p50_ms(results: &Value, series: &str) -> f64 {
    statistic_ms(results, series, "p50_us")
}

/// A statistic of a series, in milliseconds.
#[track_caller]
pub(crate) fn statistic_ms(results: &Value, series: &str, statistic: &str) -> f64 {
    let value = &results["series"][series][statistic];
    value.as_f64().unwrap_or_else(|| panic!("{series}.{statistic} is {value}")) / 1000.0
}

/// How many updates ended so.
#[track_caller]
pub(crate) fn census(results: &Value, outcome: &str) -> i64 {
    results["census"][outcome].as_i64().unwrap_or_else(|| panic!("census has no {outcome}: {}", results["census"]))
}
