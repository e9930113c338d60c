//! Phone numbers in one form: E.164, a plus sign and the digits from the country code on.

use std::fmt;

/// A phone number, `+` and 7 to 15 digits (ITU-T E.164, section 6).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Reads what a person typed: blanks, hyphens and brackets fall away; without a plus sign or `00` in front it is a
    /// number of the country with this calling code, whose clients send their own numbers bare (`docs/contract.md`,
    /// section 10.3). `None` when no phone number is left.
    #[must_use]
    pub fn parse(text: &str, country_code: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '(' | ')'))
            .collect();
        let digits = match plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")) {
            Some(international) => international.to_owned(),
            None => format!("{country_code}{}", plain.trim_start_matches('0')),
        };
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        well_formed.then(|| Self(format!("+{digits}")))
    }

    /// From a column or a token of ours, which hold the one form.
    #[must_use]
    pub fn from_e164(text: &str) -> Option<Self> {
        text.starts_with('+')
            .then(|| Self::parse(text, ""))
            .flatten()
            .filter(|number| number.0 == text)
    }

    /// The number with its plus sign.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// As the people of the country write it: without the calling code, where it is theirs.
    #[must_use]
    pub fn national(&self, country_code: &str) -> &str {
        let digits = self.0.strip_prefix('+').unwrap_or(&self.0);
        match digits.strip_prefix(country_code) {
            Some(national) if !country_code.is_empty() => national,
            _ => &self.0,
        }
    }

    /// The national form with four stars from its fourth digit on (`docs/contract.md`, section 10.5).
    #[must_use]
    pub fn masked(&self, country_code: &str) -> String {
        let national = self.national(country_code).chars();
        national
            .enumerate()
            .map(|(at, digit)| if (3..7).contains(&at) { '*' } else { digit })
            .collect()
    }
}

impl fmt::Display for PhoneNumber {
    /// Masked: a number in a log helps nobody but a thief.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked(""))
    }
}

#[cfg(test)]
mod tests {
    use super::PhoneNumber;

    #[test]
    fn every_way_to_write_a_number_is_one_number() {
        for text in [
            "13800138000",
            "+8613800138000",
            "+86 138-0013-8000",
            "008613800138000",
            "(138) 0013 8000",
            "013800138000",
        ] {
            let number = PhoneNumber::parse(text, "86").unwrap();
            assert_eq!(number.as_e164(), "+8613800138000", "{text}");
            assert_eq!(number.national("86"), "13800138000");
            assert_eq!(number.masked("86"), "138****8000");
            assert_eq!(PhoneNumber::from_e164(number.as_e164()), Some(number));
        }
        let abroad = PhoneNumber::parse("+14155550100", "86").unwrap();
        assert_eq!(abroad.national("86"), "+14155550100");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "1".repeat(70);
        for text in [
            "",
            "+",
            "123",
            "abc",
            "138001380001234567",
            "+0123456789",
            "1380013800x",
            "+86+13800138000",
            "１３８００１３８０００",
            &long,
        ] {
            assert_eq!(PhoneNumber::parse(text, "86"), None, "{text}");
        }
        assert_eq!(PhoneNumber::from_e164("13800138000"), None);
        assert_eq!(PhoneNumber::from_e164("+86 13800138000"), None);
    }
}
