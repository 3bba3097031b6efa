//! Identities.

use super::*;

#[test]
fn the_registry_follows_the_rules_of_etags() {
    let mut bench = Bench::new();
    let (now, new) = (bench.now, Registration::default());
    bench.partition.create(now, "d", new.clone()).unwrap();
    let error = |result: Result<(), crate::hub::partition::Refusal>| result.unwrap_err().code;
    assert_eq!(error(bench.partition.create(now, "d", new.clone())), ErrorCode::DeviceAlreadyExists);
    assert_eq!(error(bench.partition.create(now, "a b", new.clone())), ErrorCode::ArgumentInvalid);
    assert_eq!(error(bench.partition.update(now, "e", new.clone(), &Precondition::Any)), ErrorCode::DeviceNotFound);
    let first = Precondition::Etag("AAAAAAAAAAE=".into());
    bench.partition.update(now, "d", Registration { enabled: false, ..new.clone() }, &first).unwrap();
    assert_eq!(error(bench.partition.update(now, "d", new, &first)), ErrorCode::PreconditionFailed);
    assert_eq!(bench.partition.counts().disabled, 1);
    assert_eq!(error(bench.partition.delete("d", &Precondition::Absent)), ErrorCode::PreconditionFailed);
    bench.partition.delete("d", &Precondition::Any).unwrap();
    assert_eq!(error(bench.partition.delete("d", &Precondition::Any)), ErrorCode::DeviceNotFound);
    assert_eq!(bench.partition.counts(), crate::hub::partition::Counts::default());
}

#[test]
fn deleting_a_device_closes_its_connection_and_forgets_its_twin() {
    let mut bench = Bench::new();
    bench.online(1, "d");
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    bench.partition.delete("d", &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!((bench.closed.as_slice(), bench.partition.connected()), ([1].as_slice(), 0));
    assert_eq!(bench.query("SELECT * FROM devices", None, 9).0.len(), 0);
    assert_eq!(bench.connect(2, "d").0, ConnectReturnCode::NotAuthorized, "it cannot enrol itself again");
    bench.partition.create(bench.now, "d", Registration::default()).unwrap();
    assert_eq!(bench.connect(3, "d"), (ConnectReturnCode::Success, false));
    assert!(!bench.partition.twin("d").unwrap().contains("\"a\""));
}

#[test]
fn what_a_deleted_device_left_behind_never_reaches_the_device_that_takes_its_place() {
    let mut bench = Bench::new();
    bench.online(1, "old");
    let call = bench.invoke("old", 5, 0);
    bench.partition.delete("old", &Precondition::Any).unwrap();
    bench.drain();
    assert_eq!(bench.refused(), [(ErrorCode::DeviceNotFound, None)]);
    bench.online(2, "new");
    bench.partition.disconnected(bench.now, ConnectionId(1));
    bench.publish(1, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    bench.publish(2, FromDevice::MethodResponse { status: 200, rid: &format!("{:x}", call.0) }, "{}");
    bench.pass(SECOND * 9);
    assert_eq!((bench.partition.connected(), bench.answers.len()), (1, 1));
    assert!(!bench.partition.twin("new").unwrap().contains("\"a\""));
    bench.invoke("new", 5, 0);
    assert_eq!(bench.answers.len(), 1, "delivered");
}
