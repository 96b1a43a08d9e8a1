//! What a neighbor does after which a session is not worth going on with (RFC 9174 §5.1.2), and how it is ended.

use crate::decoding::Malformed;
use crate::message::Message;
use crate::reason::{RejectionReason, TerminationReason};
use crate::session::Session;

/// Something that the neighbor must not do and after which the session is not worth going on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rejection: RejectionReason,
    /// The type of the message that is rejected.
    pub(crate) header: u8,
    pub(crate) termination: TerminationReason,
    pub(crate) words: &'static str,
}

impl Violation {
    /// A message that does not fit the state of the session (§5.1.2).
    pub(crate) fn unexpected(header: u8, words: &'static str) -> Self {
        let termination = TerminationReason::Unknown;
        Self { rejection: RejectionReason::Unexpected, header, termination, words }
    }
}

impl Session {
    pub(crate) fn fail_malformed(&mut self, malformed: Malformed) {
        match malformed {
            // §5.1.2, §8.5: nothing but MSG_REJECT and a close is possible, not even a SESS_TERM.
            Malformed::MessageType(header) => {
                let reason = RejectionReason::TypeUnknown.code();
                self.out.outbox.push(&Message::Reject { reason, header });
            }
            Malformed::ExtensionsTooLong { header, .. } => {
                let reason = RejectionReason::Unsupported.code();
                self.out.outbox.push(&Message::Reject { reason, header });
                self.send_term(TerminationReason::ResourceExhaustion);
            }
            Malformed::NodeId | Malformed::Magic => self.send_term(TerminationReason::ContactFailure),
        }
        self.end(malformed.to_string());
    }

    pub(crate) fn fail(&mut self, violation: &Violation) {
        let reason = violation.rejection.code();
        self.out.outbox.push(&Message::Reject { reason, header: violation.header });
        self.send_term(violation.termination);
        self.end(violation.words.to_owned());
    }
}
