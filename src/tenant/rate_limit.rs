//! One tenant's rate limiters: governor's, keyed by address (one for each kind of call) and by user name, and one for the
//! whole tenant.
//!
//! They are made by the tenant's actor, checked at the door through the slot, and outlive the actor. Keyed state is
//! bounded: beyond the bound new keys share a fixed number of cells, so that made-up keys cost no memory and still
//! meet a limit.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, QuantaClock, QuantaInstant, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};

use crate::domain::tenant_settings::{Limits, Rate};
use crate::session::error::LimitKind;
use crate::telemetry::metrics::Metrics;

// One map behind one lock. A sharded map brings four shards a core, so that an empty limiter would weigh 1 KiB on two
// cores and 32 KiB on 64, and a tenant has five.
type Keyed = RateLimiter<u64, HashMapStateStore<u64>, QuantaClock, StateInformationMiddleware>;
type Direct = RateLimiter<NotKeyed, InMemoryState, QuantaClock, StateInformationMiddleware>;

/// What kind of call meets the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A registration: counts per address, per user name, and for the whole tenant.
    Register,
    /// A login.
    Login,
    /// Sending or checking a code by SMS.
    Sms,
    /// Any other call.
    Call,
}

/// What a caller may still do under the address limit: the RateLimit fields of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub rate: Rate,
    /// Calls left at once.
    pub remaining: u32,
    /// Until one more call is free.
    pub reset: Duration,
}

/// A limiter said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which limit.
    pub kind: LimitKind,
    /// When to come back.
    pub retry_after: Duration,
    /// What the address limit says, whichever limit it was.
    pub standing: Option<Standing>,
}

/// The limiters of one tenant.
pub struct RateLimits {
    limits: Limits,
    clock: QuantaClock,
    hasher: std::collections::hash_map::RandomState,
    address: Option<KeyedLimit>,
    username: Option<KeyedLimit>,
    login: Option<KeyedLimit>,
    sms: Option<KeyedLimit>,
    call: Option<KeyedLimit>,
    tenant: Option<Direct>,
    /// When these limiters were made; `whole_at` counts from there.
    begun: QuantaInstant,
    /// Nanoseconds after which the tenant's whole quota is back, as the last call left it.
    whole_at: AtomicU64,
    metrics: Metrics,
}

struct KeyedLimit {
    rate: Rate,
    quota: Quota,
    clock: QuantaClock,
    /// Made with the first check: most tenants never see every kind of call.
    limiter: OnceLock<Box<Keyed>>,
    most_keys: usize,
    /// Whether new keys share cells; judged anew now and then, because counting keys takes the map's lock.
    full: AtomicBool,
    checks: AtomicU32,
    /// The keys at the last count.
    keys: AtomicUsize,
}

/// Cells that keys share once a limiter is full.
const SHARED_CELLS: u64 = 1024;
/// How many checks pass between two looks at the number of keys.
const CHECKS_BETWEEN_LOOKS: u32 = 256;
/// Most bytes of one remembered key: 17 for each place of the map, of which between 7 and 14 in 16 are taken, and for a
/// moment, while the map grows, the old one beside the new one.
const KEY_BYTES: usize = 64;

impl RateLimits {
    /// Limiters for these limits. `clock` is shared by all tenants: making one costs more than a limiter.
    pub(super) fn new(
        limits: Limits,
        most_keys: usize,
        clock: QuantaClock,
        metrics: Metrics,
    ) -> Self {
        let keyed = |rate: Option<Rate>| {
            rate.and_then(|rate| KeyedLimit::new(rate, most_keys, clock.clone()))
        };
        Self {
            hasher: std::collections::hash_map::RandomState::new(),
            address: keyed(limits.per_address),
            username: keyed(limits.per_username),
            login: keyed(limits.login_per_address),
            sms: keyed(limits.sms_per_address),
            call: keyed(limits.calls_per_address),
            tenant: limits.per_tenant.and_then(quota).map(|quota| {
                Direct::new(quota, InMemoryState::default(), clock.clone())
                    .with_middleware::<StateInformationMiddleware>()
            }),
            limits,
            begun: clock.now(),
            whole_at: AtomicU64::new(0),
            clock,
            metrics,
        }
    }

    /// Whether these limiters keep the rates of these limits.
    pub(super) fn has_rates_of(&self, limits: &Limits) -> bool {
        self.limits.rates() == limits.rates()
    }

    /// The rates, in the order in which the settings name them.
    pub(super) fn rates(&self) -> [Option<Rate>; 6] {
        self.limits.rates()
    }

    /// Calls of the whole tenant's quota that are used up now; `None` without such a limit.
    pub(super) fn tenant_in_use(&self) -> Option<u32> {
        let rate = self.limits.per_tenant?;
        let now = self.clock.now().duration_since(self.begun).as_u64();
        let left = self.whole_at.load(Ordering::Relaxed).saturating_sub(now);
        let used = left.div_ceil(period(rate).max(1));
        Some(
            u32::try_from(used)
                .unwrap_or(u32::MAX)
                .min(rate.calls.get()),
        )
    }

    /// Remembers when the tenant's whole quota will be back.
    fn note_tenant(&self, remaining: u32) {
        let Some(rate) = self.limits.per_tenant else {
            return;
        };
        let used = u64::from(rate.calls.get().saturating_sub(remaining));
        let now = self.clock.now().duration_since(self.begun).as_u64();
        let whole_at = now.saturating_add(used.saturating_mul(period(rate)));
        self.whole_at.store(whole_at, Ordering::Relaxed);
    }

    /// About how many bytes the remembered keys take, as they were last counted.
    pub(super) fn key_bytes(&self) -> usize {
        [
            &self.address,
            &self.username,
            &self.login,
            &self.sms,
            &self.call,
        ]
        .into_iter()
        .flatten()
        .map(|limit| limit.keys.load(Ordering::Relaxed) * KEY_BYTES)
        .sum()
    }

    /// The longest time for which a limiter remembers anything.
    pub(super) fn longest_window(&self) -> Duration {
        [
            self.limits.per_address,
            self.limits.per_username,
            self.limits.per_tenant,
            self.limits.login_per_address,
            self.limits.sms_per_address,
            self.limits.calls_per_address,
        ]
        .into_iter()
        .flatten()
        .map(|rate| Duration::from_secs(u64::from(rate.seconds.get())))
        .max()
        .unwrap_or_default()
    }

    /// Counts a call against every limit of its kind, the most personal first. Only registrations have a user name to count
    /// by and a limit for the whole tenant.
    ///
    /// # Errors
    /// [`Limited`] by the first limit that says no.
    pub fn check(
        &self,
        kind: CallKind,
        address: IpAddr,
        username: impl FnOnce() -> Option<String>,
    ) -> Result<Option<Standing>, Limited> {
        let by_address = |limit, kind| self.check_address(limit, kind, address);
        match kind {
            CallKind::Register => {
                let standing = by_address(&self.address, LimitKind::Address)?;
                self.check_registration(username, standing)
            }
            CallKind::Login => by_address(&self.login, LimitKind::Login),
            CallKind::Sms => by_address(&self.sms, LimitKind::Sms),
            CallKind::Call => by_address(&self.call, LimitKind::Call),
        }
    }

    fn check_address(
        &self,
        limit: &Option<KeyedLimit>,
        kind: LimitKind,
        address: IpAddr,
    ) -> Result<Option<Standing>, Limited> {
        let Some(limit) = limit else { return Ok(None) };
        match limit.check(self.hasher.hash_one(network(address))) {
            Ok(remaining) => Ok(Some(limit.standing(remaining))),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let standing = Standing {
                    rate: limit.rate,
                    remaining: 0,
                    reset: wait,
                };
                Err(self.limited(kind, wait, Some(standing)))
            }
        }
    }

    fn check_registration(
        &self,
        username: impl FnOnce() -> Option<String>,
        standing: Option<Standing>,
    ) -> Result<Option<Standing>, Limited> {
        if let Some(limit) = &self.username
            && let Some(name) = username()
            && let Err(until) = limit.check(self.hasher.hash_one(name))
        {
            let wait = until.wait_time_from(self.clock.now());
            return Err(self.limited(LimitKind::Username, wait, standing));
        }
        match self.tenant.as_ref().map(Direct::check) {
            Some(Err(until)) => {
                let wait = until.wait_time_from(self.clock.now());
                self.note_tenant(0);
                return Err(self.limited(LimitKind::Tenant, wait, standing));
            }
            Some(Ok(state)) => self.note_tenant(state.remaining_burst_capacity()),
            None => {}
        }
        Ok(standing)
    }

    /// Forgets keys that are back at their full quota.
    pub(super) fn prune(&self) -> [(LimitKind, usize); 5] {
        let prune = |limit: &Option<KeyedLimit>| limit.as_ref().map_or(0, KeyedLimit::prune);
        [
            (LimitKind::Address, prune(&self.address)),
            (LimitKind::Username, prune(&self.username)),
            (LimitKind::Login, prune(&self.login)),
            (LimitKind::Sms, prune(&self.sms)),
            (LimitKind::Call, prune(&self.call)),
        ]
    }

    fn limited(
        &self,
        kind: LimitKind,
        retry_after: Duration,
        standing: Option<Standing>,
    ) -> Limited {
        self.metrics.limiter_refusal(kind_name(kind));
        Limited {
            kind,
            retry_after,
            standing,
        }
    }
}

/// The name of a limit in metrics.
pub(super) fn kind_name(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Address => "address",
        LimitKind::Username => "username",
        LimitKind::Tenant => "tenant",
        LimitKind::Phone => "phone",
        LimitKind::SmsBudget => "sms_budget",
        LimitKind::Login => "login",
        LimitKind::Sms => "sms",
        LimitKind::Call => "call",
    }
}

impl KeyedLimit {
    fn new(rate: Rate, most_keys: usize, clock: QuantaClock) -> Option<Self> {
        Some(Self {
            rate,
            quota: quota(rate)?,
            clock,
            limiter: OnceLock::new(),
            most_keys,
            full: AtomicBool::new(false),
            checks: AtomicU32::new(0),
            keys: AtomicUsize::new(0),
        })
    }

    fn limiter(&self) -> &Keyed {
        self.limiter.get_or_init(|| {
            let limiter = Keyed::new(self.quota, HashMapStateStore::default(), self.clock.clone());
            Box::new(limiter.with_middleware::<StateInformationMiddleware>())
        })
    }

    fn count(&self, limiter: &Keyed) -> usize {
        let keys = limiter.len();
        self.keys.store(keys, Ordering::Relaxed);
        self.full.store(keys >= self.most_keys, Ordering::Relaxed);
        keys
    }

    fn check(&self, key: u64) -> Result<u32, NotUntil<governor::clock::QuantaInstant>> {
        let limiter = self.limiter();
        if self
            .checks
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(CHECKS_BETWEEN_LOOKS)
        {
            self.count(limiter);
        }
        let key = if self.full.load(Ordering::Relaxed) {
            key % SHARED_CELLS
        } else {
            key
        };
        limiter
            .check_key(&key)
            .map(|state| state.remaining_burst_capacity())
    }

    fn standing(&self, remaining: u32) -> Standing {
        let period =
            Duration::from_secs(u64::from(self.rate.seconds.get())) / self.rate.calls.get();
        let reset = if remaining >= self.rate.calls.get() {
            Duration::ZERO
        } else {
            period
        };
        Standing {
            rate: self.rate,
            remaining,
            reset,
        }
    }

    fn prune(&self) -> usize {
        let Some(limiter) = self.limiter.get() else {
            return 0;
        };
        limiter.retain_recent();
        limiter.shrink_to_fit();
        self.count(limiter)
    }
}

/// Nanoseconds after which one more call is free.
fn period(rate: Rate) -> u64 {
    let period = Duration::from_secs(u64::from(rate.seconds.get())) / rate.calls.get();
    u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
}

fn quota(rate: Rate) -> Option<Quota> {
    let period = Duration::from_secs(u64::from(rate.seconds.get())) / rate.calls.get();
    let burst = NonZeroU32::new(rate.calls.get())?;
    Some(Quota::with_period(period)?.allow_burst(burst))
}

/// What counts as one requester: an IPv4 address, or an IPv6 network of 64 bits, which one customer gets whole.
fn network(address: IpAddr) -> [u8; 8] {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            // Multicast is no requester's network, so this prefix keeps the two families apart.
            [0xff, 0, 0, 0, a, b, c, d]
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h, ..] = v6.octets();
            [a, b, c, d, e, f, g, h]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_address: u32) -> Limits {
        Limits {
            per_address: Rate::new(per_address, 3600),
            per_username: None,
            per_tenant: None,
            login_per_address: None,
            sms_per_address: None,
            calls_per_address: None,
            in_flight: None,
            hash_weight: NonZeroU32::MIN,
            hash_waiting: None,
            database_in_flight: None,
            provider_in_flight: None,
        }
    }

    fn rate_limits(limits: Limits, most_keys: usize) -> RateLimits {
        RateLimits::new(
            limits,
            most_keys,
            QuantaClock::default(),
            Metrics::new(1).unwrap(),
        )
    }

    #[test]
    fn an_ipv6_network_is_one_requester() {
        let limits = rate_limits(limits(2), 100);
        assert!(
            limits
                .check(CallKind::Register, "2001:db8::1".parse().unwrap(), || None)
                .is_ok()
        );
        assert!(
            limits
                .check(CallKind::Register, "2001:db8::2".parse().unwrap(), || None)
                .is_ok()
        );
        let refused = limits
            .check(CallKind::Register, "2001:db8::3".parse().unwrap(), || None)
            .unwrap_err();
        assert_eq!(refused.kind, LimitKind::Address);
        assert!(refused.retry_after > Duration::from_secs(60));
        assert!(
            limits
                .check(
                    CallKind::Register,
                    "2001:db8:0:1::1".parse().unwrap(),
                    || None
                )
                .is_ok()
        );
    }

    #[test]
    fn made_up_addresses_cost_bounded_memory_and_still_meet_a_limit() {
        let limits = rate_limits(limits(1), 5_000);
        let mut passed = 0;
        for number in 0..100_000_u32 {
            passed += u32::from(
                limits
                    .check(CallKind::Register, IpAddr::V4(number.into()), || None)
                    .is_ok(),
            );
        }
        let keys = limits.address.as_ref().unwrap().limiter().len();
        let bound = 5_000 + 256 + 1024;
        assert!(keys <= bound, "{keys} keys");
        assert!(passed as usize <= bound, "{passed} calls passed");
    }

    #[test]
    fn a_limit_that_is_off_lets_everything_pass() {
        let off = Limits {
            per_address: None,
            per_username: None,
            per_tenant: None,
            login_per_address: None,
            sms_per_address: None,
            calls_per_address: None,
            in_flight: None,
            hash_weight: NonZeroU32::MIN,
            hash_waiting: None,
            database_in_flight: None,
            provider_in_flight: None,
        };
        let limits = rate_limits(off, 10);
        for _ in 0..1000 {
            assert_eq!(
                limits.check(CallKind::Register, "127.0.0.1".parse().unwrap(), || Some(
                    "a".to_owned()
                )),
                Ok(None)
            );
        }
        assert_eq!(limits.longest_window(), Duration::ZERO);
    }

    #[test]
    fn the_tenants_quota_tells_how_much_of_it_is_used_up() {
        let address = "192.0.2.1".parse().unwrap();
        let in_use = |per_tenant, calls: u32| {
            let limits = rate_limits(
                Limits {
                    per_tenant,
                    ..limits(1000)
                },
                10,
            );
            for _ in 0..calls {
                let _ = limits.check(CallKind::Register, address, || None);
            }
            limits.tenant_in_use()
        };
        assert_eq!(in_use(None, 3), None);
        let rate = Rate::new(5, 3600);
        assert_eq!(in_use(rate, 0), Some(0));
        assert_eq!(in_use(rate, 3), Some(3));
        assert_eq!(in_use(rate, 9), Some(5), "refused calls use nothing up");
        // A call comes back each microsecond: sooner than the next look.
        let quick = Rate::new(1_000_000, 1);
        assert!(in_use(quick, 3) < Some(3));
    }

    #[test]
    fn other_bounds_than_rates_leave_the_limiters_alone() {
        let kept = rate_limits(limits(2), 10);
        let other = Limits {
            in_flight: NonZeroU32::new(3),
            database_in_flight: NonZeroU32::new(3),
            ..limits(2)
        };
        assert!(kept.has_rates_of(&other));
        assert!(!kept.has_rates_of(&limits(3)));
    }

    #[test]
    fn each_kind_of_call_has_a_limit_of_its_own() {
        let address = "192.0.2.1".parse().unwrap();
        let limits = rate_limits(
            Limits {
                login_per_address: Rate::new(2, 60),
                sms_per_address: Rate::new(1, 60),
                calls_per_address: Rate::new(3, 60),
                per_tenant: Rate::new(1, 7200),
                ..limits(4)
            },
            10,
        );
        for (kind, calls, limit) in [
            (CallKind::Login, 2, LimitKind::Login),
            (CallKind::Sms, 1, LimitKind::Sms),
            (CallKind::Call, 3, LimitKind::Call),
        ] {
            for left in (0..calls).rev() {
                let standing = limits
                    .check(kind, address, || Some("a".to_owned()))
                    .unwrap()
                    .unwrap();
                assert_eq!(standing.remaining, left, "{kind:?}");
            }
            let refused = limits
                .check(kind, address, || Some("a".to_owned()))
                .unwrap_err();
            assert_eq!(
                (refused.kind, refused.standing.unwrap().remaining),
                (limit, 0)
            );
            assert!(
                limits
                    .check(kind, "192.0.2.2".parse().unwrap(), || None)
                    .is_ok()
            );
        }
        // The tenant's one registration is still there: no other call counts against it.
        assert!(limits.check(CallKind::Register, address, || None).is_ok());
        let refused = limits
            .check(CallKind::Register, address, || None)
            .unwrap_err();
        assert_eq!(refused.kind, LimitKind::Tenant);
        assert_eq!(limits.longest_window(), Duration::from_secs(7200));
        let kept = limits.prune().map(|(_, keys)| keys);
        assert_eq!(kept, [1, 0, 2, 2, 2]);
    }
}
