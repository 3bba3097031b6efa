//! Reading what a device reported out of its twin (3.2).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dialect::{ReportedError, TwinReport};
use crate::policy::FirmwareStatus;

/// The reported properties, as far as an observer looks at them, still in the hub's own words: most looks show what is
/// known already, and those are read no further. Values may be of any type: a device may lie.
#[derive(Debug, Deserialize, Default)]
pub(super) struct Reported<'a> {
    #[serde(borrow, rename = "firmwareStatus")]
    status: Option<&'a RawValue>,
    #[serde(borrow, rename = "updateId")]
    update_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "fwVersion")]
    fw_version: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(rename = "$version")]
    version: Option<u64>,
    #[serde(borrow, rename = "$metadata", default)]
    metadata: Metadata<'a>,
}

#[derive(Debug, Deserialize, Default)]
struct Metadata<'a> {
    #[serde(rename = "$lastUpdated")]
    last_updated: Option<Timestamp>,
    #[serde(borrow, rename = "firmwareStatus")]
    status: Option<Stamp<'a>>,
    #[serde(borrow, rename = "logTime")]
    stand_by: Option<Stamp<'a>>,
    #[serde(borrow, rename = "downloadComplete")]
    downloading: Option<Stamp<'a>>,
    #[serde(borrow, rename = "startedApplyingImage")]
    applying: Option<Stamp<'a>>,
    #[serde(borrow, rename = "lastFirmwareUpdate")]
    completed: Option<Stamp<'a>>,
    #[serde(borrow, rename = "firmwareFailed")]
    failed: Option<Stamp<'a>>,
    #[serde(borrow, rename = "firmwareRolledBack")]
    rolled_back: Option<Stamp<'a>>,
}

#[derive(Debug, Deserialize)]
struct Stamp<'a> {
    #[serde(borrow, rename = "$lastUpdated")]
    last_updated: Option<&'a RawValue>,
}

impl Reported<'_> {
    /// `$version`; 0 if there is none.
    pub(super) fn version(&self) -> u64 {
        self.version.unwrap_or_default()
    }

    /// When the hub last changed them.
    pub(super) const fn last_updated(&self) -> Option<Timestamp> {
        self.metadata.last_updated
    }

    /// What they say of the firmware of `device_id`.
    pub(super) fn report(&self, device_id: &str, connected: Option<bool>) -> Result<TwinReport, serde_json::Error> {
        let mut unreadable = None;
        let mut text = |key: &str, value: Option<&RawValue>| match value.map(|value| value.get()).map(parse) {
            None => Ok(None),
            Some(Err(error)) => Err(error),
            Some(Ok(Value::Null)) => Ok(None),
            Some(Ok(Value::String(text))) => Ok(Some(text)),
            Some(Ok(other)) => {
                unreadable = Some(format!("`{key}` is {other} and no text"));
                Ok(None)
            }
        };
        let status = text("firmwareStatus", self.status)?;
        let update_id = text("updateId", self.update_id)?;
        let fw_version = text("fwVersion", self.fw_version)?;
        let error = match self.error.map(|error| parse(error.get())).transpose()? {
            Some(Value::Object(error)) => Some(ReportedError {
                stage: error.get("stage").and_then(Value::as_str).unwrap_or("?").to_owned(),
                code: error.get("code").and_then(Value::as_str).unwrap_or("?").to_owned(),
            }),
            _ => None,
        };
        let at = |stamp: &Option<Stamp<'_>>| {
            let stamp = stamp.as_ref().and_then(|stamp| stamp.last_updated);
            stamp.map_or(Ok(None), |stamp| serde_json::from_str::<Option<Timestamp>>(stamp.get()))
        };
        let metadata = &self.metadata;
        Ok(TwinReport {
            device_id: device_id.to_owned(),
            version: self.version(),
            last_updated: metadata.last_updated,
            status: status.map(|status| FirmwareStatus::parse(&status).ok_or(status)),
            status_time: at(&metadata.status)?,
            update_id,
            fw_version,
            error,
            key_times: [
                at(&metadata.stand_by)?,
                at(&metadata.downloading)?,
                at(&metadata.applying)?,
                at(&metadata.completed)?,
                at(&metadata.failed)?,
                at(&metadata.rolled_back)?,
            ],
            connected,
            unreadable,
        })
    }
}

fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// Reads the `reported` object of the twin of `device_id`.
///
/// # Errors
/// What makes the document none that a hub would send.
pub fn read_report(device_id: &str, reported: &str, connected: Option<bool>) -> Result<TwinReport, serde_json::Error> {
    serde_json::from_str::<Reported<'_>>(reported)?.report(device_id, connected)
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
