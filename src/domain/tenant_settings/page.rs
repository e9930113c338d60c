//! The tenant's hosted registration page: how it looks, and where it sends people afterwards.

use serde::{Deserialize, Serialize};

use super::TenantSettings;
use super::check::Checks;
use crate::domain::host_name::HostName;
use crate::domain::text::code_points;

const MAX_WELCOME_LENGTH: u32 = 1000;
const MAX_ADDRESS_BYTES: usize = 2048;
const MAX_SITE_KEY_LENGTH: usize = 128;

/// The hosted registration page, `GET /register` (`docs/api.md`, "The hosted page").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageRules {
    /// Whether there is a page.
    pub enabled: bool,
    /// Its heading; the tenant's name unless set.
    pub title: Option<String>,
    /// A few words above the form; plain text, in which line breaks stay.
    pub welcome: String,
    /// A picture above the heading, at an `https` address.
    pub logo_url: Option<String>,
    /// The colour of buttons and of the line at the top, as `#rrggbb`.
    pub accent: Option<String>,
    /// The public key that Turnstile and hCaptcha show their captcha with. Without it a page whose tenant asks for a
    /// captcha can show none.
    pub captcha_site_key: Option<String>,
}

impl Default for PageRules {
    fn default() -> Self {
        Self {
            enabled: true,
            title: None,
            welcome: String::new(),
            logo_url: None,
            accent: None,
            captcha_site_key: None,
        }
    }
}

/// A colour, in the three parts that screens mix it of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Reads `#rrggbb`; `None` for any other text, so that no colour can hold more than a colour.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        is_hex.then_some(Self([red, green, blue]))
    }

    /// Whether black reads better on this colour than white does, by the contrast ratio of WCAG 2.2 (1.4.3). The better
    /// one of the two always has 4.5 to 1 at least.
    #[must_use]
    pub fn wants_black_text(self) -> bool {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0.map(linear);
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05)
    }
}

/// The origin of an `https` address (`https://host` with a port where one is named); `None` for an address that is
/// none, or that could end the place in which it is written.
#[must_use]
pub fn https_origin(address: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>\\^`{|};,".contains(&byte);
    let rest = address.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let is_fine = address.len() <= MAX_ADDRESS_BYTES
        && !path.is_empty()
        && address.bytes().all(plain)
        && HostName::parse(authority).is_some();
    is_fine.then(|| format!("https://{authority}"))
}

impl TenantSettings {
    /// Whether an address is a page of one of the tenant's own sites (`cors.origins`), fit to send people to.
    #[must_use]
    pub fn is_own_page(&self, address: &str) -> bool {
        let is_own = self.cors.origins.iter().any(|origin| {
            address
                .strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        });
        is_own
            && address.len() <= MAX_ADDRESS_BYTES
            && address.bytes().all(|byte| byte.is_ascii_graphic())
            && !address.contains(['#', '\\'])
    }

    pub(super) fn check_page(&self, checks: &mut Checks) {
        let page = &self.page;
        if let Some(title) = &page.title {
            checks.name("page.title", title);
        }
        let is_text = |text: &str| {
            text.chars()
                .all(|character| character == '\n' || !character.is_control())
        };
        checks.need(
            code_points(&page.welcome) <= MAX_WELCOME_LENGTH && is_text(&page.welcome),
            "page.welcome",
            "must be plain text of at most 1,000 characters",
        );
        let logo = page.logo_url.as_deref();
        checks.need(
            logo.is_none_or(|address| https_origin(address).is_some()),
            "page.logo_url",
            "must be an https address of a picture, at most 2,048 characters",
        );
        let accent = page.accent.as_deref();
        checks.need(
            accent.is_none_or(|colour| Colour::parse(colour).is_some()),
            "page.accent",
            "must be a colour as #rrggbb",
        );
        let key = page.captcha_site_key.as_deref();
        let is_key = |key: &str| {
            (1..=MAX_SITE_KEY_LENGTH).contains(&key.len())
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        checks.need(
            key.is_none_or(is_key),
            "page.captcha_site_key",
            "must have 1 to 128 letters, digits, - and _",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, https_origin};
    use crate::domain::tenant_settings::TenantSettings;

    #[test]
    fn a_colour_is_six_hexadecimal_digits_and_nothing_else() {
        assert_eq!(Colour::parse("#0a7F10"), Some(Colour([10, 127, 16])));
        for odd in [
            "",
            "#",
            "#fff",
            "red",
            "0a7f10",
            "#0a7f1g",
            "#+a7f10",
            "#0a7f100",
            "#0a7f10;}",
            "#0a7f1é",
            "# a7f10",
        ] {
            assert_eq!(Colour::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn text_on_a_colour_is_black_or_white_whichever_reads_better() {
        let black_on = |colour| Colour::parse(colour).unwrap().wants_black_text();
        for light in ["#ffffff", "#ffd54f", "#00c853", "#777777"] {
            assert!(black_on(light), "{light}");
        }
        for dark in ["#000000", "#1f4e8c", "#b00020", "#6f6f6f"] {
            assert!(!black_on(dark), "{dark}");
        }
    }

    #[test]
    fn a_pictures_address_is_https_and_cannot_leave_its_place() {
        let origin = |address| https_origin(address);
        assert_eq!(
            origin("https://cdn.example.com:8443/a/b.png?x=1"),
            Some("https://cdn.example.com:8443".to_owned())
        );
        let long = format!("https://a.example/{}", "x".repeat(2048));
        for odd in [
            "http://a.example/x.png",
            "data:image/svg+xml,<svg/>",
            "javascript:alert(1)",
            "//a.example/x.png",
            "https://",
            "https://a.example",
            "https:///x.png",
            "https://u@a.example/x.png",
            "https://a.example/x.png\"onload=\"1",
            "https://a.example/x y.png",
            "https://a.example/x.png; script-src *",
            "https://a.example,evil.example/x.png",
            "https://*/x.png",
            &long,
        ] {
            assert_eq!(origin(odd), None, "{odd}");
        }
    }

    #[test]
    fn people_are_sent_to_the_tenants_own_pages_alone() {
        let mut settings = TenantSettings::default();
        settings.cors.origins = vec!["https://www.example.com".to_owned()];
        for own in [
            "https://www.example.com",
            "https://www.example.com/",
            "https://www.example.com/in?x=1",
            "https://www.example.com?x",
        ] {
            assert!(settings.is_own_page(own), "{own}");
        }
        for other in [
            "",
            "/",
            "//www.example.com/",
            "http://www.example.com/",
            "https://www.example.com.evil.example/",
            "https://www.example.com@evil.example/",
            "https://www.example.com:8443/",
            "https://www.example.com/a#b",
            "https://www.example.com/\\evil",
            "https://www.example.com/a b",
            "javascript:alert(1)//https://www.example.com/",
        ] {
            assert!(!settings.is_own_page(other), "{other}");
        }
    }
}
