//! The JSON Schema of `results.json`, made of the types that write it. Objects of fixed keys take further ones, as a later
//! program may add some; what is named after a fixed vocabulary (outcomes, series) takes nothing else.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, RestrictFormats, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::ReportError;
use super::results_json::{CensusJson, Document, SeriesName};
use crate::policy::{Outcome, Series};

/// The schema as text.
///
/// # Errors
/// It cannot be written as JSON, which one of ours can.
pub fn results_schema() -> Result<String, ReportError> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    RestrictFormats::default().transform(&mut schema);
    RecursiveTransform(allow_to_be_missing).transform(&mut schema);
    RecursiveTransform(tell_of_json).transform(&mut schema);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// What a reader fills in need not be there: results of earlier programs lack it.
fn allow_to_be_missing(schema: &mut Schema) {
    let defaults: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|keys| keys.iter().filter(|(_, key)| key.get("default").is_some()).map(|(name, _)| name.clone()).collect())
        .unwrap_or_default();
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !defaults.iter().any(|default| name == default));
    }
    // What is filled in is told well enough by what it means.
    for key in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        if let Some(key) = key.as_object_mut() {
            key.remove("default");
        }
    }
}

/// Descriptions speak of code, where they come from: `None` is `null`, and links lead nowhere.
fn tell_of_json(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ").replace("`None`", "`null`").replace("[`", "`").replace("`]", "`");
    }
}

impl JsonSchema for SeriesName {
    fn schema_name() -> Cow<'static, str> {
        "Series".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The name of a series of durations.",
            "enum": Series::ALL.map(Series::name).to_vec(),
        })
    }
}

impl JsonSchema for CensusJson {
    fn schema_name() -> Cow<'static, str> {
        "Census".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let meanings = Outcome::json_schema(generator);
        let meaning = |outcome: Outcome| {
            let all = meanings.get("oneOf").and_then(Value::as_array);
            let of = all.into_iter().flatten().find(|one| one["const"] == outcome.as_str());
            of.and_then(|one| one.get("description")).cloned().unwrap_or_default()
        };
        let mut keys = Map::new();
        let planned = "Updates that the schedule holds.";
        keys.insert("planned".to_owned(), json!({ "type": "integer", "minimum": 0, "description": planned }));
        for outcome in Outcome::ALL {
            let count = json!({ "type": "integer", "minimum": 0, "description": meaning(outcome) });
            keys.insert(outcome.to_string(), count);
        }
        let unaccounted =
            "Planned updates without an outcome; negative if one was counted twice. Always 0 in a valid result.";
        keys.insert("unaccounted".to_owned(), json!({ "type": "integer", "description": unaccounted }));
        let required: Vec<&String> = keys.keys().collect();
        json_schema!({
            "type": "object",
            "description": "How many updates were planned, and how many ended in each outcome: each in exactly one.",
            "required": required,
            "properties": keys,
        })
    }
}

#[cfg(test)]
mod tests;
