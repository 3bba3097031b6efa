//! Downloads in the course of an update.

use std::time::Duration;

use super::rig::{Rig, SECOND, at, fault, settings};
use crate::device::{DownloadConfig, Downloaded, Event, Image, ImageFailure, Input};
use crate::policy::{Fail, Fault, FaultKind, FaultStage, Series, Stall};

/// A device that stands by, and that really downloads.
fn online(faults: &[Fault]) -> Rig {
    let mut settings = settings(faults);
    let download = DownloadConfig {
        bandwidth: None,
        fleet_bandwidth: None,
        progress: Some(25),
        stall_timeout: SECOND,
        attempts: 1,
        limit: None,
    };
    settings.firmware.image = Some(Image::Hub { size: 1, download });
    let mut rig = Rig::new(settings, 3);
    rig.run_until(at(1.0));
    rig.did();
    rig.call("u1");
    rig
}

fn downloaded(result: Result<(), ImageFailure>) -> Input {
    let took = Duration::from_secs(7);
    Input::Downloaded(Box::new(Downloaded { result, took, bytes: 5, resumes: 2, trouble: None, starved: None }))
}

#[test]
fn the_update_goes_on_when_the_image_is_there() {
    let mut rig = online(&[]);
    rig.run_until(at(40.0));
    assert_eq!(rig.did()[1..], ["download x 0", "downloading"], "and nothing more until then");
    rig.input(downloaded(Ok(())));
    assert_eq!((rig.did(), rig.count(&Event::Chose(7 * SECOND))), (vec!["applying".to_owned()], 1));
    rig.run_until(at(55.0));
    assert_eq!(rig.did(), ["completed"]);
    assert_eq!(rig.samples(Series::ImageDownload), [7 * SECOND]);
    assert_eq!(rig.count(&Event::Downloaded { bytes: 5, resumes: 2, failed: false }), 1);
    rig.input(downloaded(Ok(())));
    assert!(rig.did().is_empty() && rig.count(&Event::FailedItself) == 0);
}

#[test]
fn without_an_image_the_update_fails_by_itself_and_says_where() {
    let mut rig = online(&[]);
    rig.run_until(at(20.0));
    rig.input(downloaded(Err(ImageFailure::INVALID_URI)));
    assert_eq!(rig.did().last().unwrap(), "failed");
    let error = r#""error":{"stage":"downloading","code":"invalid_uri"}}"#;
    assert!(rig.documents.last().unwrap().ends_with(error), "{:?}", rig.documents);
    assert_eq!((rig.count(&Event::FailedItself), rig.samples(Series::ImageDownloadError).len()), (1, 1));
    rig.run_until(at(50.0));
    assert!(rig.did().is_empty());
    rig.call("u2");
    rig.run_until(at(70.0));
    assert_eq!(rig.did()[1..], ["download x 1", "downloading"]);
}

#[test]
fn progress_is_reported_while_it_goes_on_and_counts_as_no_stage() {
    let mut rig = online(&[]);
    rig.run_until(at(20.0));
    rig.did();
    rig.input(Input::DownloadProgress(25));
    assert_eq!(rig.documents.last().unwrap(), r#"{"downloadProgress":25,"updateId":"u1"}"#);
    rig.input(downloaded(Ok(())));
    rig.input(Input::DownloadProgress(50));
    assert!(!rig.documents.last().unwrap().contains("Progress"), "too late");
    assert_eq!(rig.samples(Series::TwinAck(crate::policy::FirmwareStatus::Downloading)).len(), 1);
}

#[test]
fn faults_of_the_stage_strike_around_the_download() {
    let stage = FaultStage::Downloading;
    let fail = |stage| FaultKind::Fail(Fail { stage, code: "no_space".to_owned() });
    let mut rig = online(&[fault(FaultKind::Stall(Stall { stage }))]);
    rig.run_until(at(50.0));
    assert_eq!(rig.did()[1..], ["downloading"], "a device that hangs asks for nothing");
    for stage in [stage, FaultStage::Verifying] {
        let mut rig = online(&[fault(fail(stage))]);
        rig.run_until(at(40.0));
        rig.input(downloaded(Ok(())));
        assert_eq!(rig.did()[1..], ["download x 0", "downloading", "failed"], "{stage:?}");
        assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::FailedItself)), (1, 0));
    }
    let mut rig = online(&[fault(fail(FaultStage::Applying))]);
    rig.run_until(at(20.0));
    rig.input(downloaded(Err(ImageFailure::INVALID_URI)));
    rig.run_until(at(100.0));
    assert_eq!((rig.count(&Event::Injected(0)), rig.count(&Event::FailedItself)), (0, 1), "it never came so far");
}

#[test]
fn a_simulated_image_takes_its_size_divided_by_the_bandwidth() {
    let mut settings = settings(&[]);
    settings.firmware.image = Some(Image::Nowhere { size: 3000, bandwidth: 1000 });
    let mut rig = Rig::new(settings, 3);
    rig.run_until(at(1.0));
    rig.call("u1");
    rig.run_until(at(100.0));
    assert_eq!((rig.times("applying"), rig.times("completed")), (vec![at(19.0)], vec![at(34.0)]));
}
