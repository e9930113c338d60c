//! Row ids: integers of at most 53 bits, so that every JSON reader keeps them exactly.
//!
//! The application makes them: 41 bits of milliseconds since [`EPOCH_MILLIS`], then 12 random bits. They grow with time
//! without a shared sequence, so no tenant can count another's users; two replicas that draw the same id in the same
//! millisecond meet at the primary key, and the loser draws again.

use std::fmt;

/// 2024-01-01T00:00:00Z, from which ids count their milliseconds; 41 bits last until 2093.
pub const EPOCH_MILLIS: i64 = 1_704_067_200_000;

const RANDOM_BITS: u32 = 12;
const RANDOM_MASK: i64 = (1 << RANDOM_BITS) - 1;
const MAX_ID: i64 = (1 << 53) - 1;

/// Makes the number of a new row from the time (milliseconds since the Unix epoch) and random bits.
#[must_use]
pub fn new_row_id(now_millis: i64, random: u16) -> i64 {
    let millis = now_millis.saturating_sub(EPOCH_MILLIS).max(1);
    ((millis << RANDOM_BITS) | (i64::from(random) & RANDOM_MASK)) & MAX_ID
}

macro_rules! row_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number read from a database or made by [`new_row_id`].
            #[must_use]
            pub const fn from_i64(id: i64) -> Self {
                Self(id)
            }

            /// The number, as the database keeps it.
            #[must_use]
            pub const fn as_i64(self) -> i64 {
                self.0
            }

            /// Reads the decimal form used on the wire; `None` unless it is the plain form of a possible id.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let plain = (1..=16).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_digit())
                    && !text.starts_with('0');
                text.parse().ok().filter(|id| plain && *id <= MAX_ID).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id!(
    /// Names a tenant inside the house and in its database rows; the key is for people and never reused as a file name.
    TenantId
);
row_id!(
    /// Names a user of one tenant.
    UserId
);
row_id!(
    /// Names an invite code's row.
    InviteId
);
row_id!(
    /// Names an administrator of the platform.
    AdministratorId
);

#[cfg(test)]
mod tests {
    use super::{EPOCH_MILLIS, UserId, new_row_id};

    #[test]
    fn ids_grow_with_time_and_fit_53_bits() {
        let early = new_row_id(EPOCH_MILLIS + 5, u16::MAX);
        let late = new_row_id(EPOCH_MILLIS + 6, 0);
        assert!(early < late);
        assert!(new_row_id(i64::MAX, u16::MAX) < 1 << 53);
    }

    #[test]
    fn only_the_plain_decimal_form_is_an_id() {
        assert_eq!(UserId::parse("42"), Some(UserId::from_i64(42)));
        for odd in [
            "",
            "0",
            "042",
            "-1",
            "4 2",
            "42abc",
            "9007199254740992",
            "99999999999999999999",
        ] {
            assert_eq!(UserId::parse(odd), None, "{odd}");
        }
    }
}
