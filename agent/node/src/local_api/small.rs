//! Calls whose answers fit into one message: changes are requests to the writer, the rest is read from the store.

use std::sync::Arc;

use adapters::{Address, AddressError};
use agent_core::request::{Answer, Conflict, Repair, Request};
use agent_core::store::Presence;
use bundle_format::{BundleId, Eid};

use super::call::{Call, IDS_MAX, Identity, LISTED_MAX, Origin, PeerEntry, Reply, TrustEntry};
use super::session::Fault;
use super::wire::Failure;
use crate::links::PEERS_MAX;
use crate::node::Node;
use crate::{status, summary, why};

/// Fewest letters of an id that may stand for it.
const PREFIX_LETTERS_MIN: usize = 8;

/// Answers one call.
pub(super) async fn answer(node: &Arc<Node>, call: Call) -> Result<Reply, Fault> {
    match call {
        Call::Id => Ok(Reply::Identity(identity(node))),
        Call::Status => Ok(Reply::Status(Box::new(status::of(node).await?))),
        Call::TrustAdd { node: whose, key, replace } => {
            let conflict = if replace { Conflict::Replace } else { Conflict::Refuse };
            change(node, Request::TrustAdd { node: node_id(whose)?, key, conflict }).await
        }
        Call::TrustRemove { node: whose } => change(node, Request::TrustRemove { node: whose }).await,
        Call::TrustList => trust_list(node).await,
        Call::PeerAdd { url } => peer_add(node, &url).await,
        Call::PeerRemove { url } => peer_remove(node, &url).await,
        Call::PeerList => peer_list(node).await,
        Call::Subscribe { group } => change(node, Request::Subscribe { group: a_group(group)? }).await,
        Call::Unsubscribe { group } => change(node, Request::Unsubscribe { group }).await,
        Call::Subscriptions => Ok(Reply::Groups(node.read(|view| view.subscriptions()).await?)),
        Call::List { after, limit, all } => {
            Ok(Reply::Bundles(summary::list(node, after, limit.min(LISTED_MAX), all).await?))
        }
        Call::Held { after, limit } => {
            Ok(Reply::Bundles(summary::held(node, after, limit.min(LISTED_MAX)).await?))
        }
        Call::Show { id } => {
            let id = resolve(node, &id).await?;
            summary::in_full(node, id)
                .await?
                .map(|report| Reply::Bundle(Box::new(report)))
                .ok_or(Failure::NotFound.into())
        }
        Call::Why { id } => {
            let id = resolve(node, &id).await?;
            why::explain(node, id).await?.map(Reply::Why).ok_or(Failure::NotFound.into())
        }
        Call::Remove { id } => {
            let id = resolve(node, &id).await?;
            change(node, Request::Remove { id }).await
        }
        Call::Resolve { prefix } => Ok(Reply::Ids(matching(node, &prefix).await?)),
        Call::Lacking { ids } => lacking(node, ids).await,
        Call::HandToVolume { volume, ids } => {
            bounded(&ids)?;
            change(node, Request::HandToVolume { volume, ids }).await
        }
        Call::NoteHeld { holder, ids } => {
            bounded(&ids)?;
            change(node, Request::NoteHeld { holder, ids }).await
        }
        Call::Check { repair: true } => change(node, Request::Check { repair: Repair::Rebuild }).await,
        Call::Check { repair: false } => check(node).await,
    }
}

/// Who a node is.
pub(crate) fn identity(node: &Node) -> Identity {
    Identity { node: node.config.node.clone(), ipn: node.config.ipn.clone(), key: node.config.key.public() }
}

/// The bundle that an id or the beginning of one names.
pub(super) async fn resolve(node: &Arc<Node>, text: &str) -> Result<BundleId, Fault> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if text.len() < PREFIX_LETTERS_MIN {
        let text = format!("an id is named by {PREFIX_LETTERS_MIN} letters or more of it");
        return Err(Failure::Usage(text).into());
    }
    let mut candidates = matching(node, text).await?;
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Err(Failure::NotFound.into()),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            candidates.push(last);
            Err(Failure::Ambiguous { candidates }.into())
        }
    }
}

async fn matching(node: &Arc<Node>, prefix: &str) -> Result<Vec<BundleId>, Fault> {
    let Some((octets, bits)) = prefix_bits(prefix) else {
        let text = "an id has letters from a to z and digits from 2 to 7, at most 26";
        return Err(Failure::Usage(text.to_owned()).into());
    };
    Ok(node.read(move |view| view.find_prefix(&octets, bits, LISTED_MAX)).await?)
}

/// The bits that the letters of the beginning of an id stand for: five each, the last letter of a whole id three.
fn prefix_bits(text: &str) -> Option<([u8; 16], u32)> {
    if text.is_empty() || text.len() > 26 {
        return None;
    }
    let mut value: u128 = 0;
    let mut bits = 0;
    for letter in text.bytes() {
        let five = match letter {
            b'a'..=b'z' => letter - b'a',
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        let free: u32 = 128 - bits;
        let taken = free.min(5);
        let part = u128::from(five >> (5 - taken));
        bits += taken;
        value |= part << (128 - bits);
    }
    Some((value.to_be_bytes(), bits))
}

async fn change(node: &Arc<Node>, request: Request) -> Result<Reply, Fault> {
    Ok(match node.inputs.request(request).await? {
        Answer::Done { changed } => Reply::Done { changed },
        Answer::NotFound => return Err(Failure::NotFound.into()),
        Answer::OtherKey { trusted } => Reply::OtherKey { trusted },
        Answer::Configured => Reply::Configured,
        Answer::Checked { findings, repaired } => {
            Reply::Checked { findings, quarantined: repaired.quarantined, rows: repaired.rows }
        }
        Answer::Refused(refusal) => return Err(refused(&refusal)),
        other => unreachable!("a change is not answered with {other:?}"),
    })
}

/// A refusal, as a local program is told.
pub(super) fn refused(refusal: &agent_core::refusal::Refusal) -> Fault {
    match refusal {
        agent_core::refusal::Refusal::StoreFull => Failure::StoreFull.into(),
        other => {
            Failure::Refused { kind: crate::news::word(other).to_owned(), reason: other.to_string() }.into()
        }
    }
}

/// Looks at everything in a transaction that only reads, so that nobody has to wait for it.
async fn check(node: &Arc<Node>) -> Result<Reply, Fault> {
    let findings = node.read(|view| view.check(&mut |_| {})).await?;
    let findings = findings.iter().map(ToString::to_string).collect();
    Ok(Reply::Checked { findings, quarantined: 0, rows: 0 })
}

async fn trust_list(node: &Arc<Node>) -> Result<Reply, Fault> {
    let configured = node.config.trust.iter().cloned();
    let mut entries: Vec<TrustEntry> =
        configured.map(|(node, key)| TrustEntry { node, key, origin: Origin::Configured }).collect();
    let added = node.read(|view| view.trust_list()).await?;
    let added =
        added.into_iter().filter(|entry| node.config.trust.iter().all(|(name, _)| *name != entry.node));
    entries.extend(added.map(|entry| TrustEntry { node: entry.node, key: entry.key, origin: Origin::Added }));
    entries.sort_by(|a, b| a.node.cmp(&b.node));
    Ok(Reply::Trust(entries))
}

async fn peer_add(node: &Arc<Node>, url: &str) -> Result<Reply, Fault> {
    let address = address(url)?;
    if node.settings.peers.contains(&address) {
        return Ok(Reply::Configured);
    }
    if node.read(|view| view.peers()).await?.len() >= PEERS_MAX {
        return Err(Failure::Usage(format!("a node keeps at most {PEERS_MAX} peers")).into());
    }
    change(node, Request::PeerAdd { url: address.to_string() }).await
}

async fn peer_remove(node: &Arc<Node>, url: &str) -> Result<Reply, Fault> {
    let address = address(url)?;
    if node.settings.peers.contains(&address) {
        return Ok(Reply::Configured);
    }
    change(node, Request::PeerRemove { url: address.to_string() }).await
}

async fn peer_list(node: &Arc<Node>) -> Result<Reply, Fault> {
    let configured = node.settings.peers.iter();
    let mut entries: Vec<PeerEntry> =
        configured.map(|peer| PeerEntry { url: peer.to_string(), origin: Origin::Configured }).collect();
    let added = node.read(|view| view.peers()).await?;
    entries.extend(added.into_iter().map(|url| PeerEntry { url, origin: Origin::Added }));
    Ok(Reply::Peers(entries))
}

async fn lacking(node: &Arc<Node>, ids: Vec<BundleId>) -> Result<Reply, Fault> {
    bounded(&ids)?;
    let lacking = node.read(move |view| {
        let mut lacking = Vec::new();
        for id in ids {
            match view.find(&id)? {
                Some(Presence::Held(_) | Presence::Gone) => {}
                None => lacking.push(id),
            }
        }
        Ok(lacking)
    });
    Ok(Reply::Ids(lacking.await?))
}

fn bounded(ids: &[BundleId]) -> Result<(), Fault> {
    if ids.len() > IDS_MAX {
        return Err(Failure::Usage(format!("at most {IDS_MAX} ids at a time")).into());
    }
    Ok(())
}

fn address(url: &str) -> Result<Address, Fault> {
    let fault = |error: AddressError| Failure::Usage(error.to_string());
    let address: Address = url.parse().map_err(fault)?;
    address.check_dialled().map_err(fault)?;
    Ok(address)
}

fn node_id(eid: Eid) -> Result<Eid, Fault> {
    match eid.node_id() {
        Some(node) if node == eid => Ok(eid),
        _ => {
            Err(Failure::Usage(format!("{eid} is no node ID; those look like dtn://clinic-3/ or ipn:7.0"))
                .into())
        }
    }
}

fn a_group(eid: Eid) -> Result<Eid, Fault> {
    if eid.is_null() || eid.is_singleton() {
        let text = format!("{eid} is no group; groups look like dtn://all/~updates");
        return Err(Failure::Usage(text).into());
    }
    Ok(eid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_an_id_stand_for_its_first_bits() {
        let id = BundleId::from_bytes(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x11\x22\x33\x44\x55\x66\x77\x88");
        let text = id.to_string();
        for letters in 1..=26 {
            let (octets, bits) = prefix_bits(&text[..letters]).unwrap();
            assert_eq!(bits, (5 * u32::try_from(letters).unwrap()).min(128));
            let mask = if bits == 128 { u128::MAX } else { !(u128::MAX >> bits) };
            assert_eq!(u128::from_be_bytes(octets), u128::from_be_bytes(*id.as_bytes()) & mask, "{letters}");
        }
        for wrong in ["", "ab1", "a-b", "aaaqeayeaudaocaj7l57z7p6744"] {
            assert_eq!(prefix_bits(wrong), None, "{wrong}");
        }
    }
}
