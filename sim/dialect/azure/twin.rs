//! Reading what a device reported out of its twin (3.2).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::{ReportedError, TwinReport};
use crate::policy::FirmwareStatus;

/// The reported properties, as far as an observer looks at them. Values may be of any type: a device may lie.
#[derive(Deserialize, Default)]
struct Reported {
    #[serde(rename = "firmwareStatus")]
    status: Option<Value>,
    #[serde(rename = "updateId")]
    update_id: Option<Value>,
    #[serde(rename = "fwVersion")]
    fw_version: Option<Value>,
    error: Option<Value>,
    #[serde(rename = "$version")]
    version: Option<u64>,
    #[serde(rename = "$metadata", default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(rename = "$lastUpdated")]
    last_updated: Option<Timestamp>,
    #[serde(rename = "firmwareStatus")]
    status: Option<Stamp>,
    #[serde(rename = "logTime")]
    stand_by: Option<Stamp>,
    #[serde(rename = "downloadComplete")]
    downloading: Option<Stamp>,
    #[serde(rename = "startedApplyingImage")]
    applying: Option<Stamp>,
    #[serde(rename = "lastFirmwareUpdate")]
    completed: Option<Stamp>,
    #[serde(rename = "firmwareFailed")]
    failed: Option<Stamp>,
    #[serde(rename = "firmwareRolledBack")]
    rolled_back: Option<Stamp>,
}

#[derive(Deserialize)]
struct Stamp {
    #[serde(rename = "$lastUpdated")]
    last_updated: Option<Timestamp>,
}

/// Reads the `reported` object of the twin of `device_id`.
///
/// # Errors
/// What makes the document none that a hub would send.
pub fn read_report(device_id: &str, reported: &str, connected: Option<bool>) -> Result<TwinReport, serde_json::Error> {
    let reported: Reported = serde_json::from_str(reported)?;
    let mut unreadable = None;
    let mut text = |key: &str, value: Option<Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            unreadable = Some(format!("`{key}` is {other} and no text"));
            None
        }
    };
    let status = text("firmwareStatus", reported.status);
    let update_id = text("updateId", reported.update_id);
    let fw_version = text("fwVersion", reported.fw_version);
    let error = match reported.error {
        Some(Value::Object(error)) => Some(ReportedError {
            stage: error.get("stage").and_then(Value::as_str).unwrap_or("?").to_owned(),
            code: error.get("code").and_then(Value::as_str).unwrap_or("?").to_owned(),
        }),
        _ => None,
    };
    let at = |stamp: Option<Stamp>| stamp.and_then(|stamp| stamp.last_updated);
    let metadata = reported.metadata;
    Ok(TwinReport {
        device_id: device_id.to_owned(),
        version: reported.version.unwrap_or_default(),
        last_updated: metadata.last_updated,
        status: status.map(|status| FirmwareStatus::parse(&status).ok_or(status)),
        status_time: at(metadata.status),
        update_id,
        fw_version,
        error,
        key_times: [
            at(metadata.stand_by),
            at(metadata.downloading),
            at(metadata.applying),
            at(metadata.completed),
            at(metadata.failed),
            at(metadata.rolled_back),
        ],
        connected,
        unreadable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_with_its_times() {
        let reported = r#"{"firmwareStatus":"applying","updateId":"u1","fwVersion":"1.0","other":{"x":1},
            "error":null,"$version":7,"$metadata":{"$lastUpdated":"2026-01-01T00:00:02.5Z",
            "firmwareStatus":{"$lastUpdated":"2026-01-01T00:00:01.5Z"},
            "other":{"$lastUpdated":"2026-01-01T00:00:00Z","x":{"$lastUpdated":"2026-01-01T00:00:00Z"}},
            "startedApplyingImage":{"$lastUpdated":"2026-01-01T00:00:02.5Z"}}}"#;
        let report = read_report("d", reported, Some(true)).unwrap();
        assert_eq!(report.status, Some(Ok(FirmwareStatus::Applying)));
        assert_eq!((report.version, report.update_id.as_deref()), (7, Some("u1")));
        assert_eq!(report.key_times[2], Some("2026-01-01T00:00:02.5Z".parse().unwrap()));
        assert_eq!(report.key_times[1], None);
        assert_eq!(report.status_time, Some("2026-01-01T00:00:01.5Z".parse().unwrap()));
        assert_eq!(report.unreadable, None);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let odd = read_report("d", r#"{"firmwareStatus":3,"$version":2}"#, None).unwrap();
        assert!(odd.unreadable.unwrap().contains("firmwareStatus"));
        let unknown = read_report("d", r#"{"firmwareStatus":"dancing"}"#, None).unwrap();
        assert_eq!(unknown.status, Some(Err("dancing".to_owned())));
        assert!(read_report("d", "[", None).is_err());
    }
}
