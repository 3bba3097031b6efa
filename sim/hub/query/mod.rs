//! Twin queries (4): text -> syntax tree -> plan -> rows. Pure values; the plan decides which index is used, so that
//! the cost of a delta query follows the changes and not the fleet.

mod aggregate;
mod cursor;
mod evaluate;
mod expression;
mod parse;
mod parser;
mod path;
mod plan;
mod syntax;
mod token;

pub(super) use aggregate::{Groups, MAX_GROUPS};
pub(super) use cursor::{Cursor, Place};
pub(super) use evaluate::{Field, Row, matches, write_row};
pub(super) use parse::{parse, parse_condition};
pub(super) use path::Path;
pub(super) use plan::{Plan, Source};
pub(super) use syntax::{Collection, Grouping, Select};
pub(super) use token::QueryError;
