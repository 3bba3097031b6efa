//! `[firmware]`: the workflow of the devices, and what they are told to install.

use std::time::Duration;

use super::error::Problem;
use super::image;
use super::reader::{Field, Section};
use crate::device::{FirmwareConfig, Image};
use crate::policy::Delay;

/// The devices' workflow, and the driver's part of the section.
pub(super) struct Firmware {
    pub(super) config: FirmwareConfig,
    pub(super) package_uri: String,
    pub(super) new_version: Option<String>,
    pub(super) update_id: bool,
}

/// A stage that takes longer than a day is a mistake.
const LONGEST: Duration = Duration::from_secs(86_400);

pub(super) fn read(field: &Field<'_>) -> Result<Firmware, Problem> {
    let section =
        field.section(&["wait", "download", "apply", "image", "version", "package_uri", "new_version", "update_id"])?;
    let image = section.optional("image");
    let config = FirmwareConfig {
        wait: delay(&section.required("wait")?)?,
        download: delay(&section.required("download")?)?,
        apply: delay(&section.required("apply")?)?,
        image: image.as_ref().map(image::read).transpose()?,
        version: version(&section.required("version")?)?,
    };
    let mut package_uri = some_text(&section.required("package_uri")?)?;
    if let Some((image, from)) = image.zip(config.image.as_ref()) {
        section.meaningless("download", &image, "beside `firmware.image`, which says how long a download takes")?;
        match from {
            Image::Nowhere { .. } => {}
            Image::Hub { .. } => section.meaningless("package_uri", &image, "where the hub serves the image")?,
            Image::Url { url, .. } => {
                section.meaningless("package_uri", &image, "beside `firmware.image.url`, which is what calls say")?;
                package_uri.clone_from(url);
            }
        }
    }
    let new_version = new_version(&section, &config.version)?;
    let update_id = section.required("update_id")?.boolean()?;
    Ok(Firmware { config, package_uri, new_version, update_id })
}

fn delay(field: &Field<'_>) -> Result<Delay, Problem> {
    let delay: Delay = field.text()?.parse().map_err(|error| field.problem(format_args!("is wrong: {error}")))?;
    let longest = match delay {
        Delay::Fixed(longest) | Delay::Uniform(_, longest) | Delay::LogNormal(_, longest) => longest,
        Delay::Exponential(mean) => mean,
    };
    if longest <= LONGEST { Ok(delay) } else { Err(field.problem("must not exceed 24h")) }
}

/// Devices that say nothing of their version have an empty one.
fn version(field: &Field<'_>) -> Result<String, Problem> {
    if field.text()?.is_empty() { Ok(String::new()) } else { some_text(field) }
}

fn new_version(section: &Section<'_>, running: &str) -> Result<Option<String>, Problem> {
    let field = section.required("new_version")?;
    match field.text()? {
        "" => Ok(None),
        // Success is told by the version that a device reports.
        same if same == running => Err(field.problem(format_args!("must differ from `firmware.version`, `{running}`"))),
        _ => some_text(&field).map(Some),
    }
}

/// Text that becomes part of every call and report: there must be some, and not too much.
fn some_text(field: &Field<'_>) -> Result<String, Problem> {
    let text = field.text()?;
    if (1..=2048).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(field.problem("must have 1 to 2048 characters, none of them a control character"))
}
