//! Reads what somebody on the local network announced (draft-sipos-dtn-edge-zeroconf-01 §3.3).
//!
//! Whoever is on the network says what they like: an announcement is a hint where a node may be, never who it is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use mdns_sd::{InterfaceId, ResolvedService, ScopedIp};

/// Addresses of one service that are tried: of each family one that is local and one that is global.
pub const PLACES_MAX: usize = 4;
/// The version of TCPCL that we speak, and the default where none is said (draft §3.1).
const TCPCL: u32 = 4;
/// Addresses of one service that are looked at.
const LOOKED_MAX: usize = 64;

/// Where the service is reached, in the order in which to try: empty where it is none for us.
pub(crate) fn places(service: &ResolvedService) -> Vec<SocketAddr> {
    if service.port == 0 || !speaks_tcpcl_4(service) {
        return Vec::new();
    }
    let looked = service.addresses.iter().take(LOOKED_MAX);
    let mut places: Vec<SocketAddr> = looked.filter_map(|ip| place(ip, service.port)).collect();
    places.sort_unstable_by_key(|place| (is_link_local(place.ip()), *place));
    places.dedup();
    places.truncate(PLACES_MAX);
    places
}

/// Whether it is announced at an address of this machine.
pub(crate) fn is_of_this_machine(service: &ResolvedService) -> bool {
    let is_here = |ip: &ScopedIp, interface: &InterfaceId| interface.get_addrs().contains(&ip.to_ip_addr());
    service.addresses.iter().take(LOOKED_MAX).any(|ip| match ip {
        ScopedIp::V4(v4) => v4.interface_ids().iter().any(|interface| is_here(ip, interface)),
        ScopedIp::V6(v6) => is_here(ip, v6.scope_id()),
        _ => false,
    })
}

/// A later TCPCL negotiates down to ours; an earlier one, or a version that is no number, is none of ours.
fn speaks_tcpcl_4(service: &ResolvedService) -> bool {
    match service.txt_properties.get("protovers") {
        Some(version) => version.val_str().parse::<u32>().is_ok_and(|version| version >= TCPCL),
        None => true,
    }
}

fn place(announced: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let ip = announced.to_ip_addr().to_canonical();
    let is_host = match ip {
        IpAddr::V4(ip) => !(ip.is_broadcast() || ip.octets().first() == Some(&0)),
        IpAddr::V6(_) => true,
    };
    if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST || !is_host {
        return None;
    }
    match (announced, ip) {
        // Such an address means nothing without the link that it was heard on.
        (ScopedIp::V6(v6), IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
            let scope = v6.scope_id().index;
            (scope != 0).then(|| SocketAddrV6::new(ip, port, 0, scope).into())
        }
        _ => Some(SocketAddr::new(ip, port)),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SERVICE;
    use mdns_sd::ServiceInfo;

    fn announced(addresses: &[&str], port: u16, txt: &[(&str, &str)]) -> ResolvedService {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        ServiceInfo::new(SERVICE, "n", "h.local.", &addresses[..], port, txt).unwrap().as_resolved_service()
    }

    fn read(addresses: &[&str], port: u16, txt: &[(&str, &str)]) -> Vec<String> {
        places(&announced(addresses, port, txt)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_tried_in_a_fixed_order() {
        assert_eq!(
            read(&["2001:db8::2", "192.0.2.7", "169.254.3.4"], 4556, &[("txtvers", "1"), ("protovers", "4")]),
            ["169.254.3.4:4556", "192.0.2.7:4556", "[2001:db8::2]:4556"]
        );
    }

    #[test]
    fn an_address_that_is_no_host_on_the_network_is_left_out() {
        let hostile = [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.251",
            "239.1.1.1",
            "ff02::fb",
            "255.255.255.255",
            "::ffff:127.0.0.1",
            "::ffff:224.0.0.1",
            "fe80::1",
        ];
        assert_eq!(read(&hostile, 4556, &[]), [""; 0]);
        assert_eq!(read(&["::ffff:192.0.2.7", "192.0.2.7"], 4556, &[]), ["192.0.2.7:4556"]);
    }

    #[test]
    fn no_more_than_a_few_addresses_of_one_service_are_tried() {
        let many: Vec<String> = (1..200).map(|n| format!("192.0.2.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&many, 4556, &[]).len(), PLACES_MAX);
    }

    #[test]
    fn a_service_without_port_or_with_another_tcpcl_is_none() {
        assert_eq!(read(&["192.0.2.7"], 0, &[]), [""; 0]);
        for version in ["3", "", "x", "-4", "99999999999"] {
            assert_eq!(read(&["192.0.2.7"], 1, &[("protovers", version)]), [""; 0], "{version}");
        }
        for txt in [&[][..], &[("protovers", "5")], &[("PROTOVERS", "4")], &[("txtvers", "2")]] {
            assert_eq!(read(&["192.0.2.7"], 1, txt), ["192.0.2.7:1"], "{txt:?}");
        }
    }
}
