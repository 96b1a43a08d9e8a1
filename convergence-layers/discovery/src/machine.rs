//! The addresses at which other machines may reach this one.

use std::net::IpAddr;

/// Addresses that are named: a machine with more has most of them for itself, such as bridges for virtual machines.
pub const MACHINE_ADDRESSES_MAX: usize = 8;

/// The addresses of this machine that mean something beyond one link, in a fixed order; none where the system does not say.
pub fn machine_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    chosen(interfaces.into_iter().map(|interface| interface.ip()))
}

fn chosen(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut chosen: Vec<IpAddr> = addresses.filter(|ip| means_something(*ip)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen.truncate(MACHINE_ADDRESSES_MAX);
    chosen
}

fn means_something(ip: IpAddr) -> bool {
    let is_of_one_link = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(is_of_one_link || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_elsewhere_is_left_out() {
        let all = ["fe80::1", "192.0.2.7", "::1", "127.0.0.1", "169.254.7.7", "2001:db8::1", "192.0.2.7"];
        let chosen = chosen(all.iter().map(|text| text.parse().unwrap()));
        assert_eq!(chosen, ["192.0.2.7", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn few_are_named() {
        let many = (1..=99).map(|host| IpAddr::from([192, 0, 2, host]));
        assert_eq!(chosen(many).len(), MACHINE_ADDRESSES_MAX);
    }
}
