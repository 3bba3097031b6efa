//! Devices that prove themselves by certificates.

use std::fs;
use std::future::poll_fn;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use twinstorm::mqtt::{self, ClientIdentity, ClientTls, Connect, Connection, Scratch};

use super::*;

/// A CA of devices.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a certificate for `name` says that is valid until the end of the year `until`.
fn params(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(until, 12, 31);
    params
}

fn identity(certificate: &Certificate, key: &KeyPair) -> ClientIdentity {
    ClientIdentity::from_pem(&certificate.pem(), &key.serialize_pem()).unwrap()
}

impl Authority {
    fn new() -> Self {
        let mut params = params("CA of devices", 4000);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn certify(&self, name: &str, until: i32) -> ClientIdentity {
        let key = KeyPair::generate().unwrap();
        identity(&params(name, until).signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

impl Bench {
    /// What `id` is answered that shows `certificate`, with this password.
    async fn shows(&self, id: &str, certificate: Option<&ClientIdentity>, password: &str) -> mqtt::ConnectReturnCode {
        let tls = ClientTls::new("localhost", self.hub.authority().unwrap(), false).unwrap();
        let tls = certificate.map_or(tls.clone(), |certificate| tls.presenting(certificate));
        let stream = TcpStream::connect(self.hub.mqtts_addr().unwrap()).await.unwrap();
        let mut connection = Connection::client(stream, &tls, false).unwrap();
        let (mut scratch, mut packets) = (Scratch::default(), Vec::new());
        let mut connect = Connect::new(id);
        connect.set_login(format!("{}/{id}/?api-version=2021-04-12", self.identity.host), password);
        let answer = async {
            poll_fn(|cx| connection.poll_handshake(cx, &mut scratch)).await.unwrap();
            connection.send(&mut scratch, &[mqtt::Packet::Connect(connect)]).unwrap();
            while packets.is_empty() {
                poll_fn(|cx| connection.poll_flush(cx)).await.unwrap();
                let received = poll_fn(|cx| connection.poll_receive(cx, &mut scratch, &mut packets)).await;
                // A refusal and the end may come together.
                assert!(received.is_ok() || !packets.is_empty(), "{received:?}");
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap();
        match packets.first() {
            Some(mqtt::Packet::ConnAck(ack)) => ack.code,
            other => panic!("no CONNACK: {other:?}"),
        }
    }

    async fn enter(&self, id: &str, authentication: Value) {
        let created =
            self.plain("PUT", &format!("/devices/{id}"), &[], json!({"authentication": authentication})).await;
        assert_eq!(created.status, 200, "{}", String::from_utf8_lossy(&created.body));
    }
}

#[tokio::test]
async fn a_certificate_opens_the_device_that_it_belongs_to() {
    use mqtt::ConnectReturnCode::{NotAuthorized, Success};
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.pem");
    fs::write(&path, &authority.pem).unwrap();
    let mqtts = Some("127.0.0.1:0".parse().unwrap());
    let bench = Bench::with(HubConfig { workers: 2, mqtts, client_ca: Some(path), ..HubConfig::default() });

    bench.enter("dev-1", json!({"type": "certificateAuthority"})).await;
    let own = authority.certify("dev-1", 4000);
    assert_eq!(bench.shows("dev-1", Some(&own), "").await, Success);
    for (certificate, why) in [
        (authority.certify("dev-2", 4000), "another's name"),
        (authority.certify("Dev-1", 4000), "not exactly its name"),
        (authority.certify("dev-1", 2001), "expired"),
        (other.certify("dev-1", 4000), "signed by a stranger"),
    ] {
        assert_eq!(bench.shows("dev-1", Some(&certificate), "").await, NotAuthorized, "{why}");
    }
    assert_eq!(bench.shows("dev-1", None, "").await, NotAuthorized);
    let token = bench.token("/devices/dev-1", None, &bench.identity.fleet_key.derive("dev-1"));
    assert_eq!(bench.shows("dev-1", Some(&own), &token).await, NotAuthorized, "a token is no proof of it");

    let key = KeyPair::generate().unwrap();
    let certificate = params("whoever", 4000).self_signed(&key).unwrap();
    let thumbprint = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    let thumbprint: String = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bench.enter("dev-2", json!({"type": "selfSigned", "x509Thumbprint": {"secondaryThumbprint": thumbprint}})).await;
    assert_eq!(bench.shows("dev-2", Some(&identity(&certificate, &key)), "").await, Success);
    assert_eq!(bench.shows("dev-2", Some(&own), "").await, NotAuthorized);
    assert_eq!(bench.shows("stranger", Some(&own), "").await, NotAuthorized);
}

#[test]
fn cas_of_devices_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.pem");
    for (text, words) in [(None, "cannot read the CAs of devices"), (Some("nothing"), "no certificate")] {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let config = HubConfig { client_ca: Some(path.clone()), ..HubConfig::default() };
        let error = Hub::start(config, HubIdentity::generate("h").unwrap()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("devices.pem"), "{error}");
    }
}
