//! The golden table: every refusal that the register call and its neighbours can answer with, each brought about by a
//! real request at a real server, in both dialects, word for word (`docs/contract.md`, sections 4.2 and 4.3).
//!
//! `table` holds the rows; `stage` brings them about. What a row expects is the whole error document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::stage::Stage;
use self::table::{neighbours, rows};
use crate::harness::client::{Answer, MEDIA_TYPE};
use crate::harness::database::Backend;

mod stage;
mod table;

on_all_databases!(every_row_is_answered_as_the_golden_table_says);

/// The dialects, in the order of a row's answers.
const DIALECTS: [&str; 2] = ["standard", "discuzq"];

/// Codes that need a server in trouble, a slow client, a page or two calls at once; where each is brought about instead.
const SHOWN_ELSEWHERE: [(&str, &str, &str); 10] = [
    (
        "foreign_form",
        "tests/integration/cases/hosted_page.rs",
        "a_form_from_elsewhere_or_of_another_kind_is_refused",
    ),
    (
        "idempotency_in_progress",
        "tests/integration/cases/idempotency.rs",
        "idempotency_in_progress",
    ),
    (
        "body_timeout",
        "tests/integration/cases/hostile_input.rs",
        "body_timeout",
    ),
    (
        "body_incomplete",
        "src/http/error_document/catalogue.rs",
        "Refusal::BodyCut",
    ),
    (
        "too_many_attempts",
        "tests/integration/cases/admin_api.rs",
        "too_many_attempts",
    ),
    (
        "overloaded",
        "tests/integration/cases/limits.rs",
        "overloaded",
    ),
    (
        "unavailable",
        "tests/integration/cases/outages.rs",
        "unavailable",
    ),
    (
        "deadline_exceeded",
        "tests/integration/cases/cors.rs",
        "deadline_exceeded",
    ),
    (
        "not_ready",
        "tests/integration/cases/durability.rs",
        "not_ready",
    ),
    (
        "unknown_error",
        "src/http/error_document/catalogue.rs",
        "CallError::Internal",
    ),
];

/// One row of the table.
struct Row {
    /// What is asked for, in words.
    case: String,
    /// The tenant's settings besides the usual ones.
    settings: Value,
    /// What happens before.
    before: Vec<Step>,
    /// The call that is refused.
    call: Call,
    /// What it gets, by dialect.
    answers: [Expected; 2],
}

impl Row {
    fn new(case: &str, call: Call, answers: [Expected; 2]) -> Self {
        Self {
            case: case.to_owned(),
            settings: json!({}),
            before: Vec::new(),
            call,
            answers,
        }
    }

    fn at(self, settings: Value) -> Self {
        Self { settings, ..self }
    }

    fn after(self, before: Vec<Step>) -> Self {
        Self { before, ..self }
    }
}

/// What happens before a row's call. What an answer brings (tokens, codes) is remembered by name, and stands in later
/// calls for `{name}`.
enum Step {
    /// A call that must be answered by this status.
    Call(u16, Call),
    /// A call that must succeed, by whatever status its dialect has.
    Done(Call),
    /// WeChat gives a mini program's user `js_code`, `iv` and `encryptedData`, with these options.
    MiniProgram(Value),
    /// This person agrees at WeChat: `code`, `state` and `sessionId`.
    Oauth(&'static str),
    /// The newest code sent to this number: `sms_code`.
    SmsCode(&'static str),
    /// The standing of every account so far.
    Standing(i32),
}

/// A call.
#[derive(Clone)]
struct Call {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Call {
    fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    fn post(target: &str, attributes: &Value) -> Self {
        let document = json!({"data": {"attributes": attributes}});
        Self::new("POST", target).body(&document.to_string())
    }

    fn register(attributes: &Value) -> Self {
        Self::post("/api/register", attributes)
    }

    fn login(attributes: &Value) -> Self {
        Self::post("/api/login", attributes)
    }

    fn body(self, body: &str) -> Self {
        Self {
            body: Some(body.to_owned()),
            ..self
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// By the caller whose tokens came last.
    fn by_caller(self) -> Self {
        self.header("Authorization", "Bearer {access}")
    }
}

/// What a call gets.
struct Expected {
    status: u16,
    /// The error objects; `None` for a success. The text `<40>` stands for 40 letters and digits, `<any>` for any text.
    errors: Option<Value>,
}

impl Expected {
    fn refused(status: u16, errors: Value) -> Self {
        Self {
            status,
            errors: Some(errors),
        }
    }

    fn accepted(status: u16) -> Self {
        Self {
            status,
            errors: None,
        }
    }

    /// What is wrong with the answer, if anything.
    fn compare(&self, answer: &Answer, dialect: &str) -> Option<String> {
        if answer.status != self.status {
            return Some(format!("{} is expected", self.status));
        }
        let errors = self.errors.as_ref()?;
        if answer.header("content-type") != Some(MEDIA_TYPE) {
            return Some("the media type is wrong".to_owned());
        }
        let found = answer.json();
        let expected = json!({"errors": errors});
        if !matches(&expected, &found) {
            return Some(format!("{expected} is expected"));
        }
        for (field, statuses) in [
            ("www-authenticate", &[401][..]),
            ("retry-after", &[402, 429, 503]),
            ("allow", &[405]),
        ] {
            if answer.header(field).is_some() != statuses.contains(&self.status) {
                return Some(format!("{field} is {:?}", answer.header(field)));
            }
        }
        if dialect == "standard" {
            // Panics with what is wrong.
            answer.errors();
        }
        fault_of_form(&found, answer.status)
    }

    /// The codes that it shows.
    fn codes(&self) -> Vec<String> {
        let errors = self.errors.as_ref().and_then(Value::as_array);
        let codes = errors.into_iter().flatten().map(|error| &error["code"]);
        codes
            .map(|code| code.as_str().expect("a code").to_owned())
            .collect()
    }
}

/// What no error document of either dialect may have, whatever a row expects.
fn fault_of_form(document: &Value, http_status: u16) -> Option<String> {
    const MEMBERS: [&str; 7] = [
        "status", "code", "detail", "source", "meta", "token", "user",
    ];
    for error in document["errors"].as_array().into_iter().flatten() {
        let members = error.as_object()?;
        let stranger = members
            .keys()
            .find(|name| !MEMBERS.contains(&name.as_str()));
        if let Some(stranger) = stranger {
            return Some(format!("{stranger} stands in {error}"));
        }
        let status = &error["status"];
        if *status != json!(http_status) && *status != json!(http_status.to_string()) {
            return Some(format!("the status of {error}"));
        }
        let text = error.to_string();
        let leak = ["SQL", "sqlx", "sea_orm", "src/", "enroll::", "panick"];
        if let Some(leak) = leak.into_iter().find(|leak| text.contains(leak)) {
            return Some(format!("{leak} stands in {error}"));
        }
    }
    None
}

fn matches(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(wanted), Value::String(text)) => match wanted.as_str() {
            "<any>" => true,
            "<40>" => text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            wanted => wanted == text,
        },
        (Value::Array(wanted), Value::Array(values)) => {
            wanted.len() == values.len()
                && wanted
                    .iter()
                    .zip(values)
                    .all(|(one, other)| matches(one, other))
        }
        (Value::Object(wanted), Value::Object(members)) => {
            wanted.len() == members.len()
                && wanted.iter().all(|(name, value)| {
                    members.get(name).is_some_and(|found| matches(value, found))
                })
        }
        _ => expected == found,
    }
}

async fn every_row_is_answered_as_the_golden_table_says(backend: Backend) {
    let stage = Stage::start(backend).await;
    let mut wrong = Vec::new();
    for (number, row) in rows().iter().chain(&neighbours()).enumerate() {
        for (dialect, expected) in DIALECTS.into_iter().zip(&row.answers) {
            let answer = stage.play(number, row, dialect).await;
            if let Some(fault) = expected.compare(&answer, dialect) {
                wrong.push(format!(
                    "{} in {dialect}: {fault}, it is {} {}",
                    row.case,
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let log = stage.log();
    assert!(!log.contains("ERROR"), "{log}");
}

const CONTRACT: &str = include_str!("../../../docs/contract.md");

/// The first cell of every row of a section's tables, where it is a code.
fn codes_of_section(heading: &str) -> BTreeSet<String> {
    let section = section(heading);
    let codes = section.lines().filter_map(|line| {
        let (code, _) = line.strip_prefix("| `")?.split_once("` |")?;
        Some(code.to_owned())
    });
    let mut all = BTreeSet::new();
    for code in codes {
        assert!(all.insert(code.clone()), "{code} stands twice in {heading}");
    }
    all
}

fn section(heading: &str) -> &'static str {
    let (_, rest) = CONTRACT.split_once(heading).expect(heading);
    let end = rest.find("\n#").unwrap_or(rest.len());
    &rest[..end]
}

/// No code of the contract is without a row, no row without a place in the contract.
#[test]
fn the_table_and_the_contract_name_the_same_codes() {
    let all: Vec<Row> = rows().into_iter().chain(neighbours()).collect();
    let shown = |dialect: usize| -> BTreeSet<String> {
        all.iter()
            .flat_map(|row| row.answers[dialect].codes())
            .collect()
    };
    let mut told = shown(0);
    for (code, file, proof) in SHOWN_ELSEWHERE {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect(file);
        assert!(text.contains(proof), "{file} does not show {code}");
        assert!(told.insert(code.to_owned()), "{code} has a row");
    }
    assert_eq!(told, codes_of_section("\n### 4.2 "));
    // Where `discuzq` has another code, the contract names it beside the standard's.
    for code in shown(1).difference(&told) {
        let named = section("\n### 4.2 ").contains(&format!("`{code}`"));
        // WeChat's own words.
        assert!(
            named || code == "invalid code",
            "{code} is not in section 4.2"
        );
    }
    let never = codes_of_section("\n### 4.4 ");
    let both: BTreeSet<String> = told.union(&shown(1)).cloned().collect();
    let contradicted: Vec<&String> = never.intersection(&both).collect();
    assert!(
        contradicted.is_empty(),
        "{contradicted:?} never come, and do"
    );
    assert!(never.len() >= 12, "section 4.4 is not read: {never:?}");
}

/// Every text of section 4.3 in Chinese is shown by a row.
#[test]
fn every_text_of_a_field_fault_has_a_row() {
    let all: Vec<Row> = rows().into_iter().chain(neighbours()).collect();
    let shown: String = all
        .iter()
        .flat_map(|row| &row.answers)
        .filter_map(|answer| answer.errors.as_ref())
        .map(ToString::to_string)
        .collect();
    for line in section("\n### 4.3 ")
        .lines()
        .filter(|line| line.starts_with("| "))
    {
        let texts = line.split('`').skip(1).step_by(2);
        for text in texts.filter(|text| text.ends_with('。') || text.contains("。9")) {
            assert!(shown.contains(text), "no row shows {text}");
        }
    }
}
