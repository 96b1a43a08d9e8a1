//! The messages of the local socket, as JSON writes them (`docs/local-api.md`).

use agent_core::request::Report;
use bundle_format::{BundleId, Eid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::as_text;
use super::call::{Call, Reply};
use super::report::Delivery;

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;

/// What the server says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The protocol's version.
    pub(crate) packmule: u32,
    /// The node.
    #[serde(with = "as_text")]
    pub(crate) node: Eid,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Something small. Answered with [`Word::Reply`].
    Call(Call),
    /// Transmit the body that follows. Answered with [`Word::Sent`].
    Send {
        /// What and where to.
        order: WireOrder,
        /// The body's length, where it is known.
        length: Option<u64>,
    },
    /// Take in the bundle whose octets follow. Answered with [`Word::Imported`].
    Import {
        /// The node that wrote it there.
        #[serde(with = "as_text::option")]
        from: Option<Eid>,
        /// How long it lay there.
        dormant_ms: u64,
        /// What the file or drive is called, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        way: String,
    },
    /// Send a bundle's octets. Answered with [`Word::Body`] and a body.
    Read {
        /// Which.
        #[serde(with = "as_text")]
        id: BundleId,
        /// Which of its octets.
        part: Part,
        /// The volume onto which it goes.
        #[serde(with = "as_text::option", default, skip_serializing_if = "Option::is_none")]
        onto: Option<Eid>,
    },
    /// A signed bundle that lists everything held here. Answered with [`Word::Body`] and a body.
    Inventory,
    /// The next bundle that waits at an endpoint. Answered with [`Word::Delivery`] or [`Failure::TimedOut`].
    Next {
        /// Where.
        #[serde(with = "as_text")]
        endpoint: Eid,
        /// How long to wait for one; without end where absent.
        timeout_ms: Option<u64>,
    },
    /// A delivery has found its place for good. Answered with [`Word::Reply`].
    Consume {
        /// Where it waited.
        #[serde(with = "as_text")]
        endpoint: Eid,
        /// Which.
        number: u64,
    },
    /// Wait for what becomes of a bundle. Answered with [`Word::Became`] or [`Failure::TimedOut`].
    Wait {
        /// Which.
        #[serde(with = "as_text")]
        id: BundleId,
        /// For what.
        until: Until,
        /// How long; without end where absent.
        timeout_ms: Option<u64>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// To a call.
    Reply(Reply),
    /// The bundle is durable.
    Sent(Sent),
    /// What came of an import.
    Imported(Imported),
    /// A body of so many octets follows.
    Body {
        /// How many.
        octets: u64,
    },
    /// A bundle for the application.
    Delivery(Box<Delivery>),
    /// It came about.
    Became {
        /// Who took it, or reported it.
        #[serde(with = "as_text::option")]
        by: Option<Eid>,
    },
    /// It did not work.
    Failed(Failure),
}

/// An application's wish to transmit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireOrder {
    #[serde(with = "as_text")]
    pub(crate) destination: Eid,
    pub(crate) source_demux: String,
    pub(crate) lifetime_ms: u64,
    pub(crate) file_name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) priority: String,
    #[serde(default)]
    pub(crate) report: WireReport,
    #[serde(default = "is_wanted")]
    pub(crate) custody: bool,
}

/// Which reports are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireReport {
    #[default]
    Nothing,
    Delivery,
    Way,
}

impl From<Report> for WireReport {
    fn from(report: Report) -> Self {
        match report {
            Report::Nothing => Self::Nothing,
            Report::Delivery => Self::Delivery,
            Report::Way => Self::Way,
        }
    }
}

impl From<WireReport> for Report {
    fn from(report: WireReport) -> Self {
        match report {
            WireReport::Nothing => Self::Nothing,
            WireReport::Delivery => Self::Delivery,
            WireReport::Way => Self::Way,
        }
    }
}

/// Custody is on unless somebody says otherwise.
fn is_wanted() -> bool {
    true
}

/// Which octets of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its payload.
    Payload,
    /// All of it, as it was received or made.
    Bundle,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Some other node or volume has it.
    Carried,
    /// Its destination reported delivery.
    Delivered,
}

/// A bundle that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    #[serde(with = "as_text")]
    pub id: BundleId,
    /// Octets of its payload.
    pub octets: u64,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// It is in the store, durably.
    Taken {
        /// Its id.
        #[serde(with = "as_text")]
        id: BundleId,
    },
    /// It was in the store before.
    Already {
        /// Its id.
        #[serde(with = "as_text")]
        id: BundleId,
    },
    /// Policy does not let it in.
    Refused {
        /// In a word: `stranger`, `unsigned`, `bad_signature`, `expired`, `quota`, `store_full`, ...
        kind: String,
        /// In a sentence.
        reason: String,
    },
    /// It is no bundle.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    #[error("there is no such thing")]
    NotFound,
    #[error("several bundles begin so")]
    Ambiguous {
        #[serde(with = "as_text::list")]
        candidates: Vec<BundleId>,
    },
    #[error("{reason}")]
    Refused { kind: String, reason: String },
    #[error("the store is full")]
    StoreFull,
    #[error("the time is up")]
    TimedOut,
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Store(String),
    #[error("the agent is stopping")]
    Stopping,
    #[error("{0}")]
    Aborted(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn messages_are_written_as_documented() {
        let id = BundleId::from_bytes([0; 16]);
        let zero = "a".repeat(26);
        let node: Eid = "dtn://hub/".parse().unwrap();
        let endpoint: Eid = "dtn://hub/inbox".parse().unwrap();
        let wishes = [
            (Wish::Call(Call::Id), r#"{"call":"id"}"#.to_owned()),
            (
                Wish::Call(Call::List { after: None, limit: 5, all: false }),
                r#"{"call":{"list":{"after":null,"limit":5,"all":false}}}"#.to_owned(),
            ),
            (
                Wish::Read { id, part: Part::Payload, onto: None },
                format!(r#"{{"read":{{"id":"{zero}","part":"payload"}}}}"#),
            ),
            (Wish::Inventory, r#""inventory""#.to_owned()),
            (
                Wish::Next { endpoint, timeout_ms: Some(1000) },
                r#"{"next":{"endpoint":"dtn://hub/inbox","timeout_ms":1000}}"#.to_owned(),
            ),
            (
                Wish::Wait { id, until: Until::Delivered, timeout_ms: None },
                format!(r#"{{"wait":{{"id":"{zero}","until":"delivered","timeout_ms":null}}}}"#),
            ),
        ];
        for (wish, text) in wishes {
            assert_eq!(written(&wish), text);
            assert_eq!(serde_json::from_str::<Wish>(&text).unwrap(), wish);
        }
        let words = [
            (Word::Reply(Reply::Done { changed: true }), r#"{"reply":{"done":{"changed":true}}}"#.to_owned()),
            (Word::Sent(Sent { id, octets: 7 }), format!(r#"{{"sent":{{"id":"{zero}","octets":7}}}}"#)),
            (
                Word::Imported(Imported::Taken { id }),
                format!(r#"{{"imported":{{"taken":{{"id":"{zero}"}}}}}}"#),
            ),
            (Word::Became { by: Some(node) }, r#"{"became":{"by":"dtn://hub/"}}"#.to_owned()),
            (Word::Failed(Failure::NotFound), r#"{"failed":"not_found"}"#.to_owned()),
            (Word::Failed(Failure::Usage("why".to_owned())), r#"{"failed":{"usage":"why"}}"#.to_owned()),
        ];
        for (word, text) in words {
            assert_eq!(written(&word), text);
            assert_eq!(serde_json::from_str::<Word>(&text).unwrap(), word);
        }
    }

    #[test]
    fn fields_of_later_versions_are_passed_over_and_unknown_questions_are_not() {
        let later = r#"{"import":{"from":null,"dormant_ms":0,"colour":"red"}}"#;
        assert_eq!(
            serde_json::from_str::<Wish>(later).unwrap(),
            Wish::Import { from: None, dormant_ms: 0, way: String::new() }
        );
        for text in [r#"{"sing":{}}"#, "7", r#"{"read":{"id":"x","part":"payload"}}"#, &"[".repeat(100_000)] {
            assert!(serde_json::from_str::<Wish>(text).is_err());
        }
    }
}
