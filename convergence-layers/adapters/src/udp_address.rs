//! Where a node is reached by UDPCL, and how: `udp://host:port?mtu=1280&rate=125000&ltp=large&plain=yes` (docs/udp.md).

use std::fmt;

use bundle_format::Eid;
use udpcl::LinkOptions;
use udpcl::options::{MTU, MTU_MIN, PRIVATE_ID};

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::settings::{self, HEADERS};

/// A place and the settings of a link there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpAddress {
    place: HostPort,
    /// Octets of a datagram.
    mtu: usize,
    rate: Option<u64>,
    is_ltp_for_large: bool,
    is_plain: bool,
    extension: i16,
    /// Who is there, where a node of another make does not say it.
    node: Option<Box<Eid>>,
}

impl UdpAddress {
    /// Without settings.
    pub(crate) fn of(place: HostPort) -> Self {
        let (rate, is_ltp_for_large, is_plain) = (None, false, false);
        Self { place, mtu: MTU, rate, is_ltp_for_large, is_plain, extension: PRIVATE_ID, node: None }
    }

    /// Reads what stands behind the slashes of an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (place, settings) = settings::split(text);
        let mut address = Self::of(HostPort::parse(place, udpcl::PORT)?);
        for (name, value) in settings {
            address.set(name, value).ok_or_else(settings::unusable)?;
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("mtu", _) => self.mtu = settings::datagram(value, MTU_MIN)?,
            ("rate", _) => self.rate = Some(settings::rate(value)?),
            ("ltp", "always") => self.is_ltp_for_large = false,
            ("ltp", "large") => self.is_ltp_for_large = true,
            ("plain", "yes") => self.is_plain = true,
            ("plain", "no") => self.is_plain = false,
            ("node", _) => self.node = Some(settings::node_id(value)?),
            ("extension", _) => self.extension = value.parse().ok().filter(|id| *id < 0)?,
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

    pub(crate) fn extension(&self) -> i16 {
        self.extension
    }

    pub(crate) fn link(&self) -> LinkOptions {
        LinkOptions {
            mtu: self.mtu,
            rate: self.rate,
            is_ltp_for_large: self.is_ltp_for_large,
            is_plain: self.is_plain,
            engines: None,
        }
    }
}

impl fmt::Display for UdpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            (self.mtu != MTU).then(|| format!("mtu={}", self.mtu + HEADERS)),
            self.rate.map(|rate| format!("rate={rate}")),
            self.is_ltp_for_large.then(|| "ltp=large".to_owned()),
            self.is_plain.then(|| "plain=yes".to_owned()),
            (self.extension != PRIVATE_ID).then(|| format!("extension={}", self.extension)),
            self.node.as_ref().map(|node| format!("node={node}")),
        ];
        settings::write(f, &self.place, settings)
    }
}
