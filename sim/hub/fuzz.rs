//! What holds for any query, any patch of a twin and any content of a configuration.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a target fails by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::configurations::{Content, ContentBody};
use super::partition::{Partition, Registration};
use super::query::{Plan, Select, Source, parse};
use super::tracking::TrackingIds;
use super::twin::{Properties, Twin, TwinPatch, digital_patch, digital_twin};
use super::{HubDelays, HubIdentity};
use crate::time::{Nanos, WallClock};

/// The largest tags and properties, in bytes as 3.3 counts them.
const MAX_TAGS: usize = 8 * 1024;
const MAX_PROPERTIES: usize = 32 * 1024;

/// Two devices, of which one has something of everything.
fn fleet() -> Partition {
    let identity = Arc::new(HubIdentity::generate("h").unwrap());
    let wall = WallClock::new(Timestamp::from_second(1_000_000).unwrap());
    let mut partition = Partition::new(identity, HubDelays::default(), wall, TrackingIds::new(0));
    let twin = json!({
        "tags": {"site": {"floor": 3, "name": "a\"b"}},
        "properties": {"desired": {"s": "on", "n": 2.5, "i": -3, "b": true, "o": {"x": [1, {"y": null}]}, "\u{e4}": ""}},
    });
    // No null may stand in an array: this one is left out.
    let twin = TwinPatch::parse(twin.to_string().replace("null", "0").as_bytes()).unwrap();
    let rich = Registration { twin, ..Registration::default() };
    partition.create(Nanos::ZERO, "a-1", rich).unwrap();
    partition.create(Nanos::new(1_000_000), "b", Registration::default()).unwrap();
    partition
}

/// A query is refused, or answered with JSON; and whichever index answers it, the answer is the same.
pub(crate) fn queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(query) = parse(text) else { return };
    let partition = fleet();
    let plan = Plan::new(query);
    let answer = |plan: &Plan| {
        let slice = partition.search(plan, None, 100);
        let mut rows: Vec<String> = slice.rows().map(|(_, row)| row.to_owned()).collect();
        if let Select::Groups(grouping) = &plan.select {
            rows.extend(slice.groups.rows(grouping));
        }
        rows.sort_unstable();
        rows
    };
    let rows = answer(&plan);
    for row in &rows {
        assert!(serde_json::from_str::<Map<String, Value>>(row).is_ok(), "not an object: {row}");
    }
    let scan = Plan { source: Source::Range { first: String::new(), last: None }, ..plan };
    assert_eq!(answer(&scan), rows, "an index left something out");
}

/// Each line is a patch. It is refused and changes nothing, or it is merged: as 3.3 says, within the limits, and a
/// second time to no effect.
pub(crate) fn twin_patches(data: &[u8]) {
    let at = Timestamp::from_second(1_000_000).unwrap();
    let mut twin = Twin::new(at);
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(patch) = TwinPatch::parse(line) {
            service_writes(&mut twin, &patch, at);
        }
        let _ = TwinPatch::parse_change(line);
        if let Ok(Value::Object(patch)) = serde_json::from_slice(line) {
            device_reports(&mut twin, &patch, at);
        }
        within_limits(&twin);
    }
}

/// Each line is a JSON patch. It is refused and changes nothing, or it changes a twin within its limits, which then has
/// a digital twin.
pub(crate) fn digital_twins(data: &[u8]) {
    let at = Timestamp::from_second(1_000_000).unwrap();
    let mut twin = Twin::new(at);
    let reported = json!({"thermostat": {"__t": "c", "max": 30}, "interval": {"value": 4, "ac": 200, "av": 1}});
    device_reports(&mut twin, reported.as_object().unwrap(), at);
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(patch) = serde_json::from_slice(line) else { continue };
        let Ok(desired) = digital_patch(&patch, &twin) else { continue };
        service_writes(&mut twin, &TwinPatch { tags: None, desired: Some(desired) }, at);
        within_limits(&twin);
        let document = digital_twin("d", Some("dtmi:a;1"), &twin);
        assert!(document["$metadata"]["thermostat"].is_null() && document["thermostat"]["max"] == 30, "{document}");
    }
}

/// Content is refused, or each of its patches fits a new twin.
pub(crate) fn configurations(data: &[u8]) {
    let at = Timestamp::from_second(1_000_000).unwrap();
    let Ok(body) = serde_json::from_slice::<ContentBody>(data) else { return };
    let patches = match body.read() {
        Ok(Content::Twins(_, patch)) => vec![patch],
        Ok(Content::Modules(modules)) => modules.into_iter().map(|(_, patch)| patch).collect(),
        Err(_) => return,
    };
    for patch in patches {
        let mut twin = Twin::new(at);
        twin.merge(&patch, at).unwrap();
        within_limits(&twin);
    }
}

fn service_writes(twin: &mut Twin, patch: &TwinPatch, at: Timestamp) {
    let before = twin.clone();
    if twin.merge(patch, at).is_err() {
        assert_eq!(*twin, before, "a refused patch changes nothing");
        return;
    }
    assert_eq!(parsed(twin.tags()), merged(&parsed(before.tags()), patch.tags.as_ref()));
    assert_eq!(parsed(twin.desired.text()), merged(&parsed(before.desired.text()), patch.desired.as_ref()));
    let mut again = twin.clone();
    again.merge(patch, at).unwrap();
    assert_eq!((again.tags(), again.desired.text()), (twin.tags(), twin.desired.text()));
    let mut replaced = twin.clone();
    if replaced.replace(patch, at).is_ok() {
        assert_eq!(parsed(replaced.desired.text()), merged(&json!({}), patch.desired.as_ref()));
        within_limits(&replaced);
    }
}

fn device_reports(twin: &mut Twin, patch: &Map<String, Value>, at: Timestamp) {
    let Ok(reported) = twin.reported.merged(patch, at) else { return };
    assert_eq!(parsed(reported.text()), merged(&parsed(twin.reported.text()), Some(patch)));
    assert_eq!(reported.version(), twin.reported.version() + 1);
    assert_eq!(reported.merged(patch, at).unwrap().text(), reported.text());
    twin.reported = reported;
}

fn within_limits(twin: &Twin) {
    let tags = parsed(twin.tags());
    assert!(!holds_null(&tags) && counted(&tags) <= MAX_TAGS, "{tags}");
    for properties in [&twin.desired, &twin.reported] {
        let document = parsed(properties.text());
        assert!(!holds_null(&document) && counted(&document) <= MAX_PROPERTIES, "{document}");
        same_shape(&document, &parsed(properties.metadata()));
        whole_document(properties);
    }
    let mut body = String::new();
    twin.write_for_device(&mut body);
    parsed(&body);
}

fn whole_document(properties: &Properties) {
    let mut text = String::new();
    properties.write(&mut text);
    assert_eq!(parsed(&text)["$version"], properties.version());
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What 3.3 says of merging, written as plainly as can be.
fn merged(document: &Value, patch: Option<&Map<String, Value>>) -> Value {
    let mut result = document.as_object().cloned().unwrap_or_default();
    for (key, value) in patch.into_iter().flatten() {
        match value {
            Value::Null => drop(result.remove(key)),
            Value::Object(patch) => {
                let inner = merged(result.get(key).unwrap_or(&Value::Null), Some(patch));
                result.insert(key.clone(), inner);
            }
            other => drop(result.insert(key.clone(), other.clone())),
        }
    }
    Value::Object(result)
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(object) => object.values().any(holds_null),
        _ => false,
    }
}

/// The size as 3.3 counts it.
fn counted(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum(),
        Value::Array(items) => items.iter().map(counted).sum(),
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + counted(value)).sum(),
    }
}

/// Metadata have the keys of their document at every level, and the hub's own.
fn same_shape(document: &Value, metadata: &Value) {
    let metadata = metadata.as_object().unwrap();
    let empty = Map::new();
    let document = document.as_object().unwrap_or(&empty);
    let users = metadata.keys().filter(|key| !key.starts_with('$'));
    assert!(users.eq(document.keys()) && metadata.contains_key("$lastUpdated"), "{document:?} {metadata:?}");
    for (key, value) in document {
        same_shape(value, &metadata[key]);
    }
}
