//! `firmware.image`: what is downloaded, from where, and how fast.

use std::time::Duration;

use super::document::Value;
use super::error::Problem;
use super::reader::{Field, Section};
use crate::device::{DownloadConfig, Image, ImageUrl};
use crate::policy::MadeImage;

/// A simulated image may have so many bytes: 1 TiB.
const LARGEST: u64 = 1 << 40;
const STALL: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 5;
/// What only a real download has.
const REAL: [&str; 4] = ["fleet_bandwidth", "progress", "stall_timeout", "attempts"];

pub(super) fn read(field: &Field<'_>) -> Result<Image, Problem> {
    let section = field.section(&[
        "size",
        "bandwidth",
        "serve",
        "url",
        "sha256",
        "fleet_bandwidth",
        "progress",
        "stall_timeout",
        "attempts",
    ])?;
    let serve = section.optional("serve");
    let serves = serve.as_ref().map_or(Ok(false), Field::boolean)?;
    if let Some(url) = section.optional("url") {
        if let Some(serve) = serve.filter(|_| serves) {
            return Err(serve.problem("is for an image without a `url`: the hub serves it, or somebody else does"));
        }
        section.meaningless("size", &url, "beside `url`: the server says how large its image is")?;
        return Ok(Image::Url { url: address(&url)?, sha256: sha256(&section, field)?, download: download(&section)? });
    }
    refuse(&section, &["sha256"], "without `url`: of an image that is made up it is known")?;
    let size = section.optional("size");
    let Some(size) = size else {
        return Err(field.problem("needs a `size`, like \"10MiB\", or the `url` and `sha256` of an image"));
    };
    if serves {
        return Ok(Image::Hub { size: size.size(1..=MadeImage::MAX_SIZE)?, download: download(&section)? });
    }
    refuse(&section, &REAL, "where nothing is transferred: let the hub serve the image with `serve = true`")?;
    let Some(bandwidth) = section.optional("bandwidth") else {
        let why = "needs a `bandwidth`, like \"1MiB/s\", or `serve = true` for a real download from the embedded hub";
        return Err(field.problem(why));
    };
    Ok(Image::Nowhere { size: size.size(1..=LARGEST)?, bandwidth: bandwidth.bandwidth()? })
}

/// Refuses keys that mean nothing `where` they stand.
fn refuse(section: &Section<'_>, keys: &[&str], place: &str) -> Result<(), Problem> {
    match keys.iter().find_map(|key| section.optional(key)) {
        Some(field) => Err(field.problem(format_args!("means nothing {place}"))),
        None => Ok(()),
    }
}

fn download(section: &Section<'_>) -> Result<DownloadConfig, Problem> {
    let bandwidth = |key| section.optional(key).map(|field| field.bandwidth()).transpose();
    let download = DownloadConfig {
        bandwidth: bandwidth("bandwidth")?,
        fleet_bandwidth: bandwidth("fleet_bandwidth")?,
        progress: section.optional("progress").map(|field| percent(&field)).transpose()?,
        stall_timeout: section
            .optional("stall_timeout")
            .map_or(Ok(STALL), |field| field.duration(Duration::from_millis(1)..=Duration::from_secs(3600)))?,
        attempts: section.optional("attempts").map_or(Ok(ATTEMPTS), |field| field.integer(1..=100_u32))?,
    };
    Ok(download)
}

/// `25%`, or a bare number of percent.
fn percent(field: &Field<'_>) -> Result<u8, Problem> {
    let percent = match &field.node.value {
        Value::Text(text) => text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok()),
        Value::Integer(number) => u8::try_from(*number).ok(),
        _ => None,
    };
    percent
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| field.problem("must be from \"1%\" to \"100%\""))
}

fn address(field: &Field<'_>) -> Result<String, Problem> {
    let text = field.text()?;
    ImageUrl::parse(text).map_err(|why| field.problem(format_args!("cannot be `{text}`: {why}")))?;
    if text.len() <= 2048 { Ok(text.to_owned()) } else { Err(field.problem("must not have more than 2048 characters")) }
}

fn sha256(section: &Section<'_>, image: &Field<'_>) -> Result<String, Problem> {
    let Some(field) = section.optional("sha256") else {
        return Err(image.problem("needs the `sha256` of what is at `url`: sha256sum tells it"));
    };
    let text = field.text()?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(field.problem("must have 64 hexadecimal digits: sha256sum tells them"))
}
