//! Images that devices really download.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use twinstorm::hub::{Hub, HubConfig, HubIdentity};

use crate::support::{LENIENT, QuickRun, Running, census, twinstorm};

const SIZE: u64 = 65_536;
const DEVICES: u64 = 50;

/// Late generators are no concern here.
const ALL_FAIL: &str = "threshold=[{ expr = \"census.failed.pct >= 100\" }, { expr = \"method.response.max < 1h\" }]";

/// A run of 50 devices with this image, and `more`.
fn started(quick: &QuickRun, image: &str, more: &[&str]) -> Running {
    let mut command = twinstorm(&["run", "quickstart", "--devices", "50", "--rate", "200", "--out"]);
    command.arg(quick.out());
    let image = format!("firmware.image={{ {image} }}");
    let short = ["fleet.connect_rate=1000", "firmware.wait=50ms", "firmware.apply=50ms", "observe.interval=20ms"];
    for set in short.into_iter().chain([image.as_str()]).chain(more.iter().copied()) {
        command.args(["--set", set]);
    }
    Running::start(command)
}

fn counted(results: &Value, key: &str) -> u64 {
    results["images"][key].as_u64().unwrap_or_else(|| panic!("images has no {key}: {}", results["images"]))
}

#[test]
fn the_embedded_hub_serves_an_image_within_the_fleets_bandwidth() {
    let quick = QuickRun::new();
    let image = r#"size = "64KiB", serve = true, fleet_bandwidth = "1MiB/s", progress = "50%""#;
    let ended = started(&quick, image, &[LENIENT, "fleet.workers=2"]).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "completed"), 50);
    assert_eq!((counted(&results, "downloads"), counted(&results, "bytes")), (DEVICES, DEVICES * SIZE));
    assert_eq!((counted(&results, "failed"), counted(&results, "resumes")), (0, 0));
    assert_eq!(results["series"]["image.download"]["count"], 50);
    // 3.1 MiB at 1 MiB/s: the last of them waits longest.
    let longest = results["series"]["image.download"]["max_us"].as_u64().unwrap();
    assert!(longest > 2_500_000, "{longest} us");
    // The device's own time, however long it takes.
    let overhead = results["series"]["update.overhead"]["p50_us"].as_u64().unwrap();
    assert!(overhead < longest / 2, "{overhead} us of {longest} us");
    assert!(ended.stdout.contains("Images     50 downloads, 3.12 MiB"), "{}", ended.stdout);
}

#[test]
fn over_tls_it_comes_by_https_from_the_hub_whose_ca_devices_trust() {
    let quick = QuickRun::new();
    let image = r#"size = "64KiB", serve = true"#;
    started(&quick, image, &[LENIENT, "fleet.transport=tls"]).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "completed"), counted(&results, "bytes")), (50, DEVICES * SIZE));
}

#[test]
fn several_shards_and_hubs_each_serve_their_own() {
    let quick = QuickRun::new();
    let image = r#"size = "64KiB", serve = true, bandwidth = "1MiB/s""#;
    started(&quick, image, &[LENIENT, "fleet.shards=2"]).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "completed"), counted(&results, "downloads")), (50, DEVICES));
}

#[test]
fn a_wrong_hash_fails_every_update_and_is_nobodys_fault() {
    let quick = QuickRun::new();
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/2.bin", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nimage").unwrap();
        }
    });
    let image = format!(r#"url = "{url}", sha256 = "{}""#, "0".repeat(64));
    // One fault that hits nobody, so that the matrix is there.
    let fault = r#"fault=[{ kind = "reject", status = 503, select = { percent = 0 } }]"#;
    started(&quick, &image, &[ALL_FAIL, fault]).wait().expect(0);
    let results = quick.results();
    assert_eq!(census(&results, "failed"), 50);
    assert_eq!(results["census_by"]["failed"]["verifying/checksum_mismatch"], 50);
    assert_eq!((counted(&results, "failed"), &results["off_diagonal_total"]), (DEVICES, &0.into()));
    assert_eq!(results["series"]["image.download.error"]["count"], 50);
}

#[test]
fn a_server_elsewhere_needs_its_owners_word() {
    let quick = QuickRun::new();
    let image = format!(r#"url = "http://192.0.2.1/2.bin", sha256 = "{}""#, "0".repeat(64));
    let ended = started(&quick, &image, &[]).wait().expect(2);
    for word in ["--i-own-this-hub", "192.0.2.1", "200 downloads/s from 192.0.2.1"] {
        assert!(ended.stderr.contains(word), "`{word}` is missing: {}", ended.stderr);
    }
}

/// Asks a hub for an image: status, headers in words, body.
async fn ask(hub: &Hub, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String, Bytes) {
    let stream = TcpStream::connect(hub.http_addr().unwrap()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "hub");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    (head.status.as_u16(), format!("{:?}", head.headers), body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn the_hub_gives_images_to_anybody_in_parts_and_always_the_same() {
    let hub = Hub::start(HubConfig::default(), HubIdentity::generate("h").unwrap()).unwrap();
    let path = "/images/a?size=100000";
    let (status, headers, whole) = ask(&hub, "GET", path, &[]).await;
    assert_eq!((status, whole.len()), (200, 100_000));
    assert!(headers.contains("\"etag\": \"\\\"a-100000\\\"\"") && headers.contains("\"bytes\""), "{headers}");
    let (status, headers, part) =
        ask(&hub, "GET", path, &[("range", "bytes=99000-"), ("if-range", "\"a-100000\"")]).await;
    assert!(status == 206 && headers.contains("bytes 99000-99999/100000"), "{status} {headers}");
    assert_eq!(part, whole.slice(99_000..));
    let (status, _, anew) = ask(&hub, "GET", path, &[("range", "bytes=99000-"), ("if-range", "\"b\"")]).await;
    assert_eq!((status, Sha256::digest(&anew)), (200, Sha256::digest(&whole)));
    let (status, headers, nothing) = ask(&hub, "HEAD", path, &[]).await;
    assert!(status == 200 && headers.contains("\"content-length\": \"100000\"") && nothing.is_empty(), "{headers}");
    assert_ne!(ask(&hub, "GET", "/images/b?size=100000", &[]).await.2, whole);
    for (method, path, range, expected) in [
        ("GET", path, "bytes=100000-", 416),
        ("GET", "/images/a", "", 400),
        ("GET", "/images/a?size=x", "", 400),
        ("GET", "/images/a?size=99999999999", "", 400),
        ("GET", "/images/?size=1", "", 400),
        ("GET", "/images/a/b?size=1", "", 400),
        ("PUT", path, "", 405),
        ("GET", "/imagesa?size=1", "", 401),
    ] {
        let (status, ..) = ask(&hub, method, path, &[("range", range)]).await;
        assert_eq!(status, expected, "{method} {path}");
    }
}
