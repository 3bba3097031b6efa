//! Twin queries (4), over all partitions.

use std::sync::Arc;

use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::json;

use super::answer::Answer;
use super::router::{Service, text};
use crate::dialect::azure::ErrorCode;
use crate::dialect::azure::rest::{CONTINUATION, ITEM_TYPE, MAX_ITEM_COUNT};
use crate::hub::partition::{Refusal, Slice};
use crate::hub::query::{Cursor, Plan, Select, parse};

/// Rows of a page, unless the client asks for another number.
const DEFAULT_PAGE: usize = 100;

#[derive(Deserialize)]
struct Body {
    query: String,
}

impl Service {
    pub(super) async fn query(&self, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("the body is not {{\"query\":\"..\"}}: {error}")))?;
        let plan = Plan::new(parse(&body.query)?);
        let page = match text(headers, MAX_ITEM_COUNT).map(str::parse) {
            None => DEFAULT_PAGE,
            Some(Ok(count @ 1..=1000)) => count,
            Some(_) => return Err(invalid(format!("{MAX_ITEM_COUNT} must lie within [1; 1000]"))),
        };
        let (after, asked) = match text(headers, CONTINUATION).filter(|token| !token.is_empty()) {
            None => (None, self.wall().as_microsecond()),
            Some(token) => {
                let unreadable = || invalid(format!("{CONTINUATION} is none of this hub's"));
                let (cursor, asked) = Cursor::decode(token).ok_or_else(unreadable)?;
                (Some(cursor), asked)
            }
        };
        let plan = Arc::new(plan.asked_at(asked));
        if let Select::Count(name) = &plan.select {
            let mut count = 0;
            for worker in 0..self.worker.peers.len() {
                let slices = self.collect(worker, &plan, None, usize::MAX).await?;
                count += slices.iter().map(|slice| slice.matched).sum::<usize>();
            }
            return Ok(page_of("Raw", json!([{ name: count }]).to_string(), None));
        }
        let mut slices = Vec::new();
        for worker in 0..self.worker.peers.len() {
            // One row more than a page tells whether another page follows.
            slices.extend(self.collect(worker, &plan, after.clone(), page + 1).await?);
        }
        let mut rows: Vec<_> = slices.iter().flat_map(Slice::rows).collect();
        // Those of one partition are in order already, which makes this one look at each.
        rows.sort_unstable_by_key(|(cursor, _)| *cursor);
        let more = rows.len() > page;
        rows.truncate(page);
        let next = rows.last().filter(|_| more).map(|(cursor, _)| cursor.encode(asked));
        let mut body = String::with_capacity(2 + rows.iter().map(|(_, row)| row.len() + 1).sum::<usize>());
        body.push('[');
        for (n, (_, row)) in rows.iter().enumerate() {
            if n > 0 {
                body.push(',');
            }
            body.push_str(row);
        }
        body.push(']');
        Ok(page_of(if plan.select == Select::All { "Twin" } else { "Raw" }, body, next))
    }

    /// The first `limit` rows of one partition, slice by slice, so that its devices need not wait for all of them.
    async fn collect(
        &self,
        worker: usize,
        plan: &Arc<Plan>,
        mut after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Slice>, Refusal> {
        let mut slices = Vec::new();
        let mut wanted = limit;
        loop {
            let (plan, from) = (Arc::clone(plan), after);
            let slice = self.worker.visit(worker, move |partition, _| partition.search(&plan, from.as_ref(), wanted));
            let slice = slice.await?;
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
}

fn page_of(item_type: &str, body: String, next: Option<String>) -> Answer {
    let mut answer = Answer::ok(body);
    answer.headers.push((ITEM_TYPE, item_type.to_owned()));
    answer.headers.extend(next.map(|next| (CONTINUATION, next)));
    answer
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, message)
}
