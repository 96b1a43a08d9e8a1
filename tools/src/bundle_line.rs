//! A bundle of the store on one line: what `ls`, `show` and `rm` say of it.

use agent_node::BundleSummary;
use serde::Serialize;

use crate::output::Row;
use crate::quantity::{self, size, span};

/// DTN time begins with the year 2000 (RFC 9171 §4.2.6); this is that moment in milliseconds since 1970.
pub(crate) const DTN_EPOCH_UNIX_MS: u64 = 946_684_800_000;

/// A bundle, as `--json` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct BundleLine {
    id: String,
    number: u64,
    source: String,
    destination: String,
    file_name: Option<String>,
    media_type: Option<String>,
    priority: String,
    octets: u64,
    payload_octets: u64,
    created: Option<String>,
    received: Option<String>,
    expires_in_ms: u64,
    signer: Option<String>,
    trusted: bool,
    protocol: bool,
    custody: bool,
}

impl From<&BundleSummary> for BundleLine {
    fn from(bundle: &BundleSummary) -> Self {
        Self {
            id: bundle.id.to_string(),
            number: bundle.number,
            source: bundle.source.to_string(),
            destination: bundle.destination.to_string(),
            file_name: bundle.file_name.clone(),
            media_type: bundle.media_type.clone(),
            priority: bundle.priority.clone(),
            octets: bundle.octets,
            payload_octets: bundle.payload_octets,
            created: bundle.created_ms.and_then(time_of_dtn),
            received: bundle.received_ms.and_then(time_of_dtn),
            expires_in_ms: bundle.expires_in_ms,
            signer: bundle.signer.as_ref().map(ToString::to_string),
            trusted: bundle.trusted,
            protocol: bundle.protocol,
            custody: bundle.custody,
        }
    }
}

impl BundleLine {
    /// Whether this node answers for the bundle.
    pub(crate) fn is_in_custody(&self) -> bool {
        self.custody
    }

    /// What people read one below another: label and value.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let signature = match (&self.signer, self.trusted) {
            (Some(key), true) => format!("valid, by {key}, which is trusted for the source"),
            (Some(key), false) => format!("valid, by {key}, which is not trusted for the source"),
            (None, _) => "none that this node understands".to_owned(),
        };
        let mut facts = vec![
            ("id", self.id.clone()),
            ("from", self.source.clone()),
            ("to", self.destination.clone()),
            ("payload", size(self.payload_octets)),
            ("priority", self.priority.clone()),
            ("signature", signature),
            (
                "made",
                self.created
                    .clone()
                    .unwrap_or_else(|| "at an unknown time: its maker had no clock".to_owned()),
            ),
            ("expires", format!("in {}", span_ms(self.expires_in_ms))),
        ];
        let optional =
            [("name", &self.file_name), ("media type", &self.media_type), ("arrived", &self.received)];
        facts.extend(optional.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))));
        facts
    }
}

impl Row for BundleLine {
    const HEADINGS: &'static [&'static str] = &["ID", ">SIZE", ">EXPIRES", "PRIORITY", "FROM", "TO", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            size(self.payload_octets),
            format!("in {}", span_ms(self.expires_in_ms)),
            self.priority.clone(),
            self.source.clone(),
            self.destination.clone(),
            self.file_name.clone().unwrap_or_default(),
        ]
    }
}

/// RFC 3339 of a DTN time; nothing for 0, which says that its maker had no clock.
pub(crate) fn time_of_dtn(ms: u64) -> Option<String> {
    if ms == 0 { None } else { quantity::rfc3339(ms.checked_add(DTN_EPOCH_UNIX_MS)?) }
}

/// A span of milliseconds, for people.
pub(crate) fn span_ms(ms: u64) -> String {
    span(std::time::Duration::from_millis(ms))
}

/// Labels and values below each other.
pub(crate) fn lines(facts: &[(&'static str, String)]) -> String {
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    facts.iter().map(|(label, value)| format!("{label:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtn_time_begins_with_the_year_2000_and_zero_is_no_time() {
        assert_eq!(time_of_dtn(0), None);
        assert_eq!(time_of_dtn(1000).as_deref(), Some("2000-01-01T00:00:01Z"));
        assert_eq!(time_of_dtn(u64::MAX), None);
    }

    #[test]
    fn values_stand_below_each_other() {
        assert_eq!(lines(&[("id", "x".into()), ("source", "y".into())]), "id      x\nsource  y");
    }
}
