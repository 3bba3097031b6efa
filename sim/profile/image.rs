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
const REAL: [&str; 5] = ["fleet_bandwidth", "progress", "stall_timeout", "attempts", "limit"];

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
        "limit",
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
        let image = Image::Hub { size: size.size(1..=MadeImage::MAX_SIZE)?, download: download(&section)? };
        if let Some(limit) = section.optional("limit")
            && image.download().is_some_and(|download| download.limit <= Some(image.duration()))
        {
            return Err(limit.problem("must be longer than what a download takes at its `bandwidth`"));
        }
        return Ok(image);
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
        limit: section
            .optional("limit")
            .map(|field| field.duration(Duration::from_millis(1)..=Duration::from_secs(86_400)))
            .transpose()?,
    };
    Ok(download)
}

/// What keeps a download from going on until its update counts as stuck: four fifths of that time, or the middle between
/// it and what the download takes anyway.
pub(super) fn limit(image: &mut Image, stage_deadline: Duration) {
    image.limit_to((stage_deadline * 4 / 5).max((image.duration().saturating_add(stage_deadline)) / 2));
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
    // What is wrong with it may be secret, and a plan is written out.
    ImageUrl::parse(text).map_err(|why| field.problem(format_args!("cannot be that: {why}")))?;
    if text.contains('?') {
        let why = "must end before the `?`, behind which signatures stand that results would show: the environment says \
                   the whole address, TWINSTORM_IMAGE_URL";
        return Err(field.problem(why));
    }
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

#[cfg(test)]
mod tests {
    use crate::device::{DownloadConfig, Image};
    use crate::profile::{Override, Plan, parse};
    use std::time::Duration;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn plan(text: &str) -> Result<Plan, String> {
        parse("my.toml", text, &[]).map_err(|error| error.to_string())
    }

    fn image(image: &str) -> Result<Plan, String> {
        plan(&format!("[firmware]\nimage = {{ {} }}", image.replace("HASH", HASH)))
    }

    #[test]
    fn an_image_is_simulated_served_or_somewhere_else() {
        assert_eq!(plan("").unwrap().firmware.image, None);
        let simulated = image("size = '10MiB', bandwidth = '4MiB/s'").unwrap();
        assert_eq!(simulated.firmware.image, Some(Image::Nowhere { size: 10 << 20, bandwidth: 4 << 20 }));
        assert_eq!(simulated.firmware.longest_download(), Duration::from_millis(2500));
        assert!(simulated.firmware.downloads().is_none());
        let served = image("size = '256KiB', serve = true, fleet_bandwidth = '1MB/s', progress = '25%', attempts = 2");
        let served = served.unwrap();
        let download = DownloadConfig {
            bandwidth: None,
            fleet_bandwidth: Some(1_000_000),
            progress: Some(25),
            stall_timeout: Duration::from_secs(10),
            attempts: 2,
            limit: Some(Duration::from_secs(48)),
        };
        assert_eq!(served.firmware.image, Some(Image::Hub { size: 262_144, download }));
        let url = "url = 'https://images.example/2.bin', sha256 = 'HASH', stall_timeout = '3s', progress = 50";
        let there = image(url).unwrap();
        assert_eq!(there.driver.package_uri, "https://images.example/2.bin");
        assert_eq!(there.firmware.downloads().unwrap().stall_timeout, Duration::from_secs(3));
        assert!(there.image_elsewhere().is_some() && served.image_elsewhere().is_none());
        let words = there.peak_rates_in_words(true, true);
        assert!(words.contains("100 downloads/s from images.example without a limit of bandwidth"), "{words}");
    }

    #[test]
    fn no_error_shows_what_may_be_secret_in_an_address() {
        for text in [
            "url = 'http://bob:hunter2@127.0.0.1/x', sha256 = 'HASH'",
            "url = 'http://127.0.0.1/x?sig=hunter2', sha256 = 'HASH'",
            "url = 'http://127.0.0.1/x?sig=hunter2', sha256 = 'HASH', size = '1B'",
            "url = 'http://bob:hunter2@127.0.0.1/x', sha = 'HASH'",
            "url = 'http://bob:hunter2@127.0.0.1/x', sha",
        ] {
            let error = image(text).unwrap_err();
            assert!(error.contains("127.0.0.1") && !error.contains("hunter2"), "{error}");
        }
        let set = |url: &str| {
            let image = format!("firmware.image={{ url = '{url}', sha256 = '{HASH}' }}");
            parse("my.toml", "", &[Override::set(&image).unwrap()]).unwrap_err().to_string()
        };
        assert!(!set("http://bob:hunter2@127.0.0.1/x").contains("hunter2"));
        let signed = set("http://127.0.0.1/x?sig=hunter2");
        assert!(signed.contains("TWINSTORM_IMAGE_URL") && !signed.contains("hunter2"), "{signed}");
    }

    #[test]
    fn with_tls_a_served_image_has_https() {
        for (transport, https) in [("tcp", false), ("tls", true), ("wss", true)] {
            let text =
                format!("[fleet]\ntransport = '{transport}'\n[firmware]\nimage = {{ size = '1B', serve = true }}");
            assert_eq!(plan(&text).unwrap().embedded_hub().unwrap().https.is_some(), https, "{transport}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_way_out() {
        for (text, says) in [
            ("", "`firmware.image` needs a `size`"),
            ("size = '1MiB'", "needs a `bandwidth`, like \"1MiB/s\", or `serve = true`"),
            ("size = '0B', bandwidth = '1MiB/s'", "`firmware.image.size` must be from 1B to 1024GiB"),
            ("size = '2GiB', serve = true", "must be from 1B to 1GiB"),
            ("size = 10, bandwidth = '1MiB/s'", "must be a size like `64KiB`"),
            ("size = '1MiB', bandwidth = 10", "must be a bandwidth like `64KiB/s`"),
            ("size = '1MiB', bandwidth = '1B/s'", "must be from 32B/s"),
            ("size = '1MiB', bandwidth = '1MiB/s', fleet_bandwidth = '1MiB/s'", "with `serve = true`"),
            ("size = '1MiB', bandwidth = '1MiB/s', progress = '25%'", "`firmware.image.progress` means nothing where"),
            ("size = '1MiB', serve = true, sha256 = 'HASH'", "means nothing without `url`"),
            ("size = '1MiB', serve = true, attempts = 0", "must be from 1 to 100"),
            ("size = '1MiB', serve = true, progress = '0%'", "from \"1%\" to \"100%\""),
            ("size = '1MiB', serve = true, progress = 'half'", "from \"1%\" to \"100%\""),
            ("size = '1MiB', serve = 'yes'", "must be true or false"),
            ("size = '1MiB', serve = true, bandwith = '1MiB/s'", "unknown key `bandwith` in `firmware.image`"),
            ("url = 'https://x/y'", "needs the `sha256` of what is at `url`"),
            ("url = 'https://x/y', sha256 = '00'", "must have 64 hexadecimal digits"),
            ("url = 'ftp://x/y', sha256 = 'HASH'", "its scheme is neither"),
            ("url = 'https://x/y', sha256 = 'HASH', size = '1MiB'", "`firmware.image.size` means nothing beside `url`"),
            ("url = 'https://x/y', sha256 = 'HASH', serve = true", "is for an image without a `url`"),
            ("url = 'https://x/y', sha256 = 'HASH', stall_timeout = '20s'", "all `attempts` of `stall_timeout`"),
            ("size = '1MiB', serve = true, limit = '60s'", "must be longer than `firmware.image.limit`"),
            (
                "size = '2MiB', serve = true, bandwidth = '1MiB/s', limit = '2s'",
                "`firmware.image.limit` must be longer",
            ),
            ("size = '100MiB', bandwidth = '1MiB/s'", "longer than what a download of `firmware.image` takes"),
        ] {
            let error = image(text).unwrap_err();
            assert!(error.contains(says), "{text}\n{error}");
        }
        for (text, says) in [
            ("download = '3s'\nimage = { size = '1B', serve = true }", "`firmware.download` means nothing beside"),
            ("package_uri = 'x'\nimage = { size = '1B', serve = true }", "`firmware.package_uri` means nothing where"),
            ("image = { size = '1B', serve = true }\n[hub]\nkind = 'azure'", "needs the embedded hub"),
        ] {
            let error = plan(&format!("[firmware]\n{text}")).unwrap_err();
            assert!(error.contains(says), "{text}\n{error}");
        }
    }
}
