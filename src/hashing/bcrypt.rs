//! Hashes by bcrypt, as other sites made them: accepted at a login, which then makes one of our own. Never made here.
//!
//! The function reads a password as C did: up to its first NUL, and no more than 72 bytes with that NUL. What differs only
//! behind that opens the same hash, until the first login.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Costs that are accepted, as powers of two. Below, no site hashed by choice; 14 takes about a second, and one more
/// doubles it.
const COSTS: std::ops::RangeInclusive<u32> = LEAST_COST..=14;
/// The least of them, which is also the function's own.
pub(super) const LEAST_COST: u32 = 4;

/// The bytes of a password that count, its final NUL among them.
const MOST_BYTES: usize = 72;

/// Some makers leave bits in the last digit of the salt that mean nothing.
const DIGITS: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A stored hash, taken apart.
pub(super) struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl BcryptHash {
    /// Reads `$2y$10$` and 53 digits, also with `2a` or `2b`, which mean the same for whole passwords. `None` for any other
    /// text, and for `2x`, which stands for hashes of a broken program.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = ["$2y$", "$2a$", "$2b$"]
            .into_iter()
            .find_map(|version| text.strip_prefix(version))?;
        let (cost, digits) = rest.split_once('$')?;
        let is_number = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        let cost = cost
            .parse()
            .ok()
            .filter(|cost| is_number && COSTS.contains(cost))?;
        let (salt, hash) = digits.split_at_checked(22)?;
        Some(Self {
            cost,
            salt: DIGITS.decode(salt).ok()?.try_into().ok()?,
            hash: DIGITS.decode(hash).ok()?.try_into().ok()?,
        })
    }

    /// The power of two.
    pub(super) const fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether this is the password's hash. The work is done whatever the password.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        let mut read = Zeroizing::new(password.to_vec());
        read.push(0);
        read.truncate(MOST_BYTES);
        let made = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, &read));
        let made = made.get(..self.hash.len()).unwrap_or_default();
        // C would stop at a NUL, and so let a part of the password in.
        verify_slices_are_equal(made, &self.hash).is_ok() && !password.contains(&0)
    }
}

/// The work of the least cost, for its time to be taken.
pub(super) fn least_work() {
    std::hint::black_box(bcrypt::bcrypt(LEAST_COST, [0; 16], b"\0"));
}

#[cfg(test)]
mod tests {
    use super::BcryptHash;

    /// Test vectors of the original jBCrypt.
    const KNOWN: [(&str, &str); 5] = [
        (
            "",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        ),
        (
            "a",
            "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        ),
        (
            "abc",
            "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
        ),
        (
            "abcdefghijklmnopqrstuvwxyz",
            "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC",
        ),
        (
            "~!@#$%^&*()      ~!@#$%^&*()PNBFRD",
            "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO",
        ),
    ];

    #[test]
    fn known_hashes_open_with_their_passwords_alone() {
        for (password, hash) in KNOWN {
            let stored = BcryptHash::parse(hash).unwrap();
            assert!(stored.is_of(password.as_bytes()), "{hash}");
            assert!(!stored.is_of(format!("{password}x").as_bytes()), "{hash}");
            for version in ["$2y$", "$2b$"] {
                let other = BcryptHash::parse(&hash.replace("$2a$", version)).unwrap();
                assert!(other.is_of(password.as_bytes()), "{hash}");
            }
        }
    }

    #[test]
    fn a_password_is_read_to_its_72nd_byte_and_a_nul_opens_nothing() {
        let stored = BcryptHash::parse(KNOWN[1].1).unwrap();
        assert!(!stored.is_of(b"a\0"));
        assert!(!stored.is_of(b"a\0b"));
        let long = [b'x'; 100];
        let made = bcrypt::bcrypt(4, [7; 16], &long[..72]);
        let stored = BcryptHash {
            cost: 4,
            salt: [7; 16],
            hash: made[..23].try_into().unwrap(),
        };
        assert!(stored.is_of(&long[..72]) && stored.is_of(&long));
        assert!(!stored.is_of(&long[..71]));
    }

    #[test]
    fn what_is_no_bcrypt_hash_of_bearable_cost_is_none() {
        let good = KNOWN[0].1;
        for bad in [
            String::new(),
            "$2y$".to_owned(),
            good.replace("$2a$", "$2x$"),
            good.replace("$2a$", "$2$"),
            good.replace("$06$", "$03$"),
            good.replace("$06$", "$15$"),
            good.replace("$06$", "$31$"),
            good.replace("$06$", "$6$"),
            good.replace("$06$", "$+6$"),
            good.replace("$06$", "$006$"),
            good.replace("DCq7", "DC=7"),
            format!("{good}."),
            good.trim_end_matches('.').to_owned(),
            format!(" {good}"),
        ] {
            assert!(BcryptHash::parse(&bad).is_none(), "{bad}");
        }
        assert!(BcryptHash::parse(&good.replace("$06$", "$14$")).is_some());
    }
}
