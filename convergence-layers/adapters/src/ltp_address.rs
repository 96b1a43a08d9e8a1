//! Where a node is reached by bare LTP, and by which engine numbers: `ltp://host:port?engine=7&own=4711` (docs/udp.md).

use std::fmt;

use bundle_format::Eid;
use udpcl::options::{MTU, MTU_MAX};
use udpcl::{Engines, LinkOptions};

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::udp_address::{HEADERS, RATE_MIN, node_id, number};

/// The shortest datagrams in which an engine can say what it has to.
const MTU_MIN: usize = 128;

/// A place and the settings of a link there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LtpAddress {
    place: HostPort,
    /// The engine there.
    engine: Option<u64>,
    /// Ours; the number of our node, where it has one, unless it is said.
    own: Option<u64>,
    mtu: usize,
    rate: Option<u64>,
    /// Who is there, where a node of another make does not say it.
    node: Option<Box<Eid>>,
}

impl LtpAddress {
    /// Without settings.
    pub(crate) fn of(place: HostPort) -> Self {
        Self { place, engine: None, own: None, mtu: MTU, rate: None, node: None }
    }

    /// Reads what stands behind the slashes of an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let mut address = Self::of(HostPort::parse(place, udpcl::LTP_PORT)?);
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            address.set(name, value).ok_or_else(|| AddressError::Setting(String::new()))?;
        }
        if address.engine.is_some() && address.engine == address.own {
            return Err(AddressError::Setting(String::new()));
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "engine" => self.engine = Some(number(value)?),
            "node" => self.node = Some(node_id(value)?),
            "own" => self.own = Some(number(value)?),
            "mtu" => {
                let mtu = number::<usize>(value)?.checked_sub(HEADERS)?;
                self.mtu = Some(mtu).filter(|mtu| (MTU_MIN..=MTU_MAX - HEADERS).contains(mtu))?;
            }
            "rate" => self.rate = Some(number(value).filter(|rate| *rate >= RATE_MIN)?),
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn place(&self) -> &HostPort {
        &self.place
    }

    pub(crate) fn node(&self) -> Option<&Eid> {
        self.node.as_deref()
    }

    /// Whether it says which engine is there.
    pub(crate) fn names_engine(&self) -> bool {
        self.engine.is_some()
    }

    /// The options of a link there; `None` where nothing says which engine we are.
    pub(crate) fn link(&self, node: Option<u64>) -> Option<LinkOptions> {
        let engines = Some(Engines { ours: self.own.or(node)?, theirs: self.engine });
        Some(LinkOptions { mtu: self.mtu, rate: self.rate, engines, ..LinkOptions::default() })
    }
}

impl fmt::Display for LtpAddress {
    /// Only what is not as usual, in one order: two texts of one address are one peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            self.engine.map(|engine| format!("engine={engine}")),
            self.own.map(|own| format!("own={own}")),
            (self.mtu != MTU).then(|| format!("mtu={}", self.mtu + HEADERS)),
            self.rate.map(|rate| format!("rate={rate}")),
            self.node.as_ref().map(|node| format!("node={node}")),
        ];
        let settings: Vec<String> = settings.into_iter().flatten().collect();
        let mark = if settings.is_empty() { "" } else { "?" };
        write!(f, "{}{mark}{}", self.place, settings.join("&"))
    }
}
