//! The parameters of a request's query: values, switches, a page of a list, included resources. Parameters that nobody
//! takes mean nothing.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::form;
use crate::http::error_document::Refusal;

const DEFAULT_SIZE: u64 = 20;
const MOST_SIZE: u64 = 100;
/// So that an offset stays within every database's integers.
const LAST_PAGE: u64 = 1_000_000_000;

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    number: u64,
    size: u64,
}

impl Page {
    /// Items before it, and items on it.
    #[must_use]
    pub const fn window(self) -> (u64, u64) {
        (
            self.number.saturating_sub(1).saturating_mul(self.size),
            self.size,
        )
    }

    /// How many pages so many items fill.
    #[must_use]
    pub const fn count(self, total: u64) -> u64 {
        total.div_ceil(self.size)
    }
}

/// Parameters as they came, each once. An empty one counts as absent: clients of the contract send all that they know of.
pub struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    /// Reads a whole query.
    ///
    /// # Errors
    /// [`Refusal::MalformedQuery`] when a percent sign stands without two hexadecimal digits, when what they mean is not
    /// UTF-8, and when a parameter is named twice, since two readers may each take another one.
    pub fn read(query: &str) -> Result<Self, Refusal> {
        let mut values = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| form::decode_strictly(text).ok_or(Refusal::MalformedQuery);
            if values.insert(decode(name)?, decode(value)?).is_some() {
                return Err(Refusal::MalformedQuery);
            }
        }
        values.retain(|_, value: &mut String| !value.is_empty());
        Ok(Self { values })
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// A secret.
    pub fn secret(&mut self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    /// A value that must be one of those that `read` knows.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`].
    pub fn known<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.text(name) {
            None => Ok(None),
            Some(value) => read(&value).map(Some).ok_or(Refusal::BadParameter(name)),
        }
    }

    /// `page[number]`, counted from 1, and `page[size]`, 1 to 100.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`].
    pub fn page(&mut self) -> Result<Page, Refusal> {
        let within = |most: u64| {
            move |text: &str| text.parse().ok().filter(|value| (1..=most).contains(value))
        };
        Ok(Page {
            number: self.known("page[number]", within(LAST_PAGE))?.unwrap_or(1),
            size: self
                .known("page[size]", within(MOST_SIZE))?
                .unwrap_or(DEFAULT_SIZE),
        })
    }

    /// `include`: the resources to send along, each of which `read` must know.
    ///
    /// # Errors
    /// [`Refusal::InvalidInclude`].
    pub fn includes<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Refusal> {
        let list = self.text("include").unwrap_or_default();
        list.split(',')
            .filter(|name| !name.is_empty())
            .map(|name| read(name).ok_or_else(|| Refusal::invalid_include(name)))
            .collect()
    }

    /// A switch, as the original's language judges truth.
    pub fn switch(&mut self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::Query;
    use crate::http::error_document::Refusal;

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_absent() {
        let mut query =
            Query::read("code=a%2Bb+c&state=&register=0&rebind=1&x&%72edirect=%E5%AF%86").unwrap();
        assert_eq!(query.text("code").as_deref(), Some("a+b c"));
        assert_eq!(query.text("state"), None);
        assert_eq!(query.text("x"), None);
        assert!(!query.switch("register"));
        assert!(query.switch("rebind"));
        assert!(!query.switch("never"));
        assert_eq!(query.text("redirect").as_deref(), Some("密"));
    }

    #[test]
    fn what_two_readers_may_read_differently_is_refused() {
        for query in [
            "a=1&a=1", "a=&%61=2", "a=%", "a=%4", "a=%zz", "a=%ff", "%c3=1",
        ] {
            assert!(
                matches!(Query::read(query), Err(Refusal::MalformedQuery)),
                "{query}"
            );
        }
    }
}
