//! The ways to a hub, good and bad: raw sockets, and no client between that would keep to the rules.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use jiff::{SignedDuration, Timestamp};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet, Publish, Subscribe};
use rumqttc::mqttbytes::{Error, QoS};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use twinstorm::dialect::azure::{ConnectionString, FromDevice, FromHub, Key, SasToken};
use twinstorm::hub::{DoorLimits, Hub, HubConfig, HubIdentity};

use crate::support::HubProcess;

/// Longer than anything here takes: a test that hangs fails instead.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Where a hub is, and its keys.
pub(super) struct Reach {
    pub(super) mqtt: SocketAddr,
    pub(super) mqtts: Option<SocketAddr>,
    pub(super) http: SocketAddr,
    pub(super) owner: ConnectionString,
    fleet_key: Key,
}

/// A hub in this process with short limits.
pub(super) fn hub(limits: DoorLimits) -> (Hub, HubIdentity, Reach) {
    started(HubConfig { door: limits, ..HubConfig::default() })
}

/// A hub in this process that only acknowledges, with short limits.
pub(super) fn null_hub(limits: DoorLimits) -> (Hub, HubIdentity, Reach) {
    started(HubConfig { door: limits, acknowledge_only: true, ..HubConfig::default() })
}

fn started(config: HubConfig) -> (Hub, HubIdentity, Reach) {
    let bound = Hub::bind(HubConfig { workers: 2, mqtts: config.mqtt, ..config }).unwrap();
    let identity = bound.generate_identity().unwrap();
    let hub = bound.start(identity.clone()).unwrap();
    let reach = Reach {
        mqtt: hub.mqtt_addr().unwrap(),
        mqtts: hub.mqtts_addr(),
        http: hub.http_addr().unwrap(),
        owner: identity.connection_string(),
        fleet_key: identity.fleet_key.clone(),
    };
    (hub, identity, reach)
}

impl Reach {
    /// The way to a hub of its own process.
    pub(super) fn of(hub: &HubProcess) -> Self {
        let variable = |name: &str| &hub.environment.iter().find(|(key, _)| key == name).unwrap().1;
        let address = |name: &str| variable(name).rsplit("//").next().unwrap().parse().unwrap();
        Self {
            mqtt: address("TWINSTORM_HUB_MQTT"),
            mqtts: None,
            http: address("TWINSTORM_HUB_REST"),
            owner: ConnectionString::parse(variable("IOTHUB_CONNECTION_STRING")).unwrap(),
            fleet_key: Key::from_base64(variable("TWINSTORM_FLEET_KEY")).unwrap(),
        }
    }

    pub(super) fn derived(&self, id: &str) -> Key {
        self.fleet_key.derive(id)
    }

    /// A token for `resource` (with its first slash), valid for so many seconds.
    pub(super) fn token(&self, resource: &str, life: i64, policy: Option<&str>, key: &Key) -> String {
        let expires = Timestamp::now() + SignedDuration::from_secs(life);
        SasToken::sign(&format!("{}{resource}", self.owner.host), expires, policy, key)
    }

    /// What a device says first.
    pub(super) fn hello(&self, id: &str, password: String) -> Packet {
        let mut connect = Connect::new(id);
        // Nobody here pings.
        connect.keep_alive = 0;
        connect.set_login(format!("{}/{id}/?api-version=2021-04-12", self.owner.host), password);
        Packet::Connect(connect)
    }

    /// A connected device.
    pub(super) async fn device(&self, id: &str) -> Client {
        let mut client = Client::open(self.mqtt).await;
        let token = self.token(&format!("/devices/{id}"), 3600, None, &self.derived(id));
        assert_eq!(client.connect(self.hello(id, token)).await, Some(ConnectReturnCode::Success), "{id}");
        client
    }

    /// What the hub answers to a request of the policy with all rights.
    pub(super) async fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let authorization = self.token("", 3600, Some(&self.owner.policy), &self.owner.key);
        self.request_as(&authorization, method, path, body).await
    }

    pub(super) async fn request_as(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: h\r\nauthorization: {token}\r\ncontent-length: {}\r\nconnection: \
             close\r\n\r\n",
            body.len()
        );
        let mut client = Client::open(self.http).await;
        client.write(head.as_bytes()).await.unwrap();
        client.write(body.as_bytes()).await.unwrap();
        let answer = client.rest().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
    }

    /// A device that answers the calls of its methods for as long as it is connected.
    pub(super) async fn witness(&self) -> JoinHandle<()> {
        let mut client = self.device("witness").await;
        client.subscribe(&[FromHub::METHOD_FILTER]).await;
        tokio::spawn(async move {
            while let Some(packet) = client.next().await {
                let Packet::Publish(request) = packet else { continue };
                let Some(FromHub::Method { rid, .. }) = FromHub::parse(&request.topic) else { continue };
                client.publish(&FromDevice::MethodResponse { status: 200, rid }.to_string(), "{}").await;
            }
        })
    }

    /// Calls a method of the witness, which goes on as if nothing were.
    pub(super) async fn is_undisturbed(&self) {
        let call = json!({"methodName": "m", "responseTimeoutInSeconds": 30});
        let (status, answer) = self.request("POST", "/twins/witness/methods?api-version=2021-04-12", &call).await;
        assert_eq!((status, &answer["status"]), (200, &json!(200)), "{answer}");
    }
}

/// A socket.
pub(super) struct Client {
    stream: TcpStream,
    arrived: BytesMut,
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

impl Client {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self { stream: soon(TcpStream::connect(address)).await.unwrap(), arrived: BytesMut::new() }
    }

    /// Writes all of `bytes`, however long the hub takes to read them.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        soon(self.stream.write_all(bytes)).await
    }

    /// Writes until the hub has not read for a while, or all is written: how much.
    pub(super) async fn write_until_it_stops_reading(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let write = self.stream.write(&bytes[written..]);
            match tokio::time::timeout(Duration::from_millis(500), write).await {
                Ok(Ok(more)) => written += more,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        written
    }

    /// Writes one byte at a time until the hub has had enough; how many there were.
    pub(super) async fn drip(mut self, bytes: &[u8], pause: Duration) -> usize {
        let mut buffer = [0; 512];
        for (n, byte) in bytes.iter().cycle().enumerate() {
            if self.stream.write_all(&[*byte]).await.is_err() {
                return n;
            }
            match tokio::time::timeout(pause, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => return n,
                Ok(Ok(_)) | Err(_) => assert!(n < 10_000, "it goes on for ever"),
            }
        }
        0
    }

    pub(super) async fn send(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        // Who was closed learns it when he reads.
        let _ = self.write(&bytes).await;
    }

    /// The next packet; none if the hub has closed the connection.
    pub(super) async fn next(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.arrived, usize::MAX) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("the hub sends nonsense: {error}"),
            }
            if !matches!(soon(self.stream.read_buf(&mut self.arrived)).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// The code that the hub answers with.
    pub(super) async fn connect(&mut self, hello: Packet) -> Option<ConnectReturnCode> {
        self.send(&hello).await;
        match self.next().await {
            Some(Packet::ConnAck(ack)) => Some(ack.code),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes, and waits for the answer: how many were refused.
    pub(super) async fn subscribe(&mut self, filters: &[&str]) -> usize {
        let filters = filters
            .iter()
            .map(|filter| rumqttc::mqttbytes::v4::SubscribeFilter::new((*filter).to_owned(), QoS::AtLeastOnce));
        let mut subscribe = Subscribe::new_many(filters);
        subscribe.pkid = 1;
        self.send(&Packet::Subscribe(subscribe)).await;
        loop {
            if let Packet::SubAck(ack) = self.next().await.unwrap() {
                let refused = rumqttc::mqttbytes::v4::SubscribeReasonCode::Failure;
                return ack.return_codes.iter().filter(|code| **code == refused).count();
            }
        }
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: &str) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.as_bytes());
        publish.pkid = 7;
        self.send(&Packet::Publish(publish)).await;
    }

    /// The next message.
    pub(super) async fn message(&mut self) -> Publish {
        loop {
            if let Packet::Publish(publish) = self.next().await.unwrap() {
                return publish;
            }
        }
    }

    /// Waits until the hub has closed the connection.
    pub(super) async fn closed(mut self) {
        let mut buffer = vec![0; 65536];
        while matches!(soon(self.stream.read(&mut buffer)).await, Ok(1..)) {}
    }

    /// All that comes until the hub closes the connection.
    pub(super) async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        soon(self.stream.read_to_end(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }
}
