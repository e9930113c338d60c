//! Other people's services: WeChat, senders of text messages, CAPTCHAs.
//!
//! One [`ProviderClient`] serves the process; each tenant's actor has [`TenantProviders`], with breakers and bulkheads of
//! its own, so that one tenant's broken account or slow provider is felt by nobody else. A tenant chooses among the
//! providers and brings its account; the addresses are the platform's, so no tenant makes us call where it likes.
//!
//! Taken: one bounded call, as [`client`] makes it, without retries, redirects or connections kept open. Refused: a
//! vendor's SDK for each (several times this room in code, each with retries and deadlines of its own), and a trait over
//! providers, which have little in common.
//!
//! Answers are hostile until parsed (`docs/threats.md`, row 82). A provider that says no is not a broken one: a refusal
//! is told to the caller and leaves the breaker alone.
//!
//! May import `domain`, `pressure`, `telemetry` and `clock`. Invariants: no call outlasts `provider.timeout_ms`, none keeps more than
//! `provider.max_answer_bytes`, nothing that a user sends opens a breaker, and no secret, code or address with a secret in
//! it reaches a log or an error ([`SmsAccount::Log`] alone, for development, writes codes there).

mod answer;
mod breaker;
pub mod captcha;
mod client;
mod digest;
pub mod error;
pub mod mini_program;
mod reach;
pub mod settings;
pub mod sms;
mod tc3;
pub mod wechat;

use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Instrument;

pub use self::captcha::{CaptchaAccount, CaptchaVerdict};
pub use self::error::ProviderError;
pub use self::sms::SmsAccount;
pub use self::wechat::{MiniProgramSession, WechatApp};

use self::breaker::{Gate, Refusal};
use self::client::HttpClient;
use self::error::CallError;
use self::settings::ProviderSettings;
use crate::clock::Clock;
use crate::pressure::Resource;
use crate::telemetry::TRACE;
use crate::telemetry::metrics::Metrics;

/// The providers there are; each is a label of the metrics and has a breaker and a bulkhead at every tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Provider {
    Wechat,
    TencentSms,
    AliyunSms,
    SmsGateway,
    TencentCaptcha,
    Turnstile,
    Hcaptcha,
}

impl Provider {
    const fn name(self) -> &'static str {
        match self {
            Self::Wechat => "wechat",
            Self::TencentSms => "sms_tencent",
            Self::AliyunSms => "sms_aliyun",
            Self::SmsGateway => "sms_gateway",
            Self::TencentCaptcha => "captcha_tencent",
            Self::Turnstile => "captcha_turnstile",
            Self::Hcaptcha => "captcha_hcaptcha",
        }
    }
}

/// What all tenants share: the settings and the HTTP client. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ProviderClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: ProviderSettings,
    http: HttpClient,
    clock: Clock,
    metrics: Metrics,
}

impl ProviderClient {
    /// A client; connects to nothing yet.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`], with a line in the log, when TLS cannot be set up: the system has no certificates
    /// of authorities.
    pub fn new(
        settings: ProviderSettings,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, ProviderError> {
        let http = HttpClient::new(&settings).map_err(|error| {
            tracing::error!(%error, "the client of providers cannot be set up");
            ProviderError::Unavailable
        })?;
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                http,
                clock,
                metrics,
            }),
        })
    }

    /// The providers as one tenant uses them, with breakers and bulkheads that begin afresh.
    #[must_use]
    pub fn for_tenant(&self) -> TenantProviders {
        TenantProviders {
            shared: self.shared.clone(),
            gates: Arc::new(Mutex::new(Gates {
                in_flight: self.shared.settings.in_flight,
                made: HashMap::new(),
            })),
        }
    }
}

/// One tenant's way to the providers. Clones share the breakers and bulkheads.
#[derive(Clone, Debug)]
pub struct TenantProviders {
    shared: Arc<Shared>,
    gates: Arc<Mutex<Gates>>,
}

/// A tenant's gates.
#[derive(Debug)]
struct Gates {
    /// Most calls under way at each.
    in_flight: usize,
    /// Made when a provider is first asked: most tenants ask none or one.
    made: HashMap<Provider, Arc<Gate>>,
}

impl TenantProviders {
    /// Sets the tenant's own bound of operations under way with each provider; `None` is the server's, which none exceeds.
    pub fn set_bound(&self, bound: Option<NonZeroU32>) {
        let server = self.shared.settings.in_flight;
        let own = bound.map_or(server, |bound| {
            usize::try_from(bound.get()).unwrap_or(usize::MAX)
        });
        let mut gates = self.gates();
        gates.in_flight = own.min(server);
        for gate in gates.made.values() {
            gate.set_bound(gates.in_flight);
        }
    }

    /// How the providers stand that this tenant has asked since it is live, by name.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        let now = self.shared.clock.monotonic();
        let gates: Vec<_> = self.gates().made.values().cloned().collect();
        let mut resources: Vec<_> = gates.iter().map(|gate| gate.resource(now)).collect();
        resources.sort_by(|one, other| one.name.cmp(&other.name));
        resources
    }

    /// Counts a message that the tenant's own limits kept back; `budget` says that the day's budget is spent.
    pub fn sms_kept_back(&self, budget: bool) {
        let reason = if budget { "sms_budget" } else { "sms_limit" };
        self.shared.metrics.limiter_refusal(reason);
    }

    /// Does `work` with a provider, if the tenant's breaker and bulkhead let it pass, within the time of one call.
    /// Dropped on the way, it gives its place back and counts as neither success nor failure.
    async fn call<T>(
        &self,
        provider: Provider,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, ProviderError> {
        let Shared {
            settings,
            clock,
            metrics,
            ..
        } = self.shared.as_ref();
        let started = clock.monotonic();
        let gate = self.gate(provider);
        let pass = match gate.enter(started) {
            Ok(pass) => pass,
            Err(refusal) => {
                gate.refused(started);
                metrics.provider_refusal(provider.name(), refusal.label());
                return Err(match refusal {
                    Refusal::BreakerOpen => ProviderError::Unavailable,
                    Refusal::BulkheadFull => ProviderError::Overloaded,
                });
            }
        };
        let deadline = Duration::from_millis(settings.timeout_ms);
        let span = tracing::trace_span!(target: TRACE, "provider", provider = provider.name());
        let outcome = tokio::time::timeout(deadline, work)
            .instrument(span)
            .await
            .unwrap_or_else(|_| Err(CallError::broken("no whole answer in time")));
        let now = clock.monotonic();
        pass.finish(!matches!(outcome, Err(CallError::Broken(_))), now);
        if let Err(CallError::Broken(_) | CallError::Busy) = &outcome {
            gate.refused(now);
        }
        let label = outcome.as_ref().map_or_else(CallError::label, |_| "ok");
        let seconds = now.saturating_duration_since(started).as_secs_f64();
        metrics.provider_call(provider.name(), label, seconds);
        outcome.map_err(|error| {
            if let CallError::Broken(reason) = &error {
                tracing::warn!(provider = provider.name(), %reason, "a provider is unavailable");
            }
            error.into()
        })
    }

    fn gate(&self, provider: Provider) -> Arc<Gate> {
        let mut gates = self.gates();
        let in_flight = gates.in_flight;
        gates
            .made
            .entry(provider)
            .or_insert_with(|| {
                let Shared {
                    settings, metrics, ..
                } = self.shared.as_ref();
                let gate = Gate::new(settings, in_flight, provider.name(), metrics.clone());
                Arc::new(gate)
            })
            .clone()
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
