use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::config::{provider, roots};
use super::*;
use crate::mqtt::{Connect, Connection, ConnectionError, Packet, QoS, Scratch, connect_from, publish};

/// A server's side for `host`, and the certificate that its clients have to trust, in PEM.
pub(crate) fn server_for(host: &str) -> (ServerTls, String) {
    let (chain, key, authority) = certificate_for(host);
    (ServerTls::new(chain, key).unwrap(), authority)
}

fn certificate_for(host: &str) -> (Vec<Vec<u8>>, Vec<u8>, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    (vec![certificate.der().to_vec()], key.serialize_der(), certificate.pem())
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A client and a server that know one version of TLS alone.
fn sides_of(version: &'static SupportedProtocolVersion, resumption: bool) -> (ClientTls, ServerTls) {
    let (chain, key, authority) = certificate_for("hub.test");
    let client = ClientTls::speaking(&[version], roots(&authority).unwrap(), "hub.test", resumption).unwrap();
    (client, ServerTls::speaking(&[version], chain, key).unwrap())
}

fn sides(resumption: bool) -> (ClientTls, ServerTls) {
    let (server, authority) = server_for("hub.test");
    (ClientTls::new("hub.test", &authority, resumption).unwrap(), server)
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(connect_from(None, listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

async fn shake(connection: &mut Connection) -> Result<(), ConnectionError> {
    let mut scratch = Scratch::default();
    poll_fn(|cx| connection.poll_handshake(cx, &mut scratch)).await
}

/// A device's and a hub's end after the handshake.
async fn pair(client: &ClientTls, server: &ServerTls, again: bool) -> (Connection, Connection) {
    let (near, far) = sockets().await;
    let mut near = Connection::client(near, client, again).unwrap();
    let mut far = Connection::server(far, server).unwrap();
    let hub = async {
        shake(&mut far).await.unwrap();
        poll_fn(|cx| far.poll_connect(cx, &mut Scratch::default())).await.unwrap();
        far.send(&mut Scratch::default(), &[Packet::PingResp]).unwrap();
        poll_fn(|cx| far.poll_flush(cx)).await.unwrap();
    };
    let device = async {
        shake(&mut near).await.unwrap();
        near.send(&mut Scratch::default(), &[Packet::Connect(Connect::new("d"))]).unwrap();
        poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
        assert_eq!(receive(&mut near, 1).await.unwrap(), [Packet::PingResp]);
    };
    tokio::join!(hub, device);
    (near, far)
}

async fn receive(connection: &mut Connection, count: usize) -> Result<Vec<Packet>, ConnectionError> {
    let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
    while packets.len() < count {
        poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await?;
    }
    Ok(packets)
}

fn message(size: usize) -> Packet {
    publish("a/b".to_owned(), QoS::AtLeastOnce, 7, Bytes::from(vec![b'x'; size]))
}

/// Both engines, with all that they have to say to each other said.
fn engines(client: &ClientTls, server: &ServerTls) -> (Engine, Engine) {
    let (mut near, mut far) = (Engine::client(client, false).unwrap(), Engine::server(server).unwrap());
    let (mut there, mut back, mut plain) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
    near.open(&mut [], &mut plain, &mut there).unwrap();
    while !there.is_empty() {
        far.open(&mut there.split(), &mut plain, &mut back).unwrap();
        near.open(&mut back.split(), &mut plain, &mut there).unwrap();
    }
    assert!(!near.is_handshaking() && !far.is_handshaking() && plain.is_empty());
    (near, far)
}

#[test]
fn records_arrive_whole_however_the_bytes_are_cut() {
    let (client, server) = sides(false);
    let (mut near, mut far) = engines(&client, &server);
    let (mut plain, mut nothing) = (BytesMut::new(), BytesMut::new());
    let texts = [vec![b'a'; 10], vec![b'b'; 40_000], vec![b'c'; 1]];
    for cut in [1, 5, 17, 600] {
        let mut sealed = BytesMut::new();
        texts.iter().for_each(|text| near.seal(text, &mut sealed).unwrap());
        for part in sealed.chunks_mut(cut) {
            assert!(far.open(part, &mut plain, &mut nothing).unwrap());
        }
        assert_eq!(plain.split()[..], texts.concat());
        assert!(far.partial.is_empty() && far.partial.capacity() == 0, "idle: no buffer");
    }
    assert!(nothing.is_empty());
}

#[test]
fn the_handshake_goes_through_byte_by_byte() {
    let (client, server) = sides(false);
    let (mut near, mut far) = (Engine::client(&client, false).unwrap(), Engine::server(&server).unwrap());
    let (mut there, mut back, mut plain) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
    near.open(&mut [], &mut plain, &mut there).unwrap();
    while !there.is_empty() {
        there.split().chunks_mut(1).for_each(|byte| assert!(far.open(byte, &mut plain, &mut back).unwrap()));
        back.split().chunks_mut(1).for_each(|byte| assert!(near.open(byte, &mut plain, &mut there).unwrap()));
    }
    assert!(!near.is_handshaking() && !far.is_handshaking());
    assert!(near.partial.capacity() == 0 && far.partial.capacity() == 0, "idle: no buffer");
}

#[test]
fn what_is_sent_together_is_one_record() {
    let (client, server) = sides(false);
    let (mut near, _far) = engines(&client, &server);
    let mut sealed = BytesMut::new();
    near.seal(&[b'x'; 1000], &mut sealed).unwrap();
    let length = usize::from(u16::from_be_bytes([sealed[3], sealed[4]]));
    assert_eq!((sealed[0], sealed.len()), (0x17, 5 + length));
    assert!(sealed.len() < 1000 + 30, "{}", sealed.len());
}

#[tokio::test]
async fn packets_go_both_ways_and_nothing_is_kept() {
    let (client, server) = sides(false);
    let (mut near, mut far) = pair(&client, &server, false).await;
    let packets = [message(3), message(100_000), Packet::PingReq];
    let mut scratch = Scratch::default();
    near.send(&mut scratch, &packets).unwrap();
    let (_, received) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), receive(&mut far, 3));
    assert_eq!(received.unwrap(), packets);
    assert!(!near.has_unsent() && !far.has_unsent());
}

#[tokio::test]
async fn what_the_socket_does_not_take_goes_out_later_and_in_order() {
    let (client, server) = sides(false);
    let (mut near, mut far) = pair(&client, &server, false).await;
    let packets: Vec<Packet> = (0..30).map(|n| message(200_000 + n)).collect();
    let (mut scratch, mut sent) = (Scratch::default(), 0);
    while !near.has_unsent() {
        near.send(&mut scratch, &packets[sent..=sent]).unwrap();
        sent += 1;
    }
    near.send(&mut scratch, &[message(1)]).unwrap();
    let (flushed, received) = tokio::join!(poll_fn(|cx| near.poll_flush(cx)), receive(&mut far, sent + 1));
    flushed.unwrap();
    let received = received.unwrap();
    assert!(received[..sent] == packets[..sent] && received[sent] == message(1));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off() {
    let (client, server) = sides(false);
    let (mut near, _far) = pair(&client, &server, false).await;
    let packets: Vec<Packet> = (0..200).map(|_| message(200_000)).collect();
    let error = near.send(&mut Scratch::default(), &packets).unwrap_err();
    assert!(matches!(error, ConnectionError::SlowReader), "{error}");
}

#[tokio::test]
async fn a_peer_may_close_with_or_without_a_goodbye() {
    let (client, server) = sides(false);
    for goodbye in [true, false] {
        let (mut near, mut far) = pair(&client, &server, false).await;
        let mut scratch = Scratch::default();
        if goodbye {
            near.send_last(&mut scratch, &[Packet::Disconnect]).unwrap();
        } else {
            near.send(&mut scratch, &[Packet::Disconnect]).unwrap();
            drop(near);
        }
        let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
        let error = loop {
            if let Err(error) = poll_fn(|cx| far.poll_receive(cx, &mut scratch, &mut packets)).await {
                break error;
            }
        };
        assert!(matches!(error, ConnectionError::Closed), "{error}");
        assert_eq!(packets, [Packet::Disconnect], "what came before it is there");
    }
}

#[tokio::test]
async fn a_device_that_comes_back_resumes_its_session_if_that_is_wanted() {
    for wanted in [true, false] {
        let (client, server) = sides(wanted);
        for (again, resumed) in [(false, false), (false, false), (true, wanted), (true, wanted)] {
            let (near, far) = pair(&client, &server, again).await;
            assert_eq!((near.is_resumed(), far.is_resumed()), (resumed, resumed), "wanted {wanted}, again {again}");
        }
    }
}

#[tokio::test]
async fn a_connection_can_move_to_another_runtime() {
    let (client, server) = sides(false);
    let (near, mut far) = pair(&client, &server, false).await;
    let mut near = Connection::attach(near.detach().unwrap()).unwrap();
    near.send(&mut Scratch::default(), &[message(9)]).unwrap();
    poll_fn(|cx| near.poll_flush(cx)).await.unwrap();
    assert_eq!(receive(&mut far, 1).await.unwrap(), [message(9)]);
}

/// Why the handshake of a client that trusts `authority` and wants `host` fails with `server`.
async fn refusal(host: &str, authority: &str, server: &ServerTls) -> (String, String) {
    let client = ClientTls::new(host, authority, false).unwrap();
    let (near, far) = sockets().await;
    let mut near = Connection::client(near, &client, false).unwrap();
    let mut far = Connection::server(far, server).unwrap();
    let (near, far) = tokio::join!(shake(&mut near), shake(&mut far));
    (near.unwrap_err().to_string(), far.unwrap_err().to_string())
}

#[tokio::test]
async fn a_certificate_of_somebody_elses_is_refused_in_words() {
    let (server, authority) = server_for("hub.test");
    let (_, stranger) = server_for("hub.test");
    let (near, far) = refusal("hub.test", &stranger, &server).await;
    assert!(near.contains("not trusted") && near.contains("TWINSTORM_HUB_CA"), "{near}");
    assert!(far.contains("does not trust") && far.contains("alert"), "the hub learns why: {far}");
    let (near, _) = refusal("other.test", &authority, &server).await;
    assert!(near.contains("wrong host") && near.contains("hub.test") && near.contains("other.test"), "{near}");
}

#[test]
fn who_is_refused_without_a_certificate_is_told_where_one_is_named() {
    for alert in [rustls::AlertDescription::CertificateRequired, rustls::AlertDescription::UnknownCA] {
        let why = TlsError::from(rustls::Error::AlertReceived(alert)).to_string();
        assert!(why.contains("hub.tls.certificate") && why.contains("fleet.devices_file"), "{why}");
    }
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_told() {
    let (client, server) = sides(false);
    for answer in [&b"\x20\x02\x00\x01"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        let (near, mut far) = sockets().await;
        let mut near = Connection::client(near, &client, false).unwrap();
        let plain = async {
            far.read_u8().await.unwrap();
            far.write_all(answer).await.unwrap();
            drop(far);
        };
        let (error, ()) = tokio::join!(shake(&mut near), plain);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("fleet.transport = \"tcp\""), "{error}");
    }
    let (mut near, far) = sockets().await;
    near.write_all(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab").await.unwrap();
    let error = shake(&mut Connection::server(far, &server).unwrap()).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Tls(TlsError::NotTls)), "{error}");
}

#[test]
fn what_cannot_be_a_ca_or_a_host_is_named() {
    let (_, authority) = server_for("hub.test");
    assert!(ClientTls::new("not a host", &authority, false).unwrap_err().to_string().contains("`not a host`"));
    for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = ClientTls::new("hub.test", text, false).unwrap_err().to_string();
        assert!(error.contains("CA is unusable"), "{error}");
    }
}

#[test]
fn nothing_of_keys_and_tickets_shows_in_a_debug_print() {
    let (client, server) = sides(true);
    let shown = format!("{client:?} {server:?} {:?}", engines(&client, &server));
    assert!(shown.len() < 300, "{shown}");
}

/// A CA, and the certificate and key of a device that it signs, in PEM.
fn identity_of(device: &str) -> (String, String, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, device);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    (ca_pem, certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_hub_sees_the_certificate_that_a_device_shows_and_who_signed_it() {
    let (ca, certificate, key) = identity_of("d1");
    let (stranger, ..) = identity_of("d1");
    let identity = ClientIdentity::from_pem(&certificate, &key).unwrap();
    let at = |date: &str| date.parse().unwrap();
    for version in VERSIONS {
        let (client, server) = sides_of(version, true);
        // Of two connections, the second would resume the first, if that were allowed.
        for again in [false, true] {
            let (near, far) = pair(&client.presenting(&identity), &server, again).await;
            assert!(!far.is_resumed() && near.client_certificate().is_none());
            let shown = far.client_certificate().unwrap();
            assert_eq!(shown.leaf(), &*CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap());
            let authorities = ClientAuthorities::new(&ca).unwrap();
            authorities.verify(&shown, at("2030-01-01T00:00:00Z")).unwrap();
            assert!(authorities.verify(&shown, at("2050-01-01T00:00:00Z")).is_err(), "expired");
            let error = ClientAuthorities::new(&stranger).unwrap().verify(&shown, at("2030-01-01T00:00:00Z"));
            assert!(error.unwrap_err().to_string().contains("refused"));
        }
        let (_, far) = pair(&client, &server, false).await;
        assert!(far.client_certificate().is_none(), "none is shown, and none is needed");
    }
}

#[tokio::test]
async fn a_ticket_brings_back_no_other_devices_certificate() {
    let (_, certificate, key) = identity_of("d1");
    let identity = ClientIdentity::from_pem(&certificate, &key).unwrap();
    let (client, server) = sides(true);
    pair(&client.presenting(&identity), &server, false).await;
    let (_, far) = pair(&client, &server, true).await;
    assert!(!far.is_resumed() && far.client_certificate().is_none());
}

#[tokio::test]
async fn whoever_shows_a_certificate_without_its_key_is_refused() {
    let (_, certificate, _) = identity_of("d1");
    let (_, _, other_key) = identity_of("d1");
    let error = ClientIdentity::from_pem(&certificate, &other_key).unwrap_err().to_string();
    assert!(error.contains("a device's certificate is unusable"), "{error}");
    // A thief would not check.
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = provider().key_provider.load_private_key(PrivateKeyDer::from_pem_slice(other_key.as_bytes()).unwrap());
    let thief = ClientIdentity(Arc::new(CertifiedKey::new(chain, key.unwrap())));
    for version in VERSIONS {
        let (client, server) = sides_of(version, false);
        let (near, far) = sockets().await;
        let mut near = Connection::client(near, &client.presenting(&thief), false).unwrap();
        let mut far = Connection::server(far, &server).unwrap();
        let device = async {
            // With TLS 1.3 the device learns of it only afterwards.
            let shaken = shake(&mut near).await;
            let _ = poll_fn(|cx| near.poll_flush(cx)).await;
            shaken
        };
        let (_, error) = tokio::join!(device, shake(&mut far));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("the client's certificate is unusable"), "{error}");
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    for version in VERSIONS {
        let (client, server) = sides_of(version, false);
        let (mut near, mut far) = pair(&client, &server, false).await;
        assert_eq!((near.tls_version(), far.tls_version()), (Some(version.version), Some(version.version)));
        let mut scratch = Scratch::default();
        far.send(&mut scratch, &[message(100_000)]).unwrap();
        let (_, received) = tokio::join!(poll_fn(|cx| far.poll_flush(cx)), receive(&mut near, 1));
        assert_eq!(received.unwrap(), [message(100_000)]);
        assert!(near.is_idle() && far.is_idle(), "idle: no buffer");
    }
}

#[tokio::test]
async fn a_client_that_knows_tls_1_2_alone_may_resume_too() {
    let (client, server) = sides_of(&TLS12, true);
    for (again, resumed) in [(false, false), (true, true), (true, true)] {
        let (near, far) = pair(&client, &server, again).await;
        assert_eq!((near.is_resumed(), far.is_resumed()), (resumed, resumed));
    }
}

#[test]
fn a_device_with_a_certificate_costs_little_more_than_one_without() {
    // What a connection keeps of its own: the rest is shared.
    let own = size_of::<ClientConfig>() + 64;
    assert!(own <= 512, "{own} bytes");
}
