//! Processing control flags of bundles (RFC 9171 §4.2.3) and of blocks (§4.2.4). Unknown bits are kept and ignored.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

macro_rules! flags {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $flag:ident = $bits:expr;)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            $($(#[$doc])* pub const $flag: Self = Self($bits);)*

            /// No flag.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// All flags of a number from the wire, unknown ones included.
            pub const fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// The number on the wire.
            pub const fn bits(self) -> u64 {
                self.0
            }

            /// Whether all flags of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any flag of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// These flags without those of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($name), self.0)
            }
        }
    };
}

flags! {
    /// What holds for the bundle as a whole (§4.2.3).
    BundleFlags {
        /// The bundle is a fragment.
        IS_FRAGMENT = 0x01;
        /// The payload is an administrative record.
        ADMINISTRATIVE_RECORD = 0x02;
        /// The bundle must not be fragmented.
        MUST_NOT_FRAGMENT = 0x04;
        /// Acknowledgment by the user application is requested.
        ACKNOWLEDGMENT_REQUESTED = 0x20;
        /// Status reports are to say when.
        REPORT_STATUS_TIME = 0x40;
        /// Reception is to be reported.
        REPORT_RECEPTION = 0x4000;
        /// Forwarding is to be reported.
        REPORT_FORWARDING = 0x1_0000;
        /// Delivery is to be reported.
        REPORT_DELIVERY = 0x2_0000;
        /// Deletion is to be reported.
        REPORT_DELETION = 0x4_0000;
        /// Any status report is requested.
        REPORTS = 0x7_4000;
    }
}

flags! {
    /// What holds for one block (§4.2.4).
    BlockFlags {
        /// The block must be replicated in every fragment.
        REPLICATE = 0x01;
        /// A status report is to be sent if the block cannot be processed.
        REPORT_UNPROCESSABLE = 0x02;
        /// The bundle is to be deleted if the block cannot be processed.
        DELETE_BUNDLE_UNPROCESSABLE = 0x04;
        /// The block is to be discarded if it cannot be processed.
        DISCARD_UNPROCESSABLE = 0x10;
    }
}
