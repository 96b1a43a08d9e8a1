//! How far into the file LMDB's trees of pages reach, found by reading pages as plain octets.
//!
//! A file may end before its last page: pages that were given out and given back within one transaction are never
//! written. Only the trees tell that from a file that was cut off. They are followed here without mapping anything,
//! because a page that is missing or zero would end the process.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::store::StoreError;
use crate::store::meta_pages::{Layout, array_at, u32_at};

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// A leaf's value lies on pages of its own.
const BIG: u16 = 0x01;
/// A leaf's value is the description of another tree.
const TREE: u16 = 0x02;
/// A node: length of the value in two halves, flags, length of the key.
const NODE_HEADER: usize = 8;
/// LMDB's own limit of a tree's height.
const HEIGHT_MAX: usize = 32;

/// The end of the last page that the trees need, in octets. Stops at the first page that lies beyond the file.
pub(crate) fn reach(file: &File, layout: Layout, page_size: u32, roots: [u64; 2]) -> Result<u64, StoreError> {
    let octets = file.metadata()?.len();
    let mut walk = Walk { file, layout, page_size: u64::from(page_size), octets, reach: 0, pages: 0 };
    for root in roots {
        walk.tree(root)?;
    }
    Ok(walk.reach)
}

struct Walk<'f> {
    file: &'f File,
    layout: Layout,
    page_size: u64,
    octets: u64,
    reach: u64,
    /// Pages that were visited: never more than the file has, whatever circles its pointers make.
    pages: u64,
}

/// What a page points to.
enum Pointer {
    Page(u64),
    Tree(u64),
    Value { page: u64, octets: u64 },
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.reach > self.octets
    }

    fn tree(&mut self, root: u64) -> Result<(), StoreError> {
        // LMDB's mark of a tree without pages.
        let none = if self.layout.word == 8 { u64::MAX } else { u64::from(u32::MAX) };
        if root == none { Ok(()) } else { self.page(root, 0) }
    }

    fn page(&mut self, number: u64, depth: usize) -> Result<(), StoreError> {
        self.touch(number, self.page_size);
        if self.is_over() {
            return Ok(());
        }
        self.pages += 1;
        if depth > HEIGHT_MAX || self.pages > self.octets / self.page_size {
            return Err(broken("its pages point in circles"));
        }
        let mut page = vec![0; usize::try_from(self.page_size).unwrap_or_default()];
        self.file.read_exact_at(&mut page, number.saturating_mul(self.page_size))?;
        let pointers = pointers(self.layout, &page).ok_or_else(|| broken("a page is none of a tree's"))?;
        for pointer in pointers {
            match pointer {
                Pointer::Page(child) => self.page(child, depth + 1)?,
                Pointer::Tree(root) => self.tree(root)?,
                Pointer::Value { page, octets } => self.touch(page, octets + self.layout.header() as u64),
            }
            if self.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Notes that octets from the start of a page are needed, up to the end of their last page.
    fn touch(&mut self, page: u64, octets: u64) {
        let pages = octets.div_ceil(self.page_size);
        self.reach = self.reach.max(page.saturating_add(pages).saturating_mul(self.page_size));
    }
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken { what: what.to_owned() }
}

fn u16_at(page: &[u8], at: usize) -> Option<u16> {
    array_at(page, at).map(u16::from_ne_bytes)
}

/// All pointers of a branch or leaf page; `None` if it is neither, or its nodes lie outside.
fn pointers(layout: Layout, page: &[u8]) -> Option<Vec<Pointer>> {
    let flags = u16_at(page, layout.flags())?;
    let free_room = usize::from(u16_at(page, layout.flags() + 2)?);
    let nodes = free_room.checked_sub(layout.header())? / 2;
    let mut pointers = Vec::new();
    for node in 0..nodes {
        let at = usize::from(u16_at(page, layout.header() + 2 * node)?);
        if flags & BRANCH != 0 {
            pointers.push(Pointer::Page(child(layout, page, at)?));
        } else if flags & LEAF != 0 {
            pointers.extend(value(layout, page, at)?);
        } else {
            return None;
        }
    }
    (flags & (BRANCH | LEAF) != 0).then_some(pointers)
}

/// A branch node's page number: the fields of a leaf's length and flags together.
fn child(layout: Layout, page: &[u8], node: usize) -> Option<u64> {
    let low = length(page, node)?;
    let high = if layout.word == 8 { u64::from(u16_at(page, node + 4)?) } else { 0 };
    Some(high << 32 | low)
}

fn length(page: &[u8], node: usize) -> Option<u64> {
    if cfg!(target_endian = "little") {
        return u32_at(page, node).map(u64::from);
    }
    let (high, low) = (u16_at(page, node)?, u16_at(page, node + 2)?);
    Some(u64::from(high) << 16 | u64::from(low))
}

/// What a leaf node's value points to, if anything.
#[expect(
    clippy::option_option,
    reason = "outside: the node lies within its page; inside: its value points somewhere"
)]
fn value(layout: Layout, page: &[u8], node: usize) -> Option<Option<Pointer>> {
    let flags = u16_at(page, node + 4)?;
    let data = node + NODE_HEADER + usize::from(u16_at(page, node + 6)?);
    if flags & BIG != 0 {
        let octets = length(page, node)?;
        return Some(Some(Pointer::Value { page: layout.word_at(page, data)?, octets }));
    }
    if flags & TREE != 0 {
        return Some(Some(Pointer::Tree(layout.word_at(page, data + layout.root())?)));
    }
    Some(None)
}
