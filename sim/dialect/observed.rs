//! The twin of a device as an operator pieces it together who is told of every report, where no hub keeps one.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ReportedError, TwinReport};
use crate::policy::FirmwareStatus;

/// What an operator knows of one device.
#[derive(Debug, Clone, Default)]
pub struct ObservedTwin {
    /// Reports so far: the version that a hub would count.
    version: u64,
    status: Option<Result<FirmwareStatus, String>>,
    status_time: Option<Timestamp>,
    update_id: Option<String>,
    fw_version: Option<String>,
    error: Option<ReportedError>,
    key_times: [Option<Timestamp>; 6],
    /// Whether it said that it is connected; `None` where it never said.
    online: Option<bool>,
    /// Whether that is the device's own word, as far as is known still true.
    is_heard: bool,
}

/// A patch; whatever is in it may be of any type.
#[derive(Deserialize)]
#[serde(transparent)]
struct Patch(Map<String, Value>);

impl ObservedTwin {
    /// Whether the device said that it is connected.
    #[must_use]
    pub const fn online(&self) -> Option<bool> {
        self.online
    }

    /// Whether the device itself said last whether it is connected.
    #[must_use]
    pub const fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// The device says whether it is connected. Whether that is new.
    pub fn says(&mut self, online: bool) -> bool {
        self.is_heard = true;
        self.online.replace(online) != Some(online)
    }

    /// What the device said may be true no longer: it counts as gone until it says otherwise. Whether it counted as there.
    pub fn unsays(&mut self) -> bool {
        self.is_heard = false;
        let was_online = self.online == Some(true);
        self.online = self.online.map(|_| false);
        was_online
    }

    /// Merges the reported properties in `patch`, which came at `at`, as a hub would (absent keys stay, null takes one away),
    /// and gives what the twin shows then.
    pub fn merge(&mut self, device_id: &str, patch: &[u8], at: Timestamp) -> TwinReport {
        self.version += 1;
        let patch = match serde_json::from_slice::<Patch>(patch) {
            Ok(Patch(patch)) => patch,
            Err(error) => {
                let unreadable = Some(format!("the report is no JSON object: {error}"));
                return TwinReport { unreadable, ..self.report(device_id, Some(at)) };
            }
        };
        let mut unreadable = None;
        let mut text = |key: &str, into: &mut Option<String>| match patch.get(key) {
            None => false,
            Some(Value::Null) => into.take().is_some(),
            Some(Value::String(text)) => {
                *into = Some(text.clone());
                true
            }
            Some(other) => {
                unreadable = Some(format!("`{key}` is {other} and no text"));
                false
            }
        };
        let mut status = None;
        if text("firmwareStatus", &mut status) {
            self.status = status.map(|status| FirmwareStatus::parse(&status).ok_or(status));
            self.status_time = Some(at);
        }
        text("updateId", &mut self.update_id);
        text("fwVersion", &mut self.fw_version);
        match patch.get("error") {
            Some(Value::Object(error)) => {
                let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
                self.error = Some(ReportedError { stage: text("stage"), code: text("code") });
            }
            Some(Value::Null) => self.error = None,
            _ => {}
        }
        for status in FirmwareStatus::ALL {
            if patch.contains_key(status.time_key()) {
                self.key_times[status as usize] = Some(at);
            }
        }
        TwinReport { unreadable, ..self.report(device_id, Some(at)) }
    }

    /// What it shows now.
    #[must_use]
    pub fn report(&self, device_id: &str, last_updated: Option<Timestamp>) -> TwinReport {
        TwinReport {
            device_id: device_id.to_owned(),
            version: self.version,
            last_updated: last_updated.or(self.status_time),
            status: self.status.clone(),
            status_time: self.status_time,
            update_id: self.update_id.clone(),
            fw_version: self.fw_version.clone(),
            error: self.error.clone(),
            key_times: self.key_times,
            connected: self.online,
            unreadable: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::new(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn patches_add_up_as_in_a_twin() {
        let mut twin = ObservedTwin::default();
        assert!(twin.says(true) && !twin.says(true));
        let first =
            br#"{"firmwareStatus":"downloading","downloadComplete":"x","updateId":"u","fwVersion":"1","error":null}"#;
        let report = twin.merge("d", first, second(1));
        assert_eq!((report.version, report.status.clone()), (1, Some(Ok(FirmwareStatus::Downloading))));
        assert_eq!((report.key_times[1], report.connected), (Some(second(1)), Some(true)));
        let report = twin.merge("d", br#"{"firmwareStatus":"applying","startedApplyingImage":"x"}"#, second(2));
        assert_eq!((report.version, report.update_id.as_deref(), report.key_times[1]), (2, Some("u"), Some(second(1))));
        let error = br#"{"firmwareStatus":"failed","error":{"stage":"applying","code":"no_space"},"fwVersion":null}"#;
        let report = twin.merge("d", error, second(3));
        assert_eq!((report.fw_version, report.error.unwrap().code.as_str()), (None, "no_space"));
        assert_eq!(twin.report("d", None).last_updated, Some(second(3)));
        // What says nothing of the firmware leaves it as it is.
        let report = twin.merge("d", br#"{"temperature":3}"#, second(4));
        assert_eq!((report.version, report.status_time), (4, Some(second(3))));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut twin = ObservedTwin::default();
        for patch in [&br#"{"firmwareStatus":"#[..], b"[]", br#"{"firmwareStatus":3}"#] {
            assert!(twin.merge("d", patch, second(1)).unreadable.is_some());
        }
        let unknown = twin.merge("d", br#"{"firmwareStatus":"dancing"}"#, second(1));
        assert_eq!((unknown.status, unknown.unreadable), (Some(Err("dancing".to_owned())), None));
    }
}
