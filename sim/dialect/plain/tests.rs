//! Device and operator against each other.

use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::dialect::{DeviceDialect, FromFleet, Message, OperatorDialect, Scope, ToDevice};
use crate::mqtt::{Packet, Publish, QoS};

fn both(settings: &PlainSettings) -> (PlainDevice, PlainOperator) {
    let password = || Some(Password::new("secret".to_owned()));
    let device = PlainDevice::new(settings.clone(), password(), 60).unwrap();
    (device, PlainOperator::new(settings.clone(), password(), 60, 0).unwrap())
}

fn published(message: Message) -> Publish {
    let Packet::Publish(publish) = message.packet(3) else { panic!() };
    publish
}

#[test]
fn what_one_says_the_other_understands() {
    let other = Topics {
        prefix: "plant/7".to_owned(),
        request: "{prefix}/cmd/{device}/{rid}".to_owned(),
        response: "{prefix}/ack/{device}/{rid}".to_owned(),
        desired: Some("{prefix}/want/{device}/all".to_owned()),
        ..Topics::default()
    };
    for topics in [Topics::default(), other] {
        let settings = PlainSettings { topics, ..PlainSettings::default() };
        let (device, operator) = both(&settings);
        let request = published(operator.request("d1", "firmwareUpdate", "r7", Bytes::from_static(b"{}")));
        let Some(ToDevice::Method { rid, name, payload }) = device.read("d1", &request) else { panic!() };
        assert_eq!((rid.as_str(), name.as_str(), &payload[..]), ("r7", "firmwareUpdate", &b"{}"[..]));
        assert_eq!(device.read("d2", &request), None);
        let response =
            published(device.method_response("d1", "firmwareUpdate", "r7", 409, Bytes::from_static(br#"{"a":1}"#)));
        let payload = serde_json::json!({ "a": 1 });
        let read = operator.read(&response);
        assert_eq!(read, Some(FromFleet::Response { device: "d1", rid: "r7", status: 409, payload }));
        let report = published(device.report("d1", "1", Bytes::from_static(b"{}")));
        assert_eq!(operator.read(&report), Some(FromFleet::Reported { device: "d1", patch: &report.payload }));
        let telemetry = published(device.telemetry("d1", QoS::AtMostOnce, Bytes::from_static(b"x")));
        assert_eq!((telemetry.pkid, report.pkid), (0, 3));
        assert!(matches!(operator.read(&telemetry), Some(FromFleet::Telemetry { device: "d1", .. })));
        for online in [true, false] {
            let presence = published(device.presence("d1", online).unwrap());
            assert!(presence.retain);
            assert_eq!(operator.read(&presence), Some(FromFleet::Presence { device: "d1", online }));
        }
        assert_eq!(operator.read(&request), None);
    }
}

#[test]
fn an_answer_names_the_method_that_was_called() {
    let topics = Topics { response: "{prefix}/{device}/done/{method}/{rid}/{status}".to_owned(), ..Topics::default() };
    let (device, operator) = both(&PlainSettings { topics, ..PlainSettings::default() });
    for name in ["firmwareUpdate", "reboot", "unheardOf"] {
        let request = published(operator.request("d1", name, "r7", Bytes::new()));
        let Some(ToDevice::Method { rid, name: heard, .. }) = device.read("d1", &request) else { panic!() };
        let response = published(device.method_response("d1", &heard, &rid, 404, Bytes::new()));
        assert_eq!(response.topic, format!("twinstorm/d1/done/{name}/r7/404"));
    }
}

#[test]
fn a_call_that_the_broker_has_kept_is_none_and_what_is_desired_may_be_kept() {
    let topics = Topics { desired: Some("{prefix}/{device}/desired".to_owned()), ..Topics::default() };
    let (device, operator) = both(&PlainSettings { topics, ..PlainSettings::default() });
    let request = published(operator.request("d1", "reboot", "r7", Bytes::new()));
    assert!(!request.retain && matches!(device.read("d1", &request), Some(ToDevice::Method { .. })));
    assert_eq!(device.read("d1", &Publish { retain: true, ..request.clone() }), None);
    let desired = Publish { retain: true, topic: "twinstorm/d1/desired".to_owned(), ..request };
    assert!(matches!(device.read("d1", &desired), Some(ToDevice::Desired { .. })));
}

#[test]
fn a_login_and_a_will_go_with_connect() {
    let username = |text: &str| Some(text.to_owned());
    let settings = PlainSettings {
        client_id: "c-{device}".to_owned(),
        username: username("u-{device}"),
        driver_username: username("ops"),
        ..PlainSettings::default()
    };
    let (device, operator) = both(&settings);
    let connect = device.connect(0, "d1", Timestamp::UNIX_EPOCH);
    assert_eq!((connect.client_id.as_str(), connect.clean_session), ("c-d1", true));
    let login = connect.login.unwrap();
    assert_eq!((login.username.as_str(), login.password.as_str()), ("u-d1", "secret"));
    let will = connect.last_will.unwrap();
    assert_eq!(
        (will.topic.as_str(), &will.message[..], will.retain),
        ("twinstorm/d1/presence", &br#"{"online":false}"#[..], true)
    );
    assert_ne!(device.connect_with_wrong_key(0, "d1", Timestamp::UNIX_EPOCH).login.unwrap().password, "secret");
    assert_eq!(operator.connect("op", false).login.unwrap().username, "ops");
    let silent = PlainSettings { topics: Topics { presence: None, ..Topics::default() }, ..PlainSettings::default() };
    let (device, operator) = both(&silent);
    let connect = device.connect(0, "d1", Timestamp::UNIX_EPOCH);
    assert!(connect.last_will.is_none() && connect.login.is_none() && device.presence("d1", true).is_none());
    assert_eq!(operator.presence(Scope::All), None);
    assert_eq!(format!("{:?}", Password::new("secret".to_owned())), "Password(..)");
}

#[test]
fn a_scope_says_whose_messages_are_wanted() {
    let (_, operator) = both(&PlainSettings::default());
    let paths = |scope| operator.subscriptions(scope, true).into_iter().map(|filter| filter.path).collect::<Vec<_>>();
    assert_eq!(paths(Scope::All), ["twinstorm/+/responses/+/+", "twinstorm/+/reported", "twinstorm/+/telemetry"]);
    assert_eq!(paths(Scope::Group("g"))[1], "$share/g/twinstorm/+/reported");
    assert_eq!(paths(Scope::Device("d1"))[0], "twinstorm/d1/responses/+/+");
}
