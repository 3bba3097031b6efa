//! Mosquitto, a real process with a configuration of its own.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::Certificates;
use crate::program::{eventually, send};

/// Ports of brokers: below those that the system gives to whoever connects. A client that tries a broker's port while the
/// broker is away could else be given that very port, and would meet itself.
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 11_000;
/// How many ports are tried.
const TRIES: usize = 50;
/// Lines of its log that are told if a test fails.
const TOLD: usize = 60;

/// What a broker is to be like; by default whoever comes is let in.
#[derive(Default)]
pub(crate) struct Setup {
    lines: Vec<String>,
    users: Vec<(String, String)>,
    tls: Option<Vec<String>>,
    persistent: bool,
}

impl Setup {
    /// A further line of its configuration, such as `max_inflight_messages 1` or `max_connections 10`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Lets in whoever has this name and password, and nobody without.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// TLS; clients with a certificate of the same CA alone, if they `must_certify` themselves.
    pub(crate) fn tls(mut self, certificates: &Certificates, must_certify: bool) -> Self {
        let [certificate, key] = certificates.broker();
        let file = |name: &str, path: &Path| format!("{name} {}", path.display());
        self.tls = Some(vec![
            file("cafile", &certificates.ca()),
            file("certfile", &certificate),
            file("keyfile", &key),
            format!("require_certificate {must_certify}"),
        ]);
        self
    }

    /// Sessions and retained messages outlive a [`Mosquitto::stop`].
    pub(crate) fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn start(&self) -> Mosquitto {
        for _ in 0..TRIES {
            let Some(port) = free_port() else { continue };
            let folder = tempfile::tempdir().unwrap();
            self.configure(folder.path(), port);
            let mut broker = Mosquitto { child: None, folder, port, tls: self.tls.is_some() };
            if broker.launch() {
                return broker;
            }
            let log = broker.log();
            assert!(log.contains("Address already in use"), "Mosquitto did not start:\n{log}");
        }
        panic!("no port of {FIRST_PORT} to {} is free", FIRST_PORT + PORTS)
    }

    fn configure(&self, folder: &Path, port: u16) {
        let mut lines = vec![
            // Where root starts it: else it becomes somebody who may not read this folder.
            "user root".to_owned(),
            "log_dest stderr".to_owned(),
            "log_type all".to_owned(),
            "connection_messages true".to_owned(),
            format!("persistence {}", self.persistent),
            format!("persistence_location {}/", folder.display()),
            format!("listener {port} 127.0.0.1"),
            format!("allow_anonymous {}", self.users.is_empty()),
        ];
        if !self.users.is_empty() {
            let file = folder.join("passwords");
            let _ = File::create(&file).unwrap();
            for (name, password) in &self.users {
                let mut command = Command::new("mosquitto_passwd");
                let status = command.arg("-b").arg(&file).args([name, password]).status();
                assert!(status.is_ok_and(|status| status.success()), "mosquitto_passwd");
            }
            lines.push(format!("password_file {}", file.display()));
        }
        lines.extend(self.tls.iter().flatten().chain(&self.lines).cloned());
        fs::write(folder.join("mosquitto.conf"), lines.join("\n") + "\n").unwrap();
    }
}

/// A port where nobody listens.
fn free_port() -> Option<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two such programs at once begin at different ones.
    let begin = std::process::id() % u32::from(PORTS);
    let port = FIRST_PORT + (begin as u16 + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
}

/// A running broker. It is killed when dropped; if the test has failed, the end of its log is told.
pub(crate) struct Mosquitto {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    tls: bool,
}

impl Mosquitto {
    /// One that lets in whoever comes.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Setup::default().start()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, as `--hub` takes it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// What it has logged so far, over all its lives.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Waits until it has logged `text`.
    #[track_caller]
    pub(crate) fn until_it_logs(&self, text: &str) {
        eventually(text, || self.log().contains(text));
    }

    /// Ends it as an administrator does: it says goodbye to nobody, and keeps what it is to keep.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Ends it at once.
    #[track_caller]
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.ended()
    }

    /// Stops it, and starts it again at the same port.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Starts it again at the same port.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        assert!(self.launch(), "Mosquitto did not start again:\n{}", self.log());
    }

    /// `SIGSTOP` makes it deaf, `SIGCONT` lets it go on, `SIGHUP` has it read its configuration again.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    #[track_caller]
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map(Child::id).unwrap_or_else(|| panic!("it does not run"))
    }

    /// Lets it have so many descriptors more than it has now. (Its own `max_connections` is of no use where somebody is refused:
    /// this version forgets whom it has let in then.)
    #[track_caller]
    pub(crate) fn allow(&self, connections: usize) {
        let pid = self.pid();
        let limit = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() + connections;
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid.to_string(), &format!("--nofile={limit}:{limit}")]);
        assert!(prlimit.status().unwrap().success(), "prlimit");
    }

    /// Command lines of an operator's: one that ends it at once, and one that starts it again at its port, which may be said
    /// twice.
    pub(crate) fn outage(&self) -> [String; 2] {
        let script = |name: &str, lines: &[String]| {
            let file = self.folder.path().join(name);
            fs::write(&file, lines.join("\n") + "\n").unwrap();
            format!("sh {}", file.display())
        };
        let (folder, program) = (self.folder.path().display(), program());
        fs::write(self.pid_file(), self.pid().to_string()).unwrap();
        let enter = format!("set -e; cd '{folder}'");
        let start = format!("setsid {program} -c mosquitto.conf < /dev/null > /dev/null 2>> log & echo $! > pid");
        let down = script("down", &[enter.clone(), "kill -9 $(cat pid); rm pid".to_owned()]);
        let up = script("up", &[enter, format!("if [ ! -e pid ]; then {start}; fi")]);
        [down, up]
    }

    /// Which process of it runs, where others than this one end and start it.
    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// Its folder, for files that its configuration names.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Whether it runs now; else it has ended by itself.
    #[track_caller]
    fn launch(&mut self) -> bool {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let lives = self.lives();
        let mut command = Command::new(program());
        command.arg("-c").arg(self.folder.path().join("mosquitto.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|error| panic!("no Mosquitto: tests/brokers/run installs it ({error})"));
        eventually("Mosquitto runs", || self.lives() > lives || child.try_wait().unwrap().is_some());
        let runs = child.try_wait().unwrap().is_none();
        self.child = runs.then_some(child);
        runs
    }

    /// How often it has come up.
    fn lives(&self) -> usize {
        self.log().lines().filter(|line| line.contains("mosquitto version") && line.ends_with(" running")).count()
    }

    #[track_caller]
    fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap_or_else(|| panic!("it does not run"));
        eventually("Mosquitto ended", || child.try_wait().unwrap().is_some());
        child.wait().unwrap()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let started = fs::read_to_string(self.pid_file()).ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = started {
            send(pid, Signal::SIGKILL);
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of Mosquitto's log:\n{}", lines[lines.len().saturating_sub(TOLD)..].join("\n"));
        }
    }
}

/// The program. Debian has it where only root looks.
fn program() -> &'static str {
    ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto")
}
