use super::head::Part;
use super::*;
use crate::policy::{Backoff, MadeImage};
use crate::random::{Domain, Seed};

const SECOND: Duration = Duration::from_secs(1);
const AGAIN: Turn = Turn::Again(SECOND);
const LOST: Turn = Turn::Over(Err(ImageFailure::CONNECTION_LOST));
const INVALID: Turn = Turn::Over(Err(ImageFailure::INVALID_URI));

fn random() -> Stream {
    Seed(7).stream(Domain::ImageRetry, 0, 0)
}

fn transfer(attempts: u32, announced: Option<&str>) -> Transfer {
    let retry = RetryPolicy { max_attempts: Some(attempts), ..RetryPolicy::new(Backoff::Fixed { delay: SECOND }) };
    Transfer::new(retry, announced)
}

fn whole(length: u64, tag: &str) -> Head {
    Head { status: 200, length: Some(length), tag: Some(tag.to_owned()), ..Head::default() }
}

fn part(from: u64, whole: u64, tag: &str) -> Head {
    let part = Some(Part { from, whole: Some(whole) });
    Head { status: 206, length: Some(whole - from), part, tag: Some(tag.to_owned()), ..Head::default() }
}

/// An image of 100 bytes, and its hash.
fn image() -> ([u8; 100], String) {
    let (image, mut bytes) = (MadeImage::new("a", 100).unwrap(), [0; 100]);
    image.fill(0, &mut bytes);
    (bytes, image.sha256())
}

/// A transfer that has 40 bytes of the image.
fn broken_off(attempts: u32) -> Transfer {
    let (bytes, hash) = image();
    let mut transfer = transfer(attempts, Some(&hash.to_uppercase()));
    assert_eq!(transfer.ask(), Ask { from: 0, only_if: None });
    assert_eq!(transfer.answered(&whole(100, "\"1\""), random()), None);
    assert_eq!(transfer.take(&bytes[..40]), None);
    assert_eq!((transfer.percent(), transfer.broke(random())), (Some(40), AGAIN));
    assert_eq!(transfer.ask(), Ask { from: 40, only_if: Some("\"1\"") });
    transfer
}

#[test]
fn what_broke_off_goes_on_where_it_was() {
    let mut transfer = broken_off(3);
    assert_eq!(transfer.answered(&part(40, 100, "\"1\""), random()), None);
    transfer.take(&image().0[40..]);
    assert_eq!(transfer.ended(random()), Turn::Over(Ok(())));
    assert_eq!((transfer.bytes, transfer.resumes), (100, 1));
}

#[test]
fn a_server_without_parts_sends_everything_again() {
    let mut transfer = broken_off(3);
    assert_eq!(transfer.answered(&whole(100, "\"2\""), random()), None);
    transfer.take(&image().0);
    assert_eq!(transfer.ended(random()), Turn::Over(Ok(())));
    assert_eq!((transfer.bytes, transfer.resumes), (140, 0));
}

#[test]
fn a_part_that_does_not_fit_is_not_taken() {
    let not_satisfiable = Head { status: 416, ..Head::default() };
    let nowhere = Head { part: None, ..part(40, 100, "\"1\"") };
    for head in [part(39, 100, "\"1\""), part(40, 101, "\"1\""), part(40, 100, "\"2\""), nowhere, not_satisfiable] {
        let mut transfer = broken_off(3);
        assert_eq!(transfer.answered(&head, random()), Some(AGAIN), "{head:?}");
        assert_eq!(transfer.ask(), Ask { from: 0, only_if: None });
    }
    let mut unasked = transfer(2, None);
    unasked.ask();
    assert_eq!(unasked.answered(&part(40, 100, "\"1\""), random()), Some(AGAIN));
}

#[test]
fn attempts_come_to_an_end() {
    let mut transfer = broken_off(2);
    assert_eq!(transfer.broke(random()), LOST);
    let mut transfer = super::tests::transfer(3, None);
    let busy = Head { status: 503, retry_after: Some(7 * SECOND), ..Head::default() };
    for expected in [Turn::Again(7 * SECOND), Turn::Again(7 * SECOND), LOST] {
        transfer.ask();
        assert_eq!(transfer.answered(&busy, random()), Some(expected));
    }
    let patient = Head { retry_after: Some(3600 * SECOND), ..busy };
    let mut transfer = super::tests::transfer(2, None);
    transfer.ask();
    assert_eq!(transfer.answered(&patient, random()), Some(Turn::Again(RETRY_AFTER_MAX)));
}

#[test]
fn statuses_are_told_apart() {
    for (status, turn) in [
        (404, INVALID),
        (410, INVALID),
        (400, INVALID),
        (403, INVALID),
        (301, INVALID),
        (304, INVALID),
        (204, INVALID),
        (408, AGAIN),
        (429, AGAIN),
        (500, AGAIN),
        (599, AGAIN),
    ] {
        let mut transfer = transfer(2, None);
        transfer.ask();
        let head = Head { status, ..Head::default() };
        assert_eq!(transfer.answered(&head, random()), Some(turn), "{status}");
    }
}

#[test]
fn the_hash_decides_where_one_was_announced() {
    let (bytes, hash) = image();
    let wrong = "0".repeat(64);
    let mismatch = Err(ImageFailure::CHECKSUM_MISMATCH);
    for (announced, result) in [
        (Some(hash.as_str()), Ok(())),
        (None, Ok(())),
        (Some(&*wrong), mismatch),
        (Some("none at all"), mismatch),
        (Some(&hash[1..]), mismatch),
        (Some(""), mismatch),
    ] {
        let mut transfer = transfer(1, announced);
        transfer.ask();
        // Without a length the end of the connection is the image's.
        transfer.answered(&Head { status: 200, ..Head::default() }, random());
        transfer.take(&bytes);
        assert_eq!((transfer.percent(), transfer.ended(random())), (None, Turn::Over(result)), "{announced:?}");
    }
}

#[test]
fn a_body_that_ends_too_early_is_asked_for_again() {
    let mut transfer = transfer(2, None);
    transfer.ask();
    transfer.answered(&whole(100, "\"1\""), random());
    transfer.take(&[0; 99]);
    assert_eq!(transfer.ended(random()), AGAIN);
    assert_eq!(transfer.ask(), Ask { from: 99, only_if: Some("\"1\"") });
    transfer.answered(&part(99, 100, "\"1\""), random());
    transfer.take(&[0]);
    assert_eq!(transfer.broke(random()), Turn::Over(Ok(())), "all of it was there");
}

#[test]
fn no_device_has_room_for_everything() {
    let mut transfer = transfer(2, None);
    transfer.ask();
    let head = whole(MAX_SIZE + 1, "\"1\"");
    assert_eq!(transfer.answered(&head, random()), Some(Turn::Over(Err(ImageFailure::NO_SPACE))));
}
