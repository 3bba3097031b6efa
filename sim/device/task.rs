//! The task around one session: it owns the socket and one timer, moves bytes and time, and decides nothing.

mod download;
mod notes;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_local;
use tokio::time::{Sleep, timeout};

use super::Session;
use super::event::{Input, Output};
use super::open::{self, Opened};
use super::workers::{Alive, Buffers, Worker};
use crate::dialect::DeviceDialect;
use crate::mqtt::Connection;
use crate::policy::FirmwareStatus;
use crate::time::Nanos;

/// How long a socket that takes nothing is kept open for the last bytes, DISCONNECT among them.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// How long a socket at most is kept that no word gets through any more. A hub closes it long before, as the device
/// connects anew, or stays silent for one and a half keep-alives.
const OUTLIVE_LIMIT: Duration = Duration::from_secs(60);

/// The update that a device was called for last is there for the hub to settle: what it reports of it is in no figure. A bit
/// of its own among the news, as another byte would make every device eight bytes larger.
const SETTLES: u8 = 1 << 7;
/// The device has been called.
const CALLED: u8 = 1 << 6;

/// What the whole fleet is told, each once.
const LOAD_STARTS: u8 = 1;
const HEAL: u8 = 2;
const STOP: u8 = 4;

/// A device: its session, its socket, and what the gauges count it as.
struct Task<D> {
    worker: Alive<D>,
    session: Session<D>,
    device: u32,
    link: Link,
    /// What the timer is set to; [`Nanos::MAX`] if it is not running.
    armed: Nanos,
    /// A bit for each of the news that the session has been told; [`SETTLES`] and [`CALLED`].
    told: u8,
    shows: Option<FirmwareStatus>,
    reporting: bool,
    /// Whether the worker keeps a download of this device.
    downloading: bool,
}

enum Link {
    Closed,
    /// In a box of its own: it is needed for moments only, and would make every idle device larger.
    Opening(Pin<Box<dyn Future<Output = Opened>>>),
    /// The permit counts the connection as under way until the hub has accepted it.
    Open(Connection, Option<OwnedSemaphorePermit>),
}

/// Runs device number `device` until it is stopped or gives up.
pub(super) fn run<D: DeviceDialect + 'static>(worker: Rc<Worker<D>>, device: u32) -> impl Future<Output = ()> {
    let mut task = Task::new(worker, device);
    // The block uses what was made before it: what an `async fn` moves on from its arguments would be kept twice.
    async move {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|cx| {
            task.worker.worker().register(cx.waker());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| task.poll(cx, timer.as_mut())).await;
    }
}

impl<D: DeviceDialect + 'static> Task<D> {
    fn new(worker: Rc<Worker<D>>, device: u32) -> Self {
        let traced = worker.tracer.as_ref().is_some_and(|tracer| tracer.follows(device));
        Self {
            session: Session::new(Rc::clone(&worker.settings), device, traced),
            worker: Alive::new(worker),
            device,
            link: Link::Closed,
            armed: Nanos::MAX,
            told: 0,
            shows: None,
            reporting: false,
            downloading: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let worker = Rc::clone(self.worker.worker());
        let buffers = &mut *worker.buffers.borrow_mut();
        // Both are empty between polls, but for a device that panicked: the next one must not send its packets.
        buffers.out.clear();
        buffers.packets.clear();
        loop {
            let now = worker.clock.now();
            self.take_news(now, buffers);
            let moved = self.poll_link(cx, now, buffers) | self.poll_download(cx, now, buffers);
            self.session.poll(now, &mut buffers.out);
            let changed = self.act(now, buffers);
            self.count_reporting();
            if self.session.is_over() && buffers.out.is_empty() {
                return Poll::Ready(());
            }
            // A socket that gave something is asked again: after a read that did not fill the buffer the answer
            // "nothing" costs no system call, and only then will the socket wake this task.
            if !moved && !changed && !self.poll_timer(cx, timer.as_mut()) {
                return Poll::Pending;
            }
        }
    }

    /// Hands on what the whole fleet is told.
    fn take_news(&mut self, now: Nanos, buffers: &mut Buffers) {
        let worker = self.worker.worker();
        let (load_start, healed, stopping) = (worker.load_start.get(), worker.healed.get(), worker.stopping.get());
        if let Some(at) = load_start
            && self.hears(LOAD_STARTS)
        {
            self.session.handle(now, Input::LoadStarts(at), &mut buffers.out);
        }
        if healed && self.hears(HEAL) {
            self.session.handle(now, Input::Heal, &mut buffers.out);
        }
        if stopping && self.hears(STOP) {
            self.session.handle(now, Input::Stop, &mut buffers.out);
        }
    }

    /// Whether these news are new to the session.
    fn hears(&mut self, news: u8) -> bool {
        let is_new = self.told & news == 0;
        self.told |= news;
        is_new
    }

    /// Moves what the socket has. Whether anything moved.
    fn poll_link(&mut self, cx: &mut Context<'_>, now: Nanos, buffers: &mut Buffers) -> bool {
        let Buffers { scratch, packets, out } = buffers;
        match &mut self.link {
            Link::Closed => false,
            Link::Opening(opening) => {
                let Poll::Ready(Opened { since, connection, permit }) = opening.as_mut().poll(cx) else { return false };
                // Time has passed since this poll began, if the attempt began in it.
                let now = now.max(since);
                match connection {
                    Ok(connection) => {
                        self.link = Link::Open(connection, permit);
                        self.session.handle(now, Input::Opened { since }, out);
                    }
                    Err(error) => {
                        self.link = Link::Closed;
                        self.session.handle(now, open::failed(since, &error, self.worker.worker().hub), out);
                    }
                }
                true
            }
            Link::Open(connection, _) => {
                let flushed = if connection.has_unsent() { connection.poll_flush(cx) } else { Poll::Pending };
                let received = match flushed {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    _ => connection.poll_receive(cx, scratch, packets),
                };
                for packet in packets.drain(..) {
                    self.session.handle(now, Input::Packet(packet), out);
                }
                match received {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        self.link = Link::Closed;
                        self.session.handle(now, Input::Lost(error.to_string()), out);
                    }
                }
                true
            }
        }
    }

    /// Does what the session wants; everything that is due together leaves in one write. Whether the link has to be
    /// polled again.
    fn act(&mut self, now: Nanos, buffers: &mut Buffers) -> bool {
        let Buffers { scratch, packets, out } = buffers;
        let mut again = false;
        for output in out.drain(..) {
            match output {
                Output::Send(packet) => packets.push(packet),
                Output::Event(event) => self.note(now, event),
                Output::Close => {
                    // The session has taken its leave: whether the last bytes go out makes no difference to it.
                    if let Link::Open(mut connection, _) = std::mem::replace(&mut self.link, Link::Closed) {
                        let said = connection.send_last(scratch, packets);
                        let worker = Rc::clone(self.worker.worker());
                        if connection.is_cut_off() {
                            spawn_local(outlive(connection, worker));
                        } else if said.is_ok() && connection.has_unsent() {
                            spawn_local(farewell(connection, Alive::new(worker)));
                        }
                    }
                    packets.clear();
                }
                Output::Download { package, update } => {
                    self.download(package, update);
                    again = true;
                }
                Output::Cut { reset } => {
                    if let Link::Open(mut connection, _) = std::mem::replace(&mut self.link, Link::Closed) {
                        // Whether the last bytes go out makes no difference to a device that goes like this.
                        let _ = connection.send(scratch, packets);
                        if reset {
                            connection.reset();
                        }
                    }
                    packets.clear();
                }
                Output::Impair(impairment) => {
                    if let Link::Open(connection, _) = &mut self.link {
                        connection.impair(impairment);
                        again = true;
                    }
                }
                Output::Intruder(begins) => self.worker.worker().intrude(self.device, begins),
                Output::Connect => {
                    let worker = Rc::clone(self.worker.worker());
                    let open = open::open(worker, self.device, self.session.was_connected());
                    self.link = Link::Opening(Box::pin(open));
                    again = true;
                }
            }
        }
        if let Link::Open(connection, _) = &mut self.link
            && !packets.is_empty()
        {
            match connection.send(scratch, packets) {
                Ok(()) => again |= connection.has_unsent(),
                Err(error) => {
                    self.link = Link::Closed;
                    self.session.handle(now, Input::Lost(error.to_string()), out);
                    again = true;
                }
            }
        }
        packets.clear();
        again
    }

    /// Sets the timer, if something is due earlier than it rings (one that rings too early does no harm and saves
    /// most settings). Whether it has rung.
    fn poll_timer(&mut self, cx: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> bool {
        let wake_at = self.session.wake_at();
        if wake_at < self.armed {
            timer.as_mut().reset(self.worker.worker().clock.instant(wake_at));
            self.armed = wake_at;
        }
        if self.armed == Nanos::MAX || timer.poll(cx).is_pending() {
            return false;
        }
        self.armed = Nanos::MAX;
        true
    }

    /// Keeps the gauge of devices with a report on its way.
    fn count_reporting(&mut self) {
        let reporting = self.session.is_reporting();
        if std::mem::replace(&mut self.reporting, reporting) != reporting {
            let gauge = &mut self.worker.worker().books.borrow_mut().gauges.reporting;
            *gauge = if reporting { *gauge + 1 } else { gauge.saturating_sub(1) };
        }
    }
}

/// Keeps a socket whose peer cannot learn that it is of no use any more, until the peer finds out by itself.
async fn outlive<D>(mut connection: Connection, worker: Rc<Worker<D>>) {
    let closed = poll_fn(|cx| connection.poll_closed(cx, &mut worker.handshakes.borrow_mut()));
    let _ = timeout(OUTLIVE_LIMIT, closed).await;
}

/// Sends what the socket has not taken yet, and closes it. The device does not wait for that; its worker does.
async fn farewell<A>(mut connection: Connection, _alive: A) {
    let _ = timeout(FAREWELL_LIMIT, poll_fn(|cx| connection.poll_flush(cx))).await;
}

#[cfg(test)]
mod tests;
