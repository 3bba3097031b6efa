//! Coming to a broker, and why a line does not come about.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout_at;

use super::hall::Broker;
use crate::mqtt::{
    ConnAck, ConnectReturnCode, Connection, ConnectionError, Packet, Subscribe, SubscribeReasonCode, kind,
};
use crate::time::Clock;

/// How long a line may take to be opened, up to CONNACK.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long a message to a group may take to arrive before it is clear that it does not.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Why there is no line to a broker, or no longer one. Its words hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It cannot be reached, or the connection has broken.
    #[error("the driver's connection to the broker at {address}: {source}")]
    Connection {
        /// The broker.
        address: std::net::SocketAddr,
        /// What happened.
        source: ConnectionError,
    },
    /// CONNACK says no.
    #[error("the broker refuses the driver (CONNACK {code}, {meaning}){way_out}")]
    Refused {
        /// The code of CONNACK.
        code: u8,
        /// What that means.
        meaning: &'static str,
        /// What may help.
        way_out: &'static str,
    },
    /// SUBACK says no.
    #[error(
        "the broker refuses the driver's subscription to `{filter}`: allow it to the user `hub.driver.username`, or name \
         other `hub.topics`"
    )]
    Subscription {
        /// What was asked for.
        filter: String,
    },
    /// It answered something that makes no sense.
    #[error("the broker answered the driver with {0} where that makes no sense")]
    Unexpected(&'static str),
    /// It did not answer.
    #[error("the broker did not answer the driver's {what} within {limit:?}")]
    Silent {
        /// What.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// Shared subscriptions were asked for, and there are none.
    #[error(
        "the broker has no shared subscriptions (`$share`), which hub.driver.share = \"group\" needs: take \"devices\""
    )]
    NoGroups,
    /// The task of the line has ended.
    #[error("the driver's line has ended")]
    Ended,
}

impl LineError {
    fn refused(code: ConnectReturnCode) -> Self {
        const LOGIN: &str = ": check hub.driver.username and TWINSTORM_DRIVER_PASSWORD (or hub.username and \
                             TWINSTORM_HUB_PASSWORD), or the certificate of hub.tls";
        let (code, meaning, way_out) = match code {
            ConnectReturnCode::Success => (0, "accepted", ""),
            ConnectReturnCode::RefusedProtocolVersion => (1, "MQTT 3.1.1 is not spoken there", ""),
            ConnectReturnCode::BadClientId => (2, "the client id is not allowed", ""),
            ConnectReturnCode::ServiceUnavailable => (3, "the service is unavailable", ": try again later"),
            ConnectReturnCode::BadUserNamePassword => (4, "bad user name or password", LOGIN),
            ConnectReturnCode::NotAuthorized => (5, "not authorized", LOGIN),
        };
        Self::Refused { code, meaning, way_out }
    }
}

/// Opens a connection of this client up to CONNACK, and tells whether the broker has kept a session for it; what came
/// behind that is put among `packets`.
pub(super) async fn open(
    broker: &Broker,
    clock: &Clock,
    client: &str,
    clean: bool,
    again: bool,
    packets: &mut Vec<Packet>,
) -> Result<(Connection, bool), LineError> {
    let settings = &broker.settings;
    let failed = |source| LineError::Connection { address: settings.address, source };
    let until = clock.instant(clock.now() + OPEN_LIMIT);
    let tls = settings.tls.as_ref().map(|tls| (tls, again));
    let websocket = settings.websocket.as_ref();
    let opened = Connection::open(None, settings.address, tls, websocket, &broker.scratch, until).await;
    let mut connection = opened.map_err(failed)?;
    let connect = Packet::Connect(settings.dialect.connect(client, clean));
    connection.send(&mut broker.scratch.borrow_mut(), &[connect]).map_err(failed)?;
    let silent = |_| LineError::Silent { what: "CONNECT", limit: OPEN_LIMIT };
    while packets.is_empty() {
        let received = timeout_at(until, receive(&mut connection, broker, packets)).await.map_err(silent)?;
        // A broker that refuses may close in the same breath.
        if packets.is_empty() {
            received.map_err(failed)?;
        }
    }
    match packets.remove(0) {
        Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, session_present }) => {
            Ok((connection, session_present))
        }
        Packet::ConnAck(ConnAck { code, .. }) => Err(LineError::refused(code)),
        packet => Err(LineError::Unexpected(kind(&packet))),
    }
}

/// Waits until something has come; what was not sent yet goes out meanwhile.
///
/// # Errors
/// The connection is over; packets that came before that stand in `packets`.
pub(super) async fn receive(
    connection: &mut Connection,
    broker: &Broker,
    packets: &mut Vec<Packet>,
) -> Result<(), ConnectionError> {
    poll_fn(|cx| {
        if connection.has_unsent()
            && let Poll::Ready(Err(error)) = connection.poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        connection.poll_receive(cx, &mut broker.scratch.borrow_mut(), packets)
    })
    .await
}

/// Whether the broker has shared subscriptions: a message to a group of one must arrive.
pub(super) async fn has_groups(broker: &Broker, clock: &Clock) -> Result<bool, LineError> {
    let name = broker.lines.first().map(|line| line.client.clone()).unwrap_or_default();
    let (filter, message) = broker.settings.dialect.probe(&name);
    let topic = message.topic.clone();
    let mut packets = Vec::new();
    let (mut connection, _) = open(broker, clock, &format!("{name}-probe"), true, false, &mut packets).await?;
    let failed = |source| LineError::Connection { address: broker.settings.address, source };
    let mut subscribe = Subscribe::new_many([filter]);
    subscribe.pkid = 1;
    let send = |connection: &mut Connection, packet| connection.send(&mut broker.scratch.borrow_mut(), &[packet]);
    send(&mut connection, Packet::Subscribe(subscribe)).map_err(failed)?;
    let until = clock.instant(clock.now() + PROBE_LIMIT);
    let mut message = Some(message);
    loop {
        for packet in packets.drain(..) {
            match packet {
                Packet::SubAck(answer) if answer.return_codes.contains(&SubscribeReasonCode::Failure) => {
                    return Ok(false);
                }
                Packet::SubAck(_) => {
                    if let Some(message) = message.take() {
                        send(&mut connection, message.packet(0)).map_err(failed)?;
                    }
                }
                Packet::Publish(publish) if publish.topic == topic => return Ok(true),
                _ => {}
            }
        }
        match timeout_at(until, receive(&mut connection, broker, &mut packets)).await {
            Ok(Ok(())) => {}
            // Some brokers throw out whoever asks for what they have not.
            Ok(Err(ConnectionError::Closed | ConnectionError::Io(_))) | Err(_) => return Ok(false),
            Ok(Err(error)) => return Err(failed(error)),
        }
    }
}
