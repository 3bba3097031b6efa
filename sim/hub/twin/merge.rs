//! Merges a patch into a document (3.3) as text: what the patch does not touch is copied as it stands.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::hub::json::write_text;

/// An empty object.
const EMPTY: &str = "{}";

/// A document and its metadata: two compact JSON objects whose keys are sorted, as a merge leaves them.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) document: String,
    pub(super) metadata: String,
}

impl Merged {
    /// `patch` merged into `document`: objects recursively, null deletes, all else replaces. Everything that is
    /// touched gets `stamp`, the members of its metadata; what is deleted loses its metadata, and its parent's says
    /// that something went. A document without metadata has `{}` for them.
    pub(super) fn new(document: &str, metadata: &str, patch: &Map<String, Value>, stamp: &str) -> Self {
        let mut merged = Self {
            document: String::with_capacity(document.len() + 128),
            metadata: String::with_capacity(metadata.len() + 128),
        };
        merged.object(document, metadata, patch, stamp);
        merged
    }

    fn object(&mut self, document: &str, metadata: &str, patch: &Map<String, Value>, stamp: &str) {
        self.document.push('{');
        self.metadata.push('{');
        self.metadata.push_str(stamp);
        let document = members(document);
        let metadata = members(metadata);
        // Both have the same keys, but that the metadata hold the hub's own besides.
        let mut metadata = metadata.iter().filter(|(key, _)| !key.starts_with('$'));
        let mut present = document
            .iter()
            .map(|(key, text)| (key, *text, metadata.next().map_or(EMPTY, |(_, text)| *text)))
            .peekable();
        let mut changes = patch.iter().peekable();
        loop {
            let order = match (present.peek(), changes.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((present, ..)), Some((changed, _))) => (***present).cmp(changed),
            };
            let before = if order.is_le() { present.next() } else { None };
            let change = if order.is_ge() { changes.next() } else { None };
            match (before, change) {
                (Some((key, text, metadata)), None) => {
                    self.key(key);
                    self.document.push_str(text);
                    self.metadata.push_str(metadata);
                }
                (before, Some((key, Value::Object(patch)))) => {
                    self.key(key);
                    // What was no object goes, and its metadata with it.
                    let before = before.filter(|(_, text, _)| text.starts_with('{'));
                    let (text, metadata) = before.map_or((EMPTY, EMPTY), |(_, text, metadata)| (text, metadata));
                    self.object(text, metadata, patch, stamp);
                }
                (_, None | Some((_, Value::Null))) => {}
                (_, Some((key, value))) => {
                    self.key(key);
                    // A string takes everything.
                    let _ = write!(self.document, "{value}");
                    self.metadata.extend(["{", stamp, "}"]);
                }
            }
        }
        self.document.push('}');
        self.metadata.push('}');
    }

    fn key(&mut self, key: &str) {
        for out in [&mut self.document, &mut self.metadata] {
            if !out.ends_with('{') {
                out.push(',');
            }
            write_text(key, out);
            out.push(':');
        }
    }
}

/// The members of an object: keys, and values as they are written.
fn members(text: &str) -> Vec<(Cow<'_, str>, &str)> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Nothing but what was written here is read here.
    deserializer.deserialize_map(Members).unwrap_or_default()
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            members.push((key, value.get()));
        }
        Ok(members)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
