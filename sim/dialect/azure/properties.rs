//! The properties of a message to the cloud: the end of its topic (7).

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// How topics abbreviate the system's properties, and their names.
const SYSTEM: [(&str, &str); 11] = [
    ("$.mid", "message-id"),
    ("$.cid", "correlation-id"),
    ("$.uid", "user-id"),
    ("$.ct", "content-type"),
    ("$.ce", "content-encoding"),
    ("$.exp", "absolute-expiry-time"),
    ("$.to", "to"),
    ("$.on", "iothub-outputname"),
    ("$.ifid", "iothub-interface-id"),
    ("$.sub", "dt-subject"),
    ("$.ctime", "iothub-creation-time-utc"),
];

/// The properties of a message. Of two with one name the last counts; a name without `=` has no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageProperties<'a> {
    /// Those of the device's own program.
    pub application: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
    /// Those that the hub knows, by their full names.
    pub system: BTreeMap<&'static str, Cow<'a, str>>,
}

impl<'a> MessageProperties<'a> {
    /// Reads `k=v&k=v`, percent-encoded, as far as it can be read: a message is not lost because its properties are odd.
    #[must_use]
    pub fn parse(bag: &'a str) -> Self {
        let mut properties = Self::default();
        for pair in bag.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (decode(name), Some(decode(value))),
                None => (decode(pair), None),
            };
            match SYSTEM.iter().find(|(short, _)| *short == name) {
                Some((_, full)) => {
                    properties.system.insert(full, value.unwrap_or_default());
                }
                None => {
                    properties.application.insert(name, value);
                }
            }
        }
        properties
    }

    /// How much of a message's size the bag accounts for: the bytes of names and values.
    #[must_use]
    pub fn size(bag: &str) -> usize {
        let decoded = percent_decode_str(bag).count();
        decoded - bag.bytes().filter(|byte| matches!(byte, b'&' | b'=')).count()
    }
}

/// `+` is no space here: SDKs write one as `%20`.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bag_is_decoded_with_the_names_of_the_system() {
        // Of the C SDK, the Python SDK, and odd ones.
        let bag = "%24.mid=m-1&$.ct=application%2Fjson&%24.ce=utf-8&level=a%26b+c&flag&empty=&level=2&%24.other=x";
        let properties = MessageProperties::parse(bag);
        let system: Vec<(&str, &str)> = properties.system.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(
            system,
            [("content-encoding", "utf-8"), ("content-type", "application/json"), ("message-id", "m-1")]
        );
        let application: Vec<(&str, Option<&str>)> =
            properties.application.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        assert_eq!(application, [("$.other", Some("x")), ("empty", Some("")), ("flag", None), ("level", Some("2"))]);
    }

    #[test]
    fn malformed_bags_lose_as_little_as_possible() {
        for (bag, name, value) in [
            ("a=%zz", "a", Some("%zz")),
            ("a=%ff", "a", Some("\u{fffd}")),
            ("&&a=b=c&", "a", Some("b=c")),
            ("?a=1", "a", Some("1")),
            ("=v", "", Some("v")),
            ("%", "%", None),
        ] {
            let properties = MessageProperties::parse(bag);
            assert_eq!(properties.application.get(name).map(Option::as_deref), Some(value), "{bag}");
        }
        assert_eq!(MessageProperties::parse(""), MessageProperties::default());
        assert_eq!(MessageProperties::size("a=%20b&c"), 4);
    }
}
