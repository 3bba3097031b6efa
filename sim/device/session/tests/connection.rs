//! Keep-alive, token renewal, back-off, giving up.

use std::time::Duration;

use super::rig::{Rig, SECOND, at, settings};
use crate::device::{Event, Input, Output};
use crate::mqtt::{ConnectReturnCode, Packet};
use crate::policy::{Backoff, ConnectPolicies, Jitter, RetryPolicy, Series};
use crate::time::Nanos;

#[test]
fn a_silent_device_pings_and_a_silent_hub_is_given_up_half_a_keep_alive_later() {
    let mut rig = Rig::online(&[]);
    rig.run_until(at(125.0));
    assert_eq!(rig.times("PINGREQ"), [at(60.0), at(120.0)]);
    rig.hub.deaf = true;
    rig.run_until(at(209.0));
    assert_eq!((rig.times("PINGREQ").len(), rig.times("close").len()), (3, 0));
    rig.hub.deaf = false;
    rig.run_until(at(212.0));
    assert_eq!((rig.times("close"), rig.times("open")), (vec![at(210.0)], vec![at(0.0), at(211.0)]));
    assert_eq!(rig.samples(Series::Reconnect), [SECOND]);
}

#[test]
fn a_ping_is_measured_until_its_answer_and_not_without_one() {
    let mut rig = Rig::online(&[]);
    rig.hub.deaf = true;
    rig.run_until(at(60.25));
    assert!(rig.samples(Series::Ping).is_empty());
    let answer = || Input::Packet(Packet::PingResp);
    rig.input(answer());
    assert_eq!(rig.samples(Series::Ping), [SECOND / 4]);
    rig.input(answer());
    assert_eq!(rig.samples(Series::Ping).len(), 1, "nobody had asked");
    rig.run_until(at(150.5));
    assert_eq!((rig.times("PINGREQ").len(), rig.times("close").len()), (2, 1));
    rig.hub.deaf = false;
    rig.run_until(at(160.0));
    rig.input(answer());
    assert_eq!((rig.times("open").len(), rig.samples(Series::Ping).len()), (2, 1), "asked over another connection");
    rig.run_until(at(260.0));
    assert_eq!(rig.samples(Series::Ping)[1..], [Duration::ZERO], "and it goes on over the new one");
}

#[test]
fn traffic_makes_pings_needless() {
    let mut rig = Rig::online(&[]);
    rig.run_until(at(50.0));
    rig.call_method("dance", "");
    rig.run_until(at(109.0));
    assert!(rig.times("PINGREQ").is_empty());
    rig.run_until(at(110.0));
    assert_eq!(rig.times("PINGREQ"), [at(110.0)]);
}

#[test]
fn the_token_is_renewed_by_a_reconnect_at_a_random_time_before_it_expires() {
    let mut rig = Rig::online(&[]);
    rig.run_until(at(40_000.0));
    let opens = rig.times("open");
    let lives: Vec<f64> = opens.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64() / 3600.0).collect();
    assert!(lives.len() > 10 && lives.iter().all(|life| (0.75..0.90).contains(life)), "{lives:?}");
    assert!(lives.iter().any(|life| (life - lives[0]).abs() > 0.01), "{lives:?}");
    let renewals = lives.len();
    assert_eq!((rig.times("Disconnect").len(), rig.times("close").len()), (renewals, renewals));
    assert_eq!(rig.samples(Series::Reconnect), vec![Duration::ZERO; renewals]);
    assert_eq!(rig.count(&Event::Connected) - rig.count(&Event::Disconnected), 1);
    assert_eq!(rig.documents.len(), 1, "standBy is reported once");
}

#[test]
fn the_back_off_grows_and_begins_anew_once_a_connection_has_held() {
    let mut settings = settings(&[]);
    let backoff = Backoff::Exponential { base: SECOND, cap: 30 * SECOND, jitter: Jitter::None };
    settings.fleet.retry_connect = RetryPolicy::new(backoff).into();
    let mut rig = Rig::new(settings, 3);
    rig.hub.closed = true;
    rig.run_until(at(8.0));
    assert_eq!(rig.times("open"), [0.0, 1.0, 3.0, 7.0].map(at));
    assert_eq!((rig.samples(Series::ConnectError).len(), rig.count(&Event::Attempted)), (4, 4));
    rig.hub.closed = false;
    rig.run_until(at(16.0));
    assert!(rig.samples(Series::Connect).len() == 1 && rig.samples(Series::Reconnect).is_empty());
    rig.cut();
    rig.run_until(at(16.0) + 15 * SECOND);
    assert_eq!(rig.times("open").last(), Some(&at(15.0)), "one that did not hold counts as a failure");
    rig.run_until(at(60.0));
    rig.cut();
    rig.run_until(at(62.0));
    assert_eq!(rig.times("open").last(), Some(&at(61.0)));
    assert_eq!(rig.samples(Series::Reconnect), [16 * SECOND, SECOND]);
}

#[test]
fn the_back_off_begins_anew_after_a_renewal_too() {
    let mut settings = settings(&[]);
    let backoff = Backoff::Exponential { base: SECOND, cap: 1000 * SECOND, jitter: Jitter::None };
    settings.fleet.retry_connect = RetryPolicy::new(backoff).into();
    let mut rig = Rig::new(settings, 3);
    rig.hub.closed = true;
    rig.run_until(at(8.0));
    rig.hub.closed = false;
    rig.run_until(at(1000.0));
    rig.hub.closed = true;
    rig.run_until(at(15.0) + 3600 * SECOND);
    let opens = rig.times("open");
    let waits: Vec<f64> = opens[5..9].windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
    assert_eq!((opens[4], waits), (at(15.0), vec![1.0, 2.0, 4.0]));
}

#[test]
fn what_this_machine_lacks_is_no_connect_error_of_the_hubs() {
    let mut rig = Rig::new(settings(&[]), 3);
    let mut out = Vec::new();
    rig.session.poll(rig.now, &mut out);
    assert_eq!(out, [Output::Connect]);
    rig.input(Input::Starved("no more descriptors"));
    assert_eq!((rig.count(&Event::Attempted), rig.count(&Event::Starved("no more descriptors"))), (1, 1));
    assert!(rig.samples(Series::ConnectError).is_empty());
    rig.run_until(at(1.0));
    assert_eq!((rig.times("open"), rig.count(&Event::Ready)), (vec![at(1.0)], 1), "tried again");
}

#[test]
fn connack_3_is_retried_and_a_wrong_key_is_not() {
    let mut rig = Rig::new(settings(&[]), 3);
    rig.hub.connack = ConnectReturnCode::ServiceUnavailable;
    rig.run_until(at(2.5));
    assert_eq!(rig.times("open").len(), 3);
    rig.hub.connack = ConnectReturnCode::NotAuthorized;
    rig.run_until(at(1000.0));
    assert_eq!((rig.times("open").len(), rig.times("close").len()), (4, 4));
    assert!(rig.session.is_over() && rig.session.wake_at() == Nanos::MAX);
    assert_eq!((rig.count(&Event::GaveUp), rig.count(&Event::Ready)), (1, 1));
    assert_eq!(rig.samples(Series::ConnectError).len(), 4);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Failed(text) if text.contains("wrong key"))));
}

#[test]
fn a_wrong_key_is_tried_again_where_the_policy_says_so() {
    let mut settings = settings(&[]);
    let policy = RetryPolicy { refused: true, ..*settings.fleet.retry_connect.of(3) };
    settings.fleet.retry_connect = policy.into();
    let mut rig = Rig::new(settings, 3);
    for connack in [ConnectReturnCode::NotAuthorized, ConnectReturnCode::BadUserNamePassword] {
        rig.hub.connack = connack;
        rig.run_until(rig.now + 2 * SECOND);
    }
    assert_eq!((rig.times("open").len(), rig.count(&Event::ConnectRetry(SECOND))), (5, 5));
    rig.hub.connack = ConnectReturnCode::BadClientId;
    rig.run_until(at(100.0));
    assert_eq!((rig.times("open").len(), rig.count(&Event::GaveUp)), (6, 1), "that never comes right");
}

#[test]
fn a_device_takes_the_policy_of_its_cohort() {
    let policies = [Backoff::Fixed { delay: SECOND }, Backoff::None, Backoff::AzureDotnet, Backoff::AzureC];
    let mut settings = settings(&[]);
    let policies = policies.map(RetryPolicy::new).to_vec();
    settings.fleet.retry_connect = ConnectPolicies::new(policies).unwrap();
    let mut rig = Rig::new(settings, 3);
    rig.run_until(at(20.0));
    rig.hub.closed = true;
    rig.cut();
    rig.run_until(at(26.0));
    let opens: Vec<f64> = rig.times("open").iter().map(|open| open.since(Nanos::ZERO).as_secs_f64()).collect();
    let [_, at_once, second, third] = opens[..] else { panic!("{opens:?}") };
    assert!(at_once == 20.0 && (21.0..=21.05).contains(&second) && (23.0..=23.15).contains(&third), "{opens:?}");
}

#[test]
fn a_connection_that_is_renewed_was_not_lost() {
    let mut rig = Rig::online(&[]);
    rig.run_until(at(20.0));
    rig.cut();
    rig.run_until(at(9_000.0));
    assert!(rig.samples(Series::Reconnect).len() > 2);
    assert_eq!((rig.count(&Event::Lost), rig.count(&Event::Back(SECOND))), (1, 1));
    assert_eq!(rig.events.iter().filter(|event| matches!(event, Event::Back(_))).count(), 1);
}

#[test]
fn a_limit_of_attempts_gives_up() {
    let mut settings = settings(&[]);
    let policy = RetryPolicy { max_attempts: Some(2), ..*settings.fleet.retry_connect.of(3) };
    settings.fleet.retry_connect = policy.into();
    let mut rig = Rig::new(settings, 3);
    rig.hub.closed = true;
    rig.run_until(at(100.0));
    assert_eq!((rig.times("open").len(), rig.count(&Event::GaveUp)), (2, 1));
}

#[test]
fn a_hub_that_does_not_answer_connect_is_given_30_seconds() {
    let mut rig = Rig::new(settings(&[]), 3);
    rig.hub.deaf = true;
    rig.run_until(at(29.0));
    rig.hub.deaf = false;
    rig.run_until(at(32.0));
    assert_eq!((rig.times("close"), rig.times("open")), (vec![at(30.0)], vec![at(0.0), at(31.0)]));
    assert_eq!(rig.samples(Series::ConnectError), [30 * SECOND]);
}

#[test]
fn a_stopped_device_says_good_bye_and_nothing_more() {
    let mut rig = Rig::online(&[]);
    rig.call("u1");
    rig.did();
    rig.input(Input::Stop);
    rig.run_until(at(1000.0));
    assert_eq!(rig.did(), ["Disconnect", "close"]);
    assert!(rig.session.is_over());
}
