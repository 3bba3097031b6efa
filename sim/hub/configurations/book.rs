//! All configurations of a hub.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::configuration::{Configuration, ConfigurationBody, Target};
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::{Precondition, Refusal};

/// How many configurations a hub may have.
const MAX: usize = 100;

/// How far a configuration has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::hub) struct Applied {
    /// Twins that its condition holds for.
    pub(in crate::hub) targeted: usize,
    /// Those of them that have its content.
    pub(in crate::hub) applied: usize,
}

/// The configurations, by id.
#[derive(Debug, Default)]
pub(in crate::hub) struct ConfigurationBook {
    configurations: BTreeMap<String, Configuration>,
}

impl ConfigurationBook {
    /// Makes the configuration `id`, or with a precondition changes it.
    pub(in crate::hub) fn put(
        &mut self,
        id: &str,
        body: ConfigurationBody,
        precondition: &Precondition,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let content = body.check(id)?;
        let count = self.configurations.len();
        match (self.configurations.get_mut(id), precondition) {
            (None, Precondition::Absent) if count >= MAX => {
                let message = format!("this hub has {MAX} configurations, and may have no more");
                Err(Refusal::new(ErrorCode::ConfigurationCountLimitExceeded, message))
            }
            (None, Precondition::Absent) => {
                self.configurations.insert(id.to_owned(), Configuration::new(id, body, content, at));
                Ok(())
            }
            (Some(_), Precondition::Absent) => {
                let message = format!("configuration `{id}` is there already");
                Err(Refusal::new(ErrorCode::ConfigurationAlreadyExists, message))
            }
            (None, _) => Err(unknown(id)),
            (Some(configuration), precondition) => {
                precondition.check(&configuration.etag())?;
                configuration.update(body, at);
                Ok(())
            }
        }
    }

    /// Removes the configuration `id`. What it wrote into twins stays there.
    pub(in crate::hub) fn delete(&mut self, id: &str, precondition: &Precondition) -> Result<(), Refusal> {
        let configuration = self.configurations.get(id).ok_or_else(|| unknown(id))?;
        precondition.check(&configuration.etag())?;
        self.configurations.remove(id);
        Ok(())
    }

    /// The configuration `id`, with its etag.
    pub(in crate::hub) fn get(&self, id: &str) -> Result<(Value, String), Refusal> {
        let configuration = self.configurations.get(id).ok_or_else(|| unknown(id))?;
        Ok((configuration.document(), configuration.etag()))
    }

    /// The first `top` of them.
    pub(in crate::hub) fn list(&self, top: usize) -> Value {
        self.configurations.values().take(top).map(Configuration::document).collect()
    }

    /// Whom the configuration `id` is for, if anybody, and those for the same kind that rank above it.
    pub(in crate::hub) fn target(&self, id: &str) -> Result<Option<(Target, Vec<Target>)>, Refusal> {
        let Some(target) = self.configurations.get(id).map(Configuration::target).transpose()?.flatten() else {
            return Ok(None);
        };
        let others = self.configurations.values().filter(|other| other.id != id);
        let mut above = Vec::new();
        for other in others {
            let rivals = |other: &Target| other.plan.from == target.plan.from && other.rank > target.rank;
            above.extend(other.target()?.filter(rivals));
        }
        Ok(Some((target, above)))
    }

    /// The configuration `id` has come this far.
    pub(in crate::hub) fn applied(&mut self, id: &str, applied: Applied) {
        if let Some(configuration) = self.configurations.get_mut(id) {
            configuration.applied = applied;
        }
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::new(ErrorCode::ConfigurationNotFound, format!("there is no configuration `{id}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(changes: Value) -> ConfigurationBody {
        let mut body = json!({"content": {"deviceContent": {"properties.desired.a": 1}}, "targetCondition": "*"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    fn put(book: &mut ConfigurationBook, id: &str, changes: Value, etag: Option<&str>) -> Result<Value, ErrorCode> {
        let put = book.put(id, body(changes), &Precondition::parse(etag), Timestamp::UNIX_EPOCH);
        put.and_then(|()| book.get(id)).map(|(document, _)| document).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_configuration_is_made_once_and_changed_under_its_etag_but_for_its_content() {
        let mut book = ConfigurationBook::default();
        let made = put(&mut book, "c", json!({"labels": {"a": "b"}}), None).unwrap();
        assert_eq!(
            (&made["priority"], &made["etag"], &made["schemaVersion"]),
            (&json!(0), &json!("MQ=="), &Value::Null)
        );
        assert_eq!(put(&mut book, "c", json!({}), None), Err(ErrorCode::ConfigurationAlreadyExists));
        assert_eq!(put(&mut book, "d", json!({}), Some("*")), Err(ErrorCode::ConfigurationNotFound));
        let other = json!({"content": {"deviceContent": {"properties.desired.b": 1}}, "priority": 7});
        let changed = put(&mut book, "c", other, Some("\"MQ==\"")).unwrap();
        assert_eq!((&changed["content"], &changed["priority"]), (&made["content"], &json!(7)));
        assert_eq!(put(&mut book, "c", json!({}), Some("MQ==")), Err(ErrorCode::PreconditionFailed));
        assert_eq!(
            put(&mut book, "c", json!({"content": null}), Some("*")),
            Err(ErrorCode::InvalidConfigurationContent)
        );
        let stale = book.delete("c", &Precondition::parse(Some("MQ=="))).unwrap_err();
        assert_eq!(stale.code, ErrorCode::PreconditionFailed);
        book.delete("c", &Precondition::Absent).unwrap();
        assert_eq!(book.delete("c", &Precondition::Any).unwrap_err().code, ErrorCode::ConfigurationNotFound);
    }

    #[test]
    fn what_no_configuration_may_say_is_refused_under_its_code() {
        let mut book = ConfigurationBook::default();
        for (id, changes, code) in [
            ("C", json!({}), ErrorCode::ArgumentInvalid),
            ("c", json!({"id": "d"}), ErrorCode::ArgumentInvalid),
            ("c", json!({"targetCondition": "tags.a = "}), ErrorCode::InvalidConfigurationTargetCondition),
            ("c", json!({"targetCondition": "FROM devices.jobs"}), ErrorCode::InvalidConfigurationTargetCondition),
            ("c", json!({"targetCondition": "from devices.modules"}), ErrorCode::InvalidConfigurationTargetCondition),
            ("c", json!({"metrics": {"queries": {"m": "SELECT"}}}), ErrorCode::InvalidConfigurationCustomMetricsQuery),
            ("c", json!({"content": {}}), ErrorCode::InvalidConfigurationContent),
        ] {
            assert_eq!(put(&mut book, id, changes, None), Err(code));
        }
        for n in 0..100 {
            put(&mut book, &format!("c{n}"), json!({}), None).unwrap();
        }
        assert_eq!(put(&mut book, "c", json!({}), None), Err(ErrorCode::ConfigurationCountLimitExceeded));
        assert_eq!(book.list(7).as_array().unwrap().len(), 7);
    }

    #[test]
    fn of_two_configurations_the_higher_priority_ranks_above() {
        let mut book = ConfigurationBook::default();
        put(&mut book, "low", json!({"priority": 1}), None).unwrap();
        put(&mut book, "high", json!({"priority": 2}), None).unwrap();
        let modules = json!({
            "priority": 9, "targetCondition": "FROM devices.modules WHERE moduleId = 'm'",
            "content": {"moduleContent": {"properties.desired.a": 1}},
        });
        put(&mut book, "modules", modules, None).unwrap();
        put(&mut book, "nobody", json!({"priority": 3, "targetCondition": ""}), None).unwrap();
        let above = |id: &str| book.target(id).unwrap().map(|(_, above)| above.len());
        assert_eq!((above("low"), above("high"), above("nobody"), above("none")), (Some(1), Some(0), None, None));
    }
}
