//! JSON as text, and as a tree.

use serde_json::{Map, Value};

/// Writes `text` as JSON.
pub(super) fn write_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// Puts `value` at the path `names` of `object`, with what objects it takes on the way; `None` if something that is no
/// object is in the way, or there are no names. Whoever asks bounds how many there are: each is a level that takes
/// stack once the tree is read, written or dropped.
pub(super) fn insert_at(mut object: &mut Map<String, Value>, names: &[impl AsRef<str>], value: Value) -> Option<()> {
    let (last, parents) = names.split_last()?;
    for name in parents {
        object = object.entry(name.as_ref()).or_insert_with(|| Map::new().into()).as_object_mut()?;
    }
    object.insert(last.as_ref().to_owned(), value);
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_put_below_others_but_not_below_what_is_no_object() {
        let mut object = Map::new();
        for (names, inserted) in [
            (&["a", "b"][..], Some(())),
            (&["a", "c", "d"], Some(())),
            (&["a", "b", "c"], None),
            (&["e"], Some(())),
            (&[], None),
        ] {
            assert_eq!(insert_at(&mut object, names, json!(1)), inserted, "{names:?}");
        }
        assert_eq!(json!(object), json!({"a": {"b": 1, "c": {"d": 1}}, "e": 1}));
    }

    #[test]
    fn a_text_is_written_as_the_library_writes_it() {
        for text in ["", "plain", "\u{e4}\u{7f}", "a\"b", "a\\b", "a\nb", "\u{1f}"] {
            let mut out = String::new();
            write_text(text, &mut out);
            assert_eq!(out, serde_json::to_string(text).unwrap());
        }
    }
}
