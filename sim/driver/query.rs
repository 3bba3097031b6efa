//! Observing by delta query: its cost follows the changes, not the fleet.

use std::rc::Rc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::shared::{ReadError, Shared};
use crate::dialect::azure::rest;
use crate::time::{Nanos, rfc3339};

/// Rows of a page (4: the most that a hub gives).
pub(super) const PAGE: usize = 1000;

/// How late a change may become visible in a cloud hub's index, generously.
const OVERLAP: Duration = Duration::from_secs(1);

/// Where the next look begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    /// The latest change that was seen, by the hub's own clock.
    latest: Option<Timestamp>,
}

impl Cursor {
    /// From when on changes are asked for: some may have become visible later than others that happened after them.
    fn since(self, overlap: Duration) -> Option<String> {
        let overlap = SignedDuration::try_from(overlap).unwrap_or(SignedDuration::MAX);
        Some(rfc3339(self.latest?.saturating_sub(overlap).unwrap_or(Timestamp::MIN)))
    }

    /// Takes one look: every page of the query, each row handed to the ledger as of the moment its page came in. The
    /// cursor moves on only when the look is complete, so that a page that failed is asked for again.
    ///
    /// The first look is over the whole fleet and not in the order of changes: a device of an early page may change
    /// while later pages are read. So it moves the cursor no further than its first page, before which nothing changed
    /// unseen.
    pub(super) async fn look(&mut self, shared: &Rc<Shared>) -> Result<(), ReadError> {
        if shared.range.is_empty() {
            return Ok(());
        }
        let (first, last) = (shared.ids.id(shared.range.start), shared.ids.id(shared.range.end - 1));
        let text =
            rest::delta_query(&first, &last, self.since(shared.config.observe.overlap.unwrap_or(OVERLAP)).as_deref());
        let whole_fleet = self.latest.is_none();
        let mut latest = self.latest;
        let mut continuation: Option<String> = None;
        loop {
            let page = shared.observe(rest::query(&text, PAGE, continuation.as_deref())).await?;
            let now = shared.clock.now();
            let read = shared.apply(|ledger| {
                for row in rest::delta_page(&page.body)? {
                    if !whole_fleet || continuation.is_none() {
                        latest = latest.max(row.last_updated());
                    }
                    ledger.glance(now, &row)?;
                }
                Ok(())
            });
            if let Err(error) = read {
                shared.ledger.borrow_mut().scribe().recorder().counters().observer_errors += 1;
                return Err(ReadError::Unreadable(error));
            }
            continuation = page.continuation;
            if continuation.is_none() {
                // A first look's page is put together from parts of the hub that are looked at one after the other: what
                // changed meanwhile in a part that had been looked at is asked for again.
                let back = SignedDuration::try_from(OVERLAP).unwrap_or_default();
                self.latest = latest.map(|latest| match whole_fleet {
                    true => latest.saturating_sub(back).unwrap_or(Timestamp::MIN),
                    false => latest,
                });
                return Ok(());
            }
        }
    }
}

/// Looks every interval from `start` on, until it is aborted. What goes wrong is counted; the next look catches up.
pub(super) async fn run(shared: Rc<Shared>, start: Nanos, mut cursor: Cursor) {
    let interval = shared.config.observe.interval;
    let mut due = start + interval.mul_f64(shared.range.turn(shared.devices));
    loop {
        tokio::time::sleep_until(shared.clock.instant(due)).await;
        let wait = match cursor.look(&shared).await {
            Err(ReadError::Throttled(Some(retry_after))) => retry_after,
            _ => Duration::ZERO,
        };
        let next = next_turn(due, interval, shared.clock.now() + wait);
        let turns = next.since(due).as_nanos() / interval.as_nanos().max(1);
        let left_out = u64::try_from(turns).unwrap_or(u64::MAX).saturating_sub(1);
        shared.ledger.borrow_mut().scribe().recorder().counters().observer_left_out += left_out;
        due = next;
    }
}

/// The first of the moments `due`, `due + interval`, ... after both `due` and `now`: a look that takes longer than the
/// interval leaves turns out, it does not bunch them.
pub(super) fn next_turn(due: Nanos, interval: Duration, now: Nanos) -> Nanos {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let passed = now.get().saturating_sub(due.get()) / step;
    Nanos::new(due.get().saturating_add(step.saturating_mul(passed + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_left_out_and_never_bunched() {
        let ms = |ms: u64| Nanos::new(ms * 1_000_000);
        let interval = Duration::from_millis(250);
        for (now, next) in [(0, 250), (10, 250), (249, 250), (250, 500), (260, 500), (1_100, 1_250)] {
            assert_eq!(next_turn(ms(0), interval, ms(now)), ms(next), "at {now}");
        }
        assert_eq!(next_turn(ms(500), interval, ms(400)), ms(750));
    }

    #[test]
    fn the_cursor_reaches_back_by_the_overlap() {
        let cursor = |latest: Option<&str>| Cursor { latest: latest.map(|text| text.parse().unwrap()) };
        let second = Duration::from_secs(1);
        assert_eq!(cursor(None).since(second), None);
        let since = cursor(Some("2026-01-01T00:00:02.5Z")).since(second);
        assert_eq!(since.as_deref(), Some("2026-01-01T00:00:01.500000Z"));
    }
}
