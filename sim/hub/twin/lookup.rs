//! Finds one member in JSON text without building a tree of the rest.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The value at `path` in the object `text`; `None` if it is missing or something on the way is no object.
pub(in crate::hub) fn find<'a>(text: &'a str, path: &[String]) -> Option<&'a str> {
    path.iter().try_fold(text, |text, key| member(text, key))
}

fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Member(key)).ok().flatten().map(RawValue::get)
}

struct Member<'k>(&'k str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(wanted) = map.next_key_seed(KeyIs(self.0))? {
            if wanted {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct KeyIs<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_path() {
        let text = r#"{"a":{"b":[1,{"c":2}],"d\n":"x"},"n":null,"a2":1.0}"#;
        for (path, expected) in [
            (vec![], Some(text)),
            (vec!["a", "b"], Some(r#"[1,{"c":2}]"#)),
            (vec!["a", "d\n"], Some(r#""x""#)),
            (vec!["n"], Some("null")),
            (vec!["a2"], Some("1.0")),
            (vec!["b"], None),
            (vec!["n", "x"], None),
            (vec!["a", "b", "c"], None),
        ] {
            let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
            assert_eq!(find(text, &path), expected, "{path:?}");
        }
        assert_eq!(find("broken", &["a".to_owned()]), None);
    }
}
