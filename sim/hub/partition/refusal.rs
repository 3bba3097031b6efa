//! Why the hub refuses a request, and conditions on etags.

use super::device::split_id;
use crate::dialect::azure::ErrorCode;
use crate::hub::query::QueryError;
use crate::hub::throttle::Operation;
use crate::hub::twin::TwinError;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(in crate::hub) struct Refusal {
    pub(in crate::hub) code: ErrorCode,
    pub(in crate::hub) message: String,
}

impl Refusal {
    pub(in crate::hub) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The device `id`, or the module `device/module`, is not registered. Twins and methods of modules answer with the
    /// code of devices too (3.4); only their identities have one of their own.
    pub(in crate::hub) fn unknown(id: &str) -> Self {
        Self::new(
            ErrorCode::DeviceNotFound,
            match split_id(id) {
                (device, Some(module)) => format!("module `{module}` of device `{device}` is not registered"),
                (device, None) => format!("device `{device}` is not registered"),
            },
        )
    }
}

impl Refusal {
    /// The hub has as many devices as it may have.
    pub(super) fn too_many_devices(limit: u64) -> Self {
        Self::new(ErrorCode::TooManyDevices, format!("this hub may have {limit} devices and modules, and has them"))
    }

    /// The throttle of `operation` refuses it, and so many more of it as queue already.
    pub(in crate::hub) fn throttled(operation: Operation) -> Self {
        let message = "too many requests: wait 10 seconds and try again. Operation type: ";
        Self::new(ErrorCode::ThrottlingException, format!("{message}{}", operation.name()))
    }

    /// So much waits already for the throttle of `operation` or for others that there is no room for it.
    pub(in crate::hub) fn no_room(operation: Operation) -> Self {
        let message = "too many requests wait already: wait and try again. Operation type: ";
        Self::new(ErrorCode::ThrottleBacklogLimitExceeded, format!("{message}{}", operation.name()))
    }

    /// The hub's servers have more to do than they can within the time that anybody waits.
    pub(in crate::hub) fn busy(operation: Operation) -> Self {
        let message = "the hub is busy: wait and try again. Operation type: ";
        Self::new(ErrorCode::ServerBusy, format!("{message}{}", operation.name()))
    }

    /// The messages of the day are used up.
    pub(in crate::hub) fn quota_exceeded() -> Self {
        let message = "the messages of this day are used up; the next day begins at 00:00 UTC";
        Self::new(ErrorCode::IotHubQuotaExceeded, message)
    }
}

impl From<TwinError> for Refusal {
    fn from(error: TwinError) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, error.to_string())
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, format!("the query is not understood: {error}"))
    }
}

/// `If-Match` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Precondition {
    /// None was given.
    Absent,
    /// `*`: whatever the etag is.
    Any,
    /// This etag only.
    Etag(String),
}

impl Precondition {
    /// Reads the header; quoted or not (3.4).
    pub(in crate::hub) fn parse(header: Option<&str>) -> Self {
        match header.map(|header| header.trim().trim_matches('"')) {
            None | Some("") => Self::Absent,
            Some("*") => Self::Any,
            Some(etag) => Self::Etag(etag.to_owned()),
        }
    }

    /// As [`Precondition::check`]; who deletes must name an etag (5).
    pub(in crate::hub) fn check_delete(&self, present: &str) -> Result<(), Refusal> {
        if *self == Self::Absent {
            return Err(Refusal::new(
                ErrorCode::PreconditionFailed,
                "deleting needs the header If-Match: etag missing",
            ));
        }
        self.check(present)
    }

    /// Refuses another etag than the present one.
    pub(in crate::hub) fn check(&self, present: &str) -> Result<(), Refusal> {
        match self {
            Self::Etag(etag) if etag != present => {
                Err(Refusal::new(ErrorCode::PreconditionFailed, format!("the etag is `{present}` by now")))
            }
            Self::Absent | Self::Any | Self::Etag(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_come_quoted_and_unquoted() {
        for (header, expected) in [
            (None, Precondition::Absent),
            (Some("*"), Precondition::Any),
            (Some("\"*\""), Precondition::Any),
            (Some("AAE="), Precondition::Etag("AAE=".into())),
            (Some(" \"AAE=\" "), Precondition::Etag("AAE=".into())),
        ] {
            assert_eq!(Precondition::parse(header), expected);
        }
        let stale = Precondition::parse(Some("AAE=")).check("AAI=").unwrap_err();
        assert_eq!(stale.code, ErrorCode::PreconditionFailed);
    }
}
