//! A host name as it is compared: lower-case A-labels, no port, no trailing dot.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Most characters of a DNS name in text form (RFC 1035, section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
/// A trailing dot, a colon and a port may follow the name.
const MAX_INPUT_BYTES: usize = MAX_NAME_BYTES + 8;

/// A normalised host: a DNS name of valid LDH labels, or an IP address literal (IPv6 in brackets).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// Reads the value of a `Host` field or the authority of a request target; `None` when it is malformed (threats 6, 8).
    /// A port and one trailing dot are dropped; user information is refused.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        if raw.len() > MAX_INPUT_BYTES {
            return None;
        }
        if let Some(rest) = raw.strip_prefix('[') {
            return Self::parse_ipv6(rest);
        }
        let (name, port) = raw
            .split_once(':')
            .map_or((raw, None), |(name, port)| (name, Some(port)));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        (port.is_none_or(is_port) && is_host(&name)).then_some(Self(name))
    }

    /// `rest` is what follows the opening bracket.
    fn parse_ipv6(rest: &str) -> Option<Self> {
        let (address, after) = rest.split_once(']')?;
        let port_is_fine = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().ok()?;
        port_is_fine.then(|| Self(format!("[{address}]")))
    }

    /// The normalised form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The label in front of `base`, if this is exactly one label under it.
    #[must_use]
    pub fn label_under(&self, base: &HostName) -> Option<&str> {
        let label = self.0.strip_suffix(base.as_str())?.strip_suffix('.')?;
        (!label.contains('.')).then_some(label)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// RFC 3986, section 3.2.3: any number of digits, none included; here the number must be a possible port.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || (text.len() <= 5
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u16>().is_ok())
}

/// Judges a lower-case name without port and trailing dot.
fn is_host(name: &str) -> bool {
    if name.len() > MAX_NAME_BYTES || !name.split('.').all(is_label) {
        return false;
    }
    // A name that ends in a number is an address or nothing: `127.1` and `0x7f.1` would reach one in some clients.
    if name.rsplit('.').next().is_some_and(is_number) {
        return name.parse::<Ipv4Addr>().is_ok();
    }
    !name.split('.').any(|label| label.starts_with("xn--")) || is_canonical_idn(name)
}

/// Letters, digits and hyphens, no hyphen at either end (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether every encoded label decodes to what UTS 46 would encode the same way. Fake punycode, such as an encoded form of
/// plain ASCII, does not (RUSTSEC-2024-0421).
fn is_canonical_idn(name: &str) -> bool {
    let idna = Uts46::new();
    let (decoded, verdict) = idna.to_unicode(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
    verdict.is_ok()
        && idna
            .to_ascii(
                decoded.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::Allow,
                DnsLength::Verify,
            )
            .is_ok_and(|encoded| encoded == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::HostName;

    fn parsed(raw: &str) -> Option<String> {
        HostName::parse(raw).map(|host| host.to_string())
    }

    #[test]
    fn spellings_of_one_host_meet() {
        for raw in [
            "demo.localhost",
            "DEMO.LocalHost",
            "demo.localhost.",
            "demo.localhost:8080",
            "demo.localhost.:80",
            "demo.localhost:",
            "demo.localhost:00080",
        ] {
            assert_eq!(parsed(raw).as_deref(), Some("demo.localhost"), "{raw}");
        }
    }

    #[test]
    fn addresses_are_hosts() {
        assert_eq!(parsed("127.0.0.1:8080").as_deref(), Some("127.0.0.1"));
        assert_eq!(parsed("[::1]").as_deref(), Some("[::1]"));
        assert_eq!(parsed("[0:0::0:1]:443").as_deref(), Some("[::1]"));
        for odd in [
            "127.1",
            "0x7f.1",
            "127.0.0.256",
            "1.2.3.4.5",
            "0177.0.0.1",
            "2130706433",
            "a.0x",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%eth0]",
            "[]",
            "[127.0.0.1]",
        ] {
            assert_eq!(parsed(odd), None, "{odd}");
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = [
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(63),
        ]
        .join(".");
        let odd = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "-a.example",
            "a-.example",
            "a_b.example",
            "user@host",
            "user:pw@host",
            "a b",
            " a",
            "a ",
            "a\t",
            "a/b",
            "a%62",
            "a\0b",
            "a\r\nb",
            "a,b",
            "*.example",
            "a:80:80",
            "a:-1",
            "a:+80",
            "a:65536",
            "a:8x",
            "a?b",
            "a#b",
            "a\\b",
            "http://a",
            "аlpha",
            "ａlpha",
            "al\u{ad}pha",
            "alp\u{200b}ha",
            long_label.as_str(),
            long_name.as_str(),
        ];
        for raw in odd {
            assert_eq!(parsed(raw), None, "{raw:?}");
        }
        assert!(HostName::parse(long_name.get(..253).unwrap()).is_some());
        assert!(HostName::parse(&"a.".repeat(4000)).is_none());
    }

    #[test]
    fn encoded_labels_must_be_honest() {
        for fine in [
            "xn--bcher-kva.example",
            "xn--fiqs8s",
            "XN--Fiqs8S.example",
            "xn--p1ai",
        ] {
            assert_eq!(parsed(fine), Some(fine.to_ascii_lowercase()), "{fine}");
        }
        // Plain ASCII, nothing, and codes of what UTS 46 would have encoded otherwise or not at all.
        for fake in [
            "xn--alpha",
            "xn--alpha-",
            "xn--",
            "xn--Bcher-Kva-0",
            "xn--a-ecp.ru",
            "xn--a-ugn",
            "xn--99999999",
            "demo.xn--localhost-.example",
        ] {
            assert_eq!(parsed(fake), None, "{fake}");
        }
    }

    #[test]
    fn exactly_one_label_under_a_base_is_told() {
        let base = HostName::parse("localhost").unwrap();
        let label = |raw: &str| {
            HostName::parse(raw)
                .unwrap()
                .label_under(&base)
                .map(str::to_owned)
        };
        assert_eq!(label("Demo.localhost:8080").as_deref(), Some("demo"));
        for other in [
            "localhost",
            "a.demo.localhost",
            "demolocalhost",
            "demo.localhost.example",
            "127.0.0.1",
            "[::1]",
        ] {
            assert_eq!(label(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_host_is_plain_and_stable(raw in "[a-zA-Z0-9.:@%-]{0,40}|(xn--[a-z0-9-]{0,12}\\.)?[a-z]{1,5}|\\PC{0,8}") {
            if let Some(host) = HostName::parse(&raw) {
                prop_assert!(host.as_str().is_ascii());
                prop_assert!(!host.as_str().contains(['@', '%', '/', ' ']));
                prop_assert_eq!(HostName::parse(host.as_str()), Some(host));
            }
        }
    }
}
