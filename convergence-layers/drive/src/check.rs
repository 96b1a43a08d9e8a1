//! Checks a whole volume: every record is read, decompressed and compared with its CRC-32, and every inventory.

use std::io::Read;

use crate::error::{Damage, VolumeError};
use crate::limits::DAMAGES_NAMED_MAX;
use crate::scan::Entry;
use crate::volume::Volume;
use crate::walk::segments;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Segments looked at.
    pub segments: u64,
    /// Records that are whole.
    pub records: u64,
    /// Octets of the bundles in them.
    pub octets: u64,
    /// Inventories that are whole.
    pub inventories: u64,
    /// What is damaged; the first 10,000 of it.
    pub damages: Vec<Damage>,
    /// How many damages there are beyond those.
    pub damages_unnamed: u64,
}

impl Checked {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    fn report(&mut self, damage: Damage) {
        if self.damages.len() < DAMAGES_NAMED_MAX {
            self.damages.push(damage);
        } else {
            self.damages_unnamed += 1;
        }
    }
}

impl Volume {
    /// Reads everything and names what is damaged. `progress` is told how many octets of the drive were read since it
    /// was last called.
    pub fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Checked, VolumeError> {
        let mut checked = Checked { segments: segments(self)?.len() as u64, ..Checked::default() };
        let mut scratch = vec![0; 64 << 10];
        for entry in self.records()? {
            let record = match entry {
                Entry::Damage(damage) => {
                    checked.report(damage);
                    continue;
                }
                Entry::Torn(_) => continue,
                Entry::Record(record) => record,
            };
            let read = self.read(&record).and_then(|mut reader| {
                loop {
                    match reader.read(&mut scratch) {
                        Ok(0) => return Ok(()),
                        Ok(_) => {}
                        Err(error) => return Err(reader.damage_of(&error)),
                    }
                }
            });
            match read {
                Ok(()) => {
                    checked.records += 1;
                    checked.octets += record.original;
                }
                Err(damage) => checked.report(damage),
            }
            progress(record.stored);
        }
        self.check_inventories(&mut checked, progress)?;
        Ok(checked)
    }

    fn check_inventories(
        &self,
        checked: &mut Checked,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), VolumeError> {
        let (inventories, damages) = self.inventories()?;
        for damage in damages {
            checked.report(damage);
        }
        for info in inventories {
            match self.read_inventory(&info) {
                Ok(_) => checked.inventories += 1,
                Err(damage) => checked.report(damage),
            }
            progress(info.length);
        }
        Ok(())
    }
}
