use crate::policy::Fault;
use crate::profile::parse;

#[test]
fn every_kind_of_fault_is_read_with_what_it_takes() {
    let kinds = [
        "kind = 'reject'\nstatus = 500",
        "kind = 'no_reply'",
        "kind = 'slow_reply'\ndelay = '2s'",
        "kind = 'offline'",
        "kind = 'fail'\nstage = 'apply'\ncode = 'no_space'",
        "kind = 'rollback'\ndelay = 'uniform 1s..2s'",
        "kind = 'stall'\nstage = 'reboot'",
        "kind = 'slow'\nstage = 'download'\nfactor = 3",
        "kind = 'slow'\nstage = 'download'\ndelay = '3s'",
        "kind = 'reboot'\naway = '2s'",
        "kind = 'boot_loop'\ntimes = 3",
        "kind = 'vanish'\nstage = 'wait'",
        "kind = 'false_success'",
        "kind = 'skip'\nstage = 'applying'",
        "kind = 'reorder'",
        "kind = 'duplicate'\nstage = 'completed'",
        "kind = 'malformed'\nstage = 'applying'\nform = 'wrong_type'",
        "kind = 'token_expiry'\nspread = '5s'\nat = '5s'",
        "kind = 'wrong_key'",
        "kind = 'duplicate_id'",
        "kind = 'half_open'",
        "kind = 'latency'\ndelay = 'exp 50ms'",
        "kind = 'bandwidth'\nrate = 1000",
        "kind = 'slow_reader'",
        "kind = 'reset'",
        "kind = 'hub_down'",
        "kind = 'hub_slow'\nmethods = '1s'",
        "kind = 'throttle'\nof = 'methods'\nrate = '40/s'",
    ];
    let text = kinds.map(|kind| match kind.starts_with("kind = 'hub") || kind.starts_with("kind = 'throttle") {
        true => format!("[[fault]]\n{kind}\n"),
        false => format!("[[fault]]\nselect = 'all'\n{kind}\n"),
    });
    let plan = parse("my.toml", &text.concat(), &[]).unwrap();
    let names: Vec<&str> = plan.faults.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!((names.len(), names[7], names[8]), (28, "slow", "slow-2"));
    // What goes into a result and to a shard comes back as it was.
    let json = serde_json::to_string(&plan.faults).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Fault>>(&json).unwrap(), plan.faults);
    for (fault, text) in plan.faults.iter().zip(kinds) {
        assert!(text.starts_with(&format!("kind = '{}'", fault.kind.name())), "{text}");
        assert_eq!(serde_json::to_value(&fault.kind).unwrap()["kind"], fault.kind.name());
    }
}

#[test]
fn what_only_a_hub_does_to_itself_is_refused_on_a_hub_that_is_not_ours() {
    for kind in
        ["kind = 'hub_down'", "kind = 'hub_slow'\nmethods = '1s'", "kind = 'throttle'\nof = 'methods'\nrate = 9"]
    {
        let text = format!("[hub]\nkind = 'azure'\n[[fault]]\n{kind}\n");
        let error = parse("my.toml", &text, &[]).unwrap_err().to_string();
        let name = kind.split('\'').nth(1).unwrap();
        assert!(error.contains("my.toml:4") && error.contains(name) && error.contains("embedded"), "{error}");
    }
}

#[test]
fn what_a_kind_does_not_take_is_refused() {
    for (text, says) in [
        ("kind = 'hub_down'\nselect = 'all'", "strikes all"),
        ("kind = 'hub_slow'", "needs at least one of `methods`"),
        ("kind = 'hub_slow'\nmethods = '0s'\ntwin_reads = '0s'", "longer than 0s"),
        ("kind = 'reset'\nselect = { count = 0 }", "must be from 1 to"),
        ("kind = 'token_expiry'\nselect = 'all'", "a `load.hold` that makes up"),
        ("kind = 'token_expiry'\nselect = 'all'\nat = '4s'", "a `load.hold` that makes up"),
        (
            "kind = 'token_expiry'\nselect = 'all'\nat = '9s'\nspread = '5s'\n[[fault]]\nkind = 'token_expiry'\n\
             select = 'all'\nat = '18s'",
            "`fault.1.at` is too close to `token_expiry`",
        ),
        ("kind = 'slow'\nselect = 'all'\nstage = 'verify'\nfactor = 2", "cannot be `verify`"),
        ("kind = 'slow'\nselect = 'all'\nstage = 'apply'\nfactor = 2\ndelay = '1s'", "means nothing beside `factor`"),
        ("kind = 'skip'\nselect = 'all'\nstage = 'completed'", "cannot be `completed`"),
        ("kind = 'reboot'\nselect = 'all'\naway = '2h'", "must not be longer than 1h"),
        ("kind = 'reset'\nselect = 'all'\nrate = 3", "means nothing for the kind `reset`"),
        ("kind = 'reset'\nselect = 'all'\nname = 'a b'", "letters, digits"),
        (
            "kind = 'reset'\nselect = 'all'\nname = 'x'\n[[fault]]\nkind = 'reset'\nselect = 'all'\nname = 'x'",
            "two faults",
        ),
    ] {
        let error = parse("my.toml", &format!("[[fault]]\n{text}\n"), &[]).unwrap_err().to_string();
        assert!(error.contains(says), "{text}\n{error}");
    }
}

#[test]
fn what_is_far_enough_from_one_another_goes() {
    for text in [
        "[[fault]]\nkind = 'reset'\nselect = { percent = 0 }",
        "[load]\nhold = '5s'\n[[fault]]\nkind = 'token_expiry'\nselect = 'all'",
        "[[fault]]\nkind = 'token_expiry'\nselect = 'all'\nat = '9s'\nspread = '5s'\n[[fault]]\nkind = 'token_expiry'\n\
         select = 'all'\nat = '19s'",
    ] {
        parse("my.toml", text, &[]).unwrap();
    }
}

#[test]
fn a_real_download_is_slowed_by_a_delay_only() {
    let plan = |slow: &str| {
        let image = "[firmware]\nimage = { size = '1KiB', serve = true }\n";
        let fault = "[[fault]]\nkind = 'slow'\nselect = 'all'\nstage = 'downloading'\n";
        parse("my.toml", &format!("{image}{fault}{slow}"), &[])
    };
    let error = plan("factor = 3").unwrap_err().to_string();
    assert!(error.contains("factor") && error.contains("with `delay`"), "{error}");
    plan("delay = '3s'").unwrap();
}

#[test]
fn devices_with_certificates_have_no_keys_or_tokens_that_could_go_wrong() {
    let fleet = "[fleet]\ndevices_file = 'devices.csv'\nauth = 'x509'\n";
    for kind in ["wrong_key", "token_expiry"] {
        let text = format!("{fleet}[[fault]]\nkind = '{kind}'\nselect = 'all'\n");
        let error = parse("my.toml", &text, &[]).unwrap_err().to_string();
        assert!(error.contains("my.toml:5") && error.contains(kind) && error.contains("certificates"), "{error}");
    }
}
