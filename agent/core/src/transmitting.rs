//! Transmission at the request of an application (RFC 9171 §5.2): the bundle is made, signed and stored in one step, or,
//! where it is too large for memory, in three: room and a timestamp, chunks, signature.

use bundle_format::{BundleFlags, BundleId, CheckedBundle, CreationTimestamp, Eid, Metadata, NewBundle};
use bytes::Bytes;

use crate::agent::Agent;
use crate::evicting::Newcomer;
use crate::receiving::{Arrival, Origin};
use crate::refusal::Refusal;
use crate::reporting::ALL_REPORTS;
use crate::request::{Answer, Order, Report};
use crate::store::{Number, PayloadPlace, Standing, StoreError, Worth, WriteTxn};
use crate::time::Now;

/// A transmission whose chunks are on their way into the store.
#[derive(Debug)]
pub(crate) struct OpenOrder {
    creation: CreationTimestamp,
    order: Order,
}

impl Agent {
    pub(crate) fn transmit(
        &mut self,
        now: Now,
        order: &Order,
        payload: Bytes,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        if let Some(refusal) = self.hopeless(order, payload.len() as u64, store)? {
            return Ok(Answer::Refused(refusal));
        }
        let creation = Self::take_timestamp(now, store)?;
        let signed =
            order.bundle(&self.config, creation).sign(&self.config.profile, &self.config.key, payload);
        match signed {
            Ok(bundle) => {
                self.transmitted(now, &bundle, (PayloadPlace::Inline, Origin::Ordered(order.custody)), store)
            }
            Err(_) => Ok(Answer::Refused(Refusal::TooLarge {
                octets: u64::MAX,
                most: self.config.limits.bundle_octets_max,
            })),
        }
    }

    pub(crate) fn begin_transmission(
        &mut self,
        now: Now,
        order: Order,
        payload_octets: u64,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        if let Some(refusal) = self.hopeless(&order, payload_octets, store)? {
            return Ok(Answer::Refused(refusal));
        }
        let creation = Self::take_timestamp(now, store)?;
        let number = store.begin_staging()?;
        self.orders.insert(number, OpenOrder { creation, order });
        Ok(Answer::Staging { number, creation, age_ms: 0 })
    }

    pub(crate) fn finish_transmission(
        &mut self,
        now: Now,
        number: Number,
        bundle: &CheckedBundle,
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        let Some(open) = self.orders.remove(&number) else { return Ok(Answer::NotFound) };
        let primary = bundle.head().primary();
        assert!(
            primary.creation == open.creation && primary.destination == open.order.destination,
            "the node signs what was ordered"
        );
        self.transmitted(
            now,
            bundle,
            (PayloadPlace::Staged(number), Origin::Ordered(open.order.custody)),
            store,
        )
    }

    fn transmitted(
        &mut self,
        now: Now,
        bundle: &CheckedBundle,
        place: (PayloadPlace, Origin),
        store: &mut WriteTxn<'_>,
    ) -> Result<Answer, StoreError> {
        Ok(match self.originate(now, bundle, place, store)? {
            Ok((id, number)) => Answer::Transmitted { id, number },
            Err(refusal) => Answer::Refused(refusal),
        })
    }

    /// Puts a bundle made here into the store, and on its way.
    pub(crate) fn originate(
        &mut self,
        now: Now,
        bundle: &CheckedBundle,
        (payload, origin): (PayloadPlace, Origin),
        store: &mut WriteTxn<'_>,
    ) -> Result<Result<(BundleId, Number), Refusal>, StoreError> {
        let arrival =
            Arrival { bundle, payload, contact: None, holder: None, dormant_ms: 0, way: "", origin };
        self.receive(now, &arrival, store)
    }

    /// What can be said of an order before anything is written for it.
    fn hopeless(
        &self,
        order: &Order,
        octets: u64,
        store: &WriteTxn<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        if order.destination.is_null() {
            return Ok(Some(Refusal::ToNowhere));
        }
        let most = self.config.limits.bundle_octets_max;
        if octets > most {
            return Ok(Some(Refusal::TooLarge { octets, most }));
        }
        let newcomer = Newcomer {
            source: self.config.node.clone(),
            destination: order.destination.clone(),
            octets,
            worth: if order.metadata.record.is_some() {
                Worth::PROTOCOL
            } else {
                Worth::of_message(order.metadata.priority)
            },
            standing: Standing::Trusted,
        };
        Ok(self.config.room_for(store.view(), &newcomer)?.err())
    }
}

impl Order {
    /// The bundle that fulfils this order, still without its payload. Carriers cannot verify a fragment, so it must not
    /// become one.
    pub fn bundle(&self, config: &crate::config::Config, creation: CreationTimestamp) -> NewBundle {
        let source = config.node.with_demux(&self.source_demux).unwrap_or_else(|_| config.node.clone());
        let (report_flag, report_to) = match self.report {
            Report::Nothing => (BundleFlags::empty(), Eid::Null),
            Report::Delivery => (BundleFlags::REPORT_DELIVERY, config.node.clone()),
            Report::Way => (ALL_REPORTS, source.clone()),
        };
        NewBundle {
            destination: self.destination.clone(),
            source,
            report_to,
            creation,
            lifetime_ms: self.lifetime_ms,
            flags: BundleFlags::MUST_NOT_FRAGMENT | report_flag,
            age_ms: Some(0),
            hop_limit: Some(config.hop_limit),
            // Each block that a signature covers costs every node on the way a check of its own.
            metadata: (self.metadata != Metadata::default()).then(|| self.metadata.clone()),
        }
    }
}
