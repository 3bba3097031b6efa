//! The identity registry (5).

use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;
use super::authentication::Authentication;
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::partition::{Details, Precondition, Refusal, Registration};
use crate::hub::twin::TwinPatch;

/// How many identities a list holds at most.
const MAX_TOP: usize = 1000;
/// How many characters the reason of a status may have.
const MAX_REASON: usize = 128;

/// An identity, as a service sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    device_id: Option<String>,
    module_id: Option<String>,
    status: Option<String>,
    status_reason: Option<String>,
    managed_by: Option<String>,
    capabilities: Option<Capabilities>,
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
    authentication: Option<Authentication>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities {
    iot_edge: Option<bool>,
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
        identity.check_ids(id, None)?;
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

    pub(super) async fn purge(&self, id: &str) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let purged = self.worker.visit(owner, move |partition, _| partition.purge(&id)).await??;
        Ok(Answer::ok(purged.to_string()))
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
}

impl Identity {
    /// Refuses a body about another identity than the path's.
    pub(super) fn check_ids(&self, device: &str, module: Option<&str>) -> Result<(), Refusal> {
        for (name, stated, wanted) in
            [("deviceId", &self.device_id, Some(device)), ("moduleId", &self.module_id, module)]
        {
            if stated.is_some() && stated.as_deref() != wanted {
                let message = format!("`{name}` of the body is not that of the path");
                return Err(Refusal::new(ErrorCode::ArgumentInvalid, message));
            }
        }
        Ok(())
    }

    /// What it registers; keys that it does not bring are made (5).
    pub(super) fn registration(self, twin: TwinPatch) -> Result<Registration, Refusal> {
        let refuse = |message: String| Refusal::new(ErrorCode::ArgumentInvalid, message);
        let enabled = match self.status.as_deref() {
            None | Some("enabled") => true,
            Some("disabled") => false,
            Some(other) => return Err(refuse(format!("status `{other}` is neither `enabled` nor `disabled`"))),
        };
        let credentials = self.authentication.unwrap_or_default().credentials()?;
        if self.status_reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
            return Err(refuse(format!("statusReason has more than {MAX_REASON} characters")));
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let details = Details {
            status_reason: self.status_reason,
            managed_by: given(self.managed_by),
            is_edge: self.capabilities.and_then(|capabilities| capabilities.iot_edge).unwrap_or_default(),
            scope: given(self.device_scope),
            parent_scopes: self.parent_scopes.unwrap_or_default(),
            model_id: None,
        };
        Ok(Registration { enabled, details, credentials, twin })
    }
}

pub(super) fn unreadable(error: serde_json::Error) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, format!("the body is unreadable: {error}"))
}
