//! A twin as a model sees it: properties and components, each with what is wanted and what the device says to that.

use serde_json::{Map, Value, json};

use super::limits::MAX_NAMES;
use super::properties::Properties;
use super::record::Twin;
use crate::hub::json::insert_at;

/// What marks an object of a twin as a component, and not as a value.
const COMPONENT: (&str, &str) = ("__t", "c");

/// The most steps of a change. A whole twin has hardly more properties.
const MAX_STEPS: usize = 1000;

/// Why a change of a digital twin is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::hub) enum DigitalError {
    #[error("the body is not a JSON patch of add, replace and remove: {0}")]
    Patch(String),
    #[error("`{0}` is not the path of a property: `/property` or `/component/property`, of at most {MAX_NAMES} names")]
    Path(String),
    #[error("there is nothing at `{0}` to replace or remove")]
    Missing(String),
}

/// The digital twin of the device `id` that follows `model`.
pub(in crate::hub) fn digital_twin(id: &str, model: Option<&str>, twin: &Twin) -> Value {
    let part = |properties: &Properties| (object(properties.text()), object(properties.metadata()));
    let (desired, reported) = (part(&twin.desired), part(&twin.reported));
    let mut document = level((&desired.0, &desired.1), (&reported.0, &reported.1), true);
    document.insert("$dtId".to_owned(), id.into());
    document["$metadata"]["$model"] = model.unwrap_or_default().into();
    document.into()
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// A document and its metadata.
type Side<'a> = (&'a Map<String, Value>, &'a Map<String, Value>);

/// The properties of one level: the root, where components are, or a component.
fn level(desired: Side<'_>, reported: Side<'_>, is_root: bool) -> Map<String, Value> {
    let mut document = Map::new();
    let mut metadata = Map::new();
    let names = reported.0.keys().chain(desired.0.keys().filter(|name| !reported.0.contains_key(*name)));
    for name in names.filter(|name| *name != COMPONENT.0) {
        let (wanted, said) = (desired.0.get(name), reported.0.get(name));
        if is_root && [wanted, said].into_iter().flatten().any(is_component) {
            let empty = Map::new();
            let inner = |side: Side<'_>, name: &str| {
                let of = |map: &Map<String, Value>| map.get(name).and_then(Value::as_object).cloned();
                (of(side.0).unwrap_or_default(), of(side.1).unwrap_or_default())
            };
            let (wanted, said) = (inner(desired, name), inner(reported, name));
            let mut component = level((&wanted.0, &wanted.1), (&said.0, &said.1), false);
            component.entry("$metadata").or_insert_with(|| empty.into());
            document.insert(name.clone(), component.into());
            continue;
        }
        let mut facts = Map::new();
        if let Some(wanted) = wanted {
            facts.insert("desiredValue".to_owned(), wanted.clone());
            copy(desired.1, name, "$lastUpdatedVersion", "desiredVersion", &mut facts);
            copy(desired.1, name, "$lastUpdated", "lastUpdateTime", &mut facts);
        }
        if let Some(said) = said {
            let value = acknowledged(said, &mut facts).unwrap_or(said);
            document.insert(name.clone(), value.clone());
            copy(reported.1, name, "$lastUpdated", "lastUpdateTime", &mut facts);
        }
        metadata.insert(name.clone(), facts.into());
    }
    document.insert("$metadata".to_owned(), metadata.into());
    document
}

fn is_component(value: &Value) -> bool {
    value.get(COMPONENT.0).is_some_and(|kind| kind == COMPONENT.1)
}

/// The value of a property that the device reports with its answer to what was wanted; the answer goes to `facts`.
fn acknowledged<'a>(said: &'a Value, facts: &mut Map<String, Value>) -> Option<&'a Value> {
    let (value, code) = (said.get("value")?, said.get("ac")?);
    facts.insert("ackCode".to_owned(), code.clone());
    for (short, long) in [("av", "ackVersion"), ("ad", "ackDescription")] {
        if let Some(fact) = said.get(short) {
            facts.insert(long.to_owned(), fact.clone());
        }
    }
    Some(value)
}

fn copy(metadata: &Map<String, Value>, name: &str, from: &str, to: &str, facts: &mut Map<String, Value>) {
    if let Some(fact) = metadata.get(name).and_then(|metadata| metadata.get(from)) {
        facts.insert(to.to_owned(), fact.clone());
    }
}

/// The change of the desired properties of `twin` that a JSON patch asks for.
///
/// # Errors
/// It is no such patch.
pub(in crate::hub) fn digital_patch(patch: &Value, twin: &Twin) -> Result<Map<String, Value>, DigitalError> {
    let wrong = |why: &str| DigitalError::Patch(why.to_owned());
    let steps = patch.as_array().ok_or_else(|| wrong("it is not an array"))?;
    if steps.len() > MAX_STEPS {
        return Err(wrong(&format!("{} steps; {MAX_STEPS} are allowed", steps.len())));
    }
    let documents = [&twin.desired, &twin.reported].map(|properties| object(properties.text()));
    let mut desired = Map::new();
    for step in steps {
        let path = step.get("path").and_then(Value::as_str).ok_or_else(|| wrong("a step has no `path`"))?;
        let operation = step.get("op").and_then(Value::as_str);
        let value = match operation {
            Some("add" | "replace") => step.get("value").cloned().ok_or_else(|| wrong("a step has no `value`"))?,
            Some("remove") => Value::Null,
            _ => return Err(wrong("`op` of a step is none of them")),
        };
        let no_path = || DigitalError::Path(path.chars().take(200).collect());
        let names = names(path).ok_or_else(no_path)?;
        if operation != Some("add") && !exists(&names, &desired, &documents) {
            return Err(DigitalError::Missing(path.to_owned()));
        }
        insert_at(&mut desired, &names, as_component(value)).ok_or_else(no_path)?;
        let first = names.first().map(String::as_str).unwrap_or_default();
        if names.len() > 1 && documents.iter().any(|document| document.get(first).is_some_and(is_component)) {
            insert_at(&mut desired, &[first, COMPONENT.0], COMPONENT.1.into()).ok_or_else(no_path)?;
        }
    }
    Ok(desired)
}

/// Whether there is something at the path `names` once `changes` are made to the desired properties. What the device
/// reported counts as well: it stands in the digital twin, so SDKs replace it.
fn exists(names: &[String], changes: &Map<String, Value>, documents: &[Map<String, Value>]) -> bool {
    let mut changed = changes;
    for (n, name) in names.iter().enumerate() {
        match changed.get(name) {
            None => return documents.iter().any(|document| stands_in(document, names)),
            Some(Value::Null) => return false,
            Some(Value::Object(inner)) => changed = inner,
            Some(_) => return n + 1 == names.len(),
        }
    }
    true
}

fn stands_in(document: &Map<String, Value>, names: &[String]) -> bool {
    let mut names = names.iter();
    let first = names.next().and_then(|name| document.get(name));
    names.try_fold(first, |value, name| Some(value?.get(name))).flatten().is_some()
}

/// A whole component is written with `$metadata`, and kept with a mark of its own.
fn as_component(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut()
        && object.remove("$metadata").is_some()
    {
        object.insert(COMPONENT.0.to_owned(), json!(COMPONENT.1));
    }
    value
}

/// The names of a path. No more are looked at than are allowed.
fn names(path: &str) -> Option<Vec<String>> {
    let names: Vec<String> =
        path.strip_prefix('/')?.split('/').take(MAX_NAMES + 1).map(unescaped).collect::<Option<_>>()?;
    let is_legal = |name: &String| !name.is_empty() && !name.starts_with('$');
    (names.len() <= MAX_NAMES && names.iter().all(is_legal)).then_some(names)
}

/// `~0` and `~1` stand for what a name cannot hold; `~` before anything else is an error.
fn unescaped(name: &str) -> Option<String> {
    let is_legal = name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    is_legal.then(|| name.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::TwinPatch;
    use super::*;

    fn twin(desired: Value, reported: &Value) -> Twin {
        let at = Timestamp::UNIX_EPOCH;
        let mut twin = Twin::new(at);
        twin.merge(&TwinPatch { tags: None, desired: desired.as_object().cloned() }, at).unwrap();
        twin.reported = twin.reported.merged(reported.as_object().unwrap(), at).unwrap();
        twin
    }

    #[test]
    fn a_device_without_a_model_has_a_document_too() {
        let document = digital_twin("d", None, &Twin::new(Timestamp::UNIX_EPOCH));
        assert_eq!(document, json!({"$dtId": "d", "$metadata": {"$model": ""}}));
    }

    #[test]
    fn properties_and_components_stand_with_what_was_wanted_and_said() {
        let twin = twin(
            json!({"interval": 5, "thermostat": {"__t": "c", "target": 21}}),
            &json!({
                "serial": "x", "interval": {"value": 4, "ac": 200, "av": 2, "ad": "ok"},
                "thermostat": {"__t": "c", "max": 30},
            }),
        );
        let time = "1970-01-01T00:00:00.000000Z";
        assert_eq!(
            digital_twin("d", Some("dtmi:a;1"), &twin),
            json!({
                "$dtId": "d",
                "serial": "x",
                "interval": 4,
                "thermostat": {
                    "max": 30,
                    "$metadata": {
                        "max": {"lastUpdateTime": time},
                        "target": {"desiredValue": 21, "desiredVersion": 2, "lastUpdateTime": time},
                    },
                },
                "$metadata": {
                    "$model": "dtmi:a;1",
                    "serial": {"lastUpdateTime": time},
                    "interval": {
                        "desiredValue": 5, "desiredVersion": 2, "ackCode": 200, "ackVersion": 2, "ackDescription": "ok",
                        "lastUpdateTime": time,
                    },
                },
            })
        );
    }

    #[test]
    fn a_json_patch_becomes_one_of_the_desired_properties() {
        let twin = twin(json!({"old": 1}), &json!({"thermostat": {"__t": "c", "target": 1}, "plain": {"x": 1}}));
        let patch = json!([
            {"op": "add", "path": "/interval", "value": 5},
            {"op": "replace", "path": "/thermostat/target", "value": 21.5},
            {"op": "remove", "path": "/old"},
            {"op": "add", "path": "/plain/a~1b", "value": 1},
            {"op": "add", "path": "/whole", "value": {"a": 1, "$metadata": {}}},
        ]);
        assert_eq!(
            json!(digital_patch(&patch, &twin).unwrap()),
            json!({
                "interval": 5, "thermostat": {"__t": "c", "target": 21.5}, "old": null, "plain": {"a/b": 1},
                "whole": {"__t": "c", "a": 1},
            })
        );
        for (patch, is_path) in [
            (json!({}), false),
            (json!([{"op": "add", "path": "/a"}]), false),
            (json!([{"op": "move", "path": "/a", "from": "/b"}]), false),
            (json!([{"op": "remove"}]), false),
            (json!([{"op": "remove", "path": "a"}]), true),
            (json!([{"op": "add", "path": "/~2", "value": 1}]), true),
            (json!([{"op": "add", "path": "/a~", "value": 1}]), true),
            (json!(vec![json!({"op": "add", "path": "/a", "value": 1}); 1001]), false),
            (json!([{"op": "remove", "path": "/a//b"}]), true),
            (json!([{"op": "add", "path": "/a".repeat(12), "value": 1}]), true),
            (json!([{"op": "add", "path": "/a".repeat(8000), "value": 1}]), true),
            (json!([{"op": "remove", "path": "/$metadata"}]), true),
            (json!([{"op": "add", "path": "/a", "value": 1}, {"op": "add", "path": "/a/b", "value": 1}]), true),
        ] {
            let error = digital_patch(&patch, &twin).unwrap_err();
            assert_eq!(matches!(error, DigitalError::Path(_)), is_path, "{patch}: {error}");
        }
    }

    #[test]
    fn only_what_there_is_can_be_replaced_or_removed() {
        let twin = twin(json!({"a": {"b": 1}, "c": 1}), &json!({"r": {"s": 1}}));
        let step = |op: &str, path: &str| json!({"op": op, "path": path, "value": 1});
        for (steps, is_legal) in [
            (json!([step("remove", "/a/b"), step("replace", "/c"), step("replace", "/r/s")]), true),
            (json!([step("add", "/n/m"), step("replace", "/n/m"), step("remove", "/n"), step("add", "/n")]), true),
            (json!([step("remove", "/n")]), false),
            (json!([step("replace", "/a/n")]), false),
            (json!([step("replace", "/c/b")]), false),
            (json!([step("remove", "/c"), step("replace", "/c")]), false),
            (json!([step("remove", "/a"), step("remove", "/a/b")]), false),
            (json!([step("add", "/n"), step("replace", "/n/m")]), false),
        ] {
            let missing = matches!(digital_patch(&steps, &twin), Err(DigitalError::Missing(_)));
            assert_eq!(missing, !is_legal, "{steps}");
        }
    }
}
