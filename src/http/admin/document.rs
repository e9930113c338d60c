//! What the documents of all admin resources share: reading attributes, pages, and writing.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::super::answer::document;
use super::super::error_document::Refusal;
use super::{escaped, unprocessable};

/// Reads attributes one by one and gathers every fault.
pub(super) struct Attributes {
    left: Map<String, Value>,
    faults: Vec<(String, String)>,
}

impl Attributes {
    pub(super) fn new(attributes: Map<String, Value>) -> Self {
        Self {
            left: attributes,
            faults: Vec::new(),
        }
    }

    /// Takes an attribute and reads it; absent and unreadable ones yield `None`, the latter with a fault.
    pub(super) fn take<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.left.remove(name)?;
        let value = read(value);
        if value.is_none() {
            self.fault(name, wanted);
        }
        value
    }

    /// As [`Attributes::take`], with a fault when the attribute is absent.
    pub(super) fn require<T>(
        &mut self,
        name: &str,
        wanted: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        if !self.left.contains_key(name) {
            self.fault(name, &format!("required: {wanted}"));
        }
        self.take(name, wanted, read)
    }

    /// Notes a fault of an attribute.
    pub(super) fn fault(&mut self, name: &str, detail: &str) {
        self.faults.push((
            format!("/data/attributes/{}", escaped(name)),
            detail.to_owned(),
        ));
    }

    /// Refuses what was not taken, and everything that was found.
    pub(super) fn finish(mut self) -> Result<(), Refusal> {
        let unknown: Vec<String> = self.left.keys().cloned().collect();
        for name in unknown {
            self.fault(&name, "no such attribute");
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Unprocessable(self.faults))
        }
    }
}

/// A text of at most `most` characters.
pub(super) fn text(most: usize) -> impl Fn(Value) -> Option<String> {
    move |value| match value {
        Value::String(text)
            if text.chars().count() <= most && !text.chars().any(char::is_control) =>
        {
            Some(text)
        }
        _ => None,
    }
}

/// Which page is asked for.
pub(super) struct Page {
    /// The number of the last item of the page before; 0 at the start.
    pub(super) after: i64,
    /// Items a page.
    pub(super) size: usize,
}

const DEFAULT_SIZE: usize = 50;
const MOST_SIZE: usize = 500;

/// The query of a list: `page[size]`, `page[after]` and the filters named.
pub(super) fn query(
    request: &HttpRequest,
    filters: &[&str],
) -> Result<(Page, Vec<(String, String)>), Refusal> {
    let mut page = Page {
        after: 0,
        size: DEFAULT_SIZE,
    };
    let mut found = Vec::new();
    let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|_| unprocessable("", "the query cannot be read"))?;
    for (name, value) in pairs.into_inner() {
        match name.as_str() {
            "page[size]" => match value.parse() {
                Ok(size) if (1..=MOST_SIZE).contains(&size) => page.size = size,
                _ => return Err(unprocessable("", "page[size] must be 1 to 500")),
            },
            "page[after]" => match value.parse() {
                Ok(after) if after >= 0 => page.after = after,
                _ => return Err(unprocessable("", "page[after] must come from links.next")),
            },
            _ if filters.contains(&name.as_str()) => found.push((name, value)),
            _ => {
                return Err(unprocessable(
                    "",
                    &format!("no such query parameter: {name}"),
                ));
            }
        }
    }
    Ok((page, found))
}

/// A page of a list: `items` holds one more than the page when there is a next one.
pub(super) fn list<T>(
    request: &HttpRequest,
    page: &Page,
    mut items: Vec<T>,
    id: impl Fn(&T) -> i64,
    show: impl Fn(&T) -> Value,
) -> HttpResponse {
    let more = items.len() > page.size;
    items.truncate(page.size);
    let next = items.last().filter(|_| more).map(|last| {
        let kept = request
            .query_string()
            .split('&')
            .filter(|pair| {
                !pair.is_empty()
                    && !pair.starts_with("page%5Bafter%5D=")
                    && !pair.starts_with("page[after]=")
            })
            .chain([format!("page%5Bafter%5D={}", id(last)).as_str()])
            .collect::<Vec<_>>()
            .join("&");
        format!("{}?{kept}", request.path())
    });
    let data: Vec<Value> = items.iter().map(show).collect();
    let body = json!({ "data": data, "links": { "next": next } });
    document(StatusCode::OK, body.to_string().into_bytes())
}

/// One resource.
pub(super) fn one(status: StatusCode, data: Value) -> HttpResponse {
    document(status, json!({ "data": data }).to_string().into_bytes())
}
