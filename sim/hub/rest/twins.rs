//! Twins (3.4).

use super::answer::Answer;
use super::router::Service;
use crate::hub::partition::{Precondition, Refusal};
use crate::hub::twin::TwinPatch;

impl Service {
    pub(super) async fn get_twin(&self, id: &str) -> Result<Answer, Refusal> {
        let (owner, id) = (self.worker.peers.owner(id), id.to_owned());
        let twin = self.worker.visit(owner, move |partition, _| partition.twin(&id)).await?.map(Answer::ok);
        self.worker.linger(|delays| delays.twin_read).await;
        twin
    }

    pub(super) async fn patch_twin(&self, id: &str, body: &[u8], condition: Precondition) -> Result<Answer, Refusal> {
        let (owner, id, patch) = (self.worker.peers.owner(id), id.to_owned(), TwinPatch::parse_change(body)?);
        let visit = self.worker.visit(owner, move |partition, now| partition.patch_twin(now, &id, &patch, &condition));
        let twin = visit.await?.map(Answer::ok);
        self.worker.linger(|delays| delays.twin_ack).await;
        twin
    }

    pub(super) async fn replace_twin(&self, id: &str, body: &[u8], condition: Precondition) -> Result<Answer, Refusal> {
        let (owner, id, document) = (self.worker.peers.owner(id), id.to_owned(), TwinPatch::parse(body)?);
        let visit =
            self.worker.visit(owner, move |partition, now| partition.replace_twin(now, &id, &document, &condition));
        let twin = visit.await?.map(Answer::ok);
        self.worker.linger(|delays| delays.twin_ack).await;
        twin
    }
}
