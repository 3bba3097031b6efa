//! Figures about groups of rows. Each partition reckons on its own; what comes out is merged.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::evaluate::{Field, Row, value};
use super::syntax::{Aggregate, Column, Grouping, Operand};
use crate::hub::json::write_text;

/// How many groups an answer may have: all of them are held at once.
pub(in crate::hub) const MAX_GROUPS: usize = 1000;

/// The groups of an answer, or of the part of it that one partition knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hub) struct Groups {
    /// What the rows of a group have in common, each key as JSON if it is defined, and a tally for each column.
    tallies: BTreeMap<Vec<Option<String>>, Vec<Tally>>,
}

/// What is known of one column of one group.
#[derive(Debug, Clone, PartialEq)]
struct Tally {
    /// Rows with a value that counts.
    count: u64,
    sum: f64,
    /// The least or the greatest.
    extreme: Field<'static>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, extreme: Field::Undefined }
    }
}

impl Groups {
    /// How many there are.
    pub(in crate::hub) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Counts `row` in.
    pub(in crate::hub) fn add(&mut self, grouping: &Grouping, row: &impl Row) {
        let keys = grouping.keys.iter().map(|path| {
            let mut text = String::new();
            // Through the value, so that 1 and 1.0 are one. What cannot be compared is no key.
            row.field(path).write(&mut text).then_some(text)
        });
        let tallies = self.tallies.entry(keys.collect()).or_default();
        tallies.resize_with(grouping.columns.len(), Tally::default);
        for ((_, column), tally) in grouping.columns.iter().zip(tallies) {
            if let Column::Aggregate(aggregate) = column {
                tally.add(aggregate, row);
            }
        }
    }

    /// Takes in what another part has counted.
    pub(in crate::hub) fn merge(&mut self, grouping: &Grouping, other: Self) {
        for (keys, tallies) in other.tallies {
            let mine = self.tallies.entry(keys).or_default();
            mine.resize_with(grouping.columns.len(), Tally::default);
            for (((_, column), mine), other) in grouping.columns.iter().zip(mine).zip(tallies) {
                if let Column::Aggregate(aggregate) = column {
                    mine.merge(aggregate, other);
                }
            }
        }
    }

    /// The rows of the answer, each as one JSON object, in order of their keys. Without keys there is one row even if
    /// nothing was counted.
    pub(in crate::hub) fn rows(mut self, grouping: &Grouping) -> impl Iterator<Item = String> {
        if grouping.keys.is_empty() && self.tallies.is_empty() {
            self.tallies.insert(Vec::new(), grouping.columns.iter().map(|_| Tally::default()).collect());
        }
        self.tallies.into_iter().map(|(keys, tallies)| write_group(grouping, &keys, &tallies))
    }
}

fn write_group(grouping: &Grouping, keys: &[Option<String>], tallies: &[Tally]) -> String {
    let mut out = String::from("{");
    for ((name, column), tally) in grouping.columns.iter().zip(tallies) {
        let before = out.len();
        if before > 1 {
            out.push(',');
        }
        write_text(name, &mut out);
        out.push(':');
        let written = match column {
            Column::Key(index) => keys.get(*index).and_then(Option::as_ref).map(|key| out.push_str(key)).is_some(),
            Column::Aggregate(aggregate) => tally.result(aggregate).write(&mut out),
        };
        if !written {
            out.truncate(before);
        }
    }
    out.push('}');
    out
}

impl Tally {
    fn add(&mut self, aggregate: &Aggregate, row: &impl Row) {
        match aggregate {
            Aggregate::Count => self.count += 1,
            Aggregate::Average(operand) | Aggregate::Sum(operand) => {
                if let Field::Number(number) = value(operand, row) {
                    self.count += 1;
                    self.sum += number;
                }
            }
            Aggregate::Least(operand) => self.keep(operand, row, Ordering::Less),
            Aggregate::Greatest(operand) => self.keep(operand, row, Ordering::Greater),
        }
    }

    fn keep(&mut self, operand: &Operand, row: &impl Row, wanted: Ordering) {
        let value = value(operand, row);
        if order(&value, &self.extreme) == wanted || self.extreme == Field::Undefined {
            self.extreme = value.into_owned();
        }
    }

    fn merge(&mut self, aggregate: &Aggregate, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        let wanted = if matches!(aggregate, Aggregate::Least(_)) { Ordering::Less } else { Ordering::Greater };
        let is_news = other.extreme != Field::Undefined && self.extreme == Field::Undefined;
        if is_news || order(&other.extreme, &self.extreme) == wanted {
            self.extreme = other.extreme;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of rows stay far below 2^52")]
    fn result(&self, aggregate: &Aggregate) -> Field<'static> {
        match aggregate {
            Aggregate::Count => Field::Number(self.count as f64),
            _ if self.sum.is_infinite() => Field::Undefined,
            Aggregate::Sum(_) => Field::Number(self.sum),
            Aggregate::Average(_) if self.count == 0 => Field::Undefined,
            Aggregate::Average(_) => Field::Number(self.sum / self.count as f64),
            Aggregate::Least(_) | Aggregate::Greatest(_) => self.extreme.clone(),
        }
    }
}

/// The order of two values of any kind, so that the least of several does not depend on who was asked first.
/// What is undefined or cannot be compared is never less and never greater.
fn order(one: &Field<'_>, other: &Field<'_>) -> Ordering {
    let rank = |field: &Field<'_>| match field {
        Field::Undefined | Field::Compound => None,
        Field::Null => Some(0),
        Field::Bool(_) => Some(1),
        Field::Number(_) => Some(2),
        Field::Text(_) | Field::Time(_) => Some(3),
    };
    match (rank(one), rank(other)) {
        (Some(a), Some(b)) => a.cmp(&b).then_with(|| one.order(other).unwrap_or(Ordering::Equal)),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::Path;
    use super::super::{Select, parse};
    use super::*;
    use crate::hub::twin::find;

    struct Tags(&'static str);

    impl Row for Tags {
        fn field(&self, path: &Path) -> Field<'_> {
            let Path::Tags(path) = path else { return Field::Undefined };
            Field::from_json(find(self.0, path))
        }

        fn write_field(&self, _: &Path, _: &mut String) -> bool {
            false
        }

        fn write_document(&self, _: &mut String) {}
    }

    fn grouping(text: &str) -> Grouping {
        match parse(text).unwrap().select {
            Select::Groups(grouping) => grouping,
            other => panic!("{other:?}"),
        }
    }

    fn rows(text: &str, parts: &[&[&'static str]]) -> Vec<String> {
        let grouping = grouping(text);
        let mut groups = Groups::default();
        for part in parts {
            let mut share = Groups::default();
            part.iter().for_each(|row| share.add(&grouping, &Tags(row)));
            groups.merge(&grouping, share);
        }
        groups.rows(&grouping).collect()
    }

    #[test]
    fn groups_are_the_same_however_rows_are_spread() {
        let all = [
            r#"{"s":"a","n":1}"#,
            r#"{"s":"b","n":2.5}"#,
            r#"{"s":"a","n":"x"}"#,
            r#"{"n":1.0}"#,
            r#"{"s":{"o":1},"n":-4}"#,
        ];
        let text = "SELECT tags.s AS site, COUNT() AS n, SUM(tags.n) AS sum, AVG(tags.n) AS avg, MIN(tags.n) AS min, \
                    MAX(tags.n) AS max FROM devices GROUP BY tags.s";
        let expected = [
            r#"{"n":2,"sum":-3,"avg":-1.5,"min":-4,"max":1}"#,
            r#"{"site":"a","n":2,"sum":1,"avg":1,"min":1,"max":"x"}"#,
            r#"{"site":"b","n":1,"sum":2.5,"avg":2.5,"min":2.5,"max":2.5}"#,
        ];
        assert_eq!(rows(text, &[&all]), expected);
        assert_eq!(rows(text, &[&all[..2], &[], &all[2..]]), expected);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        assert_eq!(rows(text, &[&reversed[..1], &reversed[1..]]), expected);
    }

    #[test]
    fn numbers_that_are_equal_make_one_group() {
        let text = "SELECT COUNT() AS n, tags.n FROM devices GROUP BY tags.n";
        assert_eq!(rows(text, &[&[r#"{"n":1}"#, r#"{"n":1.0}"#]]), [r#"{"n":2,"n":1}"#]);
    }

    #[test]
    fn without_groups_there_is_one_row_even_of_nothing() {
        assert_eq!(rows("SELECT COUNT() AS n, SUM(tags.a), MAX(tags.a) FROM devices", &[&[]]), [r#"{"n":0,"$1":0}"#]);
        assert_eq!(rows("SELECT tags.a, COUNT() FROM devices GROUP BY tags.a", &[&[]]), Vec::<String>::new());
    }

    #[test]
    fn a_sum_that_is_no_number_is_left_out() {
        let text = "SELECT SUM(tags.a * 1e308) AS s, COUNT() AS n FROM devices";
        assert_eq!(rows(text, &[&[r#"{"a":1}"#, r#"{"a":1}"#]]), [r#"{"n":2}"#]);
    }
}
