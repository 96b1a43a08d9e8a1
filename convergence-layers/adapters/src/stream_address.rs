//! Where a node is reached by STCP or MTCP: `mtcp://host:port?node=dtn://hub/` (docs/stream-framings.md).

use std::fmt;

use bundle_format::Eid;

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::udp_address::node_id;

/// A place, and who is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamAddress {
    place: HostPort,
    /// Where a node of another make does not say it.
    node: Option<Box<Eid>>,
}

impl StreamAddress {
    /// Without settings.
    pub(crate) fn of(place: HostPort) -> Self {
        Self { place, node: None }
    }

    /// Reads what stands behind the slashes of an address.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let mut address = Self::of(HostPort::parse(place, framed::PORT)?);
        for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
            let node = setting.strip_prefix("node=").and_then(node_id);
            address.node = Some(node.ok_or_else(|| AddressError::Setting(String::new()))?);
        }
        Ok(address)
    }

    pub(crate) fn place(&self) -> &HostPort {
        &self.place
    }

    pub(crate) fn node(&self) -> Option<&Eid> {
        self.node.as_deref()
    }
}

impl fmt::Display for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        self.node.as_ref().map_or(Ok(()), |node| write!(f, "?node={node}"))
    }
}
