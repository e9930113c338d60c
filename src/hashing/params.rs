//! The cost of a hash, and how it stands in the stored string.

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Params, Version};

/// Bytes of a hash, the usual length for Argon2id (RFC 9106, section 4).
pub(super) const HASH_BYTES: usize = 32;

/// Bytes of a salt (RFC 9106, section 4).
pub(super) const SALT_BYTES: usize = 16;

/// The weakest parameters that OWASP's password storage cheat sheet calls equal: (iterations, KiB).
/// More iterations than the last row's do not lower the memory any further.
const FLOOR: [(u32, u32); 5] = [
    (1, 47_104),
    (2, 19_456),
    (3, 12_288),
    (4, 9_216),
    (5, 7_168),
];

/// What one Argon2id hash costs (RFC 9106, section 3.1). Always a combination that Argon2 allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashParams {
    inner: Params,
}

/// Argon2 allows no such parameters.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadParams(argon2::Error);

impl HashParams {
    /// `memory_kib` KiB of memory, gone over `iterations` times, in `lanes` lanes. The lanes of a
    /// hash are computed one after the other on one thread.
    ///
    /// # Errors
    /// [`BadParams`] when a number is zero or the memory is less than 8 KiB a lane.
    pub fn new(memory_kib: u32, iterations: u32, lanes: u32) -> Result<Self, BadParams> {
        let inner =
            Params::new(memory_kib, iterations, lanes, Some(HASH_BYTES)).map_err(BadParams)?;
        Ok(Self { inner })
    }

    /// Whether these parameters are at least as strong as OWASP's minimum.
    #[must_use]
    pub fn meet_the_floor(&self) -> bool {
        FLOOR.iter().any(|(iterations, memory_kib)| {
            self.inner.t_cost() >= *iterations && self.inner.m_cost() >= *memory_kib
        })
    }

    /// The parameters as the `argon2` crate takes them.
    pub(super) fn inner(&self) -> &Params {
        &self.inner
    }

    /// Whether a stored hash was made with these parameters.
    pub(super) fn made(&self, stored: &StoredHash) -> bool {
        let (ours, theirs) = (&self.inner, &stored.params);
        ours.m_cost() == theirs.m_cost()
            && ours.t_cost() == theirs.t_cost()
            && ours.p_cost() == theirs.p_cost()
            && stored.hash.len() == HASH_BYTES
    }

    /// How many times the work of these parameters a stored hash takes, rounded up.
    pub(super) fn times(&self, stored: &StoredHash) -> u64 {
        let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        work(&stored.params)
            .div_ceil(work(&self.inner).max(1))
            .max(1)
    }

    /// Whether this stored string was made with these parameters.
    pub(super) fn made_string(&self, stored: &str) -> bool {
        StoredHash::parse(stored).is_some_and(|stored| self.made(&stored))
    }

    /// The PHC string of a hash made with these parameters; `None` if it would not fit the format,
    /// which does not happen with a salt and a hash of our lengths.
    pub(super) fn phc(&self, salt: &[u8; SALT_BYTES], hash: &[u8; HASH_BYTES]) -> Option<String> {
        let phc = argon2::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(version()),
            params: ParamsString::try_from(&self.inner).ok()?,
            salt: Some(Salt::new(salt).ok()?),
            hash: Some(Output::new(hash).ok()?),
        };
        Some(phc.to_string())
    }
}

/// A stored hash, taken apart.
pub(super) struct StoredHash {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// The dearest stored hash that is still computed, in KiB of memory and in iterations: a row from elsewhere must not take
/// the machine.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_ITERATIONS: u32 = 64;

impl StoredHash {
    /// Reads a PHC string; `None` unless it is Argon2id of the current version, whole, and of bearable cost.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let phc = argon2::PasswordHash::new(text).ok()?;
        let params = Params::try_from(&phc).ok()?;
        let bearable = params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_ITERATIONS;
        let ours = phc.algorithm == ARGON2ID_IDENT && phc.version == Some(version());
        (bearable && ours).then_some(())?;
        Some(Self {
            params,
            salt: phc.salt?.to_vec(),
            hash: phc.hash?.as_bytes().to_vec(),
        })
    }
}

fn version() -> u32 {
    Version::V0x13.into()
}

#[cfg(test)]
mod tests {
    use super::HashParams;

    #[test]
    fn the_stored_string_tells_the_parameters() {
        let params = HashParams::new(64, 3, 2).unwrap();
        let phc = params.phc(&[7; 16], &[9; 32]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=64,t=3,p=2$"), "{phc}");
    }

    #[test]
    fn the_floor_trades_memory_for_iterations() {
        let met = |memory_kib, iterations| {
            HashParams::new(memory_kib, iterations, 1)
                .unwrap()
                .meet_the_floor()
        };
        for (memory_kib, iterations) in [
            (47_104, 1),
            (19_456, 2),
            (12_288, 3),
            (9_216, 4),
            (7_168, 5),
            (7_168, 50),
        ] {
            assert!(met(memory_kib, iterations));
            assert!(!met(memory_kib - 1, iterations));
        }
        assert!(!met(19_456, 1));
    }

    #[test]
    fn impossible_parameters_are_refused() {
        for (memory_kib, iterations, lanes) in [(7, 1, 1), (8, 0, 1), (8, 1, 0), (15, 1, 2)] {
            assert!(HashParams::new(memory_kib, iterations, lanes).is_err());
        }
    }
}
