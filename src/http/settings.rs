//! Settings of the two listeners: addresses, how a request names its tenant, sizes and deadlines.
//!
//! Values, units and reasons stand in `config/default.toml`, the only source of defaults.

use std::net::SocketAddr;

use actix_web::http::Uri;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

use crate::domain::host_name::HostName;

/// Section `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the public listener; port 0 lets the system choose.
    pub public_listen: SocketAddr,
    /// Address of the operators' listener (admin API, console, metrics, probes).
    pub admin_listen: SocketAddr,
    /// The public address as clients see it, without a path; empty: see [`HttpSettings::public_origin`].
    pub public_url: String,
    /// The domain whose sub-domains name tenants; `None` switches that naming off.
    #[serde(deserialize_with = "host_or_none")]
    pub base_domain: Option<HostName>,
    /// Whether the host names the tenant.
    pub name_by_host: bool,
    /// Whether the header `X-Tenant-Id` names the tenant.
    pub name_by_header: bool,
    /// Whether the path `/t/{key}/...` names the tenant.
    pub name_by_path: bool,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// HTTP worker threads; 0 means one a core.
    pub workers: usize,
    /// Milliseconds for a whole request.
    pub request_timeout_ms: u64,
    /// Milliseconds for a request's body to arrive.
    pub body_timeout_ms: u64,
    /// Most bytes of a request's body.
    pub max_body_bytes: usize,
    /// Most requests at work at one time, over all tenants.
    pub max_in_flight: usize,
    /// Most connections of one worker.
    pub max_connections: usize,
    /// Milliseconds an idle connection is kept.
    pub keep_alive_ms: u64,
    /// Milliseconds for the head of a request to arrive.
    pub head_timeout_ms: u64,
}

impl HttpSettings {
    /// Every value out of its range, by key within the section.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, &'static str)> {
        let same_address =
            self.public_listen == self.admin_listen && self.public_listen.port() != 0;
        let nameable = self.name_by_host || self.name_by_header || self.name_by_path;
        // A network of prefix 0 is everybody: any client could then choose its own address.
        let trusts_all = self
            .trusted_proxies
            .iter()
            .any(|network| network.prefix_len() == 0);
        let origin = self.public_url.is_empty() || is_origin(&self.public_url);
        let rules = [
            (
                "admin_listen",
                !same_address,
                "must differ from server.public_listen",
            ),
            (
                "public_url",
                origin,
                "must be http://host[:port] or https://host[:port]",
            ),
            (
                "name_by_host",
                nameable,
                "at least one of the three name_by_* must be true",
            ),
            (
                "trusted_proxies",
                !trusts_all,
                "a network of prefix length 0 would trust everybody",
            ),
            ("workers", self.workers <= 1024, "must be 0 to 1024"),
            (
                "request_timeout_ms",
                (100..=600_000).contains(&self.request_timeout_ms),
                "must be 100 to 600000",
            ),
            (
                "body_timeout_ms",
                (100..=600_000).contains(&self.body_timeout_ms),
                "must be 100 to 600000",
            ),
            (
                "max_body_bytes",
                (1024..=16_777_216).contains(&self.max_body_bytes),
                "must be 1024 to 16777216",
            ),
            (
                "max_in_flight",
                (1..=1_000_000).contains(&self.max_in_flight),
                "must be 1 to 1000000",
            ),
            (
                "max_connections",
                (1..=1_000_000).contains(&self.max_connections),
                "must be 1 to 1000000",
            ),
            (
                "keep_alive_ms",
                (1..=600_000).contains(&self.keep_alive_ms),
                "must be 1 to 600000",
            ),
            (
                "head_timeout_ms",
                (100..=60_000).contains(&self.head_timeout_ms),
                "must be 100 to 60000",
            ),
        ];
        rules
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(key, _, text)| (key, text))
            .collect()
    }

    /// Where clients reach the public listener: `public_url`, else `http://` with the base domain (without one, the
    /// listener's own address) and the port that was bound.
    #[must_use]
    pub fn public_origin(&self, bound_port: u16) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        match &self.base_domain {
            Some(domain) => format!("http://{domain}:{bound_port}"),
            None => format!(
                "http://{}",
                SocketAddr::new(self.public_listen.ip(), bound_port)
            ),
        }
    }
}

/// Whether `text` is a scheme and an authority and nothing more (RFC 6454, section 6).
fn is_origin(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.path() == "/"
            && uri.query().is_none()
    })
}

fn host_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HostName>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    // A `Host` field may carry a port; a base domain may not.
    let host = HostName::parse(&text).filter(|_| !text.contains(':'));
    host.map(Some)
        .ok_or_else(|| de::Error::custom("must be a host name without a port"))
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_has_no_path_no_user_and_a_web_scheme() {
        assert!(is_origin("https://join.example.com"));
        assert!(is_origin("http://localhost:8080/"));
        for bad in [
            "join.example.com",
            "ftp://a.example",
            "https://a.example/x",
            "https://u@a.example",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
