//! `[hub]` with `kind = "mqtt"`: a plain MQTT broker.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use super::reader::{Field, Section};
use crate::device::Transport;
use crate::dialect::plain::{PlainQos, PlainSettings, Topics};
use crate::driver::{LineConfig, LineShare};
use crate::policy::OutageCommands;

/// The keys of `[hub]` that say something of a broker.
pub(super) const KEYS: [&str; 9] =
    ["url", "topics", "qos", "retain", "client_id", "username", "tls", "driver", "outage"];

/// Driver connections of a shard, at most.
const MAX_CONNECTIONS: u32 = 64;

/// A plain MQTT broker. Passwords come from the environment: they are no part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerPlan {
    /// Where it is.
    pub url: BrokerUrl,
    /// How devices and driver talk there.
    pub dialect: PlainSettings,
    /// Files for TLS.
    pub tls: BrokerTls,
    /// The driver's connections.
    pub lines: LineConfig,
    /// How its operator takes it down and brings it back, for faults of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<OutageCommands>,
}

/// Files in PEM for TLS with a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerTls {
    /// The certificates of the CAs that may have signed the broker's; without it, `TWINSTORM_HUB_CA` or the system says whom
    /// to trust.
    pub ca: Option<PathBuf>,
    /// What devices and driver show, and the key to it, unless `fleet.devices_file` names certificates of each device's own.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A broker's address: `mqtt://`, `mqtts://`, `ws://` or `wss://`, host, port, and a path for WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrokerUrl {
    /// What MQTT goes over there.
    pub transport: Transport,
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port, if it is named.
    pub port: Option<u16>,
    /// Where a WebSocket is asked for.
    pub path: String,
}

/// Where brokers have their WebSockets, mostly.
const WEBSOCKET_PATH: &str = "/mqtt";

impl BrokerUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it; it is not quoted where it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it like `mqtt://broker.example:1883`";
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| format!("has no scheme: {FORM}"))?;
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => Transport::Tcp,
            "mqtts" | "ssl" | "tls" => Transport::Tls,
            "ws" => Transport::Ws,
            "wss" => Transport::Wss,
            other => return Err(format!("begins with `{other}://`: allowed are mqtt, mqtts, ws and wss")),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') {
            return Err("must not hold a user's name or password, which commands and results would show: the name is \
                        `hub.username`, the password comes from TWINSTORM_HUB_PASSWORD"
                .to_owned());
        }
        if path.contains(['?', '#']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("cannot be understood: {FORM}"));
        }
        let is_web = matches!(transport, Transport::Ws | Transport::Wss);
        if !is_web && !matches!(path, "" | "/") {
            return Err(format!("has a path, which only ws:// and wss:// have: {FORM}"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (host, Some(port.ok_or_else(|| format!("has no port that could be one: {FORM}"))?))
            }
            _ => (authority, None),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(format!("names no host: {FORM}"));
        }
        let path = if is_web && matches!(path, "" | "/") { WEBSOCKET_PATH } else { path.trim_end_matches('/') };
        Ok(Self { transport, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// The port, or else the one that is usual for such an address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match (self.port, self.transport) {
            (Some(port), _) => port,
            (None, Transport::Tcp) => 1883,
            (None, Transport::Tls) => 8883,
            (None, Transport::Ws) => 80,
            (None, Transport::Wss) => 443,
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}{}", self.port(), self.path)
    }
}

impl From<BrokerUrl> for String {
    fn from(url: BrokerUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for BrokerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// Reads what `[hub]` says of a broker.
pub(super) fn read(section: &Section<'_>) -> Result<BrokerPlan, Problem> {
    let url = section.required("url")?;
    let url = BrokerUrl::parse(url.text()?).map_err(|why| url.problem(why))?;
    let mut dialect = PlainSettings::default();
    if let Some(field) = section.optional("topics") {
        dialect.topics = topics(&field)?;
    }
    if let Some(field) = section.optional("qos") {
        dialect.qos = qos(&field)?;
    }
    if let Some(field) = section.optional("retain") {
        dialect.retain_reported = field.boolean()?;
    }
    if let Some(field) = section.optional("client_id") {
        dialect.client_id = name(&field, true)?;
    }
    dialect.username = section.optional("username").map(|field| name(&field, false)).transpose()?;
    let tls = section.optional("tls").map_or_else(|| Ok(BrokerTls::default()), |field| tls(&field, url.transport))?;
    let (lines, driver_username) =
        section.optional("driver").map_or_else(|| Ok(Default::default()), |field| driver(&field))?;
    dialect.driver_username = driver_username.or_else(|| dialect.username.clone().filter(|name| !name.contains('{')));
    let outage = section.optional("outage").map(|field| outage(&field)).transpose()?;
    Ok(BrokerPlan { url, dialect, tls, lines, outage })
}

fn topics(field: &Field<'_>) -> Result<Topics, Problem> {
    let section = field.section(&["prefix", "request", "response", "reported", "desired", "presence", "telemetry"])?;
    let standard = Topics::default();
    let text = |key: &str, standard: String| match section.optional(key) {
        Some(field) => field.text().map(str::to_owned),
        None => Ok(standard),
    };
    let some = |key: &str, standard: Option<String>| match section.optional(key) {
        Some(field) => field.text().map(|text| (!text.is_empty()).then(|| text.to_owned())),
        None => Ok(standard),
    };
    let topics = Topics {
        prefix: text("prefix", standard.prefix)?,
        request: text("request", standard.request)?,
        response: text("response", standard.response)?,
        reported: text("reported", standard.reported)?,
        desired: some("desired", standard.desired)?,
        presence: some("presence", standard.presence)?,
        telemetry: text("telemetry", standard.telemetry)?,
    };
    topics.check().map_err(|error| match section.optional(error.which()) {
        Some(field) => field.problem(error),
        None => field.problem(format_args!("({}) {error}", error.which())),
    })?;
    Ok(topics)
}

/// One level for all kinds of messages, or one for each.
fn qos(field: &Field<'_>) -> Result<PlainQos, Problem> {
    let level = |field: &Field<'_>| field.integer(0..=2_u8);
    if let Ok(all) = level(field) {
        return Ok(PlainQos { request: all, response: all, reported: all, presence: all });
    }
    let section = field.section(&["request", "response", "reported", "presence"]).map_err(|_| {
        field.problem("must be 0, 1 or 2, or a table of these for request, response, reported, presence")
    })?;
    let of = |key: &str, standard: u8| section.optional(key).as_ref().map_or(Ok(standard), level);
    let standard = PlainQos::default();
    Ok(PlainQos {
        request: of("request", standard.request)?,
        response: of("response", standard.response)?,
        reported: of("reported", standard.reported)?,
        presence: of("presence", standard.presence)?,
    })
}

/// A name in which `{device}` stands for the device's id; it is to be `distinct` where two devices must not share it.
fn name(field: &Field<'_>, distinct: bool) -> Result<String, Problem> {
    let text = field.text()?;
    let rest = text.replacen("{device}", "", 1);
    if rest.contains(['{', '}']) || text.is_empty() || text.len() > 256 {
        return Err(
            field.problem("must be a text of 1 to 256 characters in which `{device}` may stand for the device's id")
        );
    }
    if distinct && rest == text {
        return Err(field.problem("must hold `{device}`: of two clients with one id a broker throws the first out"));
    }
    Ok(text.to_owned())
}

/// Commands of the operator's.
fn outage(field: &Field<'_>) -> Result<OutageCommands, Problem> {
    let section = field.section(&["down", "up"])?;
    let command = |key: &str| section.required(key)?.text().map(str::to_owned);
    Ok(OutageCommands { down: command("down")?, up: command("up")? })
}

fn tls(field: &Field<'_>, transport: Transport) -> Result<BrokerTls, Problem> {
    let section = field.section(&["ca", "certificate", "private_key"])?;
    let path = |key: &str| section.optional(key).map(|field| field.text().map(PathBuf::from)).transpose();
    let (ca, certificate, key) = (path("ca")?, path("certificate")?, path("private_key")?);
    if !transport.is_secure() {
        return Err(field.problem("means nothing without TLS: take mqtts:// or wss:// in `hub.url`, or leave it out"));
    }
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(field.problem("needs both `certificate` and `private_key`, or neither")),
    };
    Ok(BrokerTls { ca, client })
}

fn driver(field: &Field<'_>) -> Result<(LineConfig, Option<String>), Problem> {
    let section = field.section(&["connections", "share", "keep_session", "username"])?;
    let standard = LineConfig::default();
    let connections = section.optional("connections");
    let connections = connections.map_or(Ok(standard.connections), |field| field.integer(1..=MAX_CONNECTIONS))?;
    let share = section.optional("share").map(|field| {
        field.choice(&[
            ("auto", LineShare::Auto),
            ("all", LineShare::All),
            ("group", LineShare::Group),
            ("devices", LineShare::Devices),
        ])
    });
    let share = share.transpose()?.unwrap_or(standard.share);
    if share == LineShare::All && connections > 1 {
        let field = section.required("share")?;
        return Err(field.problem("cannot be `all` with several `connections`: each would get every message"));
    }
    let keep_session = section.optional("keep_session").map_or(Ok(standard.keep_session), |field| field.boolean())?;
    let username = section.optional("username").map(|field| field.text().map(str::to_owned)).transpose()?;
    Ok((LineConfig { connections, share, keep_session }, username))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_mqtt_goes_over() {
        for (text, again) in [
            ("mqtt://127.0.0.1:1884", "mqtt://127.0.0.1:1884"),
            ("mqtt://broker.example", "mqtt://broker.example:1883"),
            ("mqtts://[::1]/", "mqtts://[::1]:8883"),
            ("ws://broker.example:9001", "ws://broker.example:9001/mqtt"),
            ("wss://broker.example/a/b/", "wss://broker.example:443/a/b"),
        ] {
            let url = BrokerUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), again);
            assert_eq!(BrokerUrl::parse(again).map(|url| url.to_string()), Ok(again.to_owned()));
        }
        for (text, word) in [
            ("broker.example", "no scheme"),
            ("http://broker.example", "allowed are mqtt"),
            ("mqtt://user:secret@broker.example", "TWINSTORM_HUB_PASSWORD"),
            ("mqtt://", "no host"),
            ("mqtt://h:0", "no port"),
            ("mqtt://h:x", "no port"),
            ("mqtt://h/path", "has a path"),
            ("ws://h/p?token=1", "cannot be understood"),
        ] {
            let why = BrokerUrl::parse(text).unwrap_err();
            assert!(why.contains(word) && !why.contains("secret"), "{text}: {why}");
        }
    }
}
