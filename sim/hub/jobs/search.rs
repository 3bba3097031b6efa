//! Lists of jobs, and queries over the devices of jobs (4).

use serde_json::Value;

use super::book::JobBook;
use super::job::Filter;
use super::row::Document;
use crate::hub::query::{Cursor, Plan, Source, matches};

/// How many rows are looked at in one go: devices of the same worker must not wait for all of them.
const SLICE: usize = 2000;

/// Part of an answer.
#[derive(Debug, Default)]
pub(in crate::hub) struct JobSlice {
    /// The rows with their places, in order.
    pub(in crate::hub) rows: Vec<(Cursor, String)>,
    /// Behind which row to go on; `None` if no more can follow.
    pub(in crate::hub) next: Option<Cursor>,
}

impl JobBook {
    /// The jobs that `filter` admits behind `after`, `limit` at most, in the order in which they were made.
    pub(in crate::hub) fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> JobSlice {
        let from = match after {
            Some(Cursor::Job(number, _)) => number + 1,
            _ => 0,
        };
        let mut jobs = self.jobs.range(from..).filter(|(_, job)| filter.admits(job)).peekable();
        let mut slice = JobSlice::default();
        while slice.rows.len() < limit
            && let Some((&number, job)) = jobs.next()
        {
            slice.rows.push((Cursor::Job(number, 0), job.document().to_string()));
        }
        slice.next = slice.rows.last().filter(|_| jobs.peek().is_some()).map(|(cursor, _)| cursor.clone());
        slice
    }

    /// The rows of `plan` behind `after`, `limit` at most, as far as one slice of work goes.
    pub(in crate::hub) fn search(&self, plan: &Plan, after: Option<&Cursor>, limit: usize) -> JobSlice {
        let only = match &plan.source {
            Source::Job(id) => Some(self.numbers.get(id.as_str()).copied()),
            _ => None,
        };
        let (first, skipped) = match after {
            Some(Cursor::Job(number, row)) => (*number, row + 1),
            _ => (0, 0),
        };
        let jobs = self.jobs.range(first..).filter(|(number, _)| only.is_none_or(|only| only == Some(**number)));
        let rows = jobs.flat_map(|(&number, job)| {
            let skipped = if number == first { skipped } else { 0 };
            job.rows.iter().enumerate().skip(skipped).map(move |(n, row)| (Cursor::Job(number, n), job, row))
        });
        let mut rows = rows.enumerate().peekable();
        let mut slice = JobSlice::default();
        while let Some((seen, (cursor, job, row))) = rows.next() {
            let document = Document(row.document(job));
            if plan.condition.as_ref().is_none_or(|condition| matches(condition, &document)) {
                slice.rows.push((cursor.clone(), document.0));
            }
            if (slice.rows.len() >= limit || seen + 1 >= SLICE) && rows.peek().is_some() {
                slice.next = Some(cursor);
                break;
            }
        }
        slice
    }

    /// All that is to be told about the job `id`. One that is not known is no error (6).
    pub(in crate::hub) fn document(&self, id: &str) -> Value {
        match self.numbers.get(id).and_then(|number| self.jobs.get(number)) {
            Some(job) => job.document(),
            None => serde_json::json!({ "jobId": id, "type": "unknown", "status": "unknown" }),
        }
    }
}
