//! Configurations and what they do to twins (5).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::devices::unreadable;
use super::router::Service;
use crate::dialect::azure::ErrorCode;
use crate::hub::configurations::{Applied, ConfigurationBody, ConfigurationBook, Content, ContentBody, target_query};
use crate::hub::partition::{Precondition, Refusal};
use crate::hub::query::parse;
use crate::hub::twin::check_digits;

/// The worker whose partition has the configurations of the hub.
const KEEPER: usize = 0;

/// Queries to be tested.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queries {
    target_condition: Option<String>,
    custom_metric_queries: Option<BTreeMap<String, String>>,
}

impl Service {
    pub(super) async fn get_configuration(&self, id: &str) -> Result<Answer, Refusal> {
        let id = id.to_owned();
        let (document, etag) = self.with_configurations(move |book| book.get(&id)).await??;
        Ok(Answer { headers: vec![("ETag", format!("\"{etag}\""))], ..Answer::ok(document.to_string()) })
    }

    pub(super) async fn list_configurations(&self, query: &str) -> Result<Answer, Refusal> {
        let top = match query.split('&').find_map(|pair| pair.strip_prefix("top=")).map(str::parse) {
            None => usize::MAX,
            Some(Ok(top @ 1..)) => top,
            Some(_) => return Err(Refusal::new(ErrorCode::ArgumentInvalid, "`top` must be a number from 1 on")),
        };
        Ok(Answer::ok(self.with_configurations(move |book| book.list(top)).await?.to_string()))
    }

    /// As with identities: without If-Match it creates, with it it updates. The real hub brings a configuration to its
    /// devices within minutes; here they have it by the time of the answer.
    pub(super) async fn put_configuration(
        &self,
        id: &str,
        body: &[u8],
        condition: Precondition,
    ) -> Result<Answer, Refusal> {
        let configuration: ConfigurationBody = serde_json::from_slice(body).map_err(unreadable)?;
        check_digits(body)?;
        let (name, at) = (id.to_owned(), self.wall());
        self.with_configurations(move |book| book.put(&name, configuration, &condition, at)).await??;
        self.apply(id).await?;
        self.get_configuration(id).await
    }

    pub(super) async fn delete_configuration(&self, id: &str, condition: Precondition) -> Result<Answer, Refusal> {
        let id = id.to_owned();
        self.with_configurations(move |book| book.delete(&id, &condition)).await??;
        Ok(Answer::empty())
    }

    /// Brings the configuration `id` to all whom it is for.
    async fn apply(&self, id: &str) -> Result<(), Refusal> {
        let name = id.to_owned();
        let Some(target) = self.with_configurations(move |book| book.target(&name)).await?? else { return Ok(()) };
        let (target, mut sum) = (Arc::new(target), Applied::default());
        for worker in 0..self.worker.peers.len() {
            let mut after = None;
            loop {
                let target = Arc::clone(&target);
                let visit = self.worker.visit(worker, move |partition, now| {
                    partition.configure(now, &target.0, &target.1, after.as_ref())
                });
                let (done, next) = visit.await?;
                sum = Applied { targeted: sum.targeted + done.targeted, applied: sum.applied + done.applied };
                after = next;
                if after.is_none() {
                    break;
                }
                // Whoever else is on this thread comes first.
                tokio::task::yield_now().await;
            }
        }
        let name = id.to_owned();
        self.with_configurations(move |book| book.applied(&name, sum)).await
    }

    pub(super) async fn apply_content(&self, id: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let content: ContentBody = serde_json::from_slice(body).map_err(unreadable)?;
        check_digits(body)?;
        let Content::Modules(modules) = content.read()? else {
            return Err(Refusal::new(ErrorCode::InvalidConfigurationContent, "an edge device needs modulesContent"));
        };
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        self.worker.visit(owner, move |partition, now| partition.configure_edge(now, &id, &modules)).await??;
        Ok(Answer::empty())
    }

    async fn with_configurations<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ConfigurationBook) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.worker.visit(KEEPER, move |partition, _| work(&mut partition.configurations)).await
    }
}

/// Tells what is wrong with the queries of a configuration, in an answer that is 200 in any case.
pub(super) fn test_queries(body: &[u8]) -> Result<Answer, Refusal> {
    let queries: Queries = serde_json::from_slice(body).map_err(unreadable)?;
    let wrong = |text: &str| parse(text).err().map(|error| error.to_string());
    let target = match queries.target_condition.as_deref() {
        None => None,
        // As a hub was seen to do, though a configuration may say so.
        Some("*") => Some("`*` cannot be tested".to_owned()),
        Some(condition) => wrong(&target_query(condition)),
    };
    let metrics = queries.custom_metric_queries.unwrap_or_default();
    let errors: Map<String, Value> =
        metrics.into_iter().filter_map(|(name, text)| Some((name, wrong(&text)?.into()))).collect();
    Ok(Answer::ok(json!({ "targetConditionError": target, "customMetricQueryErrors": errors }).to_string()))
}
