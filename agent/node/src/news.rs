//! What the agent has to tell: to the log, to the counters that `status` shows, and to whoever waits for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use agent_core::output::{Notice, Standing};
use agent_core::refusal::Refusal;
use bundle_format::Eid;
use tokio::sync::broadcast;

use crate::declined::DeclinedLately;

/// News that a listener may be behind; one that is further behind looks into the store instead.
const BEHIND_MAX: usize = 256;
/// Sources whose bad bundles were logged; beyond it no more are told apart.
const SOURCES_MAX: usize = 1024;

/// The agent's news.
#[derive(Debug)]
pub(crate) struct News {
    listeners: broadcast::Sender<Notice>,
    refused: Mutex<Refused>,
    /// What neighbors did not take from here.
    pub(crate) declined: DeclinedLately,
}

#[derive(Debug, Default)]
struct Refused {
    counts: BTreeMap<&'static str, u64>,
    /// Sources of bundles that were refused for a fault of their own, which is logged once for each.
    logged: BTreeMap<Eid, &'static str>,
}

impl News {
    pub(crate) fn new() -> Self {
        Self {
            listeners: broadcast::Sender::new(BEHIND_MAX),
            refused: Mutex::default(),
            declined: DeclinedLately::default(),
        }
    }

    /// From now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Notice> {
        self.listeners.subscribe()
    }

    pub(crate) fn tell(&self, notice: Notice) {
        self.declined.heard(&notice);
        match &notice {
            Notice::BundleRefused { source, refusal } => self.refused(source, refusal),
            Notice::PartialSpoiled { .. } => {
                self.count_word("spoiled");
                log(&notice);
            }
            other => log(other),
        }
        // Nobody may be listening.
        let _ = self.listeners.send(notice);
    }

    /// Counts a refusal, and logs it where the source is not known for it.
    pub(crate) fn refused(&self, source: &Eid, refusal: &Refusal) {
        let word = word(refusal);
        if !self.is_news(source, word) {
            tracing::debug!(%source, %refusal, "a bundle was refused");
        } else if matches!(refusal, Refusal::BadSignature { .. } | Refusal::Impostor) {
            tracing::warn!(%source, %refusal, "a bundle was refused; further ones from this source are only counted");
        } else {
            tracing::info!(%source, %refusal, "a bundle was refused; further ones from this source are only counted");
        }
    }

    /// Counts a refusal at the door, about which the agent was not asked.
    pub(crate) fn count(&self, refusal: &Refusal) {
        self.count_word(word(refusal));
        tracing::debug!(%refusal, "a bundle was refused at the door");
    }

    /// Counts octets that are no bundle, and logs the first of a contact.
    pub(crate) fn malformed(&self, link: &str, fault: &str) {
        self.malformed_again();
        tracing::info!(
            link,
            fault,
            "a neighbor sent what is no bundle; further ones of this contact are only counted"
        );
    }

    /// Counts octets that are no bundle.
    pub(crate) fn malformed_again(&self) {
        self.count_word("malformed");
    }

    fn count_word(&self, word: &'static str) {
        *self.lock().counts.entry(word).or_default() += 1;
    }

    /// How often bundles were refused, by reason.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        self.lock().counts.iter().map(|(word, count)| (*word, *count)).collect()
    }

    fn is_news(&self, source: &Eid, word: &'static str) -> bool {
        let mut refused = self.lock();
        *refused.counts.entry(word).or_default() += 1;
        if refused.logged.get(source) == Some(&word) {
            return false;
        }
        if refused.logged.len() >= SOURCES_MAX {
            refused.logged.pop_first();
        }
        refused.logged.insert(source.clone(), word);
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(notice: &Notice) {
    match notice {
        Notice::Stored { id, .. } => tracing::debug!(%id, "stored"),
        Notice::Deliverable { endpoint, .. } => tracing::debug!(%endpoint, "a bundle waits"),
        Notice::Carried { id, .. } => tracing::debug!(%id, "a neighbor has it"),
        Notice::NotTaken { id, why, .. } => tracing::debug!(%id, ?why, "a neighbor does not take it"),
        Notice::Delivered { id, by } => tracing::info!(%id, %by, "delivered"),
        Notice::CustodySignal { by, accepted, refused, ignored } => {
            tracing::debug!(%by, accepted, refused, ignored, "a custody signal");
        }
        Notice::NeighborKnown { neighbor, standing: Standing::Authenticated, .. } => {
            tracing::info!(%neighbor, "a neighbor is here");
        }
        Notice::NeighborKnown { neighbor, .. } => {
            tracing::info!(%neighbor, "a foreign or untrusted neighbor is here");
        }
        Notice::NameTaken { .. } => {
            tracing::error!(
                "another machine signs under this node's name with another key: one of the two must be renamed"
            );
        }
        Notice::BundleRefused { .. } => {}
        Notice::PartialSpoiled { source } => {
            tracing::warn!(%source, "parts of a large bundle did not fit together: a neighbor sent wrong ones; it is taken again");
        }
        Notice::Evicted { bundles, octets } => {
            tracing::info!(bundles, octets, "bundles went to make room for more valuable ones");
        }
        Notice::Deleted { bundles } => tracing::debug!(bundles, "deleted"),
        Notice::Quarantined { number } => {
            tracing::error!(?number, "a damaged record was taken out; neighbors will offer the bundle again");
        }
        Notice::Equivocation { source } => {
            tracing::error!(%source, "two different bundles with one identity are both validly signed: the node's card was cloned or restored");
        }
        Notice::SettingsChanged => tracing::debug!("settings changed"),
    }
}

/// A refusal in a word, for counting.
pub(crate) fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Duplicate => "duplicate",
        Refusal::Gone => "gone",
        Refusal::Superseded => "superseded",
        Refusal::Delivered => "delivered",
        Refusal::Expired => "expired",
        Refusal::TooLarge { .. } => "too_large",
        Refusal::ToNowhere => "to_nowhere",
        Refusal::ForContactsOnly => "for_contacts_only",
        Refusal::NotWanted { .. } => "not_wanted",
        Refusal::BadSignature { .. } => "bad_signature",
        Refusal::Stranger { .. } => "stranger",
        Refusal::Unsigned { .. } => "unsigned",
        Refusal::Unprocessable { .. } => "unprocessable",
        Refusal::HopLimit { .. } => "hop_limit",
        Refusal::Quota { .. } => "quota",
        Refusal::StoreFull => "store_full",
        Refusal::PayloadLost => "payload_lost",
        Refusal::FragmentMismatch => "fragment_mismatch",
        Refusal::Impostor => "impostor",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_reason() {
        let news = News::new();
        let source = Eid::dtn("a", "").unwrap();
        news.refused(&source, &Refusal::Expired);
        news.refused(&source, &Refusal::Expired);
        news.refused(&source, &Refusal::Impostor);
        assert_eq!(news.counts(), [("expired", 2), ("impostor", 1)]);
    }

    #[test]
    fn a_source_is_logged_once_for_one_reason() {
        let news = News::new();
        let source = Eid::dtn("a", "").unwrap();
        assert!(news.is_news(&source, "expired"));
        assert!(!news.is_news(&source, "expired"));
        assert!(news.is_news(&Eid::dtn("b", "").unwrap(), "expired"));
    }
}
