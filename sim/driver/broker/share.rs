//! How lines share what devices say.

use crate::driver::{LineConfig, LineShare};

/// What a line subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Everything, alone.
    All,
    /// Everything, with the other lines of this driver as a group.
    Group,
    /// The devices whose number leaves the line's own when divided by the number of lines.
    Devices,
}

/// What is known before the broker is asked whether it has groups: how they share, or `None` if that depends on it.
pub(super) fn before_asking(lines: LineConfig, has_others: bool) -> Option<Sharing> {
    match lines.share {
        LineShare::All => Some(Sharing::All),
        LineShare::Devices => Some(Sharing::Devices),
        LineShare::Group => None,
        // Messages of other shards' devices would only cost time.
        LineShare::Auto if has_others => Some(Sharing::Devices),
        LineShare::Auto if lines.connections == 1 => Some(Sharing::All),
        LineShare::Auto => None,
    }
}

impl Sharing {
    /// In words, for results.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::All => "all messages",
            Self::Group => "a shared subscription",
            Self::Devices => "devices of its own",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_is_alone_takes_everything_and_several_split() {
        let lines = |connections, share| LineConfig { connections, share, keep_session: false };
        for (connections, share, has_others, sharing) in [
            (1, LineShare::Auto, false, Some(Sharing::All)),
            (4, LineShare::Auto, false, None),
            (1, LineShare::Auto, true, Some(Sharing::Devices)),
            (4, LineShare::Group, true, None),
            (4, LineShare::Devices, false, Some(Sharing::Devices)),
            (1, LineShare::All, true, Some(Sharing::All)),
        ] {
            assert_eq!(before_asking(lines(connections, share), has_others), sharing);
        }
    }
}
