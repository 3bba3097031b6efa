//! Reads tables of a profile key by key. What may stand in a table is said first, so that a misspelt key is told
//! before the one that it leaves missing.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{Layer, Node, Origin, Table, Value};
use super::error::Problem;
use crate::policy::{Delay, units};

/// A table under reading.
#[derive(Debug)]
pub(super) struct Section<'a> {
    path: String,
    table: &'a Table,
    origin: &'a Origin,
}

/// A key's value under reading.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) path: String,
    pub(super) node: &'a Node,
}

impl<'a> Section<'a> {
    /// The whole document, in which these keys may stand; `origin` is where a missing key is reported.
    pub(super) fn root(table: &'a Table, origin: &'a Origin, keys: &[&str]) -> Result<Self, Problem> {
        Self { path: String::new(), table, origin }.with(keys)
    }

    /// Itself, if there are no keys in it but these.
    fn with(self, keys: &[&str]) -> Result<Self, Problem> {
        let Some((key, entry)) = self.table.iter().find(|(key, _)| !keys.contains(&key.as_str())) else {
            return Ok(self);
        };
        let place = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
        let mut message = format!("unknown key `{key}`{place}: allowed are {}", keys.join(", "));
        if entry.key.layer() == Layer::Environment && key.contains('_') {
            message.push_str("; between a section and its key stand two underscores, `__`");
        }
        Err(Problem::new(&entry.key, message))
    }

    /// A key that may be missing.
    pub(super) fn optional(&self, key: &str) -> Option<Field<'a>> {
        self.table.get(key).map(|entry| Field { path: self.path_of(key), node: &entry.node })
    }

    /// A key that must be there.
    pub(super) fn required(&self, key: &str) -> Result<Field<'a>, Problem> {
        self.optional(key)
            .ok_or_else(|| Problem::new(self.origin, format!("the key `{}` is missing", self.path_of(key))))
    }

    /// A key that has no meaning beside what `decisive` says. It may be left over from a layer below.
    pub(super) fn meaningless(&self, key: &str, decisive: &Field<'_>, why: &str) -> Result<(), Problem> {
        match self.table.get(key) {
            Some(entry) if entry.node.origin.layer() >= decisive.node.origin.layer() => {
                Err(Problem::new(&entry.key, format!("`{}` means nothing {why}: leave it out", self.path_of(key))))
            }
            _ => Ok(()),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Field<'a> {
    /// An error at this value: its path, and `what` is allowed.
    pub(super) fn problem(&self, what: impl Display) -> Problem {
        Problem::new(&self.node.origin, format!("`{}` {what}", self.path))
    }

    fn wants(&self, what: impl Display) -> Problem {
        self.problem(format_args!("must be {what}, not {}", self.node.value.kind()))
    }

    /// Whether it was said where `other` was, or where it outranks that.
    pub(super) fn is_as_decisive_as(&self, other: &Self) -> bool {
        self.node.origin.layer() >= other.node.origin.layer()
    }

    /// Text. An override's bare text may look like a number and be text all the same.
    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        match (&self.node.value, &self.node.origin) {
            (Value::Text(text), _) => Ok(text),
            (Value::Integer(_) | Value::Float(_) | Value::Datetime, Origin::Override { text, .. }) => Ok(text),
            _ => Err(self.wants("a text in quotes")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match self.node.value {
            Value::Boolean(boolean) => Ok(boolean),
            _ => Err(self.wants("true or false")),
        }
    }

    /// A whole number in `range`.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Result<T, Problem>
    where
        T: Copy + Display + TryFrom<i128> + Into<u64>,
    {
        let (low, high) = (*range.start(), *range.end());
        let Value::Integer(number) = self.node.value else {
            return Err(self.wants(format_args!("a whole number from {low} to {high}")));
        };
        let inside = i128::from(low.into()) <= number && number <= i128::from(high.into());
        inside
            .then(|| T::try_from(number).ok())
            .flatten()
            .ok_or_else(|| self.problem(format_args!("must be from {low} to {high}")))
    }

    /// A whole number in `range`, or `None` for `auto`.
    pub(super) fn automatic<T>(&self, range: RangeInclusive<T>) -> Result<Option<T>, Problem>
    where
        T: Copy + Display + TryFrom<i128> + Into<u64>,
    {
        match &self.node.value {
            Value::Text(text) if text == "auto" => Ok(None),
            Value::Integer(_) => self.integer(range).map(Some),
            _ => Err(self.wants(format_args!("`auto` or a whole number from {} to {}", range.start(), range.end()))),
        }
    }

    /// A number in `range`.
    pub(super) fn number(&self, range: RangeInclusive<f64>) -> Result<f64, Problem> {
        let number = match self.node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => return Err(self.wants("a number")),
        };
        if range.contains(&number) {
            return Ok(number);
        }
        Err(self.problem(format_args!("must be from {} to {}", range.start(), range.end())))
    }

    /// A rate, as text (`200/s`) or as a number per second.
    pub(super) fn rate(&self) -> Result<f64, Problem> {
        // Slower than one in a quarter of an hour is a mistake, and so is what no machine can do.
        const RANGE: RangeInclusive<f64> = 0.001..=1_000_000.0;
        let rate = match &self.node.value {
            Value::Text(text) => {
                units::parse_rate(text).map_err(|error| self.problem(format_args!("is wrong: {error}")))?
            }
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            _ => return Err(self.wants("a rate like `200/s`")),
        };
        if RANGE.contains(&rate) {
            return Ok(rate);
        }
        Err(self.problem("must be from 0.001/s to 1000000/s"))
    }

    /// A duration in `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Result<Duration, Problem> {
        let text = self.text().map_err(|_| self.wants("a duration like `500ms`, `15s` or `4m`"))?;
        let duration = units::parse_duration(text).map_err(|error| self.problem(format_args!("is wrong: {error}")))?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let [low, high] = [range.start(), range.end()].map(|bound| units::format_duration(*bound));
        Err(self.problem(format_args!("must be from {low} to {high}")))
    }

    /// A delay distribution that is hardly ever longer than `longest`.
    pub(super) fn delay(&self, longest: Duration) -> Result<Delay, Problem> {
        let delay: Delay = self.text()?.parse().map_err(|error| self.problem(format_args!("is wrong: {error}")))?;
        if delay.upper() <= longest {
            return Ok(delay);
        }
        Err(self.problem(format_args!("must not be longer than {}", units::format_duration(longest))))
    }

    /// A size in bytes, in `range`.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Result<u64, Problem> {
        let text = self.text().map_err(|_| self.wants("a size like `64KiB` or `10MiB`"))?;
        let size = units::parse_size(text).map_err(|error| self.problem(format_args!("is wrong: {error}")))?;
        if range.contains(&size) {
            return Ok(size);
        }
        let [low, high] = [range.start(), range.end()].map(|bound| units::format_size(*bound));
        Err(self.problem(format_args!("must be from {low} to {high}")))
    }

    /// A size per second, in bytes.
    pub(super) fn bandwidth(&self) -> Result<u64, Problem> {
        // Slower than a modem of 1962, or faster than any machine, is a mistake.
        const RANGE: RangeInclusive<u64> = 32..=100_000_000_000;
        let text = self.text().map_err(|_| self.wants("a bandwidth like `64KiB/s` or `1MiB/s`"))?;
        let bandwidth =
            units::parse_bandwidth(text).map_err(|error| self.problem(format_args!("is wrong: {error}")))?;
        if RANGE.contains(&bandwidth) {
            return Ok(bandwidth);
        }
        Err(self.problem("must be from 32B/s to 100GB/s"))
    }

    /// A duration of whole seconds, in `range`.
    pub(super) fn seconds(&self, range: RangeInclusive<u64>) -> Result<Duration, Problem> {
        let (low, high) = (*range.start(), *range.end());
        let allowed = || self.problem(format_args!("must be whole seconds from {low}s to {high}s"));
        let duration = self.duration(Duration::ZERO..=Duration::MAX)?;
        if duration.subsec_nanos() == 0 && range.contains(&duration.as_secs()) { Ok(duration) } else { Err(allowed()) }
    }

    /// One of some names.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Problem> {
        self.choose(self.text()?, choices)
    }

    /// The one of some names that is `text`, which stands in this value.
    pub(super) fn choose<T: Copy>(&self, text: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
        choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.problem(format_args!("cannot be `{text}`: allowed are {}", names.join(", ")))
        })
    }

    /// A table in which these keys may stand.
    pub(super) fn section(&self, keys: &[&str]) -> Result<Section<'a>, Problem> {
        match &self.node.value {
            Value::Table(table) => Section { path: self.path.clone(), table, origin: &self.node.origin }.with(keys),
            _ => Err(self.wants("a table")),
        }
    }

    /// The value of `key`, if this is a table with it.
    pub(super) fn table_entry(&self, key: &str) -> Option<Field<'a>> {
        let Value::Table(table) = &self.node.value else { return None };
        table.get(key).map(|entry| Field { path: format!("{}.{key}", self.path), node: &entry.node })
    }

    /// The items of a list.
    pub(super) fn list(&self) -> Result<impl Iterator<Item = Field<'a>> + use<'a>, Problem> {
        let Value::List(items) = &self.node.value else {
            return Err(self.wants("a list"));
        };
        let path = self.path.clone();
        Ok(items.iter().enumerate().map(move |(index, node)| Field { path: format!("{path}.{index}"), node }))
    }
}
