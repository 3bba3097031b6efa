//! `histograms.hlog`: one histogram per second and series, in the log format of HdrHistogram.

use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};

use super::{ReportError, Reporter, hdr};
use crate::measure::RunResult;

/// `histograms.hlog`: tags are series, values are nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct HistogramLog;

/// The readable column of maxima is in milliseconds, which the public tools expect of values in nanoseconds.
const NANOS_PER_MILLI: f64 = 1e6;

impl Reporter for HistogramLog {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let mut bytes = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let start = SystemTime::from(result.started_at);
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(&format!("[twinstorm {} {}; values in nanoseconds]", result.version, result.name))
            .with_start_time(start)
            .with_base_time(start)
            .with_max_value_divisor(NANOS_PER_MILLI)
            .begin_log_with(&mut bytes, &mut serializer)?;
        for interval in &result.intervals {
            let begin = seconds(interval.t_s - interval.length_s);
            for (series, text) in &interval.hdr {
                let histogram = hdr::decode(text, 0)?.histogram;
                // Names of series have nothing in them that a tag must not have.
                log.write_histogram(&histogram, begin, seconds(interval.length_s), Tag::new(series)).map_err(
                    |error| match error {
                        IntervalLogWriterError::SerializeError(error) => ReportError::Pack(error),
                        IntervalLogWriterError::IoError(error) => ReportError::Log(error),
                    },
                )?;
            }
        }
        Ok(bytes)
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::DecodeError;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn the_log_reads_back_with_tags_and_times() {
        let result = sample();
        let bytes = HistogramLog.render(&result).unwrap();
        let entries: Vec<LogEntry<'_>> = IntervalLogIterator::new(&bytes).map(Result::unwrap).collect();
        let [LogEntry::StartTime(start), LogEntry::BaseTime(base), intervals @ ..] = &entries[..] else {
            panic!("{entries:?}")
        };
        assert_eq!((start, start.as_secs() as i64), (base, result.started_at.as_second()));
        let read: Vec<(&str, u64, u64)> = intervals
            .iter()
            .map(|entry| {
                let LogEntry::Interval(interval) = entry else { panic!("{entry:?}") };
                let data = hdr::decode(interval.encoded_histogram(), 0).unwrap();
                assert_eq!(interval.duration(), Duration::from_secs(1));
                (interval.tag().unwrap().as_str(), interval.start_timestamp().as_secs(), data.count())
            })
            .collect();
        assert_eq!(read, [("connect", 0, 3), ("method.response", 1, 2), ("update.total", 1, 1)]);
    }

    #[test]
    fn a_damaged_histogram_is_an_error() {
        let mut result = sample();
        result.intervals[0].hdr.insert("connect".to_owned(), "?".to_owned());
        let error = HistogramLog.render(&result).unwrap_err();
        assert!(matches!(error, ReportError::Base64(DecodeError::InvalidByte(0, b'?'))), "{error}");
    }
}
