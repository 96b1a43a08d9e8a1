//! One contact: what happens on its link becomes inputs, what the agent wants becomes octets and decisions.
//!
//! `links/` opens the link and waits here for its end. Two tasks share the work, so that neither direction ever waits
//! for the other: `receiving` and `sending`.

mod receiving;
mod sending;

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::input::Input;
use bundle_format::Eid;
use convergence_layer::{Event, Gauge, Link};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::sending::Lanes;
use crate::backoff::Neighbor;
use crate::contacts::{DUPLICATE, Entry, Opener, Wires};
use crate::node::Node;

/// How long a link that is closed before it was used may take for it.
const FAREWELL: Duration = Duration::from_secs(30);

/// What is known of a contact before it begins.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its link, for people.
    pub(crate) url: String,
    pub(crate) opener: Opener,
    /// Who is there by the operator's word, where the layer does not say it.
    pub(crate) node: Option<Eid>,
}

/// How a contact ended.
#[derive(Debug)]
pub(crate) struct ContactEnd {
    /// In words.
    pub(crate) reason: String,
    /// Who was there, as far as it was declared.
    pub(crate) declared: Option<Eid>,
    /// How long it was open; zero where it never was.
    pub(crate) lasted: Duration,
    /// Who was there, as far as it was proved.
    pub(crate) neighbor: Neighbor,
}

impl ContactEnd {
    /// Of one that never began.
    pub(crate) fn before_it_began(reason: String) -> Self {
        Self { reason, declared: None, lasted: Duration::ZERO, neighbor: Neighbor::Unproven }
    }

    /// Whether it gave way to another contact with the same neighbor.
    pub(crate) fn was_duplicate(&self) -> bool {
        self.reason == DUPLICATE
    }
}

/// Runs one contact from the link's first event to its last, or until the node cuts everything off.
pub(crate) async fn run(node: &Arc<Node>, link: Link, known: &Known) -> ContactEnd {
    tokio::select! {
        end = run_to_end(node, link, known) => end,
        () = node.cut_off.cancelled() => ContactEnd::before_it_began("the agent stopped".to_owned()),
    }
}

async fn run_to_end(node: &Arc<Node>, mut link: Link, known: &Known) -> ContactEnd {
    let url = known.url.as_str();
    let opened = match opened(&mut link).await {
        Ok(opened) => opened,
        Err(reason) => {
            tracing::info!(link = url, reason, "a contact did not come about");
            return ContactEnd::before_it_began(reason);
        }
    };
    let declared = opened.declared.or_else(|| known.node.clone());
    let id = node.next_contact();
    let (departures, to_send) = mpsc::unbounded_channel();
    let wires = Wires { control: link.control.clone(), departures, gauge: Arc::clone(&link.gauge) };
    let entry = Entry::new(url.to_owned(), known.opener, declared.clone(), wires);
    let since = Instant::now();
    if !node.contacts.opened(id, entry) {
        let _too_late = tokio::time::timeout(FAREWELL, closed(&mut link)).await;
        return ContactEnd { declared, ..ContactEnd::before_it_began(DUPLICATE.to_owned()) };
    }
    tracing::info!(link = url, node = declared.as_ref().map(tracing::field::display), "a contact is open");
    let input = Input::ContactOpened {
        contact: id,
        link: url.to_owned(),
        declared: declared.clone(),
        transfer_mru: opened.transfer_mru,
        octets_per_second: opened.octets_per_second,
    };
    let reason = match node.inputs.post(input).await {
        Ok(()) => {
            let lanes = Lanes { ordinary: link.outgoing.clone(), express: link.express.clone() };
            let sending = sending::send_all(Arc::clone(node), id, to_send, lanes);
            let sending = AbortOnDropHandle::new(tokio::spawn(sending));
            let reason = receiving::receive_all(node, id, &mut link, url).await;
            drop(sending);
            reason
        }
        Err(lost) => lost.to_string(),
    };
    let (closing, neighbor) = node.contacts.ended(id);
    let reason = closing.unwrap_or(reason);
    node.inputs.post_end(Input::ContactClosed { contact: id });
    tracing::info!(link = url, reason, "a contact is over");
    ContactEnd { reason, declared, lasted: since.elapsed(), neighbor }
}

/// What a layer says of a link that opens.
struct Opened {
    declared: Option<Eid>,
    transfer_mru: u64,
    octets_per_second: Option<u64>,
}

/// Waits until the link is open.
async fn opened(link: &mut Link) -> Result<Opened, String> {
    while let Some(event) = link.events.recv().await {
        match event {
            Event::Opened { node_id, transfer_mru, octets_per_second } => {
                let declared = node_id.and_then(|text| declared(&text, &link.gauge));
                return Ok(Opened { declared, transfer_mru, octets_per_second });
            }
            Event::Closed { reason } => return Err(reason),
            _ => {}
        }
    }
    Err("the link ended without a word".to_owned())
}

/// The node that a neighbor says it is. What is no node ID says nothing, but does not end the contact.
fn declared(text: &str, gauge: &Gauge) -> Option<Eid> {
    let declared = text.parse::<Eid>().ok().filter(|eid| !eid.is_null());
    if !declared.as_ref().is_some_and(Eid::is_node_id) {
        gauge.fault(&format!("it calls itself '{text}', which is not a node ID"));
    }
    declared
}

async fn closed(link: &mut Link) {
    while let Some(event) = link.events.recv().await {
        if matches!(event, Event::Closed { .. }) {
            return;
        }
    }
}
