//! Wishes with bodies: what is transmitted and imported comes in, what is read goes out.

use std::sync::Arc;

use agent_core::input::Way;
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, CustodyTransfer, Order, Request};
use agent_core::store::{Issued, Number, PayloadPlace, Presence, Retention, StoredBundle};
use bundle_format::{
    BundleFlags, BundleId, CreationTimestamp, CustodyBlock, Eid, Head, HopCustody, Metadata, NewBundle,
};
use bytes::{Bytes, BytesMut};

use super::frame::Frame;
use super::session::{Fault, Session};
use super::small::refused;
use super::wire::{Failure, Imported, Part, Sent, WireOrder, Word};
use crate::driver::Lost;
use crate::intake::{IN_MEMORY_OCTETS_MAX, Intake, NotTaken, Taken};
use crate::news::word;
use crate::node::Node;
use crate::staging::{Staging, budget};
use crate::transmission;
use crate::{pieces, summary};

/// How long an inventory is of use: as long as anything else may be.
const INVENTORY_LIFETIME_MS: u64 = 365 * 86_400_000;
/// Ids read in one look.
const IDS_PER_READ: usize = 4096;

/// What comes next of a client's body.
enum Next {
    Piece(Bytes),
    End,
    /// The client cannot go on; what came is nothing.
    Aborted(Failure),
    /// The client cannot go on; what came is right.
    Broken(Failure),
}

impl Session {
    async fn next(&mut self) -> Result<Next, Fault> {
        let failure = |reason: Bytes| {
            let text = serde_json::from_slice(&reason).unwrap_or_else(|_| "by the sender".to_owned());
            Failure::Aborted(text)
        };
        match self.frames.next().await? {
            Some(Frame::Data(piece)) => Ok(Next::Piece(piece)),
            Some(Frame::End) => Ok(Next::End),
            Some(Frame::Abort(reason)) => Ok(Next::Aborted(failure(reason))),
            Some(Frame::Break(reason)) => Ok(Next::Broken(failure(reason))),
            Some(Frame::Message(_)) => Err(Fault::Connection(super::FrameError::Unexpected)),
            None => Err(Fault::Connection(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())),
        }
    }

    /// The next piece of the client's body; `None` at its end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.next().await? {
            Next::Piece(piece) => Ok(Some(piece)),
            Next::End => Ok(None),
            Next::Aborted(failure) | Next::Broken(failure) => Err(failure.into()),
        }
    }

    /// What went wrong is told once the client has said all that it had to say.
    async fn after_rest(&mut self, fault: Fault) -> Fault {
        if matches!(fault, Fault::Connection(_) | Fault::Told(Failure::Aborted(_))) {
            return fault;
        }
        loop {
            match self.piece().await {
                Ok(Some(_)) => {}
                Ok(None) | Err(Fault::Told(_)) => return fault,
                Err(connection) => return connection,
            }
        }
    }
}

/// Transmits the client's body.
pub(super) async fn transmit(
    session: &mut Session,
    order: WireOrder,
    length: Option<u64>,
) -> Result<Word, Fault> {
    let order = match read_order(order) {
        Ok(order) => order,
        Err(failure) => return Err(session.after_rest(failure.into()).await),
    };
    let mut gathered = BytesMut::new();
    while gathered.len() <= IN_MEMORY_OCTETS_MAX {
        let Some(piece) = session.piece().await? else {
            let octets = gathered.len() as u64;
            expect_length(length, octets)?;
            let request = Request::Transmit { order, payload: gathered.freeze() };
            return sent(session.node.inputs.request(request).await?, octets);
        };
        gathered.extend_from_slice(&piece);
    }
    match transmit_large(session, order, gathered.freeze(), length).await {
        Ok(word) => Ok(word),
        Err(Unfinished::Before(fault)) => Err(session.after_rest(fault).await),
        Err(Unfinished::After(fault)) => Err(fault),
    }
}

/// Where a transmission failed: before or after the end of the client's body.
enum Unfinished {
    Before(Fault),
    After(Fault),
}

async fn transmit_large(
    session: &mut Session,
    order: Order,
    gathered: Bytes,
    length: Option<u64>,
) -> Result<Word, Unfinished> {
    let node = Arc::clone(&session.node);
    let before = |fault: Fault| Unfinished::Before(fault);
    let payload_octets = length.unwrap_or(gathered.len() as u64);
    let begun = Request::BeginTransmission { order: order.clone(), payload_octets };
    let (number, creation) = match node.inputs.request(begun).await.map_err(|lost| before(lost.into()))? {
        Answer::Staging { number, creation, .. } => (number, creation),
        Answer::Refused(refusal) => return Err(before(refused(&refusal))),
        other => unreachable!("the beginning of a transmission is not answered with {other:?}"),
    };
    let budget = budget();
    let mut staging = Staging::at(&node, number);
    let mut next = Some(gathered);
    while let Some(piece) = next {
        let permit =
            crate::staging::permit(&budget, piece.len()).await.map_err(|lost| before(lost.into()))?;
        staging.push(piece, Some(permit)).await.map_err(|lost| before(lost.into()))?;
        next = session.piece().await.map_err(before)?;
    }
    let octets = staging.octets();
    expect_length(length, octets).map_err(Unfinished::After)?;
    let answer = transmission::finish(&node, staging, &budget, (order, creation)).await;
    answer.map_err(Fault::from).and_then(|answer| sent(answer, octets)).map_err(Unfinished::After)
}

fn sent(answer: Answer, octets: u64) -> Result<Word, Fault> {
    match answer {
        Answer::Transmitted { id, .. } => Ok(Word::Sent(Sent { id, octets })),
        Answer::Refused(refusal) => Err(refused(&refusal)),
        _ => Err(Failure::Store(
            "the store failed while the bundle was being written; nothing was kept".to_owned(),
        )
        .into()),
    }
}

fn expect_length(said: Option<u64>, found: u64) -> Result<(), Fault> {
    match said {
        Some(said) if said != found => {
            let text = format!("{said} octets were announced and {found} came: did the file change?");
            Err(Failure::Usage(text).into())
        }
        _ => Ok(()),
    }
}

fn read_order(order: WireOrder) -> Result<Order, Failure> {
    let priority = summary::priority_of(&order.priority)
        .ok_or_else(|| Failure::Usage("the priority is one of bulk, normal and urgent".to_owned()))?;
    Ok(Order {
        destination: order.destination,
        source_demux: order.source_demux,
        lifetime_ms: order.lifetime_ms,
        metadata: Metadata {
            file_name: order.file_name,
            media_type: order.media_type,
            priority,
            record: None,
        },
        report: order.report.into(),
        custody: if order.custody { CustodyTransfer::Wanted } else { CustodyTransfer::NotWanted },
    })
}

/// Takes in the bundle whose octets the client sends. If they break off, the intake keeps what came, as of a link.
pub(super) async fn import(
    session: &mut Session,
    from: Option<Eid>,
    (dormant_ms, way): (u64, String),
) -> Result<Word, Fault> {
    let mut intake = Intake::new(&session.node, &budget(), Way::Dormant(dormant_ms));
    loop {
        let piece = match session.next().await? {
            Next::Piece(piece) => piece,
            Next::End => break,
            Next::Aborted(failure) => {
                intake.give_up();
                return Err(failure.into());
            }
            Next::Broken(failure) => return Err(failure.into()),
        };
        if let Err(fault) = intake.push(piece).await {
            let outcome = not_taken(&session.node, intake.head().cloned(), fault).await;
            return match outcome {
                Ok(imported) => match session.after_rest(Failure::NotFound.into()).await {
                    Fault::Told(_) => Ok(Word::Imported(imported)),
                    connection @ Fault::Connection(_) => Err(connection),
                },
                Err(fault) => Err(session.after_rest(fault).await),
            };
        }
    }
    let (bundle, payload) = match intake.finish().await {
        Ok(Taken::Staged(staged)) => match staged.settled().await {
            Ok((bundle, number)) => (bundle, PayloadPlace::Staged(number)),
            Err(fault) => return not_taken(&session.node, None, fault).await.map(Word::Imported),
        },
        Ok(Taken::Whole(bundle, _held)) => {
            let profile = session.node.config.profile.clone();
            let checked = tokio::task::spawn_blocking(move || bundle.check(&profile)).await;
            let checked = checked.map_err(|_| Fault::Told(Failure::Stopping))?;
            (Box::new(checked), PayloadPlace::Inline)
        }
        Err(fault) => return not_taken(&session.node, None, fault).await.map(Word::Imported),
    };
    let id = bundle.id();
    let answer =
        session.node.inputs.request(Request::Import { bundle, payload, from, dormant_ms, way }).await?;
    match answer {
        Answer::Imported { id } => Ok(Word::Imported(Imported::Taken { id })),
        Answer::Refused(Refusal::Duplicate) => Ok(Word::Imported(Imported::Already { id })),
        Answer::Refused(Refusal::StoreFull) => Err(Failure::StoreFull.into()),
        Answer::Refused(refusal) => Ok(Word::Imported(told(&refusal))),
        other => unreachable!("an import is not answered with {other:?}"),
    }
}

/// What the client is told of a bundle that did not come in; an error where that was not the bundle's fault.
async fn not_taken(node: &Arc<Node>, head: Option<Head>, fault: NotTaken) -> Result<Imported, Fault> {
    match (fault, head) {
        (NotTaken::Malformed(fault), _) => Ok(Imported::Malformed { reason: fault.to_string() }),
        (NotTaken::Refused(Refusal::Duplicate), Some(head)) => {
            let identity = head.identity();
            let found = node.read(move |view| view.find_identity(&identity)).await?;
            match found.first() {
                Some((_, id)) => Ok(Imported::Already { id: *id }),
                None => Ok(told(&Refusal::Duplicate)),
            }
        }
        (NotTaken::Refused(refusal), _) => Ok(told(&refusal)),
        (NotTaken::Lost(lost), _) => Err(Lost::into(lost)),
    }
}

fn told(refusal: &Refusal) -> Imported {
    Imported::Refused { kind: word(refusal).to_owned(), reason: refusal.to_string() }
}

/// Sends a bundle's octets. A bundle leaves as it is forwarded: with its age as it is now, and one hop more. One that goes
/// onto a volume asks for custody with the number that it was given for that volume.
pub(super) async fn read(
    session: &mut Session,
    id: BundleId,
    part: Part,
    onto: Option<Eid>,
) -> Result<(), Fault> {
    let node = Arc::clone(&session.node);
    let now = node.clock.now();
    let looked = node.read(move |view| {
        let Some(Presence::Held(number)) = view.find(&id)? else { return Ok(None) };
        let Some(stored) = view.bundle(number)? else { return Ok(None) };
        let issued = onto.map(|volume| view.handed_to(number, &volume)).transpose()?.flatten();
        Ok(Some((stored, issued)))
    });
    let (stored, issued) = looked.await?.ok_or(Failure::NotFound)?;
    let (head, tail) = match part {
        Part::Payload => (Bytes::new(), Bytes::new()),
        Part::Bundle => (forwarded_head(&node, (&stored, issued), now)?, stored.tail.clone()),
    };
    let octets = head.len() as u64 + stored.payload_octets + tail.len() as u64;
    session.frames.send_message(&Word::Body { octets }).await?;
    session.frames.send_data(&head).await?;
    match &stored.inline_payload {
        Some(payload) => session.frames.send_data(payload).await?,
        None => {
            if let Err(fault) = send_stored(session, &node, stored.number, stored.payload_octets).await {
                return match fault {
                    // An answer was given already: the failure ends the body instead.
                    Fault::Told(failure) => Ok(session.frames.send_abort(&failure).await?),
                    connection @ Fault::Connection(_) => Err(connection),
                };
            }
        }
    }
    session.frames.send_data(&tail).await?;
    Ok(session.frames.send_end().await?)
}

async fn send_stored(
    session: &mut Session,
    node: &Arc<Node>,
    number: Number,
    octets: u64,
) -> Result<(), Fault> {
    let (mut sent, mut index) = (0, 0);
    while sent < octets {
        let some = pieces::read(node, number, index).await?;
        if some.is_empty() {
            return Err(Failure::Store("the bundle was removed while it was being read".to_owned()).into());
        }
        for piece in some {
            session.frames.send_data(&piece).await?;
            sent += piece.len() as u64;
            index += 1;
        }
    }
    Ok(())
}

fn forwarded_head(
    node: &Node,
    (stored, issued): (&StoredBundle, Option<Issued>),
    now: agent_core::time::Now,
) -> Result<Bytes, Fault> {
    let is_ours = stored.retention.contains(Retention::CUSTODY);
    let age_ms = stored.age_at_reception_ms.saturating_add(now.node.since_ms(stored.received));
    let head = Head::parse(stored.head.clone()).map_err(|fault| Failure::Store(fault.to_string()))?;
    let custody = match issued.filter(|_| is_ours) {
        Some(Issued { sequence, number }) => {
            HopCustody::By(CustodyBlock { number, sequence, custodian: node.config.node.clone() })
        }
        None if is_ours => HopCustody::Removed,
        None => HopCustody::Unchanged,
    };
    match head.forwarded_under(&node.config.node, Some(age_ms), &node.config.profile, &custody) {
        Ok(head) => Ok(head.bytes().clone()),
        Err(error) => {
            Err(Failure::Refused { kind: "hop_limit".to_owned(), reason: error.to_string() }.into())
        }
    }
}

/// Sends a signed bundle whose payload is the ids of everything that is here, or was and need not come again, 16 octets each, ascending.
pub(super) async fn inventory(session: &mut Session) -> Result<(), Fault> {
    let node = Arc::clone(&session.node);
    let Answer::Timestamp(creation) = node.inputs.request(Request::ReserveTimestamp).await? else {
        unreachable!("a reserved timestamp is the only answer to that")
    };
    let mut payload = BytesMut::new();
    let mut after = None;
    loop {
        let page = node.read(move |view| view.set_from(after, IDS_PER_READ)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (id, _) in &page {
            payload.extend_from_slice(id.as_bytes());
        }
    }
    let signing = Arc::clone(&node);
    let signed = tokio::task::spawn_blocking(move || {
        let config = &signing.config;
        inventory_bundle(config.node.clone(), creation).sign(&config.profile, &config.key, payload.freeze())
    });
    let bundle =
        signed.await.map_err(|_| Failure::Stopping)?.map_err(|error| Failure::Store(error.to_string()))?;
    session.frames.send_message(&Word::Body { octets: bundle.octets() }).await?;
    session.frames.send_data(bundle.head().bytes()).await?;
    session.frames.send_data(bundle.payload().unwrap_or(&Bytes::new())).await?;
    session.frames.send_data(bundle.tail()).await?;
    Ok(session.frames.send_end().await?)
}

fn inventory_bundle(source: Eid, creation: CreationTimestamp) -> NewBundle {
    NewBundle {
        destination: Eid::dtn("packmule", "~inventory").expect("a valid constant"),
        source,
        report_to: Eid::Null,
        creation,
        lifetime_ms: INVENTORY_LIFETIME_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    }
}
