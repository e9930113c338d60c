//! The floors of the house, as `src/lib.rs` tells them: a room imports only from lower floors, there is no cycle, and
//! each outside library stays in the rooms that may know it.
//!
//! The checker reads the source as text, because the compiler allows what the house does not. It works on tokens, so a
//! comment or a string is never taken for code; test modules are left out. The samples at the end show that it can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms by floor, the lowest first. Rooms of one floor never import each other.
const FLOORS: &[&[&str]] = &[
    &["domain", "pressure", "telemetry", "clock"],
    &["store", "hashing", "provider", "token"],
    &["session"],
    &["registration"],
    &["login", "membership"],
    &["tenant"],
    &["admin"],
    &["http"],
    TOP,
];

const TOP: &[&str] = &["settings", "shutdown", "simulate", "app", "cli", "main"];

/// The imports within the top floor that start and stop need; no other two rooms of one floor know each other.
const TOP_FLOOR_STAIRS: &[(&str, &str)] = &[
    ("app", "settings"),
    ("app", "shutdown"),
    ("cli", "app"),
    ("cli", "settings"),
    ("cli", "shutdown"),
    ("cli", "simulate"),
    ("main", "cli"),
];

/// Names that are data, outside of the room that owns texts: the user name that the contract itself keeps back
/// (`docs/contract.md`, section 2.2), the groups that a tenant has until it names its own (`docs/api.md`), and what is
/// stored of accounts that make themselves (sections 10.2 to 10.4).
const NAMES_OF_THE_DOMAIN: [&str; 7] = [
    "匿名用户",
    "管理员",
    "普通会员",
    "网友",
    "手机号注册",
    "公众号网页注册",
    "微信小程序注册",
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    Mark(char),
    /// `::`
    Path,
}

/// A source file: its path below `src/` and what it says.
struct Source {
    path: String,
    tokens: Vec<Token>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            tokens: without_tests(lex(text)),
        }
    }

    /// The module path: `http/admin/mod.rs` is `[http, admin]`.
    fn module(&self) -> Vec<&str> {
        let stem = self.path.trim_end_matches(".rs");
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        stem.split('/').collect()
    }

    fn room(&self) -> &str {
        self.module()[0]
    }
}

/// Splits Rust source into tokens; comments, numbers and lifetimes leave nothing that a rule looks at.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| {
        what.chars()
            .enumerate()
            .all(|(offset, wanted)| chars.get(at + offset) == Some(&wanted))
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let here = chars[at];
        if starts(at, "//") {
            at = find(&chars, at, '\n');
        } else if starts(at, "/*") {
            at = block_comment_end(&chars, at);
        } else if here == '"' {
            let end = text_end(&chars, at + 1);
            tokens.push(Token::Text(chars[at + 1..end].iter().collect()));
            at = end + 1;
        } else if here == '\'' {
            at = quote_end(&chars, at);
        } else if here.is_alphanumeric() || here == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            let name: String = chars[start..at].iter().collect();
            let raw = matches!(name.as_str(), "r" | "br" | "cr");
            match raw.then(|| raw_text(&chars, at)).flatten() {
                Some((text, end)) => {
                    tokens.push(Token::Text(text));
                    at = end;
                }
                None => tokens.push(Token::Name(name)),
            }
        } else if starts(at, "::") {
            tokens.push(Token::Path);
            at += 2;
        } else {
            if !here.is_whitespace() {
                tokens.push(Token::Mark(here));
            }
            at += 1;
        }
    }
    tokens
}

fn find(chars: &[char], from: usize, what: char) -> usize {
    (from..chars.len())
        .find(|at| chars[*at] == what)
        .unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at.min(chars.len())
}

/// The end of a character, or of the quote that begins a lifetime.
fn quote_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => find(chars, at + 3, '\'') + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// The text of a raw string whose `r` was just read, and where it ends.
fn raw_text(chars: &[char], from: usize) -> Option<(String, usize)> {
    let hashes = chars[from..]
        .iter()
        .take_while(|each| **each == '#')
        .count();
    let start = from + hashes;
    if chars.get(start) != Some(&'"') {
        return None;
    }
    let end = (start + 1..chars.len()).find(|at| {
        chars[*at] == '"'
            && chars[at + 1..]
                .iter()
                .take(hashes)
                .filter(|each| **each == '#')
                .count()
                == hashes
    })?;
    Some((chars[start + 1..end].iter().collect(), end + 1 + hashes))
}

/// Drops every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match attribute_end(&tokens, at) {
            Some(end) if is_for_tests(&tokens[at..end]) => at = item_end(&tokens, end),
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let opens =
        tokens.get(at) == Some(&Token::Mark('#')) && tokens.get(at + 1) == Some(&Token::Mark('['));
    let mut depth = 0;
    (at + 1..tokens.len()).filter(|_| opens).find_map(|index| {
        match tokens[index] {
            Token::Mark('[') => depth += 1,
            Token::Mark(']') => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(index + 1)
    })
}

fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |name: &str| attribute.contains(&Token::Name(name.to_owned()));
    has("cfg") && has("test") && !has("not")
}

/// The end of the item that starts here: its `;`, or the end of its first block.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(from) {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') if depth == 1 => return index + 1,
            Token::Mark('}') => depth -= 1,
            Token::Mark(';') if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Every path that the source names, groups of `use` spread out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tokens: &[Token]) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let continues = at > 1
            && tokens[at - 1] == Token::Path
            && matches!(tokens[at - 2], Token::Name(_) | Token::Mark('>'));
        if matches!(tokens[at], Token::Name(_)) && !continues {
            at = read_path(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

fn read_path<'a>(
    tokens: &'a [Token],
    from: usize,
    before: &[&'a str],
    found: &mut Vec<Vec<&'a str>>,
) -> usize {
    let mut path = before.to_vec();
    let mut at = from;
    while let Some(Token::Name(name)) = tokens.get(at) {
        path.push(name);
        at += 1;
        if tokens.get(at) != Some(&Token::Path) {
            break;
        }
        at += 1;
    }
    if tokens.get(at) != Some(&Token::Mark('{'))
        || tokens.get(at.wrapping_sub(1)) != Some(&Token::Path)
    {
        found.push(path);
        return at;
    }
    at += 1;
    while at < tokens.len() && tokens[at] != Token::Mark('}') {
        at = match tokens[at] {
            Token::Name(_) => read_path(tokens, at, &path, found),
            _ => at + 1,
        };
    }
    at + 1
}

/// The rooms that a source imports: by `crate::`, by the library's name, or by a `super` that leads out of its own room.
fn imports(source: &Source) -> BTreeSet<String> {
    let module = source.module();
    let mut rooms = BTreeSet::new();
    for path in paths(&source.tokens) {
        let ups = path.iter().take_while(|name| **name == "super").count();
        let room = match path[0] {
            "crate" | "enroll" => path.get(1),
            "super" if ups >= module.len() => path.get(ups),
            _ => None,
        };
        rooms.extend(room.map(|name| (*name).to_owned()));
    }
    rooms.remove(source.room());
    rooms
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Every breach of the house's rules, one line each.
fn breaches(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let mut graph: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let mut say = |what: String| found.push(format!("{}: {what}", source.path));
        let room = source.room();
        match floor(room) {
            None => say(format!("the room {room} stands on no floor")),
            Some(own) => {
                for other in imports(source) {
                    graph.entry(room).or_default().insert(other.clone());
                    let stairs = TOP_FLOOR_STAIRS.contains(&(room, other.as_str()));
                    match floor(&other) {
                        None => say(format!("imports {other}, which stands on no floor")),
                        Some(below) if below >= own && !stairs => {
                            say(format!("imports {other}, which is not below {room}"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        library_breaches(source, &mut say);
        text_breaches(source, &mut say);
    }
    found.extend(cycles(&graph));
    found
}

/// Outside libraries, and what only one room may name.
fn library_breaches(source: &Source, say: &mut impl FnMut(String)) {
    let room = source.room();
    let above_http = TOP.contains(&room);
    for path in paths(&source.tokens) {
        let is_allowed = match path[0] {
            "sea_orm" | "sqlx" | "entity" | "migration" | "sea_orm_migration" => room == "store",
            "actix_web" => room == "http" || above_http,
            "actix" => {
                let starts_or_stops = matches!(path.get(1), Some(&("System" | "spawn")));
                room == "tenant" || (matches!(room, "main" | "app" | "shutdown") && starts_or_stops)
                    // A task on the thread that asks for it is no actor.
                    || path.get(1) == Some(&"spawn")
            }
            "reqwest" => matches!(room, "cli" | "provider" | "telemetry"),
            "opentelemetry"
            | "opentelemetry_sdk"
            | "opentelemetry_proto"
            | "tracing_opentelemetry" => room == "telemetry",
            _ => true,
        };
        if !is_allowed {
            say(format!("names {}", path.join("::")));
        }
        let reads_environment = path
            .windows(2)
            .any(|pair| pair[0] == "env" && !matches!(pair[1], "consts"));
        if reads_environment && room != "settings" {
            say(format!("reads the environment by {}", path.join("::")));
        }
        // The command line is a client of the admin API and reads statuses as any client does.
        if path.contains(&"StatusCode") && room != "http" && room != "cli" {
            say("names StatusCode".to_owned());
        }
    }
}

/// Texts of the contract, which only `http` may hold.
fn text_breaches(source: &Source, say: &mut impl FnMut(String)) {
    if source.room() == "http" {
        return;
    }
    for token in &source.tokens {
        let Token::Text(text) = token else { continue };
        let is_han = |character: char| ('\u{4e00}'..='\u{9fff}').contains(&character);
        let is_the_domains =
            source.room() == "domain" && NAMES_OF_THE_DOMAIN.contains(&text.as_str());
        if text.chars().any(is_han) && !is_the_domains {
            say(format!("holds the text {text:?}"));
        }
        if text.contains("/data/") {
            say(format!("holds the pointer {text:?}"));
        }
    }
}

/// Every ring of rooms that import each other, as the rooms on it.
fn cycles(graph: &BTreeMap<&str, BTreeSet<String>>) -> Option<String> {
    // What imports nothing that is left is on no ring; what remains at the end is.
    let mut left: BTreeMap<&str, BTreeSet<&str>> = graph
        .iter()
        .map(|(room, others)| (*room, others.iter().map(String::as_str).collect()))
        .collect();
    loop {
        let before = left.len();
        let rooms: BTreeSet<&str> = left.keys().copied().collect();
        left.retain(|_, others| others.iter().any(|other| rooms.contains(other)));
        if left.len() == before {
            break;
        }
    }
    (!left.is_empty()).then(|| {
        let rooms: Vec<&str> = left.into_keys().collect();
        format!("a ring of imports leads through {}", rooms.join(", "))
    })
}

/// Every Rust file below a folder of the project, but for files of tests alone.
fn read(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs")
            {
                let text = fs::read_to_string(&path).expect("source");
                let name = path.strip_prefix(&root).expect("below the root");
                found.push(Source::new(name.to_str().expect("a path in UTF-8"), &text));
            }
        }
    }
    found
}

#[test]
fn every_room_imports_from_lower_floors_only() {
    let sources = read("src");
    assert!(sources.len() > 80, "only {} files were read", sources.len());
    let rooms: BTreeSet<&str> = sources.iter().map(Source::room).collect();
    for room in FLOORS.iter().copied().flatten() {
        assert!(rooms.contains(room), "there is no room {room}");
    }
    let edges: usize = sources.iter().map(|source| imports(source).len()).sum();
    assert!(edges > 150, "only {edges} imports were seen");
    assert_eq!(breaches(&sources), [""; 0]);
}

#[test]
fn the_floors_are_those_that_the_library_tells() {
    let text = include_str!("../../../src/lib.rs");
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("//! ")?
                .split_once(". [")?
                .1
                .split_once(':')
        })
        .map(|(rooms, _)| rooms)
        .collect();
    assert_eq!(lines.len(), FLOORS.len(), "{lines:?}");
    for (line, floor) in lines.iter().rev().zip(FLOORS) {
        let told: BTreeSet<&str> = line
            .split(|mark: char| !mark.is_ascii_lowercase())
            .filter(|word| !word.is_empty())
            .collect();
        // `main` is the program's own file, not a module of the library.
        let known = floor.iter().copied().filter(|room| *room != "main");
        assert_eq!(told, known.collect(), "{line}");
    }
}

/// Who may ask the gate for tokens: the ends of the ways in, and a session that goes on.
const WAYS_TO_THE_GATE: [&str; 4] = [
    "registration/account.rs",
    "registration/pipeline.rs",
    "login/enter.rs",
    "session/refresh.rs",
];

/// Whatever makes or hands out tokens away from `session/gate.rs`, the one place that looks at a user's standing first.
fn ways_around_the_gate(sources: &[Source]) -> Vec<String> {
    let names = |source: &Source, names: &[&str]| {
        let named =
            |token: &Token| matches!(token, Token::Name(name) if names.contains(&name.as_str()));
        source.tokens.iter().any(named)
    };
    let mut found = Vec::new();
    for source in sources {
        let path = source.path.as_str();
        let is_gate = path == "session/gate.rs";
        let signs = names(source, &["sign_access_token", "AccessClaims"]);
        if signs && !is_gate && source.room() != "token" {
            found.push(format!("{path}: signs access tokens"));
        }
        if names(source, &["hand_out"]) && !is_gate && !WAYS_TO_THE_GATE.contains(&path) {
            found.push(format!("{path}: hands out tokens"));
        }
    }
    found
}

/// `docs/threats.md`, row 96.
#[test]
fn only_the_gate_hands_out_tokens() {
    let sources = read("src");
    assert_eq!(ways_around_the_gate(&sources), Vec::<String>::new());
    // The names that it looks for are those in use.
    let gate = sources
        .iter()
        .find(|source| source.path == "session/gate.rs");
    let gate = [Source {
        path: "login/side_door.rs".to_owned(),
        tokens: gate.expect("the gate").tokens.clone(),
    }];
    let all = ["signs access tokens", "hands out tokens"];
    let all = all.map(|what| format!("login/side_door.rs: {what}"));
    assert_eq!(ways_around_the_gate(&gate), all);
}

#[test]
fn a_migration_never_imports_the_entities() {
    let sources = read("migration/src");
    assert!(sources.len() > 5);
    for source in &sources {
        let entity = paths(&source.tokens)
            .into_iter()
            .find(|path| matches!(path[0], "entity" | "enroll"));
        assert_eq!(entity, None, "{}", source.path);
    }
    for (name, text) in [
        ("migration", include_str!("../../../migration/Cargo.toml")),
        ("entity", include_str!("../../../entity/Cargo.toml")),
    ] {
        let needs = text
            .lines()
            .find(|line| line.starts_with("entity") || line.starts_with("enroll"));
        assert_eq!(needs, None, "what {name} depends on");
    }
}

/// The breaches of one small file in an otherwise empty house.
fn breaches_of(path: &str, text: &str) -> Vec<String> {
    breaches(&[Source::new(path, text)])
}

#[test]
fn the_checker_sees_each_kind_of_breach() {
    for (path, text, told) in [
        ("store/users.rs", "use crate::http::answer;", "imports http"),
        (
            "store/users.rs",
            "use crate::{domain::ids, tenant::slot};",
            "imports tenant",
        ),
        (
            "store/users.rs",
            "fn f() { crate::hashing::hash() }",
            "imports hashing",
        ),
        (
            "store/users.rs",
            "use super::super::token::issue;",
            "imports token",
        ),
        ("clock.rs", "use super::domain::ids;", "imports domain"),
        (
            "clock.rs",
            "use super::{telemetry::Metrics};",
            "imports telemetry",
        ),
        (
            "telemetry/mod.rs",
            "use crate::clock::Clock;",
            "imports clock",
        ),
        ("shutdown.rs", "use crate::app::App;", "imports app"),
        ("settings.rs", "use crate::cli::Cli;", "imports cli"),
        (
            "http/mod.rs",
            "use crate::settings::Settings;",
            "imports settings",
        ),
        ("cellar/mod.rs", "", "the room cellar stands on no floor"),
        (
            "tenant/slot.rs",
            "use crate::cellar::wine;",
            "stands on no floor",
        ),
        (
            "tenant/slot.rs",
            "use sea_orm::DbErr;",
            "names sea_orm::DbErr",
        ),
        (
            "admin/mod.rs",
            "fn f(e: ::sqlx::Error) {}",
            "names sqlx::Error",
        ),
        (
            "tenant/slot.rs",
            "use entity::tenant::user;",
            "names entity",
        ),
        (
            "admin/mod.rs",
            "use actix_web::HttpResponse;",
            "names actix_web",
        ),
        (
            "http/mod.rs",
            "use actix::{Actor, Addr};",
            "names actix::Actor",
        ),
        ("app.rs", "use actix::Arbiter;", "names actix::Arbiter"),
        ("http/mod.rs", "use reqwest::Client;", "names reqwest"),
        (
            "http/mod.rs",
            "use opentelemetry::Context;",
            "names opentelemetry",
        ),
        (
            "domain/fault.rs",
            "use http::StatusCode;",
            "names StatusCode",
        ),
        (
            "domain/fault.rs",
            "const A: &str = \"用户名\";",
            "holds the text",
        ),
        (
            "domain/fault.rs",
            "const A: &str = r#\"用户\"名\"#;",
            "holds the text",
        ),
        (
            "store/users.rs",
            "const A: &str = \"匿名用户\";",
            "holds the text",
        ),
        (
            "admin/mod.rs",
            "const A: &str = \"/data/attributes/key\";",
            "holds the pointer",
        ),
        (
            "clock.rs",
            "fn f() { std::env::var(\"TZ\"); }",
            "reads the environment",
        ),
        (
            "cli/demo.rs",
            "use std::env; fn f() { env::temp_dir(); }",
            "reads the environment",
        ),
    ] {
        let found = breaches_of(path, text);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with(path) && line.contains(told)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn the_checker_sees_a_ring() {
    let rooms = [
        Source::new("store/a.rs", "use crate::token::x;"),
        Source::new("token/a.rs", "use crate::hashing::x;"),
        Source::new("hashing/a.rs", "use crate::store::x;"),
        Source::new("tenant/a.rs", "use crate::domain::x;"),
    ];
    let found = breaches(&rooms);
    let ring = "a ring of imports leads through hashing, store, token";
    assert!(found.contains(&ring.to_owned()), "{found:?}");
    assert_eq!(breaches(&rooms[3..]), [""; 0]);
}

#[test]
fn the_checker_takes_no_comment_no_string_and_no_test_for_code() {
    for (path, text) in [
        (
            "store/a.rs",
            "// use crate::http::x;\n/* use crate::http::x; /* deep */ 用户 */",
        ),
        ("store/a.rs", "//! See [`crate::http`], 用户名."),
        (
            "store/a.rs",
            "const A: &str = \"use \\\" crate::http::x; // \"; // 用户",
        ),
        (
            "store/a.rs",
            "const A: char = '\"'; const B: char = '\\''; // crate::http \"\nstruct C<'a>(&'a str);",
        ),
        (
            "store/a.rs",
            "#[cfg(test)]\npub(super) mod tests { use crate::http::x; const A: &str = \"用户\"; fn f() {} }",
        ),
        ("store/a.rs", "#[cfg(test)]\nuse crate::http::x;\n"),
        (
            "store/a.rs",
            "use crate::domain::ids; use super::error; use crate::store::users; let path = env!(\"A\");",
        ),
        ("store/a/b.rs", "use super::super::users; use super::http;"),
        ("domain/a.rs", "const A: &str = \"匿名用户\";"),
        (
            "http/a.rs",
            "use actix_web::http::StatusCode; const A: &str = \"用户 /data/attributes\";",
        ),
        (
            "main.rs",
            "fn main() { actix::System::new(); enroll::cli::run() }",
        ),
        (
            "settings/environment.rs",
            "use std::env; fn f() { env::var_os(\"A\"); }",
        ),
    ] {
        assert_eq!(breaches_of(path, text), [""; 0], "{text}");
    }
    // What follows a test module counts again.
    let after = "#[cfg(test)] mod tests { fn f() { {} } }\nuse crate::http::x;";
    assert_eq!(breaches_of("store/a.rs", after).len(), 1);
    let not_test = "#[cfg(not(test))] use crate::http::x;";
    assert_eq!(breaches_of("store/a.rs", not_test).len(), 1);
}
