//! The reports of one device on their way to its twin.

use std::time::Duration;

use bytes::Bytes;

use crate::policy::{Failed, Failure, FirmwareStatus, RetryPolicy, Retrying};
use crate::random::Stream;
use crate::time::Nanos;

/// A report that has waited so long for its answer, on a connection that lives, is sent again: over the same connection
/// where a twin answers, else over the next. The official SDKs give up on an answer after 300 s (C and .NET alike); here it
/// only must not be awaited for ever.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Reports in order, one under way at a time. A report leaves only when it is answered: by the twin, as the hub's PUBACK
/// says that it arrived, not that it was merged; where no twin answers, by that acknowledgement.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// A few at most, so that taking the first away is cheap, and a vector makes an idle device smaller than a deque.
    pending: Vec<Pending>,
    /// Sendings so far.
    sendings: u32,
}

#[derive(Debug)]
struct Pending {
    status: Option<FirmwareStatus>,
    /// Whether it says no more than how far a download is.
    progress: bool,
    document: Bytes,
    /// The update that it belongs to; none if nobody can read it.
    update: Option<u32>,
    first_sent: Option<Nanos>,
    awaited: Option<Awaited>,
    not_before: Nanos,
    /// Its latest sending.
    sent: Nanos,
    retrying: Retrying,
}

/// The answer that is awaited.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    /// To this sending or to a later one: where a report was sent again over the same connection, the answer to any of
    /// its sendings says what became of it. A hub slower than the limit would never be believed otherwise.
    from: u32,
    /// Until then; afterwards it is sent again.
    until: Nanos,
}

/// One sending of a report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sending {
    /// Its number, from 1.
    pub(super) number: u32,
    pub(super) status: Option<FirmwareStatus>,
    pub(super) document: Bytes,
    pub(super) update: Option<u32>,
    /// Whether it was sent before.
    pub(super) again: bool,
    /// Whether the answer to the sending before did not come in time.
    pub(super) overdue: bool,
}

/// What became of a report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// It has arrived, so long after it was first sent; the update that it belongs to.
    Done { status: Option<FirmwareStatus>, after: Duration, update: Option<u32> },
    /// It goes out again after this wait.
    Again { status: Option<FirmwareStatus>, wait: Duration },
    /// It was refused for good.
    Dropped { status: Option<FirmwareStatus> },
}

impl Outbox {
    /// So many reports may wait. A workflow makes three, so that no update is accepted once fewer places are left. Only
    /// the copies that faults make come on top: a plan holds few of them; and two at most of a download's progress.
    const MAX: usize = 16;

    /// Whether there is room for the reports of one more update.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() + 3 <= Self::MAX
    }

    /// Puts a report of update number `update` at the end; one without a status says nothing of the firmware, and one that
    /// nobody can read belongs to no update, whatever it was to say.
    pub(super) fn push(&mut self, status: Option<FirmwareStatus>, document: Bytes, update: impl Into<Option<u32>>) {
        self.add(status, false, document, update.into());
    }

    /// Puts a report of update number `update` at the end that says how far its download is. It takes the place of one
    /// that has not been sent yet.
    pub(super) fn push_progress(&mut self, document: Bytes, update: u32) {
        match self.pending.last_mut().filter(|last| last.progress && last.first_sent.is_none()) {
            Some(last) => (last.document, last.update) = (document, Some(update)),
            None => self.add(None, true, document, Some(update)),
        }
    }

    fn add(&mut self, status: Option<FirmwareStatus>, progress: bool, document: Bytes, update: Option<u32>) {
        self.pending.push(Pending {
            status,
            progress,
            document,
            update,
            first_sent: None,
            awaited: None,
            not_before: Nanos::ZERO,
            sent: Nanos::ZERO,
            retrying: Retrying::default(),
        });
    }

    /// The connection is over: no answer to what was sent over it will come.
    pub(super) fn connection_lost(&mut self) {
        if let Some(front) = self.pending.first_mut() {
            front.awaited = None;
        }
    }

    /// The device is never going to send anything any more. Whether a report had been sent and not been answered.
    pub(super) fn give_up(&mut self) -> bool {
        let was_sent = self.pending.first().is_some_and(|front| front.first_sent.is_some());
        self.pending = Vec::new();
        was_sent
    }

    /// Whether no report waits to be sent or answered.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// When something is to be sent, given a connection.
    pub(super) fn wake_at(&self) -> Nanos {
        self.pending.first().map_or(Nanos::MAX, Pending::due)
    }

    /// Whether an answer is awaited that should have come by `now`.
    pub(super) fn is_overdue(&self, now: Nanos) -> bool {
        self.pending.first().and_then(|front| front.awaited).is_some_and(|awaited| awaited.until <= now)
    }

    /// What is to be sent at `now`.
    pub(super) fn next(&mut self, now: Nanos) -> Option<Sending> {
        let front = self.pending.first_mut().filter(|front| front.due() <= now)?;
        self.sendings = self.sendings.wrapping_add(1);
        let number = self.sendings;
        let overdue = front.awaited.is_some();
        let from = front.awaited.map_or(number, |awaited| awaited.from);
        front.awaited = Some(Awaited { from, until: now + ANSWER_LIMIT });
        let again = front.first_sent.is_some();
        front.first_sent.get_or_insert(now);
        front.sent = now;
        let (status, update) = (front.status, front.update);
        Some(Sending { number, status, document: front.document.clone(), update, again, overdue })
    }

    /// Sending number `number` was answered with `code`, by the twin or by what stands for its answer; `None` if that is not
    /// awaited (any more).
    pub(super) fn answered(
        &mut self,
        now: Nanos,
        number: u32,
        code: u16,
        retry: &RetryPolicy,
        random: impl FnOnce() -> Stream,
    ) -> Option<Answered> {
        let front = self.pending.first_mut()?;
        front.awaited.filter(|awaited| (awaited.from..=self.sendings).contains(&number))?;
        let status = front.status;
        let why = match code {
            200..300 => None,
            429 => Some(Failure::Throttled),
            500.. => Some(Failure::Transient),
            _ => Some(Failure::Refused),
        };
        if let Some(why) = why {
            // The answer to a report never says when to come back.
            let failed = Failed::new(why, now.since(front.sent));
            if let Some(wait) = front.retrying.next(retry, failed, &mut random()) {
                (front.not_before, front.awaited) = (now + wait, None);
                return Some(Answered::Again { status, wait });
            }
        }
        let (after, update) = (now.since(front.first_sent.unwrap_or(now)), front.update);
        self.pending.remove(0);
        if self.pending.is_empty() {
            // An idle device owns no buffer.
            self.pending = Vec::new();
        }
        Some(if why.is_none() { Answered::Done { status, after, update } } else { Answered::Dropped { status } })
    }
}

impl Pending {
    /// When it is to be sent, for the first time or again.
    fn due(&self) -> Nanos {
        self.awaited.map_or(self.not_before, |awaited| awaited.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Backoff;
    use crate::random::{Domain, Seed};

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Nanos {
        Nanos::new(seconds * 1_000_000_000)
    }

    fn answer(outbox: &mut Outbox, now: Nanos, number: u32, code: u16) -> Option<Answered> {
        let backoff = Backoff::Fixed { delay: SECOND };
        let retry = RetryPolicy { max_attempts: Some(3), ..RetryPolicy::new(backoff) };
        outbox.answered(now, number, code, &retry, || Seed(7).stream(Domain::TwinRetry, 0, 0))
    }

    #[test]
    fn one_report_is_under_way_at_a_time_and_only_its_own_answer_ends_it() {
        let (first, second) = (Some(FirmwareStatus::Downloading), Some(FirmwareStatus::Applying));
        let mut outbox = Outbox::default();
        outbox.push(first, Bytes::from_static(b"1"), 0);
        outbox.push(second, Bytes::from_static(b"2"), 0);
        assert_eq!(outbox.next(at(1)).unwrap().number, 1);
        assert_eq!((outbox.next(at(2)), outbox.wake_at()), (None, at(61)));
        outbox.connection_lost();
        let again = outbox.next(at(5)).unwrap();
        assert_eq!((again.number, &again.document[..]), (2, &b"1"[..]));
        assert_eq!(answer(&mut outbox, at(6), 1, 204), None, "the answer to the lost sending");
        assert_eq!(
            answer(&mut outbox, at(6), 2, 204),
            Some(Answered::Done { status: first, after: 5 * SECOND, update: Some(0) })
        );
        assert_eq!(outbox.next(at(6)).unwrap().status, second);
    }

    #[test]
    fn an_answer_that_does_not_come_is_asked_for_again_and_an_earlier_one_still_counts() {
        let status = Some(FirmwareStatus::Applying);
        let mut outbox = Outbox::default();
        outbox.push(status, Bytes::from_static(b"1"), 0);
        outbox.push(Some(FirmwareStatus::Completed), Bytes::from_static(b"2"), 0);
        assert!(!outbox.next(at(1)).unwrap().overdue);
        assert_eq!(outbox.next(at(60)), None);
        let again = outbox.next(outbox.wake_at()).unwrap();
        assert_eq!((again.number, &again.document[..], again.overdue), (2, &b"1"[..], true));
        assert_eq!((outbox.next(at(61)), outbox.wake_at()), (None, at(121)));
        assert_eq!(
            answer(&mut outbox, at(71), 1, 204),
            Some(Answered::Done { status, after: 70 * SECOND, update: Some(0) })
        );
        assert_eq!(outbox.next(at(71)).unwrap().number, 3);
        assert_eq!(answer(&mut outbox, at(72), 2, 204), None, "the other answer to the report before");
        assert!(!outbox.is_empty() && answer(&mut outbox, at(72), 3, 204).is_some() && outbox.is_empty());
    }

    #[test]
    fn throttled_reports_wait_and_refused_ones_go() {
        let status = Some(FirmwareStatus::Failed);
        let mut outbox = Outbox::default();
        outbox.push(status, Bytes::new(), 0);
        for (number, code) in [(1, 429), (2, 503)] {
            let now = outbox.wake_at();
            assert_eq!(outbox.next(now).unwrap().number, number);
            assert_eq!(answer(&mut outbox, now, number, code), Some(Answered::Again { status, wait: SECOND }));
            assert_eq!((outbox.next(now), outbox.wake_at()), (None, now + SECOND));
        }
        assert!(outbox.next(at(9)).is_some());
        assert_eq!(answer(&mut outbox, at(9), 3, 500), Some(Answered::Dropped { status }), "the policy's limit");
        outbox.push(status, Bytes::new(), 0);
        assert!(outbox.next(at(9)).is_some());
        assert_eq!(answer(&mut outbox, at(9), 4, 400), Some(Answered::Dropped { status }));
        assert_eq!((outbox.wake_at(), outbox.pending.capacity()), (Nanos::MAX, 0));
        let stubborn = RetryPolicy { refused: true, ..RetryPolicy::new(Backoff::Fixed { delay: SECOND }) };
        outbox.push(status, Bytes::new(), 0);
        assert!(outbox.next(at(9)).is_some());
        let answered = outbox.answered(at(9), 5, 400, &stubborn, || Seed(7).stream(Domain::TwinRetry, 0, 0));
        assert_eq!(answered, Some(Answered::Again { status, wait: SECOND }));
    }

    #[test]
    fn progress_that_was_not_sent_gives_way_to_the_next() {
        let mut outbox = Outbox::default();
        outbox.push(Some(FirmwareStatus::Downloading), Bytes::from_static(b"d"), 0);
        for text in [&b"25"[..], b"50"] {
            outbox.push_progress(Bytes::from_static(text), 0);
        }
        assert!(outbox.next(at(1)).is_some() && answer(&mut outbox, at(1), 1, 204).is_some());
        assert_eq!(outbox.next(at(1)).unwrap().document, "50");
        outbox.push_progress(Bytes::from_static(b"75"), 0);
        outbox.push_progress(Bytes::from_static(b"100"), 0);
        assert_eq!(outbox.pending.len(), 2);
        assert!(matches!(answer(&mut outbox, at(1), 2, 204), Some(Answered::Done { status: None, .. })));
        assert_eq!(outbox.next(at(1)).unwrap().document, "100");
    }
}
