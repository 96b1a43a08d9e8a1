//! A bundle's blocks and fields, for `inspect` and `show`: what stands in it, whoever made it.

use bundle_format::{
    AbstractSecurityBlock, BlockFlags, BundleFlags, CanonicalBlock, CrcType, Head, PrimaryBlock, Profile,
    block_type,
};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::bundle_line::{lines, span_ms, time_of_dtn};
use crate::quantity::size;

/// Data of unknown blocks are shown up to this length.
const DATA_SHOWN_MAX: usize = 64;

/// Everything before the payload, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Anatomy {
    primary: Primary,
    blocks: Vec<Block>,
    metadata: Option<Meta>,
}

#[derive(Debug, Serialize)]
struct Primary {
    destination: String,
    source: String,
    report_to: String,
    creation_time: Option<String>,
    creation_time_ms: u64,
    sequence: u64,
    lifetime_ms: u64,
    flags: Vec<&'static str>,
    flags_bits: u64,
    crc: &'static str,
    fragment_offset: Option<u64>,
    fragment_total: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Block {
    number: u64,
    #[serde(rename = "type")]
    code: u64,
    name: &'static str,
    flags: Vec<&'static str>,
    crc: &'static str,
    octets: u64,
    content: String,
}

#[derive(Debug, Serialize)]
struct Meta {
    file_name: Option<String>,
    media_type: Option<String>,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl Anatomy {
    pub(crate) fn of(head: &Head, profile: &Profile) -> Self {
        let mut blocks: Vec<Block> =
            head.blocks().iter().map(|block| extension(head, block, profile)).collect();
        let payload = head.payload_block();
        blocks.push(Block {
            number: 1,
            code: block_type::PAYLOAD,
            name: "payload",
            flags: block_flags(payload.flags),
            crc: crc(payload.crc),
            octets: payload.octets,
            content: payload_content(head),
        });
        let metadata = head.metadata(profile).map(|metadata| Meta {
            file_name: metadata.file_name,
            media_type: metadata.media_type,
            priority: priority(metadata.priority),
            record: metadata.record.as_ref().map(|record| record.name.clone()),
            revision: metadata.record.as_ref().map(|record| record.revision),
        });
        Self { primary: primary(head.primary()), blocks, metadata }
    }

    /// From the hexadecimal octets that an agent tells; nothing where they are no head.
    pub(crate) fn of_head(hex: &str, profile: &Profile) -> Option<Self> {
        let octets = HEXLOWER.decode(hex.as_bytes()).ok()?;
        Some(Self::of(&Head::parse(Bytes::from(octets)).ok()?, profile))
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let blocks = self.blocks.iter().map(Block::text);
        let primary = format!("primary block\n{}", indented(&self.primary.facts()));
        std::iter::once(primary).chain(blocks).collect::<Vec<_>>().join("\n")
    }
}

impl Block {
    fn text(&self) -> String {
        let Self { number, code, name, octets, content, .. } = self;
        let flags =
            if self.flags.is_empty() { String::new() } else { format!("; {}", self.flags.join(", ")) };
        let content = if content.is_empty() { String::new() } else { format!("\n  {content}") };
        format!(
            "block {number}: {name} (type {code}), {octets} octets, {}{flags}{content}",
            crc_words(self.crc)
        )
    }
}

impl Primary {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let made = self.creation_time.clone().unwrap_or_else(|| "unknown: its maker had no clock".to_owned());
        let mut facts = vec![
            ("destination", self.destination.clone()),
            ("source", self.source.clone()),
            ("report to", self.report_to.clone()),
            ("created", format!("{made}, sequence number {}", self.sequence)),
            ("lifetime", format!("{} ({} ms)", span_ms(self.lifetime_ms), self.lifetime_ms)),
            ("flags", if self.flags.is_empty() { "none".to_owned() } else { self.flags.join(", ") }),
            ("crc", crc_words(self.crc).to_owned()),
        ];
        if let (Some(offset), Some(total)) = (self.fragment_offset, self.fragment_total) {
            facts.push(("fragment", format!("from octet {offset} of {total}")));
        }
        facts
    }
}

fn primary(primary: &PrimaryBlock) -> Primary {
    Primary {
        destination: primary.destination.to_string(),
        source: primary.source.to_string(),
        report_to: primary.report_to.to_string(),
        creation_time: time_of_dtn(primary.creation.time.0),
        creation_time_ms: primary.creation.time.0,
        sequence: primary.creation.sequence,
        lifetime_ms: primary.lifetime_ms,
        flags: bundle_flags(primary.flags),
        flags_bits: primary.flags.bits(),
        crc: crc(primary.crc),
        fragment_offset: primary.fragment.map(|fragment| fragment.offset),
        fragment_total: primary.fragment.map(|fragment| fragment.total),
    }
}

fn extension(head: &Head, block: &CanonicalBlock, profile: &Profile) -> Block {
    let data = head.data(block);
    Block {
        number: block.number,
        code: block.block_type,
        name: name(block.block_type, profile),
        flags: block_flags(block.flags),
        crc: crc(block.crc),
        octets: data.len() as u64,
        content: if head.is_encrypted(block.number) {
            "encrypted".to_owned()
        } else {
            content(head, block, profile)
        },
    }
}

fn name(block_type: u64, profile: &Profile) -> &'static str {
    match block_type {
        block_type::PREVIOUS_NODE => "previous node",
        block_type::BUNDLE_AGE => "bundle age",
        block_type::HOP_COUNT => "hop count",
        block_type::INTEGRITY => "integrity",
        block_type::CONFIDENTIALITY => "confidentiality",
        other if other == profile.metadata_block_type => "metadata",
        other if other == profile.custody_block_type => "custody",
        192..=255 => "private use",
        _ => "unknown",
    }
}

fn content(head: &Head, block: &CanonicalBlock, profile: &Profile) -> String {
    let known = match block.block_type {
        block_type::PREVIOUS_NODE => head.previous_node().map(|node| node.to_string()),
        block_type::BUNDLE_AGE => head.bundle_age_ms().map(|ms| format!("{ms} ms")),
        block_type::HOP_COUNT => head.hop_count().map(|hops| format!("{} of {}", hops.count, hops.limit)),
        block_type::INTEGRITY => security(head.integrity_blocks(), block.number),
        block_type::CONFIDENTIALITY => security(head.confidentiality_blocks(), block.number),
        other if other == profile.metadata_block_type => head.metadata(profile).map(|metadata| {
            let name = metadata.file_name.map(|name| format!("name '{name}', ")).unwrap_or_default();
            let media = metadata.media_type.map(|media| format!("{media}, ")).unwrap_or_default();
            let record =
                metadata.record.map(|record| format!(", revision {} of '{}'", record.revision, record.name));
            format!("{name}{media}priority {}{}", priority(metadata.priority), record.unwrap_or_default())
        }),
        other if other == profile.custody_block_type => head.custody(profile).map(|custody| {
            format!("number {}/{} of {}", custody.sequence, custody.number, custody.custodian)
        }),
        _ => None,
    };
    known.unwrap_or_else(|| hexadecimal(head.data(block)))
}

fn security(blocks: &[AbstractSecurityBlock], number: u64) -> Option<String> {
    let block = blocks.iter().find(|block| block.block_number == number)?;
    let context = match block.context {
        1 => "BIB-HMAC-SHA2",
        2 => "BCB-AES-GCM",
        3 => "COSE",
        _ => "unknown",
    };
    let targets = block.operations.iter().map(|operation| match operation.target {
        0 => "the primary block".to_owned(),
        1 => "the payload".to_owned(),
        other => format!("block {other}"),
    });
    Some(format!(
        "security context {} ({context}), by {}, over {}",
        block.context,
        block.source,
        targets.collect::<Vec<_>>().join(" and ")
    ))
}

fn payload_content(head: &Head) -> String {
    let what = match (head.is_encrypted(1), head.is_administrative_record()) {
        (true, _) => "encrypted, ",
        (false, true) => "an administrative record, ",
        (false, false) => "",
    };
    format!("{what}{}", size(head.payload_octets()))
}

fn hexadecimal(data: &[u8]) -> String {
    match data.get(..DATA_SHOWN_MAX) {
        Some(start) if data.len() > DATA_SHOWN_MAX => format!("{}...", HEXLOWER.encode(start)),
        _ => HEXLOWER.encode(data),
    }
}

pub(crate) fn priority(priority: bundle_format::Priority) -> &'static str {
    match priority {
        bundle_format::Priority::Bulk => "bulk",
        bundle_format::Priority::Normal => "normal",
        bundle_format::Priority::Urgent => "urgent",
    }
}

fn crc(kind: CrcType) -> &'static str {
    match kind {
        CrcType::None => "none",
        CrcType::X25 => "crc-16 ok",
        CrcType::Castagnoli => "crc-32c ok",
    }
}

fn crc_words(crc: &'static str) -> &'static str {
    if crc == "none" { "no crc" } else { crc }
}

fn bundle_flags(flags: BundleFlags) -> Vec<&'static str> {
    const NAMES: [(BundleFlags, &str); 9] = [
        (BundleFlags::IS_FRAGMENT, "fragment"),
        (BundleFlags::ADMINISTRATIVE_RECORD, "administrative record"),
        (BundleFlags::MUST_NOT_FRAGMENT, "must not be fragmented"),
        (BundleFlags::ACKNOWLEDGMENT_REQUESTED, "acknowledgment requested"),
        (BundleFlags::REPORT_STATUS_TIME, "report times"),
        (BundleFlags::REPORT_RECEPTION, "report reception"),
        (BundleFlags::REPORT_FORWARDING, "report forwarding"),
        (BundleFlags::REPORT_DELIVERY, "report delivery"),
        (BundleFlags::REPORT_DELETION, "report deletion"),
    ];
    NAMES.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name).collect()
}

fn block_flags(flags: BlockFlags) -> Vec<&'static str> {
    const NAMES: [(BlockFlags, &str); 4] = [
        (BlockFlags::REPLICATE, "in every fragment"),
        (BlockFlags::REPORT_UNPROCESSABLE, "report if unknown"),
        (BlockFlags::DELETE_BUNDLE_UNPROCESSABLE, "delete bundle if unknown"),
        (BlockFlags::DISCARD_UNPROCESSABLE, "drop if unknown"),
    ];
    NAMES.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name).collect()
}

fn indented(facts: &[(&'static str, String)]) -> String {
    lines(facts).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
