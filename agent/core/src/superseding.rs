//! Records that replace themselves (`docs/records.md`): the newest edition of each stays, older ones leave in the transaction that stores
//! it, and none comes back.
//!
//! Which edition is newer depends on nothing but the two, so that all nodes agree whatever order they came in. The id of a
//! superseded edition is remembered until it would have expired.

use crate::admission;
use crate::agent::Agent;
use crate::expiring::REMEMBERED_MS;
use crate::receiving::Arrival;
use crate::refusal::Refusal;
use crate::store::{RecordPlace, StoreError, Tombstone, View, WriteTxn};
use crate::time::Now;

impl Agent {
    /// Which record a bundle that has come is an edition of.
    pub(crate) fn record_place(&self, arrival: &Arrival<'_>) -> Option<RecordPlace> {
        RecordPlace::of(arrival.bundle, &self.config.profile)
    }

    /// An edition that is not newer than the one that is here stays outside.
    pub(crate) fn superseded(
        &self,
        arrival: &Arrival<'_>,
        view: View<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let Some(place) = self.record_place(arrival) else { return Ok(None) };
        Ok(view.is_superseded(&place, &arrival.bundle.id())?.then_some(Refusal::Superseded))
    }

    /// The edition that a new one replaces goes.
    pub(crate) fn make_way_for_record(
        &mut self,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<RecordPlace>, StoreError> {
        let Some(place) = self.record_place(arrival) else { return Ok(None) };
        if let Some(row) = store.view().record(&place.key)? {
            let deadline = store.view().deadline_of(row.number)?;
            store.remove(row.number, Tombstone::Until(deadline.after_ms(REMEMBERED_MS)))?;
            self.discard_soon();
            for contact in self.contacts.values_mut() {
                contact.forget(row.number);
            }
        }
        Ok(Some(place))
    }

    /// What came too late, or was delivered already, is remembered as gone, so that it is refused before its contents are looked at.
    pub(crate) fn remember_unwanted(
        &self,
        now: Now,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let head = arrival.bundle.head();
        match admission::deadline(&self.config, now, head, arrival.dormant_ms) {
            Some(deadline) => {
                store.remember_gone(&arrival.bundle.id(), Tombstone::Until(deadline.after_ms(REMEMBERED_MS)))
            }
            None => Ok(()),
        }
    }
}
