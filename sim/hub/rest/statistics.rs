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

    async fn counts(&self) -> Result<Counts, Refusal> {
        let mut sum = Counts::default();
        for worker in 0..self.worker.peers.len() {
            sum = sum + self.worker.visit(worker, |partition, _| partition.counts()).await?;
        }
        Ok(sum)
    }
}
