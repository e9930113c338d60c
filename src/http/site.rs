//! Which tenant a public request is for, who asks, and how to speak to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

use super::error_document::Refusal;
use super::language::choose;
use super::naming::{NamingParts, NamingRules, name_tenant};
use super::requester::requester_address;
use super::settings::HttpSettings;
use crate::clock::Clock;
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;
use crate::domain::tenant_settings::SitePlatform;
use crate::session::error::CallError;
use crate::store::tenants::TenantState;
use crate::telemetry::traces;
use crate::tenant::directory::Directory;
use crate::tenant::error::TenantError;
use crate::tenant::names::Tenant;

/// What the public handlers work with.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) directory: Directory,
    pub(super) settings: Arc<HttpSettings>,
    pub(super) clock: Clock,
}

/// A request whose tenant is known and serves.
pub(super) struct Visit {
    pub(super) tenant: Arc<Tenant>,
    pub(super) requester: SocketAddr,
    pub(super) dialect: Dialect,
    pub(super) language: Language,
}

impl Site {
    /// How long a request may take.
    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.settings.request_timeout_ms)
    }

    /// Finds the tenant that the request names, and whether it serves this kind of client.
    ///
    /// # Errors
    /// A refusal together with how to speak to somebody whose tenant is not known, or does not serve.
    pub(super) async fn visit(&self, request: &HttpRequest) -> Result<Visit, Unserved> {
        let asked = languages(request.headers());
        let unknown = |refusal| Unserved {
            refusal,
            dialect: Dialect::Standard,
            language: choose(asked.as_deref(), Language::default()),
        };
        let path_key = request.match_info().get("tenant");
        let found = self.find_tenant(request, path_key).await;
        let tenant = found.map_err(unknown)?;
        let settings = &tenant.record.settings;
        let language = choose(asked.as_deref(), settings.locale);
        let dialect = settings.dialect;
        if settings
            .site
            .closed_for
            .contains(&platform(request.headers()))
        {
            let message = settings.site.close_message.clone();
            return Err(Unserved {
                refusal: Refusal::SiteClosed { message },
                dialect,
                language,
            });
        }
        let requester = self.requester(request);
        Ok(Visit {
            requester,
            dialect,
            language,
            tenant,
        })
    }

    /// Who asks: the peer, or whom trusted proxies name.
    pub(super) fn requester(&self, request: &HttpRequest) -> SocketAddr {
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let peer = request.peer_addr().unwrap_or(nobody);
        let forwarded = request
            .headers()
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok());
        let address = requester_address(peer.ip(), forwarded, &self.settings.trusted_proxies);
        SocketAddr::new(address, peer.port())
    }

    /// The tenant that the request names, if it serves; `path_key` is what its path names.
    pub(super) async fn find_tenant(
        &self,
        request: &HttpRequest,
        path_key: Option<&str>,
    ) -> Result<Arc<Tenant>, Refusal> {
        let rules = NamingRules {
            by_host: self.settings.name_by_host,
            by_header: self.settings.name_by_header,
            by_path: self.settings.name_by_path,
            base_domain: self.settings.base_domain.clone(),
        };
        let headers = request.headers();
        let parts = NamingParts {
            target_authority: request
                .uri()
                .authority()
                .map(|authority| authority.as_str()),
            hosts: headers
                .get_all(header::HOST)
                .map(|value| value.as_bytes())
                .collect(),
            tenant_ids: headers
                .get_all("x-tenant-id")
                .map(|value| value.as_bytes())
                .collect(),
            path_key,
        };
        let names = name_tenant(&rules, &parts)?;
        let by_host = match &names.host {
            Some(host) => self
                .directory
                .find_by_host(host)
                .await
                .map_err(unavailable)?,
            None => None,
        };
        let tenant = match (by_host, names.key()) {
            (Some(tenant), Some(key)) if tenant.record.key != *key => {
                return Err(Refusal::TenantAmbiguous);
            }
            (Some(tenant), _) => Some(tenant),
            (None, Some(key)) => self.directory.find(key).await.map_err(unavailable)?,
            (None, None) => None,
        };
        // Suspended and deleted tenants look like unknown ones.
        let tenant = tenant
            .filter(|tenant| tenant.record.state == TenantState::Active)
            .ok_or(Refusal::TenantNotFound)?;
        traces::of_tenant(tenant.record.key.as_str());
        Ok(tenant)
    }
}

/// A refusal before the tenant serves.
pub(super) struct Unserved {
    pub(super) refusal: Refusal,
    pub(super) dialect: Dialect,
    pub(super) language: Language,
}

pub(super) fn unavailable(error: TenantError) -> Refusal {
    CallError::from(error).into()
}

/// All `Accept-Language` lines as one (RFC 9110, section 5.3).
pub(super) fn languages(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(header::ACCEPT_LANGUAGE)
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The kind of client, as the contract tells them apart (section 1.1).
fn platform(headers: &HeaderMap) -> SitePlatform {
    let says = |value: &str, word: &str| value.to_ascii_lowercase().contains(word);
    let texts = || headers.iter().filter_map(|(_, value)| value.to_str().ok());
    if texts().any(|value| says(value, "miniprogram")) {
        return SitePlatform::Miniprogram;
    }
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let mobile = [
        "mobile",
        "android",
        "iphone",
        "ipad",
        "ipod",
        "windows phone",
    ];
    match agent {
        Some(agent) if mobile.iter().any(|word| says(agent, word)) => SitePlatform::H5,
        _ => SitePlatform::Pc,
    }
}
