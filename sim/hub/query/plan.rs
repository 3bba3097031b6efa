//! Decides which index answers a query.

use super::path::Path;
use super::syntax::{Collection, Comparison, Condition, Literal, Operand, Query, Select};

/// How a query is answered: rows from `source`, as far as they fulfil `condition`. The condition is kept whole, so a
/// source may hold more than what is asked for, never less.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Plan {
    pub(in crate::hub) source: Source,
    pub(in crate::hub) condition: Option<Condition>,
    pub(in crate::hub) select: Select,
    pub(in crate::hub) from: Collection,
    /// The most rows of the whole answer.
    pub(in crate::hub) top: Option<usize>,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Source {
    /// These ids, in order.
    Ids(Vec<String>),
    /// Twins whose reported properties last changed at or after `since` and before `until` (microseconds of Unix
    /// time), in that order.
    Updated { since: i64, until: i64 },
    /// Ids from the first to the last, both included, in order.
    Range { first: String, last: Option<String> },
    /// The devices of this job.
    Job(String),
}

impl Plan {
    /// Plans `query`: by id where ids are given, else by last update, else by a range of ids (the whole fleet, if need
    /// be).
    pub(in crate::hub) fn new(query: Query) -> Self {
        let conjuncts = match &query.condition {
            None => &[],
            Some(Condition::All(conditions)) => conditions.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        // A module lies under another id than its device's, by which it is asked for.
        let by_id = query.from == Collection::Devices;
        let ids = conjuncts.iter().filter(|_| by_id).filter_map(ids).min_by_key(Vec::len);
        let job = conjuncts.iter().filter(|_| query.from == Collection::Jobs).find_map(job).map(Source::Job);
        let updated = conjuncts.iter().filter_map(updated).max();
        let updated = updated.map(|since| Source::Updated { since, until: i64::MAX });
        let source =
            ids.map(Source::Ids).or(job).or(updated).unwrap_or_else(|| range(if by_id { conjuncts } else { &[] }));
        let Query { select, top, from, condition } = query;
        Self { source, condition, select, from, top }
    }

    /// This plan for an answer asked for at `asked` (microseconds of Unix time). Partitions are looked at one after
    /// the other and page by page, while twins change. So an answer in the order of changes ends at the moment it was
    /// asked for: whatever is stamped before is in every partition's index by the time it is looked at, what is
    /// stamped later belongs to the next look. Nobody who goes on from the latest change he saw misses one.
    pub(in crate::hub) fn asked_at(mut self, asked: i64) -> Self {
        if let Source::Updated { until, .. } = &mut self.source {
            *until = asked;
        }
        self
    }
}

/// The comparison of a path with a literal, the path on the left.
fn bound(condition: &Condition) -> Option<(&Path, Comparison, &Literal)> {
    match condition {
        Condition::Compare { left: Operand::Path(path), comparison, right: Operand::Literal(literal) } => {
            Some((path, *comparison, literal))
        }
        Condition::Compare { left: Operand::Literal(literal), comparison, right: Operand::Path(path) } => {
            Some((path, comparison.flipped(), literal))
        }
        _ => None,
    }
}

/// The ids that the condition allows, if it names them.
fn ids(condition: &Condition) -> Option<Vec<String>> {
    let mut ids: Vec<String> = match condition {
        Condition::In { operand: Operand::Path(Path::DeviceId), list, negated: false } => {
            list.iter().filter_map(text).map(str::to_owned).collect()
        }
        other => match bound(other)? {
            (Path::DeviceId, Comparison::Equal, literal) => text(literal).map(str::to_owned).into_iter().collect(),
            _ => return None,
        },
    };
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The job that the condition names.
fn job(condition: &Condition) -> Option<String> {
    match bound(condition)? {
        (Path::Job(segments), Comparison::Equal, literal) if segments.iter().eq(["jobId"]) => {
            text(literal).map(str::to_owned)
        }
        _ => None,
    }
}

/// The earliest last update that the condition allows, if it bounds it.
fn updated(condition: &Condition) -> Option<i64> {
    match bound(condition)? {
        (Path::Reported(segments), Comparison::Greater | Comparison::AtLeast | Comparison::Equal, literal)
            if segments.iter().map(String::as_str).eq(["$metadata", "$lastUpdated"]) =>
        {
            match literal {
                Literal::Time(at) => Some(at.as_microsecond()),
                _ => None,
            }
        }
        _ => None,
    }
}

fn range(conjuncts: &[Condition]) -> Source {
    let bounds = || conjuncts.iter().filter_map(bound);
    let first = bounds().filter_map(|bound| match bound {
        (Path::DeviceId, Comparison::Greater | Comparison::AtLeast, literal) => text(literal),
        _ => None,
    });
    let last = bounds().filter_map(|bound| match bound {
        (Path::DeviceId, Comparison::Less | Comparison::AtMost, literal) => text(literal),
        _ => None,
    });
    Source::Range { first: first.max().unwrap_or_default().to_owned(), last: last.min().map(str::to_owned) }
}

fn text(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::Text(text) => Some(text),
        Literal::Undefined | Literal::Null | Literal::Bool(_) | Literal::Number(_) | Literal::Time(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn source(condition: &str) -> Source {
        Plan::new(parse(&format!("SELECT * FROM devices{condition}")).unwrap()).source
    }

    fn updated_since(since: i64) -> Source {
        Source::Updated { since, until: i64::MAX }
    }

    fn range(first: &str, last: Option<&str>) -> Source {
        Source::Range { first: first.to_owned(), last: last.map(str::to_owned) }
    }

    #[test]
    fn the_best_index_is_chosen() {
        let updated = "properties.reported.$metadata.$lastUpdated";
        for (condition, expected) in [
            ("", range("", None)),
            (" WHERE deviceId = 'b'", Source::Ids(vec!["b".into()])),
            (" WHERE deviceId IN ['b', 'a', 'b', 3] AND deviceId > 'a'", Source::Ids(vec!["a".into(), "b".into()])),
            (" WHERE deviceId IN ['b', 'a'] AND 'a' = deviceId", Source::Ids(vec!["a".into()])),
            (" WHERE deviceId NIN ['b']", range("", None)),
            (" WHERE deviceId >= 'a' AND 'c' > deviceId AND deviceId > 'b'", range("b", Some("c"))),
            (" WHERE deviceId >= 'a' OR deviceId = 'b'", range("", None)),
            (" WHERE NOT deviceId = 'b'", range("", None)),
            (&format!(" WHERE deviceId >= 'a' AND {updated} >= '1970-01-01T00:00:02.5Z'"), updated_since(2_500_000)),
            (&format!(" WHERE '1970-01-01T00:00:02Z' < {updated}"), updated_since(2_000_000)),
            (&format!(" WHERE {updated} < '1970-01-01T00:00:02Z'"), range("", None)),
            (&format!(" WHERE {updated} > '1970-01-01T00:00:02'"), updated_since(2_000_000)),
            (&format!(" WHERE {updated} > null"), range("", None)),
            (" WHERE properties.reported.$metadata.a.$lastUpdated > '1970-01-01T00:00:02Z'", range("", None)),
        ] {
            assert_eq!(source(condition), expected, "{condition}");
        }
    }

    #[test]
    fn modules_are_not_found_by_the_ids_of_their_devices() {
        let plan = Plan::new(parse("SELECT * FROM devices.modules WHERE deviceId = 'a'").unwrap());
        assert_eq!((plan.source, plan.from), (range("", None), Collection::Modules));
        let jobs = "SELECT * FROM devices.jobs WHERE devices.jobs.status = 'failed' AND 'x' = devices.jobs.jobId";
        assert_eq!(Plan::new(parse(jobs).unwrap()).source, Source::Job("x".into()));
    }

    #[test]
    fn the_driver_s_query_uses_the_index_of_updates() {
        let delta = crate::dialect::azure::rest::delta_query("a", "b", Some("1970-01-01T00:00:01Z"));
        assert_eq!(Plan::new(parse(&delta).unwrap()).source, updated_since(1_000_000));
        let all = crate::dialect::azure::rest::delta_query("a", "b", None);
        assert_eq!(Plan::new(parse(&all).unwrap()).source, range("a", Some("b")));
    }
}
