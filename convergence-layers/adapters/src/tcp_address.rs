//! Where a node is reached by TCPCL, and whether through TLS: `tcp://host:port?tls=require` (docs/tcpcl.md).

use std::fmt;

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::settings;

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
        let (place, settings) = settings::split(text);
        let mut address = Self::of(HostPort::parse(place, tcpcl::PORT)?);
        for (name, value) in settings {
            let found = TlsUse::NAMES.iter().find(|(tls, _)| name == "tls" && *tls == value);
            address.tls = found.ok_or_else(settings::unusable)?.1;
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
        let found = TlsUse::NAMES.iter().find(|(_, tls)| *tls == self.tls && *tls != TlsUse::Offer);
        settings::write(f, &self.place, [found.map(|(name, _)| format!("tls={name}"))])
    }
}
