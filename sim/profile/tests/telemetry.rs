//! `[telemetry]`, `fleet.churn`, `load.lasts`, and loads without updates.

use super::*;
use crate::policy::{Churn, Telemetry};

const BROKER: &str = "[hub]\nkind = 'mqtt'\nurl = 'mqtt://127.0.0.1'\n";

#[test]
fn telemetry_says_how_often_how_much_and_how_surely() {
    assert_eq!(plan("").fleet.telemetry, None);
    let millis = Duration::from_millis;
    for (text, interval, size, qos) in [
        ("interval = '1s'", millis(1000), 256, 0),
        ("interval = '1ms'\nsize = '64B'\nqos = 1", millis(1), 64, 1),
        ("interval = '24h'\nsize = '256KiB'\nqos = 2", 86_400 * SECOND, 262_144, 2),
    ] {
        let given = plan(&format!("{BROKER}[telemetry]\n{text}")).fleet.telemetry;
        assert_eq!(given, Some(Telemetry { interval, size, qos }), "{text}");
    }
    assert_eq!(plan("[telemetry]\ninterval = '1s'\nqos = 1").fleet.telemetry.unwrap().qos, 1, "with an IoT hub, too");
}

#[test]
fn churn_says_how_long_devices_stay_and_are_away() {
    let given = plan("[fleet]\nchurn = { up = 'exp 10s', down = '0s' }").fleet.churn;
    assert_eq!(given, Some(Churn { up: "exp 10s".parse().unwrap(), down: "0s".parse().unwrap() }));
    assert_eq!(plan("").fleet.churn, None);
}

#[test]
fn a_load_may_last_and_then_needs_no_updates() {
    let given = plan("[load]\nlasts = '30s'\nupdates = 0");
    assert_eq!((given.updates(), given.driver.lasts, given.fleet.spontaneous_for), (0, 30 * SECOND, 30 * SECOND));
    let held = plan("[load]\nhold = '30s'\nupdates = 0");
    assert_eq!((held.updates(), held.driver.lasts), (0, Duration::ZERO));
    let (short, long) = (plan("[load]\nupdates = 1"), plan("[load]\nupdates = 1\nlasts = '20m'"));
    assert_eq!((short.driver.lasts, short.fleet.spontaneous_for), Default::default());
    assert!(long.estimated_duration() >= 1200 * SECOND && short.estimated_duration() < 1200 * SECOND);
}

#[test]
fn what_devices_cannot_do_of_their_own_is_refused_where_it_stands() {
    let size = format!("must be from {}B to 256KiB", Telemetry::MIN_SIZE);
    for (text, line, says) in [
        ("[telemetry]", 1, "the key `telemetry.interval` is missing"),
        ("[telemetry]\ninterval = '0s'", 2, "must be from 1ms to "),
        ("[telemetry]\ninterval = '25h'", 2, "must be from 1ms to "),
        ("[telemetry]\ninterval = 1", 2, "`telemetry.interval`"),
        ("[telemetry]\ninterval = '1s'\nsize = '10B'", 3, size.as_str()),
        ("[telemetry]\ninterval = '1s'\nsize = '1MiB'", 3, size.as_str()),
        ("[telemetry]\ninterval = '1s'\nsize = 256", 3, "a size like"),
        ("[telemetry]\ninterval = '1s'\nqos = 3", 3, "must be from 0 to 2"),
        ("[telemetry]\ninterval = '1s'\nqos = 2", 3, "can be 2 only with `hub.kind = \"mqtt\"`"),
        ("[telemetry]\ninterval = '1s'\nretain = true", 3, "unknown key `retain` in `telemetry`"),
        ("[fleet]\nchurn = { up = '10s' }", 2, "the key `fleet.churn.down` is missing"),
        ("[fleet]\nchurn = { down = '10s' }", 2, "the key `fleet.churn.up` is missing"),
        ("[fleet]\nchurn = { up = '25h', down = '1s' }", 2, "must not be longer than "),
        ("[fleet]\nchurn = { up = 'often', down = '1s' }", 2, "`fleet.churn.up` is wrong"),
        ("[fleet]\nchurn = { up = '1s', down = '1s', rate = 3 }", 2, "unknown key `rate` in `fleet.churn`"),
        ("[fleet]\nchurn = '10s'", 2, "`fleet.churn` must be a table"),
        ("[load]\nlasts = '25h'", 2, "must be from 0s to 24h"),
        ("[load]\nupdates = 0", 2, "can be 0 only with a `load.hold` or a `load.lasts`"),
        ("[load]\nupdates = 100000001\nlasts = '1s'", 2, "must be from 0 to 100000000"),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("my.toml:{line}: ")) && error.contains(says), "{text}\n{error}");
    }
}

#[test]
fn what_quickstart_says_of_telemetry_is_so() {
    let text = source("quickstart").unwrap();
    let sizes = format!("`size` ({}B to 256KiB)", Telemetry::MIN_SIZE);
    assert!(text.contains(&sizes), "{sizes}");
    let (_, section) = text.split_once("# [telemetry]\n").unwrap();
    let lines: Vec<&str> = section.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let shown = plan(&format!("[telemetry]\n{}", lines.join("\n"))).fleet.telemetry;
    assert_eq!(shown, plan("[telemetry]\ninterval = '1s'").fleet.telemetry, "its defaults");
}

#[test]
fn profiles_of_brokers_do_what_their_names_say() {
    let of = |name: &str| load(name, &[]).unwrap();
    for name in ["broker-telemetry", "broker-churn", "broker-connect"] {
        let plan = of(name);
        assert!(plan.hub.broker().is_some() && plan.updates() == 0, "{name}");
    }
    let told = [of("broker-telemetry"), of("broker-churn"), of("broker-connect")];
    let has = |plan: &Plan| (plan.fleet.telemetry.is_some(), plan.fleet.churn.is_some());
    assert_eq!(told.each_ref().map(has), [(true, false), (false, true), (false, false)]);
}
