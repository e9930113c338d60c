//! Which language an answer is in: the request's wish, then the tenant's own (RFC 9110, section 12.5.4).

use crate::domain::language::Language;

/// So many bytes of the field are looked at; browsers send far fewer.
const MAX_BYTES: usize = 1024;

/// Picks the language that `Accept-Language` likes best, the first of equals; `tenant` when it names none that we have.
///
/// `zh` and `en` stand for all their regional forms, `*` for the tenant's language. Items that break the grammar are
/// ignored, and so is a field of more than 1024 bytes.
#[must_use]
pub fn choose(accept_language: Option<&str>, tenant: Language) -> Language {
    let field = accept_language
        .filter(|field| field.len() <= MAX_BYTES)
        .unwrap_or_default();
    let mut best = (0, tenant);
    for (language, quality) in field.split(',').filter_map(|item| read_item(item, tenant)) {
        if quality > best.0 {
            best = (quality, language);
        }
    }
    best.1
}

/// One item of the list: the language meant, and its weight in thousandths.
fn read_item(item: &str, tenant: Language) -> Option<(Language, u16)> {
    let (range, weight) = match item.split_once(';') {
        Some((range, parameter)) => (range, read_weight(parameter.trim())?),
        None => (item, 1000),
    };
    let range = range.trim();
    let primary = range.split_once('-').map_or(range, |(primary, _)| primary);
    let language = match primary {
        "*" => tenant,
        _ if primary.eq_ignore_ascii_case("zh") => Language::SimplifiedChinese,
        _ if primary.eq_ignore_ascii_case("en") => Language::English,
        _ => return None,
    };
    Some((language, weight))
}

/// `q=` with a number from 0 to 1 of at most three decimals, in thousandths.
fn read_weight(parameter: &str) -> Option<u16> {
    let value = parameter
        .strip_prefix("q=")
        .or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::choose;
    use crate::domain::language::Language::{self, English, SimplifiedChinese};

    fn other(language: Language) -> Language {
        match language {
            English => SimplifiedChinese,
            SimplifiedChinese => English,
        }
    }

    #[test]
    fn the_request_decides_before_the_tenant() {
        for (field, language) in [
            ("en", English),
            ("EN-gb", English),
            ("zh", SimplifiedChinese),
            ("zh-Hant-TW", SimplifiedChinese),
            ("fr, en;q=0.5", English),
            ("zh;q=0.2,en ; q=0.8", English),
            ("en;q=0.8, zh;q=0.801", SimplifiedChinese),
            ("en;q=0, zh;q=0.001", SimplifiedChinese),
            ("en, zh", English),
            ("en;q=1.000", English),
        ] {
            assert_eq!(choose(Some(field), other(language)), language, "{field}");
        }
    }

    #[test]
    fn the_tenant_decides_when_the_request_names_nothing_we_have() {
        let long = "en,".repeat(400);
        for field in [
            "",
            ",;,",
            "fr",
            "*",
            "english",
            "en;q=2",
            "en;q=0.0001",
            "en;q=1.5",
            "en;q=-1",
            "en;q=",
            "en;v=1",
            "en;q=0",
            "zh;q=nan, en;q=1e0",
            "en;q=0.5;x",
            "*;q=0.9, en;q=0.5, zh;q=0.5",
            long.as_str(),
        ] {
            assert_eq!(
                choose(Some(field), SimplifiedChinese),
                SimplifiedChinese,
                "{field}"
            );
            assert_eq!(choose(Some(field), English), English, "{field}");
        }
        assert_eq!(choose(None, English), English);
    }

    proptest! {
        #[test]
        fn junk_beside_a_wish_changes_nothing(junk in "[^,]{0,40}") {
            prop_assume!(!["zh", "en", "*"].iter().any(|tag| junk.to_ascii_lowercase().contains(tag)));
            prop_assert_eq!(choose(Some(&format!("{junk},en;q=0.3")), SimplifiedChinese), English);
        }
    }
}
