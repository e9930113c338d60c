//! Whose address a request counts against.
//!
//! Limits are kept per address, so a client must not be able to choose its own. Only entries that a configured proxy
//! wrote are believed: each proxy appends the address it saw, so the list is walked from its right end for as long as the
//! hop that wrote the next entry is trusted (`docs/contract.md`, section 1).

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// So many hops are followed at most; real chains have a handful.
const MAX_HOPS: usize = 64;

/// The right-most address that is not a trusted proxy, else the farthest trusted hop that could be read.
///
/// `peer` is the other end of the connection, `forwarded_for` all values of `X-Forwarded-For` in the order received,
/// `trusted` the configured proxy networks. From a peer outside them the field means nothing. IPv4-mapped IPv6 addresses
/// come out as IPv4.
#[must_use]
pub fn requester_address<'a>(
    peer: IpAddr,
    forwarded_for: impl Iterator<Item = &'a str>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    let lines: Vec<&str> = forwarded_for.collect();
    for hop in lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(','))
        .take(MAX_HOPS)
    {
        if !is_trusted(nearest, trusted) {
            break;
        }
        match read_hop(hop.trim()) {
            Some(address) => nearest = address,
            None => break,
        }
    }
    nearest
}

/// Whether an address is that of a configured proxy.
#[must_use]
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|net| net.contains(&address))
}

/// An address, bare or in brackets, with or without a port (some proxies write one).
fn read_hop(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use ipnet::IpNet;

    use super::requester_address;

    fn from(peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .iter()
            .map(|net| net.parse().unwrap())
            .collect();
        let peer: IpAddr = peer.parse().unwrap();
        requester_address(peer, lines.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(from("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(from("203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_hop_counts() {
        assert_eq!(
            from("10.0.0.1", &["198.51.100.1, 203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            from("10.0.0.1", &["198.51.100.1, 203.0.113.9, 10.1.1.1"]),
            "203.0.113.9"
        );
        assert_eq!(
            from("10.0.0.1", &["198.51.100.1", "203.0.113.9", "10.1.1.1"]),
            "203.0.113.9"
        );
        assert_eq!(from("fd00::1", &["2001:db8::7"]), "2001:db8::7");
    }

    #[test]
    fn junk_stops_the_walk_at_the_last_trusted_hop() {
        for junk in [
            "unknown",
            "",
            "198.51.100.1 x",
            "_hidden",
            "999.1.1.1",
            "[::1",
        ] {
            assert_eq!(
                from("10.0.0.1", &[&format!("198.51.100.1, {junk}, 10.2.2.2")]),
                "10.2.2.2"
            );
        }
        assert_eq!(from("10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn mapped_addresses_are_unmapped_wherever_they_stand() {
        assert_eq!(
            from("::ffff:10.0.0.1", &["::ffff:203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(from("::ffff:203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn ports_and_brackets_are_dropped() {
        assert_eq!(from("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(from("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn the_walk_is_bounded() {
        let long = format!("198.51.100.1{}", ", 10.0.0.2".repeat(64));
        assert_eq!(from("10.0.0.1", &[&long]), "10.0.0.2");
        let short = format!("198.51.100.1{}", ", 10.0.0.2".repeat(63));
        assert_eq!(from("10.0.0.1", &[&short]), "198.51.100.1");
    }
}
