//! The abstract security block (RFC 9172 §3.6), of any security context: what both kinds of security block have in
//! common. Values of parameters and results are kept as octets; only their context gives them meaning.

use std::ops::Range;

use crate::cbor::{Cursor, Writer};
use crate::eid::Eid;
use crate::malformed::{Fault, Malformed};

const PARAMETERS_PRESENT: u64 = 0x01;

/// What a security block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbstractSecurityBlock {
    /// The number of the block that says it.
    pub block_number: u64,
    /// The security context (RFC 9172 §11.3).
    pub context: u64,
    /// The node that added the security block.
    pub source: Eid,
    /// One operation for each target, in the order of the block.
    pub operations: Vec<SecurityOperation>,
    /// Identifier and value of each parameter; the value is where it stands in the block's data.
    pub(crate) parameters: Vec<(u64, Range<usize>)>,
    /// The source as it is encoded.
    pub(crate) source_octets: Range<usize>,
    flags: u64,
}

/// One security service applied to one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityOperation {
    /// The number of the block that is protected; zero is the primary block.
    pub target: u64,
    /// Identifier and value of each result; the value is where it stands in the security block's data.
    pub(crate) results: Vec<(u64, Range<usize>)>,
    results_octets: Range<usize>,
}

impl AbstractSecurityBlock {
    /// Reads the data of security block `block_number`.
    pub(crate) fn decode(block_number: u64, mut cursor: Cursor<'_>) -> Result<Self, Malformed> {
        let targets = decode_targets(&mut cursor)?;
        let context = cursor.uint()?;
        let flags = cursor.uint()?;
        let source_start = cursor.position();
        let source = Eid::decode(&mut cursor)?;
        let source_octets = source_start..cursor.position();
        let parameters =
            if flags & PARAMETERS_PRESENT == 0 { Vec::new() } else { decode_identified(&mut cursor)? };
        let operations = decode_operations(&mut cursor, &targets)?;
        cursor.end()?;
        Ok(Self { block_number, context, source, operations, parameters, source_octets, flags })
    }

    /// Whether a block is protected by this one.
    pub fn targets(&self, number: u64) -> bool {
        self.operations.iter().any(|operation| operation.target == number)
    }

    /// The data of this security block without the operations on some targets; `None` if none would be left.
    /// `data` is what this value was read from.
    pub(crate) fn without_targets(&self, targets: &[u64], data: &[u8]) -> Option<Vec<u8>> {
        let kept: Vec<_> =
            self.operations.iter().filter(|operation| !targets.contains(&operation.target)).collect();
        if kept.is_empty() {
            return None;
        }
        let octets = |range: &Range<usize>| data.get(range.clone()).unwrap_or_default();
        let mut writer = Writer::new();
        writer.array(kept.len() as u64);
        for operation in &kept {
            writer.uint(operation.target);
        }
        writer.uint(self.context);
        writer.uint(self.flags);
        writer.raw(octets(&self.source_octets));
        if self.flags & PARAMETERS_PRESENT != 0 {
            writer.array(self.parameters.len() as u64);
            for (identifier, value) in &self.parameters {
                writer.array(2);
                writer.uint(*identifier);
                writer.raw(octets(value));
            }
        }
        writer.array(kept.len() as u64);
        for operation in &kept {
            writer.raw(octets(&operation.results_octets));
        }
        Some(writer.finish())
    }
}

fn decode_targets(cursor: &mut Cursor<'_>) -> Result<Vec<u64>, Malformed> {
    let start = cursor.position();
    let count = cursor.array()?;
    let mut targets = Vec::new();
    for _ in 0..count {
        let target = cursor.uint()?;
        if targets.contains(&target) {
            return Err(cursor.fault(start, Fault::Security("a security block has a target twice")));
        }
        // Every target is a block, so that the search above stays short.
        if targets.len() > crate::limits::BLOCKS_MAX {
            return Err(cursor.fault(start, Fault::TooManyBlocks));
        }
        targets.push(target);
    }
    if targets.is_empty() {
        return Err(cursor.fault(start, Fault::Security("a security block has no target")));
    }
    Ok(targets)
}

fn decode_operations(cursor: &mut Cursor<'_>, targets: &[u64]) -> Result<Vec<SecurityOperation>, Malformed> {
    let start = cursor.position();
    if cursor.array()? != targets.len() as u64 {
        return Err(
            cursor.fault(start, Fault::Security("a security block has more or fewer results than targets"))
        );
    }
    let mut operations = Vec::new();
    for target in targets {
        let results_start = cursor.position();
        let results = decode_identified(cursor)?;
        let results_octets = results_start..cursor.position();
        operations.push(SecurityOperation { target: *target, results, results_octets });
    }
    Ok(operations)
}

/// An array of pairs of identifier and value.
fn decode_identified(cursor: &mut Cursor<'_>) -> Result<Vec<(u64, Range<usize>)>, Malformed> {
    let count = cursor.array()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        cursor.array_of(2, "a security parameter or result")?;
        let identifier = cursor.uint()?;
        let start = cursor.position();
        cursor.skip()?;
        pairs.push((identifier, start..cursor.position()));
    }
    Ok(pairs)
}

/// The data of a security block of ours: one result for each target.
pub(crate) struct NewSecurityBlock<'b> {
    pub(crate) context: u64,
    pub(crate) source: &'b Eid,
    /// Identifier and encoded value of each parameter.
    pub(crate) parameters: &'b [(u64, Vec<u8>)],
    /// Target, and identifier and encoded value of its result.
    pub(crate) operations: &'b [(u64, u64, Vec<u8>)],
}

impl NewSecurityBlock<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(self.operations.len() as u64);
        for (target, _, _) in self.operations {
            writer.uint(*target);
        }
        writer.uint(self.context);
        writer.uint(PARAMETERS_PRESENT);
        self.source.encode(&mut writer);
        writer.array(self.parameters.len() as u64);
        for (identifier, value) in self.parameters {
            writer.array(2);
            writer.uint(*identifier);
            writer.raw(value);
        }
        writer.array(self.operations.len() as u64);
        for (_, identifier, value) in self.operations {
            writer.array(1);
            writer.array(2);
            writer.uint(*identifier);
            writer.raw(value);
        }
        writer.finish()
    }
}
