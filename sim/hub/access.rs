//! Shared access policies (1.3): named keys, each with what it permits.

use std::fmt;
use std::ops::BitOr;

use crate::dialect::azure::{Key, SasToken};

/// What a policy permits: a set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Reading identities, queries, jobs and configurations.
    pub const REGISTRY_READ: Self = Self(1);
    /// Writing them.
    pub const REGISTRY_WRITE: Self = Self(2);
    /// Twins, direct methods and messages.
    pub const SERVICE_CONNECT: Self = Self(4);
    /// Connecting as any device.
    pub const DEVICE_CONNECT: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::REGISTRY_READ, "RegistryRead"),
        (Self::REGISTRY_WRITE, "RegistryWrite"),
        (Self::SERVICE_CONNECT, "ServiceConnect"),
        (Self::DEVICE_CONNECT, "DeviceConnect"),
    ];

    /// Whether all of `others` are among these.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Their names, as the hub's pages write them.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(right, _)| self.contains(*right)).map(|(_, name)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(", "))
    }
}

/// A shared access policy. Its keys never show themselves in a debug print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name, as `skn` of a token states it.
    pub name: String,
    /// The first of its keys.
    pub primary: Key,
    /// The other one, so that keys can be changed while services run.
    pub secondary: Key,
    /// What it permits.
    pub rights: Rights,
}

impl Policy {
    /// Whether one of its keys signed `token`.
    #[must_use]
    pub fn signed(&self, token: &SasToken) -> bool {
        token.is_signed_by(&self.primary) || token.is_signed_by(&self.secondary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_a_set_with_names() {
        let both = Rights::REGISTRY_READ | Rights::REGISTRY_WRITE;
        assert!(both.contains(Rights::REGISTRY_READ) && both.contains(both) && both.contains(Rights::NONE));
        assert!(!Rights::REGISTRY_READ.contains(both) && !both.contains(Rights::SERVICE_CONNECT));
        assert_eq!(both.to_string(), "RegistryRead, RegistryWrite");
    }
}
