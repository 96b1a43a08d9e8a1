//! Files to send, always the same for a number, and what has come of them.

use std::fs;
use std::path::{Path, PathBuf};

/// Numbers from a seed: xorshift64* (Vigna 2014).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.any() % bound
    }
}

/// Octets that nothing can compress, always the same for a number.
pub(crate) fn octets(number: u64, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(number);
    let mut octets: Vec<u8> = (0..=length / 8).flat_map(|_| dice.any().to_be_bytes()).collect();
    octets.truncate(length);
    octets
}

/// Puts a file of such octets into a folder.
pub(crate) fn file(folder: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, octets).unwrap();
    path
}

/// A folder that is new.
pub(crate) fn folder(parent: &Path, name: &str) -> PathBuf {
    let path = parent.join(name);
    fs::create_dir(&path).unwrap();
    path
}

/// The names and contents of a folder's files, by name.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A path as a word of a command line.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}
