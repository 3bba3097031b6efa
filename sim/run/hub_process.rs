//! The embedded hub as a child process: a process of its own keeps its CPU and memory apart from the generator's, and
//! makes killing it an honest drill. Parent and child talk in lines of JSON over the child's standard streams; the
//! child ends when that channel closes, whatever way its parent ends.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::dialect::azure::{ConnectionString, Key};
use crate::hub::{Hub, HubConfig};
use crate::measure::Usage;
use crate::shard::{Credentials, Endpoints, HubProof};

/// How long a hub may take to listen.
const START: Duration = Duration::from_secs(20);
/// How long a hub may take to stop before it is killed. Nothing is lost with it: results are written by then.
const STOP: Duration = Duration::from_secs(1);

/// What the child says once it listens. It travels through a pipe that only parent and child hold.
#[derive(Serialize, Deserialize)]
struct Listening {
    mqtt: SocketAddr,
    /// For MQTT over TLS, with the certificate of the hub's CA in PEM.
    mqtts: Option<(SocketAddr, String)>,
    http: SocketAddr,
    connection_string: String,
    fleet_key: String,
}

/// The child's first and only other words: it listens, or why it cannot.
#[derive(Serialize, Deserialize)]
enum Word {
    Listening(Listening),
    Failed(String),
}

/// What the parent says.
#[derive(Serialize, Deserialize)]
enum Order {
    Start(HubConfig),
    Stop,
}

/// Why a hub process did not start.
#[derive(Debug, thiserror::Error)]
pub enum HubProcessError {
    /// The program could not be started.
    #[error("cannot start the embedded hub: {0}")]
    Spawn(#[from] io::Error),
    /// It started, but cannot listen.
    #[error("the embedded hub cannot start: {0}")]
    Failed(String),
    /// It said nothing, or nonsense.
    #[error("the embedded hub did not say that it listens ({0})")]
    Silent(String),
}

/// A running hub process. Dropping it kills it.
#[derive(Debug)]
pub struct HubProcess {
    child: KilledOnDrop,
    orders: ChildStdin,
    /// Where it listens.
    pub endpoints: Endpoints,
    /// What opens it.
    pub credentials: Credentials,
    usage: Usage,
}

/// A child process that does not outlive this value.
#[derive(Debug)]
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl HubProcess {
    /// Starts `program hub --control` and waits until it listens. The returned receiver resolves when the process
    /// is gone. To be polled on the program's main thread: the child is bound to the life of the thread that starts it.
    ///
    /// # Errors
    /// It cannot be started, or cannot listen.
    pub async fn start(program: &Path, config: &HubConfig) -> Result<(Self, oneshot::Receiver<()>), HubProcessError> {
        let child = Command::new(program)
            .args(["hub", "--control"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of the terminal's signal group: Ctrl-C reaches the coordinator alone.
            .process_group(0)
            .spawn()?;
        let mut child = KilledOnDrop(child);
        let (Some(mut orders), Some(words)) = (child.0.stdin.take(), child.0.stdout.take()) else {
            return Err(HubProcessError::Silent("it has no standard streams".to_owned()));
        };
        let (first_word, gone) = listen(words)?;
        order(&mut orders, &Order::Start(config.clone()))?;
        let word = match timeout(START, first_word).await {
            Ok(Ok(word)) => word,
            Ok(Err(_)) => return Err(HubProcessError::Silent("its output closed".to_owned())),
            Err(_) => return Err(HubProcessError::Silent(format!("waited {} s", START.as_secs()))),
        };
        let listening = match serde_json::from_str(&word) {
            Ok(Word::Listening(listening)) => listening,
            Ok(Word::Failed(why)) => return Err(HubProcessError::Failed(why)),
            Err(_) => return Err(HubProcessError::Silent("its first line is no message".to_owned())),
        };
        let service = ConnectionString::parse(&listening.connection_string)
            .map_err(|_| HubProcessError::Silent("its connection string is unusable".to_owned()))?;
        let fleet_key = Key::from_base64(&listening.fleet_key)
            .map_err(|_| HubProcessError::Silent("its fleet key is unusable".to_owned()))?;
        let tls = listening
            .mqtts
            .map(|(address, authority)| (address, HubProof { host: address.ip().to_string(), authority }));
        let endpoints = Endpoints {
            mqtt: Some(tls.as_ref().map_or(listening.mqtt, |(address, _)| *address)),
            tls: tls.map(|(_, proof)| proof),
            rest: Some(format!("http://{}", listening.http)),
            host: service.host.clone(),
        };
        let credentials = Credentials { service: Some(service), fleet_key: Some(fleet_key) };
        Ok((Self { child, orders, endpoints, credentials, usage: Usage::default() }, gone))
    }

    /// What it has used so far; what was known last if it is gone.
    pub fn usage(&mut self) -> Usage {
        if let Some(usage) = Usage::of_process(self.child.0.id()) {
            self.usage = usage;
        }
        self.usage
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().ok().flatten()
    }

    /// Stops it by message, and by force if it does not listen. Blocks for as long.
    pub fn stop(mut self) {
        let _ = order(&mut self.orders, &Order::Stop);
        let step = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while waited < STOP && self.ended().is_none() {
            thread::sleep(step);
            waited += step;
        }
    }
}

/// Waits for the child's first word, and for its end, on a thread of its own.
fn listen(words: ChildStdout) -> io::Result<(oneshot::Receiver<String>, oneshot::Receiver<()>)> {
    let (say, said) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("hub-words".to_owned()).spawn(move || {
        let mut words = BufReader::new(words);
        let mut line = String::new();
        // What goes wrong here shows as a word that is none; whoever waited may be gone.
        let _ = words.read_line(&mut line);
        let _ = say.send(line);
        // Nothing more is said: the next word is the end.
        let _ = io::copy(&mut words, &mut io::sink());
        let _ = end.send(());
    })?;
    Ok((said, ended))
}

fn order(to: &mut impl Write, order: &Order) -> io::Result<()> {
    let line = serde_json::to_string(order).map_err(io::Error::other)?;
    writeln!(to, "{line}")?;
    to.flush()
}

/// The child's side: runs a hub as its parent orders, until it says stop or is gone.
///
/// # Errors
/// What the parent says makes no sense, or its channel broke.
pub fn serve_hub_process() -> io::Result<()> {
    // Beside the channel, in case this process is stopped or stuck when its parent ends.
    set_pdeathsig(Signal::SIGKILL)?;
    let mut lines = io::stdin().lock().lines();
    let mut next = || -> io::Result<Option<Order>> {
        let line = lines.next().transpose()?;
        line.map(|line| serde_json::from_str(&line).map_err(io::Error::other)).transpose()
    };
    let Some(Order::Start(config)) = next()? else { return Ok(()) };
    let started = Hub::bind(config).and_then(|bound| {
        let identity = bound.generate_identity()?;
        Ok((bound.start(identity.clone())?, identity))
    });
    match started {
        Err(error) => say(&Word::Failed(error.to_string())),
        Ok((hub, identity)) => {
            say(&Word::Listening(Listening {
                mqtt: hub.mqtt_addr(),
                mqtts: hub.mqtts_addr().zip(hub.authority().map(str::to_owned)),
                http: hub.http_addr(),
                connection_string: identity.connection_string().reveal(),
                fleet_key: identity.fleet_key.to_base64(),
            }))?;
            // `Stop`, or the end of the channel: both mean the same.
            let stopped = next();
            hub.stop();
            stopped.map(|_| ())
        }
    }
}

fn say(word: &Word) -> io::Result<()> {
    let line = serde_json::to_string(word).map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
