//! Mosquitto, for benches over a plain broker.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;
use twinstorm::measure::Usage;
use twinstorm::time::{Clock, Nanos};

use super::process::{Player, say};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker in a process of its own, which ends when this is dropped.
pub(crate) struct Mosquitto {
    process: Player,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts one that answers at once and drops nothing for want of room, so that the clients alone are compared.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let lines = [
            // Where root starts it: else it becomes somebody who may not read this folder.
            "user root".to_owned(),
            "log_dest none".to_owned(),
            "allow_anonymous true".to_owned(),
            "set_tcp_nodelay true".to_owned(),
            "max_queued_messages 0".to_owned(),
            format!("listener {} 127.0.0.1", address.port()),
        ];
        let file = folder.path().join("mosquitto.conf");
        fs::write(&file, lines.join("\n") + "\n").expect("a file");
        let broker =
            Self { process: Player::start(&format!("mosquitto {}", file.display())), address, _folder: folder };
        let clock = Clock::start();
        while TcpStream::connect(address).is_err() {
            assert!(clock.now() < Nanos::ZERO + PATIENCE, "Mosquitto does not listen; tests/brokers/run installs it");
            sleep(Duration::from_millis(20));
        }
        broker
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of_process(self.process.id()).expect("a broker that runs")
    }
}

/// Becomes the broker: what a role gives its process (our limit of open files, an end with the bench) is its own then.
pub(crate) fn play(words: &[String]) {
    // Debian has it where only root looks.
    let program = ["/usr/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists()).unwrap_or("mosquitto");
    let failed = Command::new(program).arg("-c").arg(&words[1]).stderr(Stdio::null()).exec();
    say(format!("no Mosquitto: {failed}"));
}
