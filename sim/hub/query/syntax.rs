//! The syntax tree of a query.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::path::Path;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Query {
    pub(in crate::hub) select: Select,
    /// The most rows of the whole answer, however many pages it has.
    pub(in crate::hub) top: Option<usize>,
    pub(in crate::hub) from: Collection,
    pub(in crate::hub) condition: Option<Condition>,
}

/// What rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Collection {
    /// Twins of devices.
    Devices,
    /// Twins of modules.
    Modules,
    /// Each device of each job.
    Jobs,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Select {
    /// Whole rows.
    All,
    /// Single fields.
    Fields(Vec<Projection>),
    /// Figures about groups of rows.
    Groups(Grouping),
}

/// A field of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Projection {
    pub(in crate::hub) name: String,
    pub(in crate::hub) value: Operand,
}

/// Rows with the same `keys` make one group; without keys, all rows do.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Grouping {
    pub(in crate::hub) keys: Vec<Path>,
    /// What is told of a group, each under a name.
    pub(in crate::hub) columns: Vec<(String, Column)>,
}

/// What is told of a group.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Column {
    /// The key with this index.
    Key(usize),
    Aggregate(Aggregate),
}

/// A figure about the rows of a group.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Aggregate {
    Count,
    Average(Operand),
    Sum(Operand),
    Least(Operand),
    Greatest(Operand),
}

/// What a row must fulfil.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { left: Operand, comparison: Comparison, right: Operand },
    In { operand: Operand, list: Vec<Literal>, negated: bool },
    IsDefined(Path),
    StartsWith(Operand, Operand),
    EndsWith(Operand, Operand),
}

/// A value: of the row, of the query, or reckoned from such.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Operand {
    Path(Path),
    Literal(Literal),
    /// The first, and what is done to it from left to right. A row of operators is flat: only parentheses, whose depth
    /// is bounded, nest.
    Arithmetic(Box<Operand>, Vec<(Operator, Operand)>),
}

/// How two numbers make another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

/// A value that stands in the query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Literal {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// What a time of the hub's own is compared with.
    Time(Timestamp),
}

/// Reads a time as queries write it; one without a zone is one in UTC.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let without_zone = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| without_zone().map(|time| time.timestamp()))
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// As it is written.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The same comparison with its sides exchanged.
    pub(super) const fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }
}
