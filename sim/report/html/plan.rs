//! How to repeat the run: its command, and the plan that was carried out.

use std::fmt::Write;

use serde_json::Value;

use super::blocks::{Part, Section};
use crate::measure::RunResult;
use crate::report::chart::Escaped;

/// So deep a plan may be nested; ours are by far not.
const DEEPEST: usize = 16;

/// The section.
pub(super) fn plan(result: &RunResult) -> Option<Section> {
    let mut parts = Vec::new();
    if !result.command.is_empty() {
        parts.push(Part::text("To repeat the run:"));
        parts.push(Part::Code(result.command.clone()));
        parts.push(Part::text(format!(
            "Same seed ({}), same arrivals, delays and faults. Version {}.",
            result.seed, result.version
        )));
    }
    if result.plan.as_object().is_some_and(|plan| !plan.is_empty()) {
        let mut tree = String::new();
        write(&mut tree, &result.plan, "tree", 0);
        parts.push(Part::Folded("The plan, with every default resolved".to_owned(), tree));
    }
    (!parts.is_empty()).then(|| Section::new("plan", "Plan", parts))
}

/// A value as nested lists.
fn write(out: &mut String, value: &Value, class: &str, depth: usize) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Object(fields) if !fields.is_empty() && depth < DEEPEST => {
            out.push_str(if class.is_empty() { "<dl>" } else { "<dl class=\"tree\">" });
            for (name, value) in fields {
                let _ = write!(out, "<div><dt>{}</dt><dd>", Escaped(name));
                write(out, value, "", depth + 1);
                out.push_str("</dd></div>");
            }
            write!(out, "</dl>")
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) && depth < DEEPEST => {
            out.push_str("<ol>");
            for item in items {
                out.push_str("<li>");
                write(out, item, "", depth + 1);
                out.push_str("</li>");
            }
            write!(out, "</ol>")
        }
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(plain).collect();
            write!(out, "{}", Escaped(&items.join(" · ")))
        }
        value => write!(out, "{}", Escaped(&plain(value))),
    };
}

/// A value in one line.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_tree_in_which_nothing_is_markup() {
        let value = serde_json::json!({
            "<b>": { "on": true, "none": null, "list": ["a", "<i>"], "faults": [{ "kind": "fail" }, {}] },
        });
        let mut out = String::new();
        write(&mut out, &value, "tree", 0);
        assert_eq!(
            out,
            "<dl class=\"tree\"><div><dt>&lt;b&gt;</dt><dd><dl><div><dt>faults</dt><dd><ol><li><dl><div><dt>kind</dt><dd>fail\
             </dd></div></dl></li><li>none</li></ol></dd></div><div><dt>list</dt><dd>a · &lt;i&gt;</dd></div><div><dt>none</dt>\
             <dd>-</dd></div><div><dt>on</dt><dd>yes</dd></div></dl></dd></div></dl>"
        );
    }
}
