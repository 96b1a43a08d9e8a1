//! A host and a port: the place of every layer that runs over the Internet Protocol, and how it is found.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net;
use tokio::time;

use crate::Unreachable;
use crate::address::AddressError;

/// The longest host name (RFC 1035 §2.3.4).
const HOST_OCTETS_MAX: usize = 253;
/// How long a name may take to be found.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(20);
/// Addresses of one name that are tried in one go.
const ADDRESSES_MAX: usize = 8;

/// A host, by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 asks the system for one that is free.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads what stands behind the slashes of an address. Errors quote nothing: the caller knows the whole text.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let no_host = || AddressError::Host(String::new());
        let rest = text.strip_suffix('/').unwrap_or(text);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or_else(no_host)?;
                // A link-local address means something only with the number of its interface (RFC 4007 §11).
                let (ip, zone) = host.split_once('%').unwrap_or((host, "0"));
                ip.parse::<Ipv6Addr>().map_err(|_| no_host())?;
                zone.parse::<u32>().map_err(|_| no_host())?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(no_host()),
                }
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let usable = |c: char| {
            c.is_ascii_alphanumeric()
                || matches!(c, '.' | '-' | '_')
                || (rest.starts_with('[') && matches!(c, ':' | '%'))
        };
        if host.is_empty() || host.len() > HOST_OCTETS_MAX || !host.chars().all(usable) {
            return Err(no_host());
        }
        let port = match port {
            Some(port) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => {
                port.parse().map_err(|_| AddressError::Port(String::new()))?
            }
            Some(_) => return Err(AddressError::Port(String::new())),
            None => default_port,
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The socket addresses to dial, in the order in which to try them: at least one.
    pub(crate) async fn to_dial(&self) -> Result<Vec<SocketAddr>, Unreachable> {
        let lookup = net::lookup_host((self.host.as_str(), self.port));
        let found: Vec<SocketAddr> = match time::timeout(LOOKUP_PATIENCE, lookup).await {
            Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
            Ok(Err(error)) => {
                return Err(Unreachable(format!("the name {} was not found: {error}", self.host)));
            }
            Err(_) => return Err(Unreachable(format!("no answer about the name {}", self.host))),
        };
        if found.is_empty() {
            return Err(Unreachable(format!("the name {} has no address", self.host)));
        }
        Ok(found)
    }

    /// The socket addresses to listen at, in the order in which to try them. `[::]` means all addresses, of IPv4 as well.
    pub(crate) async fn to_listen(&self) -> io::Result<Vec<SocketAddr>> {
        let found = net::lookup_host((self.host.as_str(), self.port)).await?;
        // A machine without IPv6 has no such wildcard.
        let fallback = (self.host == "::").then_some(SocketAddr::from(([0, 0, 0, 0], self.port)));
        let all: Vec<SocketAddr> = found.chain(fallback).collect();
        if all.is_empty() { Err(ErrorKind::AddrNotAvailable.into()) } else { Ok(all) }
    }
}

impl From<(IpAddr, u16)> for HostPort {
    fn from(place: (IpAddr, u16)) -> Self {
        SocketAddr::from(place).into()
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        // A neighbor that reached a socket of both families over IPv4 is written as it would write itself.
        let ip: IpAddr = address.ip().to_canonical();
        let host = match address {
            SocketAddr::V6(scoped) if scoped.scope_id() != 0 => format!("{ip}%{}", scoped.scope_id()),
            _ => ip.to_string(),
        };
        Self { host, port: address.port() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
