//! Brokers that do not let everybody in: who is refused is told why and what helps, and no secret is told to anybody.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{Ended, QuickRun, Running, census};
use crate::support::quick::{command, prompt, quickstart};
use crate::support::{Certificates, Mosquitto, Setup};

const HUB_PASSWORD: &str = "TWINSTORM_HUB_PASSWORD";
const DRIVER_PASSWORD: &str = "TWINSTORM_DRIVER_PASSWORD";

/// A broker for users that are named, and nobody else.
fn guarded() -> Mosquitto {
    prompt().user("devices", "of-the-devices").user("operator", "of-the-operator").start()
}

/// A run over it with these passwords, to its end.
fn run_with(quick: &QuickRun, broker: &Mosquitto, changes: &[&str], passwords: &[(&str, &str)]) -> Ended {
    let mut command = command(quick, &quickstart(&broker.url(), "20"), changes);
    command.envs(passwords.iter().copied());
    Running::start(command).wait()
}

/// Neither what was said nor a file of the results holds one of `secrets`.
#[track_caller]
fn assert_untold(quick: &QuickRun, ended: &Ended, secrets: &[&str]) {
    let said = [ended.stdout.clone(), ended.stderr.clone()];
    let mut files = Vec::new();
    collect(&quick.out(), &mut files);
    for text in said.iter().chain(&files) {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is told:\n{text}");
        }
    }
}

fn collect(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => collect(&path, texts),
            false => texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()),
        }
    }
}

#[test]
fn who_knows_the_passwords_is_let_in_and_they_are_told_to_nobody() {
    let broker = guarded();
    let quick = QuickRun::new();
    let users = ["hub.username=devices", "hub.driver={username=\"operator\"}"];
    let passwords = [(HUB_PASSWORD, "of-the-devices"), (DRIVER_PASSWORD, "of-the-operator")];
    let ended = run_with(&quick, &broker, &users, &passwords).expect(0);
    assert_eq!(census(&quick.results(), "completed"), 20);
    assert_untold(&quick, &ended, &["of-the-devices", "of-the-operator"]);
    for user in ["u'devices'", "u'operator'"] {
        assert!(broker.log().contains(user), "{}", broker.log());
    }
    // One user for both.
    let quick = QuickRun::new();
    let one = run_with(&quick, &broker, &["hub.username=operator"], &[(HUB_PASSWORD, "of-the-operator")]).expect(0);
    assert_untold(&quick, &one, &["of-the-operator"]);
}

#[test]
fn a_driver_that_is_refused_is_told_what_to_check() {
    let broker = guarded();
    let named = ["hub.username=devices", "hub.driver={username=\"operator\"}"];
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
    let cases: [Case<'_>; 3] = [
        (&[], &[]),
        (&["hub.username=devices"], &[]),
        (&named, &[(HUB_PASSWORD, "of-the-devices"), (DRIVER_PASSWORD, "a-wrong-guess")]),
    ];
    for (changes, passwords) in cases {
        let quick = QuickRun::new();
        let ended = run_with(&quick, &broker, changes, passwords).expect(1);
        for word in ["not authorized", HUB_PASSWORD, DRIVER_PASSWORD] {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
        assert_untold(&quick, &ended, &["of-the-devices", "a-wrong-guess"]);
    }
}

#[test]
fn devices_that_are_all_refused_end_the_run_with_the_reason() {
    let broker = guarded();
    let quick = QuickRun::new();
    let users = ["hub.username=devices", "hub.driver={username=\"operator\"}"];
    let passwords = [(HUB_PASSWORD, "a-wrong-guess"), (DRIVER_PASSWORD, "of-the-operator")];
    let ended = run_with(&quick, &broker, &users, &passwords).expect(1);
    assert!(ended.stderr.contains("not authorized"), "{}", ended.stderr);
    assert!(ended.stderr.contains("none of 20 devices"), "{}", ended.stderr);
    assert_untold(&quick, &ended, &["a-wrong-guess", "of-the-operator"]);
}

/// `quickstart` over TLS.
fn over_tls(quick: &QuickRun, broker: &Mosquitto, tls: &str) -> Command {
    command(quick, &quickstart(&broker.url(), "20"), &[tls])
}

#[test]
fn who_shows_a_certificate_of_the_brokers_ca_is_let_in_and_nobody_else() {
    let certificates = Certificates::new("fleet");
    let strangers = Certificates::new("fleet");
    let broker = prompt().tls(&certificates, true).start();
    let with = |ca: &Certificates, client: Option<&Certificates>| {
        let [certificate, key] = client.unwrap_or(ca).client();
        let client = client.map_or_else(String::new, |_| {
            format!(", certificate=\"{}\", private_key=\"{}\"", certificate.display(), key.display())
        });
        format!("hub.tls={{ca=\"{}\"{client}}}", ca.ca().display())
    };
    let quick = QuickRun::new();
    let ended = Running::start(over_tls(&quick, &broker, &with(&certificates, Some(&certificates)))).wait().expect(0);
    assert_eq!(census(&quick.results(), "completed"), 20);
    let key = fs::read_to_string(&certificates.client()[1]).unwrap();
    assert_untold(&quick, &ended, &[key.lines().nth(1).unwrap()]);
    for (tls, says, way_out) in [
        (with(&certificates, None), "certificaterequired", "hub.tls.certificate and hub.tls.private_key"),
        // As the broker's TLS library has it.
        (with(&certificates, Some(&strangers)), "unknownca", "hub.tls.certificate and hub.tls.private_key"),
        (with(&strangers, Some(&certificates)), "certificate is not trusted", "hub.tls.ca"),
    ] {
        let quick = QuickRun::new();
        let ended = Running::start(over_tls(&quick, &broker, &tls)).wait().expect(1);
        assert!(ended.stderr.to_lowercase().contains(says), "{tls}: {}", ended.stderr);
        assert!(ended.stderr.contains(way_out), "{tls}: {}", ended.stderr);
    }
}

#[test]
fn a_driver_that_may_not_read_has_nothing_to_show() {
    // Everybody may write everything, the operator reads nothing.
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("acl");
    fs::write(&rules, "user devices\ntopic readwrite #\nuser operator\ntopic write #\n").unwrap();
    let users = Setup::default().user("devices", "of-the-devices").user("operator", "of-the-operator");
    let broker = users.line("set_tcp_nodelay true").line(&format!("acl_file {}", rules.display())).start();
    let quick = QuickRun::new();
    let users = ["hub.username=devices", "hub.driver={username=\"operator\"}", "load.response_timeout=5s"];
    let passwords = [(HUB_PASSWORD, "of-the-devices"), (DRIVER_PASSWORD, "of-the-operator")];
    let ended = run_with(&quick, &broker, &users, &passwords);
    // Mosquitto grants such a subscription, and delivers nothing: nobody was ever heard to be there.
    assert_eq!((ended.code, census(&quick.results(), "not_online")), (Some(96), 20), "{}", ended.stdout);
    assert!(ended.stdout.contains("heard nothing at all"), "{}", ended.stdout);
}
