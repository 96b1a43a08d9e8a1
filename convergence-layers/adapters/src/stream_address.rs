//! Where a node is reached by STCP or MTCP: `mtcp://host:port?node=dtn://hub/` (docs/stream-framings.md).

use std::fmt;

use bundle_format::Eid;

use crate::address::AddressError;
use crate::host_port::HostPort;
use crate::settings;

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
        let (place, settings) = settings::split(text);
        let mut address = Self::of(HostPort::parse(place, framed::PORT)?);
        for (name, value) in settings {
            let node = Some(value).filter(|_| name == "node").and_then(settings::node_id);
            address.node = Some(node.ok_or_else(settings::unusable)?);
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
        settings::write(f, &self.place, [self.node.as_ref().map(|node| format!("node={node}"))])
    }
}
