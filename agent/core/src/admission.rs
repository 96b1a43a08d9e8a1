//! The door: what a bundle must be to come in. The cheap questions first, from the head alone and by any thread; the
//! costly ones, about signatures, when the whole bundle is there.

use bundle_format::{CheckedBundle, Eid, Head, PublicKey, SignatureVerdict};

use crate::config::{Carry, Config, Stance};
use crate::evicting::Newcomer;
use crate::message::{MESSAGE_OCTETS_MAX, contact_endpoint};
use crate::publishing::is_everybodys;
use crate::refusal::{QuotaOf, Refusal};
use crate::store::{BundleFacts, Standing, StoreError, View};
use crate::time::{NodeTime, Now};

/// How far somebody vouches for a bundle's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vouched {
    /// The key that is trusted for the source signed it.
    Trusted,
    /// Nobody does; it is here because the configuration lets such bundles in so far.
    By(Stance),
}

impl Vouched {
    /// As what it is stored.
    pub(crate) fn standing(self) -> Standing {
        match self {
            Self::Trusted => Standing::Trusted,
            Self::By(_) => Standing::Unvouched,
        }
    }
}

impl Config {
    /// Whether a node ID is one of this node's.
    pub fn is_self(&self, node: &Eid) -> bool {
        *node == self.node || self.ipn.as_ref() == Some(node)
    }

    /// The largest bundle that can come in, in octets: larger ones have no room in an empty store.
    pub fn bundle_octets_max(&self) -> u64 {
        self.limits.bundle_octets_max.min(self.quota_octets)
    }

    /// The key trusted for a node: our own, one from the configuration, or one that was added.
    pub fn trusted_key(&self, view: View<'_>, node: &Eid) -> Result<Option<PublicKey>, StoreError> {
        if self.is_self(node) {
            return Ok(Some(self.key.public()));
        }
        if let Some((_, key)) = self.trust.iter().find(|(name, _)| name == node) {
            return Ok(Some(*key));
        }
        Ok(view.trusted(node)?.map(|entry| entry.key))
    }

    /// Whether a bundle is a word to this node about bundles, which is read and gone at once.
    pub(crate) fn is_word_to_us(&self, head: &Head) -> bool {
        let primary = head.primary();
        self.is_self(&primary.destination) && primary.fragment.is_none() && head.is_administrative_record()
    }

    fn wants(&self, view: View<'_>, destination: &Eid) -> Result<bool, StoreError> {
        match destination.node_id() {
            Some(node) => Ok(self.carry == Carry::All || self.is_self(&node)),
            None if is_everybodys(destination) => Ok(true),
            None => Ok(self.carry == Carry::All || view.is_subscribed(destination)?),
        }
    }
}

/// Whether a bundle with this head is to be refused, as far as a glance can tell. Reads little, checks no signature;
/// any thread may call it before anything is spent on the rest of the bundle.
pub fn consider(
    config: &Config,
    view: View<'_>,
    now: Now,
    head: &Head,
) -> Result<Option<Refusal>, StoreError> {
    let primary = head.primary();
    let octets = head.bytes().len() as u64 + head.payload_octets();
    if primary.destination == contact_endpoint() {
        let most = MESSAGE_OCTETS_MAX;
        return Ok((octets > most).then_some(Refusal::TooLarge { octets, most }));
    }
    if primary.destination.is_null() {
        return Ok(Some(Refusal::ToNowhere));
    }
    let most = config.bundle_octets_max();
    if octets > most {
        return Ok(Some(Refusal::TooLarge { octets, most }));
    }
    if let Some(hops) = head.hop_count()
        && hops.count > u64::from(hops.limit)
    {
        return Ok(Some(Refusal::HopLimit { limit: hops.limit }));
    }
    if deadline(config, now, head, 0).is_none() {
        return Ok(Some(Refusal::Expired));
    }
    // What this node sends itself it keeps, whatever it carries for others.
    let is_own = primary.source.node_id().is_some_and(|node| config.is_self(&node));
    if !is_own && !config.wants(view, &primary.destination)? {
        return Ok(Some(Refusal::NotWanted { destination: primary.destination.clone() }));
    }
    if let Some(refusal) = doubtful_source(config, view, head)? {
        return Ok(Some(refusal));
    }
    if is_known(view, head)? {
        return Ok(Some(Refusal::Duplicate));
    }
    // Without what this node is told about bundles a full store would stay full.
    if config.is_word_to_us(head) {
        return Ok(None);
    }
    // Whose key signed it shows when all of it is here.
    let standing = if head.is_signed() { Standing::Trusted } else { Standing::Unvouched };
    let newcomer = Newcomer::of_head(head, octets, standing, &config.profile);
    Ok(config.room_for(view, &newcomer)?.err())
}

/// A source that could not come in whatever its signature says is told so before its payload is read.
fn doubtful_source(config: &Config, view: View<'_>, head: &Head) -> Result<Option<Refusal>, StoreError> {
    let source = &head.primary().source;
    let Some(node) = source.node_id() else {
        return Ok(
            (config.unsigned == Stance::Refuse).then(|| Refusal::Unsigned { source_node: source.clone() })
        );
    };
    if !head.is_signed() {
        return Ok((config.unsigned == Stance::Refuse).then_some(Refusal::Unsigned { source_node: node }));
    }
    let unknown = config.strangers == Stance::Refuse && config.trusted_key(view, &node)?.is_none();
    Ok(unknown.then_some(Refusal::Stranger { source_node: node }))
}

/// A bundle of this identity is here that the key of its source signed, or that an unsigned one cannot outdo. Others may
/// still come: one that is vouched for replaces one that is not, or anybody could keep it away by being here first.
fn is_known(view: View<'_>, head: &Head) -> Result<bool, StoreError> {
    for (number, _) in view.find_identity(&head.identity())? {
        if let Some(facts) = view.facts(number)?
            && (facts.standing == Standing::Trusted || !head.is_signed())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who vouches for a checked bundle, or why it stays outside.
pub(crate) fn vouch(
    config: &Config,
    view: View<'_>,
    bundle: &CheckedBundle,
) -> Result<Result<Vouched, Refusal>, StoreError> {
    let source = &bundle.head().primary().source;
    let node = source.node_id().unwrap_or_else(|| source.clone());
    let stance = match bundle.signature() {
        SignatureVerdict::Valid(key) => {
            if config.trusted_key(view, &node)? == Some(*key) {
                return Ok(Ok(Vouched::Trusted));
            }
            if config.is_self(&node) {
                return Ok(Err(Refusal::Impostor));
            }
            if config.strangers == Stance::Refuse {
                return Ok(Err(Refusal::Stranger { source_node: node }));
            }
            config.strangers
        }
        SignatureVerdict::Invalid(fault) => {
            return Ok(Err(Refusal::BadSignature { fault: fault.to_string() }));
        }
        SignatureVerdict::Unsigned | SignatureVerdict::NotUnderstood => {
            if config.is_self(&node) {
                return Ok(Err(Refusal::Impostor));
            }
            if config.unsigned == Stance::Refuse {
                return Ok(Err(Refusal::Unsigned { source_node: node }));
            }
            config.unsigned
        }
    };
    Ok(Ok(Vouched::By(stance)))
}

/// Whether the quota of those for whom nobody vouches is used up.
pub(crate) fn over_stranger_quota(
    config: &Config,
    view: View<'_>,
    bundle: &CheckedBundle,
) -> Result<Option<Refusal>, StoreError> {
    let quota_octets = config.stranger_quota_octets;
    let octets = view.unvouched_usage()?.octets.saturating_add(bundle.octets());
    let refusal = Refusal::Quota { whose: QuotaOf::Strangers, quota_octets };
    Ok((octets > quota_octets).then_some(refusal))
}

/// Whether a stored bundle may be delivered here: somebody vouches for it, now if not when it came, or policy lets such
/// bundles in so far.
pub(crate) fn is_deliverable(
    config: &Config,
    view: View<'_>,
    stored: &BundleFacts,
) -> Result<bool, StoreError> {
    if stored.standing == Standing::Trusted {
        return Ok(true);
    }
    let stance = if stored.signer.is_some() { config.strangers } else { config.unsigned };
    let node = stored.source.node_id().unwrap_or_else(|| stored.source.clone());
    let is_trusted = stored.signer.is_some() && config.trusted_key(view, &node)? == stored.signer;
    Ok(is_trusted || stance == Stance::Deliver)
}

/// How old a bundle is on arrival, in milliseconds (RFC 9171 §4.2.7, §4.4.2): by the clock where both its maker and
/// this node have one, else by its age block and the time it is known to have lain somewhere since.
pub(crate) fn age_on_arrival_ms(now: Now, head: &Head, dormant_ms: u64) -> u64 {
    let created = head.primary().creation.time;
    match now.utc {
        Some(utc) if created.0 != 0 => utc.0.saturating_sub(created.0),
        _ => head.bundle_age_ms().unwrap_or(0).saturating_add(dormant_ms),
    }
}

/// Whether somebody may turn out to vouch for a bundle of which only the head is known: it is signed, and a key is trusted for its source.
pub(crate) fn may_be_vouched(config: &Config, view: View<'_>, head: &Head) -> Result<bool, StoreError> {
    match head.primary().source.node_id().filter(|_| head.is_signed()) {
        Some(node) => Ok(config.trusted_key(view, &node)?.is_some()),
        None => Ok(false),
    }
}

/// When a bundle expires on this node's own scale; `None` where its lifetime is over already (§5.5).
///
/// A word to this node about bundles is of use as long as it says something new, and begins its lifetime here where it was over:
/// who has the wrong clock would otherwise be told again and again, and never hear it.
pub(crate) fn deadline(config: &Config, now: Now, head: &Head, dormant_ms: u64) -> Option<NodeTime> {
    let lifetime = head.primary().lifetime_ms.min(config.lifetime_ms_max);
    let is_heard = lifetime > 0 && config.is_word_to_us(head);
    let left = left_ms(config, now, head, dormant_ms).or(is_heard.then_some(lifetime))?;
    Some(now.node.after_ms(left))
}

/// Whether the lifetime of a bundle is over by this node's reckoning.
pub(crate) fn is_over(config: &Config, now: Now, head: &Head, dormant_ms: u64) -> bool {
    left_ms(config, now, head, dormant_ms).is_none()
}

/// What is left of a lifetime, in milliseconds.
fn left_ms(config: &Config, now: Now, head: &Head, dormant_ms: u64) -> Option<u64> {
    let lifetime = head.primary().lifetime_ms.min(config.lifetime_ms_max);
    lifetime.checked_sub(age_on_arrival_ms(now, head, dormant_ms)).filter(|left| *left > 0)
}
