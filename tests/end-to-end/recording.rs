//! A wire between two agents that remembers what passes, as a capture file (the format of `libpcap`, version 2.4).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Octets of TCP in one packet of the file: what an Ethernet frame carries at most.
const PACKET_OCTETS_MAX: usize = 1_460;
/// The port that the file gives to the one who was connected to.
pub(crate) const PORT: u16 = 4556;
const CALLER_PORT: u16 = 40_000;

/// What passed, in its order: whether from the caller, and the octets.
type Passed = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

/// A wire to an agent: whoever connects here talks to it. The first connection is recorded.
pub(crate) struct Recording {
    pub(crate) port: u16,
    passed: Passed,
}

impl Recording {
    /// Begins to listen for somebody who wants to talk to the agent at that port.
    pub(crate) fn of(agent_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Passed::default();
        let record = Arc::clone(&passed);
        thread::spawn(move || {
            let (caller, _) = listener.accept().unwrap();
            let agent = TcpStream::connect(("127.0.0.1", agent_port)).unwrap();
            let (from, to) = (caller.try_clone().unwrap(), agent.try_clone().unwrap());
            let forth = Arc::clone(&record);
            thread::spawn(move || pass_on((from, to), true, &forth));
            pass_on((agent, caller), false, &record);
        });
        Self { port, passed }
    }

    /// The capture file of what has passed until now.
    pub(crate) fn capture(&self) -> Vec<u8> {
        // Magic, version, zone, accuracy, longest packet, Ethernet.
        let mut file =
            b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\x00\x00\x04\x00\x01\x00\x00\x00".to_vec();
        let mut next = [1_u32, 1];
        for (number, (from_caller, octets)) in self.passed.lock().unwrap().iter().enumerate() {
            for piece in octets.chunks(PACKET_OCTETS_MAX) {
                let packet = packet(*from_caller, next, piece);
                let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
                file.extend(u32::try_from(number).unwrap().to_le_bytes());
                file.extend([0; 4]);
                file.extend([length, length].concat());
                file.extend(packet);
                next[usize::from(*from_caller)] += u32::try_from(piece.len()).unwrap();
            }
        }
        file
    }
}

fn pass_on((mut from, mut to): (TcpStream, TcpStream), from_caller: bool, passed: &Passed) {
    let mut octets = vec![0; 64 * 1024];
    // Recorded before it is passed on, so that no answer is recorded before its question.
    while let Ok(length @ 1..) = from.read(&mut octets) {
        passed.lock().unwrap().push((from_caller, octets[..length].to_vec()));
        if to.write_all(&octets[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// An Ethernet frame with IPv4 (RFC 791) and TCP (RFC 9293). `next` are the sequence numbers of the agent and of the caller.
fn packet(from_caller: bool, next: [u32; 2], octets: &[u8]) -> Vec<u8> {
    let (own, other) = (usize::from(from_caller), usize::from(!from_caller));
    let (addresses, ports) = ([[10, 0, 0, 1], [10, 0, 0, 2]], [PORT, CALLER_PORT]);
    let mut packet = [[2; 12].as_slice(), &[0x08, 0x00, 0x45, 0]].concat();
    packet.extend(u16::try_from(40 + octets.len()).unwrap().to_be_bytes());
    // Identification, flags, time to live, TCP, no checksum.
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend([addresses[own], addresses[other]].concat());
    packet.extend([ports[own].to_be_bytes(), ports[other].to_be_bytes()].concat());
    packet.extend([next[own].to_be_bytes(), next[other].to_be_bytes()].concat());
    // A header of five words, ACK and PSH, a window, no checksum, nothing urgent.
    packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(octets);
    packet
}
