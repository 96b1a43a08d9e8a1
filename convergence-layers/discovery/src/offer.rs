//! What a node announces of itself: one TCPCL listener (draft-sipos-dtn-edge-zeroconf-01 §3.2).

use std::net::{IpAddr, SocketAddr};

use mdns_sd::{IfKind, IfPredicate, ServiceInfo};

use crate::{SERVICE, SearchError};

/// The longest label of a domain name (RFC 1035 §2.3.4).
const LABEL_OCTETS_MAX: usize = 63;
/// The version of the TXT record, and of TCPCL (draft §3.1).
const TXT: [(&str, &str); 2] = [("txtvers", "1"), ("protovers", "4")];

/// A listener, as it is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What people see where services are listed.
    pub name: String,
    /// The host's name, without a domain: not the machine's own, for which another responder may speak.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// At which addresses it is reached.
    pub reach: Reach,
}

/// At which addresses of this machine a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At all, also those that come while it runs.
    All,
    /// At all of IPv4.
    AllV4,
    /// At these.
    Only(Vec<IpAddr>),
}

impl Offer {
    /// What can be announced of a node that listens at these addresses: nothing where only this machine reaches it. The
    /// port of a listener at all addresses goes first.
    pub fn of(listening: &[SocketAddr], name: &str, host: &str) -> Option<Self> {
        let reached = || listening.iter().filter(|place| !place.ip().to_canonical().is_loopback());
        let port = reached().find(|place| place.ip().is_unspecified()).or(reached().next())?.port();
        let at_port: Vec<IpAddr> =
            reached().filter(|place| place.port() == port).map(|place| place.ip().to_canonical()).collect();
        let reach = if at_port.iter().any(|ip| ip.is_unspecified() && ip.is_ipv6()) {
            Reach::All
        } else if at_port.iter().any(IpAddr::is_unspecified) {
            Reach::AllV4
        } else {
            Reach::Only(at_port)
        };
        Some(Self { name: label(name), host: label(host), port, reach })
    }

    pub(crate) fn service(&self) -> Result<ServiceInfo, SearchError> {
        let host = format!("{}.local.", self.host);
        let only: &[IpAddr] = match &self.reach {
            Reach::Only(addresses) => addresses,
            Reach::All | Reach::AllV4 => &[],
        };
        let service = ServiceInfo::new(SERVICE, &self.name, &host, only, self.port, &TXT[..])?;
        if !only.is_empty() {
            return Ok(service);
        }
        let v4_only = self.reach == Reach::AllV4;
        let mut service = service.enable_addr_auto();
        service.set_interfaces(vec![IfKind::Predicate(IfPredicate::new(move |interface| {
            !interface.is_loopback() && (interface.ip().is_ipv4() || !v4_only)
        }))]);
        Ok(service)
    }
}

/// A text cut to what a label may hold, between characters.
fn label(text: &str) -> String {
    let mut end = text.len().min(LABEL_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(listening: &[&str]) -> Option<(u16, Reach)> {
        let listening: Vec<SocketAddr> = listening.iter().map(|text| text.parse().unwrap()).collect();
        Offer::of(&listening, "hub", "dtn-1").map(|offer| (offer.port, offer.reach))
    }

    #[test]
    fn a_listener_that_only_this_machine_reaches_is_not_announced() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["127.0.0.1:4556", "[::1]:4556", "[::ffff:127.0.0.1]:1"]), None);
    }

    #[test]
    fn a_listener_at_all_addresses_goes_first_and_is_announced_at_all() {
        assert_eq!(of(&["[::]:4556"]), Some((4556, Reach::All)));
        assert_eq!(of(&["0.0.0.0:4556"]), Some((4556, Reach::AllV4)));
        assert_eq!(of(&["192.0.2.1:1", "127.0.0.1:2", "[::]:4556"]), Some((4556, Reach::All)));
    }

    #[test]
    fn a_listener_at_some_addresses_is_announced_at_those() {
        let only = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let listening = ["127.0.0.1:1", "192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.9:2"];
        assert_eq!(of(&listening), Some((1, Reach::Only(only))));
    }

    #[test]
    fn the_service_is_named_as_the_draft_says() {
        let offer = Offer::of(&["[::]:4557".parse().unwrap()], "clinic-3", "dtn-1").unwrap();
        let service = offer.service().unwrap();
        assert_eq!(service.get_fullname(), "clinic-3._dtn-bundle._tcp.local.");
        assert_eq!((service.get_hostname(), service.get_port()), ("dtn-1.local.", 4557));
        assert_eq!(service.get_property_val_str("txtvers"), Some("1"));
        assert_eq!(service.get_property_val_str("protovers"), Some("4"));
        assert_eq!((service.get_priority(), service.get_weight()), (0, 0));
    }

    #[test]
    fn names_are_cut_to_a_label_between_characters() {
        let offer = Offer::of(&["[::]:1".parse().unwrap()], &"ü".repeat(40), "h").unwrap();
        assert_eq!(offer.name, "ü".repeat(31));
        assert!(offer.service().is_ok());
    }
}
