//! `twinstorm hub`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::CommandError;
use super::hub_limits::LimitFlags;
use super::shared::stop_on_signals;
use crate::dialect::azure::WEBSOCKET_PATH;
use crate::hub::{CA_FILE, DoorLimits, Hub, HubConfig, HubDelays, HubIdentity};
use crate::measure::{cores, raise_descriptor_limit};
use crate::random::Seed;
use crate::report::{limit_in_words, servers_in_words};
use crate::run::{self, environment, hub_keys, print};
use crate::verdict::ExitCode;

/// Where the hub listens for MQTT unless it is told where, or told to speak TLS.
const MQTT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);
/// The same for HTTP.
const HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Runs the embedded hub until it is stopped.
#[derive(Debug, Args)]
pub(super) struct HubCommand {
    /// Where to listen for MQTT over plain TCP; port 0 for a free one (default: 127.0.0.1:1883, and nowhere with --mqtts or
    /// --https)
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
    /// Where to listen for MQTT over TLS; port 0 for a free one
    #[arg(long, value_name = "ADDR")]
    mqtts: Option<SocketAddr>,
    /// Where to listen for REST over plain HTTP; port 0 for a free one (default: 127.0.0.1:8080, and nowhere with --mqtts
    /// or --https)
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Where to listen for REST over HTTPS; port 0 for a free one
    #[arg(long, value_name = "ADDR")]
    https: Option<SocketAddr>,
    /// Folder that keeps the CA which signs the hub's certificate (ca.pem, and its key), made at the first start; without
    /// it the CA lives as long as the hub
    #[arg(long, value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// Host name in tokens and connection strings (default: the address of --https or --http). Given several times, or
    /// several with commas between: the first is that name, and the certificate is for all, besides this machine's own
    /// names and addresses (localhost, 127.0.0.1, ::1)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    host: Vec<String>,
    /// File to write the connection strings and keys to (mode 0600); a shell can source it, and a hub that is started
    /// again from that shell, under the same host name, keeps its keys
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// File with the certificates (PEM) of the CAs that vouch for devices whose authentication is `certificateAuthority`
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// File to append messages of devices to the cloud to, a line of JSON for each; when the disk is slower than the
    /// devices, messages are left out of it, which the log tells
    #[arg(long, value_name = "FILE")]
    telemetry: Option<PathBuf>,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = cores())]
    workers: usize,
    #[command(flatten)]
    limits: LimitFlags,
    /// Talk to a parent process over standard input and output
    #[arg(long, hide = true)]
    control: bool,
}

impl HubCommand {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        raise_descriptor_limit().map_err(CommandError::other)?;
        end_with_the_first_panic();
        if self.control {
            run::serve_hub_process()
                .map_err(|error| CommandError::other(format!("the parent's channel broke: {error}")))?;
            return Ok(ExitCode::Success);
        }
        if self.workers == 0 {
            return Err(CommandError::usage("--workers must be at least 1"));
        }
        let speaks_tls = self.mqtts.is_some() || self.https.is_some();
        if self.tls_dir.is_some() && !speaks_tls {
            return Err(CommandError::usage("--tls-dir is for --mqtts and --https: neither is given"));
        }
        if self.client_ca.is_some() && !speaks_tls {
            return Err(CommandError::usage("--client-ca is for --mqtts and --https: neither is given"));
        }
        if let Some(host) = self.host.iter().find(|host| !is_host_name(host)) {
            return Err(CommandError::usage(format!(
                "--host {host}: a host name has letters, digits, `.` and `-` only"
            )));
        }
        if let Some(path) = &self.env_file {
            // Whoever waits for the file must not find that of an earlier hub.
            remove(path).map_err(|error| {
                CommandError::usage(format!("cannot replace {}: {error}; name another --env-file", path.display()))
            })?;
        }
        let (limits, service) = self.limits.read()?;
        let stop = stop_on_signals()?;
        let config = HubConfig {
            mqtt: self.mqtt.or((!speaks_tls).then_some(MQTT)),
            mqtts: self.mqtts,
            http: self.http.or((!speaks_tls).then_some(HTTP)),
            https: self.https,
            tls_dir: self.tls_dir.clone(),
            names: self.host.clone(),
            client_ca: self.client_ca.clone(),
            telemetry: self.telemetry.clone(),
            workers: self.workers,
            slow: HubDelays::default(),
            limits,
            service,
            seed: Seed::default(),
            instance: 0,
            door: DoorLimits::default(),
            acknowledge_only: false,
        };
        let bound = Hub::bind(config).map_err(CommandError::other)?;
        let mut identity = match self.host.first() {
            Some(host) => HubIdentity::generate(bound.name(host)),
            None => bound.generate_identity(),
        }
        .map_err(CommandError::other)?;
        hub_keys::keep_keys(&mut identity, |name| std::env::var(name).ok()).map_err(CommandError::usage)?;
        let hub = bound.start(identity.clone()).map_err(CommandError::other)?;
        for line in listening(&hub, self.tls_dir.as_deref()) {
            print::line(line);
        }
        print::line(format!("host  {}", identity.host));
        match &self.env_file {
            Some(path) => {
                write_env_file(path, &identity, &hub, self.tls_dir.as_deref()).map_err(|error| {
                    CommandError::other(format!("cannot write {}: {error}; name another --env-file", path.display()))
                })?;
                print::line(format!(
                    "keys  {} (source it, then run `twinstorm fleet` and `twinstorm drive`)",
                    path.display()
                ));
            }
            None => print::line("keys  generated for this run; --env-file FILE writes them to a file"),
        }
        print::line("Ctrl-C stops it.");
        stop.wait().map_err(CommandError::other)?;
        let counts = hub.counts();
        for count in counts.throttled.iter().filter(|count| count.is_notable()) {
            print::line(format!("limit {}", limit_in_words(count)));
        }
        if let Some(count) = &counts.service {
            print::line(format!("servers {}", servers_in_words(count)));
        }
        hub.stop();
        if let Some(path) = &self.env_file {
            // Its keys open nothing any more. If it cannot be removed, it is stale and no secret.
            let _ = remove(path);
        }
        Ok(ExitCode::Success)
    }
}

/// The runtime catches a task's panic, and the hub would go on without what that task did. Whoever measures a hub had
/// better see it die.
fn end_with_the_first_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(ExitCode::Error.code().into());
    }));
}

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

/// What listens where, and whom to trust.
fn listening(hub: &Hub, tls_dir: Option<&Path>) -> Vec<String> {
    let at = |what: &'static str, address: Option<SocketAddr>| address.map(|address| format!("{what}{address}"));
    let mut lines: Vec<String> = [
        at("MQTT  ", hub.mqtt_addr()),
        at("MQTTS ", hub.mqtts_addr()),
        at("WSS   wss://", hub.https_addr()).map(|url| url + WEBSOCKET_PATH),
        at("REST  http://", hub.http_addr()),
        at("REST  https://", hub.https_addr()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if hub.authority().is_some() {
        let kept = tls_dir.map(|folder| folder.join(CA_FILE).display().to_string());
        lines.push(format!("CA    {}", kept.as_deref().unwrap_or("made for this run; --tls-dir DIR keeps one")));
    }
    lines
}

/// Where this machine reaches a listener; a certificate is for no "any address".
fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}

/// Removes a file if it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes what a shell needs to reach this hub. The file appears whole, under its name, readable by its owner alone.
fn write_env_file(path: &Path, identity: &HubIdentity, hub: &Hub, tls_dir: Option<&Path>) -> std::io::Result<()> {
    let mut values = vec![
        (environment::CONNECTION_STRING, identity.connection_string().reveal()),
        (environment::FLEET_KEY, identity.fleet_key.to_base64()),
    ];
    let at = |scheme: &'static str, address: Option<SocketAddr>| {
        address.map(|address| format!("{scheme}{}", reachable(address)))
    };
    let rest = at("https://", hub.https_addr()).or_else(|| at("http://", hub.http_addr()));
    values.extend(rest.map(|url| (environment::HUB_REST, url)));
    let mqtt =
        at("mqtts://", hub.mqtts_addr()).or_else(|| at("", hub.mqtt_addr())).or_else(|| at("wss://", hub.https_addr()));
    values.extend(mqtt.map(|url| (environment::HUB_MQTT, url)));
    if let Some(authority) = hub.authority() {
        let authority = match tls_dir {
            Some(folder) => fs::canonicalize(folder)?.join(CA_FILE).display().to_string(),
            None => authority.to_owned(),
        };
        values.push((environment::HUB_CA, authority));
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // A leftover of an earlier run may have another mode.
    remove(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    // Beside the owner's, one for each policy: `IOTHUB_CONNECTION_STRING_SERVICE` and so on.
    let policies = identity.policies.iter().skip(1).map(|policy| {
        (hub_keys::policy_variable(identity, &policy.name), identity.connection_string_of(policy).reveal())
    });
    for (name, value) in values.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(policies) {
        writeln!(file, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    file.sync_all()?;
    fs::rename(part, path)
}
