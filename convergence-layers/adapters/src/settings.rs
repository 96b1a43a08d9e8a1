//! The settings of a link behind the question mark of its address, `?mtu=1280&rate=125000`, read and written.

use std::fmt;
use std::str::FromStr;

use bundle_format::Eid;
use udpcl::options::MTU_MAX;

use crate::address::AddressError;
use crate::host_port::HostPort;

/// Octets of the headers of IPv6 and UDP, which the MTU of a path includes.
pub(crate) const HEADERS: usize = 48;
/// The slowest link, in octets per second.
const RATE_MIN: u64 = 100;

/// What stands before the question mark, and the names and values behind it.
pub(crate) fn split(text: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let (place, settings) = text.split_once('?').unwrap_or((text, ""));
    let settings = settings.split('&').filter(|setting| !setting.is_empty());
    (place, settings.map(|setting| setting.split_once('=').unwrap_or((setting, ""))))
}

/// A setting is of no use; the caller knows the whole text.
pub(crate) fn unusable() -> AddressError {
    AddressError::Setting(String::new())
}

/// Digits, and nothing else.
pub(crate) fn number<N: FromStr>(value: &str) -> Option<N> {
    value.bytes().all(|octet| octet.is_ascii_digit()).then(|| value.parse().ok())?
}

/// Octets of a datagram on a path with such an MTU, at least `least`.
pub(crate) fn datagram(value: &str, least: usize) -> Option<usize> {
    let octets = number::<usize>(value)?.checked_sub(HEADERS)?;
    Some(octets).filter(|octets| (least..=MTU_MAX - HEADERS).contains(octets))
}

/// Octets a second.
pub(crate) fn rate(value: &str) -> Option<u64> {
    number(value).filter(|rate| *rate >= RATE_MIN)
}

/// A node's name; boxed, because addresses are part of errors, and few have one.
pub(crate) fn node_id(value: &str) -> Option<Box<Eid>> {
    value.parse().ok().filter(|eid: &Eid| eid.is_node_id() && !eid.is_null()).map(Box::new)
}

/// Writes an address with those settings that are not as usual, in one order: two texts of one address are one peer.
pub(crate) fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    place: &HostPort,
    settings: [Option<String>; N],
) -> fmt::Result {
    write!(f, "{place}")?;
    for (mark, setting) in
        std::iter::once('?').chain(std::iter::repeat('&')).zip(settings.into_iter().flatten())
    {
        write!(f, "{mark}{setting}")?;
    }
    Ok(())
}
