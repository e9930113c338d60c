//! Tells whether two requests with one `Idempotency-Key` ask for the same thing.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use secrecy::ExposeSecret;

use crate::domain::registration::{Offered, Registration};

/// A keyed hash of everything that a registration asks for, in hexadecimal. The key keeps whoever reads the table from
/// trying passwords against it.
///
/// The captcha is left out: a solved one is good once, so a client that repeats its call brings a new one. Faults are left
/// out as well: a request that has any never makes an account.
pub(super) fn fingerprint(registration: &Registration, key: &[u8; 32]) -> String {
    let Registration {
        username,
        password,
        register_reason,
        invite_code,
        offered,
        captcha: _,
        faults: _,
    } = registration;
    let Offered {
        token,
        mobile_token,
        mini_program,
        rebind,
    } = offered;
    let mini_program = mini_program.as_ref();
    let mut hash = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    let fields = [
        username.as_deref(),
        password.as_ref().map(ExposeSecret::expose_secret),
        register_reason.as_deref(),
        invite_code.as_deref(),
        token.as_ref().map(ExposeSecret::expose_secret),
        mobile_token.as_ref().map(ExposeSecret::expose_secret),
        mini_program.map(|code| code.js_code.expose_secret()),
        mini_program.map(|code| code.iv.as_str()),
        mini_program.map(|code| code.encrypted_data.as_str()),
        rebind.then_some("rebind"),
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
    use crate::domain::fault::{Fault, Field, FieldFault};
    use crate::domain::registration::{CaptchaAnswer, MiniProgramCode, Offered, Registration};

    const KEY: [u8; 32] = [1; 32];

    fn triple(js_code: &str, iv: &str, encrypted_data: &str) -> Option<MiniProgramCode> {
        Some(MiniProgramCode {
            js_code: js_code.into(),
            iv: iv.to_owned(),
            encrypted_data: encrypted_data.to_owned(),
        })
    }

    fn asked() -> Registration {
        Registration {
            username: Some("ab".to_owned()),
            password: Some("c".into()),
            register_reason: Some("reason".to_owned()),
            invite_code: Some("CODE".to_owned()),
            offered: Offered {
                token: Some("token".into()),
                mobile_token: Some("mobile".into()),
                mini_program: triple("js", "iv", "data"),
                rebind: false,
            },
            captcha: CaptchaAnswer::default(),
            faults: Vec::new(),
        }
    }

    fn but(change: impl FnOnce(&mut Registration)) -> Registration {
        let mut registration = asked();
        change(&mut registration);
        registration
    }

    #[test]
    fn every_attribute_but_the_captcha_is_part_of_the_fingerprint() {
        let one = fingerprint(&asked(), &KEY);
        assert_eq!(one, fingerprint(&asked(), &KEY));
        let others = [
            ("username", but(|asked| asked.username = None)),
            ("password", but(|asked| asked.password = Some("d".into()))),
            ("no password", but(|asked| asked.password = None)),
            (
                "empty password",
                but(|asked| asked.password = Some("".into())),
            ),
            ("register_reason", but(|asked| asked.register_reason = None)),
            ("code", but(|asked| asked.invite_code = None)),
            (
                "token",
                but(|asked| asked.offered.token = Some("other".into())),
            ),
            ("no token", but(|asked| asked.offered.token = None)),
            (
                "mobileToken",
                but(|asked| asked.offered.mobile_token = Some("other".into())),
            ),
            (
                "no mobileToken",
                but(|asked| asked.offered.mobile_token = None),
            ),
            ("no triple", but(|asked| asked.offered.mini_program = None)),
            (
                "js_code",
                but(|asked| asked.offered.mini_program = triple("x", "iv", "data")),
            ),
            (
                "iv",
                but(|asked| asked.offered.mini_program = triple("js", "x", "data")),
            ),
            (
                "encryptedData",
                but(|asked| asked.offered.mini_program = triple("js", "iv", "x")),
            ),
            ("rebind", but(|asked| asked.offered.rebind = true)),
        ];
        for (name, other) in others {
            assert_ne!(one, fingerprint(&other, &KEY), "{name}");
        }
        assert_ne!(one, fingerprint(&asked(), &[2; 32]), "the key");
    }

    #[test]
    fn a_retry_may_bring_another_captcha() {
        let again = but(|asked| {
            asked.captcha.ticket = "good-2".to_owned();
            asked.captcha.rand_str = "@2".to_owned();
            asked.faults = vec![FieldFault::new(Field::Captcha, Fault::WrongType)];
        });
        assert_eq!(fingerprint(&asked(), &KEY), fingerprint(&again, &KEY));
    }

    #[test]
    fn no_field_runs_into_the_next() {
        let split = |username: &str, password: &str| {
            but(|asked| {
                asked.username = Some(username.to_owned());
                asked.password = Some(password.into());
            })
        };
        let moved = but(|asked| {
            asked.offered.mobile_token = asked.offered.token.take();
        });
        let back = but(|asked| asked.offered.mobile_token = None);
        assert_ne!(
            fingerprint(&split("ab", "c"), &KEY),
            fingerprint(&split("a", "bc"), &KEY)
        );
        assert_ne!(fingerprint(&moved, &KEY), fingerprint(&back, &KEY));
    }
}
