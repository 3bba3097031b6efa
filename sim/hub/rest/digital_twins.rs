//! Digital twins and their commands.

use serde_json::Value;

use super::answer::{Answer, Failure};
use super::devices::unreadable;
use super::methods::{RESPONSE_TIMEOUT, call};
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::dialect::azure::rest::{COMMAND_STATUS, REQUEST_ID};
use crate::hub::partition::{MethodRefusal, Precondition, Refusal};
use crate::hub::twin::check_digits;

impl Service {
    pub(super) async fn get_digital_twin(&self, id: &str) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let (document, etag) = self.worker.visit(owner, move |partition, _| partition.digital_twin(&id)).await??;
        Ok(Answer { headers: vec![("ETag", quoted(&etag))], ..Answer::ok(document.to_string()) })
    }

    pub(super) async fn patch_digital_twin(
        &self,
        id: &str,
        body: &[u8],
        condition: Precondition,
    ) -> Result<Answer, Refusal> {
        let patch: Value = serde_json::from_slice(body).map_err(unreadable)?;
        check_digits(body)?;
        let (owner, name) = (self.worker.peers.owner(id), id.to_owned());
        let visit = self
            .worker
            .visit(owner, move |partition, now| partition.patch_digital_twin(now, &name, &patch, &condition));
        let etag = visit.await??;
        let headers = vec![("ETag", quoted(&etag)), ("Location", format!("/digitaltwins/{id}"))];
        Ok(Answer { status: 202, headers, body: String::new() })
    }

    /// Calls a command: the direct method of its name, or of `component*command` (11.3). What the device answers is the
    /// whole body.
    pub(super) async fn command(
        &self,
        id: &str,
        component: Option<&str>,
        name: &str,
        query: &str,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let name = component.map_or_else(|| name.to_owned(), |component| format!("{component}*{name}"));
        let request = read(&name, query, body).map_err(MethodRefusal::from)?;
        let answer = self.worker.invoke(id, request).await.map_err(MethodRefusal::from)??;
        let headers = vec![(COMMAND_STATUS, answer.status.to_string()), (REQUEST_ID, self.issue())];
        Ok(Answer { headers, ..Answer::ok(answer.payload) })
    }
}

fn read(name: &str, query: &str, body: &[u8]) -> Result<crate::hub::partition::MethodRequest, Refusal> {
    let seconds = |key: &str, default| {
        let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key);
        let wrong = || Refusal::new(ErrorCode::ArgumentInvalid, format!("`{key}` is not a number of seconds"));
        value.map_or(Ok(default), |(_, value)| value.parse().map_err(|_| wrong()))
    };
    let payload =
        std::str::from_utf8(body).map_err(|_| Refusal::new(ErrorCode::ArgumentInvalid, "the body is not UTF-8"))?;
    if !payload.is_empty() {
        serde_json::from_str::<serde::de::IgnoredAny>(payload).map_err(unreadable)?;
    }
    call(name, payload, seconds("responseTimeoutInSeconds", RESPONSE_TIMEOUT)?, seconds("connectTimeoutInSeconds", 0)?)
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
