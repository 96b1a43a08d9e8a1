//! Extension maps, field by field (draft-ietf-dtn-udpcl-04 §3.5). [`crate::decoding`] reads what is written here.

use crate::head::{self, ARRAY, MAP, TEXT, UNSIGNED};
use crate::spans::Spans;

/// Extension IDs (§6.3).
pub(crate) mod id {
    pub(crate) const SUPPORT: i16 = 1;
    pub(crate) const TRANSFER: i16 = 2;
    pub(crate) const LISTEN: i16 = 3;
    pub(crate) const NODE_ID: i16 = 4;
    pub(crate) const DTLS: i16 = 5;
    pub(crate) const PROBE: i16 = 6;
    pub(crate) const CONFIRMATION: i16 = 7;
    pub(crate) const ECN: i16 = 8;
}

/// The CBOR item that says nothing (RFC 8949 §3.3).
const NULL: u8 = 0xf6;

/// One extension map. Items of other kinds are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which extensions the sender handles (§3.5.1).
    pub support: Option<Spans>,
    /// A bundle, or a piece of one (§3.5.2).
    pub transfer: Option<Transfer<'a>>,
    /// For how many milliseconds the sender takes datagrams where this one comes from (§3.5.3).
    pub listen_ms: Option<u64>,
    /// Who the sender says it is (§3.5.4).
    pub node_id: Option<&'a str>,
    /// Whether a DTLS handshake follows (§3.5.5).
    pub starts_dtls: bool,
    /// A question whether this arrived (§3.5.6).
    pub probe: Option<Probe>,
    /// The answer to such questions (§3.5.7).
    pub confirmation: Option<Confirmation>,
    /// Congestion marks that the sender received (§3.5.8).
    pub ecn: Option<EcnCounts>,
    /// Items with IDs below 0, which are for private use, with their values as CBOR. IDs do not repeat.
    pub private: Vec<(i16, &'a [u8])>,
}

/// A bundle, or a piece of one (§3.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// Its number, unique for a while among those of the sender.
    pub id: u64,
    /// The length of the bundle and where the piece begins in it; `None` for a whole bundle.
    pub place: Option<Place>,
    /// The octets.
    pub octets: &'a [u8],
}

/// Where a piece is within its bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The length of the bundle.
    pub total: u64,
    /// Octets of the bundle before the piece.
    pub offset: u64,
}

/// A question whether a datagram arrived (§3.5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What the answer repeats.
    pub nonce: u64,
    /// Which of the datagrams with this nonce it is.
    pub sequence: u64,
    /// How long to wait before the answer, in milliseconds.
    pub delay_ms: u64,
}

/// The answer to probes (§3.5.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The nonce of the probes.
    pub nonce: u64,
    /// Which of them arrived.
    pub seen: Spans,
}

/// Congestion marks that were received, modulo 2^32 (§3.5.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcnCounts {
    /// Datagrams that were marked ECT(0).
    pub ect0: u32,
    /// Datagrams that were marked ECT(1).
    pub ect1: u32,
    /// Datagrams that met congestion.
    pub ce: u32,
}

impl Message<'_> {
    /// Appends its octets to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        head::put(MAP, self.items(), out);
        if let Some(support) = &self.support {
            head::put_integer(id::SUPPORT, out);
            support.encode(out);
        }
        if let Some(transfer) = &self.transfer {
            head::put_integer(id::TRANSFER, out);
            transfer.encode(out);
        }
        if let Some(interval) = self.listen_ms {
            head::put_integer(id::LISTEN, out);
            head::put(UNSIGNED, interval, out);
        }
        if let Some(node_id) = self.node_id {
            head::put_integer(id::NODE_ID, out);
            head::put(TEXT, node_id.len() as u64, out);
            out.extend_from_slice(node_id.as_bytes());
        }
        if self.starts_dtls {
            head::put_integer(id::DTLS, out);
            out.push(NULL);
        }
        self.encode_path(out);
        for (id, value) in &self.private {
            head::put_integer(*id, out);
            out.extend_from_slice(value);
        }
    }

    fn encode_path(&self, out: &mut Vec<u8>) {
        if let Some(probe) = &self.probe {
            head::put_integer(id::PROBE, out);
            put_numbers(&[probe.nonce, probe.sequence, probe.delay_ms], out);
        }
        if let Some(confirmation) = &self.confirmation {
            head::put_integer(id::CONFIRMATION, out);
            head::put(ARRAY, 2, out);
            head::put(UNSIGNED, confirmation.nonce, out);
            confirmation.seen.encode(out);
        }
        if let Some(ecn) = &self.ecn {
            head::put_integer(id::ECN, out);
            put_numbers(&[ecn.ect0.into(), ecn.ect1.into(), ecn.ce.into()], out);
        }
    }

    fn items(&self) -> u64 {
        let kinds = [
            self.support.is_some(),
            self.transfer.is_some(),
            self.listen_ms.is_some(),
            self.node_id.is_some(),
            self.starts_dtls,
            self.probe.is_some(),
            self.confirmation.is_some(),
            self.ecn.is_some(),
        ];
        kinds.into_iter().map(u64::from).sum::<u64>() + self.private.len() as u64
    }
}

impl Transfer<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        head::put(ARRAY, if self.place.is_some() { 4 } else { 2 }, out);
        head::put(UNSIGNED, self.id, out);
        if let Some(place) = self.place {
            head::put(UNSIGNED, place.total, out);
            head::put(UNSIGNED, place.offset, out);
        }
        head::put_octets(self.octets, out);
    }
}

fn put_numbers(numbers: &[u64], out: &mut Vec<u8>) {
    head::put(ARRAY, numbers.len() as u64, out);
    for number in numbers {
        head::put(UNSIGNED, *number, out);
    }
}
