//! What a twin may hold (3.3).

use serde_json::{Map, Value};

/// Longest key, in bytes of UTF-8.
const MAX_KEY: usize = 1024;
/// Longest text, in bytes of UTF-8.
const MAX_TEXT: usize = 4096;
/// Deepest nesting of objects below the root of a part.
const MAX_DEPTH: usize = 10;
/// How many names the longest path of a value has: those of the objects that it lies in, and its own.
pub(in crate::hub) const MAX_NAMES: usize = MAX_DEPTH + 1;
/// How many arrays may lie in one another. No limit is documented; with the objects they stay far below what a JSON
/// parser takes, so that every document can be read back, a whole twin around it.
const MAX_ARRAYS: usize = 32;
/// Integers lie in -2^52..2^52.
const INTEGERS: std::ops::Range<i64> = -(1 << 52)..1 << 52;
/// How many digits the longest of them have.
const MAX_DIGITS: usize = 16;

/// The part of a twin that a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Part {
    Tags,
    Desired,
    Reported,
}

impl Part {
    /// Its name in messages and paths.
    pub(in crate::hub) const fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags",
            Self::Desired => "properties.desired",
            Self::Reported => "properties.reported",
        }
    }

    /// The largest size, counted as [`size`] does.
    const fn max_size(self) -> usize {
        match self {
            Self::Tags => 8 * 1024,
            Self::Desired | Self::Reported => 32 * 1024,
        }
    }

    /// The longest text, in bytes. The documented count leaves out what texts, arrays and objects are written with, so
    /// it alone bounds nothing: a text of control characters counts zero bytes. Desired and reported properties of
    /// this length fit into one packet together ([`MAX_PACKET`](crate::mqtt::MAX_PACKET)).
    const fn max_text(self) -> usize {
        4 * self.max_size()
    }
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::hub) enum TwinError {
    #[error("the document is not JSON: {0}")]
    Json(String),
    #[error("`{0}` is not a JSON object")]
    NotAnObject(&'static str),
    #[error("`properties.reported` cannot be changed by a service")]
    Reported,
    #[error("a key in `{0}` is longer than {MAX_KEY} bytes")]
    LongKey(String),
    #[error("the key `{key}` in `{path}` is empty or holds a control character, `.`, `$`, `#` or a space")]
    Key { path: String, key: String },
    #[error("`{0}` is a text of more than {MAX_TEXT} bytes")]
    LongText(String),
    #[error("`{0}` is an integer outside of -4503599627370496..4503599627370495")]
    Integer(String),
    #[error("the integer {0} is outside of -4503599627370496..4503599627370495")]
    Digits(String),
    #[error("`{0}` lies deeper than {MAX_DEPTH} objects")]
    Deep(String),
    #[error("`{0}` lies in more than {MAX_ARRAYS} arrays")]
    Arrays(String),
    #[error("`{0}` is an array that holds null")]
    NullInArray(String),
    #[error("`{}` would grow to {size} bytes; {max} are allowed", part.name())]
    Size { part: Part, size: usize, max: usize },
}

/// Checks the keys and values of `patch`, the document of `part` or a change of it.
pub(super) fn check(part: Part, patch: &Map<String, Value>) -> Result<(), TwinError> {
    check_object(&mut vec![part.name()], (0, 0), patch)
}

/// Refuses integers of more digits than any legal one has in `json`, which must be well-formed: a parser takes those
/// that no machine word holds for floats, and what comes back would not be what was sent.
pub(in crate::hub) fn check_digits(json: &[u8]) -> Result<(), TwinError> {
    let mut rest = json;
    while let Some(start) = rest.iter().position(|byte| *byte == b'"' || byte.is_ascii_digit()) {
        rest = rest.get(start..).unwrap_or_default();
        let end = if rest.starts_with(b"\"") { text_end(rest) } else { number_end(rest) };
        let token = rest.get(..end).unwrap_or_default();
        if token.len() > MAX_DIGITS && token.iter().all(u8::is_ascii_digit) {
            return Err(TwinError::Digits(token.iter().take(40).map(|byte| char::from(*byte)).collect()));
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    Ok(())
}

/// Behind the closing quote of the text that `json` begins with.
fn text_end(json: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match json.get(at) {
            None => return json.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// Behind the number that `json` begins with.
fn number_end(json: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    json.iter().position(|byte| !is_part(byte)).unwrap_or(json.len())
}

/// Checks how much `text`, the whole document of `part`, holds: by the documented count, and as it is written.
pub(super) fn check_size(part: Part, text: &str) -> Result<(), TwinError> {
    // Nothing counts more than a number, which counts 8 bytes and takes one at least: what is short needs no counting.
    if text.len() <= part.max_size() / 8 {
        return Ok(());
    }
    let counted = size(&serde_json::from_str(text).unwrap_or_default());
    for (size, max) in [(counted, part.max_size()), (text.len(), part.max_text())] {
        if size > max {
            return Err(TwinError::Size { part, size, max });
        }
    }
    Ok(())
}

/// How many objects and arrays there are around a value.
type Depth = (usize, usize);

fn check_object<'a>(path: &mut Vec<&'a str>, depth: Depth, object: &'a Map<String, Value>) -> Result<(), TwinError> {
    if depth.0 > MAX_DEPTH {
        return Err(TwinError::Deep(path.join(".")));
    }
    for (key, value) in object {
        if key.len() > MAX_KEY {
            return Err(TwinError::LongKey(path.join(".")));
        }
        if key.is_empty() || key.chars().any(|c| c.is_control() || matches!(c, '.' | '$' | '#' | ' ')) {
            return Err(TwinError::Key { path: path.join("."), key: key.clone() });
        }
        path.push(key);
        check_value(path, depth, value)?;
        path.pop();
    }
    Ok(())
}

fn check_value<'a>(path: &mut Vec<&'a str>, (objects, arrays): Depth, value: &'a Value) -> Result<(), TwinError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) if number.is_f64() => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if INTEGERS.contains(&integer) => Ok(()),
            _ => Err(TwinError::Integer(path.join("."))),
        },
        Value::String(text) if text.len() > MAX_TEXT => Err(TwinError::LongText(path.join("."))),
        Value::String(_) => Ok(()),
        Value::Array(_) if arrays >= MAX_ARRAYS => Err(TwinError::Arrays(path.join("."))),
        Value::Array(items) => items.iter().try_for_each(|item| match item {
            Value::Null => Err(TwinError::NullInArray(path.join("."))),
            item => check_value(path, (objects, arrays + 1), item),
        }),
        Value::Object(object) => check_object(path, (objects + 1, arrays), object),
    }
}

/// The size as the hub counts it: keys in UTF-8, texts without control characters, 8 bytes for a number and 4 for a
/// boolean.
fn size(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| key.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(object) => size(object),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    fn arrays(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn what_the_limits_allow_passes() {
        for document in [
            json!({}),
            json!({"a": null, "b": {"c": null}, "d": [1, "x", {"e": true}, []]}),
            json!({"n": 4_503_599_627_370_495_i64, "m": -4_503_599_627_370_496_i64, "f": 1e300}),
            json!({"t": "x".repeat(4096)}),
            json!({"k".repeat(1024): 1}),
            nested(11),
            json!({"a": arrays(32)}),
        ] {
            assert_eq!(check(Part::Reported, &map(document)), Ok(()));
        }
    }

    #[test]
    fn what_breaks_a_limit_is_refused_with_its_path() {
        let reported = |rest: &str| format!("properties.reported{rest}");
        for (document, error) in [
            (json!({"a": {"b.c": 1}}), TwinError::Key { path: reported(".a"), key: "b.c".into() }),
            (json!({"$version": 1}), TwinError::Key { path: reported(""), key: "$version".into() }),
            (json!({"a b": 1}), TwinError::Key { path: reported(""), key: "a b".into() }),
            (json!({"a#": 1}), TwinError::Key { path: reported(""), key: "a#".into() }),
            (json!({"a\u{85}": 1}), TwinError::Key { path: reported(""), key: "a\u{85}".into() }),
            (json!({"": 1}), TwinError::Key { path: reported(""), key: String::new() }),
            (json!({"k".repeat(1025): 1}), TwinError::LongKey(reported(""))),
            (json!({"t": "x".repeat(4097)}), TwinError::LongText(reported(".t"))),
            (json!({"n": 4_503_599_627_370_496_i64}), TwinError::Integer(reported(".n"))),
            (json!({"n": u64::MAX}), TwinError::Integer(reported(".n"))),
            (json!({"l": [1, [null]]}), TwinError::NullInArray(reported(".l"))),
            (nested(12), TwinError::Deep(reported(&".a".repeat(11)))),
            (json!({"a": {"b": [{"c": arrays(32)}]}}), TwinError::Arrays(reported(".a.b.c"))),
        ] {
            assert_eq!(check(Part::Reported, &map(document)), Err(error));
        }
    }

    #[test]
    fn integers_that_a_parser_would_take_for_floats_are_refused() {
        for json in [
            r#"{"a":18446744073709551616}"#,
            r#"{"a":[1,{"b":-99999999999999999999}]}"#,
            r#"{"a\"b":12345678901234567}"#,
            "12345678901234567",
        ] {
            assert!(matches!(check_digits(json.as_bytes()), Err(TwinError::Digits(_))), "{json}");
        }
        for json in [
            r#"{"a":4503599627370495,"b":-4503599627370496,"c":1e300,"d":12345678901234567890.0}"#,
            r#"{"18446744073709551616":"18446744073709551616","x\\":"\"18446744073709551616"}"#,
            r#"{"t":0.12345678901234567890,"u":[],"v":12345678901234567890E2}"#,
            "",
        ] {
            assert_eq!(check_digits(json.as_bytes()), Ok(()), "{json}");
        }
    }

    #[test]
    fn size_counts_keys_and_values() {
        let document = map(json!({"ab": 1, "c": true, "d": "x\ny\u{e4}", "e": {"f": [1, 2]}}));
        assert_eq!(size(&document), (2 + 8) + (1 + 4) + (1 + 4) + (1 + 1 + 16));
        let texts = |count: usize| map((0..count).map(|n| (format!("{n:04}"), json!("x".repeat(1020)))).collect());
        let check_size = |part, document: &Map<String, Value>| check_size(part, &json!(document).to_string());
        assert!(check_size(Part::Desired, &texts(32)).is_ok());
        assert!(check_size(Part::Tags, &texts(8)).is_ok());
        let (size, max) = (9 * 1024, 8 * 1024);
        assert_eq!(check_size(Part::Tags, &texts(9)), Err(TwinError::Size { part: Part::Tags, size, max }));
        assert!(check_size(Part::Reported, &texts(33)).unwrap_err().to_string().contains("properties.reported"));
    }

    #[test]
    fn what_the_documented_count_leaves_out_is_bounded_as_it_is_written() {
        for (document, counted) in [
            (json!({"a": (0..40).map(|_| "\u{1}".repeat(1000)).collect::<Vec<_>>()}), 1),
            (json!({"a": vec![json!({}); 50_000]}), 1),
            (json!({"a": vec![""; 50_000]}), 1),
        ] {
            let document = map(document);
            assert_eq!(size(&document), counted);
            for part in [Part::Tags, Part::Desired, Part::Reported] {
                assert!(matches!(check_size(part, &json!(document).to_string()), Err(TwinError::Size { .. })));
            }
        }
        let most = Part::Desired.max_text() + Part::Reported.max_text();
        assert!(most + 8 * 1024 < crate::mqtt::MAX_PACKET, "a device can read its whole twin");
    }
}
