//! The two codes that compute Argon2id, behind one face: the fast one, and the reference it is checked against.
//!
//! The fast one picks vector instructions at run time and so is the more likely to be wrong on a machine nobody tried. It
//! is therefore held against the reference at each start ([`agree`]), on vectors of RFC 9106 and on random inputs.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_rust::params::{Memory, TagLen};
use argon2_rust::{Argon2 as FastArgon2, Hasher};

use super::engine::EngineError;

/// Which code computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Crate `argon2-rust`: AVX-512, AVX2, SSE2 or NEON, whatever the machine has.
    Fast,
    /// Crate `argon2` of the RustCrypto project: portable.
    Reference,
    /// The same through its plain interface, which takes fresh memory for each hash: what a server does that thinks no
    /// further. For comparison.
    ReferencePlain,
}

impl EngineKind {
    /// The name in settings, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Reference => "reference",
            Self::ReferencePlain => "reference-plain",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A code with the memory it works in, which lives as long as it does.
pub(super) enum Kernel {
    Fast(Box<Hasher>),
    /// Written over by each hash; never freed or grown in between.
    Reference(Vec<Block>),
    /// Keeps nothing.
    ReferencePlain,
}

impl Kernel {
    /// Takes the memory for one hash with these parameters, and touches all of it.
    pub(super) fn new(kind: EngineKind, params: &Params) -> Result<Self, EngineError> {
        match kind {
            EngineKind::Fast => {
                let mut hasher = fast(params)?.hasher();
                hasher.reserve().map_err(|_| EngineError::OutOfMemory)?;
                Ok(Self::Fast(Box::new(hasher)))
            }
            EngineKind::Reference => Ok(Self::Reference(blocks(params.block_count())?)),
            EngineKind::ReferencePlain => Ok(Self::ReferencePlain),
        }
    }

    /// Computes a hash. With parameters that need more memory than the kernel keeps, it takes that for the one time.
    pub(super) fn fill(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        hash: &mut [u8],
    ) -> Result<(), EngineError> {
        match self {
            Self::Fast(hasher) => fill_fast(hasher, params, password, salt, hash),
            Self::ReferencePlain => reference(params)
                .hash_password_into(password, salt, hash)
                .map_err(|_| EngineError::Refused),
            Self::Reference(kept) => {
                let count = params.block_count();
                let mut larger;
                let blocks = match kept.get_mut(..count) {
                    Some(kept) => kept,
                    None => {
                        larger = blocks(count)?;
                        larger.as_mut_slice()
                    }
                };
                reference(params)
                    .hash_password_into_with_memory(password, salt, hash, blocks)
                    .map_err(|_| EngineError::Refused)
            }
        }
    }

    /// The memory this kernel keeps, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Fast(hasher) => hasher.reserved_blocks().saturating_mul(Block::SIZE),
            Self::Reference(blocks) => blocks.len().saturating_mul(Block::SIZE),
            Self::ReferencePlain => 0,
        }
    }
}

fn fill_fast(
    hasher: &mut Hasher,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    hash: &mut [u8],
) -> Result<(), EngineError> {
    let (own, kept) = (*hasher.argon2(), hasher.reserved_blocks());
    hasher.set_argon2(fast(params)?);
    let done = hasher.hash_into(password, salt, hash);
    hasher.set_argon2(own);
    if hasher.reserved_blocks() > kept {
        hasher.clear();
        hasher.reserve().map_err(|_| EngineError::OutOfMemory)?;
    }
    done.map_err(|_| EngineError::Refused)
}

fn blocks(count: usize) -> Result<Vec<Block>, EngineError> {
    let mut blocks = Vec::new();
    blocks
        .try_reserve_exact(count)
        .map_err(|_| EngineError::OutOfMemory)?;
    blocks.resize(count, Block::new());
    Ok(blocks)
}

fn reference(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

/// The same parameters in the fast crate's terms.
fn fast(params: &Params) -> Result<FastArgon2, EngineError> {
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let length = u64::try_from(length).map_err(|_| EngineError::Refused)?;
    let params = argon2_rust::Params::builder()
        .memory(Memory::kib(params.m_cost().into()))
        .passes(params.t_cost())
        .lanes(params.p_cost())
        .tag_len(TagLen::bytes(length))
        .build()
        .map_err(|_| EngineError::Refused)?;
    Ok(FastArgon2::new(
        argon2_rust::Algorithm::Argon2id,
        argon2_rust::Version::V0x13,
        params,
    ))
}

/// Argon2id of RFC 9106, section 5.3: m=32 KiB, t=3, p=4, with a secret and associated data.
const RFC_TAG: [u8; 32] = [
    0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
    0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
];

/// Parameters (memory in KiB, iterations, lanes) that random inputs are tried with: the least, odd sizes, several lanes, and
/// more blocks than fit the inner caches.
const TRIED: [(u32, u32, u32); 5] = [(8, 1, 1), (61, 3, 1), (64, 2, 4), (512, 2, 1), (2048, 1, 1)];

/// Whether the fast code gives the RFC's own vector and, on inputs made from `random`, what the reference gives.
pub(super) fn agree(random: &[u8; 64]) -> bool {
    let rfc = || {
        let params = Params::new(32, 3, 4, Some(RFC_TAG.len())).ok()?;
        let mut hash = [0; RFC_TAG.len()];
        let mut hasher = fast(&params).ok()?.hasher();
        hasher
            .hash_into_with_ad(&[1; 32], &[2; 16], &[3; 8], &[4; 12], &mut hash)
            .ok()?;
        Some(hash == RFC_TAG)
    };
    rfc() == Some(true)
        && TRIED
            .iter()
            .all(|tried| agree_on(*tried, random) == Some(true))
}

fn agree_on((memory_kib, iterations, lanes): (u32, u32, u32), random: &[u8; 64]) -> Option<bool> {
    let params = Params::new(memory_kib, iterations, lanes, Some(32)).ok()?;
    let (salt, password) = random.split_at_checked(16)?;
    let mut hashes = [[0; 32]; 2];
    for (hash, kind) in hashes
        .iter_mut()
        .zip([EngineKind::Fast, EngineKind::Reference])
    {
        let mut kernel = Kernel::new(kind, &params).ok()?;
        // Twice, since the second hash works in memory that the first has used.
        kernel.fill(&params, b"", salt, hash).ok()?;
        kernel.fill(&params, password, salt, hash).ok()?;
    }
    let [fast, reference] = hashes;
    Some(fast == reference)
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Argon2, AssociatedData, Params, ParamsBuilder, Version};
    use proptest::prelude::*;

    use super::{EngineKind, Kernel, RFC_TAG, agree};

    #[test]
    fn the_reference_gives_the_rfcs_own_vector() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut hash = [0; 32];
        argon2
            .hash_password_into(&[1; 32], &[2; 16], &mut hash)
            .unwrap();
        assert_eq!(hash, RFC_TAG);
    }

    #[test]
    fn the_codes_agree_on_this_machine() {
        assert!(agree(&[7; 64]));
        let odd: [u8; 64] = std::array::from_fn(|at| u8::try_from(at * 3).unwrap());
        assert!(agree(&odd));
    }

    #[test]
    fn memory_taken_for_one_dear_hash_is_given_back() {
        for kind in [EngineKind::Fast, EngineKind::Reference] {
            let own = Params::new(64, 1, 1, Some(32)).unwrap();
            let dear = Params::new(512, 1, 1, Some(32)).unwrap();
            let mut kernel = Kernel::new(kind, &own).unwrap();
            assert_eq!(kernel.memory_bytes(), 64 * 1024);
            let mut hash = [0; 32];
            kernel.fill(&dear, b"pw", &[7; 16], &mut hash).unwrap();
            assert_eq!(kernel.memory_bytes(), 64 * 1024, "{kind}");
            let mut fresh = [0; 32];
            let mut other = Kernel::new(EngineKind::Reference, &dear).unwrap();
            other.fill(&dear, b"pw", &[7; 16], &mut fresh).unwrap();
            assert_eq!(hash, fresh);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_codes_compute_one_function(
            memory_kib in 8_u32..200, iterations in 1_u32..4, lanes in 1_u32..3, length in 16_usize..65,
            password in prop::collection::vec(any::<u8>(), 0..200), salt in prop::collection::vec(any::<u8>(), 8..48),
        ) {
            let params = Params::new(memory_kib.max(8 * lanes), iterations, lanes, Some(length)).unwrap();
            let hashes = [EngineKind::Fast, EngineKind::Reference, EngineKind::ReferencePlain].map(|kind| {
                let mut hash = vec![0; length];
                Kernel::new(kind, &params).unwrap().fill(&params, &password, &salt, &mut hash).unwrap();
                hash
            });
            prop_assert_eq!(&hashes[0], &hashes[1]);
            prop_assert_eq!(&hashes[0], &hashes[2]);
        }
    }
}
