//! Rows of one partition, slice by slice.

use std::sync::Arc;

use super::partition::{Refusal, Slice};
use super::query::{Cursor, Plan};
use super::workers::Worker;

/// The rows of `plan` in `partition` behind `after`, `limit` at most. They come in slices, so that the partition's
/// devices need not wait for all of them.
pub(super) async fn scan(
    worker: &Worker,
    partition: usize,
    plan: &Arc<Plan>,
    mut after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<Slice>, Refusal> {
    let mut slices = Vec::new();
    let mut wanted = limit;
    loop {
        let slice = slice(worker, partition, plan, after, wanted).await?;
        wanted -= slice.len();
        after = slice.next.clone();
        slices.push(slice);
        if after.is_none() || wanted == 0 {
            return Ok(slices);
        }
        // Whoever else is on this thread comes first.
        tokio::task::yield_now().await;
    }
}

/// One slice of them.
pub(super) async fn slice(
    worker: &Worker,
    partition: usize,
    plan: &Arc<Plan>,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Slice, Refusal> {
    let plan = Arc::clone(plan);
    worker.visit(partition, move |partition, _| partition.search(&plan, after.as_ref(), limit)).await
}
