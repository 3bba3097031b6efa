//! What a device did, as it is entered into the books.

use super::{CALLED, Link, SETTLES, Task};
use crate::device::event::{Event, Fate};
use crate::device::failures::Failure;
use crate::dialect::DeviceDialect;
use crate::measure::{Invariant, MessageKind, Violation};
use crate::policy::{FaultKind, Place, Series};
use crate::time::Nanos;

impl<D: DeviceDialect + 'static> Task<D> {
    /// Enters an event into the worker's books, the truth and the trace.
    pub(super) fn note(&mut self, now: Nanos, event: Event) {
        let (worker, device) = (&**self.worker.worker(), self.device);
        let truth = worker.truth.as_deref();
        let books = &mut *worker.books.borrow_mut();
        let cohort = worker.settings.fleet.retry_connect.cohort(device);
        let counts = self.told & SETTLES == 0;
        let report_counts = counts && (!worker.load_settles || self.told & CALLED != 0);
        let connect_counts = now >= worker.connects_measured_from;
        match event {
            Event::Attempted | Event::ConnectRetry(_) | Event::ConnectThrottled if !connect_counts => {}
            Event::Sample(Series::Connect | Series::ConnectError, duration)
                if now - duration < worker.connects_measured_from => {}
            Event::ReportRetry(_) | Event::ReportThrottled | Event::ReportDropped if !report_counts => {}
            Event::Sample(Series::TwinAck(_) | Series::ImageDownload | Series::ImageDownloadError, _)
            | Event::Downloaded { .. }
                if !counts => {}
            // A ping belongs to no update.
            Event::Sample(Series::Ping, _) if worker.is_settling(now) => {}
            Event::ConnectThrottled => books.recorder.retries().connect(cohort).throttled += 1,
            Event::ReportThrottled => books.recorder.retries().twin.throttled += 1,
            Event::Attempted => books.recorder.retries().connect(cohort).attempts += 1,
            Event::Connected => {
                books.gauges.connected += 1;
                if let Some(truth) = truth {
                    truth.connected(device, Some(now));
                }
                if let Link::Open(_, permit) = &mut self.link {
                    *permit = None;
                }
            }
            Event::Disconnected => {
                books.gauges.connected = books.gauges.connected.saturating_sub(1);
                if let Some(truth) = truth {
                    truth.connected(device, None);
                }
            }
            Event::Lost => books.recorder.retries().connect(cohort).lost += 1,
            Event::Back(after) => books.recorder.retries().back(cohort, after),
            Event::Ready => books.gauges.ready += 1,
            Event::GaveUp => {
                books.gauges.gave_up += 1;
                books.recorder.retries().connect(cohort).give_ups += u64::from(connect_counts);
            }
            Event::Gone => books.gauges.gone += 1,
            Event::ConnectRetry(wait) => books.recorder.retries().connect(cohort).retry(wait),
            Event::ReportRetry(wait) => books.recorder.retries().twin.retry(wait),
            Event::ReportDropped => {
                books.recorder.counters().reports_dropped += 1;
                books.recorder.retries().twin.give_ups += 1;
            }
            Event::Failed(text) => books.failures.note(Failure { text, count: 1, local: false }),
            Event::Starved(text) => books.failures.note(Failure { text: text.to_owned(), count: 1, local: true }),
            Event::Sample(series, duration) => {
                if let Series::Connect | Series::ConnectError = series {
                    worker.pace.borrow_mut().ended(now, duration, series == Series::Connect);
                }
                books.recorder.record(series, duration);
            }
            Event::Published { status, present } => {
                books.recorder.retries().twin.attempts += u64::from(report_counts);
                if let Some(before) = self.shows.replace(status) {
                    let stage = &mut books.gauges.stages[before as usize];
                    *stage = stage.saturating_sub(1);
                }
                books.gauges.stages[status as usize] += 1;
                // An earlier update's report must not enter the slot of the present one.
                if let Some(truth) = truth.filter(|_| present) {
                    truth.published(device, status, now);
                }
            }
            Event::Message(kind, fate) => {
                let counts = books.recorder.messages(kind);
                let count = match fate {
                    Fate::Sent => &mut counts.sent,
                    Fate::Resent => &mut counts.resent,
                    Fate::Acknowledged => &mut counts.acknowledged,
                    Fate::Lost => &mut counts.lost,
                    Fate::Unconfirmed => &mut counts.unconfirmed,
                };
                *count += 1;
                if let (MessageKind::Telemetry, Fate::Sent, Some(truth)) = (kind, fate, truth) {
                    truth.telemetry_sent(device);
                }
            }
            Event::TelemetryLost(seq) => {
                if let Some(truth) = truth {
                    truth.telemetry_lost(device, seq);
                }
            }
            Event::TelemetryLeftOut(count) => books.recorder.messages(MessageKind::Telemetry).left_out += count,
            Event::TelemetryDropped(count) => books.recorder.messages(MessageKind::Telemetry).dropped += count,
            Event::HandedOver(status) => {
                if let Some(truth) = truth {
                    truth.handed_over(device, status);
                }
            }
            Event::Received { update_id } => {
                self.told |= CALLED;
                self.told = if worker.is_settling(now) { self.told | SETTLES } else { self.told & !SETTLES };
                if let Some(truth) = truth {
                    truth.received(device, &update_id, now);
                }
            }
            Event::Chose(delay) => {
                if let Some(truth) = truth {
                    truth.chose(device, delay);
                }
            }
            Event::Accepted => {
                if truth.is_some_and(|truth| truth.accepted(device)) {
                    let device = worker.settings.ids.id(device);
                    let transition = "accepted while the device was still at another update".to_owned();
                    let example = Violation { device, update: String::new(), transition };
                    books.recorder.invariants().violated(Invariant::OneAtATime, 1, example);
                }
            }
            Event::Done => {
                if let Some(truth) = truth {
                    truth.done(device);
                }
            }
            Event::FailedItself => {
                if let Some(truth) = truth {
                    truth.failed_itself(device);
                }
            }
            Event::Injected(fault) => {
                // What afflicts a device struck it when that began, and lets its update go on once it is over.
                let kind = worker.settings.faults.get(fault).map(|fault| &fault.kind);
                let strikes =
                    kind.is_some_and(|kind| matches!(kind.place(), Place::Call | Place::Device | Place::Report));
                let terminal = strikes && kind.is_some_and(FaultKind::is_terminal);
                let counts = truth.is_none_or(|truth| truth.injected(device, fault, terminal));
                if strikes {
                    books.recorder.strike(fault);
                    if !counts {
                        books.recorder.too_late(fault);
                    }
                }
            }
            Event::Downloaded { bytes, resumes, failed } => {
                let images = &mut books.recorder.counters().images;
                images.downloads += 1;
                images.bytes += bytes;
                images.resumes += u64::from(resumes);
                images.failed += u64::from(failed);
            }
            Event::Afflicted(fault) => {
                books.recorder.strike(fault);
                if let Some(truth) = truth {
                    truth.afflicted(device, fault);
                }
            }
            Event::Relieved(fault, after) => {
                books.recorder.recovery(fault, after);
                if let Some(truth) = truth {
                    truth.relieved(device, fault);
                }
            }
            Event::Found(fault, after) => books.recorder.found(fault, after),
            Event::LostUnexplained => books.recorder.counters().losses_unexplained += 1,
            Event::Trace(event) => {
                if let Some(tracer) = &worker.tracer {
                    tracer.note(device, now, || event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::device::FleetPlan;
    use crate::device::fleet::tests::plan;
    use crate::device::workers::Worker;
    use crate::policy::FirmwareStatus;

    #[test]
    fn what_devices_do_while_a_hub_settles_is_in_no_figure() {
        let worker = Worker::for_tests(plan(([127, 0, 0, 1], 1).into(), 1));
        let mut task = Task::new(Rc::clone(&worker), 0);
        let at = |second| Nanos::ZERO + Duration::from_secs(second);
        worker.load_start.set(Some(at(10)));
        worker.measured_from.set(at(20));
        let samples = [Series::TwinAck(FirmwareStatus::Applying), Series::ImageDownload, Series::ImageDownloadError];
        // Called at, looked at: what an update does belongs to when it was called.
        for (called, second, counted) in [(9, 9, 1), (9, 12, 1), (10, 12, 0), (19, 25, 0), (20, 25, 1)] {
            task.note(at(called), Event::Received { update_id: "u".to_owned() });
            task.note(at(second), Event::Sample(Series::Ping, Duration::from_millis(5)));
            for series in samples {
                task.note(at(second), Event::Sample(series, Duration::from_millis(5)));
            }
            task.note(at(second), Event::Published { status: FirmwareStatus::Applying, present: true });
            task.note(at(second), Event::ReportThrottled);
            task.note(at(second), Event::ReportDropped);
            task.note(at(second), Event::Downloaded { bytes: 7, resumes: 1, failed: true });
            let measured = worker.books.borrow_mut().recorder.take();
            let pinged = measured.series.get(&Series::Ping).map_or(0, |data| data.count());
            assert_eq!(pinged, u64::from(!(10..20).contains(&second)), "at {second} s");
            for series in samples {
                let count = measured.series.get(&series).map_or(0, |data| data.count());
                assert_eq!(count, counted, "{series:?} at {second} s");
            }
            let twin = &measured.retries.twin;
            assert_eq!([twin.attempts, twin.throttled, twin.give_ups], [counted; 3], "at {second} s");
            let images = measured.counters.images;
            assert_eq!((images.downloads, images.bytes, images.failed), (counted, 7 * counted, counted));
            assert_eq!(measured.counters.reports_dropped, counted);
        }
    }
    #[test]
    fn what_devices_report_as_they_come_online_is_no_part_of_a_load_that_settles() {
        for (load_settles, counted) in [(true, 0), (false, 1)] {
            let one = plan(([127, 0, 0, 1], 1).into(), 1);
            let worker = Worker::for_tests(FleetPlan { load_settles, ..one });
            let mut task = Task::new(Rc::clone(&worker), 0);
            let at = |second| Nanos::ZERO + Duration::from_secs(second);
            let report = |task: &mut Task<_>, second| {
                task.note(at(second), Event::Published { status: FirmwareStatus::StandBy, present: true });
                task.note(at(second), Event::ReportThrottled);
                let twin = worker.books.borrow_mut().recorder.take().retries.twin;
                [twin.attempts, twin.throttled]
            };
            assert_eq!(report(&mut task, 1), [counted; 2]);
            worker.load_start.set(Some(at(10)));
            worker.measured_from.set(at(20));
            task.note(at(21), Event::Received { update_id: "u".to_owned() });
            assert_eq!(report(&mut task, 22), [1; 2]);
        }
    }
}
