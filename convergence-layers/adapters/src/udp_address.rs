//! Where a node is reached by UDPCL, and how: `udp://host:port?mtu=1280&rate=125000&ltp=large&plain=yes` (docs/udp.md).

use std::fmt;
use std::str::FromStr;

use bundle_format::Eid;
use udpcl::LinkOptions;
use udpcl::options::{MTU, MTU_MAX, MTU_MIN, PRIVATE_ID};

use crate::address::AddressError;
use crate::host_port::HostPort;

/// Octets of the headers of IPv6 and UDP, which the MTU of a path includes.
pub(crate) const HEADERS: usize = 48;
/// The slowest link, in octets per second.
pub(crate) const RATE_MIN: u64 = 100;

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
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let mut address = Self::of(HostPort::parse(place, udpcl::PORT)?);
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            address.set(name, value).ok_or_else(|| AddressError::Setting(String::new()))?;
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("mtu", _) => {
                let mtu = number::<usize>(value)?.checked_sub(HEADERS)?;
                self.mtu = Some(mtu).filter(|mtu| (MTU_MIN..=MTU_MAX - HEADERS).contains(mtu))?;
            }
            ("rate", _) => self.rate = Some(number(value).filter(|rate| *rate >= RATE_MIN)?),
            ("ltp", "always") => self.is_ltp_for_large = false,
            ("ltp", "large") => self.is_ltp_for_large = true,
            ("plain", "yes") => self.is_plain = true,
            ("plain", "no") => self.is_plain = false,
            ("node", _) => self.node = Some(node_id(value)?),
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

/// A node's name; boxed, because addresses are part of errors, and few have one.
pub(crate) fn node_id(value: &str) -> Option<Box<Eid>> {
    value.parse().ok().filter(|eid: &Eid| eid.is_node_id() && !eid.is_null()).map(Box::new)
}

/// Digits, and nothing else.
pub(crate) fn number<N: FromStr>(value: &str) -> Option<N> {
    value.bytes().all(|octet| octet.is_ascii_digit()).then(|| value.parse().ok())?
}

impl fmt::Display for UdpAddress {
    /// Only what is not as usual, in one order: two texts of one address are one peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut settings = Vec::new();
        if self.mtu != MTU {
            settings.push(format!("mtu={}", self.mtu + HEADERS));
        }
        if let Some(rate) = self.rate {
            settings.push(format!("rate={rate}"));
        }
        if self.is_ltp_for_large {
            settings.push("ltp=large".to_owned());
        }
        if self.is_plain {
            settings.push("plain=yes".to_owned());
        }
        if self.extension != PRIVATE_ID {
            settings.push(format!("extension={}", self.extension));
        }
        if let Some(node) = &self.node {
            settings.push(format!("node={node}"));
        }
        let mark = if settings.is_empty() { "" } else { "?" };
        write!(f, "{}{mark}{}", self.place, settings.join("&"))
    }
}
