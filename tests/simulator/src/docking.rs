//! A drive at a node, in virtual time: in the order of `tools/src/docking`, with the volume's own code, and the same requests
//! to the agent. A node that loses power, or a drive that is pulled, ends a dock wherever it is.

use std::collections::BTreeSet;

use agent_core::everybody::Everybody;
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Request};
use agent_core::store::PayloadPlace;
use bundle_format::{BundleId, CreationTimestamp};
use drive_volume::{CompactOptions, Entry, NodeHash, RecordInfo, Volume, WriterOptions};

use crate::agenda::Event;
use crate::contact::Cargo;
use crate::drive_bundles::{self, Candidate, Inventory};
use crate::ledger::OrderNumber;
use crate::node::{Asked, Received};
use crate::plan::{Millis, NodeIndex, SECOND};
use crate::violation::{Rule, Violation};
use crate::world::World;

/// Between two stages of a dock.
const STAGE_MS: Millis = 500;
/// A drive without room takes so many more bundles.
const LAST_ROOM: usize = 4;
/// Between the look at a record and the step of the agent that takes its bundle in, at most.
const TAKING_MS: u64 = 2 * SECOND;

/// A dock.
#[derive(Debug)]
pub(crate) struct Dock {
    node: NodeIndex,
    /// Which life of the node; with another it is over.
    life: u32,
    stage: Stage,
    /// The stage in which the drive is pulled.
    pulled: Option<Stage>,
    /// Bundles for which there is still room.
    room: usize,
    on_drive: BTreeSet<BundleId>,
    /// Bundles of the drive that the node did not take in.
    refused: BTreeSet<BundleId>,
    everybody: Everybody,
    candidates: Vec<Candidate>,
    creation: Option<CreationTimestamp>,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What the node lacks comes in.
    Taking,
    /// What others hold is noted, and signals are made of what was just taken.
    Noting,
    /// It is looked what the drive lacks.
    Choosing,
    /// That goes out.
    Writing,
}

/// What a dock asks an agent for.
#[derive(Debug, Clone)]
pub(crate) enum Errand {
    /// Take in a bundle, or what one agent tells another in one.
    Import(Received, Cargo),
    /// A timestamp for the inventory.
    Timestamp,
    /// Something that is just done.
    Words,
}

impl World {
    /// Somebody docks a drive, if the node has power and the drive got there.
    pub(crate) fn drive_docks(&mut self, number: usize, node: NodeIndex) -> Result<(), Violation> {
        let is_there = self.on_the_way(number).map_err(|error| self.drive_fault(node, error))?;
        let Some(life) = self.ours(node).filter(|ours| ours.running.is_some()).map(|ours| ours.life) else {
            return Ok(());
        };
        if !is_there {
            return Ok(());
        }
        let faults = self.drive_faults();
        let pulled = self.dice.happens(faults.pulled).then(|| {
            *self
                .dice
                .pick(&[Stage::Taking, Stage::Noting, Stage::Choosing, Stage::Writing])
                .expect("one of four")
        });
        let is_full = self.dice.happens(faults.full);
        let room = if is_full { self.dice.index(LAST_ROOM) } else { usize::MAX };
        self.note(format_args!("drive {number} docks at {node}, pulled {pulled:?}, room {room}"));
        self.counts.docks += 1;
        self.drive(number).dock = Some(Dock {
            node,
            life,
            stage: Stage::Taking,
            pulled,
            room,
            on_drive: BTreeSet::new(),
            refused: BTreeSet::new(),
            everybody: Everybody::default(),
            candidates: Vec::new(),
            creation: None,
        });
        self.dock_goes_on(number)
    }

    /// The next stage of a dock, once the agent has answered all that it was asked.
    pub(crate) fn dock_goes_on(&mut self, number: usize) -> Result<(), Violation> {
        let Some(mut dock) = self.drive(number).dock.take() else { return Ok(()) };
        let Some(ours) = self.ours(dock.node).filter(|ours| ours.life == dock.life) else { return Ok(()) };
        let Some(running) = ours.running.as_ref() else { return Ok(()) };
        let is_busy = running
            .requests
            .values()
            .any(|asked| matches!(asked, Asked::Drive { number: of, .. } if *of == number));
        if !is_busy {
            let stage = dock.stage;
            match stage {
                Stage::Taking => self.take_off(number, &mut dock)?,
                Stage::Noting => self.note_inventories(number, &mut dock)?,
                Stage::Choosing => self.choose(number, &mut dock)?,
                Stage::Writing => self.write_out(number, &mut dock)?,
            }
            if dock.pulled == Some(stage) || stage == Stage::Writing {
                return Ok(());
            }
            dock.stage = stage.next();
        }
        self.drive(number).dock = Some(dock);
        self.agenda.add(self.now + STAGE_MS, Event::DockGoesOn { drive: number });
        Ok(())
    }

    fn take_off(&mut self, number: usize, dock: &mut Dock) -> Result<(), Violation> {
        let volume = self.volume(number, dock.node)?;
        let records = volume.records().map_err(|error| self.drive_fault(dock.node, error))?;
        let records: Vec<RecordInfo> = records
            .filter_map(|entry| match entry {
                Entry::Record(record) => Some(record),
                Entry::Torn(_) | Entry::Damage(_) => None,
            })
            .collect();
        let pulled_at = (dock.pulled == Some(Stage::Taking)).then(|| self.dice.index(records.len() + 1));
        for record in records.iter().take(pulled_at.unwrap_or(records.len())) {
            let id = BundleId::from_bytes(record.id);
            let is_known = self.look(dock.node, |view| Ok(view.find(&id)?.is_some()))?.unwrap_or(true);
            if is_known || dock.on_drive.contains(&id) {
                dock.on_drive.insert(id);
                continue;
            }
            // Another copy may be whole.
            let Some(octets) = drive_bundles::octets(&volume, record) else { continue };
            dock.on_drive.insert(id);
            if let Some(bundle) = drive_bundles::bundle(octets) {
                self.import(number, dock.node, (record, bundle));
            }
        }
        Ok(())
    }

    fn import(
        &mut self,
        number: usize,
        node: NodeIndex,
        (record, bundle): (&RecordInfo, bundle_format::CheckedBundle),
    ) {
        let received = self.received_of(node, &bundle);
        let since = self.drive(number).put.get(&received.id).copied().unwrap_or(self.now);
        let utc = self.utc(node);
        let dormant = utc.zip(record.written).map(|(now, written)| now.saturating_sub(written));
        if let Some(order) = received.order {
            // Without a clock at either end nobody knows how long it lay there.
            let unknown = if dormant.is_some() { 0 } else { self.now - since };
            self.ledger.travelled(order, unknown + TAKING_MS);
        }
        let is_word = bundle.head().is_administrative_record();
        let cargo = if is_word { Cargo::Message } else { Cargo::Bundle };
        let request = Request::Import {
            bundle: Box::new(bundle),
            payload: PayloadPlace::Inline,
            from: None,
            dormant_ms: dormant.unwrap_or(0),
            way: String::new(),
        };
        self.send_word(number, node, (request, Errand::Import(received, cargo)));
    }

    fn note_inventories(&mut self, number: usize, dock: &mut Dock) -> Result<(), Violation> {
        let volume = self.volume(number, dock.node)?;
        let Some(config) = self.ours(dock.node).map(|ours| ours.config.clone()) else { return Ok(()) };
        let held = self.look(dock.node, |view| drive_bundles::held_by_others(&volume, &config, view))?;
        for said in held.unwrap_or_default() {
            let Some(Inventory { holder, ids }) = said else {
                dock.everybody.miss();
                continue;
            };
            dock.everybody.hear(holder.clone(), &ids);
            self.send_word(number, dock.node, (Request::NoteHeld { holder, ids }, Errand::Words));
        }
        let volume = self.drive(number).eid(number);
        let request = Request::HandToVolume { volume, ids: Vec::new() };
        self.send_word(number, dock.node, (request, Errand::Words));
        self.send_word(number, dock.node, (Request::ReserveTimestamp, Errand::Timestamp));
        Ok(())
    }

    fn choose(&mut self, number: usize, dock: &mut Dock) -> Result<(), Violation> {
        let at = self.now;
        let Some(ours) = self.ours(dock.node) else { return Ok(()) };
        let (config, now) = (ours.config.clone(), ours.clock.now(at));
        let candidates = self.look(dock.node, |view| drive_bundles::candidates(view, &config, now))?;
        dock.candidates = candidates.unwrap_or_default();
        let (on_drive, everybody) = (&dock.on_drive, &dock.everybody);
        dock.candidates.retain(|candidate| {
            !on_drive.contains(&candidate.id) && !everybody.has(candidate.id, &candidate.destination)
        });
        let ids = dock.candidates.iter().map(|candidate| candidate.id).collect();
        let volume = self.drive(number).eid(number);
        self.send_word(number, dock.node, (Request::HandToVolume { volume, ids }, Errand::Words));
        Ok(())
    }

    fn write_out(&mut self, number: usize, dock: &mut Dock) -> Result<(), Violation> {
        let volume = self.volume(number, dock.node)?;
        let outgoing = self.outgoing(number, dock)?;
        let is_pulled = dock.pulled == Some(Stage::Writing);
        let abandoned = is_pulled && self.dice.happens(5_000);
        let options = WriterOptions {
            node: hash_of(dock.node),
            now: self.utc(dock.node),
            reserve: drive_bundles::ROOMY,
        };
        if dock.room < outgoing.len() {
            self.make_room(&volume, dock)?;
        }
        let written = drive_bundles::write(&volume, options, (&outgoing, dock.room), abandoned)
            .map_err(|error| self.drive_fault(dock.node, error))?;
        for id in &written {
            let now = self.now;
            self.drive(number).put.entry(*id).or_insert(now);
        }
        if is_pulled {
            let mut dice = self.dice.branch();
            let torn =
                if abandoned || written.is_empty() { Ok(()) } else { self.drive(number).tear(&mut dice) };
            return torn.map_err(|error| self.drive_fault(dock.node, error));
        }
        self.write_inventory(&volume, dock)?;
        let held: Vec<BundleId> = dock.on_drive.iter().copied().chain(written).collect();
        let holder = self.drive(number).eid(number);
        self.send_word(number, dock.node, (Request::NoteHeld { holder, ids: held }, Errand::Words));
        Ok(())
    }

    fn outgoing(&mut self, number: usize, dock: &Dock) -> Result<Vec<(BundleId, Vec<u8>)>, Violation> {
        let at = self.now;
        let eid = self.drive(number).eid(number);
        let Some(ours) = self.ours(dock.node) else { return Ok(Vec::new()) };
        let (config, now) = (ours.config.clone(), ours.clock.now(at));
        let outgoing = self.look(dock.node, |view| {
            let mut outgoing = Vec::new();
            for candidate in &dock.candidates {
                let octets = drive_bundles::outgoing(view, (&config, now), candidate, &eid)?;
                outgoing.extend(octets.map(|octets| (candidate.id, octets)));
            }
            Ok(outgoing)
        })?;
        Ok(outgoing.unwrap_or_default())
    }

    fn write_inventory(&mut self, volume: &Volume, dock: &Dock) -> Result<(), Violation> {
        let (Some(creation), now, hash) = (dock.creation, self.utc(dock.node), hash_of(dock.node)) else {
            return Ok(());
        };
        let Some(config) = self.ours(dock.node).map(|ours| ours.config.clone()) else { return Ok(()) };
        let octets = self.look(dock.node, |view| drive_bundles::inventory(view, &config, creation))?;
        volume
            .write_inventory(&hash, now, &octets.unwrap_or_default())
            .map(drop)
            .map_err(|error| self.drive_fault(dock.node, error))
    }

    fn make_room(&mut self, volume: &Volume, dock: &Dock) -> Result<(), Violation> {
        let now = self.utc(dock.node);
        let options = CompactOptions { node: hash_of(dock.node), now };
        let mut wanted = |record: &RecordInfo| {
            let id = BundleId::from_bytes(record.id);
            let is_known_here = dock.on_drive.contains(&id) && !dock.refused.contains(&id);
            let Some(head) = drive_bundles::head(volume, record) else { return true };
            let is_had = is_known_here && dock.everybody.has(id, &head.primary().destination);
            !is_had && !now.is_some_and(|now| drive_bundles::has_expired(&head, now))
        };
        let compacted = volume.compact(options, &mut wanted, &mut |_| {});
        compacted.map(drop).map_err(|error| self.drive_fault(dock.node, error))
    }

    fn send_word(&mut self, number: usize, node: NodeIndex, (request, errand): (Request, Errand)) {
        self.ask(node, request, Asked::Drive { number, errand });
    }

    /// An agent did what a dock asked it for.
    pub(crate) fn errand_done(
        &mut self,
        node: NodeIndex,
        (number, errand): (usize, Errand),
        answer: Answer,
    ) -> Result<(), Violation> {
        match (errand, answer) {
            (Errand::Import(received, cargo), Answer::Imported { .. }) => {
                self.counts.signals_brought += u64::from(cargo == Cargo::Message);
                self.brought(node, received)
            }
            (Errand::Import(received, _), Answer::Refused(Refusal::Duplicate)) => {
                self.promise_received(node, received)
            }
            (Errand::Import(received, _), Answer::Refused(refusal)) => {
                self.note(format_args!("{node} refuses {} from drive {number}: {refusal}", received.id));
                if let Some(dock) = self.drive(number).dock.as_mut() {
                    dock.refused.insert(received.id);
                }
                Ok(())
            }
            (Errand::Timestamp, Answer::Timestamp(creation)) => {
                if let Some(dock) = self.drive(number).dock.as_mut() {
                    dock.creation = Some(creation);
                }
                Ok(())
            }
            (Errand::Words, Answer::Done { .. }) => Ok(()),
            (errand, answer) => {
                let detail = format!("asked {errand:?} by drive {number}, it answered {answer:?}");
                Err(self.violation(Rule::AgentGoesOn, node, detail))
            }
        }
    }

    fn brought(&mut self, node: NodeIndex, received: Received) -> Result<(), Violation> {
        let order: Option<OrderNumber> = received.order.filter(|_| received.genuine);
        if let Some(order) = order {
            self.ledger.arrived(node, order, self.now);
            self.note(format_args!("a drive brings order {order} to {node}"));
        }
        self.counts.brought += 1;
        self.promise_received(node, received)
    }

    fn volume(&mut self, number: usize, node: NodeIndex) -> Result<Volume, Violation> {
        self.drive(number).volume().map_err(|error| self.drive_fault(node, error))
    }

    fn drive_fault(&self, node: NodeIndex, error: impl std::fmt::Display) -> Violation {
        self.violation(Rule::AgentGoesOn, node, format!("a drive cannot be docked: {error}"))
    }

    fn utc(&mut self, node: NodeIndex) -> Option<u64> {
        let now = self.now;
        self.ours(node).and_then(|ours| ours.clock.now(now).utc).map(|utc| utc.0)
    }
}

fn hash_of(node: NodeIndex) -> NodeHash {
    drive_bundles::node_hash(&crate::settlement::node_id(node))
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Self::Taking => Self::Noting,
            Self::Noting => Self::Choosing,
            Self::Choosing | Self::Writing => Self::Writing,
        }
    }
}
