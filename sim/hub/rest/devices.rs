//! The identity registry (5).

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::router::Service;
use crate::dialect::azure::rest::BULK_MAX;
use crate::dialect::azure::{ErrorCode, Key};
use crate::hub::identity::random_key;
use crate::hub::partition::{Details, Keys, Partition, Precondition, Refusal, Registration};
use crate::hub::twin::TwinPatch;
use crate::time::Nanos;

/// How many identities a list holds at most.
const MAX_TOP: usize = 1000;

/// An identity, as a service sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    status: Option<String>,
    status_reason: Option<String>,
    managed_by: Option<String>,
    authentication: Option<Authentication>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    #[serde(rename = "type")]
    kind: Option<String>,
    symmetric_key: Option<SymmetricKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymmetricKey {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

/// Keys show themselves nowhere, not even in a debug print.
impl std::fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SymmetricKey(..)")
    }
}

/// One item of a bulk request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkItem {
    id: String,
    #[serde(default)]
    import_mode: ImportMode,
    #[serde(alias = "etag")]
    e_tag: Option<String>,
    #[serde(flatten)]
    identity: Identity,
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    properties: Value,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum ImportMode {
    #[default]
    Create,
    Update,
    #[serde(rename = "updateIfMatchETag")]
    UpdateIfMatch,
    Delete,
    #[serde(rename = "deleteIfMatchETag")]
    DeleteIfMatch,
    UpdateTwin,
    #[serde(rename = "updateTwinIfMatchETag")]
    UpdateTwinIfMatch,
}

/// A bulk item, ready to be done.
struct Operation {
    id: String,
    mode: ImportMode,
    precondition: Precondition,
    registration: Registration,
}

impl Service {
    pub(super) async fn get_device(&self, id: &str) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let identity = self.worker.visit(owner, move |partition, _| partition.identity(&id)).await??;
        Ok(Answer::ok(identity.to_string()))
    }

    /// 5: without If-Match it creates, with it it updates.
    pub(super) async fn put_device(&self, id: &str, body: &[u8], condition: Precondition) -> Result<Answer, Refusal> {
        let identity: Identity = serde_json::from_slice(body).map_err(unreadable)?;
        let registration = identity.registration(TwinPatch::default())?;
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let visit = self.worker.visit(owner, move |partition, now| {
            match condition {
                Precondition::Absent => partition.create(now, &id, registration)?,
                condition => partition.update(now, &id, registration, &condition)?,
            }
            partition.identity(&id)
        });
        Ok(Answer::ok(visit.await??.to_string()))
    }

    pub(super) async fn delete_device(&self, id: &str, condition: Precondition) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        self.worker.visit(owner, move |partition, _| partition.delete(&id, &condition)).await??;
        Ok(Answer::empty())
    }

    pub(super) async fn list_devices(&self, query: &str) -> Result<Answer, Refusal> {
        let top = match query.split('&').find_map(|pair| pair.strip_prefix("top=")).map(str::parse) {
            None => MAX_TOP,
            Some(Ok(top @ 1..=MAX_TOP)) => top,
            Some(_) => {
                return Err(Refusal::new(ErrorCode::ArgumentInvalid, format!("`top` must lie within [1; {MAX_TOP}]")));
            }
        };
        let mut identities = Vec::new();
        for worker in 0..self.worker.peers.len() {
            identities.extend(self.worker.visit(worker, move |partition, _| partition.identities(top)).await?);
        }
        identities.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        identities.truncate(top);
        let documents: Vec<Value> = identities.into_iter().map(|(_, document)| document).collect();
        Ok(Answer::ok(Value::Array(documents).to_string()))
    }

    pub(super) async fn bulk(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let items: Vec<BulkItem> = serde_json::from_slice(body).map_err(unreadable)?;
        if items.len() > BULK_MAX {
            let message = format!("{} identities in one request; {BULK_MAX} are allowed", items.len());
            return Err(Refusal::new(ErrorCode::ArgumentInvalid, message));
        }
        let mut errors = Vec::new();
        let mut shares: Vec<Vec<(usize, Operation)>> = (0..self.worker.peers.len()).map(|_| Vec::new()).collect();
        let mut seen = HashSet::new();
        for (n, item) in items.into_iter().enumerate() {
            let (id, mode) = (item.id.clone(), item.import_mode);
            let operation = if seen.insert(id.clone()) { item.operation() } else { Err(repeated(&id)) };
            match operation {
                Ok(operation) => shares[self.worker.peers.owner(&operation.id)].push((n, operation)),
                Err(refusal) => errors.push((n, bulk_error(&id, mode, &refusal))),
            }
        }
        for (worker, share) in shares.into_iter().enumerate().filter(|(_, share)| !share.is_empty()) {
            let visit = self.worker.visit(worker, move |partition, now| {
                share
                    .into_iter()
                    .filter_map(|(n, operation)| Some((n, operation.run(partition, now)?)))
                    .collect::<Vec<_>>()
            });
            errors.extend(visit.await?);
        }
        errors.sort_unstable_by_key(|(n, _)| *n);
        let errors: Vec<Value> = errors.into_iter().map(|(_, error)| error).collect();
        let status = if errors.is_empty() { 200 } else { 400 };
        let body = json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": [] }).to_string();
        Ok(Answer { status, headers: Vec::new(), body })
    }
}

impl BulkItem {
    fn operation(self) -> Result<Operation, Refusal> {
        let precondition = match self.import_mode {
            ImportMode::UpdateIfMatch | ImportMode::DeleteIfMatch | ImportMode::UpdateTwinIfMatch => {
                match Precondition::parse(self.e_tag.as_deref()) {
                    Precondition::Absent => {
                        return Err(Refusal::new(
                            ErrorCode::ArgumentNull,
                            "an operation `..IfMatchETag` needs an eTag",
                        ));
                    }
                    given => given,
                }
            }
            _ => Precondition::Any,
        };
        let twin = TwinPatch::from_value(json!({ "tags": self.tags, "properties": self.properties }))?;
        let registration = self.identity.registration(twin)?;
        Ok(Operation { id: self.id, mode: self.import_mode, precondition, registration })
    }
}

impl Operation {
    /// Does it; the error in the form of the answer, if there is one.
    fn run(self, partition: &mut Partition, now: Nanos) -> Option<Value> {
        let Self { id, mode, precondition, registration } = self;
        let result = match mode {
            ImportMode::Create => partition.create(now, &id, registration),
            ImportMode::Update | ImportMode::UpdateIfMatch => partition.update(now, &id, registration, &precondition),
            ImportMode::Delete | ImportMode::DeleteIfMatch => partition.delete(&id, &precondition),
            ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => {
                partition.patch_twin(now, &id, &registration.twin, &precondition).map(drop)
            }
        };
        result.err().map(|refusal| bulk_error(&id, mode, &refusal))
    }
}

impl Identity {
    /// What it registers; keys that it does not bring are made (5).
    pub(super) fn registration(self, twin: TwinPatch) -> Result<Registration, Refusal> {
        let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
        let enabled = match self.status.as_deref() {
            None | Some("enabled") => true,
            Some("disabled") => false,
            Some(other) => return Err(refuse(format!("status `{other}` is neither `enabled` nor `disabled`"))),
        };
        let keys = match self.authentication {
            Some(Authentication { kind: Some(kind), .. }) if kind != "sas" => {
                return Err(refuse(format!("authentication `{kind}`: this hub knows `sas` alone")));
            }
            Some(Authentication { symmetric_key: Some(keys), .. }) => keys.read()?,
            _ => None,
        };
        let keys = match keys {
            Some(keys) => keys,
            None => random_key()
                .and_then(|primary| Ok((primary, random_key()?)))
                .map_err(|error| Refusal::new(ErrorCode::ServerError, error.to_string()))?,
        };
        let details = Details { status_reason: self.status_reason, managed_by: self.managed_by };
        Ok(Registration { enabled, details, keys: Keys::Own(Box::new(keys)), twin })
    }
}

impl SymmetricKey {
    /// Both keys or neither (1.3).
    fn read(self) -> Result<Option<(Key, Key)>, Refusal> {
        let refuse = |message: &str| Refusal::new(ErrorCode::ArgumentInvalid, message);
        let given = |key: Option<String>| key.filter(|key| !key.is_empty());
        let key = |name: &str, text: String| Key::from_base64(&text).map_err(|why| refuse(&format!("{name}: {why}")));
        match (given(self.primary_key), given(self.secondary_key)) {
            (None, None) => Ok(None),
            (Some(primary), Some(secondary)) => {
                Ok(Some((key("primaryKey", primary)?, key("secondaryKey", secondary)?)))
            }
            _ => Err(refuse("an identity has two keys or none")),
        }
    }
}

pub(super) fn unreadable(error: serde_json::Error) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, format!("the body is unreadable: {error}"))
}

fn repeated(id: &str) -> Refusal {
    Refusal::new(ErrorCode::DeviceDefinedMultipleTimes, format!("device `{id}` stands in the request more than once"))
}

fn bulk_error(id: &str, mode: ImportMode, refusal: &Refusal) -> Value {
    let operation = match mode {
        ImportMode::Create => "create",
        ImportMode::Update | ImportMode::UpdateIfMatch => "update",
        ImportMode::Delete | ImportMode::DeleteIfMatch => "delete",
        ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => "updateTwin",
    };
    json!({
        "deviceId": id,
        "moduleId": null,
        "errorCode": refusal.code.number(),
        "errorStatus": refusal.message,
        "operation": operation,
    })
}
