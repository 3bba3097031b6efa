//! Reads a query.

use super::parser::Parser;
use super::path::Path;
use super::syntax::{Aggregate, Collection, Column, Grouping, Operand, Projection, Query, Select};
use super::token::{QueryError, Token, tokens};

/// The longest query, in characters (4).
const MAX_QUERY: usize = 8192;

/// Reads `SELECT [TOP n] * | value [AS name],... FROM devices | devices.modules | devices.jobs [WHERE condition]
/// [GROUP BY property,...]`.
pub(in crate::hub) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.chars().count() > MAX_QUERY {
        return Err(QueryError { what: format!("more than {MAX_QUERY} characters"), position: MAX_QUERY + 1 });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, from: Collection::Devices };
    parser.expect_keyword("SELECT")?;
    let top = parser.top()?;
    let first = parser.at;
    let items = parser.items()?;
    parser.expect_keyword("FROM")?;
    parser.collection()?;
    if parser.from == Collection::Jobs && items.is_some() {
        parser.at = first;
        return Err(parser.unexpected("`*`, which is all that can be selected from devices.jobs"));
    }
    let condition = if parser.keyword("WHERE") { Some(parser.condition()?) } else { None };
    let keys = parser.keys()?;
    if *parser.peek() != Token::End {
        return Err(parser.leftover());
    }
    let select = match items {
        None if keys.is_empty() => Select::All,
        None => {
            parser.at = first;
            return Err(parser.unexpected("aggregates and the properties of GROUP BY"));
        }
        Some(items) => parser.select(items, keys)?,
    };
    Ok(Query { select, top, from: parser.from, condition })
}

/// Reads the condition of a job: what would stand behind WHERE, or `*` for all devices.
pub(in crate::hub) fn parse_condition(text: &str) -> Result<Query, QueryError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, from: Collection::Devices };
    let condition = if parser.accept(&Token::Star) { None } else { Some(parser.condition()?) };
    match parser.peek() {
        Token::End => {
            let id = Projection { name: "deviceId".to_owned(), value: Operand::Path(Path::DeviceId) };
            Ok(Query { select: Select::Fields(vec![id]), top: None, from: Collection::Devices, condition })
        }
        _ => Err(parser.unexpected("the end, AND or OR")),
    }
}

/// What stands between SELECT and FROM, with the word at which it begins.
struct Item {
    name: String,
    value: ItemValue,
    index: usize,
}

enum ItemValue {
    Value(Operand),
    Aggregate(Aggregate),
}

impl Parser {
    fn top(&mut self) -> Result<Option<usize>, QueryError> {
        let follows = matches!(self.tokens.get(self.at + 1), Some((Token::Number(_), _)));
        if !(follows && self.keyword("TOP")) {
            return Ok(None);
        }
        match *self.peek() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in the guard")]
            Token::Number(number) if (1.0..=1e9).contains(&number) && number.fract() == 0.0 => {
                self.at += 1;
                Ok(Some(number as usize))
            }
            _ => Err(self.unexpected("how many rows: a whole number, 1 or more")),
        }
    }

    /// What is selected; `None` for `*`.
    fn items(&mut self) -> Result<Option<Vec<Item>>, QueryError> {
        if self.accept(&Token::Star) {
            return Ok(None);
        }
        let (mut items, mut unnamed) = (Vec::new(), 0);
        loop {
            let index = self.at;
            let is_path = matches!(self.peek(), Token::Name(_)) && !self.is_followed_by(&Token::Open);
            let value = match self.aggregate()? {
                Some(aggregate) => ItemValue::Aggregate(aggregate),
                None => ItemValue::Value(self.value()?),
            };
            let own = match &value {
                ItemValue::Value(Operand::Path(path)) if is_path => {
                    path.own_name().map(str::to_owned).or_else(|| self.last_name())
                }
                _ => None,
            };
            let name = if self.keyword("AS") { Some(self.name("a name")?) } else { own };
            let name = name.unwrap_or_else(|| {
                unnamed += 1;
                format!("${unnamed}")
            });
            items.push(Item { name, value, index });
            if !self.accept(&Token::Comma) {
                return Ok(Some(items));
            }
        }
    }

    /// The name that was just read.
    fn last_name(&self) -> Option<String> {
        match self.tokens.get(self.at.checked_sub(1)?) {
            Some((Token::Name(name), _)) => Some(name.clone()),
            _ => None,
        }
    }

    fn aggregate(&mut self) -> Result<Option<Aggregate>, QueryError> {
        let name = match self.peek() {
            Token::Name(name) if self.is_followed_by(&Token::Open) => name.to_ascii_uppercase(),
            _ => return Ok(None),
        };
        let make = match name.as_str() {
            "COUNT" => None,
            "AVG" => Some(Aggregate::Average as fn(_) -> _),
            "SUM" => Some(Aggregate::Sum as fn(_) -> _),
            "MIN" => Some(Aggregate::Least as fn(_) -> _),
            "MAX" => Some(Aggregate::Greatest as fn(_) -> _),
            _ => return Ok(None),
        };
        self.at += 2;
        let aggregate = match make {
            None => Aggregate::Count,
            Some(make) => make(self.value()?),
        };
        self.expect(&Token::Close)?;
        Ok(Some(aggregate))
    }

    fn collection(&mut self) -> Result<(), QueryError> {
        self.expect_keyword("devices")?;
        if self.accept(&Token::Dot) {
            self.from = match () {
                () if self.keyword("modules") => Collection::Modules,
                () if self.keyword("jobs") => Collection::Jobs,
                () => return Err(self.unexpected("`modules` or `jobs`")),
            };
        }
        Ok(())
    }

    fn keys(&mut self) -> Result<Vec<Path>, QueryError> {
        let mut keys = Vec::new();
        if !self.sees("GROUP") {
            return Ok(keys);
        }
        if self.from == Collection::Jobs {
            return Err(self.unexpected("the end: devices.jobs has no groups"));
        }
        self.at += 1;
        self.expect_keyword("BY")?;
        loop {
            keys.push(self.path()?);
            if !self.accept(&Token::Comma) {
                return Ok(keys);
            }
        }
    }

    /// Why the present word cannot follow.
    fn leftover(&self) -> QueryError {
        for clause in ["ORDER", "JOIN", "HAVING", "LIMIT", "OFFSET"] {
            if self.sees(clause) {
                return self
                    .refuse(format!("`{clause}` is not there; known are SELECT, TOP, FROM, WHERE and GROUP BY"));
            }
        }
        self.unexpected("the end, AND, OR or GROUP BY")
    }

    fn select(&mut self, items: Vec<Item>, keys: Vec<Path>) -> Result<Select, QueryError> {
        let grouped = !keys.is_empty() || items.iter().any(|item| matches!(item.value, ItemValue::Aggregate(_)));
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for Item { name, value, index } in items {
            match value {
                ItemValue::Aggregate(aggregate) => columns.push((name, Column::Aggregate(aggregate))),
                ItemValue::Value(value) if !grouped => fields.push(Projection { name, value }),
                ItemValue::Value(value) => {
                    let key = |key: &Path| matches!(&value, Operand::Path(path) if path == key);
                    self.at = index;
                    let key = keys.iter().position(key);
                    let key = key.ok_or_else(|| self.unexpected("an aggregate or a property of GROUP BY"))?;
                    columns.push((name, Column::Key(key)));
                }
            }
        }
        Ok(if grouped { Select::Groups(Grouping { keys, columns }) } else { Select::Fields(fields) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{Comparison, Condition, Literal};
    use super::*;

    fn compare(path: Path, comparison: Comparison, literal: Literal) -> Condition {
        Condition::Compare { left: Operand::Path(path), comparison, right: Operand::Literal(literal) }
    }

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    #[test]
    fn the_operators_bind_as_in_sql() {
        let query = parse("select * from devices where status = 'a' or not version >= 2 and DeviceId in ['x', \"y\"]");
        assert_eq!(
            query.unwrap().condition.unwrap(),
            Condition::Any(vec![
                compare(Path::Status, Comparison::Equal, text("a")),
                Condition::All(vec![
                    Condition::Not(Box::new(compare(Path::Version, Comparison::AtLeast, Literal::Number(2.0)))),
                    Condition::In {
                        operand: Operand::Path(Path::DeviceId),
                        list: vec![text("x"), text("y")],
                        negated: false
                    },
                ]),
            ])
        );
        let grouped = parse("SELECT * FROM devices WHERE (status = 'a' OR status = 'b') AND tags.x NIN []").unwrap();
        assert!(matches!(grouped.condition, Some(Condition::All(conditions)) if conditions.len() == 2));
    }

    #[test]
    fn projections_have_names() {
        let query = parse(
            "SELECT DeviceId, properties.reported.a.b, properties.reported AS r, devices.lastactivitytime FROM devices",
        );
        let Select::Fields(fields) = query.unwrap().select else { panic!("fields") };
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["deviceId", "b", "r", "lastActivityTime"]);
        assert_eq!(fields[1].value, Operand::Path(Path::Reported(vec!["a".into(), "b".into()])));
        let count = vec![("n".to_owned(), Column::Aggregate(Aggregate::Count))];
        let groups = Select::Groups(Grouping { keys: vec![], columns: count });
        assert_eq!(parse("SELECT COUNT() AS n FROM devices").unwrap().select, groups);
        assert!(matches!(parse("SELECT count, top FROM devices").unwrap().select, Select::Fields(_)));
    }

    #[test]
    fn groups_have_keys_and_figures() {
        let query = parse("select tags.s as s, avg(tags.n + 1), DeviceId from devices group by deviceid, tags.s");
        let Select::Groups(grouping) = query.unwrap().select else { panic!("groups") };
        assert_eq!(grouping.keys, [Path::DeviceId, Path::Tags(vec!["s".into()])]);
        let names: Vec<&str> = grouping.columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["s", "$1", "deviceId"]);
        assert_eq!((&grouping.columns[0].1, &grouping.columns[2].1), (&Column::Key(1), &Column::Key(0)));
    }

    #[test]
    fn the_collections_have_fields_of_their_own() {
        let jobs = parse(
            "SELECT TOP 5 * FROM devices.jobs WHERE devices.jobs.jobId = 'x' AND createdTimeUtc > '2026-01-01' AND \
             devices.jobs.OUTCOME.deviceMethodResponse.status = 200",
        )
        .unwrap();
        assert_eq!((jobs.from, jobs.top, &jobs.select), (Collection::Jobs, Some(5), &Select::All));
        let Some(Condition::All(conditions)) = jobs.condition else { panic!("three conditions") };
        let job = |path: &[&str]| Path::Job(path.iter().map(|&part| part.to_owned()).collect());
        assert_eq!(conditions[0], compare(job(&["jobId"]), Comparison::Equal, text("x")));
        let Condition::Compare { left: Operand::Path(path), .. } = &conditions[1] else { panic!("a comparison") };
        assert_eq!(*path, job(&["createdDateTimeUtc"]));
        let status = job(&["outcome", "deviceMethodResponse", "status"]);
        assert_eq!(conditions[2], compare(status, Comparison::Equal, Literal::Number(200.0)));
        let modules = parse("SELECT moduleId FROM devices.modules WHERE devices.modules.tags.x = 1").unwrap();
        assert_eq!(modules.from, Collection::Modules);
        let tag = Path::Tags(vec!["x".into()]);
        assert_eq!(modules.condition, Some(compare(tag, Comparison::Equal, Literal::Number(1.0))));
    }

    #[test]
    fn times_without_a_zone_are_in_utc() {
        let literal = |text: &str| {
            let query = format!("SELECT * FROM devices WHERE lastActivityTime >= '{text}'");
            match parse(&query).unwrap().condition {
                Some(Condition::Compare { right: Operand::Literal(Literal::Time(time)), .. }) => time.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(literal("2020-01-01T00:00:00"), "2020-01-01T00:00:00Z");
        assert_eq!(literal("2020-01-01 00:00:00.5"), "2020-01-01T00:00:00.5Z");
        assert_eq!(literal("2020-01-01"), "2020-01-01T00:00:00Z");
        assert_eq!(literal("2020-01-01T01:00:00+01:00"), "2020-01-01T00:00:00Z");
        assert!(parse("SELECT * FROM devices WHERE lastActivityTime = null").is_ok());
    }

    #[test]
    fn the_driver_s_query_is_read() {
        let text = crate::dialect::azure::rest::delta_query("a", "b", Some("2026-01-01T00:00:00Z"));
        let Some(Condition::All(conditions)) = parse(&text).unwrap().condition else { panic!("{text}") };
        assert_eq!(conditions.len(), 3);
    }

    #[test]
    fn errors_say_what_was_expected_and_where() {
        for (query, position, word) in [
            ("", 1, "SELECT"),
            ("SELECT", 7, "property"),
            ("SELECT * FROM twins", 15, "devices"),
            ("SELECT * FROM devices.job", 23, "`modules` or `jobs`"),
            ("SELECT deviceId FROM devices.jobs", 8, "`*`"),
            ("SELECT * FROM devices.jobs GROUP BY status", 28, "no groups"),
            ("SELECT * FROM devices WHERE", 28, "property or a value"),
            ("SELECT * FROM devices WHERE status", 35, "comparison"),
            ("SELECT * FROM devices WHERE (status = 'a'", 42, "`)`"),
            ("SELECT * FROM devices WHERE status IN 'a'", 39, "`[`"),
            ("SELECT * FROM devices WHERE status IN [status]", 40, "a value"),
            ("SELECT * FROM devices WHERE status = 'a' GROUP BY status", 8, "aggregates"),
            ("SELECT version, COUNT() FROM devices GROUP BY status", 8, "an aggregate or"),
            ("SELECT * FROM devices ORDER BY deviceId", 23, "`ORDER` is not there"),
            ("SELECT * FROM devices JOIN x", 23, "known are SELECT, TOP, FROM, WHERE and GROUP BY"),
            ("SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'a')", 29, "STARTSWITH in queries of twins"),
            (
                "SELECT * FROM devices WHERE CONTAINS(deviceId, 'a')",
                29,
                "known are IS_DEFINED, STARTSWITH and ENDSWITH",
            ),
            ("SELECT * FROM devices WHERE COUNT() > 1", 29, "in SELECT COUNT"),
            ("SELECT COUNT(*) FROM devices", 14, "`)`"),
            ("SELECT * FROM devices WHERE IS_DEFINED(1)", 40, "a property"),
            ("SELECT * FROM devices WHERE (status = 'a') + 1 = 2", 44, "no value"),
            ("SELECT * FROM devices WHERE (status = 'a') = true", 44, "no value"),
            ("SELECT * FROM devices WHERE tags.group = 1", 34, "reserved"),
            ("SELECT TOP 0 * FROM devices", 12, "1 or more"),
            ("SELECT TOP 1.5 * FROM devices", 12, "whole number"),
            ("SELECT * FROM devices WHERE version > 1 +", 42, "property or a value"),
            ("SELECT a. FROM devices", 16, "FROM"),
            ("SELECT * FROM devices WHERE lastActivityTime > 'soon'", 48, "a time"),
            ("SELECT * FROM devices WHERE 'soon' < properties.reported.$metadata.a.$lastUpdated", 29, "'soon'"),
            ("SELECT * FROM devices WHERE statusUpdateTime = 5", 48, "a time"),
            ("SELECT * FROM devices WHERE lastActivityTime IN ['2026-01-01T00:00:00Z', 'x']", 74, "'x'"),
        ] {
            let error = parse(query).unwrap_err();
            assert!(error.position == position && error.to_string().contains(word), "{query}: {error}");
        }
        for word in ["NOT ", "(", "STARTSWITH("] {
            let deep = format!("SELECT * FROM devices WHERE {}", word.repeat(8000 / word.len()));
            assert!(parse(&deep).unwrap_err().what.contains("nested"), "{word}");
        }
        let long = format!("SELECT * FROM devices WHERE 1{} = 2", "+1".repeat(4000));
        assert!(parse(&long).is_ok(), "what does not nest may be long");
        assert!(parse(&" ".repeat(9000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(words in proptest::collection::vec(proptest::sample::select(&[
            "SELECT", "*", "FROM", "devices", "WHERE", "AND", "OR", "NOT", "IN", "NIN", "(", ")", "[", "]", ",", "'a",
            "'", "\"b\"", "AS", "COUNT()", "AVG(", "GROUP BY", "TOP", "devices.jobs",
            "STARTSWITH(", "IS_DEFINED(", "+", "/", "%", "undefined", "1", "deviceId", "tags.x", "properties.reported.$metadata.$lastUpdated", ".",
            "=", "!=", "<>", "<=", ">", "1e999", "-", "0x", "null", "'2020-01-01T00:00:00'", "é", "\u{0}",
        ][..]), 0..30)) {
            let _ = parse(&words.join(" "));
            let _ = parse(&words.concat());
        }
    }
}
