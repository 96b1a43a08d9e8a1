//! What users ask for, one short procedure a request.

use bundle_format::{BundleId, CheckedBundle, Eid, PublicKey};

use crate::agent::Agent;
use crate::config::Stance;
use crate::output::Notice;
use crate::receiving::{Arrival, Origin};
use crate::request::{Answer, Conflict, Repair, Request};
use crate::store::{Number, PayloadPlace, Presence, Repaired, Standing, StoreError, WriteTxn};
use crate::time::Now;

/// Bundles looked up at a time.
const PAGE: usize = 1024;

impl Agent {
    pub(crate) fn answer(
        &mut self,
        now: Now,
        request: Request,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        match request {
            Request::Transmit { order, payload } => self.transmit(now, &order, payload, store),
            Request::BeginTransmission { order, payload_octets } => {
                self.begin_transmission(now, order, payload_octets, store)
            }
            Request::FinishTransmission { number, bundle } => {
                self.finish_transmission(now, number, &bundle, store)
            }
            Request::Import { bundle, payload, from, dormant_ms, way } => {
                self.import(now, (&bundle, payload), (from, dormant_ms, &way), store)
            }
            Request::Consume { endpoint, number } => self.consume(now, &endpoint, number, store),
            Request::Remove { id } => self.remove(&id, store),
            Request::TrustAdd { node, key, conflict } => self.trust_add(now, &node, key, conflict, store),
            Request::TrustRemove { node } => self.trust_remove(now, &node, store),
            Request::PeerAdd { url } => {
                let changed = store.peer_put(&url)?;
                Ok(self.settings_changed(changed))
            }
            Request::PeerRemove { url } => {
                let changed = store.peer_remove(&url)?;
                Ok(self.settings_changed(changed))
            }
            Request::Subscribe { group } => self.subscribe(now, &group, store),
            Request::Unsubscribe { group } => self.unsubscribe(&group, store),
            Request::NoteHeld { holder, ids } => Self::note_all_held(&holder, &ids, store),
            Request::HandToVolume { volume, ids } => self.hand_to_volume(now, &volume, &ids, store),
            Request::ReserveTimestamp => Ok(Answer::Timestamp(Self::take_timestamp(now, store)?)),
            Request::Check { repair } => Self::check(repair, store),
        }
    }

    fn import(
        &mut self,
        now: Now,
        (bundle, payload): (&CheckedBundle, PayloadPlace),
        (holder, dormant_ms, way): (Option<Eid>, u64, &str),
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        let origin = Origin::Elsewhere;
        let arrival = Arrival { bundle, payload, contact: None, holder, dormant_ms, way, origin };
        Ok(match self.receive(now, &arrival, store)? {
            Ok((id, _)) => Answer::Imported { id },
            Err(refusal) => Answer::Refused(refusal),
        })
    }

    /// A bundle for this node alone has served its purpose; one for a group stays for the others.
    fn consume(
        &mut self,
        now: Now,
        endpoint: &Eid,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        let changed = store.dequeue(endpoint, number)?;
        if changed && endpoint.is_singleton() {
            if let Some(facts) = store.view().facts(number)? {
                self.note_taken(now, &facts, store)?;
            }
            self.discard(number, store)?;
        }
        Ok(if changed { Answer::Done { changed } } else { Answer::NotFound })
    }

    fn remove(&mut self, id: &BundleId, store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        let Some(Presence::Held(number)) = store.view().find(id)? else { return Ok(Answer::NotFound) };
        self.discard(number, store)?;
        self.tell(Notice::Deleted { bundles: 1 });
        Ok(Answer::Done { changed: true })
    }

    fn trust_add(
        &mut self,
        now: Now,
        node: &Eid,
        key: PublicKey,
        conflict: Conflict,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        let trusted = self.config.trusted_key(store.view(), node)?;
        match trusted {
            Some(trusted) if trusted == key => return Ok(Answer::Done { changed: false }),
            Some(trusted) if conflict == Conflict::Refuse => return Ok(Answer::OtherKey { trusted }),
            _ if self.is_configured(node) => return Ok(Answer::Configured),
            _ => {}
        }
        store.trust_put(node, &key, now)?;
        self.welcome_carried(now, node, &key, store)?;
        self.judge_all(now, store)?;
        Ok(self.settings_changed(true))
    }

    /// What was only carried, as a stranger's, is delivered after all where the key that signed it is trusted now. Goes
    /// through all that is known about bundles, a microsecond each: trust is added by hand, and seldom.
    fn welcome_carried(
        &mut self,
        now: Now,
        node: &Eid,
        key: &PublicKey,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let was_withheld = self.config.strangers == Stance::Carry;
        let mut after = None;
        loop {
            let page = store.view().facts_from(after, PAGE)?;
            after = page.last().map(|facts| facts.number);
            for facts in page.iter().filter(|facts| facts.standing == Standing::Unvouched) {
                if facts.signer.as_ref() != Some(key) || facts.source.node_id().as_ref() != Some(node) {
                    continue;
                }
                store.vouch_for(facts.number)?;
                if let Some(vouched) = store.view().facts(facts.number)? {
                    self.record_came(now, &vouched, "", store)?;
                }
                if was_withheld && !facts.is_administrative && self.is_local(&facts.destination) {
                    self.deliver_stored(now, facts.number, store)?;
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn trust_remove(&mut self, now: Now, node: &Eid, store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        if self.is_configured(node) {
            return Ok(Answer::Configured);
        }
        if !store.trust_remove(node)? {
            return Ok(Answer::NotFound);
        }
        self.judge_all(now, store)?;
        Ok(self.settings_changed(true))
    }

    /// Trust that stands in the configuration, or is a matter of course, is not changed here.
    fn is_configured(&self, node: &Eid) -> bool {
        self.is_self(node) || self.config.trust.iter().any(|(name, _)| name == node)
    }

    fn judge_all(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let ids: Vec<_> = self.contacts.keys().copied().collect();
        for id in ids {
            self.judge(now, id, store)?;
        }
        Ok(())
    }

    /// What is here for the group already is delivered too.
    fn subscribe(&mut self, now: Now, group: &Eid, store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        let changed = store.subscribe(group)?;
        if changed {
            self.card_changed(store)?;
            self.subscriptions.insert(group.clone());
            self.deliver_all_for(now, group, store)?;
        }
        Ok(self.settings_changed(changed))
    }

    fn deliver_all_for(&mut self, now: Now, group: &Eid, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = store.view().bundles_for(group, after, PAGE)?;
            for number in &page {
                self.deliver_stored(now, *number, store)?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().copied();
        }
    }

    fn unsubscribe(&mut self, group: &Eid, store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        self.subscriptions.remove(group);
        if !store.unsubscribe(group)? {
            return Ok(Answer::NotFound);
        }
        store.clear_queue(group)?;
        self.card_changed(store)?;
        Ok(self.settings_changed(true))
    }

    fn note_all_held(holder: &Eid, ids: &[BundleId], store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        for id in ids {
            if let Some(Presence::Held(number)) = store.view().find(id)?
                && !store.view().holds(holder, number)?
            {
                store.mark_held(holder, number)?;
            }
        }
        Ok(Answer::Done { changed: true })
    }

    fn check(repair: Repair, store: &mut WriteTxn<'_>) -> Result<Answer, StoreError> {
        let findings = store.view().check(&mut |_| {})?.iter().map(ToString::to_string).collect();
        let repaired = match repair {
            Repair::Nothing => Repaired::default(),
            Repair::Rebuild => store.repair()?,
        };
        Ok(Answer::Checked { findings, repaired })
    }

    fn settings_changed(&mut self, changed: bool) -> Answer {
        if changed {
            self.tell(Notice::SettingsChanged);
        }
        Answer::Done { changed }
    }
}
