//! Topics (2.1, 3.1, 7), both ways: each is written and read here, by device and hub alike.

use std::fmt;

use percent_encoding::percent_decode_str;

/// A topic on which a device publishes. Borrowed from the topic string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromDevice<'a> {
    /// Asks for the twin.
    TwinGet {
        /// Names the request.
        rid: &'a str,
    },
    /// Patches the reported properties.
    ReportedPatch {
        /// Names the request.
        rid: &'a str,
    },
    /// Answers a direct method.
    MethodResponse {
        /// The device's status.
        status: i64,
        /// Names the call.
        rid: &'a str,
    },
    /// Telemetry.
    Telemetry {
        /// The device that it claims to be from.
        device: &'a str,
        /// The module of it, if it is from one.
        module: Option<&'a str>,
        /// `k=v&k=v`, percent-encoded.
        properties: &'a str,
    },
}

/// A topic on which a hub publishes to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromHub<'a> {
    /// Calls a direct method.
    Method {
        /// The method's name.
        name: &'a str,
        /// Names the call.
        rid: &'a str,
    },
    /// Answers a twin request.
    TwinResponse {
        /// 200 with the twin, 204 after a patch, else an error.
        status: u16,
        /// Names the request.
        rid: &'a str,
        /// The version of the reported properties, after a patch.
        version: Option<u64>,
    },
    /// The desired properties changed.
    DesiredPatch {
        /// Their new version.
        version: u64,
    },
}

impl FromHub<'_> {
    /// Subscribe to this for direct methods.
    pub const METHOD_FILTER: &'static str = "$iothub/methods/POST/#";
    /// Subscribe to this for answers to twin requests.
    pub const TWIN_RESPONSE_FILTER: &'static str = "$iothub/twin/res/#";
    /// Subscribe to this for changes of the desired properties.
    pub const DESIRED_FILTER: &'static str = "$iothub/twin/PATCH/properties/desired/#";
}

impl<'a> FromDevice<'a> {
    /// Reads a topic; `None` if it is none of these.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/") {
            return Some(Self::ReportedPatch { rid: property(rest, "$rid")? });
        }
        if let Some(rest) = topic.strip_prefix("$iothub/twin/GET/") {
            return Some(Self::TwinGet { rid: property(rest, "$rid")? });
        }
        if let Some(rest) = topic.strip_prefix("$iothub/methods/res/") {
            let (status, rest) = rest.split_once('/')?;
            return Some(Self::MethodResponse { status: status.parse().ok()?, rid: property(rest, "$rid")? });
        }
        let (sender, properties) = topic.strip_prefix("devices/")?.split_once("/messages/events/")?;
        let (device, module) = match sender.split_once("/modules/") {
            Some((device, module)) => (device, Some(module)),
            None => (sender, None),
        };
        Some(Self::Telemetry { device, module, properties: properties.trim_end_matches('/') })
    }
}

impl fmt::Display for FromDevice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwinGet { rid } => write!(f, "$iothub/twin/GET/?$rid={rid}"),
            Self::ReportedPatch { rid } => write!(f, "$iothub/twin/PATCH/properties/reported/?$rid={rid}"),
            Self::MethodResponse { status, rid } => write!(f, "$iothub/methods/res/{status}/?$rid={rid}"),
            Self::Telemetry { device, module: None, properties } => {
                write!(f, "devices/{device}/messages/events/{properties}")
            }
            Self::Telemetry { device, module: Some(module), properties } => {
                write!(f, "devices/{device}/modules/{module}/messages/events/{properties}")
            }
        }
    }
}

impl<'a> FromHub<'a> {
    /// Reads a topic; `None` if it is none of these.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("$iothub/methods/POST/") {
            let (name, rest) = rest.split_once('/')?;
            return Some(Self::Method { name, rid: property(rest, "$rid")? });
        }
        if let Some(rest) = topic.strip_prefix("$iothub/twin/res/") {
            let (status, rest) = rest.split_once('/')?;
            return Some(Self::TwinResponse {
                status: status.parse().ok()?,
                rid: property(rest, "$rid")?,
                version: property(rest, "$version").and_then(|version| version.parse().ok()),
            });
        }
        let rest = topic.strip_prefix("$iothub/twin/PATCH/properties/desired/")?;
        Some(Self::DesiredPatch { version: property(rest, "$version")?.parse().ok()? })
    }
}

impl fmt::Display for FromHub<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method { name, rid } => write!(f, "$iothub/methods/POST/{name}/?$rid={rid}"),
            Self::TwinResponse { status, rid, version: None } => write!(f, "$iothub/twin/res/{status}/?$rid={rid}"),
            Self::TwinResponse { status, rid, version: Some(version) } => {
                write!(f, "$iothub/twin/res/{status}/?$rid={rid}&$version={version}")
            }
            Self::DesiredPatch { version } => {
                write!(f, "$iothub/twin/PATCH/properties/desired/?$version={version}")
            }
        }
    }
}

/// The value of `key` in `?k=v&k=v`; the C SDK writes `$` as `%24`.
fn property<'a>(bag: &'a str, key: &str) -> Option<&'a str> {
    bag.strip_prefix('?')?.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == key || percent_decode_str(name).decode_utf8().is_ok_and(|name| name == key)).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_read_as_written() {
        for topic in [
            FromDevice::TwinGet { rid: "1" },
            FromDevice::ReportedPatch { rid: "a-b" },
            FromDevice::MethodResponse { status: 200, rid: "7" },
            FromDevice::MethodResponse { status: -3, rid: "7" },
            FromDevice::Telemetry { device: "d#1", module: None, properties: "%24.ct=x&k=v" },
            FromDevice::Telemetry { device: "d", module: Some("m"), properties: "" },
        ] {
            assert_eq!(FromDevice::parse(&topic.to_string()), Some(topic));
        }
        for topic in [
            FromHub::Method { name: "firmwareUpdate", rid: "1f" },
            FromHub::TwinResponse { status: 204, rid: "9", version: Some(12) },
            FromHub::TwinResponse { status: 429, rid: "9", version: None },
            FromHub::DesiredPatch { version: 3 },
        ] {
            assert_eq!(FromHub::parse(&topic.to_string()), Some(topic));
        }
    }

    #[test]
    fn loose_forms_of_the_sdks_are_read() {
        assert_eq!(FromDevice::parse("$iothub/twin/GET/?%24rid=5"), Some(FromDevice::TwinGet { rid: "5" }));
        let with_base = "$iothub/twin/PATCH/properties/reported/?$version=4&$rid=5";
        assert_eq!(FromDevice::parse(with_base), Some(FromDevice::ReportedPatch { rid: "5" }));
        let telemetry = FromDevice::parse("devices/d/messages/events/");
        assert_eq!(telemetry, Some(FromDevice::Telemetry { device: "d", module: None, properties: "" }));
    }

    #[test]
    fn other_topics_are_refused() {
        for topic in ["", "a/b", "$iothub/twin/GET/", "$iothub/methods/res/ok/?$rid=1", "$iothub/methods/res/200/"] {
            assert_eq!(FromDevice::parse(topic), None, "{topic}");
        }
        for topic in ["$iothub/methods/POST/x", "$iothub/twin/res/x/?$rid=1", "$iothub/twin/PATCH/properties/desired/"]
        {
            assert_eq!(FromHub::parse(topic), None, "{topic}");
        }
    }
}
