//! `twinstorm hub`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::CommandError;
use crate::hub::{Hub, HubConfig, HubDelays, HubIdentity};
use crate::measure::{cores, raise_descriptor_limit};
use crate::run::{self, StopSignal, environment, print};
use crate::verdict::ExitCode;

/// Runs the embedded hub until it is stopped.
#[derive(Debug, Args)]
pub(super) struct HubCommand {
    /// Where to listen for MQTT over TCP; port 0 for a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// Where to listen for REST over HTTP; port 0 for a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Host name in tokens and connection strings (default: the address of --http)
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
        let config = HubConfig { mqtt: self.mqtt, http: self.http, workers: self.workers, slow: HubDelays::default() };
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
        print::line(format!("REST  http://{}", hub.http_addr()));
        print::line(format!("host  {}", identity.host));
        match &self.env_file {
            Some(path) => {
                write_env_file(path, &identity, hub.mqtt_addr(), hub.http_addr()).map_err(|error| {
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

fn is_host_name(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

/// Removes a file if it is there.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes what a shell needs to reach this hub. The file appears whole, under its name, readable by its owner alone.
fn write_env_file(path: &Path, identity: &HubIdentity, mqtt: SocketAddr, http: SocketAddr) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // A leftover of an earlier run may have another mode.
    remove(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    for (name, value) in [
        (environment::CONNECTION_STRING, identity.connection_string().reveal()),
        (environment::FLEET_KEY, identity.fleet_key.to_base64()),
        (environment::HUB_MQTT, mqtt.to_string()),
        (environment::HUB_REST, format!("http://{http}")),
    ] {
        writeln!(file, "export {name}='{value}'")?;
    }
    file.sync_all()?;
    fs::rename(part, path)
}
