//! Reports, answers and presence over a plain broker.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use super::plain_rig::{PlainRig, Withheld, plain, plain_settings, without_presence};
use super::rig::{SECOND, at, fault};
use crate::device::{Event, Input, Output, Session};
use crate::measure::{MessageCounts, MessageKind};
use crate::mqtt::{ConnAck, ConnectReturnCode, Packet, Publish, QoS, publish};
use crate::policy::{FaultKind, FaultPlan, FirmwareStatus, Malformation, Malformed, Series};
use crate::random::Seed;

const LEVELS: [(u8, QoS); 3] = [(0, QoS::AtMostOnce), (1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)];

fn acknowledged(sent: u64) -> MessageCounts {
    MessageCounts { sent, acknowledged: sent, ..MessageCounts::default() }
}

fn unconfirmed(sent: u64) -> MessageCounts {
    MessageCounts { sent, unconfirmed: sent, ..MessageCounts::default() }
}

fn is_twin_ack(series: Series) -> bool {
    matches!(series, Series::TwinAck(_))
}

#[test]
fn a_report_is_done_once_the_broker_has_it_or_at_qos_0_once_it_is_sent() {
    for (level, qos) in LEVELS {
        let mut rig = PlainRig::online(level);
        assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE", "presence", "reported"], "{level}");
        assert_eq!(rig.count(&Event::Ready), 1);
        rig.call(qos);
        rig.run_until(at(60.0));
        let answered = rig.did().into_iter().filter(|what| !what.starts_with("Pub")).collect::<Vec<_>>();
        assert_eq!(answered, ["responses", "reported", "reported", "reported"], "{level}");
        let counts = if level == 0 { unconfirmed } else { acknowledged };
        for (kind, sent) in [(MessageKind::Report, 4), (MessageKind::Response, 1), (MessageKind::Presence, 1)] {
            assert_eq!(rig.counts(kind), counts(sent), "{kind:?} at {level}");
        }
        assert!(
            rig.published
                .iter()
                .all(|(_, message)| message.qos == qos && message.retain == message.topic.ends_with("presence"))
        );
        assert_eq!(rig.samples(is_twin_ack), if level == 0 { 0 } else { 4 }, "{level}");
        assert_eq!(rig.count(&Event::HandedOver(FirmwareStatus::Completed)), 1, "{level}");
    }
}

#[test]
fn a_report_whose_connection_is_lost_goes_out_again_and_is_counted_once() {
    for (level, withheld) in [(1, Withheld::All), (2, Withheld::All), (2, Withheld::Second)] {
        let mut rig = PlainRig::new(plain_settings(without_presence(level)), 3);
        rig.withheld = withheld;
        rig.run_until(at(1.0));
        let sent = MessageCounts { sent: 1, ..MessageCounts::default() };
        assert_eq!((rig.counts(MessageKind::Report), rig.count(&Event::Ready)), (sent, 0));
        rig.cut();
        rig.run_until(at(5.0));
        rig.cut();
        assert_eq!(rig.counts(MessageKind::Report), MessageCounts { resent: 1, ..sent }, "{level} {withheld:?}");
        rig.withheld = Withheld::Nothing;
        rig.run_until(at(9.0));
        let counts = MessageCounts { resent: 2, ..acknowledged(1) };
        assert_eq!((rig.counts(MessageKind::Report), rig.count(&Event::Ready)), (counts, 1));
        let bodies: Vec<_> = rig.published.iter().map(|(_, message)| &message.payload).collect();
        assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(rig.samples(is_twin_ack), 1);
    }
}

#[test]
fn a_report_at_qos_0_is_done_with_whatever_becomes_of_its_connection() {
    let mut rig = PlainRig::online(0);
    rig.call(QoS::AtMostOnce);
    rig.closed = true;
    rig.cut();
    rig.run_until(at(60.0));
    assert_eq!(rig.counts(MessageKind::Report), unconfirmed(1), "what has no connection is not sent");
    rig.closed = false;
    rig.did();
    rig.run_for(60 * SECOND);
    assert_eq!(rig.counts(MessageKind::Report), unconfirmed(4));
    assert_eq!(rig.times("reported").len(), 3);
    assert!(rig.did().ends_with(&["presence", "reported", "reported", "reported"].map(str::to_owned)));
}

#[test]
fn an_unanswered_report_goes_out_again_over_another_connection_and_never_twice_over_one() {
    for level in [1, 2] {
        let mut rig = PlainRig::new(plain_settings(without_presence(level)), 3);
        rig.withheld = Withheld::All;
        rig.run_until(at(59.9));
        assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE", "reported"]);
        rig.run_until(at(65.0));
        assert_eq!(rig.did(), ["close", "open", "CONNECT", "SUBSCRIBE", "reported"], "{level}");
        assert_eq!((rig.counts(MessageKind::Report).sent, rig.counts(MessageKind::Report).resent), (1, 1));
        assert_eq!((rig.count(&Event::Lost), rig.count(&Event::LostUnexplained)), (1, 1));
        rig.release();
        assert_eq!(rig.counts(MessageKind::Report), MessageCounts { resent: 1, ..acknowledged(1) });
        assert_eq!(rig.samples(is_twin_ack), 1);
        rig.call(QoS::AtLeastOnce);
        rig.run_for(60 * SECOND);
        assert_eq!(rig.counts(MessageKind::Report), MessageCounts { resent: 1, ..acknowledged(4) });
    }
}

#[test]
fn what_is_said_before_suback_has_an_identifier_of_its_own() {
    let mut session = Session::new(Rc::new(plain_settings(plain(1))), 3, false);
    let (now, mut out) = (at(1.0), Vec::new());
    session.poll(now, &mut out);
    let accepted = Packet::ConnAck(ConnAck { session_present: false, code: ConnectReturnCode::Success });
    let call = PlainRig::started(plain_settings(plain(1))).next_call(QoS::AtMostOnce);
    for input in
        [Input::Opened { since: now }, Input::Packet(accepted), Input::Packet(Packet::Publish(call)), Input::Stop]
    {
        session.handle(now, input, &mut out);
    }
    let ids: Vec<u16> = out
        .into_iter()
        .filter_map(|output| match output {
            Output::Send(Packet::Subscribe(subscribe)) => Some(subscribe.pkid),
            Output::Send(Packet::Publish(publish)) => Some(publish.pkid),
            _ => None,
        })
        .collect();
    let different: BTreeSet<u16> = ids.iter().copied().collect();
    assert_eq!((ids.len(), different.len(), different.contains(&0)), (3, 3, false), "{ids:?}");
}

#[test]
fn an_answer_is_given_where_its_method_has_its_place() {
    let mut settings = plain(1);
    settings.topics.response = "{prefix}/{device}/responses/{method}/{rid}/{status}".to_owned();
    let mut rig = PlainRig::started(plain_settings(settings));
    for (method, status) in [("reboot", 200), ("unheardOf", 404), ("firmwareUpdate", 400)] {
        let topic = format!("twinstorm/sim-0000003/methods/{method}/c1");
        let Packet::Publish(call) = publish(topic, QoS::AtMostOnce, 0, "{}".into()) else { unreachable!() };
        rig.deliver([call]);
        let answer = &rig.published.last().unwrap().1.topic;
        assert_eq!(*answer, format!("twinstorm/sim-0000003/responses/{method}/c1/{status}"));
    }
}

#[test]
fn an_answer_that_is_not_acknowledged_before_its_connection_ends_is_lost() {
    for (level, qos) in &LEVELS[1..] {
        let mut rig = PlainRig::online(*level);
        rig.withheld = Withheld::All;
        rig.call(*qos);
        rig.cut();
        let lost = MessageCounts { sent: 1, lost: 1, ..MessageCounts::default() };
        assert_eq!(rig.counts(MessageKind::Response), lost);
        rig.withheld = Withheld::Nothing;
        rig.run_until(at(60.0));
        assert_eq!((rig.counts(MessageKind::Response), rig.times("responses").len()), (lost, 1), "never again");
        assert_eq!(rig.counts(MessageKind::Report), acknowledged(4), "the update goes on");
    }
}

#[test]
fn a_call_at_qos_2_that_is_delivered_twice_is_handled_once() {
    let mut rig = PlainRig::online(2);
    let call = rig.next_call(QoS::ExactlyOnce);
    let again = Publish { dup: true, ..call.clone() };
    rig.deliver([call, again]);
    assert_eq!(rig.times("responses").len(), 1);
    assert_eq!(rig.count(&Event::Received { update_id: "u1".to_owned() }), 1);
    // PUBREL has come for it: the identifier is free for another call.
    let next = Publish { pkid: 1, ..rig.next_call(QoS::ExactlyOnce) };
    rig.deliver([next]);
    assert_eq!((rig.times("responses").len(), rig.counts(MessageKind::Response)), (2, acknowledged(2)));
}

#[test]
fn presence_is_told_once_a_device_listens_and_before_it_goes() {
    for (level, _) in LEVELS {
        let mut rig = PlainRig::online(level);
        assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE", "presence", "reported"]);
        rig.stop();
        assert!(rig.session.is_over(), "nothing is awaited");
        assert_eq!(rig.did(), ["presence", "Disconnect", "close"], "{level}");
        let said = rig.published.iter().filter(|(_, message)| message.topic.ends_with("presence"));
        let said: Vec<&[u8]> = said.map(|(_, message)| &message.payload[..]).collect();
        assert_eq!(said, [&br#"{"online":true}"#[..], br#"{"online":false}"#]);
        let counts = rig.counts(MessageKind::Presence);
        assert_eq!((counts.sent, counts.under_way(), counts.lost), (2, 0, 0), "{level}");
    }
    let mut rig = PlainRig::started(plain_settings(without_presence(1)));
    rig.stop();
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE", "reported", "Disconnect", "close"]);
    assert_eq!(rig.counts(MessageKind::Presence), MessageCounts::default());
}

#[test]
fn what_is_told_on_each_connection_is_told_on_the_next_and_the_report_is_not() {
    let mut rig = PlainRig::online(1);
    rig.did();
    rig.cut();
    rig.run_until(at(5.0));
    assert_eq!(rig.did(), ["open", "CONNECT", "SUBSCRIBE", "presence"]);
    assert_eq!(rig.count(&Event::Lost), 1);
}

#[test]
fn without_tokens_a_connection_lasts_for_days() {
    let mut rig = PlainRig::online(1);
    rig.did();
    rig.run_for(3 * 86_400 * SECOND);
    assert_eq!(rig.did(), [] as [&str; 0]);
    assert_eq!((rig.count(&Event::Connected), rig.count(&Event::Disconnected)), (1, 0));
}

#[test]
fn only_reports_of_the_present_update_are_told_to_be_acknowledged() {
    let mut rig = PlainRig::new(plain_settings(plain(1)), 3);
    rig.run_until(at(1.0));
    rig.call(QoS::AtLeastOnce);
    rig.run_until(at(40.0));
    rig.withheld = Withheld::All;
    rig.run_until(at(50.0));
    assert_eq!(rig.count(&Event::HandedOver(FirmwareStatus::Applying)), 1);
    // The first update is at its end here; its last report is still on its way as the next one begins.
    rig.call(QoS::AtLeastOnce);
    rig.release();
    assert_eq!(rig.count(&Event::HandedOver(FirmwareStatus::Completed)), 0, "of the update before");
    assert_eq!(rig.counts(MessageKind::Report), acknowledged(4));
    rig.run_for(60 * SECOND);
    assert_eq!(rig.count(&Event::HandedOver(FirmwareStatus::Completed)), 1);
    assert_eq!(rig.counts(MessageKind::Report), acknowledged(7));
}

#[test]
fn a_report_that_is_under_way_at_the_end_is_lost_and_one_that_was_never_sent_is_not_counted() {
    let mut rig = PlainRig::online(1);
    rig.call(QoS::AtLeastOnce);
    rig.run_until(at(10.0));
    rig.withheld = Withheld::All;
    rig.run_until(at(60.0));
    rig.stop();
    rig.run_for(5 * SECOND);
    assert!(rig.session.is_over());
    let counts = MessageCounts { sent: 2, acknowledged: 1, lost: 1, ..MessageCounts::default() };
    assert_eq!(rig.counts(MessageKind::Report), counts);
}

#[test]
fn what_nobody_can_read_is_sent_and_no_stage_is_reported_by_it() {
    use FirmwareStatus::{Applying, Downloading};
    for form in [Malformation::BadJson, Malformation::WrongType] {
        let mut settings = plain_settings(plain(1));
        let malformed = fault(FaultKind::Malformed(Malformed { stage: Downloading, form }));
        settings.faults = Arc::new(FaultPlan::new(Seed(7), &[malformed], 10));
        let mut rig = PlainRig::started(settings);
        rig.call(QoS::AtLeastOnce);
        rig.run_until(at(60.0));
        assert_eq!(rig.counts(MessageKind::Report), acknowledged(4), "{form:?}");
        for (status, present) in [(Downloading, false), (Applying, true)] {
            let told = [Event::Published { status, present }, Event::HandedOver(status)];
            assert_eq!(told.map(|event| rig.count(&event)), [1, usize::from(present)], "{status} {form:?}");
        }
    }
}
