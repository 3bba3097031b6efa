//! The payload of a `firmwareUpdate` call.

use std::borrow::Cow;

use serde::Deserialize;

/// What a call asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Names the update; echoed in its reports.
    pub update_id: Option<String>,
    /// The version that runs once the update is complete.
    pub fw_version: Option<String>,
}

/// Why a payload asks for no update.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is none.
    #[error("the payload is empty: an object with a string fwPackageUri is needed")]
    Empty,
    /// It is some other value.
    #[error("the payload is no object: an object with a string fwPackageUri is needed")]
    NoObject,
    /// It is no JSON, or a field is missing or of the wrong type.
    #[error("the payload is invalid: {0}")]
    Invalid(#[from] serde_json::Error),
}

/// The keys that are read; all others are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    /// The tutorial's only key. Nothing is downloaded yet, so that its presence is all that counts.
    #[serde(borrow, rename = "fwPackageUri")]
    _fw_package_uri: Cow<'a, str>,
    update_id: Option<String>,
    fw_version: Option<String>,
}

impl Request {
    /// Reads a payload.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(payload: &[u8]) -> Result<Self, RequestError> {
        // Serde would read an array into a struct as well, so the brace is asked for here.
        match payload.trim_ascii_start().first() {
            None => return Err(RequestError::Empty),
            Some(b'{') => {}
            Some(_) => return Err(RequestError::NoObject),
        }
        let payload: Payload<'_> = serde_json::from_slice(payload)?;
        Ok(Self { update_id: payload.update_id, fw_version: payload.fw_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_payload_and_ours_are_read() {
        assert_eq!(Request::parse(br#"{"fwPackageUri":"https://x/y"}"#).unwrap(), Request::default());
        let ours = br#" {"updateId":"u-1","extra":[1],"fwPackageUri":"x\"y","fwVersion":"2"}"#;
        let request = Request::parse(ours).unwrap();
        assert_eq!((request.update_id.as_deref(), request.fw_version.as_deref()), (Some("u-1"), Some("2")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (payload, word) in [
            ("", "empty"),
            ("  ", "empty"),
            ("null", "no object"),
            (r#"["https://x/y"]"#, "no object"),
            ("{}", "fwPackageUri"),
            (r#"{"fwPackageUri":7}"#, "expected a string"),
            (r#"{"fwPackageUri":"x","updateId":7}"#, "expected a string"),
            (r#"{"fwPackageUri":"x""#, "EOF"),
        ] {
            let error = Request::parse(payload.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{payload}: {error}");
        }
    }
}
