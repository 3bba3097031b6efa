//! From HTTP to MQTT over WebSocket, on a connection that stays the same.

use std::task::{Context, Poll, ready};

use super::{ByteStream, Connection, ConnectionError, Scratch};
use crate::mqtt::websocket::{Framing, Upgrade, WebSocketClient, WebSocketError};

impl Connection {
    /// Asks for a WebSocket, as a device; [`Connection::poll_upgrade`] comes next.
    ///
    /// # Errors
    /// The connection is over.
    pub fn ask_for_websocket(
        &mut self,
        scratch: &mut Scratch,
        client: &WebSocketClient,
    ) -> Result<Upgrade, ConnectionError> {
        let (head, upgrade) = client.ask();
        scratch.write.clear();
        scratch.write.extend_from_slice(head.as_bytes());
        self.put(scratch)?;
        Ok(upgrade)
    }

    /// Waits for the answer. From then on, what is sent and what arrives is in frames.
    ///
    /// # Errors
    /// The connection is over: [`ConnectionError::WebSocket`] says why no WebSocket came about.
    pub fn poll_upgrade(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        upgrade: &Upgrade,
    ) -> Poll<Result<(), ConnectionError>> {
        while !upgrade.take_answer(&mut self.partial)? {
            ready!(self.poll_flush(cx))?;
            match ready!(self.gather(cx, scratch)) {
                Err(ConnectionError::Closed) => {
                    let why = WebSocketError::NoUpgrade("the other end closed the connection");
                    return Poll::Ready(Err(why.into()));
                }
                moved => moved?,
            }
        }
        Poll::Ready(self.speak_in_frames(Framing::client()))
    }

    /// Goes on with MQTT over WebSocket, as a hub, once the client's request was answered; `arrived` came behind it.
    ///
    /// # Errors
    /// What came breaks the rules already.
    pub fn websocket(stream: ByteStream, arrived: &[u8]) -> Result<Self, ConnectionError> {
        let mut connection = stream.into_connection();
        let behind = std::mem::take(&mut connection.partial);
        connection.partial.extend_from_slice(arrived);
        connection.partial.unsplit(behind);
        connection.speak_in_frames(Framing::server())?;
        Ok(connection)
    }

    /// What has arrived is in frames already.
    fn speak_in_frames(&mut self, framing: Framing) -> Result<(), ConnectionError> {
        let Self { layers, partial, unsent, .. } = self;
        let layers = layers.get_or_insert_default();
        layers.web = Some(Box::new(framing));
        let mut arrived = std::mem::take(partial);
        match layers.open_frames(&mut arrived, partial, unsent)? {
            true => Ok(()),
            false => Err(ConnectionError::Closed),
        }
    }
}
