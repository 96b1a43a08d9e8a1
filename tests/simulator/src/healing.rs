//! The second half of every world: nothing goes wrong any more, everybody meets everybody, and then everything must
//! have arrived wherever it is wanted, and the agents must fall silent.

use agent_core::config::Stance;
use agent_core::store::Presence;
use bundle_format::BundleId;

use crate::agenda::Event;
use crate::faults::Faults;
use crate::ledger::{OrderNumber, OrderState};
use crate::outcome::Counts;
use crate::plan::{self, HOUR, MINUTE, Meeting, Millis, NodeIndex, SECOND};
use crate::scenario::{AMPLE_OCTETS, Kind, PlacedOrder, Recipient, Setting};
use crate::violation::{Rule, Violation};
use crate::world::World;

/// How long two nodes meet in a round of a tournament.
const ROUND: Millis = 2 * MINUTE;
/// Tournaments after which everything must have arrived and be known to have: one for the bundles, one for the reports
/// about them, one in which nodes that were on the way learn that the reports were read, and one for the custody signals
/// about bundles that arrived in the second.
const TOURNAMENTS: usize = 4;
/// Contact messages in a contact with nothing to tell: from each side two Hellos and a summary; where one of both has no room for all
/// that there is, cells, requests for more and for bundles, and offers of large ones that will be refused.
const MESSAGES_PER_CONTACT: u64 = 16;
/// Steps that an agent may take in half an hour in which nothing happens but the end of lifetimes.
const SILENT_STEPS: u64 = 60;

impl World {
    pub(crate) fn faults_end(&mut self) -> Result<(), Violation> {
        self.note(format_args!("faults end"));
        self.faults = Faults::NONE;
        for contact in self.contacts.all() {
            self.cut(contact);
        }
        (0..self.inhabitants.len()).try_for_each(|node| self.node_starts(node))
    }

    /// From the end of the faults to the end of the world.
    pub(crate) fn heal(&mut self) -> Result<(), Violation> {
        let mut at = self.drives_go_round(self.scenario.faults_end + HOUR)?;
        for _ in 0..TOURNAMENTS {
            at = self.hold_tournament(at)?;
        }
        self.demand_everything()?;
        self.demand_reports()?;
        self.inspect_everybody()?;
        let before = self.counts;
        at = self.hold_tournament(at)?;
        self.demand_quiet_meetings(before)?;
        self.demand_silence(at)?;
        self.inspect_everybody()
    }

    fn hold_tournament(&mut self, begins: Millis) -> Result<Millis, Violation> {
        let nodes = self.inhabitants.len();
        for meeting in plan::tournament(nodes, begins, ROUND) {
            self.plan_meeting(meeting);
        }
        let ends = plan::tournament_ends(nodes, begins, ROUND) + MINUTE;
        self.run_until(ends)?;
        Ok(ends)
    }

    fn plan_meeting(&mut self, planned: Meeting) {
        let meeting = self.meetings.len();
        self.meetings.push(planned);
        self.agenda.add(planned.opens, Event::MeetingOpens { meeting });
        self.agenda.add(planned.closes, Event::MeetingCloses { meeting });
    }

    fn inspect_everybody(&mut self) -> Result<(), Violation> {
        self.our_nodes().into_iter().try_for_each(|node| self.inspect_all(node))?;
        self.inspect_custody()
    }

    fn demand_everything(&mut self) -> Result<(), Violation> {
        let everybody: Vec<NodeIndex> = (0..self.inhabitants.len()).collect();
        self.demand_at(&everybody)
    }

    /// All that these nodes are owed has arrived there.
    pub(crate) fn demand_at(&mut self, nodes: &[NodeIndex]) -> Result<(), Violation> {
        let orders: Vec<(OrderNumber, PlacedOrder, OrderState)> =
            self.ledger.orders().map(|(number, order, state)| (number, order.clone(), state)).collect();
        for (number, order, state) in orders {
            if state != OrderState::Transmitted || self.ledger.lifetime_ends(number) <= self.now {
                continue;
            }
            for node in nodes.iter().copied() {
                if self.must_be_kept_until(node, number) <= self.now || self.began_on_lost_disk(number) {
                    continue;
                }
                let is_missing = self.is_owed(node, &order) && !self.ledger.was_taken(node, number);
                if is_missing && !self.went_with_disk(number)? {
                    let detail = format!("order {number} from {} never arrived", order.from);
                    return Err(self.violation(Rule::EverythingArrives, node, detail));
                }
            }
        }
        Ok(())
    }

    /// Nobody has anything new for anybody: contacts cost their opening and no more.
    fn demand_quiet_meetings(&mut self, before: Counts) -> Result<(), Violation> {
        let taken_in = self.counts.taken_in - before.taken_in;
        let redundant = self.counts.redundant - before.redundant;
        let messages = self.counts.messages - before.messages;
        let contacts = self.counts.contacts - before.contacts;
        let messages_max = MESSAGES_PER_CONTACT * contacts;
        // What a node without room let go may have been the word that a copy elsewhere has served its purpose; and as lifetimes end it
        // gets room, takes over what it had none for, and says so.
        let is_roomy = (0..self.inhabitants.len()).all(|node| self.has_ample_room(node));
        let late_max = if is_roomy { 0 } else { self.inhabitants.len() as u64 };
        if taken_in.max(redundant) > late_max || messages > messages_max {
            let detail = format!(
                "{contacts} contacts with nothing to tell took {messages} messages, {taken_in} bundles that were new all \
                 the same, and {redundant} that were known to be there"
            );
            return Err(self.violation(Rule::AgentsGoQuiet, 0, detail));
        }
        Ok(())
    }

    /// Contacts that stay open carry nothing once they have settled.
    fn demand_silence(&mut self, begins: Millis) -> Result<(), Violation> {
        let roomy: Vec<NodeIndex> =
            (0..self.inhabitants.len()).filter(|node| self.has_ample_room(*node)).collect();
        let ends = begins + HOUR;
        for pair in roomy.windows(2) {
            if let [a, b] = pair {
                let (opens, closes) = (begins + SECOND, ends + HOUR);
                self.plan_meeting(Meeting { a: *a, b: *b, opens, closes, link: None });
            }
        }
        self.run_until(begins + HOUR / 2)?;
        let settled = self.counts;
        self.run_until(ends)?;
        let sent = self.counts.messages + self.counts.bundles - settled.messages - settled.bundles;
        let steps = self.counts.steps - settled.steps;
        if sent > 0 || steps > SILENT_STEPS * roomy.len() as u64 {
            let detail =
                format!("in half an hour of silence {sent} parcels were sent and {steps} steps taken");
            return Err(self.violation(Rule::AgentsGoQuiet, 0, detail));
        }
        Ok(())
    }

    pub(crate) fn has_ample_room(&self, node: NodeIndex) -> bool {
        self.scenario.role(node).quota_octets == AMPLE_OCTETS
    }

    /// Whoever asked to be told of a delivery was told.
    fn demand_reports(&mut self) -> Result<(), Violation> {
        let wanted: Vec<(OrderNumber, NodeIndex, BundleId)> = self
            .ledger
            .orders()
            .filter(|(number, order, state)| {
                *state == OrderState::Transmitted
                    && order.wants_report
                    && !self.may_be_over(*number)
                    && !self.was_put_back(order.from)
                    && self.was_reported_by_somebody(*number, order)
            })
            .filter_map(|(number, order, _)| Some((number, order.from, self.ledger.id(number)?)))
            .collect();
        for (number, from, id) in wanted {
            let facts = self.look(from, |view| match view.find(&id)? {
                Some(Presence::Held(number)) => view.facts(number),
                _ => Ok(None),
            })?;
            if facts.flatten().is_some_and(|facts| !facts.delivered) {
                let detail = format!("nobody told it that order {number} was delivered");
                return Err(self.violation(Rule::EverythingArrives, from, detail));
            }
        }
        Ok(())
    }

    /// Whether somebody had to report, and the sender had to take the report.
    fn was_reported_by_somebody(&self, number: OrderNumber, order: &PlacedOrder) -> bool {
        self.has_ample_room(order.from)
            && self.our_nodes().into_iter().any(|node| {
                self.is_owed(node, order)
                    && !self.scenario.has_small_disk(node)
                    && !self.was_put_back(node)
                    && self.ledger.was_taken(node, number)
                    && self.acts_upon(order.from, node)
            })
    }

    /// Whether a node must have got an order by now: it is addressed, it takes bundles of that source, and it has room.
    fn is_owed(&self, node: NodeIndex, order: &PlacedOrder) -> bool {
        let (role, source) = (self.scenario.role(node), order.from);
        let addressed = match order.to {
            Recipient::Node(to) => to == node,
            // Who is no member of the community tells nobody which groups it wants.
            Recipient::Group(_) if role.kind == Kind::Stranger && node != source => false,
            Recipient::Group(group) => {
                role.groups.contains(&group) || self.was_done(node, Setting::Subscribe(group))
            }
        };
        let welcome = match (role.kind, self.scenario.kind(source)) {
            // Its own, which whoever took it from there does not give back.
            (Kind::Foreign, Kind::Foreign) => false,
            (Kind::Foreign, _) => true,
            (_, Kind::Foreign) => role.unsigned == Stance::Deliver,
            (_, Kind::Stranger) => node == source || role.strangers == Stance::Deliver,
            (_, Kind::Member) => self.trusts(node, source) || role.strangers == Stance::Deliver,
        };
        addressed && welcome && self.has_ample_room(node)
    }

    /// Whether a node acts upon a member's reports. One that was carried as a stranger's when it came is not looked at
    /// again when its source is trusted later.
    fn acts_upon(&self, node: NodeIndex, source: NodeIndex) -> bool {
        let stance = self.scenario.role(node).strangers;
        let late = self.was_done(node, Setting::Trust(source)) && stance != Stance::Carry;
        node == source
            || self.scenario.knows_from_the_start(node, source)
            || late
            || stance == Stance::Deliver
    }

    /// Whether a node trusts another's key by now.
    pub(crate) fn trusts(&self, node: NodeIndex, other: NodeIndex) -> bool {
        node == other
            || self.scenario.knows_from_the_start(node, other)
            || self.was_done(node, Setting::Trust(other))
    }
}
