//! The built-in profiles, and how a profile becomes a plan.

use std::fs;
use std::path::Path;

use super::document::{self, Layer, Origin, Table};
use super::error::{Place, Problem};
use super::overrides::{self, Override};
use super::plan::{self, Plan};
use super::reader::Section;
use super::{Invalid, ProfileError};

/// Name and text of every profile that is compiled in. The first one is the base that others are laid over.
const BUILT_IN: [(&str, &str); 25] = [
    ("quickstart", include_str!("../../profiles/quickstart.toml")),
    ("tutorial", include_str!("../../profiles/tutorial.toml")),
    ("first-faults", include_str!("../../profiles/first-faults.toml")),
    ("scheduled-job", include_str!("../../profiles/scheduled-job.toml")),
    ("capacity", include_str!("../../profiles/capacity.toml")),
    ("capacity-s1", include_str!("../../profiles/capacity-s1.toml")),
    ("capacity-devices", include_str!("../../profiles/capacity-devices.toml")),
    ("capacity-connects", include_str!("../../profiles/capacity-connects.toml")),
    ("broker-connect", include_str!("../../profiles/broker-connect.toml")),
    ("broker-telemetry", include_str!("../../profiles/broker-telemetry.toml")),
    ("broker-churn", include_str!("../../profiles/broker-churn.toml")),
    ("tier-s1", include_str!("../../profiles/tier-s1.toml")),
    ("reconnect-storm", include_str!("../../profiles/reconnect-storm.toml")),
    ("token-cliff", include_str!("../../profiles/token-cliff.toml")),
    ("throttled-hub", include_str!("../../profiles/throttled-hub.toml")),
    ("identity-fight", include_str!("../../profiles/identity-fight.toml")),
    ("half-open", include_str!("../../profiles/half-open.toml")),
    ("canary-abort", include_str!("../../profiles/canary-abort.toml")),
    ("stuck-stage", include_str!("../../profiles/stuck-stage.toml")),
    ("rollback-storm", include_str!("../../profiles/rollback-storm.toml")),
    ("liars", include_str!("../../profiles/liars.toml")),
    ("flaky-fleet", include_str!("../../profiles/flaky-fleet.toml")),
    ("every-fault", include_str!("../../profiles/every-fault.toml")),
    ("hundred-thousand", include_str!("../../profiles/hundred-thousand.toml")),
    ("million", include_str!("../../profiles/million.toml")),
];

/// The built-in profiles: name and description.
///
/// # Errors
/// A built-in profile is broken (a test makes sure that none is).
pub fn list() -> Result<Vec<(&'static str, String)>, ProfileError> {
    BUILT_IN.into_iter().map(|(name, _)| Ok((name, load(name, &[])?.description))).collect()
}

/// The text of a built-in profile.
#[must_use]
pub fn source(name: &str) -> Option<&'static str> {
    BUILT_IN.into_iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| text)
}

/// The plan of a profile: a built-in one of this name, or else the file at this path.
///
/// # Errors
/// There is no such profile, the file cannot be read, or something in it or in an override is wrong.
pub fn load(name_or_path: &str, overrides: &[Override]) -> Result<Plan, ProfileError> {
    if let Some(text) = source(name_or_path) {
        return parse(&format!("{name_or_path}.toml (built in)"), text, overrides);
    }
    let path = Path::new(name_or_path);
    // A bare word that is no file is a misspelt name rather than a missing file.
    let is_name = path.components().count() == 1 && path.extension().is_none();
    if is_name && !path.is_file() {
        let built_in = BUILT_IN.map(|(name, _)| name).join(", ");
        return Err(ProfileError::Unknown { name: name_or_path.to_owned(), built_in });
    }
    let text = fs::read_to_string(path).map_err(|source| ProfileError::Unreadable { path: path.to_owned(), source })?;
    parse(name_or_path, &text, overrides)
}

/// The plan of the profile `text`; `file` is what errors call it.
///
/// # Errors
/// Something in it or in an override is wrong.
pub fn parse(file: &str, text: &str, overrides: &[Override]) -> Result<Plan, ProfileError> {
    let [(base_name, base), ..] = BUILT_IN;
    let base_file = format!("{base_name}.toml (built in)");
    let read = |file: &str, text: &str, layer| {
        document::parse(text, layer).map_err(|(message, span)| {
            ProfileError::Invalid(Invalid { message, place: Place::in_document(file, text, span) })
        })
    };
    let mut whole = defaults(read(&base_file, base, Layer::Defaults)?);
    document::overlay(&mut whole, read(file, text, Layer::Profile)?);
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let start = Origin::Document { layer: Layer::Profile, span: 0..0 };
    overrides::apply(&mut whole, overrides)
        .and_then(|()| Section::root(&whole, &start, &plan::KEYS))
        .and_then(|root| plan::read(&root, stem.as_deref().unwrap_or("profile")))
        .map_err(|problem| locate(problem, file, text, &base_file, base))
}

/// What a profile takes over from quickstart: the values of the sections' keys. What makes quickstart this one
/// profile (its name, description, faults and thresholds) stays with it.
fn defaults(mut quickstart: Table) -> Table {
    for own in ["name", "description", "fault", "threshold", "drill"] {
        quickstart.remove(own);
    }
    quickstart
}

fn locate(problem: Problem, file: &str, text: &str, base_file: &str, base: &str) -> ProfileError {
    ProfileError::Invalid(match problem.origin.layer() {
        Layer::Defaults => problem.locate(base_file, base),
        _ => problem.locate(file, text),
    })
}
