//! Downloads from a scripted server, over real sockets.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::device::Image;
use crate::device::fleet::tests::plan;
use crate::mqtt::{ServerTls, server_for};
use crate::policy::MadeImage;

const LIMIT: Duration = Duration::from_secs(60);
const STALL: Duration = Duration::from_millis(200);
const SIZE: u64 = 100_000;

/// What the server does with a connection.
#[derive(Clone)]
enum Reply {
    /// Sends that and closes the connection.
    Says(Vec<u8>),
    /// Sends that and nothing more.
    Stalls(Vec<u8>),
}

/// A server whose answers are written down. It keeps what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>, tls: Option<ServerTls>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/image", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut held = Vec::new();
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = match &tls {
                    None => ByteStream::from(mqtt::Connection::new(stream)),
                    Some(tls) => accept(stream, tls).await,
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                heard.lock().unwrap().push(String::from_utf8(head).unwrap().to_lowercase());
                let (Reply::Says(bytes) | Reply::Stalls(bytes)) = &reply;
                // A client that has had enough may be gone.
                let _ = stream.write_all(bytes).await;
                let _ = stream.flush().await;
                match reply {
                    Reply::Says(_) => drop(stream.shutdown().await),
                    Reply::Stalls(_) => held.push(stream),
                }
            }
            std::future::pending::<()>().await;
        });
        Self { url, asked }
    }

    /// The requests so far: of each, the value of `header`, in lower case.
    fn asked(&self, header: &str) -> Vec<Option<String>> {
        let value = |head: &String| {
            head.lines().find_map(|line| line.strip_prefix(header)?.strip_prefix(": ")).map(str::to_owned)
        };
        self.asked.lock().unwrap().iter().map(value).collect()
    }
}

async fn accept(stream: TcpStream, tls: &ServerTls) -> ByteStream {
    let mut connection = mqtt::Connection::server(stream, tls).unwrap();
    let mut scratch = mqtt::Scratch::default();
    poll_fn(|cx| connection.poll_handshake(cx, &mut scratch)).await.unwrap();
    connection.into()
}

fn image() -> (Vec<u8>, String) {
    let image = MadeImage::new("a", SIZE).unwrap();
    let mut bytes = vec![0; SIZE as usize];
    image.fill(0, &mut bytes);
    (bytes, image.sha256())
}

/// An answer: its status, headers, and body.
fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The image, of which the first `count` bytes come.
fn whole(count: usize) -> Vec<u8> {
    answer("200 OK", &format!("content-length: {SIZE}\r\netag: \"v1\"\r\n"), &image().0[..count])
}

/// The image from byte `from` on, of which `count` bytes come.
fn part(from: usize, count: usize) -> Vec<u8> {
    let left = SIZE as usize - from;
    let last = SIZE - 1;
    let headers = format!("content-length: {left}\r\ncontent-range: bytes {from}-{last}/{SIZE}\r\netag: \"v1\"\r\n");
    answer("206 Partial Content", &headers, &image().0[from..from + count])
}

fn config(attempts: u32) -> DownloadConfig {
    DownloadConfig {
        bandwidth: None,
        fleet_bandwidth: None,
        progress: None,
        stall_timeout: STALL,
        attempts,
        limit: None,
    }
}

/// What a download of `uri` says, the last word at the end.
async fn inputs(
    config: DownloadConfig,
    url: &str,
    authority: Option<&str>,
    uri: &str,
    hash: Option<&str>,
) -> Vec<Input> {
    let mut plan = plan(([127, 0, 0, 1], 1).into(), 1);
    let image = Image::Url { url: url.to_owned(), sha256: String::new(), download: config };
    plan.firmware.image = Some(image);
    plan.images = Some(ImageSource::new(&ImageUrl::parse(url).unwrap(), authority).unwrap());
    let package = Package { uri: uri.to_owned(), check_value: hash.map(str::to_owned) };
    let mut download = Download::start(Worker::for_tests(plan), 0, 0, Box::new(package));
    let mut inputs = Vec::new();
    while !matches!(inputs.last(), Some(Input::Downloaded(_))) {
        let next = poll_fn(|cx| download.poll(cx).map_or(Poll::Pending, Poll::Ready));
        inputs.push(timeout(LIMIT, next).await.unwrap());
    }
    inputs
}

async fn fetch(attempts: u32, replies: Vec<Reply>) -> (Downloaded, Server) {
    let server = Server::start(replies, None).await;
    let inputs = inputs(config(attempts), &server.url, None, &server.url, Some(&image().1)).await;
    (last(inputs), server)
}

fn last(mut inputs: Vec<Input>) -> Downloaded {
    match inputs.pop() {
        Some(Input::Downloaded(downloaded)) => *downloaded,
        other => panic!("{other:?}"),
    }
}

fn failed(downloaded: &Downloaded) -> (&'static str, &'static str) {
    let failure = downloaded.result.unwrap_err();
    (failure.stage.as_str(), failure.code)
}

const CONNECTION_LOST: (&str, &str) = ("downloading", "connection_lost");
const INVALID_URI: (&str, &str) = ("downloading", "invalid_uri");

#[tokio::test]
async fn an_image_arrives_and_is_verified() {
    let (downloaded, server) = fetch(1, vec![Reply::Says(whole(SIZE as usize))]).await;
    assert_eq!((downloaded.result, downloaded.bytes, downloaded.resumes), (Ok(()), SIZE, 0));
    assert!(downloaded.trouble.is_none() && !downloaded.took.is_zero());
    assert_eq!(server.asked("connection"), [Some("close".to_owned())]);
    assert!(server.asked.lock().unwrap()[0].starts_with("get /image http/1.1\r\n"));
}

#[tokio::test]
async fn another_image_than_announced_is_not_taken() {
    let mut other = whole(SIZE as usize);
    *other.last_mut().unwrap() ^= 1;
    let (downloaded, _server) = fetch(3, vec![Reply::Says(other)]).await;
    assert_eq!(failed(&downloaded), ("verifying", "checksum_mismatch"));
    assert!(downloaded.trouble.unwrap().starts_with("checksum_mismatch: "));
}

#[tokio::test]
async fn what_breaks_off_is_resumed_with_the_same_version() {
    let replies =
        vec![Reply::Says(whole(30_000)), Reply::Says(part(30_000, 40_000)), Reply::Says(part(70_000, 30_000))];
    let (downloaded, server) = fetch(3, replies).await;
    assert_eq!((downloaded.result, downloaded.bytes, downloaded.resumes), (Ok(()), SIZE, 2));
    let bytes = |from: u32| Some(format!("bytes={from}-"));
    assert_eq!(server.asked("range"), [None, bytes(30_000), bytes(70_000)]);
    assert_eq!(server.asked("if-range"), [None, Some("\"v1\"".to_owned()), Some("\"v1\"".to_owned())]);
}

#[tokio::test]
async fn a_body_that_stays_too_short_is_a_lost_connection() {
    let (downloaded, server) = fetch(2, vec![Reply::Says(whole(30_000)), Reply::Says(part(30_000, 5))]).await;
    assert_eq!((failed(&downloaded), downloaded.bytes), (CONNECTION_LOST, 30_005));
    assert_eq!(server.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_knows_no_parts_starts_anew() {
    let replies = vec![Reply::Says(whole(30_000)), Reply::Says(whole(SIZE as usize))];
    let (downloaded, _server) = fetch(2, replies).await;
    assert_eq!((downloaded.result, downloaded.bytes, downloaded.resumes), (Ok(()), SIZE + 30_000, 0));
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up_and_asked_again() {
    let (downloaded, _server) = fetch(2, vec![Reply::Stalls(whole(30_000)), Reply::Says(part(30_000, 70_000))]).await;
    assert_eq!((downloaded.result, downloaded.resumes), (Ok(()), 1));
    for stalls in [whole(30_000), Vec::new(), b"HTTP/1.1 200".to_vec()] {
        let (downloaded, _server) = fetch(1, vec![Reply::Stalls(stalls)]).await;
        assert_eq!(failed(&downloaded), CONNECTION_LOST);
        assert!(downloaded.trouble.unwrap().contains("stall_timeout"));
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_an_address_that_leads_nowhere_is_not() {
    let busy = || Reply::Says(answer("500 Oops", "content-length: 0\r\n", b""));
    let (downloaded, _server) = fetch(2, vec![busy(), Reply::Says(whole(SIZE as usize))]).await;
    assert_eq!(downloaded.result, Ok(()));
    let (downloaded, _server) = fetch(2, vec![busy(), busy()]).await;
    assert_eq!(failed(&downloaded), CONNECTION_LOST);
    assert!(downloaded.trouble.unwrap().contains("answered 500"));
    for status in ["404 Not Found", "410 Gone", "400 Bad", "302 Found"] {
        let reply = answer(status, "location: http://127.0.0.1:1/\r\ncontent-length: 0\r\n", b"");
        let (downloaded, server) = fetch(3, vec![Reply::Says(reply)]).await;
        assert_eq!((failed(&downloaded), server.asked.lock().unwrap().len()), (INVALID_URI, 1), "{status}");
    }
}

#[tokio::test]
async fn addresses_that_nobody_named_and_servers_that_are_not_there_have_their_codes() {
    let server = Server::start(Vec::new(), None).await;
    for uri in ["", "x", "ftp://127.0.0.1/x", "http://203.0.113.1/x", "https://127.0.0.1/x", "file:///etc/passwd"] {
        let inputs = inputs(config(3), &server.url, None, uri, None).await;
        assert_eq!(failed(&last(inputs)), INVALID_URI, "{uri}");
    }
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}/image");
    assert_eq!(failed(&last(inputs(config(2), &gone, None, &gone, None).await)), CONNECTION_LOST);
    let nonsense = fetch(1, vec![Reply::Says(b"220 smtp\r\n\r\n".to_vec())]).await.0;
    assert_eq!(failed(&nonsense), CONNECTION_LOST);
}

#[tokio::test]
async fn over_tls_the_servers_certificate_counts() {
    let (tls, authority) = server_for("127.0.0.1");
    let server = Server::start(vec![Reply::Says(whole(SIZE as usize))], Some(tls)).await;
    let there = inputs(config(1), &server.url, Some(&authority), &server.url, Some(&image().1)).await;
    assert_eq!(last(there).result, Ok(()));
    let (tls, _) = server_for("127.0.0.1");
    let stranger = Server::start(vec![Reply::Says(Vec::new())], Some(tls)).await;
    let there = inputs(config(1), &stranger.url, Some(&authority), &stranger.url, None).await;
    assert_eq!(failed(&last(there)), CONNECTION_LOST);
}

#[tokio::test]
async fn a_download_ends_at_its_limit_though_the_server_never_stalls_for_long() {
    let server = Server::start(vec![Reply::Stalls(whole(60_000))], None).await;
    let limit = Some(Duration::from_millis(50));
    let config = DownloadConfig { limit, stall_timeout: 10 * LIMIT, ..config(1) };
    let downloaded = last(inputs(config, &server.url, None, &server.url, None).await);
    assert_eq!(failed(&downloaded), CONNECTION_LOST);
    assert!(downloaded.trouble.unwrap().contains("firmware.image.limit"));
}

#[tokio::test]
async fn progress_is_told_step_by_step_and_never_goes_back() {
    // The second answer starts anew.
    let replies = vec![Reply::Says(whole(60_000)), Reply::Says(whole(SIZE as usize))];
    let server = Server::start(replies, None).await;
    let config = DownloadConfig { progress: Some(25), ..config(2) };
    let inputs = inputs(config, &server.url, None, &server.url, None).await;
    let told: Vec<u8> = inputs
        .iter()
        .filter_map(|input| match input {
            Input::DownloadProgress(percent) => Some(*percent),
            _ => None,
        })
        .collect();
    assert!(told.is_sorted_by(|a, b| a < b) && told.iter().all(|percent| percent % 25 == 0), "{told:?}");
    assert_eq!((told.last(), last(inputs).result), (Some(&100), Ok(())));
}

#[tokio::test]
async fn a_bandwidth_holds_for_the_device_and_for_the_fleet() {
    for (own, fleet) in [(Some(500_000), None), (None, Some(500_000))] {
        let server = Server::start(vec![Reply::Says(whole(SIZE as usize))], None).await;
        let config = DownloadConfig { bandwidth: own, fleet_bandwidth: fleet, ..config(1) };
        let downloaded = last(inputs(config, &server.url, None, &server.url, Some(&image().1)).await);
        // Less than that would be too fast; how much more depends on the machine.
        assert!(downloaded.result.is_ok() && downloaded.took >= Duration::from_millis(175), "{downloaded:?}");
    }
}
