//! Settings of the pool that hashes passwords, and the cost of one hash.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use serde::Deserialize;

use super::params::HashParams;

/// Which code computes hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineSetting {
    /// The fast one, unless it fails its check at start.
    Auto,
    /// The fast one; if it fails its check, nothing starts.
    Fast,
    /// The reference.
    Reference,
    /// The reference with fresh memory for each hash, for comparison.
    ReferencePlain,
}

/// Section `[hashing]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashingSettings {
    /// Threads; 0 means one a core.
    pub threads: usize,
    /// Which code computes hashes.
    pub engine: EngineSetting,
    /// Most hashes that wait for a thread, over all tenants.
    pub queue: usize,
    /// Most of them of one tenant.
    pub queue_per_tenant: usize,
    /// Most milliseconds that one hash waits for a thread.
    pub wait_ms: u64,
    /// Argon2id memory of one hash in KiB (RFC 9106, section 3.1: `m`).
    pub memory_kib: u32,
    /// Argon2id passes (`t`).
    pub iterations: u32,
    /// Argon2id lanes (`p`).
    pub lanes: u32,
    /// Allows a cost below OWASP's minimum; for tests.
    pub allow_weak: bool,
}

impl HashingSettings {
    /// How many threads that comes to on this machine, within the process's own share of its cores.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            set => set,
        }
    }

    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let params = HashParams::new(self.memory_kib, self.iterations, self.lanes);
        let strong = self.allow_weak || params.is_ok_and(|params| params.meet_the_floor());
        // RFC 9106, section 3.1: at least eight blocks of 1 KiB a lane.
        let fits_lanes = self.memory_kib / 8 >= self.lanes;
        let rules = [
            ("threads", self.threads <= 1024, "must be 0 to 1024"),
            (
                "queue",
                (1..=100_000).contains(&self.queue),
                "must be 1 to 100000",
            ),
            (
                "queue_per_tenant",
                (1..=100_000).contains(&self.queue_per_tenant),
                "must be 1 to 100000",
            ),
            (
                "wait_ms",
                (1..=60_000).contains(&self.wait_ms),
                "must be 1 to 60000",
            ),
            (
                "memory_kib",
                fits_lanes && (8..=4_194_304).contains(&self.memory_kib),
                "must be 8 to 4194304, and at least 8 times hashing.lanes",
            ),
            (
                "iterations",
                (1..=1000).contains(&self.iterations),
                "must be 1 to 1000",
            ),
            ("lanes", (1..=64).contains(&self.lanes), "must be 1 to 64"),
            (
                "memory_kib",
                strong,
                "with hashing.iterations is below OWASP's minimum, such as 19456 and 2 or 47104 and 1 \
                 (hashing.allow_weak lifts it, for tests)",
            ),
        ];
        rules
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(key, _, text)| (key, text))
            .collect()
    }
}
