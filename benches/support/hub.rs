//! The hub that devices connect to: our own, in a process of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use twinstorm::dialect::azure::Key;
use twinstorm::dialect::azure::enrolment::Enrolment;
use twinstorm::driver::{Client, RestSettings, Roll, provision};
use twinstorm::hub::{Hub, HubConfig};
use twinstorm::policy::{DeviceIds, DeviceRange};
use twinstorm::time::Clock;

use super::device::PREFIX;
use super::process::{Player, asked, say};

/// Where a hub is, and the key of its devices.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) mqtt: SocketAddr,
    pub(crate) host: String,
    pub(crate) key: Key,
}

/// Starts a hub that knows so many devices.
pub(crate) fn start(devices: u32) -> (Player, Place) {
    let mut hub = Player::start(&format!("hub {devices}"));
    let words: Vec<String> = hub.answer().split(' ').map(str::to_owned).collect();
    (hub, Place::of(&words))
}

impl Place {
    /// From the words of a role.
    pub(crate) fn of(words: &[String]) -> Self {
        let mqtt = words[0].parse().expect("an address");
        Self { mqtt, host: words[1].clone(), key: Key::from_base64(&words[2]).expect("a key") }
    }

    pub(crate) fn words(&self) -> String {
        format!("{} {} {}", self.mqtt, self.host, self.key.to_base64())
    }
}

/// The hub's process.
pub(crate) fn play(devices: u32) {
    let bound = Hub::bind(HubConfig::default()).expect("ports");
    let identity = bound.generate_identity().expect("random numbers");
    let hub = bound.start(identity.clone()).expect("threads");
    let url = format!("http://{}", hub.http_addr().expect("a port"));
    let connection = identity.connection_string();
    let settings = RestSettings { url, authority: None, connection, connect_timeout: Duration::from_secs(5) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::new(&settings, Clock::start()).expect("an address");
        let range = DeviceRange { start: 0, end: devices };
        let (ids, master) = (DeviceIds::new(PREFIX), identity.fleet_key.clone());
        let enrol = Arc::new(move |device| Ok(Enrolment::derived(DeviceIds::new(PREFIX).id(device), &master)));
        let roll = Roll { ids, range, enrol, rate: None };
        provision(&client, &roll, Clock::start(), false, |_| ()).await.expect("registered");
    });
    say(Place { mqtt: hub.mqtt_addr().expect("a port"), host: identity.host.clone(), key: identity.fleet_key.clone() }
        .words());
    while asked() {}
}
