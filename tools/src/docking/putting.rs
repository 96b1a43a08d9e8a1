//! What the drive lacks goes out onto it, unless everybody has it whom the drive visits: what is urgent first, then what is older. Where
//! there is no room, what everybody has, or what has expired, makes some.

use std::cmp::Reverse;

use agent_node::{BundleSummary, Call, ClientError, LISTED_MAX, Reply};
use bundle_format::{BundleId, Eid, Head};
use drive_volume::limits::INVENTORY_OCTETS_MAX;
use drive_volume::{
    AppendError, Appended, CompactOptions, RecordInfo, Reserve, Volume, Writer, WriterOptions,
};

use super::Docked;
use super::bridges::FromNode;
use super::taking::OnDrive;
use crate::failure::Failure;
use crate::failure_of_client::unexpected;
use crate::progress::Progress;

/// Most bundles that are named as left out; the rest is counted.
const NAMED_MAX: usize = 100;

/// A bundle that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) id: BundleId,
    pub(crate) octets: u64,
}

/// A bundle of the node, with what decides on its turn.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: BundleId,
    number: u64,
    urgency: u8,
    octets: u64,
}

/// A bundle of the node that the drive has.
#[derive(Debug, Clone, Copy)]
struct There {
    id: BundleId,
    /// Somebody whom the drive visits lacks it.
    is_news: bool,
}

/// How an attempt to put out one bundle ended.
enum Put {
    Written,
    NoRoom,
    /// It is not here any more, or its record is damaged: the node has said so in its log.
    Gone,
    Stopped,
}

impl Docked<'_> {
    /// Writes every bundle that the drive lacks, then what this node holds, and notes what the drive has now.
    pub(super) fn put_out(&mut self, volume: &Volume, on_drive: &OnDrive) -> Result<(), Failure> {
        // What was just taken in is answered for by a signal that goes out on this drive.
        self.hand_over(&super::volume_eid(volume.id())?, &[])?;
        let (mut candidates, mut there) = self.candidates(on_drive)?;
        candidates.sort_by_key(|candidate| (Reverse(candidate.urgency), candidate.number));
        let total: u64 = candidates.iter().map(|candidate| candidate.octets).sum();
        if total > volume.room()?.beyond(Reserve::default()) {
            self.make_room(volume, on_drive)?;
            there.retain(|there| there.is_news);
        }
        let mut there: Vec<BundleId> = there.into_iter().map(|there| there.id).collect();
        there.extend(self.write(volume, &candidates, total)?);
        if self.is_stopped() {
            return self.note_held(super::volume_eid(volume.id())?, there);
        }
        self.write_inventory(volume)?;
        self.note_held(super::volume_eid(volume.id())?, there)
    }

    /// What the node would give away: what the drive lacks of it, and what it has already.
    fn candidates(&mut self, on_drive: &OnDrive) -> Result<(Vec<Candidate>, Vec<There>), Failure> {
        let (mut lacking, mut there) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = match self.ask(Call::Held { after, limit: LISTED_MAX })? {
                Reply::Bundles(page) => page,
                other => return Err(unexpected(&other)),
            };
            let Some(last) = page.last() else { return Ok((lacking, there)) };
            after = Some(last.id);
            for bundle in &page {
                let is_news = !self.everybody.has(bundle.id, &bundle.destination);
                if on_drive.has(bundle.id) {
                    there.push(There { id: bundle.id, is_news });
                } else if is_news && self.policies.lead_onto_drive(&self.visitors, &bundle.destination) {
                    lacking.push(Candidate::of(bundle));
                }
            }
        }
    }

    fn write(
        &mut self,
        volume: &Volume,
        candidates: &[Candidate],
        total: u64,
    ) -> Result<Vec<BundleId>, Failure> {
        let mut progress = Progress::new(&format!("{}: putting out", volume.label()), Some(total));
        let options =
            WriterOptions { node: super::node_hash(&self.node), now: self.now, reserve: Reserve::default() };
        let mut writer = volume.writer(options)?;
        let eid = super::volume_eid(volume.id())?;
        self.hand_over(&eid, candidates)?;
        let mut written = Vec::new();
        let mut too_large = u64::MAX;
        for candidate in candidates {
            // Trying what is no smaller than what did not fit would read it in vain.
            let put = if candidate.octets >= too_large {
                Put::NoRoom
            } else {
                self.put(&mut writer, &eid, candidate)?
            };
            match put {
                Put::Written => {
                    written.push(candidate.id);
                    self.summary.put += 1;
                    self.summary.put_octets += candidate.octets;
                    progress.reach(self.summary.put_octets);
                }
                Put::NoRoom => {
                    too_large = too_large.min(candidate.octets);
                    self.leave_out(candidate);
                }
                Put::Gone => {}
                Put::Stopped => break,
            }
        }
        writer.finish()?;
        Ok(written)
    }

    /// Lets the node number what is in its custody, for this drive: whoever takes it from there answers for it.
    fn hand_over(&mut self, volume: &Eid, candidates: &[Candidate]) -> Result<(), Failure> {
        let ids = candidates.iter().map(|candidate| candidate.id).collect();
        self.ask(Call::HandToVolume { volume: volume.clone(), ids }).map(drop)
    }

    fn put(&mut self, writer: &mut Writer<'_>, volume: &Eid, candidate: &Candidate) -> Result<Put, Failure> {
        if self.is_stopped() {
            return Ok(Put::Stopped);
        }
        let body = match self.runtime.block_on(self.client.read_onto(candidate.id, volume)) {
            Ok(body) => body,
            Err(ClientError::NotFound) => return Ok(Put::Gone),
            Err(error) => return Err(error.into()),
        };
        let octets = body.octets();
        let source = FromNode::new(body, &self.runtime, &self.stop);
        match writer.append(*candidate.id.as_bytes(), octets, source) {
            Ok(Appended::Taken { .. }) => Ok(Put::Written),
            Ok(Appended::NoRoom { .. }) | Err(AppendError::Length(_)) => Ok(Put::NoRoom),
            Err(AppendError::Source(_)) if self.stop.is_asked() => Ok(Put::Stopped),
            Err(AppendError::Source(_) | AppendError::Declared { .. }) => Ok(Put::Gone),
            Err(AppendError::Volume(error)) => Err(error.into()),
        }
    }

    fn leave_out(&mut self, candidate: &Candidate) {
        self.summary.left_out_count += 1;
        self.summary.left_out_octets += candidate.octets;
        if self.summary.left_out.len() < NAMED_MAX {
            self.summary.left_out.push(LeftOut { id: candidate.id, octets: candidate.octets });
        }
    }

    /// Drops from the drive what everybody has whom it visits, and what has outlived its lifetime, as far as the clock tells.
    fn make_room(&mut self, volume: &Volume, on_drive: &OnDrive) -> Result<(), Failure> {
        let mut progress =
            Progress::new(&format!("{}: dropping what nobody needs there", volume.label()), None);
        let mut copied = 0;
        let (now, everybody) = (self.now, &self.everybody);
        let options = CompactOptions { node: super::node_hash(&self.node), now };
        let mut wanted = |record: &RecordInfo| {
            let id = BundleId::from_bytes(record.id);
            let may_be_had = everybody.may_have(id) && on_drive.is_known_here(id);
            // What no head can be read of is left alone.
            let Some(head) = super::head(volume, record).filter(|_| may_be_had || now.is_some()) else {
                return true;
            };
            let is_had = may_be_had && everybody.has(id, &head.primary().destination);
            !is_had && !now.is_some_and(|now| has_expired(&head, now))
        };
        let mut reach = |octets| {
            copied += octets;
            progress.reach(copied);
        };
        let compacted = volume.compact(options, &mut wanted, &mut reach)?;
        for damage in compacted.damages {
            self.summary.damaged(damage);
        }
        Ok(())
    }

    fn write_inventory(&mut self, volume: &Volume) -> Result<(), Failure> {
        let inventory = self.runtime.block_on(async {
            let body = self.client.inventory().await?;
            body.collect(INVENTORY_OCTETS_MAX as u64).await
        })?;
        volume.write_inventory(&super::node_hash(&self.node), self.now, &inventory)?;
        Ok(())
    }
}

impl Candidate {
    fn of(bundle: &BundleSummary) -> Self {
        let urgency = match bundle.priority.as_str() {
            "urgent" => 2,
            "bulk" => 0,
            _ => 1,
        };
        Self { id: bundle.id, number: bundle.number, urgency, octets: bundle.octets }
    }
}

/// Whether a bundle's own creation time and lifetime say that it is of no use any more (RFC 9171 §4.2.1). Of one that
/// was made without a clock only its age would tell, and that went on while it lay here.
fn has_expired(head: &Head, now: u64) -> bool {
    let primary = head.primary();
    let made = primary.creation.time.0;
    made != 0 && made.saturating_add(primary.lifetime_ms) < now
}
