//! Many identities in one request (5).

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::Answer;
use super::devices::{Identity, unreadable};
use super::router::Service;
use crate::dialect::azure::rest::BULK_MAX;
use crate::dialect::azure::{ErrorCode, is_device_id};
use crate::hub::partition::{Partition, Precondition, Refusal, Registration};
use crate::hub::twin::{TwinPatch, check_digits};
use crate::time::Nanos;

/// One item of a request: a device, or a module of one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    module_id: Option<String>,
    #[serde(default)]
    import_mode: ImportMode,
    #[serde(rename = "eTag", alias = "etag")]
    etag: Option<String>,
    #[serde(rename = "twinETag")]
    twin_etag: Option<String>,
    #[serde(flatten)]
    identity: Identity,
    #[serde(default)]
    tags: Value,
    #[serde(default)]
    properties: Value,
}

/// The Node SDK writes some of them with a capital.
#[derive(Debug, Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum ImportMode {
    #[default]
    #[serde(alias = "Create")]
    Create,
    #[serde(alias = "Update")]
    Update,
    #[serde(rename = "updateIfMatchETag", alias = "UpdateIfMatchETag")]
    UpdateIfMatch,
    #[serde(alias = "Delete")]
    Delete,
    #[serde(rename = "deleteIfMatchETag", alias = "DeleteIfMatchETag")]
    DeleteIfMatch,
    #[serde(alias = "UpdateTwin")]
    UpdateTwin,
    #[serde(rename = "updateTwinIfMatchETag", alias = "UpdateTwinIfMatchETag")]
    UpdateTwinIfMatch,
}

/// Whom an item is about, and what it wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Subject {
    device: String,
    module: Option<String>,
}

/// An item, ready to be done.
struct Operation {
    subject: Subject,
    mode: ImportMode,
    precondition: Precondition,
    registration: Registration,
}

impl Service {
    pub(super) async fn bulk(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(unreadable)?;
        if items.len() > BULK_MAX {
            let message = format!("{} identities in one request; {BULK_MAX} are allowed", items.len());
            return Err(Refusal::new(ErrorCode::TooManyDevices, message));
        }
        let mut errors = Vec::new();
        let mut shares: Vec<Vec<(usize, Operation)>> = (0..self.worker.peers.len()).map(|_| Vec::new()).collect();
        let mut seen = HashSet::new();
        for (n, item) in items.into_iter().enumerate() {
            let item = match Item::read(item) {
                Ok(item) => item,
                Err(error) => {
                    errors.push((n, error));
                    continue;
                }
            };
            let subject = Subject { device: item.id.clone(), module: item.module_id.clone() };
            let mode = item.import_mode;
            let operation =
                if seen.insert(subject.clone()) { item.operation(subject.clone()) } else { Err(subject.repeated()) };
            match operation {
                Ok(operation) => shares[self.worker.peers.owner(&subject.device)].push((n, operation)),
                Err(refusal) => errors.push((n, subject.error(mode, &refusal))),
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

impl Item {
    /// The item that `json` says; else its error in the form of the answer, with what can be made out: the other items
    /// are done nevertheless.
    fn read(json: &RawValue) -> Result<Self, Value> {
        let item = serde_json::from_str(json.get()).map_err(unreadable);
        item.and_then(|item| Ok(check_digits(json.get().as_bytes()).map(|()| item)?)).map_err(|refusal| {
            let given: Value = serde_json::from_str(json.get()).unwrap_or_default();
            let text = |key: &str| given.get(key).and_then(Value::as_str);
            error(text("id"), text("moduleId"), text("importMode").unwrap_or("create"), &refusal)
        })
    }

    fn operation(self, subject: Subject) -> Result<Operation, Refusal> {
        // What is found under an id with a `/` is a module, and is named otherwise here.
        for id in [Some(&subject.device), subject.module.as_ref()].into_iter().flatten() {
            if !is_device_id(id) {
                return Err(Refusal::new(ErrorCode::ArgumentInvalid, format!("`{id}` is not a device id")));
            }
        }
        let etag = match self.import_mode {
            ImportMode::UpdateIfMatch | ImportMode::DeleteIfMatch => Some(self.etag),
            ImportMode::UpdateTwinIfMatch => Some(self.twin_etag.or(self.etag)),
            _ => None,
        };
        let precondition = match etag {
            None => Precondition::Any,
            Some(etag) => match Precondition::parse(etag.as_deref()) {
                Precondition::Absent => {
                    let message = "an operation `..IfMatchETag` needs an eTag";
                    return Err(Refusal::new(ErrorCode::ArgumentNull, message));
                }
                given => given,
            },
        };
        let twin = TwinPatch::from_value(json!({ "tags": self.tags, "properties": self.properties }))?;
        let registration = self.identity.registration(twin)?;
        Ok(Operation { subject, mode: self.import_mode, precondition, registration })
    }
}

impl Operation {
    /// Does it; the error in the form of the answer, if there is one.
    fn run(self, partition: &mut Partition, now: Nanos) -> Option<Value> {
        let Self { subject, mode, precondition, registration } = self;
        let result = match &subject.module {
            None => run_device(partition, now, mode, &subject.device, registration, &precondition),
            Some(module) => run_module(partition, now, mode, (&subject.device, module), registration, &precondition),
        };
        result.err().map(|refusal| subject.error(mode, &refusal))
    }
}

fn run_device(
    partition: &mut Partition,
    now: Nanos,
    mode: ImportMode,
    id: &str,
    new: Registration,
    precondition: &Precondition,
) -> Result<(), Refusal> {
    match mode {
        ImportMode::Create => partition.create(now, id, new),
        ImportMode::Update | ImportMode::UpdateIfMatch => partition.update(now, id, new, precondition),
        ImportMode::Delete | ImportMode::DeleteIfMatch => partition.delete(id, precondition),
        ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => {
            partition.patch_twin(now, id, &new.twin, precondition).map(drop)
        }
    }
}

fn run_module(
    partition: &mut Partition,
    now: Nanos,
    mode: ImportMode,
    (device, module): (&str, &str),
    new: Registration,
    precondition: &Precondition,
) -> Result<(), Refusal> {
    let new = new.of_module();
    match mode {
        ImportMode::Create => partition.put_module(now, device, module, new, &Precondition::Absent),
        ImportMode::Update | ImportMode::UpdateIfMatch => partition.put_module(now, device, module, new, precondition),
        ImportMode::Delete | ImportMode::DeleteIfMatch => partition.delete_module(device, module, precondition),
        ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => {
            partition.patch_twin(now, &format!("{device}/{module}"), &new.twin, precondition).map(drop)
        }
    }
}

impl Subject {
    fn repeated(&self) -> Refusal {
        let message = format!("device `{}` stands in the request more than once", self.device);
        Refusal::new(ErrorCode::DeviceDefinedMultipleTimes, message)
    }

    fn error(&self, mode: ImportMode, refusal: &Refusal) -> Value {
        let operation = match mode {
            ImportMode::Create => "create",
            ImportMode::Update | ImportMode::UpdateIfMatch => "update",
            ImportMode::Delete | ImportMode::DeleteIfMatch => "delete",
            ImportMode::UpdateTwin | ImportMode::UpdateTwinIfMatch => "updateTwin",
        };
        error(Some(&self.device), self.module.as_deref(), operation, refusal)
    }
}

/// One of the answer's errors.
fn error(device: Option<&str>, module: Option<&str>, operation: &str, refusal: &Refusal) -> Value {
    json!({
        "deviceId": device,
        "moduleId": module,
        "errorCode": refusal.code.number(),
        "errorStatus": refusal.message,
        "operation": operation,
    })
}
