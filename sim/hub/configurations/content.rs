//! What a configuration brings: patches of desired properties, under keys like `properties.desired.a.b`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialect::azure::ErrorCode;
use crate::hub::json::insert_at;
use crate::hub::partition::Refusal;
use crate::hub::query::Collection;
use crate::hub::twin::{MAX_NAMES, Twin, TwinPatch};

/// The module that every edge device's content must name.
const EDGE_AGENT: &str = "$edgeAgent";

/// Content as a service writes and reads it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::hub) struct ContentBody {
    device_content: Option<Map<String, Value>>,
    modules_content: Option<Map<String, Value>>,
    module_content: Option<Map<String, Value>>,
}

/// Content, understood.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Content {
    /// A patch of the twins of devices, or of modules.
    Twins(Collection, TwinPatch),
    /// A patch for each module of an edge device.
    Modules(Vec<(String, TwinPatch)>),
}

impl ContentBody {
    /// What it means.
    ///
    /// # Errors
    /// It is not exactly one kind of content, or holds what no twin may hold.
    pub(in crate::hub) fn read(&self) -> Result<Content, Refusal> {
        match (&self.device_content, &self.module_content, &self.modules_content) {
            (Some(content), None, None) => Ok(Content::Twins(Collection::Devices, patch(content)?)),
            (None, Some(content), None) => Ok(Content::Twins(Collection::Modules, patch(content)?)),
            (None, None, Some(modules)) => {
                if !modules.contains_key(EDGE_AGENT) {
                    return Err(invalid(format!("modulesContent needs {EDGE_AGENT}")));
                }
                let read = |(id, content): (&String, &Value)| match content {
                    Value::Object(content) => Ok((id.clone(), patch(content)?)),
                    _ => Err(invalid(format!("the content of module `{id}` is not a JSON object"))),
                };
                modules.iter().map(read).collect::<Result<_, _>>().map(Content::Modules)
            }
            _ => Err(invalid("content needs one of deviceContent, moduleContent and modulesContent".to_owned())),
        }
    }
}

/// The patch that `content` stands for.
fn patch(content: &Map<String, Value>) -> Result<TwinPatch, Refusal> {
    let mut desired = Map::new();
    for (key, value) in content {
        let wrong = || {
            let key: String = key.chars().take(200).collect();
            let names = format!("at most {MAX_NAMES} names below it");
            invalid(format!("`{key}` is not `properties.desired` nor {names}, or contradicts another key"))
        };
        let rest = key.strip_prefix("properties.desired").ok_or_else(wrong)?;
        let value = value.clone();
        match (rest.strip_prefix('.'), value) {
            (None, Value::Object(object)) if rest.is_empty() => desired.extend(object),
            (Some(path), value) => {
                // One more than are allowed tells enough.
                let names: Vec<&str> = path.split('.').take(MAX_NAMES + 1).collect();
                if names.len() > MAX_NAMES {
                    return Err(wrong());
                }
                insert_at(&mut desired, &names, value).ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    let patch = TwinPatch { tags: None, desired: Some(desired) };
    // What no new twin takes, no other takes.
    Twin::new(Timestamp::UNIX_EPOCH)
        .merge(&patch, Timestamp::UNIX_EPOCH)
        .map_err(|error| invalid(error.to_string()))?;
    Ok(patch)
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidConfigurationContent, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(content: Value) -> Result<Content, Refusal> {
        serde_json::from_value::<ContentBody>(content).unwrap().read()
    }

    #[test]
    fn dotted_keys_become_a_patch() {
        let content = json!({"deviceContent": {
            "properties.desired.a.b": 1, "properties.desired.a.c": {"d": 2}, "properties.desired": {"e": 3},
        }});
        let Ok(Content::Twins(Collection::Devices, patch)) = read(content) else { panic!() };
        assert_eq!(json!(patch.desired), json!({"a": {"b": 1, "c": {"d": 2}}, "e": 3}));
        let modules =
            json!({"modulesContent": {"$edgeAgent": {"properties.desired.x": 1}, "m": {}}, "deviceContent": null});
        let Ok(Content::Modules(modules)) = read(modules) else { panic!() };
        assert_eq!(modules.len(), 2);
    }

    #[test]
    fn other_content_is_refused() {
        for content in [
            json!({}),
            json!({"deviceContent": {"properties.desired.a": 1}, "modulesContent": {"$edgeAgent": {}}}),
            json!({"deviceContent": {"tags.a": 1}}),
            json!({"deviceContent": {"properties.desireda": 1}}),
            json!({"deviceContent": {"properties.desired": 1}}),
            json!({"deviceContent": {"properties.desired.a": 1, "properties.desired.a.b": 1}}),
            json!({"deviceContent": {"properties.desired.a b": 1}}),
            json!({"deviceContent": {format!("properties.desired{}", ".a".repeat(12)): 1}}),
            json!({"moduleContent": {format!("properties.desired{}", ".a".repeat(20_000)): 1}}),
            json!({"modulesContent": {"$edgeHub": {}}}),
            json!({"modulesContent": {"$edgeAgent": 1}}),
        ] {
            let refusal = read(content.clone()).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidConfigurationContent, "{content}");
        }
    }
}
