//! The addresses of images, and which of them devices may go to.

use std::net::IpAddr;

use hyper::Uri;

use crate::mqtt::{ClientTls, TlsConfigError};

/// The address of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUrl {
    /// Whether TLS is spoken.
    pub secure: bool,
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and, where it was given, port, as a request's `Host` says it.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

impl ImageUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "it is no address like `https://host/path`";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err("its scheme is neither `https` nor `http`"),
            None => return Err(FORM),
        };
        let authority = uri.authority().ok_or(FORM)?;
        if authority.as_str().contains('@') {
            return Err("it holds a name or a password before the host: images are fetched without");
        }
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(FORM);
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.host().len() < authority.as_str().len() => return Err("its port is none"),
            None if secure => 443,
            None => 80,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { secure, host, port, authority: authority.to_string(), target })
    }

    /// Whether it is on this machine, whoever looks the name up.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// The server that a plan's images come from. Whoever may call devices can tell them any address: they go to this server
/// and to none else, but for plain HTTP on this machine.
#[derive(Debug, Clone)]
pub struct ImageSource {
    host: String,
    tls: Option<ClientTls>,
}

impl ImageSource {
    /// The server at `url`; with TLS its certificate must be signed by one of `authority` (PEM), `None` for those whom
    /// this system trusts.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(url: &ImageUrl, authority: Option<&str>) -> Result<Self, TlsConfigError> {
        let tls = match authority {
            _ if !url.secure => None,
            Some(authority) => Some(ClientTls::new(&url.host, authority, false)?),
            None => Some(ClientTls::with_system_roots(&url.host, false)?),
        };
        Ok(Self { host: url.host.clone(), tls })
    }

    /// Where a call's address leads, and how TLS is spoken there.
    ///
    /// # Errors
    /// Why it leads to no image.
    pub(super) fn way_to(&self, address: &str) -> Result<(ImageUrl, Option<&ClientTls>), &'static str> {
        let url = ImageUrl::parse(address)?;
        match (url.secure, &self.tls) {
            (false, _) if url.host == self.host || url.is_loopback() => Ok((url, None)),
            (true, Some(tls)) if url.host == self.host => Ok((url, Some(tls))),
            _ => Err("it leads to another server than firmware.image names"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, secure, host, port, target) in [
            ("http://127.0.0.1:8080/images/a?size=7", false, "127.0.0.1", 8080, "/images/a?size=7"),
            ("https://Host.example", true, "host.example", 443, "/"),
            ("https://[::1]:8443/x", true, "::1", 8443, "/x"),
        ] {
            let url = ImageUrl::parse(text).unwrap();
            assert_eq!((url.secure, url.host.as_str(), url.port, url.target.as_str()), (secure, host, port, target));
        }
        for text in ["", "x", "/a/b", "host.example", "ftp://h/x", "https://", "https://u:p@h/x", "http://h:99999/"] {
            assert!(ImageUrl::parse(text).is_err(), "{text}");
        }
        assert!(ImageUrl::parse("http://127.9.9.9/").unwrap().is_loopback());
        assert!(!ImageUrl::parse("http://127.example/").unwrap().is_loopback());
    }

    #[test]
    fn devices_go_where_the_plan_says_and_nowhere_else() {
        let source = ImageSource::new(&ImageUrl::parse("http://images.example/a").unwrap(), None).unwrap();
        for there in ["http://images.example:81/b", "http://IMAGES.example/", "http://127.0.0.1/x", "http://localhost/"]
        {
            assert!(source.way_to(there).is_ok(), "{there}");
        }
        for elsewhere in
            ["http://other.example/a", "https://images.example/a", "https://127.0.0.1/", "http://10.0.0.1/"]
        {
            assert!(source.way_to(elsewhere).is_err(), "{elsewhere}");
        }
    }
}
