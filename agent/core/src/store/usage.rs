//! How much of the store is filled, and by whose bundles.

use bundle_format::Eid;

use crate::store::facts::{BundleFacts, PROTOCOL_ENDPOINT};
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, Standing, StoreError, Table, View, WriteTxn};

/// Bundles, and the octets that they have as bundles (not what they cost on the disk).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many.
    pub bundles: u64,
    /// Their length together.
    pub octets: u64,
}

impl Usage {
    pub(crate) fn with(self, facts: &BundleFacts) -> Self {
        Self { bundles: self.bundles.saturating_add(1), octets: self.octets.saturating_add(facts.octets()) }
    }

    fn without(self, facts: &BundleFacts) -> Self {
        Self { bundles: self.bundles.saturating_sub(1), octets: self.octets.saturating_sub(facts.octets()) }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        Writer::with_capacity(16).u64(self.bundles).u64(self.octets).done()
    }

    pub(crate) fn decode(key: &[u8], body: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Reader::new(body);
        match (fields.u64(), fields.u64(), fields.end()) {
            (Some(bundles), Some(octets), Some(())) => Ok(Self { bundles, octets }),
            _ => Err(misshapen(Table::Usage, key)),
        }
    }
}

impl View<'_> {
    /// What fills the store.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        match self.settings {
            Some(settings) => Ok(settings.total),
            None => Ok(self.settings()?.total),
        }
    }

    /// What bundles fill that nobody vouched for.
    pub fn unvouched_usage(&self) -> Result<Usage, StoreError> {
        match self.settings {
            Some(settings) => Ok(settings.unvouched),
            None => Ok(self.settings()?.unvouched),
        }
    }

    /// What the bundles fill whose source is an endpoint of this node, or whose destination is this group.
    pub fn usage_of(&self, node: &Eid) -> Result<Usage, StoreError> {
        match self.endpoint(node)? {
            Some(number) => self.usage_of_number(number),
            None => Ok(Usage::default()),
        }
    }

    /// What administrative records and records fill.
    pub fn protocol_usage(&self) -> Result<Usage, StoreError> {
        self.usage_of_number(PROTOCOL_ENDPOINT)
    }

    pub(crate) fn usage_of_number(&self, node: u32) -> Result<Usage, StoreError> {
        let key = node.to_be_bytes();
        self.get(Table::Usage, &key)?.map_or(Ok(Usage::default()), |body| Usage::decode(&key, body))
    }
}

impl WriteTxn<'_> {
    pub(crate) fn charge(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        let settings = self.settings_mut();
        settings.total = settings.total.with(facts);
        if facts.standing == Standing::Unvouched {
            settings.unvouched = settings.unvouched.with(facts);
        }
        for endpoint in facts.charged() {
            let usage = self.view().usage_of_number(endpoint)?.with(facts);
            self.put(Table::Usage, &endpoint.to_be_bytes(), &usage.encode())?;
        }
        Ok(())
    }

    /// Somebody vouches for a bundle's source now: it no longer counts towards what strangers may fill.
    pub fn vouch_for(&mut self, number: Number) -> Result<(), StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(()) };
        if facts.standing == Standing::Unvouched {
            let settings = self.settings_mut();
            settings.unvouched = settings.unvouched.without(&facts);
            self.change_facts(number, |facts| facts.standing = Standing::Trusted)?;
        }
        Ok(())
    }

    pub(crate) fn discharge(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        let settings = self.settings_mut();
        settings.total = settings.total.without(facts);
        if facts.standing == Standing::Unvouched {
            settings.unvouched = settings.unvouched.without(facts);
        }
        for endpoint in facts.charged() {
            let usage = self.view().usage_of_number(endpoint)?.without(facts);
            let key = endpoint.to_be_bytes();
            if usage.bundles > 0 {
                self.put(Table::Usage, &key, &usage.encode())?;
            } else {
                self.delete(Table::Usage, &key)?;
            }
        }
        self.release_endpoint(facts.node_number, &facts.charged_node())
    }
}
