//! A password that passed the tenant's rules.

use passwords::analyzer::is_common_password;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::tenant_settings::TenantSettings;
use super::text::code_points;

/// Most bytes of the form that is hashed, whatever the tenant's limit in characters.
const MAX_BYTES: usize = 1024;
/// Composition (NFC) makes a text at most four times shorter, so nothing longer can come down to [`MAX_BYTES`].
const MAX_INPUT_BYTES: usize = 4 * MAX_BYTES;
/// No tenant can go lower (contract section 2.3).
const LEAST_MIN_LENGTH: u32 = 6;
/// A password may hold a forbidden word of at least this many characters only together with [`ENOUGH_BESIDES`] others.
const TELLING_WORD_LENGTH: u32 = 5;
const ENOUGH_BESIDES: u32 = 4;

/// A class of characters that a tenant may require (contract section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CharacterClass {
    /// An ASCII digit.
    Digit,
    /// An ASCII lower-case letter.
    Lowercase,
    /// Anything that is no ASCII letter or digit.
    Symbol,
    /// An ASCII upper-case letter.
    Uppercase,
}

impl CharacterClass {
    fn holds(self, character: char) -> bool {
        match self {
            Self::Digit => character.is_ascii_digit(),
            Self::Lowercase => character.is_ascii_lowercase(),
            Self::Symbol => !character.is_ascii_alphanumeric(),
            Self::Uppercase => character.is_ascii_uppercase(),
        }
    }
}

/// A valid password, in the form that is hashed. It shows itself to nobody.
///
/// That form is the text as sent, whole and in its own letter case, with other spaces mapped to the ASCII space and in
/// NFC (RFC 8265, section 4.2.2). The profile's list of characters is not applied: it predates most emoji, and a password
/// is shown to nobody.
#[derive(Debug)]
pub struct Password(SecretString);

impl Password {
    /// Judges a password as sent. `forbidden` holds the canonical user name and the tenant's key.
    ///
    /// # Errors
    /// Every fault found, in the contract's order; an empty password yields `Required` alone.
    pub fn parse(
        raw: &SecretString,
        settings: &TenantSettings,
        forbidden: &[&str],
    ) -> Result<Self, Vec<Fault>> {
        let raw = raw.expose_secret();
        let max = settings.password_max_length();
        if raw.len() > MAX_INPUT_BYTES {
            return Err(vec![Fault::TooLong { max }]);
        }
        if raw.chars().all(char::is_whitespace) {
            return Err(vec![Fault::Required]);
        }
        let text = hashed_form(raw);
        let faults = faults_of(&text, settings, max, forbidden);
        // Made from a borrowed text, which takes exactly the room it needs and leaves no copy behind.
        if faults.is_empty() {
            Ok(Self(SecretString::from(text.as_str())))
        } else {
            Err(faults)
        }
    }

    /// A password of an account that exists, in the form that is hashed; no rule but its length applies any more. `None`
    /// for what no account's password can be.
    #[must_use]
    pub fn to_compare(raw: &SecretString) -> Option<SecretString> {
        let raw = raw.expose_secret();
        let usable = !raw.is_empty() && raw.len() <= MAX_INPUT_BYTES;
        usable.then(|| SecretString::from(hashed_form(raw).as_str()))
    }

    /// The form that is hashed.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

fn faults_of(text: &str, settings: &TenantSettings, max: u32, forbidden: &[&str]) -> Vec<Fault> {
    let min = settings.password.min_length.max(LEAST_MIN_LENGTH);
    let required = &settings.password.require;
    let length = code_points(text);
    let lower = transformed(text, |character| character.to_lowercase());
    let mut faults = Vec::new();
    if length > max || text.len() > MAX_BYTES {
        faults.push(Fault::TooLong { max });
    } else if length < min {
        faults.push(Fault::TooShort { min });
    }
    if text
        .chars()
        .any(|character| character.is_control() && character != '\t')
    {
        faults.push(Fault::ForbiddenCharacter);
    }
    if !required
        .iter()
        .all(|class| text.chars().any(|character| class.holds(character)))
    {
        faults.push(Fault::MissingClasses(required.clone()));
    }
    if is_common_password(text) || is_common_password(lower.as_str()) {
        faults.push(Fault::CommonPassword);
    }
    if forbidden
        .iter()
        .any(|word| is_little_more_than(&lower, word))
    {
        faults.push(Fault::PasswordHoldsName);
    }
    faults
}

/// Whether a lower-case password is the word, or holds it with too little besides.
fn is_little_more_than(password: &str, word: &str) -> bool {
    let word = transformed(word, |character| character.to_lowercase());
    if word.is_empty() || !password.contains(word.as_str()) {
        return false;
    }
    let word_length = code_points(&word);
    let besides = code_points(password).saturating_sub(word_length);
    besides == 0 || (word_length >= TELLING_WORD_LENGTH && besides < ENOUGH_BESIDES)
}

fn hashed_form(raw: &str) -> Zeroizing<String> {
    let spaced = transformed(raw, |character| {
        std::iter::once(if is_other_space(character) {
            ' '
        } else {
            character
        })
    });
    let mut text = Zeroizing::new(String::with_capacity(room_for(&spaced)));
    text.extend(spaced.nfc());
    text
}

/// The general category Zs without the ASCII space.
fn is_other_space(character: char) -> bool {
    character.is_whitespace()
        && !character.is_ascii()
        && !matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Maps each character, into a buffer that is wiped when dropped.
fn transformed<I: Iterator<Item = char>>(text: &str, map: impl Fn(char) -> I) -> Zeroizing<String> {
    let mut result = Zeroizing::new(String::with_capacity(room_for(text)));
    result.extend(text.chars().flat_map(map));
    result
}

/// Neither lower case nor NFC makes a text more than three times longer. A buffer that never grows leaves no copies.
const fn room_for(text: &str) -> usize {
    text.len().saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::{ExposeSecret, SecretString};

    use super::{CharacterClass, Fault, Password};
    use crate::domain::dialect::Dialect;
    use crate::domain::tenant_settings::TenantSettings;

    const FORBIDDEN: [&str; 2] = ["wolfgangus", "tri"];

    fn judge_with(raw: &str, settings: &TenantSettings) -> Result<String, Vec<Fault>> {
        Password::parse(&SecretString::from(raw), settings, &FORBIDDEN)
            .map(|password| password.secret().expose_secret().to_owned())
    }

    fn judge(raw: &str) -> Result<String, Vec<Fault>> {
        judge_with(raw, &TenantSettings::default())
    }

    #[test]
    fn blank_is_missing() {
        for blank in ["", " ", "        ", "\u{3000}\t\n      "] {
            assert_eq!(judge(blank), Err(vec![Fault::Required]), "{blank:?}");
        }
    }

    #[test]
    fn length_counts_code_points() {
        let fine = "龘".repeat(8);
        assert_eq!(judge(&fine), Ok(fine));
        assert_eq!(judge("wX7_q9!"), Err(vec![Fault::TooShort { min: 8 }]));
        assert!(judge(&"wX7_q9!-".repeat(16)).is_ok());
        assert_eq!(
            judge(&("wX7_q9!-".repeat(16) + "x")),
            Err(vec![Fault::TooLong { max: 128 }])
        );
    }

    #[test]
    fn no_tenant_goes_below_six_and_each_dialect_has_its_own_maximum() {
        let mut settings = TenantSettings {
            dialect: Dialect::Discuzq,
            ..TenantSettings::default()
        };
        settings.password.min_length = 1;
        assert_eq!(
            judge_with("wX7_q", &settings),
            Err(vec![Fault::TooShort { min: 6 }])
        );
        assert!(judge_with("wX7_q9", &settings).is_ok());
        assert!(judge_with(&"wX7_q".repeat(10), &settings).is_ok());
        assert_eq!(
            judge_with(&"wX7_q".repeat(11), &settings),
            Err(vec![Fault::TooLong { max: 50 }])
        );
    }

    #[test]
    fn nothing_is_cut_off() {
        for length in [64, 72, 73, 128] {
            let start = "é7#kQz"
                .chars()
                .cycle()
                .take(length - 1)
                .collect::<String>();
            let one = judge(&(start.clone() + "x")).unwrap();
            let other = judge(&(start + "y")).unwrap();
            assert_eq!(one.chars().count(), length);
            assert_ne!(one, other, "{length} code points");
        }
    }

    #[test]
    fn too_many_bytes_are_refused_within_the_code_points() {
        let mut settings = TenantSettings::default();
        settings.password.max_length = Some(300);
        assert!(judge_with(&"🜁".repeat(256), &settings).is_ok());
        assert_eq!(
            judge_with(&"🜁".repeat(257), &settings),
            Err(vec![Fault::TooLong { max: 300 }])
        );
        for raw in ["a".repeat(200_000), " ".repeat(200_000)] {
            assert_eq!(judge(&raw), Err(vec![Fault::TooLong { max: 128 }]));
        }
    }

    #[test]
    fn a_missing_class_is_told_once_with_all_that_are_required() {
        let mut settings = TenantSettings::default();
        settings.password.require = vec![
            CharacterClass::Symbol,
            CharacterClass::Uppercase,
            CharacterClass::Digit,
            CharacterClass::Lowercase,
        ];
        assert!(
            judge_with("tE4 zzzzz", &settings).is_ok(),
            "a blank is a symbol"
        );
        assert!(
            judge_with("tE4汉zzzzz", &settings).is_ok(),
            "so is a letter beyond ASCII"
        );
        let fault = Fault::MissingClasses(settings.password.require.clone());
        for lacking in ["tE4zzzzzz", "te4 zzzzz", "tE! zzzzz", "TE4 ZZZZZ"] {
            assert_eq!(
                judge_with(lacking, &settings),
                Err(vec![fault.clone()]),
                "{lacking}"
            );
        }
        assert_eq!(
            judge_with("tezz", &settings),
            Err(vec![Fault::TooShort { min: 8 }, fault])
        );
    }

    #[test]
    fn common_passwords_are_refused_in_any_letter_case() {
        for common in [
            "password",
            "PassWord",
            "1234567890",
            "iloveyou",
            "!QAZ2wsx",
            "qwertyuiop",
            "QwertyUiop",
        ] {
            assert_eq!(judge(common), Err(vec![Fault::CommonPassword]), "{common}");
        }
    }

    /// The list counts only as far as the length rule leaves it something to do (`docs/threats.md`, row 89).
    #[test]
    fn ten_thousand_common_passwords_have_eight_characters_or_more() {
        let mut entries = common_list();
        entries.retain(|entry| entry.chars().count() >= 8);
        assert!(entries.len() >= 10_000, "{}", entries.len());
        for entry in entries.iter().step_by(499) {
            assert!(
                judge(entry).unwrap_err().contains(&Fault::CommonPassword),
                "{entry}"
            );
        }
    }

    /// The list itself: its crate keeps it in a data file and lets code only ask about single words.
    fn common_list() -> Vec<String> {
        let output = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).output().unwrap().stdout
        };
        // Packages for other systems need not be there.
        let host = output("rustc", &["--print", "host-tuple"]);
        let host = std::str::from_utf8(&host).unwrap().trim();
        let metadata = output(
            env!("CARGO"),
            &[
                "metadata",
                "--offline",
                "--format-version",
                "1",
                "--filter-platform",
                host,
            ],
        );
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let manifest = packages
            .iter()
            .find(|package| package["name"] == "passwords")
            .unwrap()["manifest_path"]
            .clone();
        let data = std::path::Path::new(manifest.as_str().unwrap())
            .with_file_name("data/common-passwords.json");
        serde_json::from_str(&std::fs::read_to_string(data).unwrap()).unwrap()
    }

    #[test]
    fn the_name_with_little_besides_is_no_password() {
        for near in [
            "wolfgangus",
            "WOLFGANGUS",
            "wolfgangus1",
            "123Wolfgangus",
            "1wolfgangus99",
        ] {
            assert_eq!(judge(near), Err(vec![Fault::PasswordHoldsName]), "{near}");
        }
        for far in [
            "wolfgangus1234",
            "12wolfgangus34",
            "Tri-wX7q",
            "wolfgangu-xyz",
        ] {
            assert!(judge(far).is_ok(), "{far}");
        }
        let mut settings = TenantSettings::default();
        settings.password.min_length = 6;
        let same = Password::parse(
            &SecretString::from("Zoë-Ŵ7"),
            &settings,
            &["", "zoe\u{308}-ŵ7", "zoë-ŵ7"],
        );
        assert_eq!(same.unwrap_err(), vec![Fault::PasswordHoldsName]);
    }

    #[test]
    fn controls_are_refused_but_a_tab_is_not() {
        for odd in [
            "wX7_q9!-\0",
            "wX7_\nq9!-",
            "wX7_\u{7f}q9!-",
            "wX7_\u{85}q9!-",
        ] {
            assert_eq!(judge(odd), Err(vec![Fault::ForbiddenCharacter]), "{odd:?}");
        }
        assert_eq!(judge("wX7_\tq9!-").as_deref(), Ok("wX7_\tq9!-"));
    }

    #[test]
    fn spellings_of_one_text_are_one_password() {
        assert_eq!(judge("Ame\u{301}lie 42"), judge("Amélie\u{a0}42"));
        assert_eq!(judge("Amélie\u{3000}42").as_deref(), Ok("Amélie 42"));
        assert_ne!(
            judge("amélie 42"),
            judge("Amélie 42"),
            "letter case is kept"
        );
        assert_eq!(
            judge("🤣👩\u{200d}🚀🤣👩\u{200d}🚀").as_deref(),
            Ok("🤣👩\u{200d}🚀🤣👩\u{200d}🚀")
        );
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let password = Password::parse(
            &SecretString::from("wX7_q9!-"),
            &TenantSettings::default(),
            &[],
        )
        .unwrap();
        assert!(!format!("{password:?}").contains("wX7"));
    }

    proptest! {
        // Without optimisation the list of common passwords is searched from end to end.
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 4096 }))]

        #[test]
        fn any_text_is_judged_and_an_accepted_form_is_stable(raw in any::<String>(), word in any::<String>()) {
            let settings = TenantSettings::default();
            if let Ok(password) = Password::parse(&SecretString::from(raw.as_str()), &settings, &[&word]) {
                let form = password.secret().expose_secret().to_owned();
                prop_assert!((8..=128).contains(&form.chars().count()) && form.len() <= 1024);
                let again = Password::parse(password.secret(), &settings, &[&word]).unwrap();
                prop_assert_eq!(again.secret().expose_secret(), form);
            }
        }

        #[test]
        fn no_two_ascii_passwords_become_one(one in "[ -~]{8,128}", other in "[ -~]{8,128}") {
            if let (Ok(first), Ok(second)) = (judge(&one), judge(&other)) {
                prop_assert_eq!(first == second, one == other);
            }
        }
    }
}
