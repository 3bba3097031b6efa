//! Where two plans differ.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::policy::CapacityOf;
use crate::profile::{Plan, ReportPlan};

/// Keys of a plan that say nothing of what was asked of the hub: what it is called, how its capacity is looked for, how it is
/// judged by comparisons, and
/// where its results went.
const IRRELEVANT: [&str; 5] = ["name", "description", "capacity", "compare", "report"];
/// The hub under test.
const HUB: &str = "hub";

/// A key whose values are not the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Its path, with dots.
    pub key: String,
    /// The base's value; null if it has none.
    pub base: Value,
    /// The new one.
    pub new: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        write!(f, "{}: {} and {}", self.key, text(&self.base), text(&self.new))
    }
}

/// A plan cut in two, as far as it matters to comparisons.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parts {
    /// The hub under test.
    pub(super) hub: Value,
    /// What was asked of it.
    pub(super) rest: Value,
}

impl Parts {
    /// Of a plan as a result holds it. A plan of an older version gets what this one adds to it.
    pub(super) fn of(plan: &Value) -> Self {
        let mut rest = plan.clone();
        if let Value::Object(keys) = &mut rest {
            // What does not matter must not keep an older plan from being read.
            let report = serde_json::to_value(ReportPlan::default()).unwrap_or_default();
            keys.extend([("report".to_owned(), report)]);
        }
        if let Ok(read) = serde_json::from_value::<Plan>(rest.clone()).and_then(serde_json::to_value) {
            rest = read;
        }
        let mut hub = Value::Null;
        if let Value::Object(keys) = &mut rest {
            hub = keys.remove(HUB).unwrap_or_default();
            keys.retain(|key, _| !IRRELEVANT.contains(&key.as_str()));
        }
        Self { hub, rest }
    }

    /// The same without what a search sets in each of its steps.
    pub(super) fn of_a_search(mut self, of: CapacityOf) -> Self {
        // Each of its steps draws anew.
        if let Value::Object(keys) = &mut self.rest {
            keys.remove("seed");
        }
        for (section, key) in set_by_a_search(of) {
            if let Some(Value::Object(keys)) = self.rest.pointer_mut(section) {
                keys.remove(*key);
            }
        }
        self
    }
}

/// What a search sets in each of its steps: by section, the key.
const fn set_by_a_search(of: CapacityOf) -> &'static [(&'static str, &'static str)] {
    const LOAD: &str = "/driver/load";
    const DRIVER: &str = "/driver";
    const FLEET: &str = "/fleet";
    match of {
        CapacityOf::Calls => &[(LOAD, "rate"), (DRIVER, "updates"), (DRIVER, "settle"), (FLEET, "devices")],
        CapacityOf::Devices => &[
            (LOAD, "rate"),
            (DRIVER, "updates"),
            (DRIVER, "settle"),
            (DRIVER, "lasts"),
            (FLEET, "devices"),
            (FLEET, "spontaneous_for"),
        ],
        CapacityOf::ConnectRate => &[
            (LOAD, "rate"),
            (DRIVER, "updates"),
            (FLEET, "devices"),
            (FLEET, "connect_rate"),
            (FLEET, "connect_in_flight"),
            (FLEET, "connect_settle"),
        ],
    }
}

/// Every key in which two plans, as results hold them, ask something else of a hub, or ask another hub, in alphabetical order.
#[must_use]
pub fn plan_differences(base: &Value, new: &Value) -> Vec<Difference> {
    let [base, new] = [base, new].map(Parts::of);
    let mut found = differences(HUB, &base.hub, &new.hub);
    found.extend(differences("", &base.rest, &new.rest));
    found.sort_by(|one, other| one.key.cmp(&other.key));
    found
}

/// Every key below `path` whose values are not the same, in alphabetical order. What is missing and what is null are the
/// same.
pub(super) fn differences(path: &str, base: &Value, new: &Value) -> Vec<Difference> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (base, new) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let of = |key: &String| {
                let [one, other] = [one, other].map(|side| side.get(key).unwrap_or(&Value::Null));
                differences(&below(key), one, other)
            };
            keys.into_iter().flat_map(of).collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.flat_map(|(at, (one, other))| differences(&below(&at.to_string()), one, other)).collect()
        }
        (base, new) if base == new => Vec::new(),
        (base, new) => vec![Difference { key: path.to_owned(), base: base.clone(), new: new.clone() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(base: &Value, new: &Value) -> Vec<String> {
        differences("", base, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_key_that_differs_is_named_with_both_values() {
        let base = json!({"seed": 7, "fleet": {"devices": 10, "x": null}, "list": [1, {"a": 2}], "t": ["one"]});
        let new = json!({"seed": 7, "fleet": {"devices": 20}, "list": [1, {"a": 3}], "t": []});
        assert_eq!(told(&base, &new), ["fleet.devices: 10 and 20", "list.1.a: 2 and 3", "t: [\"one\"] and []"]);
        assert_eq!(told(&base, &base), [""; 0]);
        assert_eq!(told(&json!({"a": null}), &json!({"a": "50ms"})), ["a: nothing and 50ms"]);
    }

    #[test]
    fn what_an_older_version_did_not_know_has_its_default() {
        let plan = crate::profile::load("quickstart", &[]).unwrap();
        let now = serde_json::to_value(&plan).unwrap();
        let mut older = now.clone();
        older.as_object_mut().unwrap().remove("compare");
        older["hub"]["slow"].as_object_mut().unwrap().remove("twin_read");
        older["name"] = "another".into();
        older["report"] = serde_json::json!({"out": "there"});
        assert_eq!(Parts::of(&older), Parts::of(&now));
        older["seed"] = 8.into();
        assert_eq!(told(&Parts::of(&now).rest, &Parts::of(&older).rest), ["seed: 7 and 8"]);
    }
}
