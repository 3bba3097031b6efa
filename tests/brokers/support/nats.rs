//! NATS, which speaks MQTT too: a real process that knows no groups of subscribers and no QoS 2, counts its connections well, and
//! throws out whoever reads too slowly.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::program::eventually;

/// What it logs before the address at which it listens for MQTT.
const LISTENS: &str = "Listening for MQTT clients on ";

/// A running broker. It is killed when dropped; if the test has failed, its log is told.
pub(crate) struct Nats {
    child: Child,
    folder: TempDir,
    url: String,
}

impl Nats {
    /// Starts one with further `lines` of its configuration, such as `max_connections: 40`.
    #[track_caller]
    pub(crate) fn start(lines: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = [
            // Any port that is free.
            "listen: \"127.0.0.1:-1\"".to_owned(),
            "mqtt { listen: \"127.0.0.1:-1\" }".to_owned(),
            "server_name: test".to_owned(),
            format!("jetstream {{ store_dir: \"{}\" }}", folder.path().display()),
        ];
        let all: Vec<&str> = own.iter().map(String::as_str).chain(lines.iter().copied()).collect();
        let file = folder.path().join("nats.conf");
        fs::write(&file, all.join("\n") + "\n").unwrap();
        let log = File::create(log_file(folder.path())).unwrap();
        // Debian has it where only root looks.
        let program = ["/usr/sbin/nats-server"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(program.unwrap_or("nats-server"));
        command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("no NATS: tests/brokers/run installs it ({error})"));
        let mut broker = Self { child, folder, url: String::new() };
        eventually("NATS listens", || broker.log().contains("Server is ready"));
        let log = broker.log();
        let address = log.split_once(LISTENS).and_then(|(_, rest)| rest.lines().next());
        broker.url = address.unwrap_or_else(|| panic!("no address in its log:\n{log}")).to_owned();
        broker
    }

    /// Where it is, as `--hub` takes it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }
}

fn log_file(folder: &Path) -> std::path::PathBuf {
    folder.join("log")
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("NATS's log:\n{}", self.log());
        }
    }
}
