//! What the protocol's page says of twin documents (3.3).

use serde_json::{Map, Value};

/// Objects recursively, null deletes, all else replaces.
pub(super) fn merged(document: &Value, patch: &Map<String, Value>) -> Value {
    let mut result = document.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        let new = match value {
            Value::Null => None,
            Value::Object(patch) => Some(merged(result.get(key).unwrap_or(&Value::Null), patch)),
            other => Some(other.clone()),
        };
        match new {
            Some(new) => drop(result.insert(key.clone(), new)),
            None => drop(result.remove(key)),
        }
    }
    result.into()
}

/// Keys, texts, integers, depth, and no null in an array.
pub(super) fn legal(patch: &Map<String, Value>) -> bool {
    object(patch, 0)
}

fn object(object: &Map<String, Value>, depth: usize) -> bool {
    depth <= 10 && object.iter().all(|(key, inner)| legal_key(key) && (inner.is_null() || value(inner, depth)))
}

fn legal_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= 1024 && !key.chars().any(|c| c.is_control() || ".$# ".contains(c))
}

fn value(value_: &Value, depth: usize) -> bool {
    match value_ {
        Value::Null => false,
        Value::Bool(_) => true,
        Value::Number(number) => number.as_i64().map_or(number.is_f64(), |n| (-(1_i64 << 52)..1 << 52).contains(&n)),
        Value::String(text) => text.len() <= 4096,
        Value::Array(items) => items.iter().all(|item| value(item, depth)),
        Value::Object(inner) => object(inner, depth + 1),
    }
}

/// Keys in UTF-8, texts without control characters, 8 bytes for a number and 4 for a boolean.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}
