//! The rig itself: brokers start, restart, refuse and speak TLS as tests need it.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use rumqttc::{MqttOptions, QoS};
use tungstenite::Message;
use tungstenite::client::{IntoClientRequest, client};

use crate::program::alive;
use crate::support::{Certificates, Gateway, Mosquitto, Peer, Setup};

#[test]
fn what_one_client_publishes_another_is_given() {
    let broker = Mosquitto::start();
    let (one, other) = (Peer::connect(&broker, "one"), Peer::connect(&broker, "other"));
    other.subscribe("plant/+/state", QoS::AtLeastOnce);
    for number in 1..=3 {
        one.publish("plant/7/state", QoS::AtLeastOnce, false, &number.to_string());
    }
    one.publish("plant/7/else", QoS::AtLeastOnce, false, "");
    one.publish("plant/8/state", QoS::ExactlyOnce, false, "4");
    let came = other.until_messages(4);
    let came: Vec<(&str, &str)> =
        came.iter().map(|message| (message.topic.as_str(), message.payload.as_str())).collect();
    assert_eq!(came, [("plant/7/state", "1"), ("plant/7/state", "2"), ("plant/7/state", "3"), ("plant/8/state", "4")]);
    assert_eq!(one.acknowledged(), 5);
}

#[test]
fn a_broker_comes_back_at_its_port_with_what_it_keeps() {
    let mut broker = Setup::default().persistent().start();
    let port = broker.port();
    let mut options = MqttOptions::new("sleeper", "127.0.0.1", port);
    options.set_clean_session(false);
    let sleeper = Peer::with(options);
    sleeper.subscribe("news", QoS::AtLeastOnce);
    let writer = Peer::connect(&broker, "writer");
    writer.publish("sign", QoS::AtLeastOnce, true, "kept");
    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(broker.port(), port);
    sleeper.until_connected(2);
    writer.until_connected(2);
    // The subscription is the old session's, the message one that was retained.
    writer.publish("news", QoS::AtLeastOnce, false, "still there");
    assert_eq!(sleeper.until_messages(1)[0].payload, "still there");
    let reader = Peer::connect(&broker, "reader");
    reader.subscribe("sign", QoS::AtLeastOnce);
    let sign = &reader.until_messages(1)[0];
    assert_eq!((sign.payload.as_str(), sign.retained), ("kept", true));
    // One that is killed at once leaves its port as well.
    assert!(!broker.kill().success());
    broker.start_again();
    writer.until_connected(3);
    broker.restart();
    writer.until_connected(4);
}

#[test]
fn a_deaf_broker_goes_on_where_it_was_and_none_outlives_its_test() {
    let broker = Mosquitto::start();
    let peer = Peer::connect(&broker, "peer");
    broker.signal(Signal::SIGSTOP);
    peer.subscribe_later("news", QoS::AtLeastOnce);
    broker.signal(Signal::SIGCONT);
    peer.publish("news", QoS::AtLeastOnce, false, "heard");
    assert_eq!(peer.until_messages(1)[0].payload, "heard");
    let pid = broker.pid();
    drop(broker);
    assert!(!alive(pid));
}

#[test]
fn passwords_are_those_of_the_setup() {
    let broker = Setup::default().user("driver", "secret").start();
    let login = |id: &str, password: &str| {
        let mut options = MqttOptions::new(id, "127.0.0.1", broker.port());
        options.set_credentials("driver", password);
        options
    };
    assert!(Peer::start(login("thief", "guess")).until_error().contains("NotAuthorized"));
    let nobody = MqttOptions::new("nobody", "127.0.0.1", broker.port());
    assert!(Peer::start(nobody).until_error().contains("NotAuthorized"));
    Peer::with(login("one", "secret"));
}

#[test]
fn limits_are_those_of_the_setup() {
    // Logins that it refuses make this version forget whom it has let in, so there are none here.
    let broker = Setup::default().line("max_connections 2").start();
    let _both = [Peer::connect(&broker, "one"), Peer::connect(&broker, "two")];
    let third = Peer::start(MqttOptions::new("three", "127.0.0.1", broker.port()));
    third.until_error();
    assert_eq!(third.connections(), 0);
    broker.until_it_logs("max_connections exceeded");
}

#[test]
fn clients_without_a_certificate_of_the_ca_are_refused() {
    let (certificates, strangers) = (Certificates::new("device"), Certificates::new("device"));
    let setup = Setup::default().tls(&certificates, true).line("use_identity_as_username true");
    let broker = setup.start();
    assert_eq!(broker.url(), format!("mqtts://127.0.0.1:{}", broker.port()));
    let publish = ["-t", "sign", "-q", "1", "-r", "-m", "kept"];
    let read = ["-t", "sign", "-C", "1", "-W", "60"];
    let client = Some(certificates.client());
    let tool = |name, words: &[&str], client| tool(name, &broker, &certificates.ca(), client, words);
    assert!(tool("mosquitto_pub", &publish, client.as_ref()).status.success(), "{}", broker.log());
    let told = tool("mosquitto_sub", &read, client.as_ref());
    assert_eq!((told.status.success(), String::from_utf8_lossy(&told.stdout).trim()), (true, "kept"));
    // The certificate's name is the user's.
    assert!(broker.log().contains("u'device'"), "{}", broker.log());
    for stranger in [None, Some(&strangers.client())] {
        assert!(!tool("mosquitto_pub", &publish, stranger).status.success(), "{}", broker.log());
    }
}

#[test]
fn websockets_come_to_the_broker_through_a_gateway() {
    let broker = Mosquitto::start();
    let gateway = Gateway::to(&broker);
    let stream = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    let mut request = gateway.url().into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    let (mut socket, answer) = client(request, stream).unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "mqtt");
    // CONNECT of a client named `web`, and the CONNACK that lets it in.
    socket.send(Message::binary(b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03web".to_vec())).unwrap();
    assert_eq!(socket.read().unwrap().into_data().as_ref(), b"\x20\x02\0\0");
    broker.until_it_logs("as web ");
    drop(gateway);
    assert!(socket.read().is_err());
}

/// Runs a client that comes with the broker.
fn tool(name: &str, broker: &Mosquitto, ca: &Path, client: Option<&[PathBuf; 2]>, words: &[&str]) -> Output {
    let mut command = Command::new(name);
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string(), "--cafile"]).arg(ca);
    if let Some([certificate, key]) = client {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    command.args(words).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("no {name}: tests/brokers/run installs it ({error})"))
}
