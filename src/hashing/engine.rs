//! The code that computes a hash, with the memory it works in.
//!
//! One engine belongs to one thread. A faster one takes this one's place here, behind the same two
//! functions.

use std::fmt;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Version};
use zeroize::Zeroizing;

use super::params::{HASH_BYTES, HashParams, SALT_BYTES};
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

/// Argon2id of the RustCrypto project, over blocks that live as long as the engine.
pub struct Engine {
    params: HashParams,
    argon2: Argon2<'static>,
    /// Written over by each hash; never freed or grown in between.
    blocks: Vec<Block>,
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
    pub fn new(params: HashParams) -> Result<Self, EngineError> {
        let count = params.inner().block_count();
        let mut blocks = Vec::new();
        blocks
            .try_reserve_exact(count)
            .map_err(|_| EngineError::OutOfMemory)?;
        blocks.resize(count, Block::new());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.inner().clone());
        Ok(Self {
            params,
            argon2,
            blocks,
        })
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
        self.argon2
            .hash_password_into_with_memory(password, salt, &mut *hash, &mut self.blocks)
            .map_err(|_| EngineError::Refused)?;
        self.params
            .phc(salt, &hash)
            .map(PasswordHash)
            .ok_or(EngineError::Refused)
    }

    /// The memory this engine keeps, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.blocks.len().saturating_mul(Block::SIZE)
    }
}

/// Hashes a second that `threads` engines reach with nothing around them: the yardstick for
/// everything built on top. Each works for at least `seconds` and finishes at least one hash.
///
/// # Errors
/// [`EngineError`] of the first engine that fails.
pub fn bare_rate(params: &HashParams, threads: usize, seconds: u32) -> Result<f64, EngineError> {
    let clock = Clock::system();
    let engines: Vec<_> = (0..threads)
        .map(|_| Engine::new(params.clone()))
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

    use super::{Engine, bare_rate};
    use crate::hashing::params::HashParams;

    fn engine() -> Engine {
        Engine::new(HashParams::new(64, 2, 1).unwrap()).unwrap()
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
        let (before, size) = (engine.blocks.as_ptr(), engine.memory_bytes());
        let first = engine.hash(b"one", &[1; 16]).unwrap();
        engine.hash(b"two", &[2; 16]).unwrap();
        let again = engine.hash(b"one", &[1; 16]).unwrap();
        assert_eq!(first.as_str(), again.as_str());
        assert_eq!(
            (engine.blocks.as_ptr(), engine.memory_bytes()),
            (before, size)
        );
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
        assert!(bare_rate(&params, 2, 0).unwrap() > 0.0);
    }
}
