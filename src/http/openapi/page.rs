//! The description for people: one page a listener, made from its document, without a script.

use askama::Template;
use serde_json::Value;

/// The page.
#[derive(Template)]
#[template(path = "docs.html")]
pub(super) struct Page {
    pub(super) css: &'static str,
    pub(super) icon: &'static str,
    title: String,
    about: String,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
    errors: Vec<Error>,
}

/// Operations of one tag.
struct Group {
    name: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    /// Who may call it, in words.
    callers: String,
    parameters: Vec<Parameter>,
    /// The name of the body's shape.
    body: Option<String>,
    /// A body that works, as JSON.
    example: Option<String>,
    successes: Vec<Success>,
}

struct Parameter {
    name: String,
    place: String,
    needed: bool,
    text: String,
}

struct Success {
    status: String,
    text: String,
    shape: Option<String>,
}

struct Shape {
    name: String,
    /// Its JSON schema.
    schema: String,
}

struct Error {
    status: String,
    code: String,
    english: String,
    chinese: String,
}

/// A text of the document, without the marks of Markdown.
fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().replace('`', "")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(name)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

impl Page {
    /// The page of a document.
    pub(super) fn of(document: &Value, css: &'static str, icon: &'static str) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for (path, item) in members(document, "paths") {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let name = text(operation, "/tags/0");
                let operation = Operation::of(method, path, operation);
                match groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.operations.push(operation),
                    None => groups.push(Group {
                        name,
                        operations: vec![operation],
                    }),
                }
            }
        }
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        let schemas = document.get("components").unwrap_or(&Value::Null);
        Self {
            css,
            icon,
            title: text(document, "/info/title"),
            about: text(document, "/info/description"),
            groups,
            shapes: members(schemas, "schemas")
                .map(|(name, schema)| Shape {
                    name: name.clone(),
                    schema: pretty(schema),
                })
                .collect(),
            errors: items(document, "x-errors")
                .map(|error| Error {
                    status: error
                        .get("status")
                        .map(Value::to_string)
                        .unwrap_or_default(),
                    code: text(error, "/code"),
                    english: text(error, "/detail/en"),
                    chinese: text(error, "/detail/zh-CN"),
                })
                .collect(),
        }
    }
}

impl Operation {
    fn of(method: &str, path: &str, operation: &Value) -> Self {
        let roles: Vec<&str> = items(operation, "x-roles")
            .filter_map(Value::as_str)
            .collect();
        let callers = match (roles.is_empty(), operation.get("security")) {
            (false, _) => format!("administrators: {}", roles.join(", ")),
            (true, None) => "anybody".to_owned(),
            (true, Some(ways)) if ways.get(0).is_some_and(|way| *way == serde_json::json!({})) => {
                "anybody, or a user".to_owned()
            }
            (true, Some(_)) => "a user".to_owned(),
        };
        let content = operation
            .pointer("/requestBody/content/application~1json")
            .unwrap_or(&Value::Null);
        let success = |(status, response): (&String, &Value)| Success {
            status: status.clone(),
            text: text(response, "/description"),
            shape: members(response, "content").find_map(|(_, content)| shape_of(content)),
        };
        let text_of = [text(operation, "/summary"), text(operation, "/description")];
        Self {
            id: text(operation, "/operationId"),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text_of
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
            callers,
            parameters: items(operation, "parameters").map(Parameter::of).collect(),
            body: shape_of(content),
            example: content.get("example").map(pretty),
            successes: members(operation, "responses")
                .filter(|(status, _)| status.as_str() != "default")
                .map(success)
                .collect(),
        }
    }
}

impl Parameter {
    fn of(parameter: &Value) -> Self {
        Self {
            name: text(parameter, "/name"),
            place: text(parameter, "/in"),
            needed: parameter
                .get("required")
                .is_some_and(|needed| *needed == true),
            text: text(parameter, "/description"),
        }
    }
}

/// The name of the shape of a content.
fn shape_of(content: &Value) -> Option<String> {
    let reference = content.pointer("/schema/$ref")?.as_str()?;
    reference
        .strip_prefix("#/components/schemas/")
        .map(str::to_owned)
}
