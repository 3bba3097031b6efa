//! The ports of a hub, before its workers share them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use nix::sys::socket::{Backlog, listen};

use super::config::HubConfig;
use super::error::HubError;

/// Connections that the kernel keeps until they are accepted: a fleet comes all at once.
const BACKLOG: i32 = 4096;

/// Something for each port that a hub has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports<T> {
    pub(super) mqtt: Option<T>,
    pub(super) mqtts: Option<T>,
    pub(super) http: Option<T>,
    pub(super) https: Option<T>,
}

/// A port.
#[derive(Debug)]
pub(super) struct Port {
    /// What is spoken there, for people.
    pub(super) protocol: &'static str,
    pub(super) listener: TcpListener,
    address: SocketAddr,
}

impl Ports<Port> {
    /// Takes those that `config` names.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address that is not to be had.
    pub(super) fn open(config: &HubConfig) -> Result<Self, HubError> {
        let open = |protocol, address: Option<_>| address.map(|address| Port::open(protocol, address)).transpose();
        Ok(Self {
            mqtt: open("MQTT", config.mqtt)?,
            mqtts: open("MQTT over TLS", config.mqtts)?,
            http: open("HTTP", config.http)?,
            https: open("HTTPS", config.https)?,
        })
    }

    /// The same ports for one more worker: all accept on the same sockets, and the kernel gives each connection to one
    /// of them.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn share(&self) -> io::Result<Self> {
        let share = |port: &Option<Port>| port.as_ref().map(Port::share).transpose();
        let Self { mqtt, mqtts, http, https } = self;
        Ok(Self { mqtt: share(mqtt)?, mqtts: share(mqtts)?, http: share(http)?, https: share(https)? })
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Ports<SocketAddr> {
        let address = |port: &Option<Port>| port.as_ref().map(|port| port.address);
        let Self { mqtt, mqtts, http, https } = self;
        Ports { mqtt: address(mqtt), mqtts: address(mqtts), http: address(http), https: address(https) }
    }
}

impl Ports<SocketAddr> {
    /// All of them; the one that the hub goes by first.
    pub(super) fn all(&self) -> impl Iterator<Item = SocketAddr> {
        [self.https, self.http, self.mqtts, self.mqtt].into_iter().flatten()
    }

    /// Those at which TLS is spoken.
    pub(super) fn tls(&self) -> impl Iterator<Item = SocketAddr> {
        [self.https, self.mqtts].into_iter().flatten()
    }
}

impl Port {
    fn open(protocol: &'static str, address: SocketAddr) -> Result<Self, HubError> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            // Once more, for a longer queue than the standard library asks for.
            listen(&listener, Backlog::new(BACKLOG)?)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { protocol, listener, address })
        };
        open().map_err(|source| HubError::Listen { protocol, address, source })
    }

    fn share(&self) -> io::Result<Self> {
        Ok(Self { listener: self.listener.try_clone()?, ..*self })
    }
}
