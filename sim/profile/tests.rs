use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::device::{Auth, Transport};
use crate::hub::{HubLimits, Tier};
use crate::mqtt::SourceAddresses;
use crate::policy::{Backoff, Fail, FaultKind, FaultStage, Jitter, Load, ReportFormat, RetryPolicy, Select};

mod built_in;
mod hub;
mod telemetry;

const SECOND: Duration = Duration::from_secs(1);

fn plan(text: &str) -> Plan {
    parse("my.toml", text, &[]).unwrap()
}

fn error(text: &str) -> String {
    parse("my.toml", text, &[]).unwrap_err().to_string()
}

fn set(arguments: &[&str]) -> Result<Plan, ProfileError> {
    let overrides: Vec<Override> = arguments.iter().map(|argument| Override::set(argument).unwrap()).collect();
    load("quickstart", &overrides)
}

#[test]
fn a_profile_is_laid_over_quickstart_key_by_key() {
    let plan = plan(
        r#"
        [hub]
        slow = { twin_ack = "80ms" }
        [fleet]
        devices = 7
        connect_slow_down = "2s"
        source_addresses = ["10.0.0.5", "10.0.1.0/28"]
        [load]
        kind = "closed"
        [retry]
        connect = "fixed"
        twin = { policy = "exponential", base = "2s", jitter = "decorrelated", max_attempts = 4 }
        [[fault]]
        kind = "fail"
        stage = "apply"
        code = "boot_failed"
        select = { ids = [6, "sim-0000001", 6] }
        at = "1s"
        for = "2s"
        [[fault]]
        kind = "reject"
        status = 503
        select = "all"
        [[threshold]]
        expr = "census.failed == 2"
        "#,
    );
    assert_eq!(plan.fleet.devices, 7);
    assert_eq!(plan.fleet.id_prefix, "sim-");
    assert_eq!(plan.fleet.connect_slow_down, Some(2 * SECOND));
    let sources = ["10.0.0.5", "10.0.1.0/28"].map(|block| block.parse().unwrap());
    assert_eq!(plan.fleet.source_addresses, SourceAddresses::Listed(sources.into()));
    assert_eq!(plan.driver.load, Load::Closed { in_flight: 100 });
    assert_eq!(plan.hub.embedded(plan.fleet.transport).unwrap().slow.twin_ack, Duration::from_millis(80));
    let fixed = Backoff::Fixed { delay: 10 * SECOND };
    assert_eq!(plan.fleet.retry_connect, RetryPolicy::new(fixed).into());
    let twin = Backoff::Exponential { base: 2 * SECOND, cap: 30 * SECOND, jitter: Jitter::Decorrelated };
    assert_eq!(plan.fleet.retry_twin, RetryPolicy { max_attempts: Some(4), ..RetryPolicy::new(twin) });
    let [first, second] = &plan.faults[..] else { panic!("{:?}", plan.faults) };
    assert_eq!(first.kind, FaultKind::Fail(Fail { stage: FaultStage::Applying, code: "boot_failed".to_owned() }));
    assert_eq!((first.select.clone(), first.at, first.lasts), (Select::Ids(vec![1, 6]), SECOND, Some(2 * SECOND)));
    assert_eq!((second.select.clone(), second.at, second.lasts), (Select::All, Duration::ZERO, None));
    assert_eq!(plan.thresholds[0].to_string(), "census.failed == 2");
}

#[test]
fn an_error_shows_the_line_and_what_is_allowed() {
    insta::assert_snapshot!(error("name = \"x\"\n\n[fleet]\n\tdevices =  0 # none\n"), @"
    my.toml:4: `fleet.devices` must be from 1 to 10000000
      |
    4 | 	devices =  0 # none
      | 	           ^
    ");
    insta::assert_snapshot!(error("[load]\nrat = \"200/s\"\n"), @r#"
    my.toml:2: unknown key `rat` in `load`: allowed are kind, in_flight, rate, arrivals, ramp, via, job_devices, updates, settle, hold, lasts, max_in_flight, response_timeout, connect_timeout
      |
    2 | rat = "200/s"
      | ^^^
    "#);
    insta::assert_snapshot!(error("[[fault]]\nkind = \"fail\"\nselect = \"all\"\nstage = \"ü\""), @r#"
    my.toml:4: `fault.0.stage` cannot be `ü`: allowed are `downloading`, `verifying`, `applying`, `rebooting`
      |
    4 | stage = "ü"
      |         ^^^
    "#);
    insta::assert_snapshot!(error("[fleet\n"), @"
    my.toml:1: unclosed table, expected `]`
      |
    1 | [fleet
      |       ^
    ");
    insta::assert_snapshot!(error("\n[[fault]]\nselect = \"all\"\n"), @"
    my.toml:2: the key `fault.0.kind` is missing
      |
    2 | [[fault]]
      | ^^^^^^^^^
    ");
    insta::assert_snapshot!(set(&["fleet.devices=none"]).unwrap_err(), @"--set fleet.devices=none: `fleet.devices` must be a whole number from 1 to 10000000, not a text");
}

#[test]
fn a_tier_limits_the_embedded_hub() {
    let limits = |text: &str| plan(text).hub.embedded(Transport::Tcp).unwrap().limits;
    assert_eq!(limits(""), None);
    assert_eq!(limits("[hub]\ntier = 'F1'"), Some(HubLimits::of(Tier::F1, 1)));
    assert_eq!(limits("[hub]\ntier = 'S2'\nunits = 200"), Some(HubLimits::of(Tier::S2, 200)));
}

#[test]
fn impossible_values_are_refused_where_they_stand() {
    for (text, line, says) in [
        ("nam = 'x'", 1, "unknown key `nam`: allowed are name, description, seed, hub"),
        ("name = 'a/b'", 1, "letters, digits"),
        ("seed = -1", 1, "must be from 0"),
        ("seed = 'seven'", 1, "must be a whole number from 0"),
        ("[rollout]", 1, "the key `rollout.waves` is missing"),
        ("hub = 'embedded'", 1, "`hub` must be a table, not a text"),
        ("[hub]\nkind = 'mqtt://127.0.0.1'", 2, "take `kind = \"mqtt\"`, and `url` for the address"),
        ("[hub]\nkind = 'mqtt'", 2, "`hub.kind` is `mqtt` and needs `hub.url`, the broker's address"),
        ("[hub]\nkind = 'aws'", 2, "allowed are `embedded`, `azure`"),
        ("[hub]\nkind = 'null'\ntier = 'S1'", 3, "`hub.tier` means nothing for a hub that only acknowledges"),
        ("[hub]\nkind = 'null'\n[fleet]\ntransport = 'wss'", 4, "cannot be `wss` with `hub.kind = \"null\"`"),
        ("[hub]\nkind = 'null'\n[load]\nvia = 'job'", 4, "cannot be `job` with `hub.kind = \"null\"`"),
        ("[hub]\nkind = 'null'\n[[fault]]\nkind = 'hub_down'", 4, "cannot be `hub_down` on a hub that is not embedded"),
        ("[hub]\nkind = 'null'\n[[fault]]\nkind = 'wrong_key'\nselect = 'all'", 4, "it looks at no token"),
        ("[hub]\ntier = 'B1'", 2, "`hub.tier` cannot be `B1`: allowed are `none`, `F1`, `S1`, `S2`, `S3`"),
        ("[hub]\ntier = 'F1'\nunits = 2", 3, "`hub.units` must be from 1 to 1: a hub of the tier F1 has no more units"),
        ("[hub]\ntier = 'S3'\nunits = 11", 3, "must be from 1 to 10"),
        ("[hub]\nunits = 2", 2, "`hub.units` means nothing without a tier"),
        ("[hub]\nkind = 'azure'\ntier = 'S1'", 3, "`hub.tier` means nothing"),
        ("[hub]\nworkers = 0", 2, "must be from 1 to 256"),
        ("[hub]\nkind = 'azure'\nworkers = 1", 3, "`hub.workers` means nothing"),
        (
            "[hub]\nslow = { reads = '1s' }",
            2,
            "unknown key `reads` in `hub.slow`: allowed are method_request, method_answer, twin_ack, twin_read",
        ),
        ("[hub]\nslow = { twin_ack = '1h' }", 2, "must be from 0s to 5m"),
        ("[fleet]\ndevices = 10000001", 2, "must be from 1 to 10000000"),
        ("[fleet]\ndevices = 1.5", 2, "not a number"),
        ("[load]\nupdates = 0", 2, "can be 0 only with a `load.hold` or a `load.lasts`"),
        ("[load]\nhold = \"25h\"", 2, "must be from 0s to 24h"),
        ("[fleet]\nid_prefix = 'a#'", 2, "letters, digits"),
        ("[fleet]\nconnect_rate = 0", 2, "must be from 0.001/s"),
        ("[fleet]\nconnect_rate = 'fast'", 2, "`fast` is not a rate"),
        ("[fleet]\nconnect_rate = true", 2, "must be a rate like `200/s`, not true or false"),
        ("[fleet]\nconnect_in_flight = 0", 2, "must be from 1"),
        ("[fleet]\nconnect_slow_down = 'on'", 2, "`fleet.connect_slow_down` must be `off` or a duration"),
        ("[fleet]\nconnect_slow_down = '2m'", 2, "must be from 1ms to 1m"),
        ("[fleet]\nsource_addresses = 'all'", 2, "must be \"auto\" or a list like [\"10.0.0.5\""),
        ("[fleet]\nsource_addresses = []", 2, "must hold 1 to 65536 addresses, not 0"),
        ("[fleet]\nsource_addresses = ['10.0.0.0/16', '10.1.0.1']", 2, "not 65537"),
        ("[fleet]\nsource_addresses = [\n'10.0.0.7/28']", 3, "begins amid its block: write 10.0.0.0/28"),
        ("[fleet]\nsource_addresses = [7]", 2, "`fleet.source_addresses.0` must be a text in quotes"),
        ("[fleet]\nkeep_alive = '1178s'", 2, "must be whole seconds from 1s to 1177s"),
        ("[fleet]\nkeep_alive = '1500ms'", 2, "must be whole seconds"),
        ("[fleet]\nkeep_alive = 60", 2, "must be a duration like `500ms`, `15s` or `4m`, not a whole number"),
        ("[fleet]\ntoken_life = '1s'", 2, "must be whole seconds from 10s"),
        ("[fleet]\nworkers = 0", 2, "must be from 1"),
        ("[fleet]\nshards = 'many'", 2, "must be `auto` or a whole number from 1 to 10000"),
        ("[fleet]\nshards = 0", 2, "must be from 1 to 10000"),
        ("[fleet]\nmax_descriptors = 100", 2, "must be from 256"),
        ("[hub]\ninstances = 0", 2, "must be from 1 to 10000"),
        ("[hub]\nkind = 'azure'\ninstances = 2", 3, "means nothing for a hub that is not embedded"),
        ("[fleet]\ntimestamps = 'unix'", 2, "allowed are `local`, `rfc3339`"),
        ("[firmware]\nwait = 'soon'", 2, "`soon` is not a delay"),
        ("[firmware]\nwait = 'exp 25h'", 2, "must not exceed 24h"),
        ("[firmware]\nimage = '10MiB'", 2, "`firmware.image` must be a table"),
        ("[firmware]\nnew_version = '1.0.0'", 2, "must differ from `firmware.version`"),
        ("[firmware]\nupdate_id = 'yes'", 2, "must be true or false, not a text"),
        ("[load]\nkind = 'half'", 2, "allowed are `open`, `closed`"),
        ("[load]\nrate = 0", 2, "must be from 0.001/s"),
        ("[load]\nrate = nan", 2, "must be from 0.001/s"),
        ("[load]\nin_flight = 3", 2, "means nothing in an open load"),
        ("[load]\nkind = 'closed'\nrate = 3", 3, "means nothing in a closed load"),
        ("[load]\nvia = 'mail'", 2, "allowed are `calls`, `job`"),
        ("[load]\njob_devices = 5", 2, "means nothing while `load.via` is \"calls\""),
        ("[load]\nvia = 'job'\njob_devices = 701", 3, "must be from 1 to 700"),
        ("[load]\nvia = 'job'\njob_devices = 600", 3, "must not exceed 584"),
        ("[load]\nvia = 'job'\nmax_in_flight = 50\njob_devices = 60", 4, "must not exceed 50"),
        ("[load]\nvia = 'job'\nupdates = 2000", 2, "a job calls a device once"),
        ("[load]\nkind = 'closed'\nvia = 'job'", 3, "cannot be `job` in a closed load"),
        (
            "[load]\nvia = 'job'\n[[threshold]]\nexpr = 'method.service.p50 < 1s'",
            4,
            "the hub makes the calls, and `method.service` is not measured",
        ),
        ("[load]\nramp = { from = 1 }", 2, "the key `load.ramp.over` is missing"),
        ("[load]\nramp = { from = 1, over = '0s' }", 2, "must be from 1ms"),
        ("[load]\nresponse_timeout = '4s'", 2, "must be whole seconds from 5s to 300s"),
        ("[load]\nresponse_timeout = '301s'", 2, "must be whole seconds from 5s to 300s"),
        ("[load]\nconnect_timeout = '31s'", 2, "must not exceed `load.response_timeout`, 30s"),
        ("[observe]\nkind = 'subscribe'", 2, "can be `subscribe` only with `hub.kind = \"mqtt\"`"),
        ("[observe]\ninterval = '0s'", 2, "must be from 1ms"),
        ("[observe]\nstage_deadline = '0s'", 2, "must be from 1ms"),
        (
            "[observe]\nstage_deadline = '250ms'",
            2,
            "`observe.stage_deadline` must be longer than `observe.interval`, 250ms",
        ),
        ("[observe]\nstage_deadline = '4s'", 2, "must be longer than what `firmware.wait` can take, 4862ms"),
        (
            "[firmware]\napply = '90s'\n[observe]\nstage_deadline = '90s'",
            4,
            "must be longer than what `firmware.apply` can take, 90s",
        ),
        ("[retry]\nconnect = 'azure'", 2, "allowed are `none`, `fixed`, `exponential`, `azure-c`, `azure-dotnet`, "),
        ("[retry]\nconnect = []", 2, "`retry.connect` must have 1 to 16 policies"),
        ("[retry]\nconnect = ['fixed', 'azure']", 2, "`retry.connect.1` cannot be `azure`"),
        ("[retry]\ntwin = ['fixed']", 2, "`retry.twin` must be a text in quotes, not a list"),
        ("[retry]\nmethod = { policy = 'azure-c', cap = '1s' }", 2, "`retry.method.cap` means nothing for this policy"),
        ("[retry]\nconnect = { policy = 'none', refused = true }", 2, "`retry.connect.refused` means nothing"),
        ("[retry]\nconnect = { policy = 'fixed', refused = 1 }", 2, "`retry.connect.refused` must be true or false"),
        ("[retry]\nconnect = { policy = 'fixed', give_up_after = '1ms' }", 2, "must be from 1s to 24h"),
        (
            "[retry]\nconnect = { policy = 'fixed', base = '1s' }",
            2,
            "`retry.connect.base` means nothing for this policy",
        ),
        ("[retry]\nmethod = { policy = 'fixed', max_attempts = 0 }", 2, "must be from 1 to 1000"),
        ("[retry]\ntwin = { policy = 'exponential', base = '5s', cap = '1s' }", 2, "must not be shorter than `base`"),
        ("[[fault]]\nkind = 'hub_dwn'", 2, "cannot be `hub_dwn`: allowed are `reject`"),
        ("[[fault]]\nkind = 'offline'", 1, "the key `fault.0.select` is missing"),
        ("[[fault]]\nselect = 'all'\nknd = 'offline'", 3, "unknown key `knd` in `fault.0`: allowed are kind, name"),
        ("[[fault]]\nkind = 'offline'\nselct = 'all'", 3, "unknown key `selct` in `fault.0`"),
        ("[[falt]]\nkind = 'offline'", 1, "unknown key `falt`"),
        ("[[threshold]]\nexp = 'a'", 2, "unknown key `exp` in `threshold.0`: allowed are expr, abort, grace"),
        ("[load]\nramp = { form = 1, over = '1s' }", 2, "unknown key `form` in `load.ramp`: allowed are from, over"),
        ("[[fault]]\nkind = 'offline'\nstage = 'apply'", 3, "means nothing for the kind `offline`"),
        ("[[fault]]\nkind = 'reject'\nstatus = 200", 3, "cannot be 200"),
        ("[[fault]]\nkind = 'reject'\nstatus = 99", 3, "must be from 100 to 599"),
        ("[[fault]]\nkind = 'fail'\nstage = 'wait'", 3, "cannot be `wait`"),
        ("[[fault]]\nkind = 'fail'\nstage = 'apply'\ncode = 'bad_luck'", 4, "allowed are `no_space`, "),
        ("[[fault]]\nkind = 'no_reply'\nselect = { percent = 101 }", 3, "must be from 0 to 100"),
        (
            "[[fault]]\nkind = 'no_reply'\nselect = { count = 1001 }",
            3,
            "`fault.0.select.count` must not exceed `fleet.devices`, 1000",
        ),
        ("[[fault]]\nkind = 'no_reply'\nselect = 'some'", 3, "must be `\"all\"`, `{ percent = 2 }`"),
        ("[[fault]]\nkind = 'no_reply'\nselect = { percent = 1, count = 1 }", 3, "must be `\"all\"`"),
        ("[[fault]]\nkind = 'no_reply'\nselect = { wave = 1 }", 3, "there is no `[rollout]` that has any"),
        (
            "[[fault]]\nkind = 'no_reply'\nselect = { ids = [\n1, 1000] }",
            4,
            "allowed are 0 to 999, or `sim-0000000` to",
        ),
        ("[[fault]]\nkind = 'no_reply'\nselect = { ids = [] }", 3, "selects nobody"),
        ("[[fault]]\nkind = 'no_reply'\nselect = 'all'\nfor = '0s'", 4, "must be from 1ms"),
        ("[fault]\nkind = 'no_reply'", 1, "`fault` must be a list, not a table"),
        ("[[threshold]]\nexpr = 'update.totl.p99 < 1s'", 2, "unknown series `update.totl`"),
        ("[[threshold]]\nexpr = 'update.total.p99 < 60'", 2, "wants a duration"),
        ("[[threshold]]\nexpr = 'rate.achieved > 1'\nabort = 1", 3, "`threshold.0.abort` must be true or false"),
        ("[[threshold]]\nexpr = 'rate.achieved > 1'\nabort = true\ngrace = '25h'", 4, "must be from 0s to 24h"),
        ("[[threshold]]\nexpr = 'rate.achieved > 1'\ngrace = '1s'", 3, "means nothing without `abort = true`"),
        (
            "[[threshold]]\nexpr = 'rate.achieved > 1'\ngrace = '1s'\nabort = false",
            3,
            "`threshold.0.grace` means nothing without `abort = true`: leave it out",
        ),
        ("[report]\nformats = ['json', 'pdf']", 2, "`report.formats.1` cannot be `pdf`: allowed are `json`, `hlog`, "),
        ("[report]\nformats = 'hlog, pdf'", 2, "`report.formats` cannot be `pdf`: allowed are `json`, `hlog`, "),
        ("[report]\nformats = true", 2, "`report.formats` must be a list, not"),
        ("seed = 1\nseed = 2", 2, "duplicate key"),
        ("seed = ", 1, ""),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("my.toml:{line}: ")), "{text}\n{error}");
        assert!(error.contains(says), "{text}\n{error}");
        assert!(error.contains('^'), "{error}");
    }
}

#[test]
fn more_faults_than_bits_to_remember_them_are_refused() {
    let faults = "[[fault]]\nkind = 'no_reply'\nselect = 'all'\n".repeat(65);
    assert!(error(&faults).starts_with("my.toml:193: `fault.64` is one too many: allowed are 64 faults"));
}

#[test]
fn a_deadline_that_healthy_devices_miss_is_shown_where_it_stands() {
    let error = set(&["firmware.download=2m"]).unwrap_err().to_string();
    assert!(error.starts_with("quickstart.toml (built in):"), "{error}");
    assert!(error.contains("`observe.stage_deadline` must be longer than what `firmware.download` can take, 2m"));
    assert!(set(&["firmware.download=2m", "observe.stage_deadline=121s"]).is_ok());
}

#[test]
fn a_device_may_say_nothing_of_its_version() {
    let plan = set(&["firmware.version="]).unwrap();
    assert_eq!((plan.firmware.version.as_str(), plan.driver.version.as_deref()), ("", Some("2.0.0")));
    assert_eq!(load("tutorial", &[]).unwrap().firmware.version, "");
}

#[test]
fn the_estimate_covers_the_run_without_being_far_off() {
    let between = |plan: &Plan, low: u32, high: u32| {
        let estimate = plan.estimated_duration();
        assert!((SECOND * low..=SECOND * high).contains(&estimate), "{}: {estimate:?}", plan.name);
    };
    between(&load("quickstart", &[]).unwrap(), 22, 32);
    between(&load("tutorial", &[]).unwrap(), 46, 48);
    between(&load("first-faults", &[]).unwrap(), 25, 40);
    between(&set(&["load.kind=closed", "load.in_flight=10"]).unwrap(), 1400, 1600);
    between(&set(&["load.ramp={ from = 1, over = \"10s\" }"]).unwrap(), 27, 38);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[{0,2}(fleet|load|fault|hub)\\]{0,2}\n)?([a-z_]{1,8} ?= ?['\"0-9a-zäß{}\\[\\], .]{0,12}\n){0,3}") {
        if let Err(error) = parse("my.toml", &text, &[]) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn no_override_makes_it_panic(key in "(fleet|load|fault|threshold|seed)(\\.[a-z0-9]{1,4}){0,3}", value in "\\PC{0,12}") {
        let overrides = [Override::flag("--x", &key, &value)];
        let _ = load("quickstart", &overrides);
    }
}

#[test]
fn updates_and_hold_are_read_and_counted() {
    let given = plan("[load]\nupdates = 100\nhold = \"10m\"");
    assert_eq!((given.updates(), given.hold), (100, 600 * SECOND));
    let default = plan("");
    assert_eq!((default.updates(), default.hold), (1000, Duration::ZERO));
    assert_eq!(
        default.estimated_load() - given.estimated_load(),
        Duration::from_secs_f64((900.0 + 2.0 * (1000_f64.sqrt() - 10.0)) / 100.0)
    );
    assert!(given.estimated_duration() > default.estimated_duration() + 500 * SECOND);
    assert!(given.summary().contains("100 updates in all"), "{}", given.summary());
    let closed = |updates: u32| plan(&format!("[load]\nkind = \"closed\"\nin_flight = 5000\nupdates = {updates}"));
    assert_eq!(closed(1).estimated_load(), closed(1000).estimated_load(), "a fleet of 1000 at once");
    assert!(closed(1001).estimated_load() > closed(1000).estimated_load());
}

#[test]
fn devices_whose_calls_carry_no_id_are_called_once() {
    let without = |updates: u32| format!("[firmware]\nupdate_id = false\n[load]\nupdates = {updates}");
    assert_eq!(plan(&without(1000)).updates(), 1000);
    let words = error(&without(1001));
    assert!(
        words.contains("`load.updates` must not exceed `fleet.devices`, 1000, while `firmware.update_id`"),
        "{words}"
    );
}

#[test]
fn a_file_may_name_the_devices_and_says_how_they_prove_themselves() {
    let given = plan("[fleet]\ndevices_file = \"my/devices.csv\"\nauth = \"x509\"").fleet;
    assert_eq!((given.devices_file, given.auth), (Some("my/devices.csv".into()), Auth::X509));
    let default = plan("").fleet;
    assert_eq!((default.devices_file, default.auth), (None, Auth::Sas));
    for (text, says) in [
        ("[fleet]\nauth = 'x509'", "`fleet.auth` is `x509` and needs `fleet.devices_file`"),
        ("[fleet]\nauth = 'none'", "`fleet.auth` cannot be `none`: allowed are `sas`, `x509`"),
        ("[fleet]\ndevices_file = 7", "`fleet.devices_file` must be a text"),
        ("[fleet]\ndevices_file = 'a.csv'\nid_prefix = 'b-'", "`fleet.id_prefix` means nothing where"),
        (
            "[fleet]\ndevices_file = 'a.csv'\n[[fault]]\nkind = 'no_reply'\nselect = { ids = ['a'] }",
            "must be a number from 0 to 999 while `fleet.devices_file` names the devices",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(says), "{text}\n{error}");
    }
}

#[test]
fn formats_are_a_list_or_names_with_commas_between() {
    let defaults: BTreeSet<ReportFormat> = ReportFormat::defaults().collect();
    assert!(defaults.contains(&ReportFormat::Json));
    for (text, formats) in [
        ("", defaults),
        ("[report]\nformats = []", BTreeSet::new()),
        ("[report]\nformats = ''", BTreeSet::new()),
        ("[report]\nformats = ['hlog', 'json', 'hlog']", BTreeSet::from([ReportFormat::Json, ReportFormat::Hlog])),
        ("[report]\nformats = 'json, hlog,'", BTreeSet::from([ReportFormat::Json, ReportFormat::Hlog])),
    ] {
        assert_eq!(plan(text).report.formats, formats, "{text}");
    }
    assert_eq!(set(&["report.formats=hlog"]).unwrap().report.formats, BTreeSet::from([ReportFormat::Hlog]));
    assert_eq!(set(&["report.formats=[\"hlog\"]"]).unwrap().report.formats, BTreeSet::from([ReportFormat::Hlog]));
}
