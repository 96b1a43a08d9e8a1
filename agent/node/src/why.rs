//! Why a bundle is where it is, in words and in codes that do not change: for `packmule why`.

use std::sync::Arc;
use std::time::Instant;

use agent_core::config::Config;
use agent_core::knowledge::{Has, Whereabouts};
use agent_core::output::NotTaken;
use agent_core::routing::Forward;
use agent_core::store::{BundleFacts, Number, Presence, Retention, Standing, StoreError, View};
use agent_core::time::Now;
use bundle_format::{BundleId, Eid, Head};

use crate::declined::Declined;
use crate::links::PeerState;
use crate::local_api::{Explanation, Reason};
use crate::node::Node;

/// What is known of a bundle that is here, or was.
pub(crate) async fn explain(node: &Arc<Node>, id: BundleId) -> Result<Option<Explanation>, StoreError> {
    let (now, config) = (node.clock.now(), Arc::clone(&node.config));
    let links = Links {
        open: node.contacts.each(|entry| entry.neighbor().cloned()).into_iter().flatten().collect(),
        peers: node.peers.all().into_iter().map(|((_, address), peer)| (address.to_string(), peer)).collect(),
        declined: node.news.declined.of(&id),
    };
    node.read(move |view| match view.find(&id)? {
        None => Ok(None),
        Some(Presence::Gone) => gone(view, id, now).map(Some),
        Some(Presence::Held(number)) => {
            let Some(facts) = view.facts(number)? else { return Ok(None) };
            let mut found = Found { view, config: &config, now, facts, links, reasons: Vec::new() };
            found.origin()?;
            found.here()?;
            found.elsewhere()?;
            found.ending();
            Ok(Some(Explanation { id, state: "held".to_owned(), reasons: found.reasons }))
        }
    })
    .await
}

fn gone(view: View<'_>, id: BundleId, now: Now) -> Result<Explanation, StoreError> {
    let left = view.gone_until(&id)?.unwrap_or(now.node).since_ms(now.node);
    let text = format!(
        "it was here, or was refused as old: it expired, was removed, replaced by a newer edition, or delivered to its destination; \
         it is not taken in again for {}",
        span(left)
    );
    Ok(Explanation { id, state: "gone".to_owned(), reasons: vec![Reason { code: "gone".to_owned(), text }] })
}

/// What the node's links say about it now.
struct Links {
    /// Neighbors at the other end of an open contact.
    open: Vec<Eid>,
    /// Peers, by address.
    peers: Vec<(String, PeerState)>,
    /// Who did not take the bundle.
    declined: Vec<Declined>,
}

struct Found<'w> {
    view: View<'w>,
    config: &'w Config,
    now: Now,
    facts: BundleFacts,
    links: Links,
    reasons: Vec<Reason>,
}

impl Found<'_> {
    fn say(&mut self, code: &str, text: String) {
        self.reasons.push(Reason { code: code.to_owned(), text });
    }

    fn origin(&mut self) -> Result<(), StoreError> {
        let ago = span(self.now.node.since_ms(self.facts.received));
        if self.facts.source.node_id().is_some_and(|node| self.config.is_self(&node)) {
            self.say("made_here", format!("it was made here {ago} ago"));
        } else {
            let stored = self.view.bundle(self.facts.number)?;
            let head = stored.and_then(|stored| Head::parse(stored.head.clone()).ok());
            let previous = head.and_then(|head| head.previous_node());
            let source = self.facts.source.clone();
            match previous {
                Some(previous) => {
                    self.say(
                        "came_from",
                        format!("{source} made it; it came here from {previous} {ago} ago"),
                    );
                }
                None => self.say("came", format!("{source} made it; it came here {ago} ago")),
            }
        }
        if self.facts.standing == Standing::Unvouched {
            let text = "nobody vouches for its source: it is carried within the quota for strangers";
            self.say("unvouched", text.to_owned());
        }
        if let Some(place) = self.facts.record {
            let text = format!("it is a record, edition {}: it goes when a newer one comes", place.revision);
            self.say("record", text);
        }
        Ok(())
    }

    fn here(&mut self) -> Result<(), StoreError> {
        let destination = self.facts.destination.clone();
        let before = self.facts.number.value().checked_sub(1).map(Number::new);
        if self.view.queued(&destination, before)? == Some(self.facts.number) {
            let text =
                format!("it waits at {destination} here until an application takes it ('packmule recv')");
            self.say("waits_for_application", text);
        }
        if self.facts.delivered {
            let who = if self.facts.is_needless() { "its destination" } else { "a member of the group" };
            self.say("delivered", format!("{who} said that it was delivered there"));
        }
        if self.facts.retention.contains(Retention::CUSTODY) {
            let text = "this node answers for it: it is not evicted until another node takes custody";
            self.say("custody", text.to_owned());
        }
        Ok(())
    }

    fn elsewhere(&mut self) -> Result<(), StoreError> {
        let all = self.config.whereabouts(self.view, &self.facts)?;
        let with =
            |has: Has| all.iter().filter(move |one| one.has == has).map(|one| one.known.node.to_string());
        let holders: Vec<String> = with(Has::Yes).collect();
        if !holders.is_empty() {
            self.say("held_by", format!("these are known to have it too: {}", holders.join(", ")));
        }
        let is_over = self.facts.is_needless();
        self.policy();
        let lacks = |one: &&Whereabouts| !matches!(one.has, Has::Yes | Has::Delivered);
        let owed = all.iter().filter(lacks).filter(|one| one.wants == Some(true) && one.may_have);
        for one in owed.filter(|_| !is_over) {
            let is_open = self.links.open.contains(&one.known.node);
            let text = owed_text(
                &one.known.node,
                is_open,
                one.known
                    .heard
                    .as_ref()
                    .map(|heard| (span(self.now.node.since_ms(heard.at)), heard.way.clone())),
            );
            self.say(if is_open { "being_sent" } else { "waits_for_contact" }, text);
        }
        self.declined();
        if !is_over {
            let may_want = all.iter().filter(lacks).filter(|one| one.wants != Some(false) && one.may_have);
            let awaited: Vec<&Eid> = may_want.map(|one| &one.known.node).collect();
            self.dialled(&awaited)?;
        }
        let destination = self.facts.destination.node_id().filter(|node| !self.config.is_self(node));
        if let Some(node) =
            destination.filter(|node| !is_over && !all.iter().any(|one| one.known.node == *node))
        {
            let text =
                format!("{node} is not known here: the bundle goes to every node that carries it onwards");
            self.say("destination_unknown", text);
        }
        Ok(())
    }

    /// What neighbors said that were to have it, or to answer for it.
    fn declined(&mut self) {
        for one in std::mem::take(&mut self.links.declined) {
            let (code, said) = match one.why {
                NotTaken::NoRoom => ("refused", "has no room for it"),
                NotTaken::NotAcceptable => ("refused", "does not accept it"),
                NotTaken::Failed => ("refused", "did not get it whole"),
                NotTaken::CustodyGone => {
                    ("custody_refused", "has had it, has it no more, and does not answer for it")
                }
                NotTaken::CustodyRefused => ("custody_refused", "does not take custody of it"),
            };
            let again = match (code, one.again) {
                ("custody_refused", _) => "it is not asked again".to_owned(),
                (_, Some(at)) if self.links.open.contains(&one.neighbor) => {
                    format!("it is tried again in {}", span(at.since_ms(self.now.node)))
                }
                _ => "it is tried again at the next contact".to_owned(),
            };
            let ago = span(u64::try_from(one.at.elapsed().as_millis()).unwrap_or(u64::MAX));
            self.say(code, format!("{} {said}, as it said {ago} ago; {again}", one.neighbor));
        }
    }

    /// Peers that are not reached: those where somebody was met last who may want it, and those where nobody was.
    fn dialled(&mut self, awaited: &[&Eid]) -> Result<(), StoreError> {
        let met = self.view.neighbors()?;
        for (url, peer) in std::mem::take(&mut self.links.peers) {
            let Some(next) = peer.next_try.filter(|_| !peer.up) else { continue };
            let mut there =
                met.iter().filter(|record| record.link == url).map(|record| &record.node).peekable();
            let is_new = there.peek().is_none();
            let whose = there.find(|node| awaited.contains(node));
            if whose.is_none() && !is_new {
                continue;
            }
            let whose = whose
                .map_or("where nobody was met yet".to_owned(), |node| format!("where {node} was met last"));
            let fault = peer.last_error.map(|fault| format!(" ({fault})")).unwrap_or_default();
            let wait = next.saturating_duration_since(Instant::now()).as_millis();
            let wait = span(u64::try_from(wait).unwrap_or(u64::MAX));
            self.say(
                "dialled_again",
                format!("{url}, {whose}, is not reached{fault}: it is dialled again in {wait}"),
            );
        }
        Ok(())
    }

    fn policy(&mut self) {
        let config = self.config;
        let Some(policy) = config.policies.of(&self.facts.destination) else { return };
        let only = match policy.forward {
            Forward::Replicate => return,
            Forward::Direct => "only its destination gets it from here".to_owned(),
            Forward::Via => {
                let via: Vec<String> = policy.via.iter().map(ToString::to_string).collect();
                format!("from here it goes by {} only", via.join(", "))
            }
        };
        let text = format!("{only}: the policy for {} in config.toml says so", policy.destination);
        self.say("policy", text);
    }

    fn ending(&mut self) {
        let left = span(self.facts.deadline.since_ms(self.now.node));
        self.say("expires", format!("it expires in {left}"));
    }
}

fn owed_text(node: &Eid, is_open: bool, heard: Option<(String, String)>) -> String {
    let heard = match heard {
        Some((ago, way)) if way.is_empty() => format!("heard of {ago} ago"),
        Some((ago, way)) => format!("heard of {ago} ago by {way}"),
        None => "never heard of".to_owned(),
    };
    if is_open {
        format!(
            "{node} is to have it, and there is a contact with it now: it is on its way, or is refused there"
        )
    } else {
        format!(
            "{node} is to have it ({heard}): it goes at the next contact with it, or with a node or drive that meets it"
        )
    }
}

/// A period in its largest unit.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
