//! A socket, and what may be wrong with the path behind it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::impairment::{Impairment, Lane};
use crate::random::Stream;

/// A socket. Whatever is wrong with its path is in a box of its own, so that a sound one costs nothing more.
pub(super) struct Line {
    pub(super) tcp: TcpStream,
    impaired: Option<Box<Impaired>>,
}

/// A path that is not as it should be, or has only just become so again.
struct Impaired {
    impairment: Impairment,
    inward: Lane,
    outward: Lane,
    /// One for each direction: both are waited for at once.
    inward_timer: Pin<Box<Sleep>>,
    outward_timer: Pin<Box<Sleep>>,
    /// What the latencies are drawn from, of each direction for itself.
    inward_random: Vec<Stream>,
    outward_random: Vec<Stream>,
}

impl From<TcpStream> for Line {
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, impaired: None }
    }
}

impl Line {
    /// Changes what is wrong with the path. The next read and the next flush have to be polled after that. What was held
    /// back for a reason that is gone gets through at once.
    pub(super) fn impair(&mut self, impairment: Impairment) {
        match &mut self.impaired {
            None if impairment == Impairment::default() => {}
            None => {
                self.impaired = Some(Box::new(Impaired {
                    inward_random: impairment.draws(0),
                    outward_random: impairment.draws(1),
                    impairment,
                    inward: Lane::default(),
                    outward: Lane::default(),
                    inward_timer: Box::pin(sleep_until(now())),
                    outward_timer: Box::pin(sleep_until(now())),
                }));
            }
            Some(impaired) => {
                (impaired.inward_random, impaired.outward_random) = (impairment.draws(0), impairment.draws(1));
                impaired.impairment = impairment;
                impaired.inward.release(now());
                impaired.outward.release(now());
            }
        }
    }

    /// Whether nothing gets through.
    pub(super) fn is_black_hole(&self) -> bool {
        self.impaired.as_ref().is_some_and(|impaired| impaired.impairment.black_hole)
    }

    /// Whether something that was written has not left yet.
    pub(super) fn holds_back(&self) -> bool {
        self.impaired.as_ref().is_some_and(|impaired| !impaired.outward.is_empty())
    }

    /// Reads what has arrived, as a socket does.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(impaired) = &mut self.impaired else { return Pin::new(&mut self.tcp).poll_read(cx, buffer) };
        let read = impaired.poll_read(&mut self.tcp, cx, buffer);
        self.recover();
        read
    }

    /// Writes what the socket, or the path, takes of `bytes` now.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.impaired {
            None => self.tcp.try_write(bytes),
            Some(impaired) => impaired.accept(bytes).ok_or_else(|| io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes what the socket, or the path, takes of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.impaired {
            None => Pin::new(&mut self.tcp).poll_write(cx, bytes),
            Some(impaired) => impaired.poll_write(&mut self.tcp, cx, bytes),
        }
    }

    /// Ready once all that was written has left.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(impaired) = &mut self.impaired else { return Poll::Ready(Ok(())) };
        let flushed = impaired.poll_flush(&mut self.tcp, cx);
        self.recover();
        flushed
    }

    /// A path that is sound again, with nothing left on it, is forgotten.
    fn recover(&mut self) {
        let is_sound = |impaired: &mut Box<Impaired>| {
            impaired.impairment == Impairment::default() && impaired.inward.is_empty() && impaired.outward.is_empty()
        };
        drop(self.impaired.take_if(is_sound));
    }
}

impl Impaired {
    fn poll_read(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.impairment.black_hole || self.impairment.reads_nothing {
            // Polled again once that changes.
            return Poll::Pending;
        }
        loop {
            let room = self.inward.room(now(), &self.impairment);
            let waits = match room {
                Ok(room) => self.take_in(tcp, cx, buffer, room),
                Err(from) => Some(from),
            };
            let Some(from) = waits else { continue };
            while buffer.remaining() > 0
                && let Some(bytes) = self.inward.arrived(now())
            {
                let count = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..count]);
                self.inward.hand_on(count);
            }
            if !buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = self.inward.ended(now()) {
                return Poll::Ready(end);
            }
            let next = self.inward.next().into_iter().chain(from).min();
            let Some(next) = next else { return Poll::Pending };
            ready!(poll_until(&mut self.inward_timer, next, cx));
        }
    }

    /// Takes in what the socket has, through the free part of `buffer`; `None` if there may be more, else from when on
    /// there is room again, if it is that.
    fn take_in(
        &mut self,
        tcp: &mut TcpStream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        room: usize,
    ) -> Option<Option<Instant>> {
        let free = buffer.remaining().min(room);
        let mut space = ReadBuf::new(buffer.initialize_unfilled_to(free));
        match Pin::new(tcp).poll_read(cx, &mut space) {
            Poll::Pending => return Some(None),
            Poll::Ready(Ok(())) if !space.filled().is_empty() => {
                self.inward.take(now(), space.filled(), &self.impairment, &mut self.inward_random);
            }
            Poll::Ready(end) => self.inward.end(now(), end, &self.impairment, &mut self.inward_random),
        }
        None
    }

    /// Takes what there is room for of `bytes`.
    fn accept(&mut self, bytes: &[u8]) -> Option<usize> {
        let room = self.outward.room(now(), &self.impairment).ok()?.min(bytes.len());
        self.outward.take(now(), &bytes[..room], &self.impairment, &mut self.outward_random);
        Some(room)
    }

    fn poll_write(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if let Some(taken) = self.accept(bytes) {
                return Poll::Ready(Ok(taken));
            }
            // What leaves makes room.
            ready!(self.poll_forward(tcp, cx))?;
            let from = match self.outward.room(now(), &self.impairment) {
                Ok(_) => continue,
                Err(from) => from,
            };
            let Some(next) = self.outward.next().into_iter().chain(from).min() else { return Poll::Pending };
            ready!(poll_until(&mut self.outward_timer, next, cx));
        }
    }

    fn poll_flush(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_forward(tcp, cx))?;
            let Some(next) = self.outward.next() else { return Poll::Ready(Ok(())) };
            ready!(poll_until(&mut self.outward_timer, next, cx));
        }
    }

    /// Passes on to the socket what has got as far; ready when that is done, pending as long as the socket, or a black
    /// hole, takes nothing.
    fn poll_forward(&mut self, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.impairment.black_hole && !self.outward.is_empty() {
            // Polled again once that changes.
            return Poll::Pending;
        }
        while let Some(bytes) = self.outward.arrived(now()) {
            let sent = ready!(Pin::new(&mut *tcp).poll_write(cx, bytes))?;
            self.outward.hand_on(sent);
        }
        Poll::Ready(Ok(()))
    }
}

/// Ready at `until`.
fn poll_until(timer: &mut Pin<Box<Sleep>>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() != until {
        timer.as_mut().reset(until);
    }
    timer.as_mut().poll(cx)
}

/// The runtime's own time, which tests can let pass.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
