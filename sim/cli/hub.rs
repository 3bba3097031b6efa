//! `twinstorm hub`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::CommandError;
use crate::hub::{CA_FILE, Hub, HubConfig, HubDelays, HubIdentity, HubLimits};
use crate::measure::{cores, raise_descriptor_limit};
use crate::run::{self, StopSignal, environment, print};
use crate::verdict::ExitCode;

/// Runs the embedded hub until it is stopped.
#[derive(Debug, Args)]
pub(super) struct HubCommand {
    /// Where to listen for MQTT over TCP; port 0 for a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// Where to listen for MQTT over TLS, too; port 0 for a free one
    #[arg(long, value_name = "ADDR")]
    mqtts: Option<SocketAddr>,
    /// Folder that keeps the CA which signs the hub's certificate (ca.pem, and its key), made at the first start; without
    /// it the CA lives as long as the hub
    #[arg(long, value_name = "DIR", requires = "mqtts")]
    tls_dir: Option<PathBuf>,
    /// Where to listen for REST over HTTP; port 0 for a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Host name in tokens, connection strings and the certificate (default: the address of --http); the certificate is
    /// always for this machine's own names and addresses (localhost, 127.0.0.1, ::1) as well
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// File to write the connection string and keys to (mode 0600); a shell can source it
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Threads
    #[arg(long, value_name = "N", default_value_t = cores())]
    workers: usize,
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
        if let Some(host) = self.host.as_deref().filter(|host| !is_host_name(host)) {
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
        let stop =
            StopSignal::take().map_err(|error| CommandError::other(format!("cannot wait for signals: {error}")))?;
        let config = HubConfig {
            mqtt: self.mqtt,
            mqtts: self.mqtts,
            tls_dir: self.tls_dir.clone(),
            http: self.http,
            workers: self.workers,
            slow: HubDelays::default(),
            limits: HubLimits::default(),
        };
        let bound = Hub::bind(config).map_err(CommandError::other)?;
        let host = self.host.map(|host| match bound.http_addr().port() {
            443 => host,
            port => format!("{host}:{port}"),
        });
        let identity = match host {
            Some(host) => HubIdentity::generate(host),
            None => bound.generate_identity(),
        }
        .map_err(CommandError::other)?;
        let hub = bound.start(identity.clone()).map_err(CommandError::other)?;
        print::line(format!("MQTT  {}", hub.mqtt_addr()));
        if let Some(address) = hub.mqtts_addr() {
            print::line(format!("MQTTS {address}"));
            let kept = self.tls_dir.as_deref().map(|folder| folder.join(CA_FILE).display().to_string());
            print::line(format!("CA    {}", kept.as_deref().unwrap_or("made for this run; --tls-dir DIR keeps one")));
        }
        print::line(format!("REST  http://{}", hub.http_addr()));
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
        stop.wait();
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
        (environment::HUB_REST, format!("http://{}", hub.http_addr())),
    ];
    match (hub.mqtts_addr(), hub.authority()) {
        (Some(address), Some(authority)) => {
            values.push((environment::HUB_MQTT, format!("mqtts://{}", reachable(address))));
            let authority = match tls_dir {
                Some(folder) => fs::canonicalize(folder)?.join(CA_FILE).display().to_string(),
                None => authority.to_owned(),
            };
            values.push((environment::HUB_CA, authority));
        }
        _ => values.push((environment::HUB_MQTT, hub.mqtt_addr().to_string())),
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // A leftover of an earlier run may have another mode.
    remove(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    for (name, value) in values {
        writeln!(file, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    file.sync_all()?;
    fs::rename(part, path)
}
