//! A hub that is down: nobody listens, and nobody else gets its ports.

use std::net::SocketAddr;

use crate::hub::error::HubError;
use crate::hub::peers::{Message, Peers};
use crate::hub::ports::{Ports, Reserved};

/// Takes a hub down, and brings it back at the same ports.
#[derive(Debug)]
pub(super) struct Outage {
    addresses: Ports<SocketAddr>,
    /// Held while the hub is down, as far as they were to be had: otherwise any client's connection might come from
    /// one of them, or even lead to itself.
    reserved: Option<Ports<Reserved>>,
}

impl Outage {
    /// For a hub at these addresses, which is there.
    pub(super) const fn new(addresses: Ports<SocketAddr>) -> Self {
        Self { addresses, reserved: None }
    }

    /// Closes every port and every connection of all workers. Blocks until nobody listens any more.
    pub(super) fn begin(&mut self, peers: &Peers) {
        peers.tell_all(|done| Message::GoDown { done });
        self.reserved =
            Ports::reserve(&self.addresses).inspect_err(|error| tracing::warn!("while the hub is down: {error}")).ok();
    }

    /// Listens again. Blocks until all workers do.
    ///
    /// # Errors
    /// A port is not to be had now; the hub is still down, and this may be tried again.
    pub(super) fn end(&mut self, peers: &Peers) -> Result<(), HubError> {
        let reserved = match self.reserved.take() {
            Some(reserved) => reserved,
            None => Ports::reserve(&self.addresses)?,
        };
        let ports = reserved.listen()?;
        let shares =
            (0..peers.len()).map(|_| ports.share()).collect::<Result<Vec<_>, _>>().map_err(HubError::Worker)?;
        drop(ports);
        peers.tell_each(shares, |ports, done| Message::ComeUp { ports, done });
        Ok(())
    }
}
