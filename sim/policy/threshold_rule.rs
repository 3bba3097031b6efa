//! What a threshold of a plan is to do when it breaks.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Threshold, units};

/// A threshold of a plan. As JSON it is its expression alone where it ends nothing, else
/// `{"expr": "census.failed < 5", "abort": true, "grace": "30s"}`; both are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct ThresholdRule {
    /// What must hold in the end.
    pub threshold: Threshold,
    /// Whether the run ends as soon as it cannot hold.
    pub abort: bool,
    /// How long, from the start of the load, it ends nothing yet.
    pub grace: Duration,
}

/// How a rule is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Plain(Threshold),
    Whole {
        expr: Threshold,
        #[serde(default)]
        abort: bool,
        #[serde(default, with = "units::duration")]
        grace: Duration,
    },
}

impl From<Threshold> for ThresholdRule {
    /// One that is judged in the end, and ends nothing.
    fn from(threshold: Threshold) -> Self {
        Self { threshold, abort: false, grace: Duration::ZERO }
    }
}

impl From<Form> for ThresholdRule {
    fn from(form: Form) -> Self {
        match form {
            Form::Plain(threshold) => threshold.into(),
            Form::Whole { expr, abort, grace } => Self { threshold: expr, abort, grace },
        }
    }
}

impl From<ThresholdRule> for Form {
    fn from(rule: ThresholdRule) -> Self {
        let ThresholdRule { threshold, abort, grace } = rule;
        if abort { Self::Whole { expr: threshold, abort, grace } } else { Self::Plain(threshold) }
    }
}

impl fmt::Display for ThresholdRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.threshold.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_rule_is_written_as_short_as_it_is() {
        let threshold: Threshold = "census.failed < 5".parse().unwrap();
        let plain = ThresholdRule::from(threshold.clone());
        assert_eq!(to_value(&plain).unwrap(), json!("census.failed < 5"));
        let whole = ThresholdRule { threshold, abort: true, grace: Duration::from_secs(30) };
        assert_eq!(to_value(&whole).unwrap(), json!({ "expr": "census.failed < 5", "abort": true, "grace": "30s" }));
        for rule in [plain.clone(), whole] {
            assert_eq!(from_value::<ThresholdRule>(to_value(&rule).unwrap()).unwrap(), rule);
        }
        assert_eq!(from_value::<ThresholdRule>(json!({ "expr": "census.failed < 5" })).unwrap(), plain);
        assert!(from_value::<ThresholdRule>(json!({ "abort": true })).is_err());
    }
}
