//! Holds a row against a condition, and writes what was asked for.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;

use super::path::Path;
use super::syntax::{Comparison, Condition, Literal, Operand, Operator, Select, parse_time};
use crate::hub::json::write_text;
use crate::time::rfc3339;

/// A twin or a device's part of a job, as a query sees it.
pub(in crate::hub) trait Row {
    /// The value at `path`, for comparing.
    fn field(&self, path: &Path) -> Field<'_>;
    /// Writes the value at `path` as JSON; `false` and nothing if it is undefined.
    fn write_field(&self, path: &Path, out: &mut String) -> bool;
    /// Writes the whole document.
    fn write_document(&self, out: &mut String);
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Field<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// A time that the hub wrote: it is compared as a time, however many decimals the query writes.
    Time(Timestamp),
    /// An object or array: not comparable (4).
    Compound,
}

impl<'a> Field<'a> {
    /// The value that JSON text holds.
    pub(in crate::hub) fn from_json(text: Option<&'a str>) -> Self {
        let Some(text) = text else { return Self::Undefined };
        match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => serde_json::from_str(text).map_or(Self::Undefined, |text: String| Self::Text(text.into())),
            Some(b'{' | b'[') => Self::Compound,
            _ => text.parse().map_or(Self::Undefined, Self::Number),
        }
    }

    fn from_literal(literal: &'a Literal) -> Self {
        match literal {
            Literal::Undefined => Self::Undefined,
            Literal::Null => Self::Null,
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Number(number) => Self::Number(*number),
            Literal::Text(text) => Self::Text(Cow::Borrowed(text)),
            Literal::Time(time) => Self::Time(*time),
        }
    }

    /// The same value, borrowed from nobody.
    pub(super) fn into_owned(self) -> Field<'static> {
        match self {
            Self::Text(text) => Field::Text(Cow::Owned(text.into_owned())),
            Self::Undefined => Field::Undefined,
            Self::Null => Field::Null,
            Self::Bool(value) => Field::Bool(value),
            Self::Number(number) => Field::Number(number),
            Self::Time(time) => Field::Time(time),
            Self::Compound => Field::Compound,
        }
    }

    /// Writes the value as JSON; `false` and nothing if it is undefined.
    pub(super) fn write(&self, out: &mut String) -> bool {
        match self {
            Self::Undefined | Self::Compound => return false,
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            // Sums may get out of hand, and JSON has no word for it.
            Self::Number(number) if !number.is_finite() => return false,
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Text(text) => write_text(text, out),
            Self::Time(time) => write_text(&rfc3339(*time), out),
        }
        true
    }

    /// The order of two values of the same kind.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Text(b)) => parse_time(b).map(|b| a.cmp(&b)),
            (Self::Text(a), Self::Time(b)) => parse_time(a).map(|a| a.cmp(b)),
            _ => None,
        }
    }

    /// Missing is undefined, and no comparison with it is true (4).
    fn compare(&self, comparison: Comparison, other: &Self) -> bool {
        if *self == Self::Undefined || *other == Self::Undefined {
            return false;
        }
        match (self.order(other), comparison) {
            (order, Comparison::NotEqual) => order != Some(Ordering::Equal),
            (None, _) => false,
            (Some(order), Comparison::Equal) => order.is_eq(),
            (Some(order), Comparison::Less) => order.is_lt(),
            (Some(order), Comparison::AtMost) => order.is_le(),
            (Some(order), Comparison::Greater) => order.is_gt(),
            (Some(order), Comparison::AtLeast) => order.is_ge(),
        }
    }
}

/// Whether `row` fulfils `condition`.
pub(in crate::hub) fn matches(condition: &Condition, row: &impl Row) -> bool {
    match condition {
        Condition::All(conditions) => conditions.iter().all(|condition| matches(condition, row)),
        Condition::Any(conditions) => conditions.iter().any(|condition| matches(condition, row)),
        Condition::Not(condition) => !matches(condition, row),
        Condition::Compare { left, comparison, right } => value(left, row).compare(*comparison, &value(right, row)),
        Condition::In { operand, list, negated } => {
            let value = value(operand, row);
            let found = list.iter().any(|item| value.compare(Comparison::Equal, &Field::from_literal(item)));
            value != Field::Undefined && found != *negated
        }
        Condition::IsDefined(path) => row.field(path) != Field::Undefined,
        Condition::StartsWith(text, part) => {
            texts(text, part, row).is_some_and(|(text, part)| text.starts_with(&*part))
        }
        Condition::EndsWith(text, part) => texts(text, part, row).is_some_and(|(text, part)| text.ends_with(&*part)),
    }
}

/// The value of `operand` in `row`.
pub(super) fn value<'a>(operand: &'a Operand, row: &'a impl Row) -> Field<'a> {
    match operand {
        Operand::Path(path) => row.field(path),
        Operand::Literal(literal) => Field::from_literal(literal),
        Operand::Arithmetic(first, rest) => reckon(first, rest, row).map_or(Field::Undefined, Field::Number),
    }
}

/// What comes out of numbers; nothing if something is none, or if the result is none (a division by zero).
fn reckon(first: &Operand, rest: &[(Operator, Operand)], row: &impl Row) -> Option<f64> {
    let number = |operand: &Operand| match value(operand, row) {
        Field::Number(number) => Some(number),
        _ => None,
    };
    let result = rest.iter().try_fold(number(first)?, |left, (operator, right)| {
        let right = number(right)?;
        Some(match operator {
            Operator::Plus => left + right,
            Operator::Minus => left - right,
            Operator::Times => left * right,
            Operator::Over => left / right,
            Operator::Modulo => left % right,
        })
    });
    result.filter(|number| number.is_finite())
}

/// Two values, if both are texts.
fn texts<'a>(one: &'a Operand, other: &'a Operand, row: &'a impl Row) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    match (value(one, row), value(other, row)) {
        (Field::Text(one), Field::Text(other)) => Some((one, other)),
        _ => None,
    }
}

/// Writes what `select` asks of `row`, as one JSON object.
pub(in crate::hub) fn write_row(select: &Select, row: &impl Row, out: &mut String) {
    let fields = match select {
        Select::All => return row.write_document(out),
        Select::Groups(_) => return,
        Select::Fields(fields) => fields,
    };
    out.push('{');
    let mut first = true;
    for field in fields {
        let before = out.len();
        if !first {
            out.push(',');
        }
        write_text(&field.name, out);
        out.push(':');
        let written = match &field.value {
            Operand::Path(path) => row.write_field(path, out),
            reckoned => value(reckoned, row).write(out),
        };
        if written {
            first = false;
        } else {
            out.truncate(before);
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, parse};
    use super::*;
    use crate::hub::twin::find;

    /// A row with `text` as its reported properties.
    struct Reported(&'static str);

    impl Row for Reported {
        fn field(&self, path: &Path) -> Field<'_> {
            match path {
                Path::DeviceId => Field::Text("d1".into()),
                Path::LastActivityTime => Field::Time("2026-01-01T00:00:02.5Z".parse().unwrap()),
                Path::Reported(path) => Field::from_json(find(self.0, path)),
                _ => Field::Undefined,
            }
        }

        fn write_field(&self, path: &Path, out: &mut String) -> bool {
            let Path::Reported(path) = path else { return false };
            find(self.0, path).map(|text| out.push_str(text)).is_some()
        }

        fn write_document(&self, out: &mut String) {
            out.push_str(self.0);
        }
    }

    const ROW: Reported =
        Reported(r#"{"s":"on","n":2.5,"i":3,"b":true,"z":null,"o":{"x":[1]},"t":"a\"b","day":"2026-01-01"}"#);

    fn holds(condition: &str) -> bool {
        let condition = condition.replace('@', "properties.reported.");
        let plan = Plan::new(parse(&format!("SELECT * FROM devices WHERE {condition}")).unwrap());
        matches(&plan.condition.unwrap(), &ROW)
    }

    #[test]
    fn conditions_hold_as_documented() {
        for condition in [
            "@s = 'on'",
            "'on' = @s",
            "@s != 'off'",
            "@s <> 3",
            "@n > 2 AND @n <= 2.5",
            "@i >= 3 AND @i < 0x4",
            "@b = true",
            "@z = null",
            "@s IN ['off', 'on']",
            "@i IN [1, 3]",
            "@s NIN ['off']",
            "NOT @s = 'off'",
            "NOT @missing = 1",
            "@s = 'off' OR @t = 'a\"b'",
            "@o != 1",
            "deviceId > 'd0' AND deviceId < 'd2'",
            "lastActivityTime = '2026-01-01T00:00:02.500000Z'",
            "lastActivityTime > '2026-01-01T00:00:02Z'",
            "lastActivityTime < '2026-01-01T01:00:02.6+01:00'",
            "lastActivityTime > '2026-01-01T00:00:02'",
            "lastActivityTime IN ['2026-01-01T00:00:02.5']",
            "lastActivityTime > @day",
            "@n + @i * 2 = 8.5 AND (@n + @i) * 2 = 11",
            "@i - 1 - 1 = 1 AND 7 / @i * 3 = 7 AND 7 % @i = 1",
            "@i > -1",
            "(@i + 1) > @i AND (((@i)) = (3))",
            "IS_DEFINED(@z) AND is_defined(@o) AND NOT IS_DEFINED(@missing)",
            "STARTSWITH(@s, 'o') AND ENDSWITH(@s, 'n') AND NOT startswith(@s, 'O')",
            "STARTSWITH(deviceId, \"d\")",
            "NOT @s = undefined",
        ] {
            assert!(holds(condition), "{condition}");
        }
        for condition in [
            "@s = 'On'",
            "@missing = null",
            "@missing != 1",
            "@missing NIN [1]",
            "@missing IN [1]",
            "@s > 1",
            "@o = @o",
            "@s = @missing",
            "unknown = 1",
            "lastActivityTime > @s",
            "@i NIN [1, 3]",
            "@s = undefined",
            "@missing = undefined",
            "@missing IN [undefined, null]",
            "@i / 0 > 1",
            "@i / 0 != 1",
            "@s + 1 != 1",
            "STARTSWITH(@i, '3')",
            "ENDSWITH(@missing, '')",
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn a_projection_leaves_out_what_is_undefined() {
        let text = "SELECT properties.reported.x, properties.reported.o.x AS \u{e4}, status, properties.reported.z FROM devices";
        let mut out = String::new();
        write_row(&parse(text).unwrap().select, &ROW, &mut out);
        assert_eq!(out, "{\"\u{e4}\":[1],\"z\":null}");
        out.clear();
        let text = "SELECT properties.reported.i * 2 AS twice, 'x', properties.reported.i / 2 FROM devices";
        write_row(&parse(text).unwrap().select, &ROW, &mut out);
        assert_eq!(out, r#"{"twice":6,"$1":"x","$2":1.5}"#);
        out.clear();
        write_row(&parse("SELECT unknown FROM devices").unwrap().select, &ROW, &mut out);
        assert_eq!(out, "{}");
    }
}
