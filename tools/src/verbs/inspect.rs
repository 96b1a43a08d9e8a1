//! `packmule inspect`: what is in a bundle, from anywhere. Needs no home and trusts nobody.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use bundle_format::{
    AdministrativeRecord, BundleReader, BundleSequence, CheckedBundle, Counter, CustodySignal, Limits,
    Malformed, Profile, SignatureVerdict,
};
use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use crate::anatomy::Anatomy;
use crate::bundle_line::time_of_dtn;
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;

/// Octets read at once.
const PIECE_OCTETS: usize = 64 << 10;
/// Payloads up to this length are kept, because they may be administrative records.
const RECORD_OCTETS_MAX: usize = 64 << 10;

/// Runs of numbers of a custody signal that are shown for each disposition.
const RUNS_SHOWN: usize = 64;

/// Take a bundle apart: its fields, its blocks, its CRCs, its signature
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A file with one bundle, as octets or in hexadecimal digits; - is the standard input
    file: PathBuf,
    /// Fail with exit code 12 unless it carries a valid signature
    #[arg(long)]
    verify: bool,
}

#[derive(Serialize)]
struct Inspected {
    id: String,
    octets: u64,
    payload_octets: u64,
    payload_blake3: String,
    signature: Signature,
    #[serde(flatten)]
    anatomy: Anatomy,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

#[derive(Serialize)]
struct Signature {
    verdict: &'static str,
    key: Option<String>,
    fault: Option<String>,
}

impl Inspect {
    pub(crate) fn run(self, invocation: &Invocation) -> Result<(), Failure> {
        // The network's code points, where this machine is part of one.
        let profile = invocation.home().map(|home| home.config().profile()).unwrap_or_default();
        let (bundle, payload) = read(&self.file, &profile)?;
        let inspected = inspected(&bundle, &payload, &profile);
        invocation.output.say(&inspected, || text(&inspected))?;
        match (self.verify, bundle.signature()) {
            (false, _) | (true, SignatureVerdict::Valid(_)) => Ok(()),
            (true, other) => Err(Failure::new(
                Kind::NotTrusted,
                format!("{}: {}", self.file.display(), verdict_words(other)),
            )),
        }
    }
}

fn inspected(bundle: &CheckedBundle, payload: &[u8], profile: &Profile) -> Inspected {
    let head = bundle.head();
    let record = head.is_administrative_record().then(|| match AdministrativeRecord::decode(payload) {
        Ok(record) => record_words(&record, profile),
        Err(error) => format!("an administrative record that is malformed: {error}"),
    });
    Inspected {
        id: bundle.id().to_string(),
        octets: bundle.octets(),
        payload_octets: head.payload_octets(),
        payload_blake3: data_encoding::HEXLOWER.encode(&bundle.payload_hash()),
        signature: signature(bundle.signature()),
        anatomy: Anatomy::of(head, profile),
        record,
    }
}

fn signature(verdict: &SignatureVerdict) -> Signature {
    let (word, key, fault) = match verdict {
        SignatureVerdict::Valid(key) => ("valid", Some(key.to_string()), None),
        SignatureVerdict::Invalid(fault) => ("invalid", None, Some(fault.to_string())),
        SignatureVerdict::Unsigned => ("unsigned", None, None),
        SignatureVerdict::NotUnderstood => ("not_understood", None, None),
    };
    Signature { verdict: word, key, fault }
}

fn record_words(record: &AdministrativeRecord, profile: &Profile) -> String {
    match record.custody_signal(profile) {
        Some(Ok(signal)) => return signal_words(&signal),
        Some(Err(error)) => return format!("a custody signal that is malformed: {error}"),
        None => {}
    }
    let report = match record {
        AdministrativeRecord::StatusReport(report) => report,
        AdministrativeRecord::Unknown { code, .. } => {
            return format!("an administrative record of the unknown type {code}");
        }
        _ => return "an administrative record of an unknown type".to_owned(),
    };
    let assertions = [
        ("received", report.received),
        ("forwarded", report.forwarded),
        ("delivered", report.delivered),
        ("deleted", report.deleted),
    ];
    let said: Vec<String> = assertions
        .into_iter()
        .filter_map(|(word, asserted)| {
            let at = asserted?.at.and_then(|at| time_of_dtn(at.0));
            Some(at.map_or_else(|| word.to_owned(), |at| format!("{word} at {at}")))
        })
        .collect();
    format!(
        "status report: {} ({}), of the bundle from {} made at {} with sequence number {}",
        if said.is_empty() { "nothing".to_owned() } else { said.join(", ") },
        report.reason,
        report.source,
        time_of_dtn(report.creation.time.0).unwrap_or_else(|| "an unknown time".to_owned()),
        report.creation.sequence
    )
}

fn signal_words(signal: &CustodySignal) -> String {
    let words = |sequences: &[BundleSequence]| {
        let runs = sequences.iter().flat_map(|sequence| {
            sequence.runs.iter().map(move |run| match (&sequence.counter, run.count) {
                (Counter::Id(id), 1) => format!("{id}/{}", run.first),
                (Counter::Id(id), count) => format!("{id}/{}+{}", run.first, count - 1),
                (Counter::Destination(destination), count) => {
                    format!("{destination}/{}+{}", run.first, count.saturating_sub(1))
                }
            })
        });
        let runs: Vec<String> = runs.take(RUNS_SHOWN).collect();
        if runs.is_empty() { "nothing".to_owned() } else { runs.join(", ") }
    };
    format!("custody signal: accepted {}; refused {}", words(&signal.accepted), words(&signal.refused))
}

fn verdict_words(verdict: &SignatureVerdict) -> String {
    match verdict {
        SignatureVerdict::Valid(key) => format!("signed by {key}"),
        SignatureVerdict::Invalid(fault) => format!("the signature is INVALID: {fault}"),
        SignatureVerdict::Unsigned => "not signed".to_owned(),
        SignatureVerdict::NotUnderstood => "signed in a way that packmule does not understand".to_owned(),
    }
}

fn text(inspected: &Inspected) -> String {
    let signature = match (&inspected.signature.key, &inspected.signature.fault) {
        (Some(key), _) => format!("valid, by {key}"),
        (None, Some(fault)) => format!("INVALID: {fault}"),
        (None, None) => inspected.signature.verdict.replace('_', " "),
    };
    let record = inspected.record.as_ref().map(|record| format!("\n  {record}")).unwrap_or_default();
    format!(
        "bundle {}, {} octets\nsignature {signature}\n{}\n  BLAKE3 {}{record}",
        inspected.id,
        inspected.octets,
        inspected.anatomy.text(),
        inspected.payload_blake3
    )
}

/// The bundle, and its payload where that is short.
fn read(file: &Path, profile: &Profile) -> Result<(CheckedBundle, Vec<u8>), Failure> {
    let fault = |error: &std::io::Error| Failure::io("read", file, error);
    let source: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|error| fault(&error))?)
    };
    let mut source = BufReader::with_capacity(PIECE_OCTETS, source);
    let mut reader = BundleReader::new(&Limits::default(), profile);
    let mut kept = Vec::new();
    let mut encoding = Encoding::Unknown;
    let mut piece = vec![0; PIECE_OCTETS];
    loop {
        let read = source.read(&mut piece).map_err(|error| fault(&error))?;
        if read == 0 {
            encoding.finish().map_err(|reason| not_a_bundle(file, &reason))?;
            let bundle = reader.finish().map_err(|malformed| malformed_failure(file, &malformed))?;
            return Ok((bundle, kept));
        }
        let octets = encoding
            .decode(piece.get(..read).unwrap_or_default())
            .map_err(|reason| not_a_bundle(file, &reason))?;
        let payload =
            reader.push(Bytes::from(octets)).map_err(|malformed| malformed_failure(file, &malformed))?;
        if kept.len() + payload.len() <= RECORD_OCTETS_MAX {
            kept.extend_from_slice(&payload);
        }
    }
}

fn malformed_failure(file: &Path, malformed: &Malformed) -> Failure {
    not_a_bundle(file, &malformed.to_string())
}

fn not_a_bundle(file: &Path, reason: &str) -> Failure {
    Failure::failed(format!("{} is not a well-formed bundle: {reason}", file.display()))
}

/// How the input is written. A bundle's first octet, 9f, is no hexadecimal digit, so the first tells.
enum Encoding {
    Unknown,
    Octets,
    /// The first half of an octet, and how many octets there were.
    Hexadecimal(Option<u8>, u64),
}

impl Encoding {
    fn decode(&mut self, piece: &[u8]) -> Result<Vec<u8>, String> {
        if let Self::Unknown = self {
            *self = match piece.iter().find(|octet| !octet.is_ascii_whitespace()) {
                None => return Ok(Vec::new()),
                Some(octet) if octet.is_ascii_hexdigit() => Self::Hexadecimal(None, 0),
                Some(_) => Self::Octets,
            };
        }
        let Self::Hexadecimal(half, count) = self else { return Ok(piece.to_vec()) };
        let mut octets = Vec::with_capacity(piece.len() / 2 + 1);
        for character in piece.iter().filter(|octet| !octet.is_ascii_whitespace()) {
            let digit = char::from(*character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit = digit.ok_or_else(|| format!("octet {count} is not written in hexadecimal digits"))?;
            match half.take() {
                None => *half = Some(digit),
                Some(first) => {
                    octets.push(first << 4 | digit);
                    *count += 1;
                }
            }
        }
        Ok(octets)
    }

    fn finish(&self) -> Result<(), String> {
        match self {
            Self::Hexadecimal(Some(_), count) => Err(format!("octet {count} has one hexadecimal digit only")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
        let mut encoding = Encoding::Unknown;
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(encoding.decode(piece)?);
        }
        encoding.finish()?;
        Ok(all)
    }

    #[test]
    fn hexadecimal_digits_may_have_space_between_them_and_be_cut_anywhere() {
        assert_eq!(decoded(&[b" \n9", b"f 8", b"8\r\n0", b"7\n"]), Ok(vec![0x9f, 0x88, 0x07]));
        assert_eq!(decoded(&[b"9F"]), Ok(vec![0x9f]));
    }

    #[test]
    fn octets_are_taken_as_they_are() {
        assert_eq!(decoded(&[b"\x9f\x88", b"9f"]), Ok(b"\x9f\x889f".to_vec()));
    }

    #[test]
    fn what_is_no_digit_is_named_with_its_place() {
        assert_eq!(decoded(&[b"9f8x"]), Err("octet 1 is not written in hexadecimal digits".to_owned()));
        assert_eq!(decoded(&[b"9f8"]), Err("octet 1 has one hexadecimal digit only".to_owned()));
    }
}
