//! Where a node is reached or listens, as configuration, the command line and `status` write it: `tcp://host:port`.
//!
//! Every address has one written form, so that two texts of one address are one peer. Further settings of a link stand
//! behind a question mark, as in a URL (RFC 3986 §3.4).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use bundle_format::Eid;
use thiserror::Error;

use crate::ltp_address::LtpAddress;
use crate::stream_address::StreamAddress;
use crate::tcp_address::TcpAddress;
use crate::udp_address::UdpAddress;

/// What addresses begin with, for messages.
const SCHEMES: &str = "tcp://, udp://, ltp://, stcp://, mtcp://, serial://, pipe:, folder:";
/// The longest command: longer ones belong into a file.
const COMMAND_OCTETS_MAX: usize = 1_000;
/// The settings that there are, for messages.
const SETTINGS: &str = "tcp has tls=offer, tls=require, tls=off and tls=ca; udp has mtu, rate, ltp, plain, extension and node; ltp has engine, own, mtu, rate and node; stcp and mtcp have node (docs/tcpcl.md, docs/udp.md, docs/stream-framings.md)";

/// One end of a link, and the layer that it is reached by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// TCPCLv4 (RFC 9174).
    Tcp(TcpAddress),
    /// UDPCL (draft-ietf-dtn-udpcl-04).
    Udp(UdpAddress),
    /// LTP over UDP without UDPCL (RFC 5326).
    Ltp(LtpAddress),
    /// A serial line.
    Serial(serial::Settings),
    /// STCP, as ION speaks it.
    Stcp(StreamAddress),
    /// MTCP (draft-ietf-dtn-mtcpcl-01).
    Mtcp(StreamAddress),
    /// What the shell makes of a command.
    Pipe(String),
    /// Files in a folder.
    Folder(folder::Settings),
}

/// The text is no address that this node can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Another layer, or none, is named.
    #[error("'{0}' names no layer that packmule has; addresses begin with one of {SCHEMES}")]
    Scheme(String),
    /// The host is missing or cannot be one.
    #[error("'{0}' names no usable host; write HOST:PORT behind the slashes, an IPv6 address in [brackets]")]
    Host(String),
    /// The port is no number up to 65535.
    #[error("'{0}' has a port that is not a number from 0 to 65535")]
    Port(String),
    /// A setting behind the question mark is of no use.
    #[error("'{0}' has a setting that its layer does not know, or a value that it cannot have; {SETTINGS}")]
    Setting(String),
    /// The settings of a serial line.
    #[error("'{0}': {1}")]
    Serial(String, serial::SettingsError),
    /// A command that is none.
    #[error(
        "'{0}' names no command: behind pipe: stands what /bin/sh is to run, in one line of at most {COMMAND_OCTETS_MAX} octets"
    )]
    Command(String),
    /// Where a folder is.
    #[error("'{0}': {1}")]
    Folder(String, folder::SettingsError),
    /// It can be listened at, but not dialled.
    #[error(
        "'{0}' cannot be dialled: a port is a number from 1 to 65535, and LTP needs engine=NUMBER of the other side"
    )]
    NotDialled(String),
}

impl Address {
    /// Whether it is one that a contact can be opened with; the system's choice of a port is none.
    pub fn check_dialled(&self) -> Result<(), AddressError> {
        match self {
            Self::Tcp(address) if address.place().port() == 0 => {
                Err(AddressError::NotDialled(self.to_string()))
            }
            Self::Stcp(address) | Self::Mtcp(address) if address.place().port() == 0 => {
                Err(AddressError::NotDialled(self.to_string()))
            }
            Self::Udp(address) if address.place().port() == 0 => {
                Err(AddressError::NotDialled(self.to_string()))
            }
            Self::Ltp(address) if address.place().port() == 0 || !address.names_engine() => {
                Err(AddressError::NotDialled(self.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Who is there by the operator's word: neighbors of another make that a layer cannot ask are sent what is theirs by it.
    pub fn node(&self) -> Option<&Eid> {
        match self {
            Self::Udp(address) => address.node(),
            Self::Ltp(address) => address.node(),
            Self::Stcp(address) | Self::Mtcp(address) => address.node(),
            Self::Tcp(_) | Self::Serial(_) | Self::Pipe(_) | Self::Folder(_) => None,
        }
    }

    /// Whether it is a device or a folder of this machine: looking whether it is there costs nobody anything.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Serial(_) | Self::Folder(_))
    }

    /// Whether both ends open the contact, so that neither is the one who called: each has the other as a peer.
    pub fn is_opened_by_both(&self) -> bool {
        matches!(self, Self::Serial(_) | Self::Pipe(_) | Self::Folder(_))
    }

    /// The place of a TCPCL listener, where the host is a number: what can be announced on a local network.
    pub fn tcpcl_place(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => {
                let place = address.place();
                place.host().parse().ok().map(|ip: IpAddr| (ip, place.port()).into())
            }
            _ => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(command) = text.strip_prefix("pipe:") {
            return read_command(command).map(Self::Pipe).map_err(|error| error.about(text));
        }
        if let Some(folder) = text.strip_prefix("folder:") {
            let folder = folder.parse().map_err(|error| AddressError::Folder(String::new(), error));
            return folder.map(Self::Folder).map_err(|error| error.about(text));
        }
        match text.split_once("://") {
            Some(("tcp", place)) => TcpAddress::parse(place).map(Self::Tcp),
            Some(("ltp", address)) => LtpAddress::parse(address).map(Self::Ltp),
            Some(("udp", address)) => UdpAddress::parse(address).map(Self::Udp),
            Some(("serial", line)) => {
                line.parse().map(Self::Serial).map_err(|error| AddressError::Serial(String::new(), error))
            }
            Some(("stcp", place)) => StreamAddress::parse(place).map(Self::Stcp),
            Some(("mtcp", place)) => StreamAddress::parse(place).map(Self::Mtcp),
            _ => Err(AddressError::Scheme(String::new())),
        }
        .map_err(|error| error.about(text))
    }
}

fn read_command(text: &str) -> Result<String, AddressError> {
    let command = text.trim();
    let is_one =
        !command.is_empty() && command.len() <= COMMAND_OCTETS_MAX && !command.contains(char::is_control);
    if is_one { Ok(command.to_owned()) } else { Err(AddressError::Command(String::new())) }
}

impl AddressError {
    /// The same, quoting the whole of a text, without what could confuse a terminal.
    fn about(self, text: &str) -> Self {
        let clean = text.chars().filter(|c| !c.is_control()).take(300).collect();
        match self {
            Self::Scheme(_) => Self::Scheme(clean),
            Self::Host(_) => Self::Host(clean),
            Self::Port(_) => Self::Port(clean),
            Self::Setting(_) => Self::Setting(clean),
            Self::NotDialled(_) => Self::NotDialled(clean),
            Self::Command(_) => Self::Command(clean),
            Self::Folder(_, error) => Self::Folder(clean, error),
            Self::Serial(_, error) => Self::Serial(clean, error),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ltp(address) => write!(f, "ltp://{address}"),
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Serial(settings) => write!(f, "serial://{settings}"),
            Self::Stcp(place) => write!(f, "stcp://{place}"),
            Self::Mtcp(place) => write!(f, "mtcp://{place}"),
            Self::Pipe(command) => write!(f, "pipe:{command}"),
            Self::Folder(settings) => write!(f, "folder:{settings}"),
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
            ("ltp://ion?own=4&engine=7", "ltp://ion:1113?engine=7&own=4"),
            ("udp://hub", "udp://hub:4556"),
            ("udp://[::1]:7?mtu=1280&ltp=always&plain=no&", "udp://[::1]:7"),
            ("udp://hub?rate=9000&extension=-3&mtu=1500", "udp://hub:4556?mtu=1500&rate=9000&extension=-3"),
            ("udp://hub/?plain=yes&ltp=large", "udp://hub:4556?ltp=large&plain=yes"),
            ("tcp://[2001:db8::1]", "tcp://[2001:db8::1]:4556"),
            ("tcp://hub?tls=offer", "tcp://hub:4556"),
            ("tcp://hub?tls=require", "tcp://hub:4556?tls=require"),
            ("tcp://hub:1?tls=off", "tcp://hub:1?tls=off"),
            ("tcp://[::1]?&tls=ca&", "tcp://[::1]:4556?tls=ca"),
            ("serial:///dev/ttyUSB0?rate=960&baud=9600", "serial:///dev/ttyUSB0?baud=9600"),
            ("udp://hub?node=dtn://hub/&plain=yes", "udp://hub:4556?plain=yes&node=dtn://hub/"),
            ("ltp://ion?node=ipn:7.0&engine=7", "ltp://ion:1113?engine=7&node=ipn:7.0"),
            ("stcp://ION.example.org?node=ipn:7.0", "stcp://ion.example.org:4556?node=ipn:7.0"),
            ("mtcp://[::1]:16162/", "mtcp://[::1]:16162"),
            ("tcp://[fe80::1%3]:7", "tcp://[fe80::1%3]:7"),
            ("folder:/srv/what?/mule/?to=hub", "folder:/srv/what?/mule?to=hub"),
            ("folder:/spool?node=ipn:7.0&out=tx&in=rx", "folder:/spool?in=rx&out=tx&node=ipn:7.0"),
            ("pipe: ssh hub 'radio tcp://x:1?a=b'", "pipe:ssh hub 'radio tcp://x:1?a=b'"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        let scheme = |text: &str| AddressError::Scheme(text.into());
        let host = |text: &str| AddressError::Host(text.into());
        let port = |text: &str| AddressError::Port(text.into());
        let setting = |text: &str| AddressError::Setting(text.into());
        for (text, error) in [
            ("tcp://hub?tls=maybe", setting("tcp://hub?tls=maybe")),
            ("tcp://hub?tls", setting("tcp://hub?tls")),
            ("tcp://hub?speed=9", setting("tcp://hub?speed=9")),
            ("192.0.2.7:4556", scheme("192.0.2.7:4556")),
            ("smoke://hub", scheme("smoke://hub")),
            ("tcp://", host("tcp://")),
            ("tcp://:4556", host("tcp://:4556")),
            ("tcp://a b", host("tcp://a b")),
            ("tcp://[::1", host("tcp://[::1")),
            ("tcp://[x]:1", host("tcp://[x]:1")),
            ("tcp://[fe80::1%]:1", host("tcp://[fe80::1%]:1")),
            ("tcp://[fe80::1%a b]:1", host("tcp://[fe80::1%a b]:1")),
            ("tcp://192.0.2.7%3:1", host("tcp://192.0.2.7%3:1")),
            ("tcp://hub:65536", port("tcp://hub:65536")),
            ("tcp://hub:", port("tcp://hub:")),
            ("tcp://hub:+1", port("tcp://hub:+1")),
            ("tcp://::1", host("tcp://::1")),
            ("udp://hub?mtu=10", AddressError::Setting("udp://hub?mtu=10".into())),
            ("udp://hub?mtu=+1280", AddressError::Setting("udp://hub?mtu=+1280".into())),
            ("udp://hub?rate=9", AddressError::Setting("udp://hub?rate=9".into())),
            ("udp://hub?extension=7", AddressError::Setting("udp://hub?extension=7".into())),
            ("ltp://ion?own=4&engine=4", AddressError::Setting("ltp://ion?own=4&engine=4".into())),
            ("pipe: ", AddressError::Command("pipe: ".into())),
            ("pipe:a\nb", AddressError::Command("pipe:ab".into())),
            (
                "udp://hub?node=dtn://hub/inbox",
                AddressError::Setting("udp://hub?node=dtn://hub/inbox".into()),
            ),
            ("mtcp://hub?plain=yes", AddressError::Setting("mtcp://hub?plain=yes".into())),
            ("udp://hub?speed=9", AddressError::Setting("udp://hub?speed=9".into())),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
        assert_eq!("tcp://h\u{7}b".parse::<Address>(), Err(host("tcp://hb")));
    }

    #[test]
    fn what_a_line_cannot_be_is_said_with_what_it_can() {
        let error = "serial:///dev/ttyUSB0".parse::<Address>().unwrap_err().to_string();
        assert!(
            error.starts_with("'serial:///dev/ttyUSB0': baud is a number from 300 to 4000000"),
            "{error}"
        );
        let line: Address = "serial:///dev/ttyUSB0?baud=300".parse().unwrap();
        assert!(line.is_local() && line.check_dialled().is_ok());
        assert!(!"tcp://hub".parse::<Address>().unwrap().is_local());
    }

    #[test]
    fn a_folder_is_an_absolute_path_with_two_places_in_it() {
        for text in ["folder:mule", "folder:", "folder:/a\u{7}b"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(
                error.ends_with("a path from /, of at most 1000 octets and without control characters"),
                "{error}"
            );
        }
        for settings in [
            "to=../up",
            "to=.hidden",
            "in=a&out=a",
            "in=a",
            "to=b&in=a&out=c",
            "size=9",
            "in=a&out=b&node=ipn:7.1",
        ] {
            let error = format!("folder:/srv?{settings}").parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("is no setting of a folder"), "{error}");
        }
    }

    #[test]
    fn the_systems_choice_of_a_port_cannot_be_dialled() {
        let address: Address = "tcp://hub:0".parse().unwrap();
        assert!(address.check_dialled().unwrap_err().to_string().contains("1 to 65535"));
        assert!("ltp://hub".parse::<Address>().unwrap().check_dialled().is_err());
        assert!("udp://hub:0".parse::<Address>().unwrap().check_dialled().is_err());
        assert!("tcp://hub:1".parse::<Address>().unwrap().check_dialled().is_ok());
    }
}
