//! What is known of the twins of a range of devices, whoever looked at them.

use jiff::Timestamp;

use super::sighting::Baseline;
use crate::dialect::TwinReport;
use crate::measure::Gauges;
use crate::policy::{DeviceRange, FirmwareStatus};

/// The latest that was seen of each twin.
#[derive(Debug)]
pub(super) struct Board {
    range: DeviceRange,
    known: Vec<Known>,
    gauges: Gauges,
}

/// What a look at a twin is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It shows what was not known.
    New,
    /// It was known, or is older than what is known: looks overlap, and may come out of turn.
    Old,
    /// The twin was written later than what is known of it, and counts from a lower version than that. From which to
    /// which; from now on this one is what is known.
    Fell(u64, u64),
}

/// One twin, kept small: there is one for every device, called or not.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// 0 where nothing was seen: hubs count from 1.
    version: u64,
    /// [`Timestamp::MIN`] where nothing was seen.
    updated: Timestamp,
    status: Option<FirmwareStatus>,
    connected: bool,
}

impl Board {
    /// Nothing is known of the devices of `range`.
    pub(super) fn new(range: DeviceRange) -> Self {
        let nothing = Known { version: 0, updated: Timestamp::MIN, status: None, connected: false };
        Self { range, known: range.iter().map(|_| nothing).collect(), gauges: Gauges::default() }
    }

    /// Devices connected, and devices by status.
    pub(super) const fn gauges(&self) -> Gauges {
        self.gauges
    }

    /// What an update of `device` that is called now starts from.
    pub(super) fn baseline(&self, device: u32) -> Baseline {
        let index = device.checked_sub(self.range.start);
        let Some(known) = index.and_then(|index| self.known.get(index as usize)) else { return Baseline::default() };
        let updated = (known.updated > Timestamp::MIN).then_some(known.updated);
        Baseline { version: known.version, updated }
    }

    /// Notes whether `device` is connected, and tells whether its twin's `$version`, written at `updated`, is news.
    pub(super) fn glance(
        &mut self,
        device: u32,
        connected: Option<bool>,
        version: u64,
        updated: Option<Timestamp>,
    ) -> News {
        let index = device.checked_sub(self.range.start);
        let Some(known) = index.and_then(|index| self.known.get_mut(index as usize)) else { return News::Old };
        if let Some(connected) = connected
            && connected != known.connected
        {
            known.connected = connected;
            let count = &mut self.gauges.connected;
            *count = if connected { *count + 1 } else { count.saturating_sub(1) };
        }
        if version > known.version {
            return News::New;
        }
        match updated {
            Some(updated) if version < known.version && updated > known.updated => {
                let fell = News::Fell(known.version, version);
                (known.version, known.updated) = (version, updated);
                fell
            }
            _ => News::Old,
        }
    }

    /// Notes what the twin of `device` shows; whether that is news.
    pub(super) fn learn(&mut self, device: u32, report: &TwinReport) -> News {
        let news = self.glance(device, report.connected, report.version, report.last_updated);
        if news == News::Old {
            return news;
        }
        let index = device.checked_sub(self.range.start);
        let Some(known) = index.and_then(|index| self.known.get_mut(index as usize)) else { return News::Old };
        let status = report.status.as_ref().and_then(|status| status.as_ref().ok().copied());
        if let Some(old) = std::mem::replace(&mut known.status, status) {
            self.gauges.stages[old as usize] -= 1;
        }
        if let Some(new) = status {
            self.gauges.stages[new as usize] += 1;
        }
        (known.version, known.updated) = (report.version, report.last_updated.unwrap_or(Timestamp::MIN));
        news
    }
}

#[cfg(test)]
mod tests {
    use super::super::sighting::tests::{report, second};
    use super::*;
    use crate::policy::FirmwareStatus::{Applying, Downloading};

    #[test]
    fn only_a_newer_version_is_news_and_counts_follow() {
        let mut board = Board::new(DeviceRange { start: 5, end: 7 });
        assert_eq!(board.baseline(5), Baseline::default());
        for (device, status, version) in [(5, Downloading, 3), (6, Downloading, 3), (5, Applying, 4)] {
            assert_eq!(board.learn(device, &report(status, version, None, &[])), News::New);
        }
        let gone = TwinReport { connected: Some(false), ..report(Downloading, 3, None, &[]) };
        assert_eq!(board.learn(5, &gone), News::Old, "a lagging query shows an old version");
        assert_eq!((board.learn(4, &gone), board.learn(7, &gone)), (News::Old, News::Old), "not of this range");
        assert_eq!(board.baseline(5).version, 4);
        let gauges = board.gauges();
        assert_eq!((gauges.connected, gauges.stages[1], gauges.stages[2]), (1, 1, 1));
    }

    #[test]
    fn a_twin_that_counts_from_below_again_is_told_once() {
        let mut board = Board::new(DeviceRange { start: 5, end: 7 });
        board.learn(5, &report(Applying, 40, None, &[]));
        let again = TwinReport { last_updated: Some(second(41)), ..report(Downloading, 2, None, &[]) };
        assert_eq!(board.learn(5, &again), News::Fell(40, 2));
        assert_eq!(board.learn(5, &again), News::Old);
        let next = TwinReport { last_updated: Some(second(42)), ..report(Applying, 3, None, &[]) };
        assert_eq!((board.learn(5, &next), board.gauges().stages[2]), (News::New, 1));
    }
}
