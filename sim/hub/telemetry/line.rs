//! A message as one line of JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::message::{AuthMethod, Message};
use crate::dialect::azure::MessageProperties;
use crate::time::rfc3339;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    enqueued_time: &'a str,
    device_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_id: Option<&'a str>,
    properties: BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>,
    system_properties: BTreeMap<&'static str, Cow<'a, str>>,
    body: Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Base64(String),
}

/// Appends the line of `message` to `out`.
pub(super) fn write_line(message: &Message, out: &mut Vec<u8>) {
    let (device_id, module_id) = match message.sender.split_once('/') {
        Some((device, module)) => (device, Some(module)),
        None => (&*message.sender, None),
    };
    let MessageProperties { mut application, mut system } = MessageProperties::parse(&message.properties);
    if message.retain {
        application.insert("mqtt-retain".into(), Some("true".into()));
    }
    if message.is_will {
        application.insert("iothub-MessageType".into(), Some("Will".into()));
    }
    let enqueued_time = rfc3339(message.at);
    system.insert("iothub-connection-device-id", device_id.into());
    if let Some(module_id) = module_id {
        system.insert("iothub-connection-module-id", module_id.into());
    }
    system.insert("iothub-connection-auth-generation-id", message.generation.to_string().into());
    system.insert("iothub-connection-auth-method", auth_method(message.method, module_id.is_some()).into());
    if let Some(model) = &message.model {
        system.insert("dt-dataschema", (&**model).into());
    }
    system.insert("iothub-enqueuedtime", enqueued_time.as_str().into());
    system.insert("iothub-message-source", "Telemetry".into());
    let (body, body_encoding) = body(&message.body);
    let properties = application;
    let line = Line {
        enqueued_time: &enqueued_time,
        device_id,
        module_id,
        properties,
        system_properties: system,
        body,
        body_encoding,
    };
    let start = out.len();
    // Writing to memory does not fail, and neither does any of these types.
    let _ = serde_json::to_writer(&mut *out, &line);
    // A body of JSON may be of several lines. Within a text JSON has no bare line breaks, so these are all blanks.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.push(b'\n');
}

fn body(body: &[u8]) -> (Body<'_>, Option<&'static str>) {
    if let Ok(json) = serde_json::from_slice(body) {
        return (Body::Json(json), None);
    }
    match std::str::from_utf8(body) {
        Ok(text) => (Body::Text(text), None),
        Err(_) => (Body::Base64(STANDARD.encode(body)), Some("base64")),
    }
}

/// The system's property is itself a text of JSON.
fn auth_method(method: AuthMethod, is_module: bool) -> String {
    let (scope, kind) = match method {
        AuthMethod::Policy => ("hub", "sas"),
        AuthMethod::Key => (if is_module { "module" } else { "device" }, "sas"),
        AuthMethod::Certificate => (if is_module { "module" } else { "device" }, "x509"),
    };
    format!(r#"{{"scope":"{scope}","type":"{kind}","issuer":"iothub","acceptingIpFilterRule":null}}"#)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn message(sender: &str, properties: &str, body: &[u8]) -> Message {
        Message {
            sender: sender.into(),
            generation: 7,
            method: AuthMethod::Key,
            model: None,
            at: Timestamp::UNIX_EPOCH,
            properties: properties.into(),
            retain: false,
            is_will: false,
            body: body.into(),
        }
    }

    fn line(message: &Message) -> Value {
        let mut out = Vec::new();
        write_line(message, &mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_line_has_all_that_is_known_of_a_message() {
        let line = line(&message("d/m", "%24.mid=1&%24.ct=application%2Fjson&k=v&n", b"{\"t\":\n 21.50}"));
        assert_eq!(
            line,
            json!({
                "enqueuedTime": rfc3339(Timestamp::UNIX_EPOCH),
                "deviceId": "d",
                "moduleId": "m",
                "properties": {"k": "v", "n": null},
                "systemProperties": {
                    "message-id": "1",
                    "content-type": "application/json",
                    "iothub-connection-device-id": "d",
                    "iothub-connection-module-id": "m",
                    "iothub-connection-auth-generation-id": "7",
                    "iothub-connection-auth-method":
                        r#"{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}"#,
                    "iothub-enqueuedtime": rfc3339(Timestamp::UNIX_EPOCH),
                    "iothub-message-source": "Telemetry",
                },
                "body": {"t": 21.5},
            })
        );
    }

    #[test]
    fn bodies_are_json_or_text_or_base64() {
        for (body, expected, encoding) in [
            (&b"[1, 2]"[..], json!([1, 2]), Value::Null),
            (b"\"x\"", json!("x"), Value::Null),
            (b"", json!(""), Value::Null),
            (b"21 degrees\r\n\"warm\"", json!("21 degrees\r\n\"warm\""), Value::Null),
            (b"{\"t\":", json!("{\"t\":"), Value::Null),
            (b"\xff\x00", json!("/wA="), json!("base64")),
        ] {
            let line = line(&message("d", "", body));
            assert_eq!((&line["body"], &line["bodyEncoding"]), (&expected, &encoding));
        }
    }

    #[test]
    fn retained_messages_and_wills_are_marked() {
        let model = Some("dtmi:a;1".into());
        let marked = Message { retain: true, is_will: true, model, ..message("d", "", b"") };
        let expected = json!({"mqtt-retain": "true", "iothub-MessageType": "Will"});
        assert_eq!(line(&marked)["properties"], expected);
        assert_eq!(line(&marked)["systemProperties"]["dt-dataschema"], "dtmi:a;1");
    }
}
