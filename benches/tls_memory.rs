//! What TLS costs: user memory of an idle device at both ends, and CPU of a connection at both ends, beside plain TCP in
//! the same run. `cargo bench --bench tls_memory [-- DEVICES]`.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs;
use std::future::poll_fn;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use twinstorm::measure::Usage;
use twinstorm::mqtt::{ClientTls, Connection, Packet, Scratch, ServerTls, connect_from};

/// What a device of the fleet may take over TLS, in bytes.
const MOST: f64 = 13.0 * 1024.0;
/// Devices whose memory is measured, unless the command line says otherwise.
const DEVICES: u32 = 4000;
/// Connections whose CPU is measured, one after the other.
const HANDSHAKES: u32 = 2000;
/// How long processes are left alone before they are measured.
const SETTLE: Duration = Duration::from_secs(2);

fn main() {
    let devices = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(DEVICES);
    println!("{devices} idle devices, connected, subscribed, reported once");
    println!("                       fleet            hub");
    let [tcp, tls] = [false, true].map(|tls| {
        let (one, many) = (idle(tls, 1), idle(tls, devices));
        let others = f64::from(devices - 1);
        let memory = [0, 1].map(|end| (many.memory[end] - one.memory[end]) as f64 / others);
        let cpu = [0, 1].map(|end| (many.cpu[end] - one.cpu[end]) * 1e6 / others);
        let name = if tls { "TLS" } else { "TCP" };
        println!("{name} memory     {:>8.0} B/device {:>8.0} B/device", memory[0], memory[1]);
        println!("{name} CPU online {:>8.0} us/device {:>7.0} us/device", cpu[0], cpu[1]);
        memory
    });
    println!("TLS adds       {:>8.0} B/device {:>8.0} B/device", tls[0] - tcp[0], tls[1] - tcp[1]);
    let met = if tls[0] <= MOST { "ok" } else { "MISSED" };
    println!("a device of the fleet may take {MOST} B over TLS: {met}");
    println!();
    println!("{HANDSHAKES} connections, one at a time: CPU of each, connect and close included");
    println!("                      device            hub");
    for (name, kind) in [("TCP", Kind::Tcp), ("TLS, full", Kind::Full), ("TLS, resumed", Kind::Resumed)] {
        let [device, hub] = connections(kind);
        println!("{name:<14} {device:>9.0} us      {hub:>9.0} us");
    }
}

/// What two processes, fleet and hub, use.
struct Used {
    /// Anonymous memory, in bytes.
    memory: [i64; 2],
    /// CPU time so far, in seconds.
    cpu: [f64; 2],
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A hub, and a fleet of `devices` that are all connected and idle.
fn idle(tls: bool, devices: u32) -> Used {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.env");
    let mut hub = program();
    hub.args(["hub", "--workers", "1", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--env-file"]).arg(&file);
    if tls {
        hub.args(["--mqtts", "127.0.0.1:0", "--tls-dir"]).arg(folder.path());
    }
    let hub = Process(hub.stdout(Stdio::null()).spawn().unwrap());
    while !file.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    let mut fleet = program();
    fleet.args(["fleet", "quickstart", "--set", "fleet.connect_rate=1000", "--set", "fleet.keep_alive=1000s"]);
    fleet.arg("--devices").arg(devices.to_string()).arg("--out").arg(folder.path().join("out"));
    source(&mut fleet, &file);
    let mut fleet = Process(fleet.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let stderr = fleet.0.stderr.take().unwrap();
    until_connected(stderr, devices);
    thread::sleep(SETTLE);
    let ids = [fleet.0.id(), hub.0.id()];
    let used = Used { memory: ids.map(anonymous), cpu: ids.map(|id| Usage::of_process(id).unwrap().cpu.as_secs_f64()) };
    for id in ids {
        let _ = kill(Pid::from_raw(id.try_into().unwrap()), Signal::SIGINT);
    }
    used
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinstorm"));
    command.stdin(Stdio::null());
    command
}

/// The environment that the hub wrote; none of its values spans lines, as its CA is in a file.
fn source(command: &mut Command, file: &Path) {
    for line in fs::read_to_string(file).unwrap().lines() {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        command.env(name, value.trim_matches('\''));
    }
}

fn until_connected(stderr: ChildStderr, devices: u32) {
    let wanted = format!("connected {devices}/{devices}");
    let mut lines = BufReader::new(stderr).lines();
    let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(&wanted));
    assert!(found, "the fleet did not come online");
    // What is said from now on must not fill the pipe.
    thread::spawn(move || lines.for_each(drop));
}

/// Memory of a process that is backed by no file.
fn anonymous(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Tcp,
    Full,
    Resumed,
}

/// CPU of one connection at the device's and at the hub's end, in microseconds; each end has a thread of its own.
fn connections(kind: Kind) -> [f64; 2] {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let server = ServerTls::new(vec![certificate.der().to_vec()], key.serialize_der()).unwrap();
    let client = ClientTls::new("127.0.0.1", &certificate.pem(), kind == Kind::Resumed).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let hub = thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut scratch = Scratch::default();
            let before = thread_cpu();
            for _ in 0..HANDSHAKES {
                let (mut stream, _) = listener.accept().await.unwrap();
                if kind == Kind::Tcp {
                    stream.read_u8().await.unwrap();
                    continue;
                }
                let mut connection = Connection::server(stream, &server).unwrap();
                handshake(&mut connection, &mut scratch).await;
                connection.send(&mut scratch, &[Packet::PingResp]).unwrap();
                poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
                receive(&mut connection, &mut scratch).await;
            }
            per_connection(before)
        })
    });
    let device = runtime().block_on(async {
        let mut scratch = Scratch::default();
        let before = thread_cpu();
        for number in 0..HANDSHAKES {
            let stream = connect_from(None, address).await.unwrap();
            if kind == Kind::Tcp {
                Connection::new(stream).send(&mut scratch, &[Packet::PingReq]).unwrap();
                continue;
            }
            let mut connection = Connection::client(stream, &client, number > 0).unwrap();
            handshake(&mut connection, &mut scratch).await;
            connection.send(&mut scratch, &[Packet::PingReq]).unwrap();
            poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
            // The ticket comes with the hub's first words.
            receive(&mut connection, &mut scratch).await;
            assert_eq!(connection.is_resumed(), kind == Kind::Resumed && number > 0);
        }
        per_connection(before)
    });
    [device, hub.join().unwrap()]
}

async fn handshake(connection: &mut Connection, scratch: &mut Scratch) {
    poll_fn(|cx| connection.poll_handshake(cx, scratch)).await.unwrap();
}

async fn receive(connection: &mut Connection, scratch: &mut Scratch) {
    let mut packets = Vec::new();
    while packets.is_empty() {
        if poll_fn(|cx| connection.poll_receive(cx, scratch, &mut packets)).await.is_err() {
            break;
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn per_connection(before: f64) -> f64 {
    (thread_cpu() - before) * 1e6 / f64::from(HANDSHAKES)
}

/// CPU time of this thread, in seconds.
fn thread_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    [usage.user_time(), usage.system_time()].iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum()
}
