//! What an answer to a method call means for the update.

use std::fmt;
use std::time::Duration;

use crate::dialect::MethodAnswer;
use crate::dialect::azure::ErrorCode;
use crate::measure::Answer;
use crate::policy::{Failed, Failure, Outcome};

/// How a method call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallFailure {
    /// The device answered with this status, which is not 200.
    Rejected(i64),
    /// 404103: the device was not connected.
    NotOnline,
    /// 504101: the device did not answer in time.
    NoResponse,
    /// 429.
    Throttled,
    /// 429004: as many jobs as may be have not ended.
    TooManyJobs,
    /// 403002: the day's messages are spent.
    QuotaSpent,
    /// Any other HTTP status.
    Hub(u16),
    /// The hub could not be reached.
    Unreachable,
    /// The connection broke, or the answer was none that a hub would send.
    Broken,
    /// The client's own time limit passed.
    ClientTimeout,
}

impl CallFailure {
    /// Tells success, the device's 200, from failure; with a failure goes when the hub wants the client back.
    pub(super) fn of(answer: &MethodAnswer) -> Result<(), (Self, Option<Duration>)> {
        match *answer {
            MethodAnswer::Device { status: 200, .. } => Ok(()),
            MethodAnswer::Device { status, .. } => Err((Self::Rejected(status), None)),
            MethodAnswer::NotOnline => Err((Self::NotOnline, None)),
            MethodAnswer::NoResponse => Err((Self::NoResponse, None)),
            MethodAnswer::Throttled { retry_after } => Err((Self::Throttled, retry_after)),
            MethodAnswer::Hub { code: Some(code), .. } if code == ErrorCode::IotHubQuotaExceeded.number() => {
                Err((Self::QuotaSpent, None))
            }
            MethodAnswer::Hub { code: Some(code), retry_after, .. }
                if code == ErrorCode::ThrottlingMaxActiveJobCountExceeded.number() =>
            {
                Err((Self::TooManyJobs, retry_after))
            }
            MethodAnswer::Hub { status, retry_after, .. } => Err((Self::Hub(status), retry_after)),
            MethodAnswer::Unreachable { .. } => Err((Self::Unreachable, None)),
            MethodAnswer::Broken { .. } => Err((Self::Broken, None)),
            MethodAnswer::ClientTimeout => Err((Self::ClientTimeout, None)),
        }
    }

    /// What a retry policy is told of it; `None` where no policy is asked: the device has decided, or a quota is spent
    /// that comes back at midnight. A 4xx other than these (400, 401, 404001, ...) would be answered the same again.
    pub(super) const fn failure(self) -> Option<Failure> {
        match self {
            Self::Rejected(_) | Self::QuotaSpent => None,
            Self::Hub(..500) => Some(Failure::Refused),
            Self::Throttled | Self::TooManyJobs => Some(Failure::Throttled),
            _ => Some(Failure::Transient),
        }
    }

    /// The same of an attempt that took so long, after which the hub wants the client back in `retry_after`.
    pub(super) fn failed(self, took: Duration, retry_after: Option<Duration>) -> Option<Failed> {
        Some(Failed { why: self.failure()?, took, retry_after })
    }

    /// Whether the device may have received the call all the same, its answer being lost on the way. Then the twin
    /// decides.
    pub(super) const fn may_have_started(self) -> bool {
        matches!(self, Self::NoResponse | Self::Broken | Self::ClientTimeout | Self::Hub(500..))
    }

    /// The outcome of an update whose call finally failed so.
    pub(super) const fn outcome(self) -> Outcome {
        match self {
            Self::Rejected(_) => Outcome::Rejected,
            Self::NotOnline => Outcome::NotOnline,
            Self::NoResponse => Outcome::NoResponse,
            Self::Throttled | Self::TooManyJobs | Self::QuotaSpent => Outcome::Throttled,
            Self::Hub(_) | Self::Unreachable | Self::Broken | Self::ClientTimeout => Outcome::HubError,
        }
    }

    /// What the census says beyond the outcome.
    pub(super) fn detail(self) -> String {
        match self {
            Self::NotOnline | Self::NoResponse | Self::Throttled => String::new(),
            Self::Rejected(status) => status.to_string(),
            Self::Hub(status) => status.to_string(),
            Self::TooManyJobs => ErrorCode::ThrottlingMaxActiveJobCountExceeded.name(),
            Self::QuotaSpent => "quota_spent".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
            Self::Broken => "broken".to_owned(),
            Self::ClientTimeout => "client_timeout".to_owned(),
        }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(status) => write!(f, "the device's refusal {status}"),
            Self::NotOnline => f.write_str("device not online (404103)"),
            Self::NoResponse => f.write_str("no answer from the device (504101)"),
            Self::Throttled => f.write_str("throttled (429)"),
            Self::TooManyJobs => f.write_str("too many jobs at once (429004)"),
            Self::QuotaSpent => f.write_str("the hub's quota of messages is spent (403002)"),
            Self::Hub(status) => write!(f, "the hub's error {status}"),
            Self::Unreachable => f.write_str("the hub cannot be reached"),
            Self::Broken => f.write_str("connection broken"),
            Self::ClientTimeout => f.write_str("the client's own timeout"),
        }
    }
}

/// What kind of answer it is, for whoever wants to know everything.
pub(super) const fn kind(answer: &MethodAnswer) -> Answer {
    match answer {
        MethodAnswer::Device { status, .. } => Answer::Device(*status),
        MethodAnswer::NotOnline => Answer::NotOnline,
        MethodAnswer::NoResponse => Answer::NoResponse,
        MethodAnswer::Throttled { .. } => Answer::Throttled,
        MethodAnswer::Hub { status, .. } => Answer::Hub(*status),
        MethodAnswer::Unreachable { .. } => Answer::Unreachable,
        MethodAnswer::Broken { .. } => Answer::Broken,
        MethodAnswer::ClientTimeout => Answer::ClientTimeout,
    }
}

/// An answer in words, for a trace.
pub(super) fn in_words(answer: &MethodAnswer) -> String {
    match answer {
        MethodAnswer::Device { status, payload } => format!("{status} {payload}"),
        MethodAnswer::Unreachable { reason } | MethodAnswer::Broken { reason } => reason.clone(),
        MethodAnswer::Hub { status, code: Some(code), .. } => format!("the hub's error {status} ({code})"),
        other => CallFailure::of(other).err().map(|(failure, _)| failure.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_jobs_are_told_from_other_throttles() {
        let answer = MethodAnswer::Hub { status: 429, code: Some(429_004), retry_after: None };
        assert_eq!(CallFailure::of(&answer), Err((CallFailure::TooManyJobs, None)));
    }

    #[test]
    fn a_spent_quota_is_told_from_other_refusals() {
        let of = |code| CallFailure::of(&MethodAnswer::Hub { status: 403, code, retry_after: None });
        assert_eq!(of(Some(403_002)), Err((CallFailure::QuotaSpent, None)));
        assert_eq!([of(Some(403_012)), of(None)], [Err((CallFailure::Hub(403), None)); 2]);
    }

    #[test]
    fn each_failure_has_its_outcome_and_its_chance_of_another_try() {
        use CallFailure::{
            Broken, ClientTimeout, Hub, NoResponse, NotOnline, QuotaSpent, Rejected, Throttled, TooManyJobs,
            Unreachable,
        };
        let (no, again, throttled) = (None, Some(Failure::Transient), Some(Failure::Throttled));
        let refused = Some(Failure::Refused);
        // failure, outcome, detail, what a policy is told, may have started the update all the same
        for (failure, outcome, detail, told, started) in [
            (Rejected(409), Outcome::Rejected, "409", no, false),
            (NotOnline, Outcome::NotOnline, "", again, false),
            (NoResponse, Outcome::NoResponse, "", again, true),
            (Throttled, Outcome::Throttled, "", throttled, false),
            (TooManyJobs, Outcome::Throttled, "ThrottlingMaxActiveJobCountExceeded", throttled, false),
            (QuotaSpent, Outcome::Throttled, "quota_spent", no, false),
            (Hub(400), Outcome::HubError, "400", refused, false),
            (Hub(401), Outcome::HubError, "401", refused, false),
            (Hub(404), Outcome::HubError, "404", refused, false),
            (Hub(500), Outcome::HubError, "500", again, true),
            (Hub(503), Outcome::HubError, "503", again, true),
            (Unreachable, Outcome::HubError, "unreachable", again, false),
            (Broken, Outcome::HubError, "broken", again, true),
            (ClientTimeout, Outcome::HubError, "client_timeout", again, true),
        ] {
            assert_eq!((failure.outcome(), failure.detail().as_str()), (outcome, detail));
            assert_eq!((failure.failure(), failure.may_have_started()), (told, started), "{failure}");
        }
    }
}
