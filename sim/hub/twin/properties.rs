//! One document of a twin: desired or reported properties, with metadata.
//!
//! A document is kept as compact JSON text, metadata included, and read at each merge: that takes a fraction of the
//! memory of parsed maps. Reading and querying copy the text as it stands.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::limits::{self, Part, TwinError};
use super::merge::Merged;
use crate::time::rfc3339;

/// Desired or reported properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Properties {
    /// The user's keys and then `$metadata`, an object of the same shape: two compact JSON objects.
    texts: Box<str>,
    /// Where the metadata begin.
    metadata: u32,
    part: Part,
    version: u64,
    /// Microseconds of Unix time: times are kept as they are written, so that a reader who asks for "since then" means
    /// the same.
    updated: i64,
}

impl Properties {
    /// The properties of a new identity (3.2).
    pub(in crate::hub) fn new(part: Part, at: Timestamp) -> Self {
        let metadata = format!("{{{}}}", stamp(at, None));
        Self::of(part, &Merged { document: "{}".to_owned(), metadata }, 1, at)
    }

    fn of(part: Part, merged: &Merged, version: u64, at: Timestamp) -> Self {
        let Merged { document, metadata } = merged;
        Self {
            texts: [document.as_str(), metadata].concat().into(),
            // Bounded by the limits far below.
            metadata: u32::try_from(document.len()).unwrap_or(u32::MAX),
            part,
            version,
            updated: at.as_microsecond(),
        }
    }

    /// These properties with `patch` merged in (3.3): objects recursively, null deletes, all else replaces.
    pub(in crate::hub) fn merged(&self, patch: &Map<String, Value>, at: Timestamp) -> Result<Self, TwinError> {
        self.apply(self.text(), self.metadata(), patch, at)
    }

    /// These properties replaced by `document`.
    pub(in crate::hub) fn replaced(&self, document: &Map<String, Value>, at: Timestamp) -> Result<Self, TwinError> {
        self.apply("{}", "{}", document, at)
    }

    fn apply(
        &self,
        document: &str,
        metadata: &str,
        patch: &Map<String, Value>,
        at: Timestamp,
    ) -> Result<Self, TwinError> {
        limits::check(self.part, patch)?;
        let version = self.version + 1;
        // Desired properties name the version of each change too.
        let stamp = stamp(at, (self.part == Part::Desired).then_some(version));
        let merged = Merged::new(document, metadata, patch, &stamp);
        limits::check_size(self.part, &merged.document)?;
        Ok(Self::of(self.part, &merged, version, at))
    }

    /// The user's keys, compact JSON.
    pub(in crate::hub) fn text(&self) -> &str {
        self.texts.get(..self.metadata as usize).unwrap_or_default()
    }

    /// `$metadata`, compact JSON.
    pub(in crate::hub) fn metadata(&self) -> &str {
        self.texts.get(self.metadata as usize..).unwrap_or_default()
    }

    /// `$version`: 1 for a new identity, one more with each write.
    pub(in crate::hub) const fn version(&self) -> u64 {
        self.version
    }

    /// `$metadata.$lastUpdated`, in whole microseconds.
    pub(in crate::hub) fn updated(&self) -> Timestamp {
        Timestamp::from_microsecond(self.updated).unwrap_or_default()
    }

    /// [`Properties::updated`] in microseconds of Unix time.
    pub(in crate::hub) const fn updated_micros(&self) -> i64 {
        self.updated
    }

    /// Writes the document as a device reads it (3.1): with `$version`, without metadata.
    pub(in crate::hub) fn write_for_device(&self, out: &mut String) {
        self.write_open(out);
        self.write_version(out);
    }

    /// Writes the document as a service reads it (3.2).
    pub(in crate::hub) fn write(&self, out: &mut String) {
        self.write_open(out);
        out.extend(["\"$metadata\":", self.metadata(), ","]);
        self.write_version(out);
    }

    fn write_open(&self, out: &mut String) {
        out.push_str(self.text().strip_suffix('}').unwrap_or_default());
        if !out.ends_with('{') {
            out.push(',');
        }
    }

    fn write_version(&self, out: &mut String) {
        // A string takes everything.
        let _ = write!(out, "\"$version\":{}}}", self.version);
    }
}

/// What a merge leaves in the metadata of everything that it touches.
fn stamp(at: Timestamp, version: Option<u64>) -> String {
    let at = rfc3339(at);
    match version {
        Some(version) => format!(r#""$lastUpdated":"{at}","$lastUpdatedVersion":{version}"#),
        None => format!(r#""$lastUpdated":"{at}""#),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn document(properties: &Properties) -> Value {
        let mut out = String::new();
        properties.write(&mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn a_new_document_reads_as_the_hub_s() {
        let properties = Properties::new(Part::Reported, at(0));
        assert_eq!(
            document(&properties),
            json!({"$metadata": {"$lastUpdated": "1970-01-01T00:00:00.000000Z"}, "$version": 1})
        );
        let mut out = String::new();
        properties.write_for_device(&mut out);
        assert_eq!(out, r#"{"$version":1}"#);
    }

    #[test]
    fn a_merge_stamps_every_level_it_touches_and_no_other() {
        let first = Properties::new(Part::Desired, at(0))
            .merged(&map(&json!({"a": {"b": 1, "c": {"d": 2}}, "e": [1, 2]})), at(1))
            .unwrap();
        let second = first.merged(&map(&json!({"a": {"c": {"d": null}}, "f": 1.0})), at(2)).unwrap();
        let (t1, t2) = ("1970-01-01T00:00:01.000000Z", "1970-01-01T00:00:02.000000Z");
        let (s1, s2) = (
            json!({"$lastUpdated": t1, "$lastUpdatedVersion": 2}),
            json!({"$lastUpdated": t2, "$lastUpdatedVersion": 3}),
        );
        assert_eq!(
            document(&second),
            json!({
                "a": {"b": 1, "c": {}}, "e": [1, 2], "f": 1.0,
                "$metadata": {
                    "$lastUpdated": t2, "$lastUpdatedVersion": 3,
                    "a": {"$lastUpdated": t2, "$lastUpdatedVersion": 3, "b": s1, "c": s2},
                    "e": s1, "f": s2,
                },
                "$version": 3,
            })
        );
        assert!(second.text().contains("1.0"), "numbers stay as written: {}", second.text());
    }

    #[test]
    fn a_refused_patch_changes_nothing_and_a_replacement_wipes() {
        let first = Properties::new(Part::Reported, at(0)).merged(&map(&json!({"a": 1})), at(1)).unwrap();
        let big: Value = (0..9).map(|n| (n.to_string(), json!("x".repeat(4000)))).collect::<Map<_, _>>().into();
        assert!(matches!(first.merged(&map(&big), at(2)), Err(TwinError::Size { .. })));
        let replaced = first.replaced(&map(&json!({"b": {"c": null}})), at(3)).unwrap();
        assert_eq!((replaced.text(), replaced.version()), (r#"{"b":{}}"#, 3));
        assert!(!replaced.metadata().contains("\"a\""));
    }

    /// What 3.3 says of merging, written as plainly as can be.
    fn model(document: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut result = document.as_object().cloned().unwrap_or_default();
        for (key, value) in patch {
            if value.is_null() {
                result.remove(key);
            } else {
                let merged = model(result.get(key).unwrap_or(&Value::Null), value);
                result.insert(key.clone(), merged);
            }
        }
        Value::Object(result)
    }

    /// The keys of every level, `$` elements left out.
    fn shape(value: &Value) -> Value {
        match value {
            Value::Object(object) => object
                .iter()
                .filter(|(key, _)| !key.starts_with('$'))
                .map(|(key, value)| (key.clone(), shape(value)))
                .collect(),
            _ => json!({}),
        }
    }

    fn patches() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9..9).prop_map(Value::from),
            "[a-z\"{}\n]{0,3}".prop_map(Value::from),
            Just(json!([1, {"a": 2}])),
        ];
        let tree = leaf.prop_recursive(3, 12, 3, |inner| {
            prop::collection::btree_map("[a-b!\"\u{e4}]", inner, 0..3)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
        });
        prop::collection::btree_map("[a-b!\"\u{e4}]", tree, 0..3)
            .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into())
    }

    proptest! {
        #[test]
        fn merging_agrees_with_a_naive_model(patches in prop::collection::vec(patches(), 1..8)) {
            let mut properties = Properties::new(Part::Reported, at(0));
            let mut expected = json!({});
            for (n, patch) in patches.iter().enumerate() {
                let now = at(i64::try_from(n).unwrap() + 1);
                properties = properties.merged(&map(patch), now).unwrap();
                expected = model(&expected, patch);
                prop_assert_eq!(properties.text(), expected.to_string());
                let metadata: Value = serde_json::from_str(properties.metadata()).unwrap();
                prop_assert_eq!(shape(&metadata), shape(&expected));
                prop_assert_eq!(metadata["$lastUpdated"].as_str().unwrap(), rfc3339(now));
                prop_assert_eq!((properties.version(), properties.updated()), (u64::try_from(n).unwrap() + 2, now));
            }
        }
    }
}
