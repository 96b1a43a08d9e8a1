//! Reason codes as they stand on the wire, and what they mean (RFC 9174 §8.6 to §8.8).
//!
//! A code that we do not know is not an error: it is read as "Unknown" (§5.2.4, §6.1).

use convergence_layer::{CloseReason, RefusalReason};

/// The octet for a reason to refuse a transfer (RFC 9174 table 6).
pub fn refusal_code(reason: RefusalReason) -> u8 {
    match reason {
        RefusalReason::Unknown => 0x00,
        RefusalReason::Completed => 0x01,
        RefusalReason::NoResources => 0x02,
        RefusalReason::Retransmit => 0x03,
        RefusalReason::NotAcceptable => 0x04,
        RefusalReason::ExtensionFailure => 0x05,
        RefusalReason::SessionTerminating => 0x06,
    }
}

/// What an octet of `XFER_REFUSE` means; `Unknown` for a code without a meaning (RFC 9174 §5.2.4).
pub fn refusal_reason(code: u8) -> RefusalReason {
    match code {
        0x01 => RefusalReason::Completed,
        0x02 => RefusalReason::NoResources,
        0x03 => RefusalReason::Retransmit,
        0x04 => RefusalReason::NotAcceptable,
        0x05 => RefusalReason::ExtensionFailure,
        0x06 => RefusalReason::SessionTerminating,
        _ => RefusalReason::Unknown,
    }
}

/// Why a session ends (RFC 9174 table 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationReason {
    /// No reason is available.
    Unknown,
    /// The session was idle.
    IdleTimeout,
    /// The version of the protocol is not one that the node speaks.
    VersionMismatch,
    /// The node is too busy for this session.
    Busy,
    /// A contact header or `SESS_INIT` could not be read or agreed upon.
    ContactFailure,
    /// A resource has run out.
    ResourceExhaustion,
}

impl TerminationReason {
    /// The octet for it.
    pub fn code(self) -> u8 {
        match self {
            Self::Unknown => 0x00,
            Self::IdleTimeout => 0x01,
            Self::VersionMismatch => 0x02,
            Self::Busy => 0x03,
            Self::ContactFailure => 0x04,
            Self::ResourceExhaustion => 0x05,
        }
    }

    /// What an octet of `SESS_TERM` means; `Unknown` for a code without a meaning (RFC 9174 §6.1).
    pub fn from_code(code: u8) -> Self {
        match code {
            0x01 => Self::IdleTimeout,
            0x02 => Self::VersionMismatch,
            0x03 => Self::Busy,
            0x04 => Self::ContactFailure,
            0x05 => Self::ResourceExhaustion,
            _ => Self::Unknown,
        }
    }

    /// In words, for the log and for `status`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "no reason given",
            Self::IdleTimeout => "idle timeout",
            Self::VersionMismatch => "version mismatch",
            Self::Busy => "busy",
            Self::ContactFailure => "contact failure",
            Self::ResourceExhaustion => "resource exhaustion",
        }
    }
}

impl From<CloseReason> for TerminationReason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Unknown => Self::Unknown,
            CloseReason::IdleTimeout => Self::IdleTimeout,
            CloseReason::Busy => Self::Busy,
            CloseReason::ResourceExhaustion => Self::ResourceExhaustion,
            CloseReason::ContactFailure => Self::ContactFailure,
        }
    }
}

/// Why a message is rejected (RFC 9174 table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionReason {
    /// The type of the message is unknown.
    TypeUnknown,
    /// The message does not fit the parameters of the session.
    Unsupported,
    /// The message does not fit the state of the session.
    Unexpected,
}

impl RejectionReason {
    /// The octet for it.
    pub fn code(self) -> u8 {
        match self {
            Self::TypeUnknown => 0x01,
            Self::Unsupported => 0x02,
            Self::Unexpected => 0x03,
        }
    }
}
