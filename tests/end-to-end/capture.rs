//! What passed between two agents, as a capture file (the format of `libpcap`, version 2.4): for it no right to capture is needed.

/// The port that the file gives to the one who was called, over TCP.
pub(crate) const TCP_PORT: u16 = 4556;
const CALLER_PORT: u16 = 40_000;
/// Octets of TCP in one packet: what an Ethernet frame carries at most.
const TCP_OCTETS_MAX: usize = 1_460;
/// The kinds of packets (link types): Ethernet, and what a reader has to be told.
const ETHERNET: u32 = 1;
const USER_0: u32 = 147;

/// Something that passed: whether from the caller, and its octets.
pub(crate) type Passed = (bool, Vec<u8>);

/// A capture of one TCP connection.
pub(crate) fn of_tcp(passed: &[Passed]) -> Vec<u8> {
    let mut next = [1_u32, 1];
    let pieces = passed.iter().flat_map(|(from_caller, octets)| {
        octets.chunks(TCP_OCTETS_MAX).map(move |piece| (*from_caller, piece))
    });
    let packets = pieces.map(|(from_caller, piece)| {
        let packet = ip(6, from_caller, &tcp(from_caller, next, piece));
        next[usize::from(from_caller)] += u32::try_from(piece.len()).unwrap();
        packet
    });
    file(ETHERNET, packets)
}

/// A capture of datagrams to and from a port.
pub(crate) fn of_udp(port: u16, passed: &[Passed]) -> Vec<u8> {
    let packets = passed.iter().map(|(from_caller, octets)| {
        let mut datagram = ports(port, *from_caller);
        datagram.extend(u16::try_from(8 + octets.len()).unwrap().to_be_bytes());
        // No checksum.
        datagram.extend([0, 0]);
        datagram.extend(octets);
        ip(17, *from_caller, &datagram)
    });
    file(ETHERNET, packets)
}

/// Whatever is no packet of a network: the reader has to know what it is.
pub(crate) fn of_anything(pieces: &[Vec<u8>]) -> Vec<u8> {
    file(USER_0, pieces.iter().cloned())
}

fn file(kind: u32, packets: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    // Magic, version, zone, accuracy, longest packet.
    let mut file = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\x00\x00\x04\x00".to_vec();
    file.extend(kind.to_le_bytes());
    for (second, packet) in (0_u32..).zip(packets) {
        let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
        file.extend(second.to_le_bytes());
        file.extend([0; 4]);
        file.extend([length, length].concat());
        file.extend(packet);
    }
    file
}

/// An Ethernet frame with IPv4 (RFC 791).
fn ip(protocol: u8, from_caller: bool, octets: &[u8]) -> Vec<u8> {
    let addresses = [[10, 0, 0, 1], [10, 0, 0, 2]];
    let mut packet = [[2; 12].as_slice(), &[0x08, 0x00, 0x45, 0]].concat();
    packet.extend(u16::try_from(20 + octets.len()).unwrap().to_be_bytes());
    // Identification, flags, time to live, no checksum.
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend([addresses[usize::from(from_caller)], addresses[usize::from(!from_caller)]].concat());
    packet.extend(octets);
    packet
}

fn ports(called: u16, from_caller: bool) -> Vec<u8> {
    let ports = if from_caller { [CALLER_PORT, called] } else { [called, CALLER_PORT] };
    ports.map(u16::to_be_bytes).concat()
}

/// RFC 9293. `next` are the sequence numbers of the agent and of the caller.
fn tcp(from_caller: bool, next: [u32; 2], octets: &[u8]) -> Vec<u8> {
    let mut segment = ports(TCP_PORT, from_caller);
    segment.extend(next[usize::from(from_caller)].to_be_bytes());
    segment.extend(next[usize::from(!from_caller)].to_be_bytes());
    // A header of five words, ACK and PSH, a window, no checksum, nothing urgent.
    segment.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(octets);
    segment
}
