//! What a device reported, as far as the observer looks at it: the last value of each key, and when it came.

use std::borrow::Cow;
use std::fmt::{self, Write};

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::hub::json::write_text;
use crate::time::rfc3339;

/// Bytes that the keys and values of a device may have in all (3.3), and a patch alone.
const MAX_BYTES: usize = 32 * 1024;
/// Keys that a device may have.
const MAX_KEYS: usize = 100;

/// The reported properties of a device. Objects are replaced and not merged, which nobody's firmware workflow needs.
#[derive(Debug)]
pub(super) struct Reported {
    entries: Vec<Entry>,
    version: u64,
    updated: i64,
}

#[derive(Debug)]
struct Entry {
    key: Box<str>,
    /// JSON, as it came.
    value: String,
    /// In microseconds of Unix time, as all times here.
    at: i64,
}

/// A patch, read no further than its keys.
struct Patch<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Patch<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Patch<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut patch = Vec::with_capacity(8);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    patch.push((key, value));
                }
                Ok(Patch(patch))
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

impl Reported {
    /// Those of a device that has reported nothing.
    pub(super) const fn new(at: i64) -> Self {
        Self { entries: Vec::new(), version: 1, updated: at }
    }

    /// When they last changed.
    pub(super) const fn updated(&self) -> i64 {
        self.updated
    }

    /// Keeps what `patch` says, and gives `$version`; why not, if it is of no use.
    pub(super) fn merge(&mut self, patch: &[u8], at: i64) -> Result<u64, &'static str> {
        if patch.len() > MAX_BYTES {
            return Err("the patch has more than 32 KiB");
        }
        let Patch(patch) = serde_json::from_slice(patch).map_err(|_| "the patch is no JSON object")?;
        self.has_room(&patch)?;
        for (key, value) in patch {
            let value = value.get();
            let place = self.entries.iter().position(|entry| *entry.key == *key);
            match place {
                Some(place) if value == "null" => drop(self.entries.swap_remove(place)),
                Some(place) => {
                    let entry = &mut self.entries[place];
                    entry.value.clear();
                    entry.value.push_str(value);
                    entry.at = at;
                }
                None if value == "null" => {}
                None => self.entries.push(Entry { key: key.into(), value: value.to_owned(), at }),
            }
        }
        self.version += 1;
        self.updated = at;
        Ok(self.version)
    }

    /// Whether there is room for what `patch` adds to those keys that it says nothing of. A key that it names twice counts
    /// twice.
    fn has_room(&self, patch: &[(Cow<'_, str>, &RawValue)]) -> Result<(), &'static str> {
        let stays = |entry: &&Entry| patch.iter().all(|(key, _)| **key != *entry.key);
        let kept = self.entries.iter().filter(stays).map(|entry| entry.key.len() + entry.value.len());
        let added = patch.iter().filter(|(_, value)| value.get() != "null");
        let sizes = kept.chain(added.map(|(key, value)| key.len() + value.get().len()));
        match sizes.fold((0, 0), |(keys, bytes), size| (keys + 1, bytes + size)) {
            (keys, _) if keys > MAX_KEYS => Err("there are more than 100 keys"),
            (_, bytes) if bytes > MAX_BYTES => Err("keys and values have more than 32 KiB"),
            _ => Ok(()),
        }
    }

    /// Writes them as a service reads them (3.2).
    pub(super) fn write(&self, stamps: &mut Stamps, out: &mut String) {
        self.write_entries(out);
        out.push_str("\"$metadata\":{\"$lastUpdated\":\"");
        out.push_str(stamps.of(self.updated));
        out.push('"');
        for entry in &self.entries {
            out.push(',');
            write_text(&entry.key, out);
            out.extend([":{\"$lastUpdated\":\"", stamps.of(entry.at), "\"}"]);
        }
        out.push_str("},");
        self.write_version(out);
    }

    /// Writes them as a device reads them (3.1).
    pub(super) fn write_for_device(&self, out: &mut String) {
        self.write_entries(out);
        self.write_version(out);
    }

    fn write_entries(&self, out: &mut String) {
        out.push('{');
        for Entry { key, value, .. } in &self.entries {
            write_text(key, out);
            out.extend([":", value, ","]);
        }
    }

    fn write_version(&self, out: &mut String) {
        // A string takes everything.
        let _ = write!(out, "\"$version\":{}}}", self.version);
    }
}

/// Times in words. What one patch brought has one time, so the last is kept.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    at: i64,
    text: String,
}

impl Stamps {
    fn of(&mut self, at: i64) -> &str {
        if self.text.is_empty() || self.at != at {
            self.at = at;
            self.text = rfc3339(Timestamp::from_microsecond(at).unwrap_or_default());
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::azure::read_report;
    use crate::policy::FirmwareStatus;

    fn written(reported: &Reported) -> String {
        let mut out = String::new();
        reported.write(&mut Stamps::default(), &mut out);
        out
    }

    #[test]
    fn the_observer_reads_what_was_reported_and_when() {
        let mut reported = Reported::new(0);
        assert_eq!(written(&reported), r#"{"$metadata":{"$lastUpdated":"1970-01-01T00:00:00.000000Z"},"$version":1}"#);
        let patch =
            br#"{"firmwareStatus":"downloading","downloadComplete":"x","updateId":"u-1","gone":1,"k\"ey":[1, 2]}"#;
        assert_eq!(reported.merge(patch, 1_000_000), Ok(2));
        assert_eq!(reported.merge(br#"{"firmwareStatus":"applying","gone":null,"never":null}"#, 2_000_000), Ok(3));
        let report = read_report("d", &written(&reported), None).unwrap();
        assert_eq!((report.status, report.version), (Some(Ok(FirmwareStatus::Applying)), 3));
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        assert_eq!((report.last_updated, report.status_time, report.key_times[1]), (at(2), at(2), at(1)));
        assert_eq!(report.update_id.as_deref(), Some("u-1"));
        let mut out = String::new();
        reported.write_for_device(&mut out);
        let document: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&document["$version"], &document["k\"ey"][1], &document["gone"]),
            (&3.into(), &2.into(), &().into())
        );
    }

    #[test]
    fn a_patch_of_no_use_changes_nothing() {
        let mut reported = Reported::new(0);
        let keys: Vec<String> = (0..=MAX_KEYS).map(|key| format!("\"{key}\":1")).collect();
        let many = format!("{{{}}}", keys.join(","));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BYTES));
        for patch in ["", "[]", "{", "{\"a\":}", "null", &many, &long] {
            assert!(reported.merge(patch.as_bytes(), 1).is_err(), "{patch}");
        }
        assert_eq!((reported.version, reported.updated(), reported.entries.len()), (1, 0, 0));
    }

    #[test]
    fn only_new_keys_count_and_all_values_together_have_a_bound() {
        let keys = |keys: std::ops::Range<usize>, value: &str| {
            let keys: Vec<String> = keys.map(|key| format!("\"{key:03}\":{value}")).collect();
            format!("{{{}}}", keys.join(","))
        };
        let mut reported = Reported::new(0);
        assert_eq!(reported.merge(keys(0..MAX_KEYS, "1").as_bytes(), 1), Ok(2));
        assert_eq!(reported.merge(keys(0..MAX_KEYS, "2").as_bytes(), 2), Ok(3), "there is no new one");
        assert_eq!(reported.merge(br#"{"new":1}"#, 3), Err("there are more than 100 keys"));
        assert_eq!(reported.merge(br#"{"new":1,"000":null,"never":null}"#, 3), Ok(4), "it takes the place of another");

        let mut reported = Reported::new(0);
        let half = format!("\"{}\"", "x".repeat(MAX_BYTES / 2));
        assert_eq!(reported.merge(keys(0..1, &half).as_bytes(), 1), Ok(2));
        assert!(reported.merge(keys(1..2, &half).as_bytes(), 2).is_err(), "together they have more");
        assert_eq!(reported.merge(keys(0..1, &half).as_bytes(), 3), Ok(3), "it replaces the other");
        assert_eq!(reported.merge(format!(r#"{{"000":null,"001":{half}}}"#).as_bytes(), 4), Ok(4));
        assert_eq!((reported.entries.len(), reported.updated()), (1, 4));
        let name = "k".repeat(MAX_BYTES / 2);
        assert!(reported.merge(format!(r#"{{"{name}":1}}"#).as_bytes(), 5).is_err(), "keys have a length too");
    }
}
