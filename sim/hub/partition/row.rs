//! A device as a service reads it: whole (3.2) or field by field.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::device::{Details, Device, split_id};
use crate::hub::json::write_text;
use crate::hub::query::{Field, Path, Row};
use crate::hub::twin::{NEVER, Properties, etag, find};
use crate::time::{WallClock, rfc3339};

/// A device, and the clock that tells when it was heard of.
pub(super) struct View<'a> {
    pub(super) device: &'a Device,
    pub(super) wall: WallClock,
}

impl View<'_> {
    fn last_activity(&self) -> Option<Timestamp> {
        self.device.heard.map(|heard| self.wall.at(heard))
    }

    fn time(&self, path: &Path) -> Option<Timestamp> {
        match path {
            Path::StatusUpdateTime => self.device.identity.status_updated,
            _ => self.last_activity(),
        }
    }

    fn write_properties(&self, out: &mut String) {
        out.push_str("{\"desired\":");
        self.device.twin.desired.write(out);
        out.push_str(",\"reported\":");
        self.device.twin.reported.write(out);
        out.push('}');
    }

    fn status(&self) -> &'static str {
        if self.device.identity.enabled { "enabled" } else { "disabled" }
    }

    fn details(&self) -> Option<&Details> {
        self.device.identity.details.as_deref()
    }

    fn status_reason(&self) -> Option<&str> {
        self.details()?.status_reason.as_deref()
    }

    fn is_edge(&self) -> bool {
        self.details().is_some_and(|details| details.is_edge)
    }
}

impl Row for View<'_> {
    fn field(&self, path: &Path) -> Field<'_> {
        let twin = &self.device.twin;
        match path {
            Path::DeviceId => Field::Text(split_id(&self.device.id).0.into()),
            Path::ModuleId => split_id(&self.device.id).1.map_or(Field::Undefined, |id| Field::Text(id.into())),
            Path::ModelId => self.device.identity.model_id().map_or(Field::Undefined, |id| Field::Text(id.into())),
            Path::Etag => Field::Text(etag(twin.etag).into()),
            Path::DeviceEtag => Field::Text(etag(self.device.identity.etag).into()),
            Path::Status => Field::Text(self.status().into()),
            Path::ConnectionState => Field::Text(self.device.connection_state().into()),
            Path::StatusReason => self.status_reason().map_or(Field::Undefined, |reason| Field::Text(reason.into())),
            Path::StatusUpdateTime | Path::LastActivityTime => {
                self.time(path).or_else(|| NEVER.parse().ok()).map_or(Field::Undefined, Field::Time)
            }
            Path::CloudToDeviceMessageCount => number(0),
            Path::AuthenticationType => Field::Text(self.device.identity.credentials.kind().into()),
            Path::IotEdge => Field::Bool(self.is_edge()),
            Path::Properties => Field::Compound,
            Path::Version => number(twin.version),
            Path::Tags(path) => Field::from_json(find(twin.tags(), path)),
            Path::Desired(path) => property(&twin.desired, path),
            Path::Reported(path) => property(&twin.reported, path),
            Path::Job(_) | Path::Unknown => Field::Undefined,
        }
    }

    fn write_field(&self, path: &Path, out: &mut String) -> bool {
        let twin = &self.device.twin;
        match path {
            Path::Tags(path) => write_found(find(twin.tags(), path), out),
            Path::Desired(path) => write_property(&twin.desired, path, out),
            Path::Reported(path) => write_property(&twin.reported, path, out),
            Path::Properties => {
                self.write_properties(out);
                true
            }
            other => {
                match self.field(other) {
                    Field::Text(text) => write_text(&text, out),
                    Field::Time(_) => write_text(&self.time(path).map_or_else(|| NEVER.to_owned(), rfc3339), out),
                    Field::Number(number) => out.push_str(&number.to_string()),
                    Field::Bool(value) => out.push_str(&value.to_string()),
                    Field::Undefined | Field::Null | Field::Compound => return false,
                }
                true
            }
        }
    }

    /// Compact JSON: the tutorial's program looks for `"firmwareStatus":"standBy"` in the text.
    fn write_document(&self, out: &mut String) {
        let Device { id, identity, twin, .. } = self.device;
        let mut member = |name: &str, value: &str| {
            out.push_str(if name == "deviceId" { "{\"" } else { ",\"" });
            out.push_str(name);
            out.push_str("\":");
            out.push_str(value);
        };
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let time = |at: Option<Timestamp>| text(&at.map_or_else(|| NEVER.to_owned(), rfc3339));
        let (device_id, module_id) = split_id(id);
        member("deviceId", &text(device_id));
        if let Some(module_id) = module_id {
            member("moduleId", &text(module_id));
        }
        if let Some(model_id) = identity.model_id() {
            member("modelId", &text(model_id));
        }
        member("etag", &text(&etag(twin.etag)));
        member("deviceEtag", &text(&etag(identity.etag)));
        member("status", &text(self.status()));
        if let Some(reason) = self.status_reason() {
            member("statusReason", &text(reason));
        }
        member("statusUpdateTime", &time(identity.status_updated));
        member("connectionState", &text(self.device.connection_state()));
        member("lastActivityTime", &time(self.last_activity()));
        member("cloudToDeviceMessageCount", "0");
        member("authenticationType", &text(identity.credentials.kind()));
        match identity.credentials.thumbprints() {
            // 3.2: in capitals here, unlike in identities.
            [None, None] => member("x509Thumbprint", r#"{"PrimaryThumbprint":null,"SecondaryThumbprint":null}"#),
            thumbprints => {
                let [primary, secondary] = thumbprints.map(|thumbprint| thumbprint.map(ToString::to_string));
                let document = json!({ "PrimaryThumbprint": primary, "SecondaryThumbprint": secondary });
                member("x509Thumbprint", &document.to_string());
            }
        }
        member("version", &twin.version.to_string());
        member("tags", twin.tags());
        out.push_str(",\"properties\":");
        self.write_properties(out);
        // 3.2: what there is none of is left out.
        out.extend([",\"capabilities\":{\"iotEdge\":", if self.is_edge() { "true}" } else { "false}" }]);
        if let Some(scope) = self.details().and_then(|details| details.scope.as_deref()) {
            out.extend([",\"deviceScope\":", &text(scope)]);
        }
        if let Some(details) = self.details().filter(|details| !details.parent_scopes.is_empty()) {
            out.extend([",\"parentScopes\":", &Value::from(details.parent_scopes.clone()).to_string()]);
        }
        out.push('}');
    }
}

#[expect(clippy::cast_precision_loss, reason = "versions stay far below 2^52")]
fn number(number: u64) -> Field<'static> {
    Field::Number(number as f64)
}

/// A property for comparing. The hub's own times are found without looking into the text wherever possible.
fn property<'a>(properties: &'a Properties, path: &[String]) -> Field<'a> {
    match path.split_first() {
        Some((first, [])) if first == "$version" => number(properties.version()),
        Some((first, [second])) if first == "$metadata" && second == "$lastUpdated" => {
            Field::Time(properties.updated())
        }
        Some((first, rest)) if first == "$metadata" => {
            let field = Field::from_json(find(properties.metadata(), rest));
            match (&field, rest.last()) {
                (Field::Text(text), Some(last)) if last == "$lastUpdated" => {
                    text.parse().map_or(Field::Undefined, Field::Time)
                }
                _ => field,
            }
        }
        _ => Field::from_json(find(properties.text(), path)),
    }
}

fn write_property(properties: &Properties, path: &[String], out: &mut String) -> bool {
    match path.split_first() {
        None => {
            properties.write(out);
            true
        }
        Some((first, [])) if first == "$version" => {
            out.push_str(&properties.version().to_string());
            true
        }
        Some((first, rest)) if first == "$metadata" => write_found(find(properties.metadata(), rest), out),
        Some(_) => write_found(find(properties.text(), path), out),
    }
}

fn write_found(found: Option<&str>, out: &mut String) -> bool {
    found.map(|text| out.push_str(text)).is_some()
}
