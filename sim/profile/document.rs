//! A profile as a tree of values that know where they come from, so that an error can point there.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What can stand on the right side of a key.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// TOML's integers fit into 64 bits, signed; seeds are unsigned. Both fit here.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime,
    List(Vec<Node>),
    Table(Table),
}

/// Keys in alphabetical order.
pub(super) type Table = BTreeMap<String, Entry>;

/// A key's value, and where the key itself stands.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Origin,
    pub(super) node: Node,
}

/// Where a key or a value comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// These bytes of a document.
    Document { layer: Layer, span: Range<usize> },
    /// An override: what it is called in errors, and the text of its value.
    Override { layer: Layer, label: String, text: String },
}

/// The layers of a plan; a later one wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// The quickstart profile, whose values are the defaults.
    Defaults,
    /// The profile that was asked for.
    Profile,
    /// `TWINSTORM_SET_<SECTION>__<KEY>`.
    Environment,
    /// `--set` and the flags that stand for one key.
    CommandLine,
}

impl Origin {
    pub(super) const fn layer(&self) -> Layer {
        match self {
            Self::Document { layer, .. } | Self::Override { layer, .. } => *layer,
        }
    }
}

impl Value {
    /// What it is, with its article, for errors.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Datetime => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a TOML document.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn parse(text: &str, layer: Layer) -> Result<Table, (String, Range<usize>)> {
    let document = DeTable::parse(text)
        .map_err(|error| (error.message().to_owned(), error.span().unwrap_or(text.len()..text.len())))?;
    Ok(table(document.get_ref(), &|span| Origin::Document { layer, span }))
}

/// Reads the value of an override: a TOML value, or else bare text.
///
/// # Errors
/// What begins like a TOML list, table or text is none: what is wrong with it.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Result<Value, String> {
    let begins_like_toml = |text: &str| text.starts_with(['[', '{', '"', '\'']) && !begins_with_a_word_in_braces(text);
    match DeValue::parse(text) {
        Ok(parsed) => Ok(value(parsed.get_ref(), &|_| origin.clone())),
        Err(error) if begins_like_toml(text.trim_start()) => Err(error.message().to_owned()),
        Err(_) => Ok(Value::Text(text.to_owned())),
    }
}

/// Whether `text` is like `{device}` or `{prefix}/it`, which names and topics may be: no table begins so.
fn begins_with_a_word_in_braces(text: &str) -> bool {
    let word = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(word, _)| word);
    word.is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// Lays `upper` over `lower`: a key that `upper` gives replaces that of `lower`, within sections (`[fleet]`) one by
/// one. Lists of tables (`[[fault]]`) replace one another whole.
pub(super) fn overlay(lower: &mut Table, upper: Table) {
    for (name, entry) in upper {
        if let Some(Entry { node: Node { value: Value::Table(below), .. }, key }) = lower.get_mut(&name)
            && let Value::Table(above) = entry.node.value
        {
            *key = entry.key;
            below.extend(above);
        } else {
            lower.insert(name, entry);
        }
    }
}

fn table(from: &DeTable<'_>, origin: &dyn Fn(Range<usize>) -> Origin) -> Table {
    from.iter()
        .map(|(key, value)| {
            let entry = Entry { key: origin(key.span()), node: node(value, origin) };
            (key.get_ref().to_string(), entry)
        })
        .collect()
}

fn node(from: &Spanned<DeValue<'_>>, origin: &dyn Fn(Range<usize>) -> Origin) -> Node {
    Node { value: value(from.get_ref(), origin), origin: origin(from.span()) }
}

fn value(from: &DeValue<'_>, origin: &dyn Fn(Range<usize>) -> Origin) -> Value {
    match from {
        DeValue::String(text) => Value::Text(text.to_string()),
        // What does not even fit into 128 bits is out of every key's range, whatever its exact value.
        DeValue::Integer(integer) => {
            Value::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX))
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, origin)).collect()),
        DeValue::Table(inner) => Value::Table(table(inner, origin)),
    }
}
