//! Why sessions are cancelled (RFC 5326 §3.2.4), and what that means to the agent.

use convergence_layer::RefusalReason;

/// A reason-code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// `USR_CNCLD`: the client service cancelled the session.
    ClientService,
    /// `UNREACH`: the client service cannot be reached.
    Unreachable,
    /// `RLEXC`: a segment was transmitted too often without an answer.
    RetransmissionLimit,
    /// `MISCOLORED`: red octets after green ones.
    Miscolored,
    /// `SYS_CNCLD`: a condition of the system.
    System,
    /// `RXMTCYCEXC`: too many rounds of retransmission.
    RetransmissionCycles,
    /// A code without a meaning.
    Reserved(u8),
}

impl CancelReason {
    /// The octet for it.
    pub fn code(self) -> u8 {
        match self {
            Self::ClientService => 0,
            Self::Unreachable => 1,
            Self::RetransmissionLimit => 2,
            Self::Miscolored => 3,
            Self::System => 4,
            Self::RetransmissionCycles => 5,
            Self::Reserved(code) => code,
        }
    }

    /// What an octet means.
    pub fn from_code(code: u8) -> Self {
        match code {
            0 => Self::ClientService,
            1 => Self::Unreachable,
            2 => Self::RetransmissionLimit,
            3 => Self::Miscolored,
            4 => Self::System,
            5 => Self::RetransmissionCycles,
            other => Self::Reserved(other),
        }
    }
}

impl From<RefusalReason> for CancelReason {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::Unknown | RefusalReason::Completed => Self::ClientService,
            RefusalReason::NoResources | RefusalReason::SessionTerminating => Self::System,
            RefusalReason::Retransmit => Self::RetransmissionLimit,
            RefusalReason::NotAcceptable | RefusalReason::ExtensionFailure => Self::Unreachable,
        }
    }
}

impl From<CancelReason> for RefusalReason {
    fn from(reason: CancelReason) -> Self {
        match reason {
            CancelReason::ClientService | CancelReason::Reserved(_) => Self::Unknown,
            CancelReason::Unreachable => Self::NotAcceptable,
            CancelReason::System => Self::NoResources,
            CancelReason::RetransmissionLimit
            | CancelReason::Miscolored
            | CancelReason::RetransmissionCycles => Self::Retransmit,
        }
    }
}
