//! Where a node is reached by bare LTP, and by which engine numbers: `ltp://host:port?engine=7&own=4711` (docs/udp.md).

use std::fmt;

use bundle_format::Eid;
use udpcl::options::MTU;
use udpcl::{Engines, LinkOptions};

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::settings::{self, HEADERS};

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
        let (place, settings) = settings::split(text);
        let mut address = Self::of(HostPort::parse(place, udpcl::LTP_PORT)?);
        for (name, value) in settings {
            address.set(name, value).ok_or_else(settings::unusable)?;
        }
        if address.engine.is_some() && address.engine == address.own {
            return Err(settings::unusable());
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "engine" => self.engine = Some(settings::number(value)?),
            "node" => self.node = Some(settings::node_id(value)?),
            "own" => self.own = Some(settings::number(value)?),
            "mtu" => self.mtu = settings::datagram(value, MTU_MIN)?,
            "rate" => self.rate = Some(settings::rate(value)?),
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            self.engine.map(|engine| format!("engine={engine}")),
            self.own.map(|own| format!("own={own}")),
            (self.mtu != MTU).then(|| format!("mtu={}", self.mtu + HEADERS)),
            self.rate.map(|rate| format!("rate={rate}")),
            self.node.as_ref().map(|node| format!("node={node}")),
        ];
        settings::write(f, &self.place, settings)
    }
}
