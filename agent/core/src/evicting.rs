//! Room for a bundle, where a quota is used up: that of its source, of its group, or of the node. What is worth less goes, the least
//! valuable first (`store::eviction` has the order), and only what counts towards that quota; never what this node answers for or an
//! application waits for. A full disk is another matter: deletions need room themselves, so that new bundles are refused until it has some.
//!
//! Victims are chosen before any of them goes, so that nothing goes for a bundle that does not come in. The ids of what was evicted stay
//! in the set that is reconciled until the bundles would have expired, so that neighbors do not offer them again.

use std::collections::BTreeMap;

use bundle_format::{Eid, Head, Profile};

use crate::agent::Agent;
use crate::config::Config;
use crate::output::Notice;
use crate::refusal::{QuotaOf, Refusal};
use crate::store::{Among, BundleFacts, Number, Standing, StoreError, Usage, View, Worth, WriteTxn};

/// Bundles that are looked at, and so go, for one that comes: more is a matter of the next try, so that a step stays short.
const EVICTED_MAX: usize = 1024;

/// The part of the node's quota, one in so many, that what nodes say to each other may fill and be worth more than urgent messages. Cards
/// and records of deliveries of a few thousand nodes are in it; beyond it whoever may publish could shut out all messages.
const PROTOCOL_SHARE: u64 = 4;

/// A bundle that is to come in, as it is weighed against those that are here.
#[derive(Debug)]
pub(crate) struct Newcomer {
    /// The node of its source, or the source itself where it names none.
    pub(crate) source: Eid,
    pub(crate) destination: Eid,
    pub(crate) octets: u64,
    pub(crate) worth: Worth,
    pub(crate) standing: Standing,
}

impl Newcomer {
    /// A bundle of so many octets with this head.
    pub(crate) fn of_head(head: &Head, octets: u64, standing: Standing, profile: &Profile) -> Self {
        let primary = head.primary();
        let source = primary.source.node_id().unwrap_or_else(|| primary.source.clone());
        let destination = primary.destination.clone();
        Self { source, destination, octets, worth: Worth::of_head(head, profile), standing }
    }
}

impl Newcomer {
    /// Nobody displaces what is vouched for by bundles that only claim its source.
    fn may_displace(&self, facts: &BundleFacts) -> bool {
        self.standing == Standing::Trusted || facts.standing == Standing::Unvouched
    }
}

/// A quota that a newcomer counts towards.
struct Quota {
    whose: QuotaOf,
    octets: u64,
    among: Among,
    usage: Usage,
}

impl Config {
    /// What is to go for a newcomer, with its octets; or why there is no room for it.
    pub(crate) fn room_for(
        &self,
        view: View<'_>,
        newcomer: &Newcomer,
    ) -> Result<Result<Vec<(Number, u64)>, Refusal>, StoreError> {
        let mut choice = Choice::new(view, newcomer, self.quota_octets / PROTOCOL_SHARE)?;
        for quota in self.quotas_of(view, newcomer)? {
            if !choice.meets(&quota)? {
                return Ok(Err(Refusal::Quota { whose: quota.whose, quota_octets: quota.octets }));
            }
        }
        Ok(Ok(choice.victims.values().map(|facts| (facts.number, facts.octets())).collect()))
    }

    /// The narrowest first: what goes for it makes room in the wider ones too.
    fn quotas_of(&self, view: View<'_>, newcomer: &Newcomer) -> Result<Vec<Quota>, StoreError> {
        let source = (!self.is_self(&newcomer.source)).then_some((
            QuotaOf::Source,
            &newcomer.source,
            self.source_quota_octets,
        ));
        let destination = &newcomer.destination;
        let group =
            (!destination.is_singleton()).then_some((QuotaOf::Group, destination, self.group_quota_octets));
        let mut quotas = Vec::new();
        for (whose, endpoint, octets) in source.into_iter().chain(group) {
            // Of whom there is nothing yet, nothing can go.
            let among = Among::CountedFor(view.endpoint(endpoint)?.unwrap_or(u32::MAX));
            quotas.push(Quota { whose, octets, among, usage: view.usage_of(endpoint)? });
        }
        let (octets, usage) = (self.quota_octets, view.usage()?);
        quotas.push(Quota { whose: QuotaOf::Node, octets, among: Among::All, usage });
        Ok(quotas)
    }
}

/// What is to go, as far as it is chosen.
struct Choice<'c> {
    view: View<'c>,
    newcomer: &'c Newcomer,
    /// What it is worth beside what is here.
    worth: Worth,
    /// Octets of what nodes say to each other that are beyond its share, and not chosen yet.
    protocol_excess: u64,
    looked_at: usize,
    victims: BTreeMap<Number, BundleFacts>,
}

impl<'c> Choice<'c> {
    fn new(view: View<'c>, newcomer: &'c Newcomer, protocol_octets_max: u64) -> Result<Self, StoreError> {
        let is_protocol = newcomer.worth == Worth::PROTOCOL;
        let octets = if is_protocol { newcomer.octets } else { 0 };
        let said = view.protocol_usage()?.octets.saturating_add(octets);
        let protocol_excess = said.saturating_sub(protocol_octets_max);
        let worth = if is_protocol && protocol_excess > 0 { Worth::NORMAL } else { newcomer.worth };
        Ok(Self { view, newcomer, worth, protocol_excess, looked_at: 0, victims: BTreeMap::new() })
    }

    /// Chooses more until the newcomer is within a quota; whether that could be reached.
    fn meets(&mut self, quota: &Quota) -> Result<bool, StoreError> {
        let (view, newcomer) = (self.view, self.newcomer);
        if newcomer.octets > quota.octets {
            return Ok(false);
        }
        let wanted = quota.usage.octets.saturating_add(newcomer.octets).saturating_sub(quota.octets);
        let mut excess = wanted.saturating_sub(self.freed(quota.among));
        if excess == 0 {
            return Ok(true);
        }
        for worth in self.worth.and_below() {
            for number in view.evictable(quota.among, worth)? {
                if worth > self.worth && self.protocol_excess == 0 {
                    break;
                }
                if self.looked_at == EVICTED_MAX {
                    return Ok(false);
                }
                self.looked_at += 1;
                if let Some(facts) = view.facts(number?)?.filter(|facts| newcomer.may_displace(facts)) {
                    excess = excess.saturating_sub(self.take(facts));
                }
                if excess == 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn freed(&self, among: Among) -> u64 {
        let counted = self.victims.values().filter(|facts| among.include(facts));
        counted.fold(0, |sum, facts| sum.saturating_add(facts.octets()))
    }

    /// Chooses a bundle; the octets that this makes free, beyond those that were free already.
    fn take(&mut self, facts: BundleFacts) -> u64 {
        let (octets, is_protocol) = (facts.octets(), facts.is_protocol());
        if self.victims.insert(facts.number, facts).is_some() {
            return 0;
        }
        if is_protocol {
            self.protocol_excess = self.protocol_excess.saturating_sub(octets);
        }
        octets
    }
}

impl Agent {
    /// Makes room within the quotas, if enough of what is here is worth no more; why there is none, otherwise.
    pub(crate) fn make_room(
        &mut self,
        newcomer: &Newcomer,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let victims = match self.config.room_for(store.view(), newcomer)? {
            Ok(victims) => victims,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let mut evicted = 0_u64;
        for (number, octets) in &victims {
            self.discard(*number, store)?;
            evicted = evicted.saturating_add(*octets);
        }
        if !victims.is_empty() {
            self.tell(Notice::Evicted { bundles: victims.len() as u64, octets: evicted });
        }
        Ok(None)
    }
}

impl Worth {
    /// What a bundle with this head is worth, when it is weighed against others.
    pub(crate) fn of_head(head: &Head, profile: &Profile) -> Self {
        let metadata = head.metadata(profile);
        // Any other bundle is an ordinary one, whatever its metadata say.
        let may_be_record = head.is_signed() && !head.primary().destination.is_singleton();
        let is_record = may_be_record && metadata.as_ref().is_some_and(|metadata| metadata.record.is_some());
        if head.is_administrative_record() || is_record {
            Self::PROTOCOL
        } else {
            Self::of_message(metadata.map(|metadata| metadata.priority).unwrap_or_default())
        }
    }
}
