//! TLS, through the program as a user starts it: MQTT and HTTPS.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal;
use twinstorm::dialect::azure::SasToken;
use twinstorm::hub::{Hub, HubConfig, HubIdentity};
use twinstorm::mqtt::{ByteStream, ClientTls, connect_from};

use crate::support::{HubProcess, QuickRun, Running, census, eventually, read_env_file, run, twinstorm};

const MQTTS: [&str; 2] = ["--mqtts", "127.0.0.1:0"];

#[test]
fn a_run_over_tls_updates_every_device() {
    let quick = QuickRun::new();
    let sets = ["--set", "fleet.transport=tls", "--set", "hub.workers=2"];
    let command = quick.command(&["run", "quickstart", "--devices", "60", "--rate", "100"], &sets);
    Running::start(command).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "completed")), (60, 60));
    assert_eq!(results["plan"]["fleet"]["transport"], "tls");
    assert_eq!(results["series"]["connect"]["count"], 60);
}

#[test]
fn devices_that_renew_their_tokens_come_back_over_tls() {
    let quick = QuickRun::new();
    let sets = ["fleet.transport=tls", "fleet.tls_resumption=true", "fleet.token_life=10s", "firmware.apply=12s"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    Running::start(quick.command(&["run", "quickstart", "--devices", "10", "--rate", "100"], &sets)).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 10);
    assert!(results["series"]["reconnect"]["count"].as_u64().unwrap() >= 10, "{}", results["series"]["reconnect"]);
}

#[test]
fn hub_and_fleet_meet_over_tls_and_the_hub_keeps_its_ca() {
    let folder = tempfile::tempdir().unwrap();
    let tls_dir = folder.path().join("it's tls");
    let kept = [&MQTTS[..], &["--tls-dir", tls_dir.to_str().unwrap()]].concat();
    let mut authorities = Vec::new();
    for _ in 0..2 {
        let hub = HubProcess::start(&kept);
        let variable = |name: &str| hub.environment.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert!(variable("TWINSTORM_HUB_MQTT").starts_with("mqtts://127.0.0.1:"));
        authorities.push(fs::read_to_string(variable("TWINSTORM_HUB_CA")).unwrap());
        let fleet = QuickRun::new();
        let fleet_run = Running::start(hub.reach(fleet.command(&["fleet", "quickstart", "--devices", "20"], &[])));
        fleet_run.until_it_says("connected 20/20");
        fleet_run.signal(Signal::SIGINT);
        fleet_run.wait().expect(0);
        assert_eq!(fleet.results()["plan"]["fleet"]["transport"], "tls", "the address decided");
    }
    assert_eq!(authorities[0], authorities[1]);
    assert_eq!(fs::metadata(tls_dir.join("ca.key")).unwrap().permissions().mode() & 0o777, 0o600);
}

/// What a fleet says that is given this hub with `changes` to its environment.
fn complaint(hub: &HubProcess, changes: &[(&str, &str)], text: &str) {
    let quick = QuickRun::new();
    let mut command = hub.reach(quick.command(&["fleet", "quickstart", "--devices", "3"], &[]));
    command.envs(changes.iter().copied());
    let fleet = Running::start(command);
    fleet.until_it_says(text);
    fleet.signal(Signal::SIGINT);
}

#[test]
fn whoever_trusts_another_ca_or_takes_the_wrong_port_is_told() {
    let (hub, other) = (HubProcess::start(&MQTTS), HubProcess::start(&MQTTS));
    let variable = |hub: &HubProcess, name: &str| {
        hub.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap()
    };
    let stranger = variable(&other, "TWINSTORM_HUB_CA");
    complaint(&hub, &[("TWINSTORM_HUB_CA", &stranger)], "certificate is not trusted: TWINSTORM_HUB_CA must hold");
    let plain = HubProcess::start(&[]);
    let port = format!("mqtts://{}", variable(&plain, "TWINSTORM_HUB_MQTT"));
    complaint(&hub, &[("TWINSTORM_HUB_MQTT", &port)], "closed the connection during the TLS handshake");
}

#[test]
fn a_tls_folder_without_tls_is_a_mistake() {
    let ended = run(&["hub", "--tls-dir", "/tmp/nowhere"]).expect(2);
    assert!(ended.stderr.contains("--mqtts"), "{}", ended.stderr);
}

/// What `hub` answers over HTTPS to a client that knows it as `host`.
async fn statistics(hub: &Hub, identity: &HubIdentity, host: &str) -> Result<(u16, Bytes), String> {
    let tls = ClientTls::new(host, hub.authority().unwrap(), false).unwrap();
    let stream = connect_from(None, hub.https_addr().unwrap()).await.unwrap();
    let stream = ByteStream::connect(stream, &tls, false).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let expires = Timestamp::now() + SignedDuration::from_hours(1);
    let token = SasToken::sign(&identity.host, expires, Some("iothubowner"), &identity.owner().primary);
    let request = hyper::Request::get("/statistics/devices?api-version=2021-04-12").header("host", host);
    let request = request.header("authorization", token).body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    connection.abort();
    Ok((status, body))
}

#[tokio::test]
async fn rest_is_served_over_https_under_every_name_of_the_hub() {
    let https = Some("127.0.0.1:0".parse().unwrap());
    let names = vec!["other.test".to_owned()];
    let bound = Hub::bind(HubConfig { https, mqtt: None, http: None, names, ..HubConfig::default() }).unwrap();
    let identity = HubIdentity::generate(bound.name("hub.test")).unwrap();
    let hub = bound.start(identity.clone()).unwrap();
    assert_eq!(identity.host, format!("hub.test:{}", hub.https_addr().unwrap().port()));
    for host in ["hub.test", "other.test", "localhost", "127.0.0.1"] {
        let (status, body) = statistics(&hub, &identity, host).await.unwrap();
        assert_eq!(status, 200, "{host}");
        assert!(body.starts_with(b"{"), "{body:?}");
    }
    let error = statistics(&hub, &identity, "stranger.test").await.unwrap_err();
    assert!(error.contains("wrong host"), "{error}");
}

#[test]
fn a_hub_told_to_speak_tls_opens_plain_ports_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.env");
    let mut command =
        twinstorm(&["hub", "--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0", "--host", "localhost,hub.test"]);
    command.arg("--tls-dir").arg(folder.path()).arg("--env-file").arg(&file);
    let hub = Running::start(command);
    eventually("the hub wrote its env file", || file.exists());
    let environment = read_env_file(&file);
    let variable = |name: &str| environment.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let rest = variable("TWINSTORM_HUB_REST");
    let port = rest.strip_prefix("https://127.0.0.1:").unwrap();
    assert!(variable("IOTHUB_CONNECTION_STRING").starts_with(&format!("HostName=localhost:{port};")));
    assert!(variable("TWINSTORM_HUB_MQTT").starts_with("mqtts://127.0.0.1:"));
    assert!(variable("TWINSTORM_HUB_CA").ends_with("/ca.pem"));
    hub.signal(Signal::SIGINT);
    let ended = hub.wait().expect(0);
    let says = |text: &str| ended.stdout.lines().any(|line| line.starts_with(text));
    assert!(says("MQTTS 127.0.0.1:") && says("REST  https://127.0.0.1:") && says("CA    "), "{}", ended.stdout);
    assert!(!says("MQTT  ") && !says("REST  http:"), "{}", ended.stdout);
}

#[test]
fn the_hub_says_who_came_to_the_wrong_port() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.env");
    let mut command = twinstorm(&["hub", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    command.args(MQTTS).args(["--https", "127.0.0.1:0", "--workers", "1", "--env-file"]).arg(&file);
    let hub = Running::start(command);
    eventually("the hub said where it listens", || hub.printed("keys  ").is_some());
    let ports: Vec<String> =
        ["MQTT  ", "MQTTS ", "REST  http://", "REST  https://"].map(|what| hub.printed(what).unwrap()).to_vec();
    let say = |port: &str, bytes: &[u8]| {
        let mut stream = std::net::TcpStream::connect(port).unwrap();
        stream.write_all(bytes).unwrap();
        // Until the hub hangs up: it has looked at all by then.
        let _ = stream.read_to_end(&mut Vec::new());
    };
    let (tls, mqtt) = (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab");
    say(&ports[0], tls);
    hub.until_it_says("it speaks TLS at a port for plain MQTT: name the one of --mqtts");
    say(&ports[2], tls);
    hub.until_it_says("TLS is spoken at the port of --https");
    for port in [&ports[1], &ports[3]] {
        say(port, mqtt);
    }
    hub.until_it_says("the other end does not speak TLS");
    // Nobody fills a disk with it.
    (0..200).for_each(|_| say(&ports[1], mqtt));
    hub.signal(Signal::SIGINT);
    let ended = hub.wait().expect(0);
    assert!(ended.stderr.matches("does not get in").count() < 50, "{}", ended.stderr);
}
