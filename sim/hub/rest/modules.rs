//! The identities of modules (5).

use super::answer::{Answer, Failure};
use super::devices::{Identity, unreadable};
use super::router::Service;
use crate::hub::partition::{Partition, Precondition, Refusal, Registration};
use crate::hub::twin::TwinPatch;
use crate::time::Nanos;

impl Service {
    pub(super) async fn list_modules(&self, device: &str) -> Result<Answer, Failure> {
        self.with_modules(device, |partition, _, device| partition.modules(device).map(|list| list.to_string())).await
    }

    pub(super) async fn get_module(&self, device: &str, module: &str) -> Result<Answer, Failure> {
        let module = module.to_owned();
        let get = move |partition: &mut Partition, _, device: &str| Ok(partition.module(device, &module)?.to_string());
        self.with_modules(device, get).await
    }

    /// As with devices: without If-Match it creates, with it it updates.
    pub(super) async fn put_module(
        &self,
        device: &str,
        module: &str,
        body: &[u8],
        condition: Precondition,
    ) -> Result<Answer, Failure> {
        let (module, new) = (module.to_owned(), registration(device, module, body).map_err(Failure::Flat)?);
        let put = move |partition: &mut Partition, now, device: &str| {
            partition.put_module(now, device, &module, new, &condition)?;
            Ok(partition.module(device, &module)?.to_string())
        };
        self.with_modules(device, put).await
    }

    pub(super) async fn delete_module(
        &self,
        device: &str,
        module: &str,
        condition: Precondition,
    ) -> Result<Answer, Failure> {
        let module = module.to_owned();
        let delete = move |partition: &mut Partition, _, device: &str| {
            partition.delete_module(device, &module, &condition)?;
            Ok(String::new())
        };
        self.with_modules(device, delete).await?;
        Ok(Answer::empty())
    }

    async fn with_modules(
        &self,
        device: &str,
        work: impl FnOnce(&mut Partition, Nanos, &str) -> Result<String, Refusal> + Send + 'static,
    ) -> Result<Answer, Failure> {
        let (owner, device) = (self.worker.peers.owner(device), device.to_owned());
        let visit = self.worker.visit(owner, move |partition, now| work(partition, now, &device)).await;
        visit.flatten().map(Answer::ok).map_err(Failure::Flat)
    }
}

/// What a body registers.
fn registration(device: &str, module: &str, body: &[u8]) -> Result<Registration, Refusal> {
    let identity: Identity = serde_json::from_slice(body).map_err(unreadable)?;
    identity.check_ids(device, Some(module))?;
    Ok(identity.registration(TwinPatch::default())?.of_module())
}
