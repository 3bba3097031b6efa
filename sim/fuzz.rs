//! What a fuzzer may throw bytes at, by name. `tests/fuzz/run` does, and the test here replays what it has collected.
//! Built for tests and fuzzers only.

#![expect(clippy::panic, reason = "a target fails by panicking")]

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::dialect::azure::{FromDevice, FromHub, Key, MessageProperties, SasToken, Username, is_device_id};
use crate::{hub, mqtt};

/// A target: it panics if something that always holds does not hold for these bytes.
pub type Target = fn(&[u8]);

/// All targets; each has a folder of its name in `tests/fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("configurations", hub::fuzz::configurations),
    ("digital-twins", hub::fuzz::digital_twins),
    ("message-properties", message_properties),
    ("mqtt-connect", mqtt::fuzz::connect),
    ("mqtt-packets", mqtt::fuzz::packets),
    ("queries", hub::fuzz::queries),
    ("sas-tokens", sas_tokens),
    ("topics", topics),
    ("twin-patches", hub::fuzz::twin_patches),
    ("usernames", usernames),
    ("websocket-frames", mqtt::fuzz::websocket),
];

/// The target `name`.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// A user name that is read names a device, and the plainest form of it is read as the same.
fn usernames(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(username) = Username::parse(text) else { return };
    assert!(is_device_id(&username.device), "{username:?}");
    if username.module.is_none() {
        let plain = format!("{}/{}/?api-version=2021-04-12", username.host, username.device);
        let again = Username::parse(&plain).unwrap_or_else(|error| panic!("{plain}: {error}"));
        assert_eq!((again.host, again.device, again.module), (username.host, username.device, None));
    }
}

/// Any text is read or refused, and as a resource it is signed, read back, and covered by its own token alone.
fn sas_tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (key, other) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
    if let Ok(token) = SasToken::parse(text) {
        assert!(!token.is_signed_by(&other), "nobody guesses a key");
        let (host, path) = token.resource.split_once('/').unwrap_or((&token.resource, ""));
        assert!(token.covers(host, path.trim_end_matches('/')), "{token:?}");
        let _ = token.is_expired(Timestamp::UNIX_EPOCH);
    }
    let signed = SasToken::sign(text, Timestamp::MAX, None, &key);
    let token = SasToken::parse(&signed).unwrap_or_else(|error| panic!("{signed}: {error}"));
    assert_eq!(token.resource, text);
    assert!(token.is_signed_by(&key) && !token.is_signed_by(&other));
}

/// A topic that is read and written anew is read as the same.
fn topics(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(topic) = FromDevice::parse(text) {
        assert_eq!(FromDevice::parse(&topic.to_string()), Some(topic));
    }
    if let Some(topic) = FromHub::parse(text) {
        assert_eq!(FromHub::parse(&topic.to_string()), Some(topic));
    }
}

/// Whatever a device calls the properties of a message, written plainly they read as the same.
fn message_properties(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let properties = MessageProperties::parse(text);
    assert!(MessageProperties::size(text) <= text.len());
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = properties.application.iter().map(|(name, value)| match value {
        Some(value) => format!("{}={}", encode(name), encode(value)),
        None => encode(name),
    });
    let plain = pairs.collect::<Vec<_>>().join("&");
    assert_eq!(MessageProperties::parse(&plain).application, properties.application);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files that are kept for the target `name`.
    fn kept(name: &str, folder: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder).join(name);
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn what_fuzzers_have_found_stays_mended() {
        for (name, target) in TARGETS {
            let corpus = kept(name, "corpus");
            assert!(corpus.len() > 3, "{name} has a corpus to begin with");
            for data in corpus.into_iter().chain(kept(name, "regressions")) {
                for end in [data.len(), data.len() / 2, data.len().saturating_sub(1)] {
                    target(&data[..end]);
                }
            }
        }
        assert!(target("queries").is_some() && target("nothing").is_none());
    }
}
