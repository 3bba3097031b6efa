//! Telemetry, and connections that come and go: what devices do without being called.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delay, units};
use crate::time::Nanos;

/// What every device publishes on its own while the load goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// From one message to the next.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// Bytes of each.
    pub size: u32,
    /// How surely they go, 0 to 2.
    pub qos: u8,
}

/// Connections that are given up on purpose, and made anew, while the load goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// How long each lasts.
    pub up: Delay,
    /// How long it is until the next.
    pub down: Delay,
}

/// What a message begins with, so that its reader need not look at the rest.
const SEQ: &[u8] = br#"{"seq":"#;
const TIME: &[u8] = br#","t":"#;
const PADDING: &[u8] = br#","x":""#;
const END: &[u8] = br#""}"#;

impl Telemetry {
    /// The smallest size: what the largest number and the latest time take.
    pub const MIN_SIZE: u32 = (SEQ.len() + 10 + TIME.len() + 20 + PADDING.len() + END.len()) as u32;

    /// Message `seq` (counted from 0), due at `at`: JSON of exactly the size.
    #[must_use]
    pub fn message(&self, seq: u32, at: Nanos) -> Vec<u8> {
        let size = self.size as usize;
        let mut text = Vec::with_capacity(size);
        for part in [SEQ, seq.to_string().as_bytes(), TIME, at.get().to_string().as_bytes(), PADDING] {
            text.extend_from_slice(part);
        }
        text.resize(size.saturating_sub(END.len()).max(text.len()), b'.');
        text.extend_from_slice(END);
        text
    }

    /// Number and due time of a message; `None` if it is none of these.
    #[must_use]
    pub fn read(message: &[u8]) -> Option<(u32, Nanos)> {
        let (seq, rest) = number(message.strip_prefix(SEQ)?)?;
        let (at, _) = number(rest.strip_prefix(TIME)?)?;
        Some((u32::try_from(seq).ok()?, Nanos::new(at)))
    }
}

/// The number at the beginning, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry(size: u32) -> Telemetry {
        Telemetry { interval: Duration::from_secs(1), size, qos: 0 }
    }

    #[test]
    fn a_message_has_its_size_and_says_its_number_and_time() {
        for size in [Telemetry::MIN_SIZE, 256, 65_536] {
            for (seq, at) in [(0, 0), (17, 123_456_789), (u32::MAX, u64::MAX)] {
                let message = telemetry(size).message(seq, Nanos::new(at));
                assert_eq!(message.len(), size as usize);
                assert!(serde_json::from_slice::<serde_json::Value>(&message).is_ok());
                assert_eq!(Telemetry::read(&message), Some((seq, Nanos::new(at))));
            }
        }
    }

    #[test]
    fn what_is_no_message_of_ours_is_told() {
        for other in [&b""[..], b"{}", br#"{"seq":"1"}"#, br#"{"seq":1,"u":2}"#, br#"{"seq":99999999999,"t":1}"#] {
            assert_eq!(Telemetry::read(other), None);
        }
    }
}
