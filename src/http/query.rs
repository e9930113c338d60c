//! What a call's query asks for: a page, a filter, included resources. Parameters that nobody takes mean nothing.

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::error_document::Refusal;

const DEFAULT_SIZE: u64 = 20;
const MOST_SIZE: u64 = 100;
/// So that an offset stays within every database's integers.
const LAST_PAGE: u64 = 1_000_000_000;

/// The parameters of a query.
pub(super) struct Parameters(Vec<(String, String)>);

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    number: u64,
    size: u64,
}

impl Page {
    /// Items before it, and items on it.
    pub(super) const fn window(self) -> (u64, u64) {
        (
            self.number.saturating_sub(1).saturating_mul(self.size),
            self.size,
        )
    }

    /// How many pages so many items fill.
    pub(super) const fn count(self, total: u64) -> u64 {
        total.div_ceil(self.size)
    }
}

impl Parameters {
    /// # Errors
    /// [`Refusal::BadParameter`] for a query that cannot be read.
    pub(super) fn read(request: &HttpRequest) -> Result<Self, Refusal> {
        Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map(|pairs| Self(pairs.into_inner()))
            .map_err(|_| Refusal::BadParameter("query"))
    }

    /// The last value of this name, unless it is empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let same = self.0.iter().rev().find(|(each, _)| each == name);
        same.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A value that must be one of those that `read` knows.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`].
    pub(super) fn known<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or(Refusal::BadParameter(name)),
        }
    }

    /// `page[number]`, counted from 1, and `page[size]`, 1 to 100.
    ///
    /// # Errors
    /// [`Refusal::BadParameter`].
    pub(super) fn page(&self) -> Result<Page, Refusal> {
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

    /// `include`: the resources to send along.
    pub(super) fn includes(&self) -> Vec<&str> {
        let list = self.value("include").unwrap_or_default();
        list.split(',').filter(|name| !name.is_empty()).collect()
    }
}
