//! Groups that this node is a member of (RFC 9171 §3.1, "registration" with a non-singleton endpoint).

use bundle_format::Eid;

use crate::store::endpoints::name_key;
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};

fn key_of(group: &Eid) -> [u8; 16] {
    name_key(&group.to_cbor())
}

impl View<'_> {
    /// All groups, in their order.
    pub fn subscriptions(&self) -> Result<Vec<Eid>, StoreError> {
        let rows = self.rows(Table::Subscriptions, b"")?.map(|row| {
            let (key, body) = row?;
            Eid::from_cbor(body).map_err(|_| misshapen(Table::Subscriptions, key))
        });
        let mut groups = rows.collect::<Result<Vec<_>, StoreError>>()?;
        groups.sort();
        Ok(groups)
    }

    /// Whether this node is a member of a group.
    pub fn is_subscribed(&self, group: &Eid) -> Result<bool, StoreError> {
        Ok(self.get(Table::Subscriptions, &key_of(group))?.is_some())
    }
}

impl WriteTxn<'_> {
    /// Joins a group; whether that is new.
    pub fn subscribe(&mut self, group: &Eid) -> Result<bool, StoreError> {
        if self.view().is_subscribed(group)? {
            return Ok(false);
        }
        self.put(Table::Subscriptions, &key_of(group), &group.to_cbor())?;
        Ok(true)
    }

    /// Leaves a group; whether this node was a member.
    pub fn unsubscribe(&mut self, group: &Eid) -> Result<bool, StoreError> {
        self.delete(Table::Subscriptions, &key_of(group))
    }
}
