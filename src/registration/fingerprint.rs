//! Tells whether two requests with one `Idempotency-Key` ask for the same thing.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::ExposeSecret;

use crate::domain::registration::Registration;

/// A keyed hash of everything that a registration asks for, in hexadecimal. The key keeps whoever reads the table from
/// trying passwords against it.
pub(super) fn fingerprint(registration: &Registration, key: &[u8; 32]) -> String {
    let mut hash = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    let fields = [
        registration.username.as_deref(),
        registration
            .password
            .as_ref()
            .map(ExposeSecret::expose_secret),
        registration.register_reason.as_deref(),
        registration.invite_code.as_deref(),
    ];
    for field in fields {
        // Absent and empty differ, and no field can run into the next.
        match field {
            None => hash.update(&[0]),
            Some(text) => {
                hash.update(&[1]);
                hash.update(&text.len().to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    hash.sign()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use crate::domain::registration::Registration;

    fn asked(username: Option<&str>, password: Option<&str>) -> Registration {
        Registration {
            username: username.map(str::to_owned),
            password: password.map(Into::into),
            ..Registration::default()
        }
    }

    #[test]
    fn only_the_same_request_under_the_same_key_has_the_same_fingerprint() {
        let one = fingerprint(&asked(Some("ab"), Some("c")), &[1; 32]);
        assert_eq!(one, fingerprint(&asked(Some("ab"), Some("c")), &[1; 32]));
        for other in [
            asked(Some("a"), Some("bc")),
            asked(Some("ab"), None),
            asked(Some("ab"), Some("")),
            asked(None, Some("c")),
        ] {
            assert_ne!(one, fingerprint(&other, &[1; 32]));
        }
        assert_ne!(one, fingerprint(&asked(Some("ab"), Some("c")), &[2; 32]));
    }
}
