//! The documents that a device reports, in the tutorial's order of keys.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::script::Form;
use crate::policy::{FaultStage, FirmwareStatus};

/// What one report says.
pub(super) struct Document<'a> {
    pub(super) status: FirmwareStatus,
    pub(super) time: &'a str,
    pub(super) update_id: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) error: ErrorEntry<'a>,
    pub(super) form: Form,
}

/// What a report says of errors.
#[derive(Clone, Copy)]
pub(super) enum ErrorEntry<'a> {
    Absent,
    /// An earlier update's error is taken out of the twin.
    Clear,
    Is {
        stage: FaultStage,
        code: &'a str,
    },
}

impl Document<'_> {
    /// Its text.
    pub(super) fn write(&self) -> Bytes {
        // Strings and a map of strings cannot fail to become JSON.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        if self.form == Form::BadJson {
            text.truncate(text.len() / 2);
        }
        text.into()
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Failure<'a> {
            stage: &'a str,
            code: &'a str,
        }
        let mut map = serializer.serialize_map(None)?;
        if self.form == Form::WrongType {
            // Without the stage's time: whoever looks later must not take the stage for one that was reported.
            map.serialize_entry("firmwareStatus", &(self.status as u8))?;
        } else {
            map.serialize_entry("firmwareStatus", self.status.as_str())?;
            map.serialize_entry(self.status.time_key(), self.time)?;
        }
        if let Some(update_id) = self.update_id {
            map.serialize_entry("updateId", update_id)?;
        }
        if let Some(version) = self.version {
            map.serialize_entry("fwVersion", version)?;
        }
        match self.error {
            ErrorEntry::Absent => {}
            ErrorEntry::Clear => map.serialize_entry("error", &())?,
            ErrorEntry::Is { stage, code } => {
                map.serialize_entry("error", &Failure { stage: stage.as_str(), code })?;
            }
        }
        if self.form == Form::TooLarge {
            map.serialize_entry("padding", &Padding)?;
        }
        map.end()
    }
}

/// The document that says how far a download is.
pub(super) fn progress(percent: u8, update_id: Option<&str>) -> Bytes {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Progress<'a> {
        download_progress: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        update_id: Option<&'a str>,
    }
    // A number and a string cannot fail to become JSON.
    serde_json::to_vec(&Progress { download_progress: percent, update_id }).unwrap_or_default().into()
}

/// More than the 32 KiB that reported properties may hold (3.3), in texts of which none is too long by itself.
struct Padding;

impl Serialize for Padding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = "x".repeat(4000);
        serializer.collect_map((0..9).map(|number| (number.to_string(), &text)))
    }
}
