//! One configuration.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::Applied;
use super::content::{Content, ContentBody};
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::Refusal;
use crate::hub::query::{Collection, Plan, QueryError, parse};
use crate::hub::twin::TwinPatch;
use crate::time::rfc3339;

/// A configuration, as a service writes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::hub) struct ConfigurationBody {
    id: Option<String>,
    schema_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    content: Option<ContentBody>,
    target_condition: Option<String>,
    priority: Option<i64>,
    metrics: Option<Metrics>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Metrics {
    queries: Option<BTreeMap<String, String>>,
}

/// A configuration.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) id: String,
    body: ConfigurationBody,
    content: Content,
    created: Timestamp,
    updated: Timestamp,
    etag: u64,
    pub(super) applied: Applied,
}

/// Whom a configuration is for, and what it does to them.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Target {
    pub(in crate::hub) plan: Plan,
    pub(in crate::hub) patch: TwinPatch,
    /// Of those that target one device, the highest wins: by priority, then by age.
    pub(in crate::hub) rank: (i64, Timestamp),
}

/// The query that finds what `condition` targets: devices, or what it names itself with `FROM`.
pub(in crate::hub) fn target_query(condition: &str) -> String {
    let condition = condition.trim();
    let is_whole = condition.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("from "));
    match condition {
        "*" => "SELECT deviceId FROM devices".to_owned(),
        condition if is_whole => format!("SELECT deviceId {condition}"),
        condition => format!("SELECT deviceId FROM devices WHERE {condition}"),
    }
}

impl ConfigurationBody {
    /// Reads it for the configuration `id`.
    ///
    /// # Errors
    /// What may not be written, with the code for it.
    pub(super) fn check(&self, id: &str) -> Result<Content, Refusal> {
        let invalid = |message: String| Err(Refusal::new(ErrorCode::ArgumentInvalid, message));
        let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+%_*!'".contains(&byte);
        if !(1..=128).contains(&id.len()) || !id.bytes().all(is_legal) {
            return invalid(format!(
                "`{id}` is not a configuration id: 1 to 128 lower-case letters, digits and `- + % _ * ! '`"
            ));
        }
        if self.id.as_ref().is_some_and(|stated| stated != id) {
            return invalid("`id` of the body is not that of the path".to_owned());
        }
        let query = |text: &str, code| {
            parse(text).map_err(|error| Refusal::new(code, format!("`{text}` is not understood: {error}")))
        };
        for text in self.queries().into_iter().flat_map(BTreeMap::values) {
            query(text, ErrorCode::InvalidConfigurationCustomMetricsQuery)?;
        }
        let missing = || Refusal::new(ErrorCode::InvalidConfigurationContent, "the configuration has no content");
        let content = self.content.as_ref().ok_or_else(missing)?.read()?;
        if let Some(condition) = self.target() {
            let code = ErrorCode::InvalidConfigurationTargetCondition;
            let targeted = query(&target_query(condition), code)?.from;
            let fits = match content {
                Content::Twins(collection, _) => targeted == collection,
                Content::Modules(_) => targeted == Collection::Devices,
            };
            if !fits {
                let message = "deviceContent and modulesContent target devices, moduleContent `FROM devices.modules`";
                return Err(Refusal::new(code, message));
            }
        }
        Ok(content)
    }

    /// Its condition; without one it targets nobody.
    fn target(&self) -> Option<&str> {
        self.target_condition.as_deref().filter(|condition| !condition.trim().is_empty())
    }

    fn queries(&self) -> Option<&BTreeMap<String, String>> {
        self.metrics.as_ref()?.queries.as_ref()
    }
}

impl Configuration {
    /// A new one.
    pub(super) fn new(id: &str, body: ConfigurationBody, content: Content, at: Timestamp) -> Self {
        Self { id: id.to_owned(), body, content, created: at, updated: at, etag: 1, applied: Applied::default() }
    }

    /// Takes over what `body` says, its content apart: that never changes, and a hub ignores it without a word.
    pub(super) fn update(&mut self, body: ConfigurationBody, at: Timestamp) {
        self.body = ConfigurationBody { content: self.body.content.take(), ..body };
        self.updated = at;
        self.etag += 1;
    }

    /// Its etag: base64 of a decimal counter.
    pub(super) fn etag(&self) -> String {
        STANDARD.encode(self.etag.to_string())
    }

    /// Whom it is for; nobody if it has no condition or is for an edge device's modules.
    pub(super) fn target(&self) -> Result<Option<Target>, QueryError> {
        let (Some(condition), Content::Twins(_, patch)) = (self.body.target(), &self.content) else { return Ok(None) };
        let plan = Plan::new(parse(&target_query(condition))?);
        let rank = (self.body.priority.unwrap_or_default(), self.created);
        Ok(Some(Target { plan, patch: patch.clone(), rank }))
    }

    /// As a service reads it.
    pub(super) fn document(&self) -> Value {
        let body = &self.body;
        json!({
            "id": self.id,
            "schemaVersion": body.schema_version,
            "labels": body.labels,
            "content": body.content,
            "targetCondition": body.target_condition.as_deref().unwrap_or_default(),
            "createdTimeUtc": rfc3339(self.created),
            "lastUpdatedTimeUtc": rfc3339(self.updated),
            "priority": body.priority.unwrap_or_default(),
            "systemMetrics": {
                "results": { "targetedCount": self.applied.targeted, "appliedCount": self.applied.applied },
                "queries": {},
            },
            "metrics": { "results": {}, "queries": body.queries().cloned().unwrap_or_default() },
            "etag": self.etag(),
        })
    }
}
