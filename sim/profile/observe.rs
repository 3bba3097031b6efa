//! `[observe]`: how transitions are seen.

use std::time::Duration;

use super::document::Layer;
use super::error::Problem;
use super::reader::{Field, Section};
use crate::device::{DownloadConfig, FirmwareConfig};
use crate::driver::{ObserveConfig, ObserveKind};
use crate::policy::units;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn read(field: &Field<'_>, firmware: &FirmwareConfig, hub: &Field<'_>) -> Result<ObserveConfig, Problem> {
    let section = field.section(&["kind", "interval", "overlap", "stage_deadline"])?;
    let kind = kind(&section, hub)?;
    let deadline = section.required("stage_deadline")?;
    let config = ObserveConfig {
        kind,
        interval: section.required("interval")?.duration(MILLISECOND..=HOUR)?,
        overlap: overlap(&section.required("overlap")?)?,
        stage_deadline: deadline.duration(MILLISECOND..=24 * HOUR)?,
    };
    let download = match firmware.image {
        Some(_) => "what a download of `firmware.image` takes",
        None => "what `firmware.download` can take",
    };
    // A stage is seen at the next look at the earliest; and a healthy device must not count as stuck.
    let needs = [
        ("`observe.interval`", config.interval),
        ("what `firmware.wait` can take", firmware.wait.upper()),
        (download, firmware.longest_download()),
        ("`firmware.image.limit`", firmware.downloads().and_then(|download| download.limit).unwrap_or_default()),
        ("what `firmware.apply` can take", firmware.apply.upper()),
        (
            "what `firmware.image` gives a server that stalls, all `attempts` of `stall_timeout` and the waits between them",
            firmware.downloads().map_or(Duration::ZERO, DownloadConfig::patience),
        ),
    ];
    if let Some((what, time)) = needs.into_iter().find(|(_, time)| config.stage_deadline <= *time) {
        let time = units::format_duration(round_up(time));
        return Err(deadline.problem(format_args!("must be longer than {what}, {time}")));
    }
    Ok(config)
}

/// The means that the hub has: whoever names the hub need not name them as well.
fn kind(section: &Section<'_>, hub: &Field<'_>) -> Result<ObserveKind, Problem> {
    let kind = section.required("kind")?;
    let choice = kind.choice(&[
        ("query", ObserveKind::Query),
        ("poll", ObserveKind::Poll),
        ("subscribe", ObserveKind::Subscribe),
    ])?;
    let hub = hub.table_entry("kind").unwrap_or_else(|| hub.clone());
    let is_broker = hub.text().is_ok_and(|text| text == "mqtt");
    // What a layer below says was meant for another hub.
    let is_left_over = kind.node.origin.layer() < hub.node.origin.layer();
    match (is_broker, choice) {
        (true, ObserveKind::Subscribe) | (false, ObserveKind::Query | ObserveKind::Poll) => Ok(choice),
        (true, _) if is_left_over || kind.node.origin.layer() == Layer::Defaults => Ok(ObserveKind::Subscribe),
        (false, _) if is_left_over => Ok(ObserveKind::Query),
        (true, _) => {
            Err(kind
                .problem("must be `subscribe` with `hub.kind = \"mqtt\"`: a plain broker keeps no twins to ask for"))
        }
        (false, _) => Err(kind.problem("can be `subscribe` only with `hub.kind = \"mqtt\"`: take `query` or `poll`")),
    }
}

fn overlap(field: &Field<'_>) -> Result<Option<Duration>, Problem> {
    match field.text() {
        Ok("auto") => Ok(None),
        _ => field.duration(Duration::ZERO..=HOUR).map(Some),
    }
}

/// Whole milliseconds: percentiles of a distribution are no round figures.
fn round_up(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}
