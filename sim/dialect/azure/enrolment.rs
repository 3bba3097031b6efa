//! Creating and deleting the identities of a fleet by bulk (5), as plain values: no socket here.
//!
//! Each identity gets a mark, a tag of its twin that whoever has the device's secret can work out, and nobody else: by
//! it a device that this program created is told from any other.

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::key::hex;
use super::rest::{Request, get_identity, post_devices};
use super::{ErrorCode, Key, ServiceError};

/// A device to be created.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The device's id.
    pub id: String,
    /// How it is going to prove itself.
    pub proof: Proof,
    /// Tells that this program created it.
    pub mark: String,
}

/// How a device proves itself, as a hub keeps it. Keys never show themselves in a debug print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// By one of two keys.
    Keys(Key, Key),
    /// By the certificate with this thumbprint: SHA-256, hexadecimal.
    Thumbprint(String),
    /// By a certificate of a CA that the hub knows.
    Authority,
}

/// What is on a hub under a device's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The mark, if this program created it.
    pub mark: Option<String>,
    /// The identity's etag.
    pub etag: String,
}

/// What a hub would not do of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkFailure {
    /// The device's id.
    pub id: String,
    /// Why.
    pub reason: BulkReason,
}

/// Why a hub would not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkReason {
    /// There is a device of this id.
    Exists,
    /// There is none.
    Unknown,
    /// It has changed since.
    Changed,
    /// Something else, in words.
    Other(String),
}

impl Enrolment {
    /// The device `id` under a master key, from which its keys derive.
    #[must_use]
    pub fn derived(id: String, master: &Key) -> Self {
        let proof = Proof::Keys(master.derive(&id), master.derive(&format!("{id}.secondary")));
        Self { id, proof, mark: master.mark() }
    }

    /// The device `id` with a key of its own, from which the second one derives.
    #[must_use]
    pub fn keyed(id: String, key: Key) -> Self {
        let (secondary, mark) = (key.derive("secondary"), key.mark());
        Self { id, proof: Proof::Keys(key, secondary), mark }
    }

    /// The device `id` with this `certificate` (DER), known by its thumbprint or by the CA that signed it.
    #[must_use]
    pub fn certified(id: String, certificate: &[u8], by_authority: bool) -> Self {
        let thumbprint = hex(&Sha256::digest(certificate));
        let mark = thumbprint[..16].to_owned();
        let proof = if by_authority { Proof::Authority } else { Proof::Thumbprint(thumbprint) };
        Self { id, proof, mark }
    }
}

impl Proof {
    fn document(&self) -> Value {
        match self {
            Self::Keys(primary, secondary) => json!({
                "type": "sas",
                "symmetricKey": { "primaryKey": primary.to_base64(), "secondaryKey": secondary.to_base64() },
            }),
            Self::Thumbprint(thumbprint) => json!({
                "type": "selfSigned",
                "x509Thumbprint": { "primaryThumbprint": thumbprint, "secondaryThumbprint": thumbprint },
            }),
            Self::Authority => json!({ "type": "certificateAuthority" }),
        }
    }
}

/// Asks to create devices, 100 at most.
#[must_use]
pub fn create(devices: &[Enrolment]) -> Request {
    let items: Vec<Value> = devices
        .iter()
        .map(|Enrolment { id, proof, mark }| {
            json!({
                "id": id,
                "importMode": "create",
                "status": "enabled",
                "authentication": proof.document(),
                "tags": { "twinstorm": { "fleet": mark } },
            })
        })
        .collect();
    post_devices(&Value::Array(items))
}

/// Asks to delete devices, 100 at most, each only if its etag is still this one.
#[must_use]
pub fn delete(devices: &[(String, String)]) -> Request {
    let items: Vec<Value> =
        devices.iter().map(|(id, etag)| json!({ "id": id, "importMode": "deleteIfMatchETag", "eTag": etag })).collect();
    post_devices(&Value::Array(items))
}

/// Reads the answer to either: what was not done. 5: it is 200 or 400, both with a list; any other answer is an error.
///
/// # Errors
/// The hub's words.
pub fn failures(status: u16, body: &[u8]) -> Result<Vec<BulkFailure>, ServiceError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        errors: Vec<Failure>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure {
        #[serde(default)]
        device_id: String,
        error_code: Value,
        error_status: Option<String>,
    }
    let answer = matches!(status, 200 | 400).then(|| serde_json::from_slice::<Answer>(body).ok()).flatten();
    let errors = match (answer, status) {
        (Some(answer), _) => answer.errors,
        (None, 200) if body.is_empty() => Vec::new(),
        _ => return Err(ServiceError::parse(status, body)),
    };
    // Either kind of hub: some send the code, some its name.
    let is = |code: &Value, known: ErrorCode| *code == known.number() || *code == known.name();
    let reason = |error: &Failure| match &error.error_code {
        code if is(code, ErrorCode::DeviceAlreadyExists) => BulkReason::Exists,
        code if is(code, ErrorCode::DeviceNotFound) => BulkReason::Unknown,
        code if is(code, ErrorCode::PreconditionFailed) => BulkReason::Changed,
        code => BulkReason::Other(format!("{code} {}", error.error_status.as_deref().unwrap_or_default())),
    };
    Ok(errors.iter().map(|error| BulkFailure { id: error.device_id.clone(), reason: reason(error) }).collect())
}

/// The query for the marks of all devices with ids from `first` to `last`.
#[must_use]
pub fn marks_query(first: &str, last: &str) -> String {
    let (first, last) = (super::rest::quoted(first), super::rest::quoted(last));
    format!(
        "SELECT deviceId AS deviceId, tags.twinstorm.fleet AS fleet FROM devices \
         WHERE deviceId >= {first} AND deviceId <= {last}"
    )
}

/// Reads a page of [`marks_query`]: ids with their marks, where they have one.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn marks_page(body: &[u8]) -> Result<Vec<(String, Option<String>)>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        device_id: String,
        fleet: Option<Value>,
    }
    let rows: Vec<Row> = serde_json::from_slice(body)?;
    let mark = |fleet: Option<Value>| fleet.and_then(|fleet| fleet.as_str().map(str::to_owned));
    Ok(rows.into_iter().map(|row| (row.device_id, mark(row.fleet))).collect())
}

/// Reads a twin for the mark of its device.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn found(twin: &[u8]) -> Result<Found, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Twin {
        device_etag: String,
        #[serde(default)]
        tags: Value,
    }
    let Twin { device_etag, tags } = serde_json::from_slice(twin)?;
    Ok(Found { mark: tags["twinstorm"]["fleet"].as_str().map(str::to_owned), etag: device_etag })
}

/// Asks for the identity of a device, to be read by [`proves`].
#[must_use]
pub fn identity(id: &str) -> Request {
    get_identity(id)
}

/// Whether a hub lets the device with this identity in at all.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn enabled(identity: &[u8]) -> Result<bool, serde_json::Error> {
    let identity: Value = serde_json::from_slice(identity)?;
    Ok(identity["status"] != "disabled")
}

/// Whether the device with this identity proves itself by `proof`.
///
/// # Errors
/// What makes it none that a hub would send.
pub fn proves(identity: &[u8], proof: &Proof) -> Result<bool, serde_json::Error> {
    let identity: Value = serde_json::from_slice(identity)?;
    let authentication = &identity["authentication"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&authentication["type"]);
    Ok(match proof {
        Proof::Keys(primary, _) => {
            kind == "sas" && text(&authentication["symmetricKey"]["primaryKey"]) == primary.to_base64()
        }
        Proof::Thumbprint(thumbprint) => {
            // 3.2: the spelling of these keys differs from hub to hub.
            let known = &authentication["x509Thumbprint"];
            let known = [&known["primaryThumbprint"], &known["PrimaryThumbprint"]].map(text);
            kind == "selfSigned" && known.iter().any(|known| known.eq_ignore_ascii_case(thumbprint))
        }
        Proof::Authority => kind == "certificateAuthority",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    #[test]
    fn a_device_is_created_with_its_proof_and_its_mark() {
        let proofs = [Proof::Keys(key(1), key(2)), Proof::Thumbprint("AB".into()), Proof::Authority];
        let devices = proofs.map(|proof| Enrolment { id: "a".into(), proof, mark: "m".into() });
        let body: Value = serde_json::from_str(&create(&devices).body).unwrap();
        assert_eq!(body[0]["authentication"]["symmetricKey"]["primaryKey"], key(1).to_base64());
        assert_eq!(body[1]["authentication"]["x509Thumbprint"]["primaryThumbprint"], "AB");
        assert_eq!(body[2]["authentication"], json!({"type": "certificateAuthority"}));
        for item in body.as_array().unwrap() {
            assert_eq!((&item["importMode"], &item["tags"]["twinstorm"]["fleet"]), (&json!("create"), &json!("m")));
        }
        assert!(!format!("{devices:?}").contains(&key(1).to_base64()));
    }

    #[test]
    fn either_kind_of_code_tells_why_something_was_not_done() {
        let body = json!({"isSuccessful": false, "errors": [
            {"deviceId": "a", "errorCode": 409_001, "errorStatus": "there"},
            {"deviceId": "b", "errorCode": "DeviceNotFound"},
            {"deviceId": "c", "errorCode": 412_001},
            {"deviceId": "d", "errorCode": 403_002, "errorStatus": "spent"},
        ]});
        let reasons: Vec<_> = failures(400, body.to_string().as_bytes()).unwrap();
        let reasons: Vec<_> = reasons.into_iter().map(|failure| failure.reason).collect();
        let other = BulkReason::Other("403002 spent".to_owned());
        assert_eq!(reasons, [BulkReason::Exists, BulkReason::Unknown, BulkReason::Changed, other]);
        assert_eq!(failures(200, br#"{"isSuccessful":true,"errors":[]}"#).unwrap(), []);
        let refused = json!({"Message": "ErrorCode:ArgumentInvalid;bad", "ExceptionMessage": ""}).to_string();
        assert!(failures(400, refused.as_bytes()).unwrap_err().message.contains("bad"));
    }

    #[test]
    fn a_mark_is_read_from_twins_and_rows_and_a_foreign_tag_is_none() {
        let page = br#"[{"deviceId":"a","fleet":"m"},{"deviceId":"b"},{"deviceId":"c","fleet":{"x":1}}]"#;
        let marks: Vec<_> = marks_page(page).unwrap().into_iter().map(|(_, mark)| mark).collect();
        assert_eq!(marks, [Some("m".to_owned()), None, None]);
        let twin = |tags: &str| found(format!(r#"{{"deviceEtag":"e","tags":{tags}}}"#).as_bytes()).unwrap();
        assert_eq!(twin(r#"{"twinstorm":{"fleet":"m"}}"#), Found { mark: Some("m".into()), etag: "e".into() });
        assert_eq!((twin("{}").mark, twin(r#"{"twinstorm":7}"#).mark), (None, None));
    }

    #[test]
    fn a_device_that_exists_is_known_by_its_proof() {
        let identity = |authentication: Value| json!({"deviceId": "a", "authentication": authentication}).to_string();
        let sas = identity(json!({"type": "sas", "symmetricKey": {"primaryKey": key(1).to_base64()}}));
        let thumb = identity(json!({"type": "selfSigned", "x509Thumbprint": {"PrimaryThumbprint": "ab"}}));
        let proves = |identity: &str, proof| proves(identity.as_bytes(), &proof).unwrap();
        assert!(proves(&sas, Proof::Keys(key(1), key(9))) && !proves(&sas, Proof::Keys(key(2), key(1))));
        assert!(proves(&thumb, Proof::Thumbprint("AB".into())) && !proves(&thumb, Proof::Thumbprint("AC".into())));
        assert!(!proves(&thumb, Proof::Keys(key(1), key(1))) && !proves(&sas, Proof::Authority));
        assert!(proves(&identity(json!({"type": "certificateAuthority"})), Proof::Authority));
    }
}
