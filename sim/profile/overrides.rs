//! Overrides: single keys of a plan, given outside the profile.

use super::ProfileError;
use super::document::{Entry, Layer, Node, Origin, Table, Value, overlay, parse_value};
use super::error::Problem;

/// One key's value from the command line or the environment. Its value is a TOML value or bare text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    layer: Source,
    label: String,
    key: String,
    value: String,
    /// Whether the value is text, whatever it looks like.
    is_text: bool,
}

/// What stands for one beyond the end of a list.
const ANOTHER: &str = "+";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Environment,
    CommandLine,
}

impl Override {
    /// What the environment's variables that are overrides begin with.
    pub const ENVIRONMENT: &'static str = "TWINSTORM_SET_";

    /// The argument of `--set`: `section.key=VALUE`; `fault.0.select=all` reaches into a list, `fault.hub_down.at=3s` by the
    /// name of what is in it, and `threshold.+.expr=census.failed < 5` adds to it.
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

    /// One of the keys that a flag with several gives in one argument, e.g. `--throttle methods=40/s,burst=40`; errors name
    /// the whole of it.
    #[must_use]
    pub fn of_argument(argument: &str, key: &str, value: &str) -> Self {
        Self::command_line(argument.to_owned(), key, value)
    }

    /// The argument of `--threshold`: an expression that is added to the thresholds of the profile.
    #[must_use]
    pub fn threshold(expr: &str) -> Self {
        let label = format!("--threshold \"{expr}\"");
        Self { is_text: true, ..Self::command_line(label, &format!("threshold.{ANOTHER}.expr"), expr) }
    }

    /// Those among the environment's variables that are overrides: `TWINSTORM_SET_<SECTION>__<KEY>`.
    #[must_use]
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let overrides = variables.into_iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(Self::ENVIRONMENT)?.replace("__", ".").to_lowercase();
            Some(Self { layer: Source::Environment, label: format!("{name}={value}"), key, value, is_text: false })
        });
        let mut overrides: Vec<Self> = overrides.collect();
        // The order of the environment means nothing; parents go before their children.
        overrides.sort_by(|a, b| a.key.cmp(&b.key));
        overrides
    }

    fn command_line(label: String, key: &str, value: &str) -> Self {
        Self { layer: Source::CommandLine, label, key: key.to_owned(), value: value.to_owned(), is_text: false }
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
        let value = if item.is_text {
            Value::Text(item.value.clone())
        } else {
            parse_value(&item.value, &origin)
                .map_err(|message| Problem::new(&origin, format!("the value of `{}` is broken: {message}", item.key)))?
        };
        let node = Node { value, origin };
        match path[..] {
            // A whole section is laid over the one that is there, as that of a file is.
            [section] => {
                let entry = Entry { key: node.origin.clone(), node };
                overlay(table, Table::from([(section.to_owned(), entry)]));
                Ok(())
            }
            _ => put(table, &item.key, &path, node),
        }
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
    let is_list = rest.first().is_some_and(|part| *part == ANOTHER || part.parse::<usize>().is_ok());
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
            let names = names(items);
            let another = |part: &str| (part == ANOTHER).then_some(count);
            let named = |part: &str| names.iter().position(|name| name == part);
            let index = |part: &str| part.parse().ok().or_else(|| another(part)).or_else(|| named(part));
            let Some((index, rest)) = path.split_first().and_then(|(part, rest)| Some((index(part)?, rest))) else {
                let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
                let by_name =
                    if names.is_empty() { String::new() } else { format!(" or by name: {}", names.join(", ")) };
                let message = format!("`{prefix}` is a list: reach into it by number, e.g. `{prefix}.0.…`{by_name}");
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

/// What each item of a list goes by: a name of its own, or that of its kind, numbered from the second on; else nothing.
fn names(items: &[Node]) -> Vec<String> {
    let text = |item: &Node, key: &str| match &item.value {
        Value::Table(table) => match &table.get(key)?.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let mut names: Vec<String> = Vec::new();
    for item in items {
        let of_kind = |kind: String| {
            let numbered = (2..).map(|number| format!("{kind}-{number}"));
            std::iter::once(kind.clone()).chain(numbered).find(|name| !names.contains(name))
        };
        let name = text(item, "name").or_else(|| text(item, "kind").and_then(of_kind));
        names.push(name.unwrap_or_default());
    }
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{HubPlan, Plan, load};
    use super::*;
    use crate::device::Transport;
    use crate::policy::{Backoff, Load, RetryPolicy, Select};

    const SECOND: Duration = Duration::from_secs(1);

    fn set(arguments: &[&str]) -> Result<Plan, ProfileError> {
        let overrides: Vec<Override> = arguments.iter().map(|argument| Override::set(argument).unwrap()).collect();
        load("quickstart", &overrides)
    }

    #[test]
    fn overrides_take_values_or_bare_text_and_reach_into_lists() {
        let plan = set(&[
            "load.rate=200/s",
            "firmware.version=1.5",
            "hub.slow.twin_ack=80ms",
            "hub.workers=2",
            "retry.method=none",
            "threshold.1.expr=update.overhead.p50 < 1s",
            "fault.0={ kind = \"no_reply\", select = \"all\" }",
            "fault.1.kind=offline",
            "fault.1.select={ percent = 5 }",
        ])
        .unwrap();
        assert_eq!((plan.driver.load.rate(), plan.firmware.version.as_str()), (Some(200.0), "1.5"));
        let hub = plan.hub.embedded(plan.fleet.transport).unwrap();
        assert_eq!((hub.workers, hub.slow.twin_ack), (2, Duration::from_millis(80)));
        assert_eq!(plan.driver.retry_method, RetryPolicy::NEVER);
        assert_eq!((plan.thresholds.len(), plan.thresholds[1].to_string()), (3, "update.overhead.p50 < 1s".to_owned()));
        assert_eq!(plan.faults[1].select, Select::Percent(5.0));
    }

    #[test]
    fn a_word_in_braces_begins_a_text_and_no_table() {
        let plan = set(&[
            "hub.kind=mqtt",
            "hub.url=mqtt://127.0.0.1",
            "hub.username={device}",
            "hub.topics.reported={prefix}/{device}/is",
        ]);
        let hub = plan.unwrap().hub;
        let dialect = &hub.broker().unwrap().dialect;
        assert_eq!(dialect.username.as_deref(), Some("{device}"));
        assert_eq!(dialect.topics.reported, "{prefix}/{device}/is");
        let error = set(&["hub.topics={prefix=}"]).unwrap_err().to_string();
        assert!(error.contains("the value of `hub.topics` is broken"), "{error}");
    }

    #[test]
    fn an_entry_of_a_list_is_reached_by_its_name_too() {
        let kinds = "fault=[{ kind = \"offline\", select = \"all\" }, { kind = \"offline\", select = \"all\" }, \
                     { kind = \"no_reply\", select = \"all\", name = \"dumb\" }]";
        let plan = set(&[kinds, "fault.offline-2.at=3s", "fault.dumb.for=2s", "fault.offline.name=away"]).unwrap();
        let names: Vec<&str> = plan.faults.iter().map(|fault| fault.name.as_str()).collect();
        assert_eq!(names, ["away", "offline", "dumb"]);
        assert_eq!((plan.faults[1].at, plan.faults[2].lasts), (3 * SECOND, Some(2 * SECOND)));
        let error = set(&[kinds, "fault.ofline.at=3s"]).unwrap_err().to_string();
        let says = "`fault` is a list: reach into it by number, e.g. `fault.0.…` or by name: offline, offline-2, dumb";
        assert_eq!(error, format!("--set fault.ofline.at=3s: {says}"));
    }

    #[test]
    fn thresholds_of_the_command_line_are_added_and_checked_like_the_profiles_own() {
        let with = |sets: &[&str], exprs: &[&str]| {
            let mut overrides: Vec<Override> = sets.iter().map(|set| Override::set(set).unwrap()).collect();
            overrides.extend(exprs.iter().map(|expr| Override::threshold(expr)));
            load("quickstart", &overrides)
        };
        let exprs = |plan: Plan| plan.thresholds.iter().map(ToString::to_string).collect::<Vec<_>>();
        let plan = with(&[], &["update.total.p99<60s", "census.failed == 0"]).unwrap();
        assert_eq!(exprs(plan)[3..], ["update.total.p99 < 1m", "census.failed == 0"]);
        assert_eq!(exprs(with(&["threshold=[]"], &["census.failed == 0"]).unwrap()), ["census.failed == 0"]);
        let sets = ["threshold.0.abort=true", "threshold.0.grace=5s", "threshold.+.expr=census.stuck == 0"];
        let plan = with(&sets, &["census.failed == 0"]).unwrap();
        let aborts: Vec<_> = plan.thresholds.iter().map(|rule| (rule.abort, rule.grace)).collect();
        assert_eq!(
            aborts,
            [(true, 5 * SECOND), (false, Duration::ZERO)].into_iter().chain([aborts[1]; 3]).collect::<Vec<_>>()
        );
        assert_eq!(exprs(plan)[3..], ["census.stuck == 0", "census.failed == 0"]);
        for (expr, says) in [
            ("update.total.p98 < 3s", "`threshold.3.expr` is wrong: unknown statistic `p98`"),
            (
                "update.total.p99 < 3",
                "`threshold.3.expr` is wrong: `3` does not fit `update.total.p99`, which wants a duration",
            ),
            ("rollout.waves == 1", "`threshold.3.expr` cannot be judged without a [rollout]"),
            ("", "`threshold.3.expr` is wrong: `` is not a threshold"),
            ("[3]", "`threshold.3.expr` is wrong: `[3]` is not a threshold"),
            ("true", "`threshold.3.expr` is wrong: `true` is not a threshold"),
        ] {
            let error = with(&[], &[expr]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--threshold \"{expr}\": {says}")), "{error}");
        }
    }

    #[test]
    fn an_abort_that_is_taken_back_takes_its_grace_with_it() {
        let text = "[[threshold]]\nexpr = \"census.failed == 0\"\nabort = true\ngrace = \"9s\"";
        let plan = |set: &str| super::super::parse("my.toml", text, &[Override::set(set).unwrap()]);
        let rule = plan("threshold.0.abort=false").unwrap().thresholds.remove(0);
        assert_eq!((rule.abort, rule.grace), (false, Duration::ZERO));
        assert_eq!(plan("threshold.0.grace=1m").unwrap().thresholds[0].grace, 60 * SECOND);
    }

    #[test]
    fn a_section_given_whole_is_laid_over_key_by_key_as_that_of_a_file_is() {
        let load = set(&["load={ kind = \"closed\", in_flight = 2 }"]).unwrap().driver;
        assert_eq!((load.load, load.max_in_flight), (Load::Closed { in_flight: 2 }, 1000));
        // What stands below a section is replaced whole, also as in a file.
        let delays = set(&["hub.slow.method_request=1s", "hub.slow={ twin_ack = \"80ms\" }"])
            .unwrap()
            .hub
            .embedded(Transport::Tcp);
        assert_eq!(delays.unwrap().slow.method_request, Duration::ZERO);
    }

    #[test]
    fn an_override_of_the_kind_leaves_behind_what_the_profile_said_for_the_other_kind() {
        assert_eq!(set(&["load.kind=closed"]).unwrap().driver.load, Load::Closed { in_flight: 100 });
        assert_eq!(set(&["hub.kind=azure"]).unwrap().hub, HubPlan::Azure);
        let fixed = set(&["retry.connect.policy=fixed"]).unwrap().fleet.retry_connect;
        assert_eq!(fixed.of(0).backoff, Backoff::Fixed { delay: 10 * SECOND });
        let error = set(&["load.kind=closed", "load.rate=3"]).unwrap_err().to_string();
        assert_eq!(error, "--set load.rate=3: `load.rate` means nothing in a closed load: leave it out");
    }

    #[test]
    fn an_error_in_an_override_names_the_override() {
        for (argument, says) in [
            ("flet.devices=3", "--set flet.devices=3: unknown key `flet`: allowed are name, "),
            ("fleet.device=3", "--set fleet.device=3: unknown key `device` in `fleet`"),
            ("seed.x=3", "--set seed.x=3: `seed` is a whole number: there is nothing below it"),
            (
                "threshold.9.expr=x",
                "--set threshold.9.expr=x: `threshold` has 3 entries: allowed are numbers from 0 to 3",
            ),
            ("threshold.expr=x", "--set threshold.expr=x: `threshold` is a list: reach into it by number"),
            ("hub=azure", "--set hub=azure: `hub` must be a table"),
            (
                "fault=[{kind=\"reject\"",
                "--set fault=[{kind=\"reject\": the value of `fault` is broken: unclosed inline table, expected `}`",
            ),
            ("load={", "--set load={: the value of `load` is broken: unclosed"),
            ("name='x", "--set name='x: the value of `name` is broken: "),
            ("name=\"x", "--set name=\"x: the value of `name` is broken: "),
            ("load.rate=0", "--set load.rate=0: `load.rate` must be from 0.001/s"),
        ] {
            let error = set(&[argument]).unwrap_err().to_string();
            assert!(error.starts_with(says), "{argument}: {error}");
        }
        for argument in ["fleet.devices", "=3", "a..b=3"] {
            assert!(Override::set(argument).unwrap_err().to_string().contains("sets nothing"), "{argument}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_profile() {
        let environment = Override::from_environment(
            [("TWINSTORM_SET_FLEET__DEVICES", "5"), ("TWINSTORM_SET_SEED", "9"), ("TWINSTORM_HUB_MQTT", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let mut overrides = vec![Override::flag("--devices", "fleet.devices", "6")];
        overrides.extend(environment);
        let plan = load("quickstart", &overrides).unwrap();
        assert_eq!((plan.fleet.devices, plan.seed.0), (6, 9));
        let wrong = Override::from_environment([("TWINSTORM_SET_HUB__WORKERS".to_owned(), "0".to_owned())]);
        let error = load("quickstart", &wrong).unwrap_err().to_string();
        assert_eq!(error, "TWINSTORM_SET_HUB__WORKERS=0: `hub.workers` must be from 1 to 256");
        let one_underscore = Override::from_environment([("TWINSTORM_SET_FLEET_DEVICES".to_owned(), "5".to_owned())]);
        let error = load("quickstart", &one_underscore).unwrap_err().to_string();
        assert!(
            error.starts_with("TWINSTORM_SET_FLEET_DEVICES=5: unknown key `fleet_devices`: allowed are name"),
            "{error}"
        );
        assert!(error.ends_with("between a section and its key stand two underscores, `__`"), "{error}");
        assert!(!set(&["fleet_devices=5"]).unwrap_err().to_string().contains("underscores"));
        let error = load("quickstart", &[Override::flag("--rate", "load.rate", "-1")]).unwrap_err().to_string();
        assert!(error.starts_with("--rate -1: `load.rate` must be"), "{error}");
    }
}
