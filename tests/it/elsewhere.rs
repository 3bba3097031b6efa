//! A hub that is not the run's own: over HTTPS and TLS, named by a connection string as a cloud's is.

use crate::support::{HubProcess, QuickRun, Running, census};

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
    for authority in [Some(variable(&other, HUB_CA)), None] {
        let quick = QuickRun::new();
        let mut command = hub.reach(quick.command(&["run", "quickstart", "--hub", "azure", "--devices", "2"], &[]));
        command.env_remove(HUB_CA).envs(authority.map(|authority| (HUB_CA, authority)));
        let ended = Running::start(command).wait().expect(1);
        let says = "certificate is not trusted: TWINSTORM_HUB_CA must hold";
        assert!(ended.stderr.contains(says) && ended.stderr.contains(&host), "{}", ended.stderr);
    }
}
