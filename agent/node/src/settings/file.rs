//! Reading `config.toml`: its keys are checked first, for a suggestion, then each value is read with its line.

use std::path::Path;

use adapters::{Address, AddressError, Files};
use agent_core::config::{Carry, ForeignNeighbor, Stance};
use bundle_format::{Eid, PublicKey};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{ConfigError, ConfigFault, nearest};
use super::policies::{self, RawPolicy, read_policies};
use super::{LogLevel, Settings, quantity};
use crate::clock::ClockStance;
use crate::run::Discovery;

const KEYS: &[&str] = &[
    "node",
    "ipn",
    "clock",
    "listen",
    "peers",
    "discovery",
    "tls_ca",
    "tls_certificate",
    "tls_key",
    "carry",
    "strangers",
    "unsigned",
    "quota",
    "stranger_quota",
    "source_quota",
    "group_quota",
    "bundle_max",
    "lifetime_max",
    "hop_limit",
    "card_interval",
    "metadata_block",
    "custody_block",
    "custody_record",
    "custodians",
    "log",
    "trust",
    "foreign",
    "policy",
];
const TRUST_KEYS: &[&str] = &["node", "key"];
const FOREIGN_KEYS: &[&str] = &["node", "groups"];

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
struct Raw {
    node: Text,
    ipn: Option<Spanned<u32>>,
    clock: Option<Text>,
    listen: Option<Vec<Text>>,
    #[serde(default)]
    peers: Vec<Text>,
    discovery: Option<bool>,
    tls_ca: Option<Text>,
    tls_certificate: Option<Text>,
    tls_key: Option<Text>,
    carry: Option<Text>,
    strangers: Option<Text>,
    unsigned: Option<Text>,
    quota: Option<Text>,
    stranger_quota: Option<Text>,
    source_quota: Option<Text>,
    group_quota: Option<Text>,
    bundle_max: Option<Text>,
    lifetime_max: Option<Text>,
    hop_limit: Option<Spanned<u8>>,
    card_interval: Option<Text>,
    metadata_block: Option<Spanned<u64>>,
    custody_block: Option<Spanned<u64>>,
    custody_record: Option<Spanned<u64>>,
    custodians: Option<Vec<Text>>,
    log: Option<Text>,
    #[serde(default)]
    trust: Vec<RawTrust>,
    #[serde(default)]
    foreign: Vec<RawForeign>,
    #[serde(default)]
    policy: Vec<RawPolicy>,
}

#[derive(Debug, Deserialize)]
struct RawTrust {
    node: Text,
    key: Text,
}

#[derive(Debug, Deserialize)]
struct RawForeign {
    node: Text,
    #[serde(default)]
    groups: Vec<Text>,
}

/// Reads the text of a file. Its path is for errors, and for the files that it names: they lie beside it.
pub(crate) fn read(file: &Path, text: &str) -> Result<Settings, ConfigError> {
    settings(text, file.parent().unwrap_or(Path::new(""))).map_err(|(offset, fault)| ConfigError {
        file: file.to_owned(),
        line: 1 + text.bytes().take(offset).filter(|octet| *octet == b'\n').count(),
        fault,
    })
}

/// A fault and the offset at which it stands.
pub(super) type At<T> = Result<T, (usize, ConfigFault)>;

fn settings(text: &str, folder: &Path) -> At<Settings> {
    check_keys(text)?;
    let raw: Raw = toml::from_str(text).map_err(|error| syntax(&error))?;
    let mut settings = Settings::of(eid("node", &raw.node).and_then(|eid| node_id("node", &raw.node, eid))?);
    read_identity(&raw, &mut settings)?;
    read_policy(&raw, &mut settings)?;
    read_quantities(&raw, &mut settings)?;
    read_custody(&raw, &mut settings)?;
    read_neighbors(&raw, &mut settings)?;
    settings.tls = read_files(&raw, folder)?;
    settings.policies = read_policies(&raw.policy)?;
    Ok(settings)
}

fn syntax(error: &toml::de::Error) -> (usize, ConfigFault) {
    let message = error.message().replace(['\n', '\r'], " ");
    (error.span().map_or(0, |span| span.start), ConfigFault::Syntax(message))
}

fn check_keys(text: &str) -> At<()> {
    let document = DeTable::parse(text).map_err(|error| syntax(&error))?;
    let top = document.get_ref();
    check_table(top, KEYS)?;
    for (name, keys) in [("trust", TRUST_KEYS), ("foreign", FOREIGN_KEYS), ("policy", policies::KEYS)] {
        if let Some(DeValue::Array(entries)) = top.get(name).map(Spanned::get_ref) {
            for entry in entries {
                if let DeValue::Table(table) = entry.get_ref() {
                    check_table(table, keys)?;
                }
            }
        }
    }
    Ok(())
}

fn check_table(table: &DeTable<'_>, allowed: &'static [&'static str]) -> At<()> {
    for key in table.keys() {
        let name: &str = key.get_ref();
        if !allowed.contains(&name) {
            let key_text: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            let fault = ConfigFault::UnknownKey { nearest: nearest(name, allowed), key: key_text, allowed };
            return Err((key.span().start, fault));
        }
    }
    Ok(())
}

fn read_identity(raw: &Raw, settings: &mut Settings) -> At<()> {
    if let Some(number) = &raw.ipn {
        if *number.get_ref() == 0 {
            return Err(value("ipn", (number, "0"), "a number from 1 to 4294967295"));
        }
        settings.ipn = Some(Eid::ipn(0, *number.get_ref(), 0));
    }
    if let Some(text) = &raw.clock {
        let names = [
            ("auto", ClockStance::Auto),
            ("trusted", ClockStance::Trusted),
            ("untrusted", ClockStance::Untrusted),
        ];
        settings.clock = one_of("clock", text, &names)?;
    }
    if let Some(text) = &raw.log {
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        settings.log = one_of("log", text, &levels.map(|level| (level.as_str(), level)))?;
    }
    Ok(())
}

fn read_policy(raw: &Raw, settings: &mut Settings) -> At<()> {
    let stances = [("refuse", Stance::Refuse), ("carry", Stance::Carry), ("deliver", Stance::Deliver)];
    if let Some(text) = &raw.carry {
        settings.carry = one_of("carry", text, &[("all", Carry::All), ("wanted", Carry::Wanted)])?;
    }
    if let Some(text) = &raw.strangers {
        settings.strangers = one_of("strangers", text, &stances)?;
    }
    if let Some(text) = &raw.unsigned {
        settings.unsigned = one_of("unsigned", text, &stances)?;
    }
    for entry in &raw.trust {
        let node = eid("node", &entry.node).and_then(|eid| node_id("node", &entry.node, eid))?;
        let key: PublicKey = entry.key.get_ref().parse().map_err(|error| {
            value(
                "key",
                (&entry.key, entry.key.get_ref()),
                &format!("a key as 'packmule id' prints it ({error})"),
            )
        })?;
        if let Some((_, other)) = settings.trust.iter().find(|(name, _)| *name == node)
            && *other != key
        {
            return Err(value(
                "node",
                (&entry.node, entry.node.get_ref()),
                "a node once, because it has one key",
            ));
        }
        settings.trust.push((node, key));
    }
    Ok(())
}

fn read_quantities(raw: &Raw, settings: &mut Settings) -> At<()> {
    if let Some(text) = &raw.quota {
        settings.quota_octets = size("quota", text)?;
        settings.source_quota_octets = settings.quota_octets / 2;
        settings.group_quota_octets = settings.quota_octets / 4 * 3;
    }
    if let Some(text) = &raw.source_quota {
        settings.source_quota_octets = size("source_quota", text)?;
    }
    if let Some(text) = &raw.group_quota {
        settings.group_quota_octets = size("group_quota", text)?;
    }
    if let Some(text) = &raw.stranger_quota {
        settings.stranger_quota_octets = size("stranger_quota", text)?;
    }
    if let Some(text) = &raw.bundle_max {
        let most = Settings::of(settings.node.clone()).bundle_octets_max;
        settings.bundle_octets_max = size("bundle_max", text)?;
        if settings.bundle_octets_max > most {
            return Err(value("bundle_max", (text, text.get_ref()), &format!("at most {} MiB", most >> 20)));
        }
    }
    if let Some(text) = &raw.lifetime_max {
        settings.lifetime_ms_max =
            quantity::duration_ms(text.get_ref()).filter(|ms| *ms > 0).ok_or_else(|| {
                value(
                    "lifetime_max",
                    (text, text.get_ref()),
                    "a duration such as \"12h\", \"30d\" or \"52w\"",
                )
            })?;
    }
    if let Some(text) = &raw.card_interval {
        settings.card_interval_ms =
            quantity::duration_ms(text.get_ref()).filter(|ms| *ms >= 1_000).ok_or_else(|| {
                value(
                    "card_interval",
                    (text, text.get_ref()),
                    "a duration of a second or more, such as \"15m\"",
                )
            })?;
    }
    if let Some(limit) = &raw.hop_limit {
        if *limit.get_ref() == 0 {
            return Err(value("hop_limit", (limit, "0"), "a number from 1 to 255"));
        }
        settings.hop_limit = *limit.get_ref();
    }
    if let Some(block) = &raw.metadata_block {
        let block_type = *block.get_ref();
        if !(192..=255).contains(&block_type) {
            let written = block_type.to_string();
            return Err(value(
                "metadata_block",
                (block, &written),
                "a number from 192 to 255, the range for private use",
            ));
        }
        settings.metadata_block = block_type;
    }
    Ok(())
}

fn read_custody(raw: &Raw, settings: &mut Settings) -> At<()> {
    if let Some(block) = &raw.custody_block {
        let block_type = *block.get_ref();
        // Types 0 to 12 have other meanings (RFC 9171 §9.1); one that the metadata block has cannot be told from it.
        if !(13..=255).contains(&block_type) || block_type == settings.metadata_block {
            let written = block_type.to_string();
            let allowed = "a number from 13 to 255, and not that of metadata_block";
            return Err(value("custody_block", (block, &written), allowed));
        }
        settings.custody_codes.0 = block_type;
    }
    if let Some(record) = &raw.custody_record {
        if *record.get_ref() < 2 {
            let written = record.get_ref().to_string();
            return Err(value("custody_record", (record, &written), "a number from 2 on"));
        }
        settings.custody_codes.1 = *record.get_ref();
    }
    if let Some(texts) = &raw.custodians {
        let node = |text: &Text| eid("custodians", text).and_then(|eid| node_id("custodians", text, eid));
        settings.custodians = Some(texts.iter().map(node).collect::<At<_>>()?);
    }
    Ok(())
}

fn read_neighbors(raw: &Raw, settings: &mut Settings) -> At<()> {
    if let Some(texts) = &raw.listen {
        settings.listen = texts.iter().map(|text| address("listen", text)).collect::<At<_>>()?;
    }
    settings.peers = raw.peers.iter().map(|text| address("peers", text)).collect::<At<_>>()?;
    for text in &raw.peers {
        if let Err(error) = address("peers", text)?.check_dialled() {
            return Err(value("peers", (text, text.get_ref()), &format!("an address to dial: {error}")));
        }
    }
    if raw.discovery == Some(false) {
        settings.discovery = Discovery::Off;
    }
    for entry in &raw.foreign {
        let node = eid("node", &entry.node).and_then(|eid| node_id("node", &entry.node, eid))?;
        let groups = entry.groups.iter().map(|text| eid("groups", text)).collect::<At<Vec<_>>>()?;
        if let Some((text, _)) = entry.groups.iter().zip(&groups).find(|(_, group)| group.node_id().is_some())
        {
            return Err(value("groups", (text, text.get_ref()), "a group, such as \"dtn://all/~updates\""));
        }
        settings.foreign.push(ForeignNeighbor { node, groups });
    }
    Ok(())
}

/// The files of an authority: all of them, or none.
fn read_files(raw: &Raw, folder: &Path) -> At<Option<Files>> {
    match (&raw.tls_ca, &raw.tls_certificate, &raw.tls_key) {
        (Some(authorities), Some(certificate), Some(key)) => Ok(Some(Files {
            authorities: folder.join(authorities.get_ref()),
            certificate: folder.join(certificate.get_ref()),
            key: folder.join(key.get_ref()),
        })),
        (None, None, None) => Ok(None),
        (Some(text), ..) => Err(value("tls_ca", (text, text.get_ref()), ALL_FILES)),
        (_, Some(text), _) => Err(value("tls_certificate", (text, text.get_ref()), ALL_FILES)),
        (.., Some(text)) => Err(value("tls_key", (text, text.get_ref()), ALL_FILES)),
    }
}

const ALL_FILES: &str = "one of three: tls_ca, tls_certificate and tls_key belong together";

/// The fault of a value that is not allowed.
pub(super) fn value<T>(
    key: &'static str,
    (place, written): (&Spanned<T>, &str),
    allowed: &str,
) -> (usize, ConfigFault) {
    let fault =
        ConfigFault::Value { key, value: written.to_owned(), allowed: format!("it must be {allowed}") };
    (place.span().start, fault)
}

pub(super) fn one_of<T: Copy>(key: &'static str, text: &Text, names: &[(&str, T)]) -> At<T> {
    let found = names.iter().find(|(name, _)| name == text.get_ref()).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let list: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        value(key, (text, text.get_ref()), &format!("one of {}", list.join(", ")))
    })
}

fn size(key: &'static str, text: &Text) -> At<u64> {
    quantity::octets(text.get_ref())
        .filter(|octets| *octets > 0)
        .ok_or_else(|| value(key, (text, text.get_ref()), "a size such as \"512 MiB\" or \"4 GiB\""))
}

fn address(key: &'static str, text: &Text) -> At<Address> {
    text.get_ref()
        .parse()
        .map_err(|error: AddressError| value(key, (text, text.get_ref()), &format!("an address: {error}")))
}

pub(super) fn eid(key: &'static str, text: &Text) -> At<Eid> {
    text.get_ref().parse().map_err(|error| {
        value(key, (text, text.get_ref()), &format!("an endpoint ID such as \"dtn://clinic-3/\" ({error})"))
    })
}

pub(super) fn node_id(key: &'static str, text: &Text, eid: Eid) -> At<Eid> {
    match eid.node_id() {
        Some(node) if node == eid => Ok(eid),
        _ => Err(value(key, (text, text.get_ref()), "a node ID such as \"dtn://clinic-3/\" or \"ipn:7.0\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        read(Path::new("config.toml"), text).expect_err(text).to_string()
    }

    #[test]
    fn the_template_says_what_the_defaults_say() {
        let node = Eid::dtn("clinic-3", "").unwrap();
        let template = Settings::template(&node);
        assert_eq!(read(Path::new("config.toml"), &template).unwrap(), Settings::of(node.clone()));
        let uncommented: String = template
            .lines()
            .filter_map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).or(Some(line)))
            .filter(|line| !line.starts_with("# "))
            .take_while(|line| !line.starts_with("key ="))
            .filter(|line| !["peers", "ipn", "custodians", "tls_"].iter().any(|key| line.starts_with(key)))
            .fold(String::new(), |text, line| text + line + "\n");
        let head = uncommented.rsplit_once("node = \"dtn://hub/\"").unwrap().0;
        assert_eq!(read(Path::new("config.toml"), head).unwrap(), Settings::of(node), "{head}");
    }

    #[test]
    fn a_full_file_is_read() {
        let text = r#"
node = "dtn://clinic-3/"
ipn = 4711
clock = "untrusted"
listen = []
peers = ["tcp://hub", "tcp://[2001:db8::1]:99?tls=require"]
tls_ca = "ca.pem"
tls_certificate = "node.pem"
tls_key = "/etc/node.key"
carry = "wanted"
strangers = "carry"
unsigned = "deliver"
discovery = false
quota = "1 GiB"
stranger_quota = "1 MB"
bundle_max = "10 MiB"
lifetime_max = "30d"
hop_limit = 4
card_interval = "1h"
metadata_block = 201
custody_block = 15
custody_record = 4
custodians = ["dtn://hub/"]
log = "debug"
[[foreign]]
node = "ipn:7.0"
groups = ["dtn://all/~updates"]
"#;
        let settings = read(Path::new("home/config.toml"), text).unwrap();
        let files = settings.tls.unwrap();
        assert_eq!(files.authorities, Path::new("home/ca.pem"));
        assert_eq!(files.key, Path::new("/etc/node.key"));
        assert_eq!(settings.peers[1].to_string(), "tcp://[2001:db8::1]:99?tls=require");
        assert_eq!(settings.ipn, Some(Eid::ipn(0, 4711, 0)));
        assert_eq!(settings.clock, ClockStance::Untrusted);
        assert!(settings.listen.is_empty());
        assert_eq!(settings.peers[0].to_string(), "tcp://hub:4556");
        assert_eq!(settings.discovery, Discovery::Off);
        assert_eq!(
            (settings.carry, settings.strangers, settings.unsigned),
            (Carry::Wanted, Stance::Carry, Stance::Deliver)
        );
        assert_eq!((settings.quota_octets, settings.stranger_quota_octets), (1 << 30, 1_000_000));
        assert_eq!((settings.bundle_octets_max, settings.lifetime_ms_max), (10 << 20, 2_592_000_000));
        assert_eq!((settings.hop_limit, settings.metadata_block, settings.log), (4, 201, LogLevel::Debug));
        assert_eq!(settings.foreign[0].groups.len(), 1);
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_nearest() {
        assert_eq!(
            fails("node = \"dtn://a/\"\n\nquotta = \"1 GiB\"\n"),
            "config.toml, line 3: there is no setting 'quotta'; did you mean 'quota'?"
        );
        assert_eq!(
            fails("node = \"dtn://a/\"\n[[trust]]\nnode = \"dtn://b/\"\nkex = \"\"\n"),
            "config.toml, line 4: there is no setting 'kex'; did you mean 'key'?"
        );
        assert!(fails("node = \"dtn://a/\"\ncompletely_else = 1\n").contains("there are node, ipn, clock"));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_line_and_what_is_allowed() {
        for (line, part) in [
            (
                "clock = \"maybe\"",
                "clock = \"maybe\" is not allowed: it must be one of \"auto\", \"trusted\", \"untrusted\"",
            ),
            ("quota = \"4 G\"", "quota = \"4 G\" is not allowed: it must be a size"),
            ("quota = \"0 B\"", "it must be a size"),
            ("bundle_max = \"9 GiB\"", "at most"),
            ("lifetime_max = \"1y\"", "a duration such as"),
            ("listen = [\"tcp://[::]:4556\",\n \"4557\"]", "names no layer that packmule has"),
            ("peers = [\"tcp://hub:0\"]", "a port is a number from 1"),
            ("listen = [\"tcp://[::]?tls=maybe\"]", "tls=require"),
            ("tls_key = \"node.key\"", "belong together"),
            ("ipn = 0", "from 1 to 4294967295"),
            ("hop_limit = 0", "from 1 to 255"),
            ("hop_limit = 256", "256"),
            ("metadata_block = 11", "192 to 255"),
            ("custody_block = 12", "13 to 255"),
            ("custody_block = 193", "metadata_block"),
            ("custody_record = 1", "from 2 on"),
            ("custodians = [\"dtn://all/~updates\"]", "a node ID"),
            ("carry = 1", "string"),
            ("log = \"loud\"", "\"error\""),
            ("[[foreign]]\nnode = \"dtn://a/inbox\"", "a node ID"),
            ("[[foreign]]\nnode = \"ipn:7.0\"\ngroups = [\"dtn://a/x\"]", "a group"),
            ("[[trust]]\nnode = \"dtn://b/\"\nkey = \"ed25519:abc\"", "a key as 'packmule id' prints it"),
            ("[[trust]]\nnode = \"dtn://b/\"", "key"),
        ] {
            let error = fails(&format!("node = \"dtn://a/\"\n{line}\n"));
            assert!(error.contains(part), "{line}: {error}");
            assert!(!error.contains("line 1:"), "{line}: {error}");
        }
    }

    #[test]
    fn a_file_without_its_node_or_without_sense_is_refused() {
        assert!(fails("").contains("node"));
        assert!(fails("node = \"clinic 3\"\n").contains("line 1"));
        assert!(fails("node = \"dtn://a/\"\nquota = \n").contains("line 2"));
        assert!(fails("node = \"dtn://a/\"\nnode = \"dtn://b/\"\n").contains("line 2"));
        assert!(fails(&"[".repeat(10_000)).contains("line 1"));
    }
}
