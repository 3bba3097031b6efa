//! Histograms as text: HdrHistogram's V2 form, deflated, in base64, as every HdrHistogram library reads it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::ReportError;
use crate::measure::SeriesData;

/// A series' samples as text; the count of saturated ones is no part of it.
///
/// # Errors
/// The histogram does not fit the format, which one of our bounds does.
pub fn encode(data: &SeriesData) -> Result<String, ReportError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&data.histogram, &mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// The text is damaged, or holds values that no series of ours can hold.
pub fn decode(text: &str, saturated: u64) -> Result<SeriesData, ReportError> {
    let bytes = STANDARD.decode(text)?;
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes)?;
    // Added to one of our own, so that whatever was read can be merged with others.
    let mut data = SeriesData { saturated, ..SeriesData::default() };
    data.histogram.add(histogram).map_err(|_| ReportError::Bounds)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_histogram_survives_writing_and_reading(micros in proptest::collection::vec(0..8_000_000_000_u64, 0..50)) {
            let mut data = SeriesData::default();
            micros.iter().for_each(|us| data.record(Duration::from_micros(*us)));
            let read = decode(&encode(&data).unwrap(), data.saturated).unwrap();
            prop_assert_eq!(&read, &data);
            let mut sum = data.clone();
            sum.merge(&read);
            prop_assert_eq!(sum.count(), 2 * data.count());
        }

        #[test]
        fn damaged_text_is_an_error(text in "[A-Za-z0-9+/]{0,80}") {
            prop_assert!(decode(&text, 0).is_err());
        }
    }
}
