//! The contacts that are open now: how the writer reaches them, who is at their other ends, and which of two stays.
//!
//! Two nodes that dial each other end up with two connections. Both sides keep the one that the lower node ID opened and
//! close the other in an orderly way, which must not need talking about it. A line that both wait at gives way to a network, which
//! is faster. A node ID that was only declared ends no contact of others: anybody can say a name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use agent_core::input::{ContactId, TransferId};
use agent_core::output::{Notice, Parcel, Standing};
use bundle_format::Eid;
use convergence_layer::{CloseReason, Control, Gauge};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use crate::backoff::Neighbor;

/// Which side opened a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opener {
    /// This node.
    Us,
    /// The neighbor.
    Them,
    /// Both, as two nodes do that wait for each other at the ends of a line.
    Both,
}

/// A bundle on its way to a contact's sending side.
pub(crate) type Departure = (TransferId, Parcel);

/// What leads from the rest of the node to an open contact.
#[derive(Debug)]
pub(crate) struct Wires {
    /// Bounded by the transfers that await a decision.
    pub(crate) control: UnboundedSender<Control>,
    /// Bounded by the agent's send window.
    pub(crate) departures: UnboundedSender<Departure>,
    /// What the layer measures.
    pub(crate) gauge: Arc<Gauge>,
}

/// An open contact, as it is registered.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) link: String,
    pub(crate) opener: Opener,
    /// Who the neighbor said it is, to the convergence layer.
    pub(crate) declared: Option<Eid>,
    pub(crate) since: Instant,
    pub(crate) wires: Wires,
    known: Option<(Eid, Standing)>,
    /// Why it is being closed by us.
    closing: Option<String>,
}

impl Entry {
    pub(crate) fn new(link: String, opener: Opener, declared: Option<Eid>, wires: Wires) -> Self {
        Self { link, opener, declared, since: Instant::now(), wires, known: None, closing: None }
    }

    /// Who is there, as far as it is known.
    pub(crate) fn neighbor(&self) -> Option<&Eid> {
        self.known.as_ref().map(|(neighbor, _)| neighbor).or(self.declared.as_ref())
    }

    /// Whether the neighbor proved to be that node.
    pub(crate) fn is_authenticated(&self) -> bool {
        matches!(self.known, Some((_, Standing::Authenticated)))
    }

    fn standing(&self) -> Option<Standing> {
        self.known.as_ref().map(|(_, standing)| *standing)
    }

    fn close(&mut self, reason: CloseReason, why: String) {
        if self.closing.is_none() {
            tracing::info!(link = self.link, why, "closing a contact");
            self.closing = Some(why);
            // A link that is gone needs no closing.
            let _ = self.wires.control.send(Control::Close(reason));
        }
    }
}

/// All open contacts of a node.
#[derive(Debug)]
pub(crate) struct Contacts {
    us: Eid,
    entries: Mutex<BTreeMap<ContactId, Entry>>,
    changes: watch::Sender<u64>,
}

impl Contacts {
    pub(crate) fn new(us: Eid) -> Self {
        Self { us, entries: Mutex::default(), changes: watch::Sender::new(0) }
    }

    /// Changes with every contact that begins or ends.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A contact is up. `false` if it is one too many, and is not to be used.
    pub(crate) fn opened(&self, id: ContactId, entry: Entry) -> bool {
        let mut entries = self.lock();
        entries.insert(id, entry);
        let loser = self.loser_of(&entries, id);
        if let Some(loser) = loser {
            end_duplicate(&mut entries, loser);
        }
        if loser == Some(id) {
            entries.remove(&id);
        }
        drop(entries);
        self.changed();
        loser != Some(id)
    }

    /// A contact is over. Why we closed it, if we did, and who was there.
    pub(crate) fn ended(&self, id: ContactId) -> (Option<String>, Neighbor) {
        let entry = self.lock().remove(&id);
        self.changed();
        let is_proven = entry.as_ref().is_some_and(Entry::is_authenticated);
        let neighbor = if is_proven { Neighbor::Proven } else { Neighbor::Unproven };
        (entry.and_then(|entry| entry.closing), neighbor)
    }

    pub(crate) fn control(&self, id: ContactId, control: Control) {
        if let Some(entry) = self.lock().get(&id) {
            // A link that is gone needs no decision.
            let _ = entry.wires.control.send(control);
        }
    }

    pub(crate) fn send(&self, id: ContactId, transfer: TransferId, parcel: Parcel) {
        if let Some(entry) = self.lock().get(&id) {
            // A contact that is ending loses what was to be sent; the store has it.
            let _ = entry.wires.departures.send((transfer, parcel));
        }
    }

    pub(crate) fn close(&self, id: ContactId, reason: CloseReason, why: String) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.close(reason, why);
        }
    }

    pub(crate) fn close_all(&self, reason: CloseReason, why: &str) {
        for entry in self.lock().values_mut() {
            entry.close(reason, why.to_owned());
        }
    }

    /// Closes every contact that was opened by dialling this address.
    pub(crate) fn close_link(&self, link: &str, why: &str) {
        let mut entries = self.lock();
        let dialled = entries.values_mut().filter(|entry| entry.opener != Opener::Them && entry.link == link);
        dialled.for_each(|entry| entry.close(CloseReason::Unknown, why.to_owned()));
    }

    /// News that concerns a contact.
    pub(crate) fn heard(&self, notice: &Notice) {
        if let Notice::NeighborKnown { contact, neighbor, standing } = notice {
            let mut entries = self.lock();
            if let Some(entry) = entries.get_mut(contact) {
                entry.known = Some((neighbor.clone(), *standing));
            }
            if let Some(loser) = self.loser_of(&entries, *contact) {
                end_duplicate(&mut entries, loser);
            }
            drop(entries);
            self.changed();
        }
    }

    /// Whether a contact with that node is up that makes another one needless.
    pub(crate) fn has(&self, neighbor: &Eid) -> bool {
        self.lock().values().any(|entry| {
            entry.closing.is_none()
                && entry.neighbor() == Some(neighbor)
                && entry.standing() != Some(Standing::Foreign)
        })
    }

    /// Looks at all of them.
    pub(crate) fn each<T>(&self, look: impl Fn(&Entry) -> T) -> Vec<T> {
        self.lock().values().map(look).collect()
    }

    /// Of this contact and another one with the same neighbor, the one that has to go.
    fn loser_of(&self, entries: &BTreeMap<ContactId, Entry>, id: ContactId) -> Option<ContactId> {
        let this = entries.get(&id).filter(|entry| entry.closing.is_none())?;
        let neighbor = this.neighbor().filter(|neighbor| **neighbor != self.us)?;
        let mut others = entries.iter().filter(|(other, entry)| {
            **other != id && entry.closing.is_none() && entry.neighbor() == Some(neighbor)
        });
        others.find_map(|(other_id, other)| {
            let stays = self.stays_of_two(this, other, neighbor)?;
            Some(if stays { *other_id } else { id })
        })
    }

    /// Whether `this` stays rather than `other`; `None` as long as that depends on what one of them has not proved yet: anybody
    /// can say a name.
    fn stays_of_two(&self, this: &Entry, other: &Entry, neighbor: &Eid) -> Option<bool> {
        match (this.standing(), other.standing()) {
            (Some(Standing::Authenticated), Some(Standing::Foreign)) => Some(true),
            (Some(Standing::Foreign), Some(Standing::Authenticated)) => Some(false),
            (Some(Standing::Authenticated), None) => (!self.stays(other, this, neighbor)).then_some(true),
            (None, Some(Standing::Authenticated)) => (!self.stays(this, other, neighbor)).then_some(false),
            (None, _) | (_, None) => None,
            _ => Some(self.stays(this, other, neighbor)),
        }
    }

    /// Whether `this` stays rather than `other`: the one that a side opened rather than both; the one that the lower node ID opened;
    /// of two that the same side opened, the older one where that side is us, else the younger one, because its opener knows that
    /// the older one is dead; of two that both opened, the older one.
    fn stays(&self, this: &Entry, other: &Entry, neighbor: &Eid) -> bool {
        match (this.opener == Opener::Both, other.opener == Opener::Both) {
            (true, true) => return this.since <= other.since,
            (false, false) => {}
            (_, stays) => return stays,
        }
        let preferred = if self.us < *neighbor { Opener::Us } else { Opener::Them };
        match (this.opener == preferred, other.opener == preferred) {
            (true, false) => true,
            (false, true) => false,
            _ => (this.since <= other.since) == (this.opener == Opener::Us),
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContactId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_duplicate(entries: &mut BTreeMap<ContactId, Entry>, loser: ContactId) {
    if let Some(entry) = entries.get_mut(&loser) {
        entry.close(CloseReason::Busy, DUPLICATE.to_owned());
    }
}

/// Why one of two contacts with a neighbor is closed.
pub(crate) const DUPLICATE: &str = "another contact with this neighbor stays";

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn eid(name: &str) -> Eid {
        Eid::dtn(name, "").unwrap()
    }

    fn open(
        contacts: &Contacts,
        id: ContactId,
        opener: Opener,
        declared: &str,
    ) -> (bool, UnboundedReceiver<Control>) {
        let (control, controls) = unbounded_channel();
        let wires = Wires { control, departures: unbounded_channel().0, gauge: Arc::default() };
        let entry = Entry::new(format!("link {id}"), opener, Some(eid(declared)), wires);
        (contacts.opened(id, entry), controls)
    }

    /// Opens a contact whose neighbor proves who it is.
    fn proven(
        contacts: &Contacts,
        id: ContactId,
        opener: Opener,
        name: &str,
    ) -> (bool, UnboundedReceiver<Control>) {
        let opened = open(contacts, id, opener, name);
        known(contacts, id, name, Standing::Authenticated);
        opened
    }

    fn known(contacts: &Contacts, contact: ContactId, name: &str, standing: Standing) {
        contacts.heard(&Notice::NeighborKnown { contact, neighbor: eid(name), standing });
    }

    fn is_closed(controls: &mut UnboundedReceiver<Control>) -> bool {
        controls.try_recv() == Ok(Control::Close(CloseReason::Busy))
    }

    #[test]
    fn of_two_contacts_the_one_that_the_lower_node_opened_stays_on_both_sides() {
        // a and b dial each other. On a's side contact 1 is the one that a opened, on b's side contact 2.
        let on_a = Contacts::new(eid("a"));
        let (stays, mut first) = proven(&on_a, 1, Opener::Us, "b");
        assert!(stays);
        let (stays, mut second) = proven(&on_a, 2, Opener::Them, "b");
        assert!(!stays && is_closed(&mut second) && !is_closed(&mut first));

        let on_b = Contacts::new(eid("b"));
        let (stays, mut first) = proven(&on_b, 1, Opener::Us, "a");
        assert!(stays);
        let (stays, mut second) = proven(&on_b, 2, Opener::Them, "a");
        assert!(stays && is_closed(&mut first) && !is_closed(&mut second));
    }

    #[test]
    fn a_line_gives_way_to_a_network_on_both_sides_whichever_was_first() {
        for (us, neighbor, opener) in
            [("a", "b", Opener::Us), ("a", "b", Opener::Them), ("b", "a", Opener::Us)]
        {
            let contacts = Contacts::new(eid(us));
            let (_, mut line) = proven(&contacts, 1, Opener::Both, neighbor);
            let (stays, mut network) = proven(&contacts, 2, opener, neighbor);
            assert!(stays && is_closed(&mut line) && !is_closed(&mut network));
            let (stays, mut line) = open(&contacts, 3, Opener::Both, neighbor);
            assert!(!stays && is_closed(&mut line) && !is_closed(&mut network));
        }
        let contacts = Contacts::new(eid("a"));
        let (_, mut first) = proven(&contacts, 1, Opener::Both, "b");
        let (stays, _) = open(&contacts, 2, Opener::Both, "b");
        assert!(!stays && !is_closed(&mut first));
        contacts.close_link("link 1", "the peer was removed");
        assert!(first.try_recv().is_ok());
    }

    #[test]
    fn the_older_of_two_that_we_dialled_stays() {
        let contacts = Contacts::new(eid("a"));
        let (_, mut first) = proven(&contacts, 1, Opener::Us, "b");
        let (stays, _) = open(&contacts, 2, Opener::Us, "b");
        assert!(!stays && !is_closed(&mut first));
    }

    #[test]
    fn a_neighbor_that_dials_again_replaces_its_dead_connection() {
        let contacts = Contacts::new(eid("b"));
        let (_, mut first) = proven(&contacts, 1, Opener::Them, "a");
        let (stays, mut second) = proven(&contacts, 2, Opener::Them, "a");
        assert!(stays && is_closed(&mut first) && !is_closed(&mut second));
    }

    #[test]
    fn names_that_nobody_proved_end_no_contact() {
        let contacts = Contacts::new(eid("b"));
        let (_, mut honest) = open(&contacts, 1, Opener::Us, "a");
        let (_, mut other) = open(&contacts, 2, Opener::Them, "a");
        let (stays, mut third) = open(&contacts, 3, Opener::Them, "a");
        assert!(stays && ![&mut honest, &mut other, &mut third].into_iter().any(is_closed));
        // Who only said so does not hide the second one of the neighbor's own.
        known(&contacts, 1, "a", Standing::Authenticated);
        known(&contacts, 3, "a", Standing::Authenticated);
        assert!(is_closed(&mut honest) && !is_closed(&mut other) && !is_closed(&mut third));
    }

    #[test]
    fn a_declared_name_does_not_end_an_authenticated_contact() {
        let contacts = Contacts::new(eid("b"));
        let (_, mut honest) = open(&contacts, 1, Opener::Us, "a");
        known(&contacts, 1, "a", Standing::Authenticated);
        let (stays, mut other) = open(&contacts, 2, Opener::Them, "a");
        assert!(stays && !is_closed(&mut honest) && !is_closed(&mut other));
        // It turns out to be a liar, or the neighbor itself.
        known(&contacts, 2, "a", Standing::Foreign);
        assert!(!is_closed(&mut honest) && is_closed(&mut other));
    }

    #[test]
    fn the_preferred_contact_takes_over_once_it_is_authenticated() {
        let contacts = Contacts::new(eid("b"));
        let (_, mut first) = open(&contacts, 1, Opener::Us, "a");
        known(&contacts, 1, "a", Standing::Authenticated);
        let (_, mut second) = open(&contacts, 2, Opener::Them, "a");
        known(&contacts, 2, "a", Standing::Authenticated);
        assert!(is_closed(&mut first) && !is_closed(&mut second));
    }

    #[test]
    fn contacts_with_different_neighbors_do_not_disturb_each_other() {
        let contacts = Contacts::new(eid("a"));
        let (_, mut first) = open(&contacts, 1, Opener::Us, "b");
        let (stays, mut second) = open(&contacts, 2, Opener::Them, "c");
        assert!(stays && !is_closed(&mut first) && !is_closed(&mut second));
        assert!(contacts.has(&eid("b")) && contacts.has(&eid("c")) && !contacts.has(&eid("d")));
    }
}
