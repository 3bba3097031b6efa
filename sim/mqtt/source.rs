//! The addresses of this machine that connections come from. A hub's port and one address of ours make no more
//! connections than there are local ports (28,232 by default), and long before that the kernel searches for a free one.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};

/// The addresses that a fleet's devices come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub enum SourceAddresses {
    /// Towards a hub on 127.0.0.0/8 as many addresses of that network as the fleet needs, none of them left to the
    /// kernel; towards any other hub the address that the kernel picks.
    #[default]
    Auto,
    /// These, one after another, device by device.
    Listed(Vec<AddressBlock>),
}

/// How source addresses stand in a plan.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Word(String),
    Blocks(Vec<String>),
}

/// A block of addresses in CIDR notation (RFC 4632); one address is a block of its own. All of its addresses count, the
/// first and the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressBlock {
    first: IpAddr,
    prefix: u8,
}

/// What is wrong with a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It cannot be read.
    #[error("`{0}` is neither an IP address like 10.0.0.5 nor a block of them like 10.0.1.0/28")]
    Unreadable(String),
    /// Its first address is another one.
    #[error("`{text}` begins amid its block: write {block}")]
    Amid {
        /// As it was written.
        text: String,
        /// What it probably means.
        block: AddressBlock,
    },
    /// It holds too many addresses.
    #[error("`{0}` holds more than {MAX_ADDRESSES} addresses")]
    Large(String),
}

/// Why devices cannot come from the addresses of a plan.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// None can reach the hub.
    #[error("fleet.source_addresses holds no address of the hub's family: {hub} needs one")]
    Family {
        /// The hub's address.
        hub: IpAddr,
    },
    /// The kernel does not let connections come from it.
    #[error(
        "no connection can come from {address}: {source}; name addresses of this machine in fleet.source_addresses"
    )]
    Unusable {
        /// The address.
        address: IpAddr,
        /// What the kernel says.
        source: io::Error,
    },
}

/// A plan may list so many addresses; each serves tens of thousands of devices.
pub const MAX_ADDRESSES: usize = 65_536;

/// On loopback, so many devices share an address. The kernel tries the odd or the even half of the local ports first,
/// 14,116 by default, so that up to a few thousand connections it finds a free one at once.
const DEVICES_PER_ADDRESS: u32 = 1_000;
/// On loopback, so many addresses are used at least: earlier runs leave their ports occupied for a minute.
const MIN_ADDRESSES: u32 = 16;
/// The first of them. Far from 127.0.0.1, which everybody else's connections come from.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 16, 0, 1);

impl SourceAddresses {
    /// Those for a fleet of `devices` in all that talks to `hub`.
    ///
    /// # Errors
    /// None of them can reach `hub`.
    pub fn towards(&self, hub: IpAddr, devices: u32) -> Result<Sources, SourceError> {
        let addresses: Arc<[IpAddr]> = match (self, hub) {
            (Self::Auto, IpAddr::V4(loopback)) if loopback.is_loopback() => {
                let block = AddressBlock { first: FIRST.into(), prefix: 32 };
                (0..devices.div_ceil(DEVICES_PER_ADDRESS).max(MIN_ADDRESSES)).map(|n| block.at(n)).collect()
            }
            (Self::Auto, _) => Arc::default(),
            (Self::Listed(blocks), _) => {
                let fitting = blocks.iter().filter(|block| block.first.is_ipv4() == hub.is_ipv4());
                // Blocks may overlap; each address counts once.
                let mut once = BTreeSet::new();
                let addresses = fitting.flat_map(|block| block.addresses()).filter(|address| once.insert(*address));
                let addresses: Arc<[IpAddr]> = addresses.collect();
                if addresses.is_empty() {
                    return Err(SourceError::Family { hub });
                }
                addresses
            }
        };
        Ok(Sources(addresses))
    }
}

impl TryFrom<Text> for SourceAddresses {
    type Error = BlockError;

    fn try_from(text: Text) -> Result<Self, BlockError> {
        match text {
            Text::Word(word) if word == "auto" => Ok(Self::Auto),
            Text::Word(word) => Err(BlockError::Unreadable(word)),
            Text::Blocks(blocks) => {
                Ok(Self::Listed(blocks.iter().map(|block| block.parse()).collect::<Result<_, _>>()?))
            }
        }
    }
}

impl From<SourceAddresses> for Text {
    fn from(addresses: SourceAddresses) -> Self {
        match addresses {
            SourceAddresses::Auto => Self::Word("auto".to_owned()),
            SourceAddresses::Listed(blocks) => Self::Blocks(blocks.iter().map(AddressBlock::to_string).collect()),
        }
    }
}

impl AddressBlock {
    /// How many addresses it holds; at most [`MAX_ADDRESSES`].
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no block is empty")]
    pub const fn len(&self) -> usize {
        1 << self.host_bits()
    }

    const fn host_bits(&self) -> u8 {
        (if self.first.is_ipv4() { 32 } else { 128 }) - self.prefix
    }

    fn addresses(self) -> impl Iterator<Item = IpAddr> {
        (0..1_u32 << self.host_bits()).map(move |n| self.at(n))
    }

    /// The address `n` places behind the first.
    fn at(&self, n: u32) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(n)).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits().wrapping_add(n.into())).into(),
        }
    }
}

impl FromStr for AddressBlock {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Self, BlockError> {
        let unreadable = || BlockError::Unreadable(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| unreadable())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unreadable())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.unwrap_or(bits);
        let host = bits.checked_sub(prefix).ok_or_else(unreadable)?;
        if host > MAX_ADDRESSES.ilog2() as u8 {
            return Err(BlockError::Large(text.to_owned()));
        }
        let first = match address {
            IpAddr::V4(address) => IpAddr::from(Ipv4Addr::from_bits(address.to_bits() >> host << host)),
            IpAddr::V6(address) => IpAddr::from(Ipv6Addr::from_bits(address.to_bits() >> host << host)),
        };
        let block = Self { first, prefix };
        if first == address { Ok(block) } else { Err(BlockError::Amid { text: text.to_owned(), block }) }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host_bits() == 0 { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.prefix) }
    }
}

/// Source addresses made ready; without any, the kernel picks one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Arc<[IpAddr]>);

impl Sources {
    /// Where device number `device` comes from; `None` to leave it to the kernel. By index, so that the shards of a
    /// machine use all addresses alike.
    #[must_use]
    pub fn of(&self, device: u32) -> Option<IpAddr> {
        self.0.get(device as usize % self.0.len().max(1)).copied()
    }

    /// How many there are; 0 if the kernel picks one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Tries each address once.
    ///
    /// # Errors
    /// The first that is not of this machine.
    pub fn check(&self) -> Result<(), SourceError> {
        for &address in &*self.0 {
            // A datagram socket takes an address under the same condition, and leaves nothing behind.
            UdpSocket::bind((address, 0)).map_err(|source| SourceError::Unusable { address, source })?;
        }
        Ok(())
    }
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot come from its source address.
    #[error("the source address cannot be used: {0}")]
    Source(io::Error),
    /// This machine, the network or the peer refused it. Of kind `AddrNotAvailable`, no local port is left.
    #[error(transparent)]
    Connect(#[from] io::Error),
}

/// Opens a TCP connection without delay for small packets, from `source` if one is given.
///
/// # Errors
/// [`OpenError`].
pub async fn connect_from(source: Option<IpAddr>, peer: SocketAddr) -> Result<TcpStream, OpenError> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        // The port is chosen at connect: only then may it be one that is in use towards other peers.
        setsockopt(&socket, IpBindAddressNoPort, &true).map_err(io::Error::from)?;
        socket.bind((source, 0).into()).map_err(OpenError::Source)?;
    }
    let stream = socket.connect(peer).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn listed(json: &str) -> Result<SourceAddresses, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_are_read_as_they_are_written() {
        for (text, len) in [("10.0.0.5", 1), ("10.0.1.0/28", 16), ("10.1.0.0/16", 65_536), ("fd00::8/126", 4)] {
            let block: AddressBlock = text.parse().unwrap();
            assert_eq!((block.to_string(), block.len(), block.addresses().count()), (text.to_owned(), len, len));
        }
        for (text, says) in [
            ("", "neither an IP address"),
            ("10.0.0.5/33", "neither an IP address"),
            ("10.0.0.0/x", "neither an IP address"),
            ("10.0.0.5-10.0.0.9", "neither an IP address"),
            ("10.0.0.5/28", "write 10.0.0.0/28"),
            ("10.0.0.0/15", "more than 65536"),
            ("::/0", "more than 65536"),
        ] {
            let error = text.parse::<AddressBlock>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_plan_holds_them_as_text() {
        for json in [r#""auto""#, r#"["10.0.0.5","fd00::/120"]"#] {
            assert_eq!(serde_json::to_string(&listed(json).unwrap()).unwrap(), json);
        }
        assert!(listed(r#""any""#).unwrap_err().contains("`any`") && listed(r#"["any"]"#).is_err());
    }

    #[test]
    fn on_loopback_devices_spread_and_elsewhere_the_kernel_decides() {
        let few = SourceAddresses::Auto.towards(LOOPBACK, 10).unwrap();
        let many = SourceAddresses::Auto.towards(LOOPBACK, 1_000_000).unwrap();
        assert_eq!((few.count(), many.count()), (16, 1_000));
        assert_eq!((few.of(0), few.of(17)), (Some(FIRST.into()), Some([127, 16, 0, 2].into())));
        assert_eq!(many.of(999), Some([127, 16, 3, 232].into()));
        few.check().unwrap();
        for hub in [IpAddr::from([192, 0, 2, 1]), Ipv6Addr::LOCALHOST.into()] {
            assert_eq!(SourceAddresses::Auto.towards(hub, 10).unwrap().of(7), None);
        }
    }

    #[test]
    fn listed_ones_take_turns_and_must_fit_the_hub_and_this_machine() {
        let addresses = listed(r#"["fd00::1", "192.0.2.4/31", "192.0.2.9"]"#).unwrap();
        let sources = addresses.towards([198, 51, 100, 1].into(), 1).unwrap();
        let turns: Vec<_> = (3..7).map(|device| sources.of(device).unwrap().to_string()).collect();
        assert_eq!(turns, ["192.0.2.4", "192.0.2.5", "192.0.2.9", "192.0.2.4"]);
        let error = sources.check().unwrap_err().to_string();
        assert!(error.starts_with("no connection can come from 192.0.2.4: "), "{error}");
        let error = listed(r#"["fd00::1"]"#).unwrap().towards(LOOPBACK, 1).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1 needs one"), "{error}");
    }

    #[tokio::test]
    async fn connections_come_from_where_they_are_told_and_a_foreign_address_is_named_as_such() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = listener.local_addr().unwrap();
        for source in [None, Some([127, 16, 0, 9].into())] {
            let (near, far) = tokio::join!(connect_from(source, hub), listener.accept());
            assert_eq!(far.unwrap().1.ip(), source.unwrap_or(LOOPBACK));
            near.unwrap();
        }
        let error = connect_from(Some([192, 0, 2, 4].into()), hub).await.unwrap_err();
        assert!(matches!(error, OpenError::Source(_)), "{error}");
    }
}
