//! A hub that is not the run's own: over HTTPS and TLS, named by a connection string as a cloud's is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::support::{Ended, HubProcess, QuickRun, Running, census, twinstorm};

const TLS: [&str; 4] = ["--mqtts", "127.0.0.1:0", "--https", "127.0.0.1:0"];
const HUB_CA: &str = "TWINSTORM_HUB_CA";

/// A hub that speaks TLS, whose REST endpoint is known by its connection string alone.
fn hub() -> HubProcess {
    let mut hub = HubProcess::start(&TLS);
    hub.environment.retain(|(name, _)| name != "TWINSTORM_HUB_REST");
    hub
}

fn variable(hub: &HubProcess, name: &str) -> String {
    hub.environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap()
}

#[test]
fn a_run_reaches_it_over_https_and_tls() {
    let hub = hub();
    let quick = QuickRun::new();
    let words = ["run", "quickstart", "--hub", "azure", "--devices", "60", "--rate", "100"];
    Running::start(hub.reach(quick.command(&words, &[]))).wait().expect(0);
    let results = quick.results();
    assert_eq!((census(&results, "planned"), census(&results, "completed")), (60, 60));
    assert_eq!(results["plan"]["fleet"]["transport"], "tls", "the environment decided");
}

#[test]
fn a_hub_whose_certificate_nobody_vouches_for_is_refused_by_name() {
    let (hub, other) = (hub(), hub());
    let host = variable(&hub, "IOTHUB_CONNECTION_STRING").split(['=', ';']).nth(1).unwrap().to_owned();
    // Another's CA, and whom this system trusts.
    let untrusted = [Some(variable(&other, HUB_CA)), None];
    let commands = [&["run", "quickstart", "--hub", "azure", "--devices", "2"][..], &["drive", "quickstart"]];
    for (authority, words) in
        untrusted.into_iter().flat_map(|authority| commands.map(|words| (authority.clone(), words)))
    {
        let quick = QuickRun::new();
        let mut command = hub.reach(quick.command(words, &[]));
        command.env_remove(HUB_CA).envs(authority.map(|authority| (HUB_CA, authority)));
        let ended = Running::start(command).wait().expect(1);
        let says = "certificate is not trusted: TWINSTORM_HUB_CA must hold";
        assert!(ended.stderr.contains(says) && ended.stderr.contains(&host), "{}", ended.stderr);
    }
}

/// Runs `twinstorm <words>` against `hub`, to its end.
fn tell(hub: &HubProcess, words: &[&str]) -> Ended {
    Running::start(hub.reach(twinstorm(words))).wait()
}

/// The run of `quickstart` with the devices of `file`.
fn run_of(hub: &HubProcess, quick: &QuickRun, file: &str, devices: &str) -> Command {
    let file = format!("fleet.devices_file={file}");
    let words = ["run", "quickstart", "--hub", "azure", "--devices", devices, "--rate", "100", "--set", &file];
    let mut command = hub.reach(quick.command(&words, &[]));
    // Nothing derives from it.
    command.env_remove("TWINSTORM_FLEET_KEY");
    command
}

#[test]
fn devices_are_provisioned_driven_and_cleaned_up_and_nobody_elses_are_touched() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.csv");
    let keys = keys.to_str().unwrap();
    let with = |verb: &'static str, devices: &'static str, more: &[&'static str]| {
        let words = [&[verb, "quickstart", "--devices", devices, "--keys", keys][..], more].concat();
        tell(&hub, &words).expect(0).stdout
    };
    assert!(with("provision", "150", &["--dry-run"]).contains("150 devices would be created"));
    assert!(with("provision", "100", &[]).contains("100 devices created on 127.0.0.1:"));
    assert_eq!(fs::metadata(keys).unwrap().permissions().mode() & 0o777, 0o600);
    // It goes on from there.
    assert!(with("provision", "150", &[]).contains("50 devices created"));
    assert!(with("provision", "150", &[]).contains("0 devices created"));
    // Those of somebody else, with ids in between, and with keys that derive.
    let others = ["provision", "quickstart", "--devices", "30", "--set", "fleet.id_prefix=sim-000001"];
    tell(&hub, &others).expect(0);

    let quick = QuickRun::new();
    Running::start(run_of(&hub, &quick, keys, "150")).wait().expect(0);
    assert_eq!(census(&quick.results(), "completed"), 150);
    let results = quick.file("results.json");
    let secrets = fs::read_to_string(keys).unwrap();
    for key in secrets.lines().skip(1).filter_map(|line| line.split(',').nth(1)) {
        assert!(!results.contains(key), "a plan and a result hold no key");
    }

    assert!(with("cleanup", "1", &[]).contains("1 devices deleted"));
    let rest = ["cleanup", "quickstart", "--keys", keys];
    let clean = |more: &[&'static str]| tell(&hub, &[&rest[..], more].concat()).expect(0).stdout;
    assert!(clean(&["--dry-run"]).contains("149 devices would be deleted"));
    assert!(clean(&[]).contains("149 devices deleted"));
    assert!(clean(&[]).contains("0 devices deleted"));
    let left = tell(&hub, &["cleanup", "quickstart", "--set", "fleet.id_prefix=sim-000001"]).expect(0);
    assert!(left.stdout.contains("30 devices deleted"), "{}", left.stdout);
}

#[test]
fn a_file_of_devices_serves_several_shards() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.csv");
    let keys = keys.to_str().unwrap();
    tell(&hub, &["provision", "quickstart", "--devices", "40", "--keys", keys]).expect(0);
    let quick = QuickRun::new();
    let mut command = run_of(&hub, &quick, keys, "40");
    command.args(["--set", "fleet.shards=2"]);
    Running::start(command).wait().expect(0);
    assert_eq!(census(&quick.results(), "completed"), 40);
}

#[test]
fn devices_with_other_keys_are_named_and_left_alone() {
    let hub = hub();
    tell(&hub, &["provision", "quickstart", "--devices", "3"]).expect(0);
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.csv");
    let keys = keys.to_str().unwrap();
    let ended = tell(&hub, &["provision", "quickstart", "--devices", "5", "--keys", keys]).expect(1);
    assert!(ended.stdout.contains("2 devices created"), "{}", ended.stdout);
    assert!(ended.stdout.contains("3 are there with other keys") && ended.stdout.contains("sim-0000000, "));
    assert!(tell(&hub, &["cleanup", "quickstart", "--keys", keys]).expect(0).stdout.contains("2 devices deleted"));
    assert!(tell(&hub, &["cleanup", "quickstart"]).expect(0).stdout.contains("3 devices deleted"));
}

#[test]
fn provisioning_stops_when_told_and_goes_on_from_there() {
    let hub = hub();
    let words = ["provision", "quickstart", "--devices", "1000", "--rate", "50/s"];
    let running = Running::start(hub.reach(twinstorm(&words)));
    running.until_it_says("00/1000 devices");
    running.signal(Signal::SIGINT);
    let ended = running.wait().expect(97);
    assert!(ended.stdout.contains("goes on from there"), "{}", ended.stdout);
    let ended = tell(&hub, &words[..4]).expect(0);
    assert!(ended.stdout.contains("were there already") && !ended.stdout.contains(", 0 were"), "{}", ended.stdout);
    assert!(tell(&hub, &["cleanup", "quickstart"]).expect(0).stdout.contains("1000 devices deleted"));
}

#[test]
fn a_wrong_key_is_refused_and_not_shown() {
    let hub = hub();
    let wrong = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=";
    let service = variable(&hub, "IOTHUB_CONNECTION_STRING");
    let service = format!("{}SharedAccessKey={wrong}", service.split("SharedAccessKey=").next().unwrap());
    for words in
        [&["provision", "quickstart"][..], &["cleanup", "quickstart"], &["run", "quickstart", "--hub", "azure"]]
    {
        let mut command = hub.reach(twinstorm(words));
        command.env("IOTHUB_CONNECTION_STRING", &service).current_dir(std::env::temp_dir());
        let ended = Running::start(command).wait().expect(1);
        assert!(
            ended.stderr.contains("refuses the service's key") && !ended.stderr.contains(wrong),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_devices_file_that_is_wrong_is_told_with_its_line() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    fs::write(&file, "id,key\na,c2VjcmV0\n").unwrap();
    let quick = QuickRun::new();
    let ended = Running::start(run_of(&hub, &quick, file.to_str().unwrap(), "1")).wait().expect(2);
    assert!(ended.stderr.contains("devices.csv:2: column `key`") && !ended.stderr.contains("c2VjcmV0"));
    let sets = format!("fleet.devices_file={}", file.display());
    let ended = Running::start(quick.command(&["run", "quickstart", "--set", &sets], &[])).wait().expect(2);
    assert!(ended.stderr.contains("--hub azure"), "{}", ended.stderr);
}

/// A folder with a certificate and a key for each of so many devices, signed by `issuer` or by themselves, and the file
/// that names them.
fn certificates(devices: u32, issuer: Option<&Issuer<'_, KeyPair>>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = "id,certificate,private_key\n".to_owned();
    for device in 0..devices {
        let id = format!("pump#{device}");
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, &id);
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(issuer) => parameters.signed_by(&key, issuer),
            None => parameters.self_signed(&key),
        };
        fs::write(folder.path().join(format!("{device}.pem")), certificate.unwrap().pem()).unwrap();
        fs::write(folder.path().join(format!("{device}.key")), key.serialize_pem()).unwrap();
        lines.push_str(&format!("{id},{device}.pem,{device}.key\n"));
    }
    fs::write(folder.path().join("devices.csv"), lines).unwrap();
    folder
}

/// Provisions, drives and cleans up the devices of `folder`, which show certificates.
fn show_certificates(hub: &HubProcess, folder: &TempDir, devices: &'static str, more: &[&str]) {
    let file = format!("fleet.devices_file={}", folder.path().join("devices.csv").display());
    let these = ["quickstart", "--devices", devices, "--set", "fleet.auth=x509", "--set", &file];
    let provisioned = tell(hub, &[&["provision"][..], &these, more].concat()).expect(0).stdout;
    assert!(provisioned.contains(&format!("{devices} devices created")), "{provisioned}");
    let quick = QuickRun::new();
    let run = quick.command(&[&["run"][..], &these, &["--hub", "azure", "--rate", "100"]].concat(), &[]);
    Running::start(hub.reach(run)).wait().expect(0);
    assert_eq!(census(&quick.results(), "completed").to_string(), devices);
    let cleaned = tell(hub, &[&["cleanup"][..], &these].concat()).expect(0).stdout;
    assert!(cleaned.contains(&format!("{devices} devices deleted")), "{cleaned}");
}

#[test]
fn devices_show_certificates_that_are_known_by_their_thumbprints() {
    let hub = hub();
    let folder = certificates(12, None);
    show_certificates(&hub, &folder, "12", &[]);
    // A key that belongs to another certificate is told before anything connects.
    fs::copy(folder.path().join("1.key"), folder.path().join("0.key")).unwrap();
    let file = format!("fleet.devices_file={}", folder.path().join("devices.csv").display());
    let quick = QuickRun::new();
    let words = ["run", "quickstart", "--hub", "azure", "--devices", "12", "--set", &file, "--set", "fleet.auth=x509"];
    let ended = Running::start(hub.reach(quick.command(&words, &[]))).wait().expect(1);
    assert!(ended.stderr.contains("0.pem and ") && ended.stderr.contains("0.key: "), "{}", ended.stderr);
}

#[test]
fn devices_show_certificates_that_are_known_by_their_ca() {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "a CA of devices");
    let key = KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&key).unwrap();
    let folder = certificates(12, Some(&Issuer::new(parameters, key)));
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();
    let mut hub = HubProcess::start(&[&TLS[..], &["--client-ca", file.to_str().unwrap()]].concat());
    hub.environment.retain(|(name, _)| name != "TWINSTORM_HUB_REST");
    show_certificates(&hub, &folder, "12", &["--ca-signed"]);
}
