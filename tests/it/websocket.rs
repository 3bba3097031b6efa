//! MQTT over WebSocket: an independent client of both against the hub, and the program as a user starts it.

use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use tungstenite::client::{IntoClientRequest, client};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};
use twinstorm::dialect::azure::SasToken;
use twinstorm::hub::{Hub, HubConfig, HubIdentity};
use twinstorm::mqtt::{Connect, ConnectReturnCode, MAX_PACKET, Packet};

use crate::support::{QuickRun, Running, census, eventually, read_env_file, twinstorm};

fn hub() -> (Hub, HubIdentity) {
    let bound = Hub::bind(HubConfig { workers: 2, ..HubConfig::default() }).unwrap();
    let identity = bound.generate_identity().unwrap();
    (bound.start(identity.clone()).unwrap(), identity)
}

/// A WebSocket that was asked for with `protocol`, and what the hub called MQTT.
fn open(hub: &Hub, protocol: &str) -> Result<(WebSocket<TcpStream>, String), String> {
    let address = hub.http_addr().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let url = format!("ws://{address}/$iothub/websocket?iothub-no-client-cert=true");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    let (socket, response) = client(request, stream).map_err(|error| error.to_string())?;
    let echoed = response.headers().get("Sec-WebSocket-Protocol").unwrap().to_str().unwrap().to_owned();
    Ok((socket, echoed))
}

fn bytes_of(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for packet in packets {
        packet.write(&mut bytes, MAX_PACKET).unwrap();
    }
    bytes.to_vec()
}

fn connect(identity: &HubIdentity, id: &str) -> Packet {
    let host = &identity.host;
    let expires = Timestamp::now() + SignedDuration::from_hours(1);
    let token = SasToken::sign(&format!("{host}/devices/{id}"), expires, None, &identity.fleet_key.derive(id));
    let mut connect = Connect::new(id);
    connect.set_login(format!("{host}/{id}/?api-version=2021-04-12"), token);
    Packet::Connect(connect)
}

/// The next packet; pings and pongs in between do not count.
fn next(socket: &mut WebSocket<TcpStream>) -> Packet {
    loop {
        if let Message::Binary(bytes) = socket.read().unwrap() {
            return Packet::read(&mut bytes.into(), MAX_PACKET).unwrap();
        }
    }
}

fn accepted(packet: &Packet) -> bool {
    matches!(packet, Packet::ConnAck(ack) if ack.code == ConnectReturnCode::Success)
}

#[test]
fn whatever_clients_call_mqtt_is_given_back() {
    let (hub, identity) = hub();
    for protocol in ["mqtt", "MQTT"] {
        let (mut socket, echoed) = open(&hub, protocol).unwrap();
        assert_eq!(echoed, protocol);
        socket.send(Message::binary(bytes_of(&[connect(&identity, "d")]))).unwrap();
        assert!(accepted(&next(&mut socket)));
    }
    let error = open(&hub, "amqp").unwrap_err();
    assert!(error.contains("400"), "{error}");
}

#[test]
fn packets_may_span_frames_and_share_them() {
    let (hub, identity) = hub();
    for id in ["one", "two", "three"] {
        let (mut socket, _) = open(&hub, "mqtt").unwrap();
        let bytes = bytes_of(&[connect(&identity, id), Packet::PingReq, Packet::PingReq]);
        for part in bytes.chunks(7) {
            socket.send(Message::binary(part.to_vec())).unwrap();
            socket.send(Message::Ping("still there?".into())).unwrap();
        }
        assert!(accepted(&next(&mut socket)));
        let mut answers = 0;
        while answers < 2 {
            let Message::Binary(bytes) = socket.read().unwrap() else { continue };
            let mut bytes: BytesMut = bytes.into();
            while let Ok(packet) = Packet::read(&mut bytes, MAX_PACKET) {
                assert_eq!(packet, Packet::PingResp);
                answers += 1;
            }
        }
        socket.send(Message::binary(bytes_of(&[Packet::Disconnect]))).unwrap();
        let closed = loop {
            if let Message::Close(frame) = socket.read().unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!(closed.code, CloseCode::Normal);
    }
}

#[test]
fn text_ends_the_connection_with_the_code_for_it() {
    let (hub, identity) = hub();
    for connected in [false, true] {
        let (mut socket, _) = open(&hub, "mqtt").unwrap();
        if connected {
            socket.send(Message::binary(bytes_of(&[connect(&identity, "d")]))).unwrap();
            assert!(accepted(&next(&mut socket)));
        }
        socket.send(Message::text("hello")).unwrap();
        let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
        assert_eq!(frame.code, CloseCode::Unsupported);
    }
}

#[test]
fn a_run_over_websockets_updates_every_device() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.transport=wss", "--set", "hub.workers=2"];
    let command = quick.command(&["run", "quickstart", "--devices", "60", "--rate", "100"], &sets);
    Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "completed")), (60, 60));
    assert_eq!(results["plan"]["fleet"]["transport"], "wss");
}

#[test]
fn a_fleet_meets_a_hub_that_listens_for_https_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.env");
    let _hub = Running::start({
        let mut command = twinstorm(&["hub", "--https", "127.0.0.1:0", "--host", "localhost", "--env-file"]);
        command.arg(&file);
        command
    });
    eventually("the hub wrote its env file", || file.exists());
    let fleet = QuickRun::new();
    let mut command = fleet.command(&["fleet", "quickstart", "--devices", "20"], &[]);
    command.envs(read_env_file(&file));
    let running = Running::start(command);
    running.until_it_says("connected 20/20");
    running.signal(Signal::SIGINT);
    running.wait().expect(0);
    assert_eq!(fleet.results()["plan"]["fleet"]["transport"], "wss", "the address decided");
}
