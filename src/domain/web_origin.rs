//! Web origins as a browser sends them (RFC 6454, section 6.2): a scheme, a host, and a port that is not the scheme's own.

use std::net::Ipv4Addr;

use super::host_name::HostName;

/// Whether the text is exactly what a browser would send in `Origin` for a page whose address can be trusted: `https`, or
/// `http` from the same machine. `null`, patterns, paths and upper case never are, so a comparison byte by byte suffices.
#[must_use]
pub fn is_exact_origin(text: &str) -> bool {
    let (is_secure, default_port, authority) =
        match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(authority), _) => (true, 443, authority),
            (None, Some(authority)) => (false, 80, authority),
            (None, None) => return false,
        };
    let Some(host) = HostName::parse(authority) else {
        return false;
    };
    let Some(rest) = authority.strip_prefix(host.as_str()) else {
        return false;
    };
    let is_port = |port: &str| {
        let number: Option<u16> = port.parse().ok();
        number.is_some_and(|n| n > 0 && n != default_port && n.to_string() == port)
    };
    let ends_well = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    ends_well && (is_secure || is_this_machine(host.as_str()))
}

/// Names and addresses that never leave the machine (RFC 6761, section 6.3; RFC 6890).
fn is_this_machine(host: &str) -> bool {
    let is_loopback = host
        .parse::<Ipv4Addr>()
        .is_ok_and(|address| address.is_loopback());
    is_loopback || host == "[::1]" || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::is_exact_origin;

    #[test]
    fn what_a_browser_sends_is_an_origin() {
        for text in [
            "https://www.example.com",
            "https://www.example.com:8443",
            "https://xn--fsqu00a.example",
            "https://192.0.2.1",
            "https://[2001:db8::1]:444",
            "http://localhost",
            "http://demo.localhost:8080",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
        ] {
            assert!(is_exact_origin(text), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_none() {
        for text in [
            "",
            "null",
            "*",
            "https://",
            "https://*",
            "https://*.example.com",
            "www.example.com",
            "//www.example.com",
            "ftp://www.example.com",
            "http://www.example.com",
            "http://localhost.example.com",
            "http://notlocalhost",
            "http://127.0.0.1.example.com",
            "https://www.example.com/",
            "https://www.example.com/a",
            "https://www.example.com.",
            "https://WWW.example.com",
            "HTTPS://www.example.com",
            "https://user@www.example.com",
            "https://www.example.com:",
            "https://www.example.com:443",
            "http://localhost:80",
            "https://www.example.com:0",
            "https://www.example.com:08443",
            "https://www.example.com:99999",
            "https://www.example.com https://b.example",
            " https://www.example.com",
            "https://例子.example",
            "https://[2001:DB8::1]",
        ] {
            assert!(!is_exact_origin(text), "{text}");
        }
    }
}
