//! Time and randomness: the only place that reads the wall clock or the operating system's random source.
//!
//! Everything else is handed a [`Clock`] and an [`Entropy`], so that a test can set the time and replay the bytes.
//! Taken: one cheap value type with a fixed variant. Refused: a trait, which would spread a type parameter through the
//! house for one implementation outside tests.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint protects"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Tells the time: the wall clock for what is stored or signed, the monotonic clock for limits and deadlines.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// When set, the wall clock stands at this many milliseconds since the Unix epoch until a test moves it.
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    #[must_use]
    pub fn fixed(start: Timestamp) -> Self {
        Self {
            fixed: Some(Arc::new(AtomicI64::new(start.as_millis()))),
        }
    }

    /// The wall-clock time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.fixed {
            Some(millis) => Timestamp::from_millis(millis.load(Ordering::Relaxed)),
            None => {
                let since_epoch = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// The monotonic time, for deadlines and durations; never stored.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Moves a fixed clock forward; a system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Some(millis) = &self.fixed {
            millis.fetch_add(
                i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
                Ordering::Relaxed,
            );
        }
    }
}

/// The operating system's random source, as the cryptographic library reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entropy;

/// The operating system gave no random bytes; nothing secret can be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;

impl Entropy {
    /// `N` random bytes.
    ///
    /// # Errors
    /// [`NoEntropy`] when the random source fails.
    pub fn bytes<const N: usize>(self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0_u8; N];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
        Ok(bytes)
    }
}

/// A moment in UTC, in whole milliseconds since 1970-01-01T00:00:00Z: what every table stores and every comparison uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT claims (RFC 7519, NumericDate).
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment and `by` later; stays at the far end instead of wrapping.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long this moment is after an earlier one; nothing when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// This moment and `by` earlier; stays at the far end instead of wrapping.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// RFC 3339 in whole seconds at the given offset from UTC in minutes (contract section 1: `+08:00` by default).
    #[must_use]
    pub fn to_rfc3339(self, offset_minutes: i16) -> String {
        let offset =
            UtcOffset::from_whole_seconds(i32::from(offset_minutes) * 60).unwrap_or(UtcOffset::UTC);
        OffsetDateTime::from_unix_timestamp(self.as_seconds())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(offset)
            .format(&Rfc3339)
            .unwrap_or_default()
    }

    /// Reads an RFC 3339 date and time; `None` when it is none.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let nanos = OffsetDateTime::parse(text, &Rfc3339)
            .ok()?
            .unix_timestamp_nanos();
        i64::try_from(nanos.div_euclid(1_000_000)).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_moment_reads_back_in_any_offset() {
        let moment = Timestamp::parse_rfc3339("2026-11-22T08:00:00Z").unwrap();
        assert_eq!(moment.to_rfc3339(480), "2026-11-22T16:00:00+08:00");
        assert_eq!(
            Timestamp::parse_rfc3339(&moment.to_rfc3339(-330)),
            Some(moment)
        );
        assert_eq!(Timestamp::parse_rfc3339("yesterday"), None);
    }
}
