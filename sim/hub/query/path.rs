//! The fields that a query may name.

/// A field of a row. The names of the hub's own fields are matched without case (4), those of users with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) enum Path {
    DeviceId,
    ModuleId,
    ModelId,
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
    /// What lies in a device's part of a job; the first is one of [`JOB_FIELDS`].
    Job(Vec<String>),
    /// No field of a row: undefined in every one.
    Unknown,
}

/// The hub's own fields of a device's part of a job (6).
const JOB_FIELDS: [&str; 10] = [
    "deviceId",
    "jobId",
    "jobType",
    "status",
    "startTimeUtc",
    "endTimeUtc",
    "createdDateTimeUtc",
    "lastUpdatedDateTimeUtc",
    "outcome",
    "error",
];

impl Path {
    /// The field of a twin that `segments` name.
    pub(super) fn new(segments: &[String]) -> Self {
        let lower: Vec<String> = segments.iter().take(2).map(|segment| segment.to_ascii_lowercase()).collect();
        let names: Vec<&str> = lower.iter().map(String::as_str).collect();
        match (names.as_slice(), segments.len()) {
            (["tags", ..], _) => Self::Tags(segments[1..].to_vec()),
            (["properties", "desired"], _) => Self::Desired(segments[2..].to_vec()),
            (["properties", "reported"], _) => Self::Reported(segments[2..].to_vec()),
            (["deviceid"], 1) => Self::DeviceId,
            (["moduleid"], 1) => Self::ModuleId,
            (["modelid"], 1) => Self::ModelId,
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

    /// The field of a device's part of a job that `segments` name.
    pub(super) fn of_job(segments: &[String]) -> Self {
        let Some((first, rest)) = segments.split_first() else { return Self::Unknown };
        // The documentation's examples ask for `createdTimeUtc`, while its answers hold the longer name.
        let first = if first.eq_ignore_ascii_case("createdTimeUtc") { "createdDateTimeUtc" } else { first };
        match JOB_FIELDS.iter().find(|name| name.eq_ignore_ascii_case(first)) {
            Some(name) => Self::Job(std::iter::once((*name).to_owned()).chain(rest.iter().cloned()).collect()),
            None => Self::Unknown,
        }
    }

    /// Whether this is a time that the hub wrote.
    pub(in crate::hub) fn is_time(&self) -> bool {
        match self {
            Self::LastActivityTime | Self::StatusUpdateTime => true,
            Self::Desired(path) | Self::Reported(path) => {
                path.first().is_some_and(|first| first == "$metadata")
                    && path.last().is_some_and(|last| last == "$lastUpdated")
            }
            Self::Job(path) => matches!(path.as_slice(), [only] if only.ends_with("TimeUtc")),
            _ => false,
        }
    }

    /// The name of this field in an answer, where it is one of the hub's own.
    pub(super) const fn own_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::DeviceId => "deviceId",
            Self::ModuleId => "moduleId",
            Self::ModelId => "modelId",
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
            Self::Tags(_) | Self::Desired(_) | Self::Reported(_) | Self::Job(_) | Self::Unknown => return None,
        })
    }
}
