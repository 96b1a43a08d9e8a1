//! Delivery to applications (RFC 9171 §5.7), and waiting for what becomes of a bundle.

use std::time::Duration;

use agent_core::output::Notice;
use agent_core::request::{Answer, Request};
use agent_core::store::{Number, Presence};
use bundle_format::{BundleId, Eid};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::call::Reply;
use super::report::Delivery;
use super::session::{Fault, Session};
use super::wire::{Failure, Until, Word};
use crate::summary;

/// As long as makes no difference to no limit at all.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The next bundle that waits at an endpoint and is not out for delivery; waits for one.
pub(super) async fn next(
    session: &mut Session,
    endpoint: Eid,
    timeout_ms: Option<u64>,
) -> Result<Word, Fault> {
    let node = std::sync::Arc::clone(&session.node);
    let (checked, owner) = (endpoint.clone(), std::sync::Arc::clone(&node));
    if !node.read(move |view| summary::is_local(&owner, view, &checked)).await? {
        let text = format!("{endpoint} is no endpoint of this node, and no group that it subscribes to");
        return Err(Failure::Usage(text).into());
    }
    let until = deadline(timeout_ms);
    let mut news = node.news.listen();
    let mut returned = node.leases.returned();
    loop {
        returned.mark_unchanged();
        while let Some(number) = lease_one(session, &endpoint).await? {
            session.leased.push((endpoint.clone(), number));
            if let Some(bundle) = summary::in_short(&node, number).await? {
                return Ok(Word::Delivery(Box::new(Delivery { endpoint, bundle })));
            }
            // It went between two looks; the lease on what is gone hurts nobody.
        }
        loop {
            tokio::select! {
                heard = news.recv() => match heard {
                    Ok(Notice::Deliverable { endpoint: at, .. }) if at == endpoint => break,
                    Err(RecvError::Lagged(_)) => break,
                    Ok(_) => {}
                    Err(RecvError::Closed) => return Err(Failure::Stopping.into()),
                },
                changed = returned.changed() => {
                    changed.map_err(|_| Failure::Stopping)?;
                    break;
                }
                () = tokio::time::sleep_until(until) => return Err(Failure::TimedOut.into()),
                disturbed = session.frames.disturbed() => {
                    disturbed.map_err(|error| Fault::Connection(error.into()))?;
                    return Err(Failure::TimedOut.into());
                }
            }
        }
    }
}

/// The first at an endpoint that nobody has.
async fn lease_one(session: &Session, endpoint: &Eid) -> Result<Option<Number>, Fault> {
    let (node, endpoint) = (std::sync::Arc::clone(&session.node), endpoint.clone());
    let leased = session.node.read(move |view| {
        let mut after = None;
        while let Some(number) = view.queued(&endpoint, after)? {
            if node.leases.take(&endpoint, number) {
                return Ok(Some(number));
            }
            after = Some(number);
        }
        Ok(None)
    });
    Ok(leased.await?)
}

/// The application has a bundle for good.
pub(super) async fn consume(session: &mut Session, endpoint: Eid, number: u64) -> Result<Word, Fault> {
    let lease = (endpoint.clone(), Number::new(number));
    let Some(place) = session.leased.iter().position(|leased| *leased == lease) else {
        return Err(
            Failure::Usage("this bundle is not out for delivery on this connection".to_owned()).into()
        );
    };
    let answer = session.node.inputs.request(Request::Consume { endpoint, number: lease.1 }).await?;
    session.leased.swap_remove(place);
    session.node.leases.give_back(&lease.0, lease.1);
    match answer {
        Answer::Done { changed } => Ok(Word::Reply(Reply::Done { changed })),
        _ => Err(Failure::NotFound.into()),
    }
}

/// Waits until a bundle has been carried on or delivered.
pub(super) async fn wait(
    session: &mut Session,
    id: BundleId,
    until: Until,
    timeout_ms: Option<u64>,
) -> Result<Word, Fault> {
    let deadline = deadline(timeout_ms);
    let node = std::sync::Arc::clone(&session.node);
    let mut news = node.news.listen();
    loop {
        if let Some(by) = became(session, id, until).await? {
            return Ok(Word::Became { by });
        }
        loop {
            tokio::select! {
                heard = news.recv() => match (heard, until) {
                    (Ok(Notice::Carried { id: which, neighbor }), Until::Carried) if which == id => {
                        return Ok(Word::Became { by: neighbor });
                    }
                    (Ok(Notice::Delivered { id: which, by }), _) if which == id => {
                        return Ok(Word::Became { by: Some(by) });
                    }
                    (Ok(Notice::Deleted { .. }) | Err(RecvError::Lagged(_)), _) => break,
                    (Ok(_), _) => {}
                    (Err(RecvError::Closed), _) => return Err(Failure::Stopping.into()),
                },
                () = tokio::time::sleep_until(deadline) => return Err(Failure::TimedOut.into()),
                disturbed = session.frames.disturbed() => {
                    disturbed.map_err(|error| Fault::Connection(error.into()))?;
                    return Err(Failure::TimedOut.into());
                }
            }
        }
    }
}

/// Whether it has come about already, and by whom; an error if the bundle is not here.
async fn became(session: &Session, id: BundleId, until: Until) -> Result<Option<Option<Eid>>, Fault> {
    let looked = session.node.read(move |view| {
        let Some(Presence::Held(number)) = view.find(&id)? else { return Ok(None) };
        let Some(facts) = view.facts(number)? else { return Ok(None) };
        let by = match until {
            _ if facts.delivered => Some(facts.destination.node_id()),
            Until::Carried => view.holders(number)?.into_iter().next().map(Some),
            Until::Delivered => None,
        };
        Ok(Some(by))
    });
    looked.await?.ok_or(Failure::NotFound.into())
}

fn deadline(timeout_ms: Option<u64>) -> Instant {
    let timeout = timeout_ms.map_or(FOREVER, Duration::from_millis).min(FOREVER);
    Instant::now() + timeout
}
