//! Twin queries (4), over all partitions.

use std::sync::Arc;

use hyper::HeaderMap;
use serde::Deserialize;

use super::answer::Answer;
use super::router::{Service, text};
use crate::dialect::azure::ErrorCode;
use crate::dialect::azure::rest::{CONTINUATION, ITEM_TYPE, MAX_ITEM_COUNT};
use crate::hub::partition::{Refusal, Slice};
use crate::hub::query::{Collection, Cursor, Grouping, Groups, MAX_GROUPS, Place, Plan, Select, parse};
use crate::hub::scan::{scan, slice};

/// Rows of a page, unless the client asks for another number.
const DEFAULT_PAGE: usize = 100;

#[derive(Deserialize)]
struct Body {
    query: String,
}

/// A page of rows as a JSON array, and behind which row the next one begins, if there is one.
struct Rows {
    body: String,
    next: Option<Cursor>,
}

impl Service {
    pub(super) async fn query(&self, headers: &HeaderMap, body: &[u8]) -> Result<Answer, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("the body is not {{\"query\":\"..\"}}: {error}")))?;
        let plan = Plan::new(parse(&body.query)?);
        let page = page_size(headers)?;
        let place = place(headers)?;
        if plan.from == Collection::Jobs {
            return self.query_jobs(plan, place, page).await;
        }
        let asked = place.as_ref().map_or_else(|| self.wall().as_microsecond(), |place| place.asked);
        let left = place.as_ref().map_or(plan.top, |place| place.left);
        let after = place.map(|place| place.cursor);
        let limit = page.min(left.unwrap_or(usize::MAX));
        let plan = Arc::new(plan.asked_at(asked));
        let rows = if let Select::Groups(grouping) = &plan.select {
            self.groups(&plan, grouping, after, limit).await?
        } else {
            self.rows(&plan, after, limit).await?
        };
        let left = left.map(|left| left - limit);
        let next = rows.next.filter(|_| left != Some(0)).map(|cursor| Place { cursor, asked, left }.encode());
        Ok(page_of(if plan.select == Select::All { "Twin" } else { "Raw" }, rows.body, next))
    }

    /// The rows of `plan` behind `after`, `limit` at most.
    async fn rows(&self, plan: &Arc<Plan>, after: Option<Cursor>, limit: usize) -> Result<Rows, Refusal> {
        let mut slices = Vec::new();
        for worker in 0..self.worker.peers.len() {
            // One row more than a page tells whether another page follows.
            slices.extend(scan(&self.worker, worker, plan, after.clone(), limit + 1).await?);
        }
        let mut rows: Vec<_> = slices.iter().flat_map(Slice::rows).collect();
        // Those of one partition are in order already, which makes this one look at each.
        rows.sort_unstable_by_key(|(cursor, _)| *cursor);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|(cursor, _)| (*cursor).clone());
        Ok(Rows { body: array(rows.iter().map(|(_, row)| *row)), next })
    }

    /// The groups of `plan` behind `after`, `limit` at most. They are reckoned anew for each page.
    async fn groups(
        &self,
        plan: &Arc<Plan>,
        grouping: &Grouping,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Rows, Refusal> {
        let mut groups = Groups::default();
        for worker in 0..self.worker.peers.len() {
            let mut from = None;
            loop {
                let slice = slice(&self.worker, worker, plan, from, usize::MAX).await?;
                groups.merge(grouping, slice.groups);
                if groups.len() > MAX_GROUPS {
                    let message = format!(
                        "the answer has more than {MAX_GROUPS} groups: group by properties with fewer values, or ask \
                         for fewer devices"
                    );
                    return Err(invalid(message));
                }
                from = slice.next;
                if from.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let before = if let Some(Cursor::Row(row)) = after { row } else { 0 };
        let more = groups.len() > before.saturating_add(limit);
        let rows: Vec<String> = groups.rows(grouping).skip(before).take(limit).collect();
        Ok(Rows { body: array(rows.iter().map(String::as_str)), next: more.then(|| Cursor::Row(before + limit)) })
    }
}

/// How many rows of a page are asked for.
pub(in crate::hub) fn page_size(headers: &HeaderMap) -> Result<usize, Refusal> {
    match text(headers, MAX_ITEM_COUNT).map(str::parse) {
        None => Ok(DEFAULT_PAGE),
        Some(Ok(count @ 1..=1000)) => Ok(count),
        Some(_) => Err(invalid(format!("{MAX_ITEM_COUNT} must lie within [1; 1000]"))),
    }
}

/// Where the answer goes on, if this is not its first page.
pub(super) fn place(headers: &HeaderMap) -> Result<Option<Place>, Refusal> {
    let token = text(headers, CONTINUATION).filter(|token| !token.is_empty());
    let unreadable = || invalid(format!("{CONTINUATION} is none of this hub's"));
    token.map(|token| Place::decode(token).ok_or_else(unreadable)).transpose()
}

pub(super) fn array<'a>(rows: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut body = String::with_capacity(2 + rows.clone().map(|row| row.len() + 1).sum::<usize>());
    body.push('[');
    for (n, row) in rows.enumerate() {
        if n > 0 {
            body.push(',');
        }
        body.push_str(row);
    }
    body.push(']');
    body
}

pub(in crate::hub) fn page_of(item_type: &str, body: String, next: Option<String>) -> Answer {
    let mut answer = Answer::ok(body);
    answer.headers.push((ITEM_TYPE, item_type.to_owned()));
    answer.headers.extend(next.map(|next| (CONTINUATION, next)));
    answer
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, message)
}
