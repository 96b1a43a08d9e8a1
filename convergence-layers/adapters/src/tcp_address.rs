//! Where a node is reached by TCPCL, and whether through TLS: `tcp://host:port?tls=require` (docs/tcpcl.md).

use std::fmt;

use crate::address::AddressError;
use crate::host_port::HostPort;

/// Whether a connection goes through TLS, and by whose word the neighbor is who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsUse {
    /// Where the other side can do it; between nodes of this program always.
    Offer,
    /// There is no contact without, so that nobody on the way can prevent it.
    Require,
    /// In the clear.
    Off,
    /// Required, with certificates of an authority (`tls_ca` in `config.toml`).
    Authority,
}

impl TlsUse {
    const NAMES: [(&'static str, Self); 4] =
        [("offer", Self::Offer), ("require", Self::Require), ("off", Self::Off), ("ca", Self::Authority)];
}

/// A place and the settings of a link there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpAddress {
    pub(crate) place: HostPort,
    pub(crate) tls: TlsUse,
}

impl TcpAddress {
    /// Without settings.
    pub fn of(place: HostPort) -> Self {
        Self { place, tls: TlsUse::Offer }
    }

    /// Reads what stands behind the slashes of an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let mut address = Self::of(HostPort::parse(place, tcpcl::PORT)?);
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let value = setting.strip_prefix("tls=");
            let found = TlsUse::NAMES.iter().find(|(name, _)| Some(*name) == value);
            address.tls = found.ok_or_else(|| AddressError::Setting(String::new()))?.1;
        }
        Ok(address)
    }

    /// The host and the port.
    pub fn place(&self) -> &HostPort {
        &self.place
    }
}

impl fmt::Display for TcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        match TlsUse::NAMES.iter().find(|(_, tls)| *tls == self.tls) {
            Some((name, tls)) if *tls != TlsUse::Offer => write!(f, "?tls={name}"),
            _ => Ok(()),
        }
    }
}
