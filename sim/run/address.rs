//! A host and a port, as people write them.

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an IP address, the latter without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads `host`, `host:port`, `[::1]` or `[::1]:port`; `port` is for a text that has none.
    pub(super) fn parse(text: &str, port: u16) -> Self {
        let (host, port) = match text.rsplit_once(':') {
            // What stands behind the colon of an IPv6 address is no port.
            Some((host, digits)) if !host.contains(':') || host.ends_with(']') => match digits.parse() {
                Ok(port) => (host, port),
                Err(_) => (text, port),
            },
            _ => (text, port),
        };
        Self { host: host.trim_matches(['[', ']']).to_owned(), port }
    }

    /// The same host at another port.
    pub(super) fn at(self, port: u16) -> Self {
        Self { port, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_the_end_of_an_address() {
        for (text, host, port) in [
            ("hub.example", "hub.example", 443),
            ("hub.example:8443", "hub.example", 8443),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:8443", "::1", 8443),
            ("[::1]", "::1", 443),
            ("::1", "::1", 443),
            ("hub:none", "hub:none", 443),
        ] {
            assert_eq!(Address::parse(text, 443), Address { host: host.to_owned(), port }, "{text}");
        }
    }
}
