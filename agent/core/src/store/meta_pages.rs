//! A look at the file before it is mapped: LMDB trusts its file, and a page that is not there ends the process.
//!
//! LMDB keeps two meta pages at the file's beginning, each naming the page size, the last page in use and the
//! transaction that wrote it. We read them as plain octets and refuse what LMDB could not live with.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::store::StoreError;

/// LMDB's mark of a meta page.
const MAGIC: u32 = 0xBEEF_C0DE;
/// The data format of LMDB 0.9, the only one that this program's LMDB reads.
const LMDB_FORMAT: u32 = 1;
/// The octets at a page's start that a meta page may fill, on machines of any word size.
const META_OCTETS: usize = 152;
/// LMDB's mark of a meta page in the page's own flags.
const META_FLAG: u16 = 0x08;

/// What the file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// There is no store yet.
    New,
    /// The file can be mapped.
    Sound,
    /// The file ends before the last page that was ever in use. That is so after a power cut in a first step, and where the last
    /// pages are free; it is also so where the file was cut off. Only reading everything can tell.
    Short { octets: u64, needed: u64 },
}

/// Where the fields of a meta page lie; they depend on the word size.
struct Layout {
    flags: usize,
    meta: usize,
    page_size: usize,
    last_page: usize,
    word: usize,
}

/// Offsets within the page: header 16 (12), magic, version, address, map size, two tree descriptions of 48 (28), last page.
const LAYOUT_64: Layout = Layout { flags: 10, meta: 16, page_size: 40, last_page: 136, word: 8 };
const LAYOUT_32: Layout = Layout { flags: 6, meta: 12, page_size: 28, last_page: 84, word: 4 };
const OWN_BITS: u32 = usize::BITS;

struct Meta {
    page_size: u32,
    last_page: u64,
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
    let first = page_at(&mut file, 0)?;
    if first.iter().all(|octet| *octet == 0) && is_blank(&mut file, octets)? {
        return Ok(FileState::New);
    }
    let first = parse(path, &first)?;
    let own = u32::try_from(rustix::param::page_size()).unwrap_or(u32::MAX);
    if first.page_size != own {
        return Err(StoreError::PageSize { found: first.page_size, expected: own });
    }
    let second = page_at(&mut file, u64::from(own))?;
    let second = parse(path, &second)?;
    let needed = first.last_page.max(second.last_page).saturating_add(1).saturating_mul(u64::from(own));
    Ok(if octets < needed { FileState::Short { octets, needed } } else { FileState::Sound })
}

/// A power cut while the store was made can leave zeros where the meta pages were to be. Nothing was ever committed.
fn is_blank(file: &mut File, octets: u64) -> Result<bool, StoreError> {
    /// Two pages of the largest size that LMDB makes.
    const BLANK_OCTETS_MAX: u64 = 2 * 65_536;
    if octets > BLANK_OCTETS_MAX {
        return Ok(false);
    }
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(BLANK_OCTETS_MAX).read_to_end(&mut content)?;
    Ok(content.iter().all(|octet| *octet == 0))
}

fn page_at(file: &mut File, offset: u64) -> Result<Vec<u8>, StoreError> {
    let mut page = Vec::with_capacity(META_OCTETS);
    file.seek(SeekFrom::Start(offset))?;
    file.take(META_OCTETS as u64).read_to_end(&mut page)?;
    Ok(page)
}

fn parse(path: &Path, page: &[u8]) -> Result<Meta, StoreError> {
    let not_ours = |what| StoreError::NotOurs { path: path.to_owned(), what };
    let (layout, bits) = match (u32_at(page, LAYOUT_64.meta), u32_at(page, LAYOUT_32.meta)) {
        (Some(MAGIC), _) => (LAYOUT_64, 64),
        (_, Some(MAGIC)) => (LAYOUT_32, 32),
        _ => return Err(not_ours("its first pages are not those of an LMDB file")),
    };
    let flags = array_at::<2>(page, layout.flags).map(u16::from_ne_bytes);
    if flags.is_none_or(|flags| flags & META_FLAG == 0) {
        return Err(not_ours("its first pages are damaged"));
    }
    let found = u32_at(page, layout.meta + 4).ok_or_else(|| not_ours("it ends within its first page"))?;
    if found != LMDB_FORMAT {
        return Err(StoreError::WrongFormat { what: "LMDB format", found, expected: LMDB_FORMAT });
    }
    if bits != OWN_BITS {
        return Err(StoreError::WordSize { found: bits, expected: OWN_BITS });
    }
    let meta = u32_at(page, layout.page_size).zip(word_at(page, layout.last_page, layout.word));
    let (page_size, last_page) = meta.ok_or_else(|| not_ours("it ends within its first page"))?;
    Ok(Meta { page_size, last_page })
}

fn array_at<const N: usize>(page: &[u8], at: usize) -> Option<[u8; N]> {
    page.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(page: &[u8], at: usize) -> Option<u32> {
    array_at(page, at).map(u32::from_ne_bytes)
}

fn word_at(page: &[u8], at: usize, word: usize) -> Option<u64> {
    match word {
        8 => array_at(page, at).map(u64::from_ne_bytes),
        _ => u32_at(page, at).map(u64::from),
    }
}
