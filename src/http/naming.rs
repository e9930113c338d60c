//! Which tenant a request names: by host, by the header field `X-Tenant-Id`, or by a path `/t/{key}/…`.
//!
//! Two readers of one request must never see two tenants, so whatever is said twice, in a list, or in two ways that
//! disagree is refused, and never "the first wins". `X-Forwarded-Host`, `Forwarded`, `X-Original-URL` and the like are
//! not read at all: anybody can send them (`docs/contract.md`, section 14).

use std::net::IpAddr;

use super::error_document::Refusal;
use crate::domain::host_name::HostName;
use crate::domain::tenant_key::TenantKey;

/// Which ways of naming a tenant are in use; the others are ignored.
#[derive(Clone, Debug)]
pub struct NamingRules {
    /// By host: a label under the base domain, or a tenant's own host name.
    pub by_host: bool,
    /// By `X-Tenant-Id`.
    pub by_header: bool,
    /// By `/t/{key}/…`.
    pub by_path: bool,
    /// The domain under which every tenant key is a host.
    pub base_domain: Option<HostName>,
}

/// The parts of a request that may name a tenant, as they came in.
#[derive(Clone, Debug, Default)]
pub struct NamingParts<'a> {
    /// The authority of a request target in absolute form (RFC 9112, section 3.2.2).
    pub target_authority: Option<&'a str>,
    /// The value of every `Host` line.
    pub hosts: Vec<&'a [u8]>,
    /// The value of every `X-Tenant-Id` line.
    pub tenant_ids: Vec<&'a [u8]>,
    /// The key in the path.
    pub path_key: Option<&'a str>,
}

/// What a request calls its tenant. All keys in it are the same key.
///
/// Whoever looks up `host` must also see that the tenant found there has this key, if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantNames {
    /// The host, where it may be some tenant's own host name; `None` for a host under the base domain, the base domain
    /// itself, `localhost` and IP addresses.
    pub host: Option<HostName>,
    /// The label under the base domain.
    pub host_label: Option<TenantKey>,
    /// `X-Tenant-Id`.
    pub header: Option<TenantKey>,
    /// The key in the path.
    pub path: Option<TenantKey>,
}

impl TenantNames {
    /// The key that the request names, in whichever way.
    #[must_use]
    pub fn key(&self) -> Option<&TenantKey> {
        self.host_label
            .as_ref()
            .or(self.header.as_ref())
            .or(self.path.as_ref())
    }
}

/// Reads every way in use and sees that they agree. A request that names no tenant yields an empty result.
///
/// # Errors
/// [`Refusal::BadHost`], [`Refusal::TenantAmbiguous`], and [`Refusal::TenantNotFound`] for a name that no tenant can have.
pub fn name_tenant(rules: &NamingRules, parts: &NamingParts<'_>) -> Result<TenantNames, Refusal> {
    let (host, host_label) = read_host(rules, parts)?;
    let header = if rules.by_header {
        read_header(&parts.tenant_ids)?
    } else {
        None
    };
    let path = parts
        .path_key
        .filter(|_| rules.by_path)
        .map(read_key)
        .transpose()?;
    let names = TenantNames {
        host,
        host_label,
        header,
        path,
    };
    let all = [&names.host_label, &names.header, &names.path];
    if all
        .into_iter()
        .flatten()
        .any(|key| Some(key) != names.key())
    {
        return Err(Refusal::TenantAmbiguous);
    }
    Ok(names)
}

/// The host as a tenant's own host name, or as a label under the base domain.
fn read_host(
    rules: &NamingRules,
    parts: &NamingParts<'_>,
) -> Result<(Option<HostName>, Option<TenantKey>), Refusal> {
    // RFC 9112, section 3.2, wants a second line refused whether or not anybody reads the first.
    if parts.hosts.len() > 1 {
        return Err(Refusal::TenantAmbiguous);
    }
    if !rules.by_host {
        return Ok((None, None));
    }
    let Some(host) = agreed_host(parts)? else {
        return Ok((None, None));
    };
    let label = rules
        .base_domain
        .as_ref()
        .and_then(|base| host.label_under(base));
    if let Some(label) = label {
        return Ok((None, Some(read_key(label)?)));
    }
    let names_nobody = rules.base_domain.as_ref() == Some(&host) || is_local(&host);
    Ok(((!names_nobody).then_some(host), None))
}

/// The host of the request line and of the `Host` field, which must be one.
fn agreed_host(parts: &NamingParts<'_>) -> Result<Option<HostName>, Refusal> {
    let line = parts
        .hosts
        .first()
        .map(|raw| std::str::from_utf8(raw).map_err(|_| Refusal::BadHost));
    let parse = |raw| HostName::parse(raw).ok_or(Refusal::BadHost);
    let field = line.transpose()?.map(parse).transpose()?;
    let target = parts.target_authority.map(parse).transpose()?;
    match (target, field) {
        (Some(target), Some(field)) if target != field => Err(Refusal::TenantAmbiguous),
        (target, field) => Ok(target.or(field)),
    }
}

/// Whether this is the machine itself or a bare address, which can be no tenant's name.
fn is_local(host: &HostName) -> bool {
    let bare = host.as_str().trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok()
}

fn read_header(lines: &[&[u8]]) -> Result<Option<TenantKey>, Refusal> {
    match lines {
        [] => Ok(None),
        [line] if !line.contains(&b',') => {
            let text = std::str::from_utf8(line).map_err(|_| Refusal::TenantNotFound)?;
            read_key(text).map(Some)
        }
        _ => Err(Refusal::TenantAmbiguous),
    }
}

fn read_key(raw: &str) -> Result<TenantKey, Refusal> {
    TenantKey::parse(raw).ok_or(Refusal::TenantNotFound)
}

#[cfg(test)]
mod tests {
    use super::{NamingParts, NamingRules, TenantNames, name_tenant};
    use crate::domain::host_name::HostName;
    use crate::domain::tenant_key::TenantKey;
    use crate::http::error_document::Refusal;

    fn rules() -> NamingRules {
        let base_domain = HostName::parse("example.test");
        NamingRules {
            by_host: true,
            by_header: true,
            by_path: true,
            base_domain,
        }
    }

    fn host(raw: &str) -> NamingParts<'_> {
        NamingParts {
            hosts: vec![raw.as_bytes()],
            ..NamingParts::default()
        }
    }

    fn header(raw: &str) -> NamingParts<'_> {
        NamingParts {
            tenant_ids: vec![raw.as_bytes()],
            ..NamingParts::default()
        }
    }

    fn path(raw: &str) -> NamingParts<'_> {
        NamingParts {
            path_key: Some(raw),
            ..NamingParts::default()
        }
    }

    fn read(parts: &NamingParts<'_>) -> Result<TenantNames, &'static str> {
        name_tenant(&rules(), parts).map_err(|refusal| refusal.code())
    }

    fn key(parts: &NamingParts<'_>) -> Option<TenantKey> {
        read(parts).unwrap().key().cloned()
    }

    #[test]
    fn a_tenant_is_named_by_host_header_or_path() {
        let alpha = TenantKey::parse("alpha");
        assert_eq!(key(&host("alpha.example.test")), alpha);
        assert_eq!(key(&header("alpha")), alpha);
        assert_eq!(key(&header("ALPHA")), alpha);
        assert_eq!(key(&path("alpha")), alpha);
        assert_eq!(read(&host("alpha.example.test")).unwrap().host, None);
        let own = read(&host("Shop.Example.org.:8080")).unwrap();
        assert_eq!(
            (own.key(), &own.host),
            (None, &HostName::parse("shop.example.org"))
        );
    }

    #[test]
    fn the_machine_itself_names_no_tenant() {
        let nobody = Ok(TenantNames::default());
        for raw in [
            "localhost",
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:80",
            "example.test",
        ] {
            assert_eq!(read(&host(raw)), nobody, "{raw}");
        }
        assert_eq!(read(&NamingParts::default()), nobody);
        let by_header = NamingParts {
            hosts: vec![b"localhost"],
            ..header("alpha")
        };
        assert_eq!(key(&by_header), TenantKey::parse("alpha"));
    }

    #[test]
    fn names_that_disagree_are_ambiguous_and_names_that_agree_are_one() {
        let agreed = NamingParts {
            target_authority: Some("alpha.example.test:80"),
            hosts: vec![b"Alpha.Example.Test"],
            tenant_ids: vec![b"alpha"],
            path_key: Some("alpha"),
        };
        assert_eq!(key(&agreed), TenantKey::parse("alpha"));
        let beta_host: &[u8] = b"beta.example.test";
        for odd in [
            NamingParts {
                target_authority: Some("beta.example.test"),
                ..agreed.clone()
            },
            NamingParts {
                target_authority: None,
                hosts: vec![beta_host],
                ..agreed.clone()
            },
            NamingParts {
                tenant_ids: vec![b"beta"],
                ..agreed.clone()
            },
            NamingParts {
                path_key: Some("beta"),
                ..agreed.clone()
            },
        ] {
            assert_eq!(read(&odd), Err("tenant_ambiguous"), "{odd:?}");
        }
    }

    #[test]
    fn what_is_said_twice_is_ambiguous_even_if_it_agrees() {
        let hosts = NamingParts {
            hosts: vec![b"alpha.example.test"; 2],
            ..NamingParts::default()
        };
        assert_eq!(read(&hosts), Err("tenant_ambiguous"));
        let headers = NamingParts {
            tenant_ids: vec![b"alpha"; 2],
            ..NamingParts::default()
        };
        assert_eq!(read(&headers), Err("tenant_ambiguous"));
        for list in ["alpha,beta", "alpha, alpha", ",", "alpha,"] {
            assert_eq!(read(&header(list)), Err("tenant_ambiguous"), "{list}");
        }
    }

    #[test]
    fn a_name_that_no_tenant_can_have_is_not_found() {
        for odd in [
            "",
            "a",
            "../beta",
            "a%2fb",
            "alpha beta",
            "%",
            "'",
            "аlpha",
            "a\0b",
            &"a".repeat(4096),
        ] {
            assert_eq!(read(&header(odd)), Err("tenant_not_found"), "{odd}");
            assert_eq!(read(&path(odd)), Err("tenant_not_found"), "{odd}");
        }
        let latin = NamingParts {
            tenant_ids: vec![b"alph\xe9"],
            ..NamingParts::default()
        };
        assert_eq!(read(&latin), Err("tenant_not_found"));
        assert_eq!(read(&host("a.example.test")), Err("tenant_not_found"));
    }

    #[test]
    fn a_malformed_host_is_refused() {
        for odd in [
            "",
            "beta@alpha.example.test",
            "alpha.example.test/",
            "alpha..test",
            "a b.test",
        ] {
            assert_eq!(read(&host(odd)), Err("bad_host"), "{odd}");
        }
        let latin = NamingParts {
            hosts: vec![b"alph\xe9.test"],
            ..NamingParts::default()
        };
        assert_eq!(read(&latin), Err("bad_host"));
        let target = NamingParts {
            target_authority: Some("x@y"),
            ..NamingParts::default()
        };
        assert_eq!(read(&target), Err("bad_host"));
    }

    #[test]
    fn a_way_that_is_switched_off_is_ignored() {
        let off = NamingRules {
            by_host: false,
            by_header: false,
            by_path: false,
            ..rules()
        };
        let parts = NamingParts {
            target_authority: Some("x@y"),
            hosts: vec![b"alpha.example.test"],
            tenant_ids: vec![b"beta", b"gamma"],
            path_key: Some("../delta"),
        };
        assert_eq!(name_tenant(&off, &parts).unwrap(), TenantNames::default());
        let twice = NamingParts {
            hosts: vec![b"alpha.example.test"; 2],
            ..parts
        };
        assert!(matches!(
            name_tenant(&off, &twice),
            Err(Refusal::TenantAmbiguous)
        ));
    }
}
