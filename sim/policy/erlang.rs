//! What queueing theory knows of servers with one queue before them: M/M/c, by A. K. Erlang's formula of 1917.
//!
//! Operations come at random (Poisson) at a rate λ, and `c` servers take an exponential time of mean 1/μ for each, in the
//! order in which they came. With the load a = λ/μ, below c:
//!
//! ```text
//! B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1))         Erlang B, by recursion
//! C    = B(c) / (1 - a/c (1 - B(c)))                 Erlang C: the share that has to wait
//! P(W > t) = C exp(-θ t),  θ = cμ - λ                how long it waits
//! P(T > t) = (1 - C) exp(-μt) + C (θ exp(-μt) - μ exp(-θt)) / (θ - μ)    wait and service together
//! ```

use std::time::Duration;

/// Servers, and how long they take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MmcQueue {
    servers: u32,
    /// Operations per second that one of them serves.
    service_rate: f64,
}

/// Enough halvings for any `f64`.
const HALVINGS: u32 = 200;

impl MmcQueue {
    /// As many `servers`, one at least, that take `mean_service` for an operation on average; `None` if that is no time.
    #[must_use]
    pub fn new(servers: u32, mean_service: Duration) -> Option<Self> {
        let service_rate = mean_service.as_secs_f64().recip();
        (servers > 0 && service_rate.is_finite()).then_some(Self { servers, service_rate })
    }

    /// Operations per second that it can serve in the long run: the queue grows without end at this rate and beyond.
    #[must_use]
    pub fn capacity(&self) -> f64 {
        f64::from(self.servers) * self.service_rate
    }

    /// The share of the operations that have to wait where `rate` come in a second (Erlang C); 1 from the capacity on.
    #[must_use]
    pub fn waiting(&self, rate: f64) -> f64 {
        if rate >= self.capacity() {
            return 1.0;
        }
        let load = rate / self.service_rate;
        let blocked = (1..=self.servers).fold(1.0, |blocked, k| load * blocked / (f64::from(k) + load * blocked));
        blocked / (1.0 - load / f64::from(self.servers) * (1.0 - blocked))
    }

    /// The share of the operations whose wait and service together take longer than `time` at this `rate`.
    #[must_use]
    pub fn exceeding(&self, rate: f64, time: Duration) -> f64 {
        let spare = self.capacity() - rate;
        if spare <= 0.0 {
            return 1.0;
        }
        let (time, waiting) = (time.as_secs_f64(), self.waiting(rate));
        // The sum of two exponential times, written so that it holds where both rates are the same.
        let (slow, quick) =
            if spare < self.service_rate { (spare, self.service_rate) } else { (self.service_rate, spare) };
        let gap = (quick - slow) * time;
        let grown = if gap < 1e-12 { 1.0 } else { -(-gap).exp_m1() / gap };
        let both = (-slow * time).exp() * (1.0 + slow * time * grown);
        (1.0 - waiting) * (-self.service_rate * time).exp() + waiting * both
    }

    /// The time that this share of the operations, e.g. 0.99, take at most for wait and service together at this `rate`;
    /// `None` from the capacity on, where there is no such time.
    #[must_use]
    pub fn quantile(&self, rate: f64, share: f64) -> Option<Duration> {
        let beyond = 1.0 - share;
        if rate >= self.capacity() || beyond <= 0.0 {
            return None;
        }
        let mut high = Duration::from_millis(1);
        while self.exceeding(rate, high) > beyond {
            // No run lasts as long.
            high = high.checked_mul(2).filter(|high| high.as_secs() < 1 << 40)?;
        }
        let mut low = Duration::ZERO;
        for _ in 0..HALVINGS {
            let middle = low + (high - low) / 2;
            if self.exceeding(rate, middle) > beyond { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// The highest rate at which this share of the operations, e.g. 0.99, take `time` at most for wait and service
    /// together: the knee. `None` if an empty queue is too slow already.
    #[must_use]
    pub fn highest_rate(&self, share: f64, time: Duration) -> Option<f64> {
        let beyond = 1.0 - share;
        if self.exceeding(0.0, time) > beyond {
            return None;
        }
        let (mut low, mut high) = (0.0, self.capacity());
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.exceeding(middle, time) > beyond { high = middle } else { low = middle }
        }
        Some(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Delay, Station};
    use crate::random::{Domain, Seed, Stream};
    use crate::time::Nanos;

    const MS: Duration = Duration::from_millis(1);

    fn close(found: f64, expected: f64, relative: f64) -> bool {
        (found / expected - 1.0).abs() <= relative
    }

    #[test]
    fn one_server_is_the_textbook_s_exponential() {
        let queue = MmcQueue::new(1, 5 * MS).unwrap();
        for rate in [1.0, 50.0, 100.0, 150.0, 199.0] {
            assert!(close(queue.waiting(rate), rate / 200.0, 1e-12));
            let p99 = queue.quantile(rate, 0.99).unwrap().as_secs_f64();
            assert!(close(p99, 100_f64.ln() / (200.0 - rate), 1e-6), "{rate}: {p99}");
        }
        let knee = queue.highest_rate(0.99, 50 * MS).unwrap();
        assert!(close(knee, 200.0 - 100_f64.ln() / 0.05, 1e-9), "{knee}");
    }

    #[test]
    fn erlang_c_is_that_of_the_tables() {
        // Two servers: C = a² / (2 + a). The others: tables of Erlang C, e.g. 10 agents with 8 Erlang.
        for (servers, load, waiting) in
            [(2, 1.0, 1.0 / 3.0), (2, 1.5, 2.25 / 3.5), (3, 2.0, 0.444_444), (5, 4.0, 0.554_113), (10, 8.0, 0.409_180)]
        {
            let queue = MmcQueue::new(servers, Duration::from_secs(1)).unwrap();
            assert!(close(queue.waiting(load), waiting, 1e-5), "{servers}, {load}: {}", queue.waiting(load));
        }
    }

    #[test]
    fn there_is_no_time_at_the_capacity_and_no_rate_below_the_service_itself() {
        let queue = MmcQueue::new(4, 5 * MS).unwrap();
        assert!(close(queue.capacity(), 800.0, 1e-12));
        assert_eq!((queue.waiting(800.0), queue.quantile(800.0, 0.99), queue.quantile(900.0, 0.5)), (1.0, None, None));
        // 99 % of the services alone take up to 23 ms.
        assert_eq!(queue.highest_rate(0.99, 23 * MS), None);
        assert!(queue.highest_rate(0.99, 24 * MS).unwrap() > 0.0);
        assert_eq!((MmcQueue::new(0, MS), MmcQueue::new(1, Duration::ZERO)), (None, None));
        // Where the spare rate is that of one server, the two times are the same.
        let at = |rate: f64| queue.quantile(rate, 0.99).unwrap().as_secs_f64();
        assert!(close(at(600.0), f64::midpoint(at(599.9), at(600.1)), 1e-6));
    }

    #[test]
    fn the_highest_rate_is_the_inverse_of_the_quantile() {
        let queue = MmcQueue::new(4, 5 * MS).unwrap();
        for time in [25, 30, 50, 200, 2000] {
            let rate = queue.highest_rate(0.99, time * MS).unwrap();
            let back = queue.quantile(rate, 0.99).unwrap().as_secs_f64();
            assert!(close(back, f64::from(time) / 1e3, 1e-6), "{time} ms at {rate}: {back}");
        }
    }

    /// Percentiles of what 200,000 operations take that come at random.
    fn simulated(servers: u32, rate: f64, shares: [f64; 2]) -> [f64; 2] {
        let (service, gaps) = (Delay::Exponential(5 * MS), Delay::Exponential(Duration::from_secs_f64(rate.recip())));
        let mut random: Stream = Seed(7).stream(Domain::Arrivals, 0, 0);
        let (mut station, mut now) = (Station::new(servers), Nanos::ZERO);
        let mut took: Vec<f64> = (0..200_000_u64)
            .map(|n| {
                now = now + gaps.sample(&mut random);
                let service = service.sample(&mut Seed(7).stream(Domain::ServiceTimes, 0, n));
                station.serve(now, service).since(now).as_secs_f64()
            })
            .collect();
        took.sort_by(f64::total_cmp);
        shares.map(|share| took[(share * took.len() as f64) as usize])
    }

    /// The highest rate at which 99 % of 200,000 operations that come at random take `time` at most.
    fn knee(queue: MmcQueue, time: Duration) -> f64 {
        let (mean, mut random) = (5 * MS, Seed(7).stream(Domain::Arrivals, 0, 0));
        let operations: Vec<(Duration, Duration)> = (0..200_000)
            .map(|_| {
                let gap = Delay::Exponential(Duration::from_secs(1)).sample(&mut random);
                (gap, Delay::Exponential(mean).sample(&mut random))
            })
            .collect();
        let is_kept = |rate: f64| {
            let (mut station, mut now, mut late) = (Station::new(queue.servers), Nanos::ZERO, 0);
            for (gap, service) in &operations {
                now = now + gap.div_f64(rate);
                late += u32::from(station.serve(now, *service).since(now) > time);
            }
            late <= 2000
        };
        let (mut low, mut high) = (0.0, queue.capacity());
        for _ in 0..9 {
            let middle = f64::midpoint(low, high);
            if is_kept(middle) { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }

    #[test]
    fn the_knee_of_a_simulated_station_is_where_the_formula_says() {
        // Far below the capacity, and close to it.
        for (servers, time) in [(1, 40 * MS), (4, 30 * MS), (4, 60 * MS)] {
            let queue = MmcQueue::new(servers, 5 * MS).unwrap();
            let (found, expected) = (knee(queue, time), queue.highest_rate(0.99, time).unwrap());
            assert!(close(found, expected, 0.03), "{servers} servers, {time:?}: {found} {expected}");
        }
    }

    #[test]
    fn a_simulated_station_agrees_with_the_formula() {
        for (servers, rate) in [(1, 100.0), (1, 160.0), (4, 400.0), (4, 640.0), (16, 2880.0)] {
            let queue = MmcQueue::new(servers, 5 * MS).unwrap();
            let shares = [0.5, 0.99];
            for (found, share) in simulated(servers, rate, shares).into_iter().zip(shares) {
                let expected = queue.quantile(rate, share).unwrap().as_secs_f64();
                assert!(close(found, expected, 0.03), "{servers} at {rate}/s, {share}: {found} {expected}");
            }
        }
    }
}
