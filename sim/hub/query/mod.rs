//! Twin queries (4): text -> syntax tree -> plan -> rows. Pure values; the plan decides which index is used, so that
//! the cost of a delta query follows the changes and not the fleet.

mod cursor;
mod evaluate;
mod parse;
mod plan;
mod syntax;
mod token;

pub(super) use cursor::Cursor;
pub(super) use evaluate::{Field, Row, matches, write_row};
pub(super) use parse::parse;
pub(super) use plan::{Plan, Source};
pub(super) use syntax::{Path, Select};
pub(super) use token::QueryError;
