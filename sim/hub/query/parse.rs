//! Reads a query by recursive descent.

use super::syntax::{Condition, Literal, Operand, Path, Projection, Query, Select, parse_time};
use super::token::{QueryError, Token, tokens};

/// The longest query, in characters (4).
const MAX_QUERY: usize = 8192;
/// How deep parentheses and NOT may nest: each level takes stack.
const MAX_DEPTH: usize = 64;

/// Reads `SELECT * | COUNT() [AS n] | path [AS alias],... FROM devices [WHERE condition]`.
pub(in crate::hub) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.chars().count() > MAX_QUERY {
        return Err(QueryError { what: format!("more than {MAX_QUERY} characters"), position: MAX_QUERY + 1 });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    parser.expect_keyword("SELECT")?;
    let select = parser.select()?;
    parser.expect_keyword("FROM")?;
    parser.expect_keyword("devices")?;
    let condition = if parser.keyword("WHERE") { Some(parser.any(0)?) } else { None };
    match parser.peek() {
        Token::End => Ok(Query { select, condition }),
        _ => Err(parser.unexpected("the end, AND or OR")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn unexpected(&self, wanted: &str) -> QueryError {
        let position = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, position)| *position);
        QueryError { what: format!("expected {wanted}, found {}", self.peek().describe()), position }
    }

    fn accept(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), QueryError> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected(&token.describe())) }
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(name) if name.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), QueryError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected(&format!("`{keyword}`"))) }
    }

    fn name(&mut self, wanted: &str) -> Result<String, QueryError> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn alias(&mut self) -> Result<Option<String>, QueryError> {
        if self.keyword("AS") { self.name("a name").map(Some) } else { Ok(None) }
    }

    fn select(&mut self) -> Result<Select, QueryError> {
        if self.accept(&Token::Star) {
            return Ok(Select::All);
        }
        let count = matches!(self.peek(), Token::Name(name) if name.eq_ignore_ascii_case("COUNT"));
        if count && matches!(self.tokens.get(self.at + 1), Some((Token::Open, _))) {
            self.at += 2;
            self.expect(&Token::Close)?;
            return Ok(Select::Count(self.alias()?.unwrap_or_else(|| "$1".to_owned())));
        }
        let mut fields = Vec::new();
        loop {
            let segments = self.segments()?;
            let path = Path::new(&segments);
            let own = path.own_name().map(str::to_owned).or_else(|| segments.last().cloned()).unwrap_or_default();
            fields.push(Projection { name: self.alias()?.unwrap_or(own), path });
            if !self.accept(&Token::Comma) {
                return Ok(Select::Fields(fields));
            }
        }
    }

    /// `a.b.c`, with `devices.` in front or not.
    fn segments(&mut self) -> Result<Vec<String>, QueryError> {
        let mut segments = vec![self.name("a property")?];
        while self.accept(&Token::Dot) {
            segments.push(self.name("a property")?);
        }
        if segments.len() > 1 && segments[0].eq_ignore_ascii_case("devices") {
            segments.remove(0);
        }
        Ok(segments)
    }

    fn any(&mut self, depth: usize) -> Result<Condition, QueryError> {
        let mut conditions = vec![self.all(depth)?];
        while self.keyword("OR") {
            conditions.push(self.all(depth)?);
        }
        Ok(one_or(conditions, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, QueryError> {
        let mut conditions = vec![self.single(depth)?];
        while self.keyword("AND") {
            conditions.push(self.single(depth)?);
        }
        Ok(one_or(conditions, Condition::All))
    }

    fn single(&mut self, depth: usize) -> Result<Condition, QueryError> {
        if depth > MAX_DEPTH {
            return Err(self.unexpected(&format!("no more than {MAX_DEPTH} nested conditions")));
        }
        if self.keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.single(depth + 1)?)));
        }
        if self.accept(&Token::Open) {
            let condition = self.any(depth + 1)?;
            self.expect(&Token::Close)?;
            return Ok(condition);
        }
        let first = self.at;
        let left = self.operand()?;
        let negated = self.keyword("NIN");
        if negated || self.keyword("IN") {
            return Ok(Condition::In { list: self.list(&left)?, operand: left, negated });
        }
        let Token::Compare(comparison) = *self.peek() else {
            return Err(self.unexpected("a comparison, IN or NIN"));
        };
        self.at += 1;
        let second = self.at;
        let right = self.operand()?;
        let left = self.beside(left, &right, first)?;
        let right = self.beside(right, &left, second)?;
        Ok(Condition::Compare { left, comparison, right })
    }

    /// The operand `value`, which stands at word `index`, where it is compared with `other`. Beside a time of the hub's
    /// own only times make sense: anything else would be a condition that silently never holds.
    fn beside(&mut self, value: Operand, other: &Operand, index: usize) -> Result<Operand, QueryError> {
        let Operand::Literal(literal) = value else { return Ok(value) };
        let time = match (other, &literal) {
            (Operand::Path(path), Literal::Text(text)) if path.is_time() => parse_time(text).map(Literal::Time),
            (Operand::Path(path), Literal::Bool(_) | Literal::Number(_)) if path.is_time() => None,
            _ => Some(literal),
        };
        self.at = if time.is_some() { self.at } else { index };
        time.map(Operand::Literal).ok_or_else(|| self.unexpected("a time such as '2026-01-31T12:00:00Z'"))
    }

    /// The values that `operand` is compared with.
    fn list(&mut self, operand: &Operand) -> Result<Vec<Literal>, QueryError> {
        self.expect(&Token::OpenList)?;
        let mut list = Vec::new();
        if self.accept(&Token::CloseList) {
            return Ok(list);
        }
        loop {
            let index = self.at;
            let value = self.operand()?;
            match self.beside(value, operand, index)? {
                Operand::Literal(literal) => list.push(literal),
                Operand::Path(_) => {
                    self.at -= 1;
                    return Err(self.unexpected("a value"));
                }
            }
            if !self.accept(&Token::Comma) {
                self.expect(&Token::CloseList)?;
                return Ok(list);
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, QueryError> {
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(number) => Literal::Number(*number),
            Token::Name(name) => match name.to_ascii_lowercase().as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                "null" => Literal::Null,
                _ => return Ok(Operand::Path(Path::new(&self.segments()?))),
            },
            _ => return Err(self.unexpected("a property or a value")),
        };
        self.take();
        Ok(Operand::Literal(literal))
    }
}

fn one_or(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match (conditions.pop(), conditions.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            conditions.extend(last);
            many(conditions)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::Comparison;
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
        assert_eq!(fields[1].path, Path::Reported(vec!["a".into(), "b".into()]));
        assert_eq!(parse("SELECT COUNT() AS n FROM devices").unwrap().select, Select::Count("n".into()));
        assert!(matches!(parse("SELECT count FROM devices").unwrap().select, Select::Fields(_)));
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
            ("SELECT * FROM devices.jobs", 22, "the end"),
            ("SELECT * FROM devices WHERE", 28, "property or a value"),
            ("SELECT * FROM devices WHERE status", 35, "comparison"),
            ("SELECT * FROM devices WHERE (status = 'a'", 42, "`)`"),
            ("SELECT * FROM devices WHERE status IN 'a'", 39, "`[`"),
            ("SELECT * FROM devices WHERE status IN [status]", 40, "a value"),
            ("SELECT * FROM devices WHERE status = 'a' GROUP BY status", 42, "the end"),
            ("SELECT a. FROM devices", 16, "FROM"),
            ("SELECT * FROM devices WHERE lastActivityTime > 'soon'", 48, "a time"),
            ("SELECT * FROM devices WHERE 'soon' < properties.reported.$metadata.a.$lastUpdated", 29, "'soon'"),
            ("SELECT * FROM devices WHERE statusUpdateTime = 5", 48, "a time"),
            ("SELECT * FROM devices WHERE lastActivityTime IN ['2026-01-01T00:00:00Z', 'x']", 74, "'x'"),
        ] {
            let error = parse(query).unwrap_err();
            assert!(error.position == position && error.to_string().contains(word), "{query}: {error}");
        }
        let deep = format!("SELECT * FROM devices WHERE {}", "NOT ".repeat(1000));
        assert!(parse(&deep).unwrap_err().what.contains("nested"));
        assert!(parse(&" ".repeat(9000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(words in proptest::collection::vec(proptest::sample::select(&[
            "SELECT", "*", "FROM", "devices", "WHERE", "AND", "OR", "NOT", "IN", "NIN", "(", ")", "[", "]", ",", "'a",
            "'", "\"b\"", "AS", "COUNT()", "deviceId", "tags.x", "properties.reported.$metadata.$lastUpdated", ".",
            "=", "!=", "<>", "<=", ">", "1e999", "-", "0x", "null", "'2020-01-01T00:00:00'", "é", "\u{0}",
        ][..]), 0..30)) {
            let _ = parse(&words.join(" "));
            let _ = parse(&words.concat());
        }
    }
}
