//! The syntax tree of a query.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Query {
    pub(in crate::hub) select: Select,
    pub(in crate::hub) condition: Option<Condition>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Select {
    /// Whole twins.
    All,
    /// Single fields.
    Fields(Vec<Projection>),
    /// How many there are, under this name.
    Count(String),
}

/// A field of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Projection {
    pub(in crate::hub) path: Path,
    pub(in crate::hub) name: String,
}

/// What a row must fulfil.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare { left: Operand, comparison: Comparison, right: Operand },
    In { operand: Operand, list: Vec<Literal>, negated: bool },
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Operand {
    Path(Path),
    Literal(Literal),
}

/// A value that stands in the query.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// What a time of the hub's own is compared with.
    Time(Timestamp),
}

/// Reads a time as queries write it; one without a zone is one in UTC.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let without_zone = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| without_zone().map(|time| time.timestamp()))
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// As it is written.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The same comparison with its sides exchanged.
    pub(super) const fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }
}

/// A field of a twin. The names of the hub's own fields are matched without case (4), those of users with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Path {
    DeviceId,
    Etag,
    DeviceEtag,
    Status,
    StatusReason,
    StatusUpdateTime,
    ConnectionState,
    LastActivityTime,
    CloudToDeviceMessageCount,
    AuthenticationType,
    IotEdge,
    Version,
    /// Desired and reported properties together.
    Properties,
    /// What lies in the tags; empty for all of them.
    Tags(Vec<String>),
    /// What lies in the desired properties.
    Desired(Vec<String>),
    /// What lies in the reported properties.
    Reported(Vec<String>),
    /// No field of a twin: undefined in every row.
    Unknown,
}

impl Path {
    /// The field that `segments` name.
    pub(super) fn new(segments: &[String]) -> Self {
        let lower: Vec<String> = segments.iter().take(2).map(|segment| segment.to_ascii_lowercase()).collect();
        let names: Vec<&str> = lower.iter().map(String::as_str).collect();
        match (names.as_slice(), segments.len()) {
            (["tags", ..], _) => Self::Tags(segments[1..].to_vec()),
            (["properties", "desired"], _) => Self::Desired(segments[2..].to_vec()),
            (["properties", "reported"], _) => Self::Reported(segments[2..].to_vec()),
            (["deviceid"], 1) => Self::DeviceId,
            (["etag"], 1) => Self::Etag,
            (["deviceetag"], 1) => Self::DeviceEtag,
            (["properties"], 1) => Self::Properties,
            (["capabilities", "iotedge"], 2) => Self::IotEdge,
            (["status"], 1) => Self::Status,
            (["statusreason"], 1) => Self::StatusReason,
            (["statusupdatetime"], 1) => Self::StatusUpdateTime,
            (["cloudtodevicemessagecount"], 1) => Self::CloudToDeviceMessageCount,
            (["connectionstate"], 1) => Self::ConnectionState,
            (["lastactivitytime"], 1) => Self::LastActivityTime,
            (["authenticationtype"], 1) => Self::AuthenticationType,
            (["version"], 1) => Self::Version,
            _ => Self::Unknown,
        }
    }

    /// Whether this is a time that the hub wrote.
    pub(super) fn is_time(&self) -> bool {
        match self {
            Self::LastActivityTime | Self::StatusUpdateTime => true,
            Self::Desired(path) | Self::Reported(path) => {
                path.first().is_some_and(|first| first == "$metadata")
                    && path.last().is_some_and(|last| last == "$lastUpdated")
            }
            _ => false,
        }
    }

    /// The name of this field in an answer, where it is one of the hub's own.
    pub(super) const fn own_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::DeviceId => "deviceId",
            Self::Etag => "etag",
            Self::DeviceEtag => "deviceEtag",
            Self::Status => "status",
            Self::StatusReason => "statusReason",
            Self::StatusUpdateTime => "statusUpdateTime",
            Self::CloudToDeviceMessageCount => "cloudToDeviceMessageCount",
            Self::IotEdge => "iotEdge",
            Self::Properties => "properties",
            Self::ConnectionState => "connectionState",
            Self::LastActivityTime => "lastActivityTime",
            Self::AuthenticationType => "authenticationType",
            Self::Version => "version",
            Self::Tags(_) | Self::Desired(_) | Self::Reported(_) | Self::Unknown => return None,
        })
    }
}
