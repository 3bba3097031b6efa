//! Somebody else who connects with a device's id and key, and comes back whenever the hub throws it out.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use rand::RngExt;
use tokio::time::{sleep, timeout};

use super::open::{self, OPEN_LIMIT};
use super::workers::Worker;
use crate::dialect::DeviceDialect;
use crate::mqtt::{Connection, ConnectionError, Packet};
use crate::random::Domain;

/// How long it waits before it comes back: evenly between the two, in seconds.
const PAUSE: std::ops::Range<f64> = 0.5..1.5;

/// Intrudes on device number `device`, until it is dropped.
pub(super) async fn run<D: DeviceDialect>(worker: Rc<Worker<D>>, device: u32) {
    for attempt in 0_u64.. {
        worker.books.borrow_mut().recorder.counters().intruder_attempts += 1;
        let until = worker.clock.instant(worker.clock.now() + OPEN_LIMIT);
        // Why it ended makes no difference.
        if let Ok(connection) = open::try_open(&worker, device, until, false).await {
            let _ = hold(&worker, device, connection).await;
        }
        let mut random = worker.settings.seed.stream(Domain::Intruder, u64::from(device), attempt);
        sleep(Duration::from_secs_f64(random.random_range(PAUSE))).await;
    }
}

/// Holds a connection as long as the hub lets it.
async fn hold<D: DeviceDialect>(
    worker: &Worker<D>,
    device: u32,
    mut connection: Connection,
) -> Result<(), ConnectionError> {
    let settings = &worker.settings;
    let now = settings.wall.at(worker.clock.now());
    let life = SignedDuration::try_from(settings.fleet.token_life).unwrap_or_default();
    let mut connect =
        settings.dialect.connect(device, &settings.ids.id(device), now.saturating_add(life).unwrap_or(now));
    // It subscribes to nothing, and takes over none of the device's subscriptions.
    connect.clean_session = true;
    let quiet = Duration::from_secs(u64::from(connect.keep_alive)) / 2;
    connection.send(&mut worker.handshakes.borrow_mut(), &[Packet::Connect(connect)])?;
    let mut packets = Vec::new();
    loop {
        packets.clear();
        let heard = poll_fn(|cx| {
            if connection.has_unsent()
                && let std::task::Poll::Ready(Err(error)) = connection.poll_flush(cx)
            {
                return std::task::Poll::Ready(Err(error));
            }
            connection.poll_receive(cx, &mut worker.handshakes.borrow_mut(), &mut packets)
        });
        match timeout(if quiet.is_zero() { Duration::MAX } else { quiet }, heard).await {
            Ok(heard) => heard?,
            Err(_) => connection.send(&mut worker.handshakes.borrow_mut(), &[Packet::PingReq])?,
        }
    }
}
