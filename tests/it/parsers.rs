//! Whatever arrives from outside, a parser answers: it never panics. Random text, and text that is nearly right.

use proptest::prelude::*;
use twinstorm::dialect::azure::enrolment::{self, Proof};
use twinstorm::dialect::azure::{
    ConnectionString, FromDevice, FromHub, SasToken, ServiceError, Username, read_report, rest,
};
use twinstorm::policy::{Delay, Threshold, units};
use twinstorm::profile;

/// Pieces of what each parser expects, to get past its first look.
const PIECES: &[&str] = &[
    "$iothub/methods/POST/",
    "$iothub/twin/res/",
    "$iothub/twin/PATCH/properties/reported/",
    "?$rid=",
    "&$version=",
    "devices/",
    "/messages/events/",
    "HostName=",
    ";SharedAccessKey=",
    "SharedAccessSignature ",
    "sr=",
    "&sig=",
    "&se=",
    "%2F",
    "%",
    "+",
    "=",
    "/?api-version=",
    "/",
    "{\"reported\":",
    "{\"firmwareStatus\":",
    "\"$metadata\":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "1e400",
    "-1",
    "é",
    "\u{0}",
    "update.total.p99",
    " < ",
    "60s",
    "census.",
    ".pct",
    "lognormal ",
    "1s..3s",
    "[[fault]]\n",
    "kind = ",
    "select = ",
    "\n",
    "#",
];

fn nearly_right() -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,6}"];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_a_parser_panic(text in nearly_right()) {
        let _ = FromDevice::parse(&text);
        let _ = FromHub::parse(&text);
        let _ = Username::parse(&text);
        let _ = SasToken::parse(&text).map(|token| token.covers("h", &text));
        let _ = ConnectionString::parse(&text);
        let _ = ServiceError::parse(400, text.as_bytes());
        let _ = read_report("d", &text, None);
        let _ = (rest::twin(text.as_bytes()), rest::delta_page(text.as_bytes()));
        let _ = (enrolment::failures(400, text.as_bytes()), enrolment::marks_page(text.as_bytes()));
        let _ = (enrolment::found(text.as_bytes()), enrolment::proves(text.as_bytes(), &Proof::Authority));
        let _ = text.parse::<Threshold>().map(|threshold| threshold.to_string());
        let _ = text.parse::<Delay>().map(|delay| (delay.upper(), delay.to_string()));
        let _ = (units::parse_duration(&text), units::parse_rate(&text));
        let _ = profile::parse("random.toml", &text, &[]).map_err(|error| error.to_string());
    }
}
