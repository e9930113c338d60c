//! `docs/threats.md` names for every threat the tests that show the answer; each of them exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One line of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: u32,
    tests: Vec<String>,
    /// What is wrong with the line itself.
    fault: Option<&'static str>,
}

/// The rows of every table whose first column is a number.
fn rows(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some(
            inner
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect(),
        )
    };
    text.lines()
        .filter_map(cells)
        .filter_map(|cells| {
            let number = cells.first()?.parse().ok()?;
            let tests = match cells.get(3) {
                Some(cell) => quoted(cell),
                None => Vec::new(),
            };
            let fault = match cells.as_slice() {
                [_, threat, answer, _] if threat.is_empty() || answer.is_empty() => {
                    Some("says nothing")
                }
                [_, _, _, _] if tests.is_empty() => Some("names no test"),
                [_, _, _, _] => None,
                _ => Some("has not four columns"),
            };
            Some(Row {
                number,
                tests,
                fault,
            })
        })
        .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The tests of one source file: functions under a test attribute, and those that run on several databases.
fn tests_of(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let function = ["fn ", "async fn "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = function {
            let name = rest
                .split(|mark: char| !mark.is_alphanumeric() && mark != '_')
                .next();
            found.extend(name.filter(|_| is_test).map(str::to_owned));
            is_test = false;
        }
    }
    for list in text.split("_databases!(").skip(1) {
        let list = list.split(')').next().unwrap_or_default();
        let names = list.split(',').map(str::trim);
        let is_name = |name: &&str| name.starts_with(|first: char| first.is_ascii_lowercase());
        found.extend(names.filter(is_name).map(str::to_owned));
    }
    found
}

/// Every test of the project, with the places where it stands: the names of its file and folders.
fn all_tests() -> BTreeMap<String, Vec<Vec<String>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "tests", "migration/src", "entity/src"]
        .map(|name| root.join(name))
        .into();
    let mut found: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("source");
                let place: Vec<String> = path
                    .with_extension("")
                    .strip_prefix(root)
                    .expect("below the root")
                    .iter()
                    .map(|part| part.to_string_lossy().into_owned())
                    .collect();
                for name in tests_of(&text) {
                    found.entry(name).or_default().push(place.clone());
                }
            }
        }
    }
    found
}

/// What is wrong with the document, one line each. A test is named as `file::function`; the file may be its folder.
fn faults(text: &str, tests: &BTreeMap<String, Vec<Vec<String>>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut last = 0;
    for row in rows(text) {
        let mut say = |what: String| faults.push(format!("row {}: {what}", row.number));
        if row.number <= last {
            say("is out of order, or stands there twice".to_owned());
        }
        last = row.number;
        if let Some(fault) = row.fault {
            say(fault.to_owned());
        }
        for named in &row.tests {
            let Some((file, function)) = named.rsplit_once("::") else {
                say(format!("`{named}` does not say in which file it is"));
                continue;
            };
            let places = tests.get(function).map(Vec::as_slice).unwrap_or_default();
            if !places
                .iter()
                .any(|place| place.iter().any(|part| part == file))
            {
                say(format!("there is no test `{named}`"));
            }
        }
    }
    faults
}

#[test]
fn every_threat_has_a_test_and_every_named_test_exists() {
    let text = include_str!("../../../docs/threats.md");
    let rows = rows(text);
    assert!(rows.len() > 50, "only {} rows were read", rows.len());
    assert_eq!(faults(text, &all_tests()), [""; 0]);
}

#[test]
fn the_reader_of_threats_sees_each_fault() {
    let tests = BTreeMap::from([(
        "it_holds".to_owned(),
        vec![vec!["src".to_owned(), "lock".to_owned()]],
    )]);
    let good =
        "| # | Threat | Answer | Tests |\n|---|---|---|---|\n| 1 | a | b | `lock::it_holds` |\n";
    assert_eq!(faults(good, &tests), [""; 0]);
    assert_eq!(rows(good).len(), 1);
    for (line, told) in [
        ("| 2 | a | b | later |", "names no test"),
        ("| 2 | a | b | |", "names no test"),
        ("| 2 | a | b |", "has not four columns"),
        ("| 2 |  | b | `lock::it_holds` |", "says nothing"),
        ("| 2 | a | b | `lock::it_fails` |", "there is no test"),
        ("| 2 | a | b | `key::it_holds` |", "there is no test"),
        ("| 2 | a | b | `it_holds` |", "in which file"),
        ("| 1 | a | b | `lock::it_holds` |", "out of order"),
    ] {
        let found = faults(&format!("{good}{line}"), &tests);
        assert!(
            found.len() == 1 && found[0].contains(told),
            "{line}: {found:?}"
        );
    }
    let source = "#[test]\nfn one() {}\nfn helper() {}\n#[tokio::test]\nasync fn two() {}\n#[test]\n#[ignore]\n\
                  fn three() {}\non_all_databases!(\n    four,\n    five\n);\n";
    let names: Vec<String> = tests_of(source).into_iter().collect();
    assert_eq!(names, ["five", "four", "one", "three", "two"]);
}
