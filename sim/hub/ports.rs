//! The ports of a hub, before its workers share them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, getsockname, listen, setsockopt, socket,
    sockopt::ReuseAddr,
};

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

/// A port that is ours, and at which nobody listens: connections are refused.
#[derive(Debug)]
pub(super) struct Reserved {
    protocol: &'static str,
    socket: OwnedFd,
    address: SocketAddr,
}

/// A port at which connections are taken.
#[derive(Debug)]
pub(super) struct Port {
    /// What is spoken there, for people.
    pub(super) protocol: &'static str,
    pub(super) listener: TcpListener,
    address: SocketAddr,
}

impl<T> Ports<T> {
    fn try_map<U, E>(self, mut make: impl FnMut(T) -> Result<U, E>) -> Result<Ports<U>, E> {
        let Self { mqtt, mqtts, http, https } = self;
        let mut make = |port: Option<T>| port.map(&mut make).transpose();
        Ok(Ports { mqtt: make(mqtt)?, mqtts: make(mqtts)?, http: make(http)?, https: make(https)? })
    }

    const fn as_ref(&self) -> Ports<&T> {
        let Self { mqtt, mqtts, http, https } = self;
        Ports { mqtt: mqtt.as_ref(), mqtts: mqtts.as_ref(), http: http.as_ref(), https: https.as_ref() }
    }
}

impl Ports<Port> {
    /// Takes those that `config` names, and listens there.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address that is not to be had.
    pub(super) fn open(config: &HubConfig) -> Result<Self, HubError> {
        let HubConfig { mqtt, mqtts, http, https, .. } = *config;
        Ports::reserve(&Ports { mqtt, mqtts, http, https })?.listen()
    }

    /// The same ports for one more worker: all accept on the same sockets, and the kernel gives each connection to one
    /// of them.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn share(&self) -> io::Result<Self> {
        self.as_ref().try_map(Port::share)
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Ports<SocketAddr> {
        let address = |port: &Option<Port>| port.as_ref().map(|port| port.address);
        let Self { mqtt, mqtts, http, https } = self;
        Ports { mqtt: address(mqtt), mqtts: address(mqtts), http: address(http), https: address(https) }
    }
}

impl Ports<Reserved> {
    /// Takes the ports at these addresses.
    ///
    /// # Errors
    /// [`HubError::Listen`] names the address that is not to be had.
    pub(super) fn reserve(addresses: &Ports<SocketAddr>) -> Result<Self, HubError> {
        let Ports { mqtt, mqtts, http, https } = addresses;
        let reserve = |protocol, address: &Option<SocketAddr>| {
            address.map(|address| Reserved::new(protocol, address)).transpose()
        };
        Ok(Self {
            mqtt: reserve("MQTT", mqtt)?,
            mqtts: reserve("MQTT over TLS", mqtts)?,
            http: reserve("HTTP", http)?,
            https: reserve("HTTPS", https)?,
        })
    }

    /// Takes connections there.
    ///
    /// # Errors
    /// [`HubError::Listen`]: somebody else has begun to listen there.
    pub(super) fn listen(self) -> Result<Ports<Port>, HubError> {
        self.try_map(Reserved::listen)
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

impl Reserved {
    fn new(protocol: &'static str, address: SocketAddr) -> Result<Self, HubError> {
        let reserve = || {
            let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(family, SockType::Stream, flags, None)?;
            // Connections of an earlier hub there may not be over yet.
            setsockopt(&socket, ReuseAddr, &true)?;
            bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
            let address = bound(&getsockname(socket.as_raw_fd())?).unwrap_or(address);
            Ok(Self { protocol, socket, address })
        };
        reserve().map_err(|source| HubError::Listen { protocol, address, source })
    }

    fn listen(self) -> Result<Port, HubError> {
        let Self { protocol, socket, address } = self;
        let listening = Backlog::new(BACKLOG).and_then(|backlog| listen(&socket, backlog));
        match listening {
            Ok(()) => Ok(Port { protocol, listener: socket.into(), address }),
            Err(error) => Err(HubError::Listen { protocol, address, source: error.into() }),
        }
    }
}

fn bound(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from((address.ip(), address.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::from((address.ip(), address.port()))))
}

impl Port {
    fn share(&self) -> io::Result<Self> {
        Ok(Self { listener: self.listener.try_clone()?, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn a_reserved_port_refuses_connections_and_is_nobody_elses_until_it_listens() {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserved = Ports::reserve(&Ports { mqtt: Some(free), mqtts: None, http: None, https: None }).unwrap();
        let address = reserved.mqtt.as_ref().unwrap().address;
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let ports = reserved.listen().unwrap();
        assert_eq!(ports.addresses().mqtt, Some(address));
        assert!(TcpStream::connect(address).is_ok());
        let error = Reserved::new("MQTT", address).and_then(Reserved::listen).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
    }
}
