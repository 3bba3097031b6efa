//! Statistics (5).

use serde_json::json;

use super::answer::Answer;
use super::router::Service;
use crate::hub::partition::{Counts, Refusal};

impl Service {
    pub(super) async fn device_statistics(&self) -> Result<Answer, Refusal> {
        let Counts { total, disabled, .. } = self.counts().await?;
        let counts = json!({
            "totalDeviceCount": total,
            "enabledDeviceCount": total - disabled,
            "disabledDeviceCount": disabled,
        });
        Ok(Answer::ok(counts.to_string()))
    }

    pub(super) async fn service_statistics(&self) -> Result<Answer, Refusal> {
        let counts = json!({ "connectedDeviceCount": self.counts().await?.connected });
        Ok(Answer::ok(counts.to_string()))
    }

    /// Messages to the cloud. The real hub has no such address; its monitoring tells.
    pub(super) async fn telemetry_statistics(&self) -> Result<Answer, Refusal> {
        let counts = json!({ "messageCount": self.counts().await?.telemetry });
        Ok(Answer::ok(counts.to_string()))
    }

    /// The same of one device or module.
    pub(super) async fn telemetry_of(&self, id: &str) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let visit = self.worker.visit(owner, move |partition, _| partition.telemetry_of(&id).ok_or(id)).await?;
        let count = visit.map_err(|id| Refusal::unknown(&id))?;
        Ok(Answer::ok(json!({ "messageCount": count }).to_string()))
    }

    async fn counts(&self) -> Result<Counts, Refusal> {
        let mut sum = Counts::default();
        for worker in 0..self.worker.peers.len() {
            sum = sum + self.worker.visit(worker, |partition, _| partition.counts()).await?;
        }
        Ok(sum)
    }
}
