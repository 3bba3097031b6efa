//! What the devices of a fleet prove themselves by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Key;
use crate::policy::{Arena, DeviceRange};

/// What the devices of a fleet prove themselves by. Keys never show themselves in a debug print. Clones share
/// everything.
#[derive(Debug, Clone)]
pub enum DeviceSecrets {
    /// Keys that derive from a master key.
    Derived(Key),
    /// A key for each device.
    Keys(Arc<Arena>),
    /// A certificate for each device.
    Certificates(CertificateFiles),
}

/// Files that hold each device's certificate (its chain, in PEM) and the private key to it (PEM).
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    certificates: Arc<Arena>,
    keys: Arc<Arena>,
}

impl DeviceSecrets {
    /// The key of device number `device` with this id, if keys are what its fleet has.
    #[must_use]
    pub fn key(&self, device: u32, id: &str) -> Option<Key> {
        match self {
            Self::Derived(master) => Some(master.derive(id)),
            Self::Keys(keys) => keys.get(device).and_then(Key::from_slice),
            Self::Certificates(_) => None,
        }
    }

    /// What somebody has to know who has to do with the devices of `range` alone.
    #[must_use]
    pub fn slice(&self, range: DeviceRange) -> Self {
        let part = |arena: &Arc<Arena>| Arc::new(arena.slice(range.start, range.end));
        match self {
            Self::Derived(_) => self.clone(),
            Self::Keys(keys) => Self::Keys(part(keys)),
            Self::Certificates(CertificateFiles { certificates, keys }) => {
                Self::Certificates(CertificateFiles { certificates: part(certificates), keys: part(keys) })
            }
        }
    }
}

impl From<Key> for DeviceSecrets {
    fn from(master: Key) -> Self {
        Self::Derived(master)
    }
}

impl CertificateFiles {
    /// The files of devices from `first` on; `None` if their paths are too long to keep.
    #[must_use]
    pub fn new(first: u32, certificates: &[String], keys: &[String]) -> Option<Self> {
        let arena = |paths: &[String]| Arena::new(first, paths).map(Arc::new);
        Some(Self { certificates: arena(certificates)?, keys: arena(keys)? })
    }

    /// Where the certificate of device number `device` is, and its key.
    #[must_use]
    pub fn of(&self, device: u32) -> Option<(PathBuf, PathBuf)> {
        let path = |arena: &Arena| Some(Path::new(std::str::from_utf8(arena.get(device)?).ok()?).to_owned());
        Some((path(&self.certificates)?, path(&self.keys)?))
    }

    /// The number of the first device, and the paths of all.
    #[must_use]
    pub fn paths(&self) -> (u32, Vec<String>, Vec<String>) {
        let texts = |arena: &Arena| arena.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        (self.certificates.first(), texts(&self.certificates), texts(&self.keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_has_its_own() {
        let range = DeviceRange { start: 1, end: 2 };
        let master = Key::from_bytes([1; 32]);
        assert_eq!(DeviceSecrets::from(master.clone()).slice(range).key(5, "a"), Some(master.derive("a")));
        let keys = DeviceSecrets::Keys(Arc::new(Arena::new(0, [[2; 16], [3; 16]]).unwrap())).slice(range);
        assert_eq!(keys.key(1, "b").map(|key| key.to_base64()), Key::from_slice(&[3; 16]).map(|key| key.to_base64()));
        assert_eq!(keys.key(0, "a"), None, "another's");
        let texts = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let files = CertificateFiles::new(0, &texts("a.pem", "b.pem"), &texts("a.key", "b.key")).unwrap();
        let DeviceSecrets::Certificates(part) = DeviceSecrets::Certificates(files).slice(range) else { panic!() };
        assert_eq!((part.of(0), part.of(1)), (None, Some(("b.pem".into(), "b.key".into()))));
        assert_eq!(part.paths(), (1, vec!["b.pem".to_owned()], vec!["b.key".to_owned()]));
    }
}
