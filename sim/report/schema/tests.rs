use std::fs;
use std::path::Path;

use jsonschema::Validator;

use super::super::sample::{aborted, broker, capacity, invalid, sample};
use super::super::{Reporter, ResultsJson};
use super::*;
use crate::measure::RunResult;

fn schema() -> Value {
    serde_json::from_str(&results_schema().unwrap()).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema()).unwrap()
}

fn document(result: &RunResult) -> Value {
    serde_json::from_slice(&ResultsJson.render(result).unwrap()).unwrap()
}

fn reports() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("reports")
}

#[test]
fn the_committed_schema_is_current() {
    let committed = fs::read_to_string(reports().join("results.schema.json")).unwrap_or_default();
    assert!(
        committed == results_schema().unwrap(),
        "the types have changed: `twinstorm schema results > reports/results.schema.json`"
    );
}

#[test]
fn what_we_write_is_accepted() {
    let validator = validator();
    let capacities = [
        capacity::capacity(),
        capacity::unfinished(),
        capacity::widened(),
        capacity::by_generator(),
        capacity::nothing_kept(),
        capacity::nothing_broken(),
    ];
    let results = [sample(), invalid(), aborted(), broker(), RunResult::default()];
    for result in results.into_iter().chain(capacities.map(capacity::with)) {
        let errors: Vec<String> = validator.iter_errors(&document(&result)).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    let mut samples = 0;
    for entry in fs::read_dir(reports().join("samples")).unwrap() {
        let path = entry.unwrap().path().join("results.json");
        let Ok(text) = fs::read(&path) else { continue };
        let document = serde_json::from_slice(&text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        samples += 1;
    }
    assert!(samples >= 2, "the samples were found");
}

#[test]
fn what_is_broken_is_refused() {
    let validator = validator();
    let refuses = |place: &str, value: Option<Value>| {
        let whole = RunResult { capacity: Some(capacity::by_generator()), ..sample() };
        let mut document = document(&whole);
        let (parent, key) = place.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match &value {
            Some(value) => parent.insert(key.to_owned(), value.clone()),
            None => parent.remove(key),
        };
        assert!(!validator.is_valid(&document), "{place} {value:?}");
    };
    for key in ["schema", "name", "seed", "census", "series", "intervals", "rate", "hub", "thresholds", "verdict"] {
        refuses(&format!("/{key}"), None);
    }
    for (place, value) in [
        ("/schema", json!("twinstorm.results/2")),
        ("/started_at", json!("yesterday")),
        ("/seed", json!(-1)),
        ("/valid", json!("yes")),
        ("/verdict", json!("fine")),
        ("/exit_code", json!(-1)),
        ("/duration_s", json!(-1.0)),
        ("/census/completed", json!(-1)),
        ("/census/completed", json!(1.5)),
        ("/census/planned", json!(null)),
        ("/census_by/vanished", json!({ "x": 1 })),
        ("/census_by/failed", json!({ "x": -1 })),
        ("/series/update.totl", document(&sample())["series"]["update.total"].clone()),
        ("/faults/0/observed/vanished", json!(1)),
        ("/matrix/0/outcomes/vanished", json!(1)),
        ("/drill/phases/0/census_by/vanished", json!({})),
        ("/drill/phases/0/series/update.totl", document(&sample())["series"]["update.total"].clone()),
        ("/series/update.total/count", json!(-1)),
        ("/series/update.total/p50_us", json!("fast")),
        ("/series/update.total/hdr", json!(null)),
        ("/absent", json!(["update.totl"])),
        ("/intervals/0/connected", json!(-5)),
        ("/generator/cores", json!("2")),
        ("/hub/rss_peak_bytes", json!(-1)),
        ("/observer/kind", json!(7)),
        ("/thresholds/0/ok", json!("yes")),
        ("/faults/0/expected", json!(["exploded"])),
        ("/drill/steady/0/phase", json!("later")),
        ("/rollout/waves/0/called", json!(-1)),
        ("/capacity/of", json!("updates")),
        ("/capacity/cause", json!("weather")),
        ("/capacity/finished", json!("yes")),
        ("/capacity/ceiling/measured_at", json!("yesterday")),
        ("/capacity/steps/0/purpose", json!("guess")),
        ("/capacity/steps/0/p99_us/update.totl", json!(1)),
    ] {
        refuses(place, Some(value));
    }
    for key in
        ["/census/completed", "/series/update.total/count", "/intervals/0/t_s", "/thresholds/0/expr", "/drill/claim"]
    {
        refuses(key, None);
    }
}

#[test]
fn a_later_program_may_add_keys_and_an_earlier_one_lacks_some() {
    let validator = validator();
    let mut document = document(&sample());
    document["new_section"] = json!({ "a": 1 });
    document["intervals"][0]["new_figure"] = json!(1);
    for key in ["retries", "matrix", "off_diagonal", "invariants", "rollout", "images", "load", "drill", "capacity"] {
        document.as_object_mut().unwrap().remove(key);
    }
    assert!(validator.is_valid(&document));
    assert!(super::super::from_json(&serde_json::to_vec(&document).unwrap()).is_ok(), "the reader says so too");
}

#[test]
fn every_key_says_what_it_means() {
    fn look(schema: &Value, root: &Value, path: &str, keys: &mut usize) {
        let Some(object) = schema.as_object() else { return };
        for (name, key) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}/{name}");
            let target = key["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
            let says = |schema: &Value| schema["description"].as_str().is_some_and(|text| !text.is_empty());
            // Keys of a map by a fixed vocabulary are told by what they stand for.
            let is_vocabulary = object.get("additionalProperties") == Some(&Value::Bool(false));
            assert!(says(key) || target.is_some_and(says) || is_vocabulary, "{path} has no description");
            let text = key["description"].as_str().unwrap_or_default();
            assert!(!text.contains("`None`") && !text.contains("[`"), "{path}: {text}");
            *keys += 1;
        }
        for (name, value) in object {
            match value {
                Value::Array(items) => items.iter().for_each(|item| look(item, root, &format!("{path}/{name}"), keys)),
                value => look(value, root, &format!("{path}/{name}"), keys),
            }
        }
    }
    let (schema, mut keys) = (schema(), 0);
    look(&schema, &schema, "", &mut keys);
    assert!(keys > 150, "{keys}");
}
