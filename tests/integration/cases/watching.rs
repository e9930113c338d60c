//! What operators are shown and warned of (docs/operations.md, "Watching" and "Alerts"): the rules hold with promtool, and
//! every query of the dashboard and the alerts with a real Prometheus that scraped a server at work.
//!
//! `scripts/prometheus` names both programs in the environment. A missing one is a failure, except after
//! `scripts/test --quick`, which says at its end what it left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::harness::browser::{Browser, keep_picture};
use crate::harness::client::{Request, admin, metric, register, volley};
use crate::harness::dashboard::{dashboard, legend, page, panels, queries};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::members::Site;
use crate::harness::neighbours::{Home, Tenant};
use crate::harness::prometheus::{Prometheus, Range, program};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::simulator::merge;
use crate::harness::tenants::{Placement, create_tenant};
use crate::harness::wait::until;

on_all_databases!(the_age_of_keys_is_that_of_the_tenant_that_renewed_its_own_least_lately);

const RULES: &str = include_str!("../../../helm/enroll/files/alerts.yaml");
const SOURCE: &str = include_str!("../../../src/telemetry/metrics.rs");
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
        .keys()
        .filter(|anchor| anchor.starts_with("enroll") && !anchor.contains('-'))
        .cloned()
        .collect();
    assert_eq!(
        headings, explained,
        "no section is left of an alert that is gone"
    );
    // Links between sections of the page.
    for link in parts(OPERATIONS, "](#") {
        let anchor = link.split(')').next().unwrap_or_default();
        assert!(
            sections.contains_key(anchor),
            "a link leads nowhere: #{anchor}"
        );
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "job", "instance", "tenant"]);
    let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in panels() {
        let text = |name: &str| panel[name].as_str().unwrap_or_default().to_owned();
        let title = text("title");
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        assert!(titles.insert(title.clone()), "{title} stands there twice");
        let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{title} is too wide");
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies over another");
            }
        }
        let kind = text("type");
        if kind == "row" {
            continue;
        }
        let built_in = ["timeseries", "stat", "table", "heatmap"];
        assert!(built_in.contains(&kind.as_str()), "{title} needs a plugin");
        assert!(text("description").ends_with('.'), "{title}");
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(
            unit.as_str().is_some_and(|unit| !unit.is_empty()),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().expect("queries") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = target["expr"].as_str().expect("a query");
            assert!(query.contains("job=~\"$job\""), "{title}: {query}");
            assert!(
                query.contains("instance=~\"$instance\""),
                "{title}: {query}"
            );
            let by_tenant = ["enroll_registrations_total", "enroll_applications_"];
            let has_tenants =
                by_tenant.iter().any(|name| query.contains(name)) && !query.contains("decision");
            assert_eq!(query.contains("$tenant"), has_tenants, "{title}: {query}");
        }
        assert!(!queries(&panel).is_empty(), "{title} asks nothing");
    }
}

/// What a healthy server never shows, whatever is done to it: it is enough that the query gives a value.
const AT_NOUGHT: [&str; 3] = ["Limits forgotten", "Schema behind", "Log lines dropped"];

/// How long the traffic lasts at least, so that lines over time are lines.
const ROUNDS: usize = 12;

#[tokio::test]
async fn every_panel_and_every_alert_finds_what_it_asks_for() {
    let home = Home::start_with(Backend::Sqlite, |options| {
        options
            .set("tenants.sync_ms", 100)
            .set("tenants.housekeeping_ms", 1000)
            .set("tenants.invite_hint_ttl_ms", 60_000)
            .set("tenants.max_live", 3)
            .set("database.statement_timeout_ms", 4000)
            .set("provider.timeout_ms", 5000)
            .set("provider.breaker_failures", 3)
            .set("provider.breaker_open_ms", 60_000)
            .set("hashing.threads", 1)
            .failpoints("actor_handler=1*panic->off;hash=sleep(100)")
    })
    .await;
    let server = &home.server;
    let rules = path_of("helm/enroll/files/alerts.yaml");
    let Some(prometheus) = Prometheus::start(&rules, server.admin()).await else {
        return;
    };
    // What is counted before the first look at it is no rise.
    until("the first scrape", async || {
        let ready = prometheus.ask("enroll_ready").await;
        ready.first().filter(|(_, value)| *value == 1.0).map(|_| ())
    })
    .await;
    let from = Prometheus::now();
    traffic(&home).await;
    // The last second of it has been scraped.
    let asked = prometheus.ask("count_over_time(enroll_ready[1h])").await[0].1;
    until("two more scrapes", async || {
        let now = prometheus.ask("count_over_time(enroll_ready[1h])").await;
        (now[0].1 >= asked + 2.0).then_some(())
    })
    .await;
    let to = Prometheus::now();

    let mut faults = Vec::new();
    let mut drawn = Vec::new();
    for panel in panels() {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let is_of_now = panel["targets"][0]["instant"] == true;
        let mut series: Vec<(String, Range)> = Vec::new();
        for (query, format) in queries(&panel) {
            let ranges = prometheus.ask_range(&query, from, to).await;
            let finite = |range: &Range| range.points.iter().any(|(_, value)| value.is_finite());
            if !ranges.iter().any(finite) {
                faults.push(format!("{title}: nothing for {query}"));
            }
            if is_of_now
                && !prometheus
                    .ask(&query)
                    .await
                    .iter()
                    .any(|(_, value)| value.is_finite())
            {
                faults.push(format!("{title}: nothing at this moment for {query}"));
            }
            series.extend(
                ranges
                    .into_iter()
                    .map(|range| (legend(&format, &range.labels), range)),
            );
        }
        let mut values = series.iter().flat_map(|(_, range)| &range.points);
        let moved = values.any(|(_, value)| value.is_finite() && *value > 0.0);
        if panel["type"] != "row" && moved == AT_NOUGHT.contains(&title.as_str()) {
            faults.push(format!("{title}: something above nought: {moved}"));
        }
        drawn.push((panel, series));
    }
    assert_eq!(faults, [""; 0]);
    variables_find_values(&prometheus).await;
    let rules = rules_are_healthy(&prometheus).await;
    names_are_known(server, &rules).await;

    if std::env::var_os("ENROLL_TEST_SCREENSHOTS").is_some()
        && let Some(browser) = Browser::start().await
    {
        browser.open("about:blank").await;
        browser.look(1500, 900, false).await;
        let script = "document.documentElement.innerHTML = arguments[0]";
        browser.run(script, json!([page(&drawn, from, to)])).await;
        keep_picture(&browser, "dashboard").await;
        browser.end().await;
    }
}

/// The variables at the top of the dashboard: `label_values(SERIES, LABEL)`.
async fn variables_find_values(prometheus: &Prometheus) {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let mut asked = 0;
    for variable in variables.iter().filter(|one| one["type"] == "query") {
        let query = variable["query"]["query"].as_str().expect("a query");
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner
            .and_then(|inner| inner.rsplit_once(", "))
            .expect("a series and a label");
        assert_eq!(variable["name"], label);
        let series = series.replace("$job", "enroll").replace("$instance", ".*");
        let values = prometheus.label_values(label, &series).await;
        assert!(!values.is_empty(), "no value for {label}");
        asked += 1;
    }
    assert_eq!(asked, 3);
}

/// The alerts of which the traffic made the fault; the others below see none. A scrape that came late may make one of
/// these fire for a moment.
const ACTIVE: [&str; 4] = [
    "EnrollErrorBudgetBurnsFast",
    "EnrollPanics",
    "EnrollProviderBreakersOpen",
    "EnrollSmsBudgetSpent",
];
const INACTIVE: [&str; 6] = [
    "EnrollAbsent",
    "EnrollApplicationsWait",
    "EnrollInstanceDown",
    "EnrollNotReady",
    "EnrollSchemaBehind",
    "EnrollSigningKeyOld",
];

/// Every rule is evaluated without an error, and those whose fault was made see it. Gives them all.
async fn rules_are_healthy(prometheus: &Prometheus) -> Vec<Value> {
    until(
        "every rule is evaluated and sees what there is",
        async || {
            let rules = prometheus.rules().await;
            let mut active = BTreeMap::new();
            for rule in &rules {
                assert_ne!(rule["health"], "err", "{rule}");
                if rule["type"] == "alerting" {
                    let name = rule["name"].as_str().expect("a name");
                    active.insert(name, rule["state"] != "inactive");
                }
            }
            let names: BTreeSet<&str> = active.keys().copied().collect();
            assert_eq!(names, alerts().into_keys().collect());
            let evaluated = rules.iter().all(|rule| rule["health"] == "ok");
            let seen = ACTIVE.iter().all(|alert| active[alert]);
            let unseen = INACTIVE.iter().all(|alert| !active[alert]);
            (evaluated && seen && unseen).then_some(rules)
        },
    )
    .await
}

/// The words of a text that are names of metrics.
fn metric_names(text: &str) -> BTreeSet<&str> {
    text.split(|mark: char| !mark.is_ascii_alphanumeric() && !matches!(mark, '_' | ':'))
        .filter(|word| {
            ["enroll_", "enroll:", "process_"]
                .iter()
                .any(|start| word.starts_with(start))
        })
        .collect()
}

/// The metrics that the source registers, whether or not there is a series of them yet.
fn registered() -> BTreeSet<String> {
    let source: String = SOURCE.split_whitespace().collect();
    let calls = ["build.", "self."]
        .into_iter()
        .flat_map(|mark| parts(&source, mark));
    let named = calls.filter_map(|call| {
        let (means, rest) = call.split_once('"')?;
        let is_means = |mark: char| mark.is_ascii_alphabetic() || matches!(mark, '_' | '(' | ':');
        let name = rest.split('"').next()?;
        (means.ends_with('(') && means.chars().all(is_means)).then(|| format!("enroll_{name}"))
    });
    named.collect()
}

#[test]
fn every_metric_is_explained_and_none_that_is_gone() {
    let registered = registered();
    assert!(registered.len() > 40, "{registered:?}");
    let sections = sections(OPERATIONS);
    let told: BTreeSet<String> = metric_names(sections["metrics"])
        .into_iter()
        .filter(|name| name.starts_with("enroll_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(told, registered);
    assert!(sections["metrics"].contains("`process_*`"));
}

/// What is asked for exists, and what exists is registered where the documentation is held against it.
async fn names_are_known(server: &Server, rules: &[Value]) {
    let answer = Request::new("GET", "/metrics").send(server.admin()).await;
    let types = parts(answer.text(), "# TYPE ").into_iter().map(first_line);
    let exported: BTreeMap<&str, &str> = types.filter_map(|line| line.split_once(' ')).collect();
    assert!(exported.len() > 40, "{exported:?}");
    let recorded = rules.iter().filter(|rule| rule["type"] == "recording");
    let recorded: BTreeSet<&str> = recorded.filter_map(|rule| rule["name"].as_str()).collect();
    let mut asked: Vec<String> = panels()
        .iter()
        .flat_map(queries)
        .map(|(query, _)| query)
        .collect();
    asked.extend(
        rules
            .iter()
            .filter_map(|rule| rule["query"].as_str().map(str::to_owned)),
    );
    for name in asked.iter().flat_map(|query| metric_names(query)) {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .any(|base| exported.get(base) == Some(&"histogram"));
        assert!(
            exported.contains_key(name) || recorded.contains(name) || of_histogram,
            "nothing is called {name}"
        );
    }
    let registered = registered();
    for name in exported.keys().filter(|name| name.starts_with("enroll_")) {
        assert!(
            registered.contains(*name),
            "{name} was not found in the source"
        );
    }
}

/// A little of everything that operators can see.
async fn traffic(home: &Home) {
    let server = &home.server;
    let with = |more: Value| {
        let mut settings = no_limits();
        merge(&mut settings, more);
        settings
    };
    let limits = json!({"limits": {
        "per_username": {"calls": 2, "seconds": 3600}, "in_flight": 4, "hash_waiting": 2,
    }});
    let acme = create_tenant(server, "acme", Placement::Own, with(limits)).await;
    let approval = with(json!({"registration": {"approval": true}}));
    create_tenant(server, "club", Placement::Own, approval).await;
    for tenant in ["beta", "gamma"] {
        create_tenant(server, tenant, Placement::Own, no_limits()).await;
    }
    let phones = home
        .tenant(
            "modern",
            json!({"sms_rules": {"per_tenant_per_day": ROUNDS}}),
        )
        .await;

    // The first message kills its actor.
    assert_eq!(register(server, "acme", ada("ada")).await.status, 503);
    register(server, "acme", ada("ada")).await.expect(200);
    let site = Site::of(server, "acme");
    for round in 0..ROUNDS {
        let second = tokio::time::sleep(Duration::from_secs(1));
        registers_and_logs_in(server, &site, round).await;
        applies_and_is_let_in(server, round).await;
        // One more of them than there may be live.
        for tenant in ["beta", "gamma"] {
            let newcomer = ada(&format!("ada{round}"));
            register(server, tenant, newcomer).await.expect(200);
        }
        assert!(matches!(send_code(&phones, round).await, 200 | 201));
        second.await;
    }
    // The budget of messages is spent.
    assert_eq!(send_code(&phones, ROUNDS).await, 429);
    // So many that passwords wait for longer than Prometheus looks away.
    let crowd: Vec<Request> = (0..24)
        .map(|number| Request::register("gamma", ada(&format!("crowd{number}"))))
        .collect();
    for answer in volley(server.public(), &crowd).await {
        answer.expect(200);
    }
    somebody_locks_the_file(server, &acme).await;
    a_provider_breaks(home).await;
}

/// Good calls and bad ones, and more at one moment than are let in.
async fn registers_and_logs_in(server: &Server, site: &Site<'_>, round: usize) {
    let name = format!("ada{round}");
    register(server, "acme", ada(&name)).await.expect(200);
    let taken = register(server, "acme", ada(&name)).await;
    assert_eq!(taken.status, 422, "{taken:?}");
    assert_eq!(register(server, "acme", ada(&name)).await.status, 429);
    for _ in 0..2 {
        let mut invited = ada(&format!("eve{round}"));
        invited["code"] = json!(format!("NO-SUCH-CODE-{round}"));
        assert_eq!(register(server, "acme", invited).await.status, 422);
    }
    let good = site.login(&name, "correct horse battery").await;
    let bad = site.login(&name, "battery horse correct").await;
    assert_eq!((good.status, bad.status), (200, 403));
    let crowd: Vec<Request> = (0..16)
        .map(|number| Request::register("acme", ada(&format!("crowd{round}x{number}"))))
        .collect();
    let answers = volley(server.public(), &crowd).await;
    assert!(
        answers.iter().any(|answer| answer.status == 503),
        "{answers:?}"
    );
}

async fn applies(server: &Server, name: &str) {
    let mut newcomer = ada(name);
    newcomer["register_reason"] = json!("to join");
    let waits = register(server, "club", newcomer).await;
    assert_eq!(waits.error_code(), "register_validate", "{waits:?}");
}

/// One more waits for approval, and one of those who waited is let in.
async fn applies_and_is_let_in(server: &Server, round: usize) {
    applies(server, &format!("ada{round}")).await;
    if round.is_multiple_of(2) {
        return;
    }
    let path = "/admin/v1/tenants/club/applications";
    let list = admin(server, "GET", path, None).await.expect(200);
    let id = list["data"][0]["id"].as_str().expect("somebody waits");
    let attributes = json!({"action": "approve", "ids": [id]});
    let body = json!({"data": {"type": "decisions", "attributes": attributes}});
    let path = format!("{path}/decide");
    admin(server, "POST", &path, Some(body)).await.expect(200);
}

/// The status of a call for a code that logs in, for a number of its own.
async fn send_code(tenant: &Tenant<'_>, number: usize) -> u16 {
    let attributes = json!({"mobile": format!("139001390{number:02}"), "type": "login"});
    tenant.post("/api/sms/send", attributes).await.status
}

/// Holds the tenant's file until calls have given up.
async fn somebody_locks_the_file(server: &Server, tenant: &Value) {
    let id = tenant["id"].as_str().expect("an id");
    let file = server.data_dir().join("tenants").join(format!("{id}.db"));
    let url = format!("sqlite://{}", file.to_str().expect("a path in UTF-8"));
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let lock = Database::connect(options).await.expect("the tenant's file");
    lock.execute_unprepared("BEGIN EXCLUSIVE")
        .await
        .expect("the lock");
    let calls = ["bob", "amy"].map(|name| Request::register("acme", ada(name)));
    for answer in volley(server.public(), &calls).await {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    lock.execute_unprepared("ROLLBACK")
        .await
        .expect("the release");
}

/// Failures in a row open the breaker, which then refuses; registering goes on.
async fn a_provider_breaks(home: &Home) {
    let server = &home.server;
    home.simulator
        .mode(json!({"sms": "failing", "failure": "status"}))
        .await;
    // The budget of the other tenant is spent, and one that is evicted takes its breaker along.
    let phones = home.tenant("broken", json!({})).await;
    for number in 0..3 {
        assert_eq!(send_code(&phones, number).await, 503);
    }
    assert_eq!(
        metric(server, "enroll_provider_breakers_open", "sms_gateway").await,
        1.0
    );
    for round in 0..6 {
        assert_eq!(send_code(&phones, 10 + round).await, 503);
        let newcomer = ada(&format!("late{round}"));
        register(server, "acme", newcomer).await.expect(200);
        // Those who wait are counted where somebody calls and stays live for a while.
        applies(server, &format!("late{round}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_schema_that_is_behind_is_told() {
    let server = Server::start(ServerOptions::new()).await;
    let behind = async || metric(&server, "enroll_schema_behind", "").await;
    let ready = async || metric(&server, "enroll_ready", "").await;
    until("it is ready", async || (ready().await == 1.0).then_some(())).await;
    assert_eq!(behind().await, 0.0);
    let file = server.data_dir().join("platform.db");
    let url = format!("sqlite://{}", file.to_str().expect("a path in UTF-8"));
    let platform = Database::connect(url).await.expect("the platform's file");
    let forget = "DELETE FROM platform_migrations WHERE version = (SELECT max(version) FROM platform_migrations)";
    platform
        .execute_unprepared(forget)
        .await
        .expect("a change is forgotten");
    until("it is told", async || (behind().await == 1.0).then_some(())).await;
    assert_eq!(ready().await, 0.0);
}

async fn the_age_of_keys_is_that_of_the_tenant_that_renewed_its_own_least_lately(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let options = ServerOptions::new()
        .patient()
        .platform(&database)
        .set("tenants.housekeeping_ms", 1000);
    let server = Server::start(options).await;
    let told = async || metric(&server, "enroll_signing_key_oldest_timestamp_seconds", "").await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Own, no_limits()).await;
    }
    until("the age of new keys", async || {
        (told().await > 1e9).then_some(())
    })
    .await;
    let connection = database.connect().await;
    for (tenant, made) in [("acme", 1_000_000_000_000_i64), ("beta", 1_100_000_000_000)] {
        let age = format!(
            "UPDATE signing_keys SET created_at = {made} WHERE tenant_id = \
             (SELECT id FROM tenants WHERE tenants.key = '{tenant}')"
        );
        let age = match backend {
            // There the word is its own.
            Backend::Mysql => age.replace("tenants.key", "tenants.`key`"),
            Backend::Sqlite | Backend::Postgres => age,
        };
        connection
            .execute_unprepared(&age)
            .await
            .expect("an old key");
    }
    let is = async |seconds: f64| {
        until(&format!("the age is that of {seconds}"), async || {
            (told().await == seconds).then_some(())
        })
        .await;
    };
    is(1e9).await;
    let body = json!({"data": {"type": "keys", "attributes": {}}});
    let keys = "/admin/v1/tenants/acme/keys";
    admin(&server, "POST", keys, Some(body)).await.expect(201);
    is(1.1e9).await;
    // Whoever is deleted needs no keys.
    let path = "/admin/v1/tenants/beta";
    let deleted = admin(&server, "DELETE", path, None).await;
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    until("only new keys are left", async || {
        (told().await > 1.2e9).then_some(())
    })
    .await;
}
