//! `[hub]`: limits one by one, and how long the hub takes.

use std::collections::BTreeMap;

use super::*;
use crate::dialect::plain::PlainSettings;
use crate::driver::{LineShare, ObserveKind};
use crate::hub::Operation;
use crate::policy::{Delay, Limit, ServiceModel, ThrottledOperation};

fn limit(rate: f64, burst: f64, queue: Duration) -> Limit {
    Limit { rate, burst, queue }
}

#[test]
fn limits_one_by_one_are_written_as_those_of_a_fault() {
    let text =
        "[hub]\nthrottle.methods = { rate = '40/s', burst = 80, queue = '10s' }\nthrottle.twin_writes = { rate = 0.5 }";
    let methods = limit(40.0, 80.0, 10 * SECOND);
    let writes = limit(0.5, 1.0, Duration::ZERO);
    let hub = plan(text).hub;
    assert_eq!(hub.limits().unwrap().throttles, [(Operation::Method, methods), (Operation::TwinUpdate, writes)].into());
    assert_eq!(hub.embedded(Transport::Tcp).unwrap().limits, hub.limits());
    assert!(!hub.is_ideal() && plan("").hub.is_ideal() && plan("").hub.limits().is_none());
    for operation in ThrottledOperation::ALL {
        let arguments = [format!("hub.throttle.{}={{ rate = 40 }}", operation.name())];
        let limits = set(&arguments.each_ref().map(String::as_str)).unwrap().hub.limits().unwrap();
        assert_eq!(limits.throttles, BTreeMap::from([(operation.into(), limit(40.0, 40.0, Duration::ZERO))]));
    }
}

#[test]
fn a_single_limit_beside_a_tier_takes_the_place_of_the_tiers() {
    let mut limits = set(&["hub.tier=S1", "hub.throttle.twin_writes.rate=5/s"]).unwrap().hub.limits().unwrap();
    let tier = HubLimits::of(Tier::S1, 1);
    let single = limits.throttles.insert(Operation::TwinUpdate, tier.throttles[&Operation::TwinUpdate]);
    assert_eq!((single, limits), (Some(limit(5.0, 5.0, Duration::ZERO)), tier));
}

#[test]
fn servers_have_a_time_for_what_they_serve() {
    let plan = plan("[hub]\nservice = { methods = 'exp 5ms', queries = '1ms', servers = 4, queue = '2s' }");
    let ms = Duration::from_millis;
    let model = ServiceModel {
        methods: Some(Delay::Exponential(ms(5))),
        twin_writes: None,
        twin_reads: None,
        queries: Some(Delay::Fixed(ms(1))),
        servers: 4,
        queue: 2 * SECOND,
    };
    assert!(!plan.hub.is_ideal() && plan.hub.limits().is_none());
    let config = plan.embedded_hub().unwrap();
    assert_eq!((config.service.as_ref(), config.seed), (Some(&model), plan.seed));
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan, "shards get it whole");
    let fewest = set(&["hub.service.twin_reads=2ms"]).unwrap().embedded_hub().unwrap().service.unwrap();
    assert_eq!((fewest.servers, fewest.queue), (1, 60 * SECOND));
}

#[test]
fn limits_and_times_that_cannot_be_are_refused_where_they_stand() {
    for (text, line, says) in [
        ("[hub]\nthrottle.methods = { burst = 3 }", 2, "the key `hub.throttle.methods.rate` is missing"),
        ("[hub]\nthrottle.methods = '40/s'", 2, "`hub.throttle.methods` must be a table, not a text"),
        ("[hub]\nthrottle.methods.rate = 0", 2, "`hub.throttle.methods.rate` must be from 0.001/s"),
        ("[hub]\nthrottle.methods = { rate = 1, burst = 0.5 }", 2, "`hub.throttle.methods.burst` must be from 1 to"),
        ("[hub]\nthrottle.methods = { rate = 1, queue = '2h' }", 2, "must be from 0s to 1h"),
        (
            "[hub]\nthrottle.jobs = { rate = 1 }",
            2,
            "unknown key `jobs` in `hub.throttle`: allowed are methods, twin_writes, twin_reads, connects, queries",
        ),
        ("[hub]\nthrottle.queries = { rate = 1, brust = 2 }", 2, "allowed are rate, burst, queue"),
        ("[hub]\nkind = 'azure'\nthrottle.methods.rate = 1", 3, "`hub.throttle` means nothing for a hub that is not"),
        ("[hub]\nkind = 'azure'\nservice.methods = '1ms'", 3, "`hub.service` means nothing for a hub that is not"),
        (
            "[hub]\nservice = { servers = 4 }",
            2,
            "`hub.service` needs the time of at least one of `methods`, `twin_writes`",
        ),
        ("[hub]\nservice = { methods = '5ms', servers = 0 }", 2, "`hub.service.servers` must be from 1 to 10000"),
        ("[hub]\nservice = { methods = '0s' }", 2, "`hub.service.methods` must be longer than 0s"),
        ("[hub]\nservice = { methods = 'exp 1m' }", 2, "`hub.service.methods` must not be longer than 5m"),
        ("[hub]\nservice = { methods = 'fast' }", 2, "`hub.service.methods` is wrong: `fast` is not a delay"),
        (
            "[hub]\nservice = { connects = '1ms' }",
            2,
            "allowed are methods, twin_writes, twin_reads, queries, servers, queue",
        ),
        ("[hub]\nservice = 'exp 5ms'", 2, "`hub.service` must be a table"),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("my.toml:{line}: ")) && error.contains(says), "{text}\n{error}");
    }
}

const BROKER: &str = "[hub]\nkind = 'mqtt'\nurl = 'mqtt://127.0.0.1'\n";

fn broker(rest: &str) -> BrokerPlan {
    plan(&format!("{BROKER}{rest}")).hub.broker().unwrap().clone()
}

#[test]
fn a_broker_has_topics_logins_and_files() {
    let plain = broker("");
    assert_eq!((plain.dialect, plain.lines, plain.tls), Default::default());
    let told = broker(
        "qos = { request = 0, reported = 2 }\nretain = true\nclient_id = 'c-{device}'\nusername = 'u-{device}'\n\
         driver = { connections = 4, share = 'group', keep_session = true, username = 'op' }\n\
         topics = { prefix = 'p', presence = '', desired = '{prefix}/{device}/desired' }",
    );
    let qos = told.dialect.qos;
    assert_eq!((qos.request, qos.response, qos.reported, qos.presence), (0, 1, 2, 1));
    assert!(told.dialect.retain_reported && told.lines.keep_session);
    assert_eq!((told.lines.connections, told.lines.share), (4, LineShare::Group));
    let dialect = told.dialect;
    let names = (dialect.client_id.as_str(), dialect.username.as_deref(), dialect.driver_username.as_deref());
    assert_eq!(names, ("c-{device}", Some("u-{device}"), Some("op")));
    assert_eq!((dialect.topics.presence.is_some(), dialect.topics.desired.is_some()), (false, true));
    assert_eq!(broker("username = 'all'").dialect.driver_username.as_deref(), Some("all"), "the driver's too");
    let tls = plan("[hub]\nkind = 'mqtt'\nurl = 'mqtts://h'\ntls = { ca = 'a', certificate = 'b', private_key = 'c' }");
    let files = tls.hub.broker().unwrap().tls.clone();
    assert_eq!((files.ca, files.client), (Some("a".into()), Some(("b".into(), "c".into()))));
    assert_eq!((tls.fleet.transport, tls.driver.observe.kind), (Transport::Tls, ObserveKind::Subscribe));
    assert!(tls.hub.tells_presence() && !plan(&format!("{BROKER}topics.presence = ''")).hub.tells_presence());
}

#[test]
fn what_quickstart_shows_of_a_broker_are_its_defaults() {
    let keys = ["url", "topics.", "qos", "retain", "client_id", "driver ="];
    let shown = |line: &&str| keys.iter().any(|key| line.starts_with(key));
    let text = source("quickstart").unwrap();
    let (of_hub, _) = text.split_once("[fleet]").unwrap();
    let lines: Vec<&str> = of_hub.lines().filter_map(|line| line.strip_prefix("# ")).filter(shown).collect();
    assert_eq!(lines.len(), 12, "{lines:?}");
    let told = plan(&format!("[hub]\nkind = 'mqtt'\n{}", lines.join("\n"))).hub.broker().unwrap().clone();
    let dialect = PlainSettings { driver_username: Some("operator".to_owned()), ..PlainSettings::default() };
    assert_eq!(told, BrokerPlan { dialect, url: told.url.clone(), ..broker("") });
}

#[test]
fn what_a_broker_cannot_have_is_refused_where_it_stands() {
    let fault = |fault: &str| format!("[[fault]]\nselect = 'all'\n{fault}");
    let of_hub = |fault: &str| format!("[[fault]]\n{fault}");
    for (rest, says) in [
        ("qos = 3".to_owned(), "`hub.qos` must be 0, 1 or 2"),
        ("qos = { telemetry = 1 }".to_owned(), "must be 0, 1 or 2"),
        ("client_id = 'all'".to_owned(), "must hold `{device}`"),
        ("username = 'u-{rid}'".to_owned(), "`{device}` may stand for"),
        ("tls = { ca = 'a' }".to_owned(), "means nothing without TLS"),
        ("driver = { connections = 0 }".to_owned(), "must be from 1 to 64"),
        ("driver = { connections = 2, share = 'all' }".to_owned(), "cannot be `all` with several"),
        ("topics = { request = '{prefix}/{device}' }".to_owned(), "`hub.topics.request`"),
        ("topics = { reported = '{prefix}/{device}/presence' }".to_owned(), "cannot be told from"),
        ("tier = 'S1'".to_owned(), "means nothing for a hub that is not embedded"),
        ("[observe]\nkind = 'query'".to_owned(), "must be `subscribe`"),
        ("[load]\nvia = 'job'".to_owned(), "a plain broker has no jobs"),
        ("[firmware]\nimage = { serve = true, size = '256KiB' }".to_owned(), "needs the embedded hub"),
        ("[fleet]\ndevices_file = 'd.csv'".to_owned(), "`fleet.devices_file` holds keys"),
        ("[fleet]\ntransport = 'tls'".to_owned(), "is not what the address of the plain broker says"),
        (of_hub("kind = 'hub_down'"), "cannot be `hub_down` with `hub.kind = \"mqtt\"`: nobody but its operator"),
        (of_hub("kind = 'hub_slow'\nmethods = '1s'"), "Take `latency`"),
        (of_hub("kind = 'throttle'\nof = 'methods'\nrate = 9"), "by its own configuration"),
        (fault("kind = 'token_expiry'\nat = '9s'"), "no tokens that could end"),
        (fault("kind = 'wrong_key'"), "Name `hub.username`"),
        (fault("kind = 'malformed'\nstage = 'applying'\nform = 'too_large'"), "`fault.0.form` cannot be `too_large`"),
    ] {
        let text = format!("{BROKER}{rest}");
        let refused = parse("my.toml", &text, &[]).map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with("my.toml:") && refused.contains(says), "{rest}\n{refused}");
    }
    for rest in [
        fault("kind = 'malformed'\nstage = 'applying'\nform = 'bad_json'"),
        format!("username = 'u'\n{}", fault("kind = 'wrong_key'")),
        fault("kind = 'half_open'"),
        "[[threshold]]\nexpr = 'messages.report.undelivered == 0'".to_owned(),
    ] {
        assert!(parse("my.toml", &format!("{BROKER}{rest}"), &[]).is_ok(), "{rest}");
    }
    assert!(set(&["hub.kind=mqtt", "hub.url=MQTTS://h", "fleet.transport=tls"]).is_ok());
    let elsewhere = set(&["hub.kind=localhost:1883"]).unwrap_err().to_string();
    assert!(elsewhere.contains("begins with mqtt://"), "{elsewhere}");
    let files = "url = 'mqtts://h'\n[fleet]\nauth = 'x509'\ndevices_file = 'd.csv'";
    assert!(parse("my.toml", &format!("[hub]\nkind = 'mqtt'\n{files}"), &[]).is_ok());
}

#[test]
fn what_nobody_can_tell_cannot_be_judged() {
    for (metric, says) in [
        ("census.not_online", "nobody can tell `not_online` from `no_response`"),
        ("census.lost_device.pct", "nobody can tell `lost_device` from `stuck`"),
        ("census.no_response", ""),
        ("census.stuck.pct", ""),
    ] {
        let threshold = format!("[[threshold]]\nexpr = '{metric} == 0'");
        let off = parse("my.toml", &format!("{BROKER}topics.presence = ''\n{threshold}"), &[]);
        let refused = off.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(says) && refused.is_empty() == says.is_empty(), "{metric}: {refused}");
        assert!(parse("my.toml", &format!("{BROKER}{threshold}"), &[]).is_ok(), "{metric}");
    }
}

#[test]
fn figures_of_messages_that_nobody_counts_cannot_be_judged() {
    const TELEMETRY: &str = "[telemetry]\ninterval = '1s'\n";
    let both = format!("{BROKER}{TELEMETRY}");
    for (hub, metric, says) in [
        ("", "lost", "is counted with a plain broker"),
        (BROKER, "request.undelivered", "the driver sends requests"),
        (BROKER, "response.undelivered", "`census.no_response`"),
        (BROKER, "presence.undelivered", "`messages.report.undelivered`"),
        (BROKER, "telemetry.lost", "Give it an interval in [telemetry]"),
        (TELEMETRY, "report.lost", "Judge `messages.telemetry.lost`"),
        (TELEMETRY, "telemetry.undelivered", "as `messages.telemetry.lost`"),
        (TELEMETRY, "delivered", "as `messages.telemetry.lost`"),
        (TELEMETRY, "telemetry.lost", ""),
        (TELEMETRY, "lost", ""),
        (BROKER, "undelivered", ""),
        (BROKER, "response.duplicates", ""),
        (BROKER, "presence.delivered", ""),
        (&both, "telemetry.undelivered", ""),
    ] {
        let judged = parse("my.toml", &format!("{hub}[[threshold]]\nexpr = 'messages.{metric} == 0'"), &[]);
        let refused = judged.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(says) && refused.is_empty() == says.is_empty(), "{hub}{metric}: {refused}");
    }
}

#[test]
fn every_built_in_profile_runs_over_a_broker_or_says_why_not() {
    let url = "mqtt://127.0.0.1:1884";
    let overrides = [Override::flag("--hub", "hub.kind", "mqtt"), Override::flag("--hub", "hub.url", url)];
    for (name, _) in list().unwrap() {
        let says = match name {
            "every-fault" => "no tokens that could end",
            "liars" => "a plain broker keeps no twins",
            "reconnect-storm" => "`hub.outage = {",
            "scheduled-job" => "a plain broker has no jobs",
            "throttled-hub" => "by its own configuration",
            "token-cliff" => "no tokens that could end",
            _ => "",
        };
        match load(name, &overrides) {
            Ok(plan) => {
                assert_eq!((plan.driver.observe.kind, says), (ObserveKind::Subscribe, ""), "{name}");
                assert_eq!(plan.hub.broker().unwrap().url.to_string(), url);
            }
            Err(error) => assert!(!says.is_empty() && error.to_string().contains(says), "{name}: {error}"),
        }
    }
}
