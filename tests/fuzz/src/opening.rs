//! What a stranger says before a TCPCLv4 session is established (RFC 9174 §4.2 to §4.8): contact headers, and `SESS_INIT` with
//! any extension items.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use convergence_layer::Event;
use tcpcl::Options;
use tcpcl::extension::{self, CRITICAL, Item};
use tcpcl::message::{Message, SessInit};
use tcpcl::negotiation::Role;
use tcpcl::session::Session;

use crate::Octets;

const CONTACT: &[u8] = b"dtn!\x04\x00";
/// What a 16-bit length says at most.
const NODE_ID_MAX: usize = u16::MAX as usize;

/// The first two octets are the keepalive interval, the next says how much of the rest is a node ID; what follows are extension items.
/// In whatever pieces they come, a session comes about exactly where they can be read and none is critical, and whatever comes of
/// it, somebody is told once.
pub fn opening(octets: &[u8]) {
    let Some((head, rest)) = octets.split_first_chunk::<3>() else { return };
    let [high, low, node_id_length] = *head;
    let (node_id, items) = rest.split_at(usize::from(node_id_length).min(rest.len()).min(NODE_ID_MAX));
    let Ok(node_id) = str::from_utf8(node_id) else { return };
    let init = SessInit {
        keepalive_seconds: u16::from_be_bytes([high, low]),
        segment_mru: 1 << 16,
        transfer_mru: 1 << 30,
        node_id,
        extensions: items,
    };
    let mut said = BytesMut::from(CONTACT);
    Message::Init(init).encode(&mut said);
    let is_usable = extension::items(items).all(|item| item.is_ok_and(|item| !item.is_critical()))
        && items.len() <= tcpcl::decoding::EXTENSIONS_MAX
        && !node_id.chars().any(char::is_control);
    for role in [Role::Active, Role::Passive] {
        for piece in [said.len(), 1 + usize::from(low)] {
            assert_eq!(heard(role, &said, piece), is_usable, "{role:?}, {node_id:?}, {items:02x?}");
        }
    }
}

/// Whether a session comes about.
fn heard(role: Role, said: &[u8], piece: usize) -> bool {
    let now = Instant::now();
    let options = Arc::new(Options::new("dtn://us/"));
    let mut session = Session::new(role, options, now).expect("options that are right");
    let mut input = BytesMut::new();
    for octets in said.chunks(piece) {
        input.extend_from_slice(octets);
        session.receive(now, &mut input);
    }
    let mut events = Vec::new();
    while let Some(event) = session.poll_event() {
        events.push(event);
    }
    let mut slices = [IoSlice::new(&[]); 8];
    assert!(session.slices(&mut slices) > 0, "nothing is said to the neighbor");
    match events.as_slice() {
        [Event::Opened { .. }] => assert!(session.is_established() && input.is_empty()),
        [Event::Closed { .. }] => assert!(session.is_over()),
        other => panic!("{other:?}"),
    }
    session.is_established()
}

/// Without items, with one of each kind, and with what they become where lengths are wrong.
pub fn opening_seeds() -> Vec<Octets> {
    let item = |flags, item_type, value: &[u8]| {
        let mut item = BytesMut::new();
        Item { flags, item_type, value }.encode(&mut item);
        item.to_vec()
    };
    let name = b"dtn://peer/";
    let with = |keepalive: u8, items: &[u8]| {
        [&[0, keepalive, u8::try_from(name.len()).unwrap_or(0)], &name[..], items].concat()
    };
    vec![
        vec![0, 0, 0],
        with(30, &[]),
        with(0, &item(0, 0x8001, b"value")),
        with(1, &[item(0, 1, b""), item(0xfe, 0xffff, &[7; 300])].concat()),
        with(30, &item(CRITICAL, 0x8002, b"")),
        with(30, item(0, 3, b"cut off").get(..7).unwrap_or_default()),
        with(30, &vec![0; 20_000]),
    ]
}
