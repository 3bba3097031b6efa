//! Jobs (6): one method call or one change of the twin, scheduled over many devices. The book is pure state that takes
//! `now` and gives effects; one task of the first worker, the clerk, owns it and carries them out.

mod book;
mod clerk;
mod history;
mod job;
mod limits;
mod row;
mod search;

pub(super) use book::JobBook;
pub(super) use clerk::{JobDesk, JobInbox, serve};
pub(super) use job::{Filter, JobRequest, Work};
pub(super) use limits::MAX_EXECUTION;

#[cfg(test)]
mod tests;
