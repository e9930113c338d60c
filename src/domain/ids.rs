//! Row ids: integers of at most 53 bits, so that every JSON reader keeps them exactly.
//!
//! The application makes them: 41 bits of milliseconds since [`EPOCH_MILLIS`], then 12 random bits. They grow with time
//! without a shared sequence, so no tenant can count another's users. One process never draws an id twice for the same
//! rows; two replicas that draw the same id in the same millisecond meet at the primary key, and the loser draws again.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

/// 2024-01-01T00:00:00Z, from which ids count their milliseconds; 41 bits last until 2093.
pub const EPOCH_MILLIS: i64 = 1_704_067_200_000;

const RANDOM_BITS: u32 = 12;
const RANDOM_MASK: i64 = (1 << RANDOM_BITS) - 1;
const MAX_ID: i64 = (1 << 53) - 1;

/// Draws the numbers of new rows, each greater than the one before, so that many rows of one moment (a batch of invite
/// codes) do not meet.
#[derive(Debug, Default)]
pub struct RowIds {
    last: AtomicI64,
}

impl RowIds {
    /// A number for a row made now (milliseconds since the Unix epoch), from random bits.
    pub fn draw(&self, now_millis: i64, random: u16) -> i64 {
        let millis = now_millis.saturating_sub(EPOCH_MILLIS).max(1);
        let drawn = ((millis << RANDOM_BITS) | (i64::from(random) & RANDOM_MASK)) & MAX_ID;
        let after = |last: i64| drawn.max(last + 1);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(after(last))
            });
        // The update above never declines, so both arms hold the number before it.
        after(last.unwrap_or_else(|last| last))
    }
}

macro_rules! row_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number read from a database or drawn from [`RowIds`].
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
row_id!(
    /// Names a line of the audit.
    AuditEntryId
);

/// Names a session: one login of one user, and every token that descends from it. Random, so that it tells nothing and
/// is never drawn twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// From 128 random bits.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the 32 lower-case hexadecimal digits that [`fmt::Display`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| plain)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{EPOCH_MILLIS, RowIds, UserId};

    #[test]
    fn ids_grow_with_time_and_fit_53_bits() {
        let ids = RowIds::default();
        let early = ids.draw(EPOCH_MILLIS + 5, u16::MAX);
        let late = ids.draw(EPOCH_MILLIS + 6, 0);
        assert!(early < late);
        assert!(ids.draw(i64::MAX, 7) < 1 << 53);
    }

    #[test]
    fn one_process_draws_no_id_twice_in_one_moment() {
        let ids = RowIds::default();
        let drawn: Vec<i64> = (0..10_000)
            .map(|_| ids.draw(EPOCH_MILLIS + 5, 77))
            .collect();
        assert!(drawn.is_sorted_by(|one, next| one < next));
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
