//! The user name of a CONNECT packet (1.2).

use percent_encoding::percent_decode_str;

/// A parsed user name: `{host}/{device}[/{module}]/?api-version=...&...`. Unknown keys of its query are ignored, and
/// every api-version is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username {
    /// The hub's host name, with a port where the client put one.
    pub host: String,
    /// The device's id.
    pub device: String,
    /// The module's id.
    pub module: Option<String>,
    /// The api-version, where given.
    pub api_version: Option<String>,
    /// The model that the device says it follows, where given.
    pub model_id: Option<String>,
}

/// Why a text is no user name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Not host and device.
    #[error("the user name is not `{{host}}/{{device}}/?api-version=...`")]
    Form,
    /// The id is not a device id.
    #[error("`{0}` is not a device id: 1 to 128 ASCII letters, digits and `- . + % _ # * ? ! ( ) , : = @ $ '`")]
    DeviceId(String),
}

impl Username {
    /// Reads a user name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let (host, rest) = text.split_once('/').ok_or(UsernameError::Form)?;
        // Ids may hold `?`, so the query begins at the last `/?`. Some clients leave the `?` out, and the bare form of
        // the SAS page has no query at all.
        let bare = || rest.find("/api-version=").map(|at| (&rest[..at], &rest[at + 1..]));
        let (path, query) = rest.rsplit_once("/?").or_else(bare).unwrap_or((rest, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        let (device, module) = match path.split_once('/') {
            Some((device, module)) => (device, Some(module.to_owned())),
            None => (path, None),
        };
        if host.is_empty() {
            return Err(UsernameError::Form);
        }
        for id in [Some(device), module.as_deref()].into_iter().flatten() {
            if !is_device_id(id) {
                return Err(UsernameError::DeviceId(id.chars().take(128).collect()));
            }
        }
        let value = |wanted| {
            let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == wanted)?;
            percent_decode_str(pair.1).decode_utf8().ok().map(Into::into)
        };
        let (api_version, model_id) = (value("api-version"), value("model-id"));
        Ok(Self { host: host.to_owned(), device: device.to_owned(), module, api_version, model_id })
    }

    /// The client id that belongs to it: `device` or `device/module` (1.2).
    #[must_use]
    pub fn identity(&self) -> String {
        match &self.module {
            Some(module) => format!("{}/{module}", self.device),
            None => self.device.clone(),
        }
    }

    /// What its token must be for, below the host (1.3).
    #[must_use]
    pub fn resource(&self) -> String {
        match &self.module {
            Some(module) => format!("devices/{}/modules/{module}", self.device),
            None => format!("devices/{}", self.device),
        }
    }
}

/// Whether `id` may name a device (1.2).
#[must_use]
pub fn is_device_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+%_#*?!(),:=@$'".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sdks_send_is_read() {
        for (text, device, api_version) in [
            ("h.net/d1/?api-version=2021-04-12", "d1", Some("2021-04-12")),
            ("h.net/d1/?api-version=2019-10-01&DeviceClientType=py%2F2.14", "d1", Some("2019-10-01")),
            ("h.net/d1/?model-id=dtmi:a;1&api-version=2020-09-30&DeviceClientType=x", "d1", Some("2020-09-30")),
            ("h.net:8883/d?1/?api-version=1", "d?1", Some("1")),
            ("h.net/d1", "d1", None),
        ] {
            let username = Username::parse(text).unwrap();
            assert_eq!((username.device.as_str(), username.api_version.as_deref()), (device, api_version), "{text}");
        }
        // 1.2, as each SDK orders and encodes it: Python, Node, C and .NET, and Python before 2.0.
        for (text, api_version, model_id) in [
            (
                "h/d/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0%28py%3Bos%29",
                "2019-10-01",
                None,
            ),
            (
                "h/d/?api-version=2020-09-30&DeviceClientType=py%2F2.14.0&model-id=dtmi%3Acom%3Aa%3B1",
                "2020-09-30",
                Some("dtmi:com:a;1"),
            ),
            (
                "h/d/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v18)",
                "2021-04-12",
                None,
            ),
            (
                "h/d/?api-version=2021-04-12&model-id=dtmi:com:a;1&DeviceClientType=azure-iot-device%2F1.18.4",
                "2021-04-12",
                Some("dtmi:com:a;1"),
            ),
            (
                "h/d/?api-version=2020-09-30&DeviceClientType=iothubclient%2F1.14.0&model-id=dtmi:com:a;1",
                "2020-09-30",
                Some("dtmi:com:a;1"),
            ),
            (
                "h/d/?api-version=2020-09-30&DeviceClientType=.NET%2F1.42.3&auth-chain=e%3Bd&model-id=dtmi%3Aa%3B1",
                "2020-09-30",
                Some("dtmi:a;1"),
            ),
            ("h/d/?api-version=2017-11-08-preview&DeviceClientType=iothubclient%2F1.4.0", "2017-11-08-preview", None),
        ] {
            let username = Username::parse(text).unwrap();
            assert_eq!((username.device.as_str(), username.module.as_deref()), ("d", None), "{text}");
            let read = (username.api_version.as_deref(), username.model_id.as_deref());
            assert_eq!(read, (Some(api_version), model_id), "{text}");
        }
        for text in ["h/d", "h/d/", "h/d/?api-version=1", "h/d/api-version=2018-06-30", "h/d/api-version=1&x=a/b"] {
            let username = Username::parse(text).unwrap();
            assert_eq!((username.device.as_str(), username.module), ("d", None), "{text}");
        }
        // 1.2: Node writes it raw and first, Python encoded and last.
        for query in ["model-id=dtmi:a:b;1&api-version=1", "api-version=1&model-id=dtmi%3Aa%3Ab%3B1"] {
            let username = Username::parse(&format!("h/d/?{query}")).unwrap();
            assert_eq!(username.model_id.as_deref(), Some("dtmi:a:b;1"));
        }
        let bare = Username::parse("h/d/api-version=2018-06-30").unwrap();
        assert_eq!(bare.api_version.as_deref(), Some("2018-06-30"));
        for text in ["h/d/m/?api-version=1", "h/d/m/api-version=1", "h/d/m", "h/d/m/"] {
            let module = Username::parse(text).unwrap();
            assert_eq!((module.device.as_str(), module.module.as_deref()), ("d", Some("m")), "{text}");
            assert_eq!((module.identity(), module.resource()), ("d/m".to_owned(), "devices/d/modules/m".to_owned()));
        }
    }

    #[test]
    fn others_are_refused() {
        assert_eq!(Username::parse("d1"), Err(UsernameError::Form));
        assert_eq!(Username::parse("/d1/?x"), Err(UsernameError::Form));
        assert!(matches!(Username::parse("h//?api-version=1"), Err(UsernameError::DeviceId(_))));
        assert!(matches!(Username::parse("h/ä/?api-version=1"), Err(UsernameError::DeviceId(_))));
        assert!(matches!(Username::parse("h/d/m/n/?api-version=1"), Err(UsernameError::DeviceId(_))));
        assert!(Username::parse(&format!("h/{}/?a=b", "x".repeat(129))).is_err());
    }
}
