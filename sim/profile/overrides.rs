//! Overrides: single keys of a plan, given outside the profile.

use super::ProfileError;
use super::document::{Entry, Layer, Node, Origin, Table, Value, parse_value};
use super::error::Problem;

/// What the environment's overrides begin with.
const ENVIRONMENT: &str = "TWINSTORM_SET_";

/// One key's value from the command line or the environment. Its value is a TOML value or bare text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    layer: Source,
    label: String,
    key: String,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Environment,
    CommandLine,
}

impl Override {
    /// The argument of `--set`: `section.key=VALUE`; `fault.0.select=all` reaches into a list.
    ///
    /// # Errors
    /// There is no `=` in it, or no key before it.
    pub fn set(argument: &str) -> Result<Self, ProfileError> {
        let (key, value) = argument
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .filter(|(key, _)| key.split('.').all(|part| !part.is_empty()))
            .ok_or_else(|| ProfileError::Override(argument.to_owned()))?;
        Ok(Self::command_line(format!("--set {key}={value}"), key, value))
    }

    /// A flag that stands for one key, e.g. `--devices` for `fleet.devices`.
    #[must_use]
    pub fn flag(flag: &str, key: &str, value: &str) -> Self {
        Self::command_line(format!("{flag} {value}"), key, value)
    }

    /// Those among the environment's variables that are overrides: `TWINSTORM_SET_<SECTION>__<KEY>`.
    #[must_use]
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let overrides = variables.into_iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(ENVIRONMENT)?.replace("__", ".").to_lowercase();
            Some(Self { layer: Source::Environment, label: format!("{name}={value}"), key, value })
        });
        let mut overrides: Vec<Self> = overrides.collect();
        // The order of the environment means nothing; parents go before their children.
        overrides.sort_by(|a, b| a.key.cmp(&b.key));
        overrides
    }

    fn command_line(label: String, key: &str, value: &str) -> Self {
        Self { layer: Source::CommandLine, label, key: key.to_owned(), value: value.to_owned() }
    }

    fn origin(&self) -> Origin {
        let layer = match self.layer {
            Source::Environment => Layer::Environment,
            Source::CommandLine => Layer::CommandLine,
        };
        Origin::Override { layer, label: self.label.clone(), text: self.value.clone() }
    }
}

/// Lays overrides over a plan: the environment's first, then those of the command line, each in the order given.
pub(super) fn apply(table: &mut Table, overrides: &[Override]) -> Result<(), Problem> {
    let mut ordered: Vec<&Override> = overrides.iter().collect();
    ordered.sort_by_key(|item| item.layer);
    ordered.into_iter().try_for_each(|item| {
        let path: Vec<&str> = item.key.split('.').collect();
        let origin = item.origin();
        let node = Node { value: parse_value(&item.value, &origin), origin };
        put(table, &item.key, &path, node)
    })
}

/// Puts `node` at `path` below `table`. Tables on the way are made; whether their names mean anything is found when
/// the plan is read.
fn put(table: &mut Table, whole: &str, path: &[&str], node: Node) -> Result<(), Problem> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let origin = node.origin.clone();
    if rest.is_empty() {
        table.insert((*name).to_owned(), Entry { key: origin, node });
        return Ok(());
    }
    // A number reaches into a list, so that `threshold.0.expr` works where no threshold was.
    let is_list = rest.first().is_some_and(|part| part.parse::<usize>().is_ok());
    let empty = if is_list { Value::List(Vec::new()) } else { Value::Table(Table::new()) };
    let entry = table
        .entry((*name).to_owned())
        .or_insert_with(|| Entry { key: origin.clone(), node: Node { value: empty, origin } });
    put_below(&mut entry.node, whole, rest, node)
}

fn put_below(parent: &mut Node, whole: &str, path: &[&str], node: Node) -> Result<(), Problem> {
    let prefix = &whole[..whole.len() - path.join(".").len() - 1];
    match &mut parent.value {
        Value::Table(table) => put(table, whole, path, node),
        Value::List(items) => {
            let count = items.len();
            let Some((index, rest)) = path.split_first().and_then(|(index, rest)| Some((index.parse().ok()?, rest)))
            else {
                let message = format!("`{prefix}` is a list: reach into it by number, e.g. `{prefix}.0.…`");
                return Err(Problem::new(&node.origin, message));
            };
            match (items.get_mut::<usize>(index), rest.is_empty()) {
                (Some(item), true) => *item = node,
                (Some(item), false) => return put_below(item, whole, rest, node),
                // One beyond the end adds to the list.
                (None, _) if index == count => {
                    let mut item = Node { value: Value::Table(Table::new()), origin: node.origin.clone() };
                    if rest.is_empty() {
                        item = node;
                    } else {
                        put_below(&mut item, whole, rest, node)?;
                    }
                    items.push(item);
                }
                (None, _) => {
                    let message = format!("`{prefix}` has {count} entries: allowed are numbers from 0 to {count}");
                    return Err(Problem::new(&node.origin, message));
                }
            }
            Ok(())
        }
        other => {
            let message = format!("`{prefix}` is {}: there is nothing below it", other.kind());
            Err(Problem::new(&node.origin, message))
        }
    }
}
