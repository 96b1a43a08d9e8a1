//! A look at the file before it is mapped: LMDB trusts its file, and a page that is not there ends the process.
//!
//! LMDB keeps two meta pages at the file's beginning, each naming the page size, the last page in use and the
//! transaction that wrote it. We read them as plain octets and refuse what LMDB could not live with.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::store::StoreError;
use crate::store::page_tree;

/// LMDB's mark of a meta page.
const MAGIC: u32 = 0xBEEF_C0DE;
/// The data format of LMDB 0.9, the only one that this program's LMDB reads.
const LMDB_FORMAT: u32 = 1;
/// More octets than a meta page fills, on machines of any word size.
const META_OCTETS: usize = 160;
/// LMDB's mark of a meta page in the page's own flags.
const META_FLAG: u16 = 0x08;

/// What the file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// There is no store yet.
    New,
    /// Zeros where the meta pages are to be, and nothing else: what a power cut can leave of a store that was being made.
    Blank,
    /// The file can be mapped.
    Sound,
}

/// Where things lie in LMDB's pages; all depends on the size of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Octets of a word.
    pub(crate) word: usize,
}

impl Layout {
    const OWN: Self = Self { word: size_of::<usize>() };

    /// Page number, padding, flags, and where free room begins and ends.
    pub(crate) fn header(self) -> usize {
        self.word + 8
    }

    pub(crate) fn flags(self) -> usize {
        self.word + 2
    }

    /// A tree's description: padding, flags, depth, four counts, and the root.
    pub(crate) fn tree(self) -> usize {
        8 + 5 * self.word
    }

    /// The root within a tree's description.
    pub(crate) fn root(self) -> usize {
        8 + 4 * self.word
    }

    fn bits(self) -> u32 {
        if self.word == 8 { 64 } else { 32 }
    }

    /// The two trees of a meta page, behind magic, version, address and map size.
    fn trees(self) -> usize {
        self.header() + 8 + 2 * self.word
    }

    fn last_page(self) -> usize {
        self.trees() + 2 * self.tree()
    }

    pub(crate) fn word_at(self, octets: &[u8], at: usize) -> Option<u64> {
        match self.word {
            8 => array_at(octets, at).map(u64::from_ne_bytes),
            _ => u32_at(octets, at).map(u64::from),
        }
    }
}

/// What a meta page says.
#[derive(Debug, Clone, Copy)]
struct Meta {
    page_size: u32,
    /// The roots of the tree of free pages and of the tree of tables.
    roots: [u64; 2],
    last_page: u64,
    transaction: u64,
}

/// Examines the data file without mapping it.
pub(crate) fn examine(path: &Path) -> Result<FileState, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(FileState::New),
        Err(error) => return Err(error.into()),
    };
    let octets = file.metadata()?.len();
    if octets == 0 {
        return Ok(FileState::New);
    }
    if is_blank(&mut file, octets)? {
        return Ok(FileState::Blank);
    }
    let first = parse(path, &start_of_page(&mut file, 0)?)?;
    let own = u32::try_from(rustix::param::page_size()).unwrap_or(u32::MAX);
    if first.page_size != own {
        return Err(StoreError::PageSize { found: first.page_size, expected: own });
    }
    let second = parse(path, &start_of_page(&mut file, u64::from(own))?)?;
    let latest = if second.transaction > first.transaction { second } else { first };
    let needed = latest.last_page.saturating_add(1).saturating_mul(u64::from(own));
    if octets < needed {
        // That is so where the file was cut off, and where the last pages are free and were never written.
        check_reach(path, &mut file, latest, octets)?;
    }
    Ok(FileState::Sound)
}

fn check_reach(path: &Path, file: &mut File, meta: Meta, octets: u64) -> Result<(), StoreError> {
    let reach = page_tree::reach(file, Layout::OWN, meta.page_size, meta.roots)?;
    if reach > octets {
        return Err(StoreError::Truncated { path: path.to_owned(), octets, needed: reach });
    }
    Ok(())
}

/// Whether the file is as long as two meta pages, and zeros.
fn is_blank(file: &mut File, octets: u64) -> Result<bool, StoreError> {
    /// Two pages of the smallest and of the largest size that there is.
    const BLANK_OCTETS: std::ops::RangeInclusive<u64> = 2 * 4_096..=2 * 65_536;
    if !BLANK_OCTETS.contains(&octets) {
        return Ok(false);
    }
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(octets).read_to_end(&mut content)?;
    Ok(content.iter().all(|octet| *octet == 0))
}

fn start_of_page(file: &mut File, offset: u64) -> Result<Vec<u8>, StoreError> {
    let mut page = Vec::with_capacity(META_OCTETS);
    file.seek(SeekFrom::Start(offset))?;
    file.take(META_OCTETS as u64).read_to_end(&mut page)?;
    Ok(page)
}

fn parse(path: &Path, page: &[u8]) -> Result<Meta, StoreError> {
    let not_ours = |what| StoreError::NotOurs { path: path.to_owned(), what };
    let layout = [Layout { word: 8 }, Layout { word: 4 }]
        .into_iter()
        .find(|layout| u32_at(page, layout.header()) == Some(MAGIC))
        .ok_or_else(|| not_ours("its first pages are not those of an LMDB file"))?;
    let flags = array_at(page, layout.flags()).map(u16::from_ne_bytes);
    if flags.is_none_or(|flags| flags & META_FLAG == 0) {
        return Err(not_ours("its first pages are damaged"));
    }
    let found =
        u32_at(page, layout.header() + 4).ok_or_else(|| not_ours("it ends within its first pages"))?;
    if found != LMDB_FORMAT {
        return Err(StoreError::WrongFormat { what: "LMDB format", found, expected: LMDB_FORMAT });
    }
    if layout != Layout::OWN {
        return Err(StoreError::WordSize { found: layout.bits(), expected: Layout::OWN.bits() });
    }
    meta(layout, page).ok_or_else(|| not_ours("it ends within its first pages"))
}

fn meta(layout: Layout, page: &[u8]) -> Option<Meta> {
    let trees = layout.trees();
    let root = |tree: usize| layout.word_at(page, trees + tree * layout.tree() + layout.root());
    Some(Meta {
        page_size: u32_at(page, trees)?,
        roots: [root(0)?, root(1)?],
        last_page: layout.word_at(page, layout.last_page())?,
        transaction: layout.word_at(page, layout.last_page() + layout.word)?,
    })
}

pub(crate) fn array_at<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    array_at(octets, at).map(u32::from_ne_bytes)
}
