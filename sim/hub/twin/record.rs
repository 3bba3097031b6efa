//! The twin of one device: tags, desired and reported properties.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::limits::{self, Part, TwinError};
use super::merge::Merged;
use super::properties::Properties;

/// How the hub writes a time that has not come (3.2).
pub(in crate::hub) const NEVER: &str = "0001-01-01T00:00:00Z";

/// An etag: base64 of an 8-byte big-endian counter (3.2).
pub(in crate::hub) fn etag(counter: u64) -> String {
    STANDARD.encode(counter.to_be_bytes())
}

/// A twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Twin {
    /// Moves with each write of tags or desired properties, and with nothing else.
    pub(in crate::hub) etag: u64,
    /// The version of tags and desired properties together.
    pub(in crate::hub) version: u64,
    tags: Option<Box<str>>,
    pub(in crate::hub) desired: Properties,
    pub(in crate::hub) reported: Properties,
}

/// What a service writes into a twin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hub) struct TwinPatch {
    /// A change of the tags.
    pub(in crate::hub) tags: Option<Map<String, Value>>,
    /// A change of the desired properties.
    pub(in crate::hub) desired: Option<Map<String, Value>>,
}

impl TwinPatch {
    /// Reads the body of a request. Other members of a twin document are ignored, so that a twin can be read,
    /// changed and sent back; so are `$metadata` and `$version`.
    pub(in crate::hub) fn parse(body: &[u8]) -> Result<Self, TwinError> {
        Self::from_value(read(body)?)
    }

    /// Reads the body of a request that changes a twin. It may not name the reported properties: a service cannot
    /// write them (3.3), and must not believe that it has.
    pub(in crate::hub) fn parse_change(body: &[u8]) -> Result<Self, TwinError> {
        let body = read(body)?;
        match body.pointer("/properties/reported") {
            None | Some(Value::Null) => Self::from_value(body),
            Some(_) => Err(TwinError::Reported),
        }
    }

    /// Reads a parsed document.
    pub(in crate::hub) fn from_value(body: Value) -> Result<Self, TwinError> {
        let Value::Object(mut body) = body else { return Err(TwinError::NotAnObject("twin")) };
        let tags = object(body.remove("tags"), Part::Tags)?;
        let desired = match body.remove("properties") {
            None | Some(Value::Null) => None,
            Some(Value::Object(mut properties)) => object(properties.remove("desired"), Part::Desired)?,
            Some(_) => return Err(TwinError::NotAnObject("properties")),
        };
        Ok(Self { tags, desired })
    }
}

fn read(body: &[u8]) -> Result<Value, TwinError> {
    let document = serde_json::from_slice(body).map_err(|error| TwinError::Json(error.to_string()))?;
    limits::check_digits(body)?;
    Ok(document)
}

fn object(value: Option<Value>, part: Part) -> Result<Option<Map<String, Value>>, TwinError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(mut object)) => {
            object.retain(|key, _| key != "$metadata" && key != "$version");
            Ok(Some(object))
        }
        Some(_) => Err(TwinError::NotAnObject(part.name())),
    }
}

impl Twin {
    /// The twin of a new identity (3.2).
    pub(in crate::hub) fn new(at: Timestamp) -> Self {
        Self {
            etag: 1,
            version: 2,
            tags: None,
            desired: Properties::new(Part::Desired, at),
            reported: Properties::new(Part::Reported, at),
        }
    }

    /// The tags, compact JSON.
    pub(in crate::hub) fn tags(&self) -> &str {
        self.tags.as_deref().unwrap_or("{}")
    }

    /// Merges what a service sent; on an error, or if it sent nothing, nothing has changed.
    pub(in crate::hub) fn merge(&mut self, patch: &TwinPatch, at: Timestamp) -> Result<(), TwinError> {
        if *patch == TwinPatch::default() {
            return Ok(());
        }
        let tags = patch.tags.as_ref().map(|tags| merge_tags(self.tags(), tags)).transpose()?;
        let desired = patch.desired.as_ref().map(|desired| self.desired.merged(desired, at)).transpose()?;
        self.commit(tags.unwrap_or_else(|| self.tags.clone()), desired);
        Ok(())
    }

    /// Replaces tags and desired properties by what a service sent; what it did not send is wiped (3.3).
    pub(in crate::hub) fn replace(&mut self, document: &TwinPatch, at: Timestamp) -> Result<(), TwinError> {
        let empty = Map::new();
        let tags = merge_tags("{}", document.tags.as_ref().unwrap_or(&empty))?;
        let desired = self.desired.replaced(document.desired.as_ref().unwrap_or(&empty), at)?;
        self.commit(tags, Some(desired));
        Ok(())
    }

    fn commit(&mut self, tags: Option<Box<str>>, desired: Option<Properties>) {
        self.tags = tags;
        if let Some(desired) = desired {
            self.desired = desired;
        }
        self.etag += 1;
        self.version += 1;
    }

    /// Writes the body of a device's GET (3.1).
    pub(in crate::hub) fn write_for_device(&self, out: &mut String) {
        out.push_str("{\"desired\":");
        self.desired.write_for_device(out);
        out.push_str(",\"reported\":");
        self.reported.write_for_device(out);
        out.push('}');
    }
}

fn merge_tags(tags: &str, patch: &Map<String, Value>) -> Result<Option<Box<str>>, TwinError> {
    limits::check(Part::Tags, patch)?;
    let text = Merged::new(tags, "{}", patch, "").document;
    limits::check_size(Part::Tags, &text)?;
    Ok((text != "{}").then(|| text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn patch(text: &str) -> TwinPatch {
        TwinPatch::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_service_s_write_moves_etag_and_versions() {
        let mut twin = Twin::new(at(0));
        assert_eq!(etag(twin.etag), "AAAAAAAAAAE=");
        twin.merge(&patch(r#"{"tags":{"site":{"a":1,"b":2}}}"#), at(1)).unwrap();
        assert_eq!((twin.etag, twin.version, twin.desired.version()), (2, 3, 1));
        twin.merge(&patch(r#"{"tags":{"site":{"a":null}},"properties":{"desired":{"x":1,"$version":9}}}"#), at(2))
            .unwrap();
        assert_eq!(
            (twin.tags(), twin.desired.text(), twin.desired.version()),
            (r#"{"site":{"b":2}}"#, r#"{"x":1}"#, 2)
        );
        let before = twin.clone();
        twin.merge(&patch(r#"{"deviceId":"d","properties":{}}"#), at(3)).unwrap();
        assert_eq!(twin, before, "what says nothing moves nothing");
        twin.replace(&patch("{}"), at(3)).unwrap();
        assert_eq!((twin.tags(), twin.desired.text(), twin.etag), ("{}", "{}", 4));
    }

    #[test]
    fn a_refused_write_changes_nothing() {
        let mut twin = Twin::new(at(0));
        let before = twin.clone();
        twin.merge(&patch(r#"{"tags":{"a":1},"properties":{"desired":{"b c":1}}}"#), at(1)).unwrap_err();
        twin.replace(&patch(r#"{"tags":{"a.b":1},"properties":{"desired":{"b":1}}}"#), at(1)).unwrap_err();
        assert_eq!(twin, before);
        for text in ["[]", "{", r#"{"tags":1}"#, r#"{"properties":{"desired":[]}}"#, r#"{"properties":3}"#] {
            TwinPatch::parse(text.as_bytes()).unwrap_err();
            TwinPatch::parse_change(text.as_bytes()).unwrap_err();
        }
        let reported = br#"{"properties":{"desired":{"a":1},"reported":{}}}"#;
        assert_eq!(TwinPatch::parse_change(reported), Err(TwinError::Reported));
        TwinPatch::parse(reported).unwrap();
    }

    #[test]
    fn a_device_reads_both_documents_with_their_versions() {
        let mut twin = Twin::new(at(0));
        twin.merge(&patch(r#"{"properties":{"desired":{"x":1}}}"#), at(1)).unwrap();
        let mut out = String::new();
        twin.write_for_device(&mut out);
        assert_eq!(out, r#"{"desired":{"x":1,"$version":2},"reported":{"$version":1}}"#);
    }
}
