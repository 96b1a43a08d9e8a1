//! Inventories: what a node held when it last docked, as octets that the node signed and this crate does not read.
//!
//! Each node has one, in generations: a newer one is written and synced under another name before the older ones go.

use std::cmp::Ordering;
use std::io::Read;
use std::sync::Arc;

use crate::error::{Damage, Reason, VolumeError};
use crate::folder::Found;
use crate::layout::{BlockError, INVENTORY_HEADER, InventoryHeader, NodeHash};
use crate::limits::INVENTORY_OCTETS_MAX;
use crate::names::{self, Kind};
use crate::volume::Volume;

/// How many inventories are read from one volume: more nodes than a drive meets.
const INVENTORIES_MAX: usize = 4096;

/// A node's inventory on the volume. Nothing of it is authenticated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryInfo {
    /// The node, as the file says.
    pub node: NodeHash,
    /// Counts the node's docks.
    pub generation: u64,
    /// When it was written, in milliseconds since 2000-01-01 UTC; `None` where the writer had no clock.
    pub written: Option<u64>,
    /// Its length in octets.
    pub length: u64,
    file: Arc<str>,
    body_crc: u32,
}

impl Volume {
    /// The newest inventory of every node, and what had to be skipped.
    pub fn inventories(&self) -> Result<(Vec<InventoryInfo>, Vec<Damage>), VolumeError> {
        let (mut found, mut damages) = (Vec::new(), Vec::new());
        for name in self.inventory_names()?.into_iter().take(INVENTORIES_MAX) {
            match self.inventory_header(&name) {
                Ok(Some(info)) => found.push(info),
                Ok(None) => {}
                Err(damage) => damages.push(damage),
            }
        }
        found.sort_by_key(|info: &InventoryInfo| (info.node, std::cmp::Reverse(info.generation)));
        found.dedup_by_key(|info| info.node);
        Ok((found, damages))
    }

    /// An inventory's octets, once they were found whole.
    pub fn read_inventory(&self, info: &InventoryInfo) -> Result<Vec<u8>, Damage> {
        let end = (INVENTORY_HEADER as u64).saturating_add(info.length);
        let damage = |reason| Damage { file: info.file.clone(), octets: 0..end, id: None, reason };
        let unreadable = |error: &dyn std::fmt::Display| damage(Reason::Unreadable(error.to_string()));
        let mut file = match self.folder.open_file(&info.file) {
            Ok(Found::File(file, _)) => file,
            Ok(Found::Other) => return Err(damage(Reason::NotAFile)),
            Ok(Found::Nothing) => return Err(unreadable(&"the file is gone")),
            Err(error) => return Err(unreadable(&error)),
        };
        let mut octets = Vec::new();
        file.read_exact(&mut [0; INVENTORY_HEADER]).map_err(|error| unreadable(&error))?;
        file.take(info.length).read_to_end(&mut octets).map_err(|error| unreadable(&error))?;
        if octets.len() as u64 != info.length {
            return Err(damage(Reason::Cut));
        }
        if crc32fast::hash(&octets) != info.body_crc {
            return Err(damage(Reason::Body));
        }
        Ok(octets)
    }

    /// Writes a node's inventory, and removes its older ones once this one is durable. Returns its generation.
    pub fn write_inventory(
        &self,
        node: &NodeHash,
        now: Option<u64>,
        octets: &[u8],
    ) -> Result<u64, VolumeError> {
        self.require_write()?;
        if octets.len() > INVENTORY_OCTETS_MAX {
            return Err(VolumeError::InventoryTooLarge(octets.len()));
        }
        let stem = names::inventory_stem(node);
        let older: Vec<String> = self
            .inventory_names()?
            .into_iter()
            .filter(|name| name.to_ascii_lowercase().starts_with(&stem))
            .collect();
        let last = older
            .iter()
            .filter_map(|name| self.inventory_header(name).ok().flatten())
            .filter(|info| info.node == *node)
            .map(|info| info.generation)
            .max();
        let (generation, name) = self.free_generation(node, last.map_or(1, |last| last.wrapping_add(1)))?;
        let header = InventoryHeader {
            node: *node,
            generation,
            written: now,
            length: octets.len() as u64,
            body_crc: crc32fast::hash(octets),
        };
        self.folder.write_whole(names::INVENTORY_TMP, &name, &[&header.encode(), octets])?;
        self.remove_older(node, generation, &older)?;
        Ok(generation)
    }

    /// Every name of an inventory.
    pub(crate) fn inventory_names(&self) -> Result<Vec<String>, VolumeError> {
        let mut names = self.folder.names()?;
        names.retain(|name| names::kind(name) == Some(Kind::Inventory));
        Ok(names)
    }

    /// The first generation from `generation` on whose name is free.
    fn free_generation(&self, node: &NodeHash, generation: u64) -> Result<(u64, String), VolumeError> {
        for generation in (generation..).take(crate::limits::ENTRIES_MAX) {
            let name = names::inventory(node, generation);
            if !self.folder.exists(&name)? {
                return Ok((generation, name));
            }
        }
        Err(VolumeError::NamesUsedUp(self.path().into()))
    }

    /// Removes a node's older inventories, damaged ones too, and nothing that only has such a name.
    fn remove_older(&self, node: &NodeHash, generation: u64, names: &[String]) -> Result<(), VolumeError> {
        for name in names {
            let ours = match self.inventory_header(name) {
                Ok(Some(info)) => info.node == *node && info.generation < generation,
                Ok(None) => false,
                Err(damage) => matches!(damage.reason, Reason::Header | Reason::Cut | Reason::Trailing),
            };
            if ours {
                self.folder.remove(name)?;
            }
        }
        self.folder.sync()
    }

    /// Reads an inventory's header; `Ok(None)` for a file that only has such a name.
    fn inventory_header(&self, name: &str) -> Result<Option<InventoryInfo>, Damage> {
        let file: Arc<str> = Arc::from(name);
        let damage = |end, reason| Damage { file: file.clone(), octets: 0..end, id: None, reason };
        let (opened, length) = match self.folder.open_file(name) {
            Ok(Found::File(opened, length)) => (opened, length),
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Other) => return Err(damage(0, Reason::NotAFile)),
            Err(error) => return Err(damage(0, Reason::Unreadable(error.to_string()))),
        };
        let mut head = Vec::new();
        let read = opened.take(INVENTORY_HEADER as u64).read_to_end(&mut head);
        read.map_err(|error| damage(0, Reason::Unreadable(error.to_string())))?;
        if !InventoryHeader::begins(&head) {
            return Ok(None);
        }
        let octets = head.first_chunk().ok_or_else(|| damage(length, Reason::Cut))?;
        let header = InventoryHeader::parse(octets).map_err(|error| match error {
            BlockError::Damaged => damage(length, Reason::Header),
            BlockError::Newer(version) => damage(length, Reason::Newer(version)),
        })?;
        if header.length > INVENTORY_OCTETS_MAX as u64 {
            return Err(damage(length, Reason::TooLarge));
        }
        match length.cmp(&(header.length + INVENTORY_HEADER as u64)) {
            Ordering::Less => return Err(damage(length, Reason::Cut)),
            Ordering::Greater => return Err(damage(length, Reason::Trailing)),
            Ordering::Equal => {}
        }
        Ok(Some(InventoryInfo {
            node: header.node,
            generation: header.generation,
            written: header.written,
            length: header.length,
            file,
            body_crc: header.body_crc,
        }))
    }
}
