//! The rules of the house that a compiler does not check: imports only point down, and each kind of knowledge has one
//! room.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from top to bottom; rooms of one line do not know one another.
const LAYERS: &[&[&str]] = &[
    &["main", "fuzz"],
    &["cli"],
    &["capacity"],
    &["run"],
    &["shard"],
    &["report"],
    &["verdict"],
    &["profile"],
    &["driver", "hub", "device"],
    &["dialect"],
    &["mqtt"],
    &["measure"],
    &["policy"],
    &["random", "time"],
];

/// What only one room may say, and which.
const SECRETS_OF_ROOMS: &[(&str, &str)] = &[
    ("rumqttc", "mqtt"),
    ("rustls", "mqtt"),
    ("tungstenite", "mqtt"),
    ("rcgen", "hub"),
    ("toml::", "profile"),
    ("$iothub", "dialect"),
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sim"), &mut found);
    assert!(found.len() > 20, "the sources were found");
    found
}

/// Tests may look where they like.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "tests" | "sample.rs")))
}

fn room(path: &Path) -> String {
    let inner = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("sim")).unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// The part of a file that ships.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// The rooms that a source names: `crate::room`, `use crate::{room::.., room::..}`, `twinstorm::room`.
fn named(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for marker in ["crate::", "twinstorm::"] {
        for (at, _) in text.match_indices(marker) {
            let rest = &text[at + marker.len()..];
            if let Some(list) = rest.strip_prefix('{') {
                let mut depth = 1;
                let mut item = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && c == ',') {
                        rooms.push(item.trim().split("::").next().unwrap_or_default().to_owned());
                        item.clear();
                    } else {
                        item.push(c);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            } else {
                rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn imports_only_point_down() {
    for (path, text) in sources() {
        let own = room(&path);
        if own == "lib" {
            continue;
        }
        let own_layer = layer(&own).unwrap_or_else(|| panic!("{} is in no layer", path.display()));
        for other in named(shipped(&text)) {
            let Some(other_layer) = layer(&other) else { continue };
            assert!(
                other == own || other_layer > own_layer,
                "{} (layer {own}) must not import {other}: imports point down",
                path.display()
            );
        }
    }
}

#[test]
fn each_kind_of_knowledge_has_one_room() {
    for (path, text) in sources() {
        for (word, home) in SECRETS_OF_ROOMS {
            let code = shipped(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                assert!(
                    room(&path) == *home || !line.contains(word),
                    "{}: only {home}/ may say `{word}`: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_check_itself_sees_imports() {
    let text = "use crate::policy::Load;\nuse crate::{time::Nanos, hub::{A, B}};\nlet x = crate::mqtt::publish();";
    let mut rooms = named(text);
    rooms.sort();
    assert_eq!(rooms, ["hub", "mqtt", "policy", "time"]);
    assert!(layer("driver") == layer("hub") && layer("cli") < layer("run") && layer("nowhere").is_none());
}
