//! Reason codes of status reports (RFC 9171 §9.5 table 1, RFC 9172 §11.2).

use std::fmt;

/// Why something happened to a bundle, as a status report says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReasonCode {
    /// 0
    NoAdditionalInformation,
    /// 1
    LifetimeExpired,
    /// 2
    ForwardedOverUnidirectionalLink,
    /// 3
    TransmissionCanceled,
    /// 4
    DepletedStorage,
    /// 5
    DestinationUnavailable,
    /// 6
    NoRoute,
    /// 7
    NoTimelyContact,
    /// 8
    BlockUnintelligible,
    /// 9
    HopLimitExceeded,
    /// 10
    TrafficPared,
    /// 11
    BlockUnsupported,
    /// 12
    MissingSecurityOperation,
    /// 13
    UnknownSecurityOperation,
    /// 14
    UnexpectedSecurityOperation,
    /// 15
    FailedSecurityOperation,
    /// 16
    ConflictingSecurityOperation,
    /// Any other code.
    Other(u64),
}

/// Every named code with its meaning, at the index that is its number.
const NAMED: [(ReasonCode, &str); 17] = [
    (ReasonCode::NoAdditionalInformation, "no additional information"),
    (ReasonCode::LifetimeExpired, "lifetime expired"),
    (ReasonCode::ForwardedOverUnidirectionalLink, "forwarded over unidirectional link"),
    (ReasonCode::TransmissionCanceled, "transmission canceled"),
    (ReasonCode::DepletedStorage, "depleted storage"),
    (ReasonCode::DestinationUnavailable, "destination endpoint ID unavailable"),
    (ReasonCode::NoRoute, "no known route to destination from here"),
    (ReasonCode::NoTimelyContact, "no timely contact with next node on route"),
    (ReasonCode::BlockUnintelligible, "block unintelligible"),
    (ReasonCode::HopLimitExceeded, "hop limit exceeded"),
    (ReasonCode::TrafficPared, "traffic pared"),
    (ReasonCode::BlockUnsupported, "block unsupported"),
    (ReasonCode::MissingSecurityOperation, "missing security operation"),
    (ReasonCode::UnknownSecurityOperation, "unknown security operation"),
    (ReasonCode::UnexpectedSecurityOperation, "unexpected security operation"),
    (ReasonCode::FailedSecurityOperation, "failed security operation"),
    (ReasonCode::ConflictingSecurityOperation, "conflicting security operation"),
];

impl ReasonCode {
    /// The code as it stands in a status report.
    pub fn code(self) -> u64 {
        match self {
            Self::Other(code) => code,
            named => {
                NAMED.iter().zip(0..).find(|((reason, _), _)| *reason == named).map_or(0, |(_, code)| code)
            }
        }
    }

    /// The reason that a code stands for.
    pub fn from_code(code: u64) -> Self {
        let named = usize::try_from(code).ok().and_then(|index| NAMED.get(index));
        named.map_or(Self::Other(code), |(reason, _)| *reason)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMED.iter().find(|(reason, _)| reason == self)) {
            (_, Some((_, name))) => f.write_str(name),
            (other, None) => write!(f, "reason {}", other.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_reasons_match_in_both_directions() {
        for code in (0..=20).chain([254, 255, u64::MAX]) {
            assert_eq!(ReasonCode::from_code(code).code(), code);
        }
        assert_eq!(ReasonCode::from_code(9), ReasonCode::HopLimitExceeded);
        assert_eq!(ReasonCode::ConflictingSecurityOperation.code(), 16);
        assert_eq!(ReasonCode::Other(40).to_string(), "reason 40");
    }
}
