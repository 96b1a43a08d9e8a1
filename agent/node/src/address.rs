//! Where a node is reached or listens: `tcp://host:port`, as configuration, the command line and `status` write it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The port registered for TCPCLv4 (RFC 9174 §9.1).
pub const DEFAULT_PORT: u16 = 4556;
/// The longest host name (RFC 1035 §2.3.4).
const HOST_OCTETS_MAX: usize = 253;

/// A host, by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// The text is no address that this node can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Another layer, or none, is named.
    #[error("'{0}' does not begin with tcp://; write tcp://HOST or tcp://HOST:PORT")]
    Scheme(String),
    /// The host is missing or cannot be one.
    #[error("'{0}' names no usable host; write tcp://HOST:PORT, an IPv6 address in [brackets]")]
    Host(String),
    /// The port is no number up to 65535.
    #[error("'{0}' has a port that is not a number from 0 to 65535")]
    Port(String),
}

impl Address {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 asks the system for one that is free.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let clean = || text.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
        let rest = text.strip_prefix("tcp://").ok_or_else(|| AddressError::Scheme(clean()))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or_else(|| AddressError::Host(clean()))?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Host(clean()))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(AddressError::Host(clean())),
                }
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > HOST_OCTETS_MAX || !host.chars().all(usable) {
            return Err(AddressError::Host(clean()));
        }
        let port = match port {
            Some(port) if !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) => {
                port.parse().map_err(|_| AddressError::Port(clean()))?
            }
            Some(_) => return Err(AddressError::Port(clean())),
            None => DEFAULT_PORT,
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_in_one_form() {
        for (text, written) in [
            ("tcp://192.0.2.7:4556", "tcp://192.0.2.7:4556"),
            ("tcp://192.0.2.7", "tcp://192.0.2.7:4556"),
            ("tcp://Hub.example.org:1/", "tcp://hub.example.org:1"),
            ("tcp://[::]:0", "tcp://[::]:0"),
            ("tcp://[2001:db8::1]", "tcp://[2001:db8::1]:4556"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        let scheme = |text: &str| AddressError::Scheme(text.into());
        let host = |text: &str| AddressError::Host(text.into());
        let port = |text: &str| AddressError::Port(text.into());
        for (text, error) in [
            ("192.0.2.7:4556", scheme("192.0.2.7:4556")),
            ("udp://hub", scheme("udp://hub")),
            ("tcp://", host("tcp://")),
            ("tcp://:4556", host("tcp://:4556")),
            ("tcp://a b", host("tcp://a b")),
            ("tcp://[::1", host("tcp://[::1")),
            ("tcp://[x]:1", host("tcp://[x]:1")),
            ("tcp://hub:65536", port("tcp://hub:65536")),
            ("tcp://hub:", port("tcp://hub:")),
            ("tcp://hub:+1", port("tcp://hub:+1")),
            ("tcp://::1", host("tcp://::1")),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
        assert_eq!("tcp://h\u{7}b".parse::<Address>(), Err(host("tcp://hb")));
    }
}
