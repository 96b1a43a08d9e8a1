//! The sending side of a contact: bundles that the agent wants sent, octet by octet as fast as the link takes them.
//!
//! Payloads are copied out of the store in pieces, each in a short read transaction of its own that is closed before the
//! link is waited for. A record that cannot be read as it was written is never sent on: the transfer is abandoned, and
//! the agent is told which record it was.

use std::sync::Arc;

use agent_core::input::{ContactId, Input, SendOutcome, TransferId};
use agent_core::output::{Lane, Parcel, ParcelPayload};
use agent_core::store::{Number, StoreError};
use bytes::Bytes;
use convergence_layer::Outgoing;
use tokio::sync::mpsc;

use crate::contacts::Departure;
use crate::node::Node;
use crate::pieces;

/// The link or the writer is gone; so is the contact.
struct Gone;

/// The lanes of a link.
pub(super) struct Lanes {
    pub(super) ordinary: mpsc::Sender<Outgoing>,
    pub(super) express: Option<mpsc::Sender<Outgoing>>,
}

/// Sends what the agent wants sent, until the contact ends. Where a link has two lanes, neither waits for the other.
pub(super) async fn send_all(
    node: Arc<Node>,
    contact: ContactId,
    mut departures: mpsc::UnboundedReceiver<Departure>,
    lanes: Lanes,
) {
    let Some(express) = lanes.express else {
        return send_lane(&node, contact, &mut departures, &lanes.ordinary).await;
    };
    // Bounded by the agent's send window, as `departures` is.
    let (to_ordinary, mut ordinary) = mpsc::unbounded_channel();
    let (to_express, mut urgent) = mpsc::unbounded_channel();
    let sort = async move {
        while let Some(departure) = departures.recv().await {
            let lane = match departure.1.lane {
                Lane::Ordinary => &to_ordinary,
                Lane::Express => &to_express,
            };
            if lane.send(departure).is_err() {
                return;
            }
        }
    };
    tokio::join!(
        sort,
        send_lane(&node, contact, &mut ordinary, &lanes.ordinary),
        send_lane(&node, contact, &mut urgent, &express),
    );
}

async fn send_lane(
    node: &Arc<Node>,
    contact: ContactId,
    departures: &mut mpsc::UnboundedReceiver<Departure>,
    outgoing: &mpsc::Sender<Outgoing>,
) {
    while let Some((transfer, parcel)) = departures.recv().await {
        let sending = Sending { node, contact, transfer, outgoing };
        if sending.parcel(parcel).await.is_err() {
            return;
        }
    }
}

struct Sending<'s> {
    node: &'s Arc<Node>,
    contact: ContactId,
    transfer: TransferId,
    outgoing: &'s mpsc::Sender<Outgoing>,
}

impl Sending<'_> {
    async fn parcel(&self, parcel: Parcel) -> Result<(), Gone> {
        let length = parcel.octets();
        let (number, octets) = match parcel.payload {
            ParcelPayload::Inline(payload) => {
                self.begin(length, parcel.head).await?;
                self.octets(payload).await?;
                return self.octets(parcel.tail).await;
            }
            ParcelPayload::Stored { number, octets } => (number, octets),
        };
        // The first pieces are read before the transfer begins: the bundle may have gone since.
        let mut some = match pieces::read(self.node, number, 0).await {
            Ok(some) if !some.is_empty() => some,
            outcome => return self.not_sent(number, outcome.err()).await,
        };
        self.begin(length, parcel.head).await?;
        let (mut sent, mut index) = (0, 0);
        loop {
            for piece in &some {
                sent += piece.len() as u64;
                index += 1;
                self.octets(piece.clone()).await?;
            }
            if sent >= octets {
                break;
            }
            some = match pieces::read(self.node, number, index).await {
                Ok(some) if !some.is_empty() => some,
                outcome => return self.abandon(number, outcome.err()).await,
            };
        }
        self.octets(parcel.tail).await
    }

    async fn begin(&self, length: u64, head: Bytes) -> Result<(), Gone> {
        self.put(Outgoing::Begin { transfer: self.transfer, length }).await?;
        self.octets(head).await
    }

    async fn octets(&self, octets: Bytes) -> Result<(), Gone> {
        if octets.is_empty() { Ok(()) } else { self.put(Outgoing::Octets(octets)).await }
    }

    async fn put(&self, outgoing: Outgoing) -> Result<(), Gone> {
        self.outgoing.send(outgoing).await.map_err(|_| Gone)
    }

    async fn not_sent(&self, number: Number, fault: Option<StoreError>) -> Result<(), Gone> {
        self.tell_damage(number, fault).await?;
        let (contact, transfer) = (self.contact, self.transfer);
        self.post(Input::SendSettled { contact, transfer, outcome: SendOutcome::Failed }).await
    }

    async fn abandon(&self, number: Number, fault: Option<StoreError>) -> Result<(), Gone> {
        self.put(Outgoing::Abandon).await?;
        // The layer says nothing more of it: without this its octets would fill the window for good.
        self.not_sent(number, fault).await
    }

    /// Damage is told to the agent; a record that is not there any more was deleted, and that it knows.
    async fn tell_damage(&self, number: Number, fault: Option<StoreError>) -> Result<(), Gone> {
        let Some(fault) = fault else { return Ok(()) };
        tracing::error!(%fault, "a bundle cannot be sent");
        match fault {
            StoreError::Damaged { .. } => self.post(Input::RecordDamaged { number }).await,
            _ => Ok(()),
        }
    }

    async fn post(&self, input: Input) -> Result<(), Gone> {
        self.node.inputs.post(input).await.map_err(|_| Gone)
    }
}
