//! Where the providers are, and how long, how much and how often they are asked.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;

/// Section `[provider]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// WeChat's interface for servers.
    pub wechat_api_url: ServiceUrl,
    /// WeChat's login pages, where browsers are sent.
    pub wechat_open_url: ServiceUrl,
    /// Tencent Cloud SMS.
    pub tencent_sms_url: ServiceUrl,
    /// Tencent Cloud CAPTCHA.
    pub tencent_captcha_url: ServiceUrl,
    /// Alibaba Cloud SMS.
    pub aliyun_sms_url: ServiceUrl,
    /// Cloudflare Turnstile's check of a ticket.
    pub turnstile_url: ServiceUrl,
    /// hCaptcha's check of a ticket.
    pub hcaptcha_url: ServiceUrl,
    /// Milliseconds for one operation with a provider, however many calls it takes.
    pub timeout_ms: u64,
    /// Milliseconds of these for a connection.
    pub connect_timeout_ms: u64,
    /// Most bytes of an answer.
    pub max_answer_bytes: usize,
    /// Most operations under way of one tenant with one provider.
    pub in_flight: usize,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// Milliseconds for which it stays open.
    pub breaker_open_ms: u64,
    /// Gateways that speak our own protocol, by the name that tenants use.
    pub sms_gateways: BTreeMap<String, SmsGatewaySettings>,
}

/// Section `[provider.sms_gateways.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsGatewaySettings {
    /// Where messages are posted.
    pub url: ServiceUrl,
}

/// The address of a service: `http` or `https`, a host, perhaps a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ServiceUrl(Url);

impl ServiceUrl {
    pub(super) const fn as_url(&self) -> &Url {
        &self.0
    }
}

impl TryFrom<String> for ServiceUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).map_err(|_| "must be an http or https address")?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("must be an http or https address");
        }
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err("must have no user, query or fragment");
        }
        Ok(Self(url))
    }
}

impl ProviderSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let rules = [
            (
                "timeout_ms",
                (10..=60_000).contains(&self.timeout_ms),
                "must be 10 to 60000",
            ),
            (
                "connect_timeout_ms",
                (10..=self.timeout_ms).contains(&self.connect_timeout_ms),
                "must be 10 to provider.timeout_ms",
            ),
            (
                "max_answer_bytes",
                (1024..=1_048_576).contains(&self.max_answer_bytes),
                "must be 1024 to 1048576",
            ),
            (
                "in_flight",
                (1..=10_000).contains(&self.in_flight),
                "must be 1 to 10000",
            ),
            (
                "breaker_failures",
                (1..=1000).contains(&self.breaker_failures),
                "must be 1 to 1000",
            ),
            (
                "breaker_open_ms",
                (1..=3_600_000).contains(&self.breaker_open_ms),
                "must be 1 to 3600000",
            ),
        ];
        rules
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(key, _, text)| (key, text))
            .collect()
    }
}
