//! One world: its nodes, what lies between them, and the loop that lets its time pass.

use std::fmt;

use tempfile::TempDir;

use crate::agenda::{Agenda, Event};
use crate::backups::{self, Backup};
use crate::contact::Contacts;
use crate::dice::Dice;
use crate::drive::Drive;
use crate::faults::Faults;
use crate::foreign::Foreign;
use crate::ledger::Ledger;
use crate::node::{Node, Running};
use crate::outcome::Counts;
use crate::plan::{Meeting, Millis, NodeIndex};
use crate::sabotage::Sabotage;
use crate::scenario::{Kind, Scenario, Setting};
use crate::settlement;
use crate::trace::{Show, Trace};
use crate::violation::{Rule, Violation};

/// A world in virtual time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) sabotage: Sabotage,
    pub(crate) now: Millis,
    pub(crate) faults: Faults,
    pub(crate) agenda: Agenda,
    pub(crate) dice: Dice,
    pub(crate) inhabitants: Vec<Inhabitant>,
    pub(crate) meetings: Vec<Meeting>,
    pub(crate) contacts: Contacts,
    pub(crate) drives: Vec<Drive>,
    chores: Vec<Progress>,
    pub(crate) backup: Backup,
    pub(crate) ledger: Ledger,
    pub(crate) trace: Trace,
    pub(crate) counts: Counts,
    // Last, so that the stores are closed before their folders go.
    _folder: TempDir,
}

/// How far a chore got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// Nobody asked the agent yet.
    Waiting,
    /// Somebody did; it may have heard.
    Tried,
    /// It answered.
    Done,
}

/// Somebody who lives in a world.
#[derive(Debug)]
pub(crate) enum Inhabitant {
    /// A node with our agent.
    Ours(Box<Node>),
    /// A node with another implementation.
    Foreign(Foreign),
}

impl World {
    /// Builds a world; nothing has happened in it yet.
    pub(crate) fn new(scenario: Scenario, sabotage: Sabotage, show: Show) -> std::io::Result<Self> {
        let folder = crate::disk::folder()?;
        let mut dice = Dice::new(scenario.seed ^ 0xfa57);
        let inhabitants = settlement::settle(&scenario, folder.path(), &mut dice)?;
        let mut agenda = Agenda::default();
        for (meeting, planned) in scenario.plan.iter().enumerate() {
            agenda.add(planned.opens, Event::MeetingOpens { meeting });
            agenda.add(planned.closes, Event::MeetingCloses { meeting });
        }
        for (order, placed) in scenario.orders.iter().enumerate() {
            agenda.add(placed.at, Event::OrderPlaced { order });
        }
        for (chore, planned) in scenario.chores.iter().enumerate() {
            agenda.add(planned.at, Event::ChoreDue { chore });
        }
        agenda.add(scenario.faults_end, Event::FaultsEnd);
        agenda.add(0, Event::CheckersLook);
        Ok(Self {
            ledger: Ledger::new(scenario.seed, &scenario.orders, scenario.roles.len()),
            meetings: scenario.plan.clone(),
            faults: scenario.faults,
            trace: Trace::new(show),
            counts: Counts::default(),
            contacts: Contacts::default(),
            backup: Backup::default(),
            drives: crate::carrying::set_out(&scenario.drives, folder.path(), &mut agenda),
            chores: vec![Progress::Waiting; scenario.chores.len()],
            now: 0,
            scenario,
            sabotage,
            agenda,
            dice,
            inhabitants,
            _folder: folder,
        })
    }

    /// Gives every node power.
    pub(crate) fn begin(&mut self) -> Result<(), Violation> {
        let Scenario { shape, faults, roles, .. } = self.scenario.clone();
        self.note(format_args!("{shape:?}, {faults:?}"));
        for (node, role) in roles.iter().enumerate() {
            self.note(format_args!("{node} is a {role:?}"));
        }
        backups::plan(self);
        (0..self.inhabitants.len()).try_for_each(|node| self.node_starts(node))
    }

    /// Lets time pass until `end`.
    pub(crate) fn run_until(&mut self, end: Millis) -> Result<(), Violation> {
        while let Some((at, event)) = self.agenda.next_before(end) {
            self.now = at;
            self.counts.events += 1;
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::MeetingOpens { meeting } => return self.meeting_opens(meeting),
            Event::MeetingCloses { meeting } => self.meeting_closes(meeting),
            Event::ContactLost { contact } => self.contact_lost(contact),
            Event::ParcelDeparts { contact, transfer } => return self.parcel_departs(contact, transfer),
            Event::ParcelArrives { contact, transfer, octets } => {
                return self.parcel_arrives(contact, transfer, &octets);
            }
            Event::AnswerArrives { contact, transfer, outcome } => {
                self.answer_arrives(contact, transfer, outcome);
            }
            Event::StepDue { node, life } => return self.step_due(node, life),
            Event::NodeStarts { node } => return self.node_starts(node),
            Event::OrderPlaced { order } => self.order_placed(order),
            Event::ChoreDue { chore } => self.chore_due(chore),
            Event::ApplicationsLook { node, life } => return self.applications_look(node, life),
            Event::DriveDocks { drive, node } => return self.drive_docks(drive, node),
            Event::DockGoesOn { drive } => return self.dock_goes_on(drive),
            Event::CheckersLook => return self.checkers_look(),
            Event::BackupMade => return self.backup_made(),
            Event::BackupPutBack => return self.backup_put_back(),
            Event::FaultsEnd => return self.faults_end(),
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    pub(crate) fn violation(&self, rule: Rule, node: NodeIndex, detail: impl Into<String>) -> Violation {
        Violation { rule, at: self.now, node, detail: detail.into() }
    }

    /// A node of ours.
    pub(crate) fn ours(&mut self, node: NodeIndex) -> Option<&mut Node> {
        match self.inhabitants.get_mut(node) {
            Some(Inhabitant::Ours(node)) => Some(node),
            _ => None,
        }
    }

    /// A node of ours that has power.
    pub(crate) fn running(&mut self, node: NodeIndex) -> Option<&mut Running> {
        self.ours(node).and_then(|node| node.running.as_mut())
    }

    pub(crate) fn foreign(&mut self, node: NodeIndex) -> Option<&mut Foreign> {
        match self.inhabitants.get_mut(node) {
            Some(Inhabitant::Foreign(foreign)) => Some(foreign),
            _ => None,
        }
    }

    /// Whether a node can be talked to.
    pub(crate) fn has_power(&mut self, node: NodeIndex) -> bool {
        self.foreign(node).is_some() || self.running(node).is_some()
    }

    /// How far a chore got.
    pub(crate) fn chore_came_to(&mut self, chore: usize, progress: Progress) {
        if let Some(known) = self.chores.get_mut(chore) {
            *known = progress.max(*known);
        }
    }

    /// Settings that a node knew may be gone with its disk.
    pub(crate) fn chores_may_be_lost(&mut self, node: NodeIndex) {
        for (chore, known) in self.scenario.chores.iter().zip(&mut self.chores) {
            if chore.node == node {
                *known = (*known).min(Progress::Tried);
            }
        }
    }

    /// Chores of a node that were begun, and perhaps lost with its power.
    pub(crate) fn open_chores(&self, node: NodeIndex) -> Vec<usize> {
        let chores = self.scenario.chores.iter().zip(&self.chores).enumerate();
        chores
            .filter(|(_, (chore, known))| chore.node == node && **known == Progress::Tried)
            .map(|(chore, _)| chore)
            .collect()
    }

    /// Whether a node may know a setting.
    pub(crate) fn was_tried(&self, node: NodeIndex, what: Setting) -> bool {
        self.progress(node, what) >= Progress::Tried
    }

    /// Whether a node does know a setting.
    pub(crate) fn was_done(&self, node: NodeIndex, what: Setting) -> bool {
        self.progress(node, what) == Progress::Done
    }

    fn progress(&self, node: NodeIndex, what: Setting) -> Progress {
        let chores = self.scenario.chores.iter().zip(&self.chores);
        let mut known =
            chores.filter(|(chore, _)| chore.node == node && chore.what == what).map(|(_, known)| *known);
        known.next().unwrap_or(Progress::Waiting)
    }

    /// Everybody who runs our agent.
    pub(crate) fn our_nodes(&self) -> Vec<NodeIndex> {
        (0..self.inhabitants.len()).filter(|node| self.scenario.kind(*node) != Kind::Foreign).collect()
    }
}
