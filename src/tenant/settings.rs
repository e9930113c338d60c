//! Settings of the directory and the tenants' actors.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use serde::Deserialize;

/// Section `[tenants]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantsSettings {
    /// Threads that run tenants' actors; 0 means one a core.
    pub arbiters: usize,
    /// Most tenants live at one time.
    pub max_live: usize,
    /// Most bytes for which the live tenants are taken together.
    pub max_live_bytes: usize,
    /// Milliseconds without a request after which a tenant may be evicted.
    pub idle_after_ms: u64,
    /// Milliseconds for a tenant to become live.
    pub launch_timeout_ms: u64,
    /// Milliseconds between two looks for changes that other processes made to the platform database.
    pub sync_ms: u64,
    /// Most invite codes remembered as dead or unknown, over all tenants.
    pub invite_hints: u64,
    /// Milliseconds for which such a memory is believed.
    pub invite_hint_ttl_ms: u64,
    /// Most keys of one limit of one tenant.
    pub limiter_keys: usize,
    /// Most names (keys and hosts) of tenants kept in memory.
    pub names: u64,
    /// Milliseconds between two rounds of eviction and pruning.
    pub housekeeping_ms: u64,
}

impl TenantsSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        const MILLION: &str = "must be 1 to 1000000";
        const TEN_MILLION: &str = "must be 1 to 10000000";
        let rules = [
            ("arbiters", self.arbiters <= 1024, "must be 0 to 1024"),
            (
                "max_live",
                (1..=1_000_000).contains(&self.max_live),
                MILLION,
            ),
            (
                "max_live_bytes",
                (1_048_576..=1_099_511_627_776).contains(&self.max_live_bytes),
                "must be 1048576 to 1099511627776",
            ),
            (
                "idle_after_ms",
                (1000..=86_400_000).contains(&self.idle_after_ms),
                "must be 1000 to 86400000",
            ),
            (
                "launch_timeout_ms",
                (100..=60_000).contains(&self.launch_timeout_ms),
                "must be 100 to 60000",
            ),
            (
                "sync_ms",
                (50..=60_000).contains(&self.sync_ms),
                "must be 50 to 60000",
            ),
            (
                "invite_hints",
                (1..=10_000_000).contains(&self.invite_hints),
                TEN_MILLION,
            ),
            (
                "invite_hint_ttl_ms",
                (1..=60_000).contains(&self.invite_hint_ttl_ms),
                "must be 1 to 60000",
            ),
            (
                "limiter_keys",
                (1..=10_000_000).contains(&self.limiter_keys),
                TEN_MILLION,
            ),
            ("names", (1..=10_000_000).contains(&self.names), TEN_MILLION),
            (
                "housekeeping_ms",
                (1000..=3_600_000).contains(&self.housekeeping_ms),
                "must be 1000 to 3600000",
            ),
        ];
        rules
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(key, _, text)| (key, text))
            .collect()
    }
}
