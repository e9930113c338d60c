//! What operators are shown and warned of (docs/operations.md, "Watching" and "Alerts"): the rules hold with promtool, and
//! every query of the dashboard and the alerts with a real Prometheus that scraped a server at work.
//!
//! `scripts/prometheus` names both programs in the environment. A missing one is a failure, except after
//! `scripts/test --quick`, which says at its end what it left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::prometheus::program;

const RULES: &str = include_str!("../../../helm/enroll/files/alerts.yaml");
const RULES_TEST: &str = include_str!("../../promtool/alerts_test.yaml");
const OPERATIONS: &str = include_str!("../../../docs/operations.md");

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The parts of a text that begin with this mark, each without it: its first line is what follows the mark.
fn parts<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.split(mark).skip(1).collect()
}

fn first_line(part: &str) -> &str {
    part.lines().next().unwrap_or_default().trim()
}

/// The alerts with what is said of each.
fn alerts() -> BTreeMap<&'static str, &'static str> {
    let named = parts(RULES, "- alert: ").into_iter();
    let alerts: BTreeMap<_, _> = named.map(|part| (first_line(part), part)).collect();
    assert!(alerts.len() > 20, "only {} alerts were read", alerts.len());
    alerts
}

/// The sections of a document by the name under which a link finds them, as GitHub makes it.
fn sections(text: &str) -> BTreeMap<String, &str> {
    parts(text, "\n#")
        .into_iter()
        .map(|part| {
            let (heading, body) = part.split_once('\n').unwrap_or((part, ""));
            let anchor: String = heading
                .trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|mark| mark.is_alphanumeric() || matches!(mark, ' ' | '-' | '_'))
                .map(|mark| if mark == ' ' { '-' } else { mark })
                .collect();
            (anchor, body)
        })
        .collect()
}

#[tokio::test]
async fn promtool_finds_the_rules_sound_and_each_as_its_cases_tell() {
    let Some(promtool) = program("ENROLL_TEST_PROMTOOL") else {
        return;
    };
    for (task, file) in [
        ("check", "helm/enroll/files/alerts.yaml"),
        ("test", "tests/promtool/alerts_test.yaml"),
    ] {
        let done = tokio::process::Command::new(&promtool)
            .args([task, "rules"])
            .arg(path_of(file))
            .output()
            .await
            .expect("promtool starts");
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            done.status.success() && said.contains("SUCCESS"),
            "{task} {file}: {said}"
        );
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet() {
    let mut cases: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for case in parts(RULES_TEST, "- name: ") {
        let asked = parts(case, "alertname: ");
        assert_eq!(asked.len(), 1, "one question a case: {}", first_line(case));
        let (alert, expected) = asked[0].split_once("exp_alerts:").expect("an answer");
        let quiet = first_line(expected) == "[]";
        let fires = expected.contains("exp_labels:") && expected.contains("exp_annotations:");
        assert!(quiet != fires, "{case}");
        let word = if fires { "fires" } else { "is quiet" };
        let alert = alert.trim();
        assert!(
            first_line(case).starts_with(&format!("{alert} {word}")),
            "the name tells what the case shows: {case}"
        );
        cases.entry(alert).or_default()[usize::from(quiet)] = true;
    }
    let known: BTreeSet<&str> = alerts().into_keys().collect();
    let tested: BTreeSet<&str> = cases.keys().copied().collect();
    assert_eq!(tested, known);
    for (alert, both) in cases {
        assert_eq!(both, [true, true], "fires and is quiet: {alert}");
    }
}

#[test]
fn every_alert_says_how_urgent_it_is_and_leads_to_what_to_do() {
    let sections = sections(OPERATIONS);
    let mut explained = BTreeSet::new();
    for (alert, rule) in alerts() {
        let after = |name: &str| {
            let found = rule.split_once(&format!(" {name}: "));
            found
                .map(|(_, rest)| first_line(rest))
                .unwrap_or_else(|| panic!("{alert} has no {name}"))
        };
        assert!(
            ["critical", "warning"].contains(&after("severity")),
            "{alert}"
        );
        assert!(after("summary").ends_with('.'), "{alert}");
        assert_eq!(after("description"), ">-", "{alert}");
        let anchor = after("runbook_url")
            .strip_prefix("docs/operations.md#")
            .unwrap_or_else(|| panic!("{alert} leads elsewhere"));
        let text = sections
            .get(anchor)
            .unwrap_or_else(|| panic!("docs/operations.md has no section #{anchor}"));
        assert!(
            text.split_whitespace().count() > 20,
            "#{anchor} says what to do"
        );
        explained.insert(anchor.to_owned());
    }
    let headings: BTreeSet<String> = sections
        .into_keys()
        .filter(|anchor| anchor.starts_with("enroll") && !anchor.contains('-'))
        .collect();
    assert_eq!(
        headings, explained,
        "no section is left of an alert that is gone"
    );
    // Links between sections of the page.
    for link in parts(OPERATIONS, "](#") {
        let anchor = link.split(')').next().unwrap_or_default();
        assert!(headings.contains(anchor), "a link leads nowhere: #{anchor}");
    }
}
