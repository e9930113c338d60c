//! The code that computes a hash, with the memory it works in.
//!
//! One engine belongs to one thread; which code computes is [`super::kernel`]'s affair.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use super::bcrypt::BcryptHash;
use super::kernel::{EngineKind, Kernel};
use super::params::{HASH_BYTES, HashParams, SALT_BYTES, StoredHash};
use crate::clock::Clock;

/// A finished hash as a PHC string: parameters, salt and hash in one. It shows itself to nobody.
pub struct PasswordHash(String);

impl PasswordHash {
    /// The PHC string, as a database keeps it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// What a password is to a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// The password.
    Right,
    /// The password, but the hash was made with other parameters than today's, or by bcrypt.
    Outdated,
    /// Another password, or there is no hash.
    Wrong,
}

/// Argon2id with one set of parameters, in memory that lives as long as the engine.
pub struct Engine {
    params: HashParams,
    kernel: Kernel,
}

/// An engine has no memory, or could not hash.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine has not enough memory for one hash with these parameters.
    #[error("no memory for the blocks of a hash")]
    OutOfMemory,
    /// The algorithm refused its input: a password of 4 GiB or more.
    #[error("the password cannot be hashed")]
    Refused,
}

impl Engine {
    /// Takes the memory for one hash at a time, and touches all of it.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`].
    pub fn new(kind: EngineKind, params: HashParams) -> Result<Self, EngineError> {
        let kernel = Kernel::new(kind, params.inner())?;
        Ok(Self { params, kernel })
    }

    /// Hashes one password. The same input gives the same string.
    ///
    /// # Errors
    /// [`EngineError::Refused`].
    pub fn hash(
        &mut self,
        password: &[u8],
        salt: &[u8; SALT_BYTES],
    ) -> Result<PasswordHash, EngineError> {
        let mut hash = Zeroizing::new([0_u8; HASH_BYTES]);
        self.kernel
            .fill(self.params.inner(), password, salt, &mut *hash)?;
        self.params
            .phc(salt, &hash)
            .map(PasswordHash)
            .ok_or(EngineError::Refused)
    }

    /// Holds a password against a stored hash. `None` stands for an account without one: the work is the same, so that
    /// its time tells nothing.
    ///
    /// # Errors
    /// [`EngineError::Refused`] for a stored string that is neither an Argon2id nor a bcrypt hash of bearable cost, and for
    /// what [`Engine::hash`] refuses.
    pub fn verify(
        &mut self,
        password: &[u8],
        stored: Option<&str>,
    ) -> Result<Verified, EngineError> {
        let Some(stored) = stored else {
            self.hash(password, &[0; SALT_BYTES])?;
            return Ok(Verified::Wrong);
        };
        if let Some(imported) = BcryptHash::parse(stored) {
            let right = imported.is_of(password);
            return Ok(if right {
                Verified::Outdated
            } else {
                Verified::Wrong
            });
        }
        let stored = StoredHash::parse(stored).ok_or(EngineError::Refused)?;
        let mut hash = Zeroizing::new(vec![0_u8; stored.hash.len()]);
        self.kernel
            .fill(&stored.params, password, &stored.salt, &mut hash)?;
        Ok(match verify_slices_are_equal(&hash, &stored.hash) {
            Err(_) => Verified::Wrong,
            Ok(()) if self.params.made(&stored) => Verified::Right,
            Ok(()) => Verified::Outdated,
        })
    }

    /// The memory this engine keeps, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.kernel.memory_bytes()
    }
}

/// Whether a stored hash is one that a password can be held against.
#[must_use]
pub fn opens(stored: &str) -> bool {
    BcryptHash::parse(stored).is_some() || StoredHash::parse(stored).is_some()
}

/// Hashes a second that `threads` engines reach with nothing around them: the yardstick for
/// everything built on top. Each works for at least `seconds` and finishes at least one hash.
///
/// # Errors
/// [`EngineError`] of the first engine that fails.
pub fn bare_rate(
    kind: EngineKind,
    params: &HashParams,
    threads: usize,
    seconds: u32,
) -> Result<f64, EngineError> {
    let clock = Clock::system();
    let engines: Vec<_> = (0..threads)
        .map(|_| Engine::new(kind, params.clone()))
        .collect::<Result<_, _>>()?;
    std::thread::scope(|scope| {
        let clock = &clock;
        let work = |mut engine: Engine| {
            scope
                .spawn(move || rate_of_one(&mut engine, clock, Duration::from_secs(seconds.into())))
        };
        let workers: Vec<_> = engines.into_iter().map(work).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(Err(EngineError::Refused)))
            .sum()
    })
}

/// How long one hash takes, at best of three.
///
/// # Errors
/// [`EngineError`] of the engine.
pub fn time_of_one(kind: EngineKind, params: &HashParams) -> Result<Duration, EngineError> {
    let clock = Clock::system();
    let mut engine = Engine::new(kind, params.clone())?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = clock.monotonic();
        engine.hash(b"correct horse battery staple", &[0; SALT_BYTES])?;
        best = best.min(clock.monotonic().saturating_duration_since(start));
    }
    Ok(best)
}

fn rate_of_one(engine: &mut Engine, clock: &Clock, time: Duration) -> Result<f64, EngineError> {
    let start = clock.monotonic();
    let mut hashes = 0_u32;
    loop {
        engine.hash(b"correct horse battery staple", &[0; SALT_BYTES])?;
        hashes = hashes.saturating_add(1);
        let elapsed = clock.monotonic().saturating_duration_since(start);
        if elapsed >= time {
            return Ok(f64::from(hashes) / elapsed.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, PasswordVerifier};

    use super::{Engine, EngineKind, Verified, bare_rate};
    use crate::hashing::params::HashParams;

    const KIND: EngineKind = EngineKind::Fast;

    fn engine() -> Engine {
        Engine::new(KIND, HashParams::new(64, 2, 1).unwrap()).unwrap()
    }

    #[test]
    fn a_password_opens_its_own_hash_alone() {
        let mut engine = Engine::new(KIND, HashParams::new(64, 2, 1).unwrap()).unwrap();
        let hash = engine.hash(b"right", &[7; 16]).unwrap();
        let stored = Some(hash.as_str());
        assert_eq!(engine.verify(b"right", stored).unwrap(), Verified::Right);
        assert_eq!(engine.verify(b"wrong", stored).unwrap(), Verified::Wrong);
        assert_eq!(engine.verify(b"right", None).unwrap(), Verified::Wrong);
        assert_eq!(engine.verify(b"", None).unwrap(), Verified::Wrong);
    }

    #[test]
    fn a_hash_of_other_parameters_opens_and_is_outdated() {
        for (memory_kib, iterations) in [(64, 2), (32, 2), (128, 1), (64, 3)] {
            let mut other = Engine::new(
                EngineKind::Reference,
                HashParams::new(memory_kib, iterations, 1).unwrap(),
            )
            .unwrap();
            let hash = other.hash(b"right", &[7; 16]).unwrap();
            let mut engine = Engine::new(KIND, HashParams::new(64, 2, 1).unwrap()).unwrap();
            let expected = if (memory_kib, iterations) == (64, 2) {
                Verified::Right
            } else {
                Verified::Outdated
            };
            assert_eq!(
                engine.verify(b"right", Some(hash.as_str())).unwrap(),
                expected
            );
            assert_eq!(
                engine.verify(b"wrong", Some(hash.as_str())).unwrap(),
                Verified::Wrong
            );
        }
    }

    #[test]
    fn what_is_no_hash_of_ours_is_refused() {
        let mut engine = Engine::new(KIND, HashParams::new(64, 2, 1).unwrap()).unwrap();
        for stored in [
            "",
            "plain",
            "$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
            "$2y$15$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$argon2i$v=19$m=64,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            "$argon2id$v=19$m=4194304,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
            "$argon2id$v=19$m=64,t=1000000,p=1$BwcHBwcHBwcHBwcHBwcHBw$BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        ] {
            assert!(engine.verify(b"right", Some(stored)).is_err(), "{stored}");
            assert!(!super::opens(stored), "{stored}");
        }
    }

    #[test]
    fn a_hash_by_bcrypt_opens_and_is_outdated() {
        let stored = "$2y$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        assert!(super::opens(stored));
        assert_eq!(
            engine().verify(b"a", Some(stored)).unwrap(),
            Verified::Outdated
        );
        assert_eq!(
            engine().verify(b"b", Some(stored)).unwrap(),
            Verified::Wrong
        );
    }

    #[test]
    fn a_stored_hash_opens_with_its_password_alone() {
        let hash = engine().hash("pässword 密码".as_bytes(), &[3; 16]).unwrap();
        let verify =
            |password: &str| Argon2::default().verify_password(password.as_bytes(), hash.as_str());
        assert!(verify("pässword 密码").is_ok());
        assert!(verify("pässword 密").is_err());
    }

    #[test]
    fn hashes_share_one_block_of_memory_and_leave_no_trace_in_each_other() {
        let mut engine = engine();
        let size = engine.memory_bytes();
        let first = engine.hash(b"one", &[1; 16]).unwrap();
        engine.hash(b"two", &[2; 16]).unwrap();
        let again = engine.hash(b"one", &[1; 16]).unwrap();
        assert_eq!(first.as_str(), again.as_str());
        assert_eq!(engine.memory_bytes(), size);
        assert_eq!(size, 64 * 1024);
    }

    #[test]
    fn a_hash_shows_itself_to_nobody() {
        let hash = engine().hash(b"one", &[1; 16]).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash([redacted])");
    }

    #[test]
    fn two_threads_hash_at_a_rate() {
        let params = HashParams::new(64, 1, 1).unwrap();
        assert!(bare_rate(KIND, &params, 2, 0).unwrap() > 0.0);
    }
}
