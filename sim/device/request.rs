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
    /// What to install; `None` for a device that downloads nothing.
    pub package: Option<Box<Package>>,
}

/// The image that a call names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Where it is.
    pub uri: String,
    /// The SHA-256 of its bytes in hexadecimal; `None`: the caller did not say.
    pub check_value: Option<String>,
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
    /// The tutorial's only key.
    #[serde(borrow)]
    fw_package_uri: Cow<'a, str>,
    /// As in Microsoft's samples.
    fw_package_check_value: Option<String>,
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
        let package = Package { uri: payload.fw_package_uri.into_owned(), check_value: payload.fw_package_check_value };
        Ok(Self { update_id: payload.update_id, fw_version: payload.fw_version, package: Some(Box::new(package)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_payload_and_ours_are_read() {
        let package = |uri: &str, check_value: Option<&str>| {
            Some(Box::new(Package { uri: uri.to_owned(), check_value: check_value.map(str::to_owned) }))
        };
        let tutorials = Request { package: package("https://x/y", None), ..Request::default() };
        assert_eq!(Request::parse(br#"{"fwPackageUri":"https://x/y"}"#).unwrap(), tutorials);
        let ours =
            br#" {"updateId":"u-1","extra":[1],"fwPackageUri":"x\"y","fwVersion":"2","fwPackageCheckValue":"a1"}"#;
        let request = Request::parse(ours).unwrap();
        assert_eq!((request.update_id.as_deref(), request.fw_version.as_deref()), (Some("u-1"), Some("2")));
        assert_eq!(request.package, package("x\"y", Some("a1")));
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
