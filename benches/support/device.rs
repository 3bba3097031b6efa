//! What both clients do alike: the same CONNECT with a SAS token, the same subscriptions, the same report.

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rumqttc::{AsyncClient, EventLoop, MqttOptions, QoS};
use twinstorm::dialect::azure::AzureDevice;
use twinstorm::dialect::{DeviceDialect, ToDevice};
use twinstorm::mqtt::{Packet, Publish};
use twinstorm::policy::DeviceIds;

pub(crate) const PREFIX: &str = "sim-";

/// The first report, as long as ours.
pub(crate) const REPORT: &[u8] =
    br#"{"firmwareStatus":"standBy","logTime":"2018-01-31 17:05:09.123456","fwVersion":"1.0.0"}"#;

/// A device that rumqttc's `AsyncClient` and `EventLoop` carry.
pub(crate) struct PeerDevice {
    pub(crate) client: AsyncClient,
    pub(crate) events: EventLoop,
}

impl PeerDevice {
    /// One with small queues and no more in flight than it needs: what a user would do who wants many of them.
    pub(crate) fn new(options: MqttOptions) -> Self {
        let mut options = options;
        options.set_inflight(1);
        let (client, mut events) = AsyncClient::new(options, 2);
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(30);
        events.set_network_options(network);
        Self { client, events }
    }

    /// Connects, subscribes, reports, and has seen the twin's answer.
    pub(crate) async fn come_online(&mut self, dialect: &AzureDevice) {
        let is_answer = |publish: &Publish| matches!(dialect.read("", publish), Some(ToDevice::TwinAnswer { .. }));
        loop {
            match self.events.poll().await.expect("a connection that lasts") {
                rumqttc::Event::Incoming(Packet::ConnAck(_)) => {
                    self.client.try_subscribe_many(dialect.subscriptions("")).expect("room");
                }
                rumqttc::Event::Incoming(Packet::SubAck(_)) => {
                    if let Packet::Publish(report) = dialect.report("", "1", Bytes::from_static(REPORT)).packet(1) {
                        let (topic, payload) = (report.topic, report.payload.to_vec());
                        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload).expect("room");
                    }
                }
                rumqttc::Event::Incoming(Packet::Publish(publish)) if is_answer(&publish) => return,
                _ => {}
            }
        }
    }
}

/// The options of device number `device`: what our own CONNECT says.
pub(crate) fn peer_options<D: DeviceDialect>(hub: SocketAddr, dialect: &D, device: u32) -> MqttOptions {
    let id = DeviceIds::new(PREFIX).id(device);
    let connect = dialect.connect(device, &id, Timestamp::now() + SignedDuration::from_hours(1));
    let mut options = MqttOptions::new(connect.client_id, hub.ip().to_string(), hub.port());
    options.set_keep_alive(std::time::Duration::from_secs(connect.keep_alive.into()));
    options.set_clean_session(connect.clean_session);
    if let Some(login) = connect.login {
        options.set_credentials(login.username, login.password);
    }
    if let Some(will) = connect.last_will {
        options.set_last_will(will);
    }
    options
}
