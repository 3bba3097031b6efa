//! What can be wrong with the path between two ends of a connection: data, and one direction of such a path. Nothing here
//! holds a socket.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use crate::policy::Delay;
use crate::random::{Domain, Seed, Stream};

/// What is wrong with the path of a connection, below TLS and WebSocket. The default is a path that is as it should be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Impairment {
    /// Nothing gets through in either direction, the end of the connection included; neither side is told. What was on
    /// its way gets through once this ends, as TCP would see to.
    pub black_hole: bool,
    /// Nothing is read, so that the peer's sends fill the buffers between the two and then wait.
    pub reads_nothing: bool,
    /// How long bytes are on their way in each direction, all of these together, drawn anew for each read and write. They
    /// never overtake one another.
    pub latency: Vec<Latency>,
    /// Bytes per second that get through, in each direction; `None` for no limit. At least 1.
    pub bandwidth: Option<f64>,
}

/// One of the reasons why bytes are late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// How late.
    pub delay: Delay,
    /// What that is drawn from.
    pub seed: Seed,
}

impl Impairment {
    /// What direction number `direction` draws its latencies from.
    pub(super) fn draws(&self, direction: u64) -> Vec<Stream> {
        self.latency.iter().map(|latency| latency.seed.stream(Domain::PathLatency, direction, 0)).collect()
    }
}

/// What one direction holds at most, in bytes: nothing more is read, or taken to be sent, until there is room. A path of
/// this latency carries no more than so much in that time.
const HELD: usize = 64 * 1024;

/// What gets through at once after a pause, in time at the full bandwidth.
const BURST: Duration = Duration::from_millis(100);

/// Bytes on their way in one direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// In order, each with the moment at which it arrives.
    pieces: VecDeque<(Instant, Bytes)>,
    held: usize,
    /// What stands at the end of the stream.
    end: Option<(Instant, io::Result<()>)>,
    /// When all that has been let in would be through at the limit of the bandwidth.
    busy_until: Option<Instant>,
}

impl Lane {
    /// How many bytes may come in at `now`, or else from when on some may; `None`: not before some have left.
    pub(super) fn room(&self, now: Instant, impairment: &Impairment) -> Result<usize, Option<Instant>> {
        let room = HELD.saturating_sub(self.held);
        if room == 0 || self.end.is_some() {
            return Err(None);
        }
        let Some(rate) = impairment.bandwidth else { return Ok(room) };
        let (burst, busy_until) = (burst(rate), self.busy_until.map_or(now, |until| until.max(now)));
        let free = (now + burst).saturating_duration_since(busy_until);
        match (free.as_secs_f64() * rate) as usize {
            0 => Err(Some((busy_until - burst / 2).max(now + Duration::from_millis(1)))),
            free => Ok(room.min(free)),
        }
    }

    /// Takes `bytes`, for which there is room, at `now`.
    pub(super) fn take(&mut self, now: Instant, bytes: &[u8], impairment: &Impairment, random: &mut [Stream]) {
        if let Some(rate) = impairment.bandwidth {
            let needs = Duration::from_secs_f64(bytes.len() as f64 / rate);
            self.busy_until = Some(self.busy_until.map_or(now, |until| until.max(now)) + needs);
        }
        self.held += bytes.len();
        let arrives = self.arrives(now, impairment, random);
        self.pieces.push_back((arrives, Bytes::copy_from_slice(bytes)));
    }

    /// The stream ends at `now`.
    pub(super) fn end(&mut self, now: Instant, end: io::Result<()>, impairment: &Impairment, random: &mut [Stream]) {
        self.end = Some((self.arrives(now, impairment, random), end));
    }

    /// When a piece that comes in at `now` arrives: not before the one ahead of it.
    fn arrives(&self, now: Instant, impairment: &Impairment, random: &mut [Stream]) -> Instant {
        let late = impairment.latency.iter().zip(random).map(|(latency, random)| latency.delay.sample(random));
        let arrives = now + late.sum::<Duration>();
        self.pieces.back().map_or(arrives, |(ahead, _)| arrives.max(*ahead))
    }

    /// The next bytes that have arrived at `now`.
    pub(super) fn arrived(&self, now: Instant) -> Option<&[u8]> {
        self.pieces.front().filter(|(arrives, _)| *arrives <= now).map(|(_, bytes)| &bytes[..])
    }

    /// The first `count` of the next bytes have been handed on.
    pub(super) fn hand_on(&mut self, count: usize) {
        if let Some((_, bytes)) = self.pieces.front_mut() {
            bytes.advance(count);
            self.held -= count;
            if bytes.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    /// How the stream has ended, once that has arrived behind all bytes.
    pub(super) fn ended(&mut self, now: Instant) -> Option<io::Result<()>> {
        if !self.pieces.is_empty() {
            return None;
        }
        self.end.take_if(|(arrives, _)| *arrives <= now).map(|(_, end)| end)
    }

    /// When the next bytes, or the end of the stream, arrive.
    pub(super) fn next(&self) -> Option<Instant> {
        let piece = self.pieces.front().map(|(arrives, _)| *arrives);
        piece.or_else(|| self.end.as_ref().map(|(arrives, _)| *arrives))
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.end.is_none()
    }

    /// The path has changed at `now`: all that is on its way has arrived.
    pub(super) fn release(&mut self, now: Instant) {
        self.pieces.iter_mut().for_each(|(arrives, _)| *arrives = now.min(*arrives));
        if let Some((arrives, _)) = &mut self.end {
            *arrives = now.min(*arrives);
        }
        self.busy_until = None;
    }
}

/// What may get through at once at `rate`; two bytes at least.
fn burst(rate: f64) -> Duration {
    BURST.max(Duration::from_secs_f64(2.0 / rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn late(delay: Delay) -> Latency {
        Latency { delay, seed: Seed(7) }
    }

    /// A moment; the lane reads no clock.
    #[tokio::main(flavor = "current_thread")]
    async fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn pieces_are_under_way_for_the_latency_and_never_overtake_one_another() {
        let start = start();
        let impairment =
            Impairment { latency: vec![late(Delay::Uniform(SECOND, 2 * SECOND))], ..Impairment::default() };
        let (mut lane, mut random) = (Lane::default(), impairment.draws(0));
        for n in 0..100 {
            lane.take(start, &[n], &impairment, &mut random);
        }
        lane.end(start, Ok(()), &impairment, &mut random);
        assert_eq!(lane.arrived(start + SECOND / 2), None);
        let mut arrivals = Vec::new();
        for n in 0..100 {
            let next = lane.next().unwrap();
            assert_eq!(lane.arrived(next), Some(&[n][..]));
            arrivals.push(next);
            assert!(lane.ended(start + 9 * SECOND).is_none(), "the end comes last");
            lane.hand_on(1);
        }
        assert!(arrivals.is_sorted() && arrivals[0] >= start + SECOND && arrivals[99] <= start + 2 * SECOND);
        assert!(lane.ended(start + 2 * SECOND).is_some() && lane.is_empty());
    }

    #[test]
    fn latencies_add_up_and_follow_from_their_seeds_alone() {
        let start = start();
        let uniform = Delay::Uniform(SECOND, 2 * SECOND);
        let arrives = |latency: Vec<Latency>, direction| {
            let impairment = Impairment { latency, ..Impairment::default() };
            let (mut lane, mut random) = (Lane::default(), impairment.draws(direction));
            lane.take(start, b"x", &impairment, &mut random);
            lane.next().unwrap() - start
        };
        let (one, other) = (late(uniform), Latency { delay: uniform, seed: Seed(8) });
        assert_eq!(arrives(vec![one, other], 0), arrives(vec![one], 0) + arrives(vec![other], 0));
        assert_ne!(arrives(vec![one], 0), arrives(vec![other], 0));
        assert_ne!(arrives(vec![one], 0), arrives(vec![one], 1), "each direction for itself");
    }

    #[test]
    fn no_more_than_the_bandwidth_gets_through() {
        for rate in [1.0, 7.0, 1000.0, 1_000_000.0] {
            let start = start();
            let impairment = Impairment { bandwidth: Some(rate), ..Impairment::default() };
            let (mut lane, mut now, mut through) = (Lane::default(), start, 0.0);
            while now < start + 10 * SECOND {
                match lane.room(now, &impairment) {
                    Ok(room) => {
                        let room = room.min(1000);
                        lane.take(now, &vec![0; room], &impairment, &mut []);
                        assert!(lane.arrived(now).is_some());
                        lane.hand_on(room);
                        through += room as f64;
                    }
                    Err(until) => {
                        assert!(until.unwrap() > now);
                        now = until.unwrap();
                    }
                }
            }
            assert!((9.0 * rate..=11.0 * rate + 2000.0).contains(&through), "{through} bytes in 10 s at {rate}");
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let start = start();
        let impairment = Impairment { latency: vec![late(Delay::Fixed(SECOND))], ..Impairment::default() };
        let (mut lane, mut random) = (Lane::default(), impairment.draws(0));
        while let Ok(room) = lane.room(start, &impairment) {
            lane.take(start, &vec![0; room.min(1000)], &impairment, &mut random);
        }
        assert_eq!((lane.held, lane.room(start + 9 * SECOND, &impairment)), (HELD, Err(None)));
        lane.release(start);
        assert_eq!(lane.arrived(start).map(<[u8]>::len), Some(1000));
    }
}
