//! What tenants used, by the hour and the day (docs/api.md, "Usage").

use std::time::Duration;

use enroll::clock::{Clock, Entropy, Timestamp};
use enroll::domain::ids::TenantId;
use enroll::store::connection::{Connect, PoolBounds, open};
use enroll::store::platform_db::PlatformDb;
use enroll::store::schema::{Schema, migrate};
use enroll::store::settings::DatabaseUrl;
use enroll::store::usage::{Period, Step};
use enroll::telemetry::metrics::Metrics;
use enroll::telemetry::usage::{Counter, Counts, HOUR, HourOfTenant};
use serde_json::{Value, json};

use crate::harness::client::{Request, admin, register};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::{ada, no_limits};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, change_settings, create_tenant};
use crate::harness::wait::until;

on_all_databases!(
    what_a_tenant_used_is_told_by_the_hour_and_the_day,
    processes_add_to_each_other_and_a_stop_writes_the_rest,
    parts_add_up_totals_are_paged_and_old_steps_go,
);

async fn start(backend: Backend, flush_ms: u64) -> (Server, TestDatabase) {
    let platform = TestDatabase::create(backend).await;
    let options = ServerOptions::new()
        .platform(&platform)
        .set("telemetry.usage_flush_ms", flush_ms);
    (Server::start(options).await, platform)
}

async fn get(server: &Server, path: &str) -> Value {
    let path = format!("/admin/v1{path}");
    admin(server, "GET", &path, None).await.expect(200)
}

/// The sums of the steps that a list shows: a test may run across the end of an hour.
fn sum(list: &Value, counter: &str) -> i64 {
    let steps = list["data"].as_array().expect("a list");
    steps
        .iter()
        .map(|step| step["attributes"][counter].as_i64().expect("a count"))
        .sum()
}

async fn post(server: &Server, path: &str, attributes: Value) -> u16 {
    let request = Request::new("POST", path)
        .header("X-Tenant-Id", "acme")
        .json(&json!({"data": {"attributes": attributes}}));
    request.send(server.public()).await.status
}

async fn what_a_tenant_used_is_told_by_the_hour_and_the_day(backend: Backend) {
    let (server, _platform) = start(backend, 100).await;
    for tenant in ["acme", "beta"] {
        create_tenant(&server, tenant, Placement::Own, no_limits()).await;
    }
    change_settings(&server, "acme", json!({"sms": {"provider": "log"}})).await;
    assert_eq!(get(&server, "/tenants/acme/usage").await["data"], json!([]));
    for name in ["ada", "bob"] {
        register(&server, "acme", ada(name)).await.expect(200);
    }
    register(&server, "beta", ada("ada")).await.expect(200);
    assert_eq!(register(&server, "acme", ada("ada")).await.status, 422);
    let mut bad = ada("cid");
    bad["code"] = json!("NO-SUCH-CODE");
    assert_eq!(register(&server, "acme", bad).await.status, 422);
    for (password, status) in [("correct horse battery", 200), ("a wrong password", 401)] {
        let login = json!({"username": "ada", "password": password});
        let answer = post(&server, "/api/login", login).await;
        assert_eq!(answer == 200, status == 200, "{answer}");
    }
    let sms = json!({"mobile": "13800138000", "type": "login"});
    assert_eq!(post(&server, "/api/sms/send", sms.clone()).await, 200);
    assert_ne!(post(&server, "/api/sms/send", sms).await, 200, "too soon");
    // Limits of their own, last: they refuse what comes after.
    let limits = json!({"limits": {"per_tenant": {"calls": 1, "seconds": 3600}}});
    change_settings(&server, "acme", limits).await;
    while register(&server, "acme", ada("ada")).await.status != 429 {}

    let wanted = [
        ("registrations", 2),
        ("refused_policy", 1),
        ("refused_limit", 1),
        ("refused_room", 0),
        ("logins", 1),
        ("failed_logins", 1),
        ("sms_sent", 1),
        ("hashes", 4),
    ];
    for step in ["hour", "day"] {
        let path = format!("/tenants/acme/usage?filter[step]={step}");
        let list = until("the usage is written", async || {
            let list = get(&server, &path).await;
            (sum(&list, "refused_limit") > 0).then_some(list)
        })
        .await;
        for (counter, count) in wanted {
            assert_eq!(sum(&list, counter), count, "{step} {counter}: {list}");
        }
        assert!((1..=2).contains(&sum(&list, "refused_input")), "{list}");
        let first = &list["data"][0];
        assert_eq!(
            (&first["type"], &first["id"]),
            (&json!("usage"), &first["attributes"]["starts_at"])
        );
        let ending = if step == "hour" {
            ":00:00Z"
        } else {
            "T00:00:00Z"
        };
        assert!(
            first["id"].as_str().expect("a time").ends_with(ending),
            "{first}"
        );
    }
    let none = get(
        &server,
        "/tenants/acme/usage?filter[to]=2020-01-01T00:00:00Z",
    )
    .await;
    assert_eq!(none["data"], json!([]));

    let totals = get(&server, "/usage?filter[step]=day&page[size]=1").await;
    assert_eq!(totals["data"][0]["attributes"]["key"], "acme");
    assert_eq!(sum(&totals, "registrations"), 2);
    let next = totals["links"]["next"].as_str().expect("a next page");
    let rest = admin(&server, "GET", next, None).await.expect(200);
    assert_eq!(rest["data"][0]["attributes"]["key"], "beta");
    assert_eq!(
        (sum(&rest, "registrations"), &rest["links"]["next"]),
        (1, &Value::Null)
    );

    for wrong in [
        "filter[step]=week",
        "filter[from]=yesterday",
        "filter[from]=2026-01-02T00:00:00Z&filter[to]=2026-01-01T00:00:00Z",
        "filter[tenant]=acme",
    ] {
        for path in ["/admin/v1/usage", "/admin/v1/tenants/acme/usage"] {
            let answer = admin(&server, "GET", &format!("{path}?{wrong}"), None).await;
            assert_eq!(
                (answer.status, answer.error_code().as_str()),
                (422, "validation_error"),
                "{path} {wrong}"
            );
        }
    }
}

async fn processes_add_to_each_other_and_a_stop_writes_the_rest(backend: Backend) {
    let (mut first, _platform) = start(backend, 3_600_000).await;
    let second = Server::start(first.twin().set("telemetry.usage_flush_ms", 100)).await;
    create_tenant(&first, "acme", Placement::Own, no_limits()).await;
    for (server, name) in [(&first, "ada"), (&second, "bob"), (&first, "cid")] {
        register(server, "acme", ada(name)).await.expect(200);
    }
    let path = "/tenants/acme/usage?filter[step]=day";
    let seen = until("the second wrote its own", async || {
        let list = get(&second, path).await;
        (sum(&list, "registrations") > 0).then_some(list)
    })
    .await;
    assert_eq!(
        sum(&seen, "registrations"),
        1,
        "the first has not written yet"
    );
    first.sigterm();
    assert!(first.wait_exit(Duration::from_secs(20)).await.success());
    let seen = get(&second, path).await;
    assert_eq!(
        (sum(&seen, "registrations"), sum(&seen, "hashes")),
        (3, 3),
        "{}",
        first.log()
    );
}

async fn parts_add_up_totals_are_paged_and_old_steps_go(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let clock = Clock::system();
    let bounds = PoolBounds {
        size: 4,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(60),
    };
    let url = DatabaseUrl::parse(database.url()).expect("an address");
    let metrics = Metrics::new(0).expect("metrics");
    let connection = open(&url, bounds, Connect::AtOnce, None, clock.clone(), metrics).await;
    let connection = connection.expect("a connection");
    migrate(&connection, Schema::Platform)
        .await
        .expect("changes");
    let platform = PlatformDb::new(connection, clock, Entropy);

    let hour = |tenant: i64, hour: i64, logins: i64| {
        let mut counts = Counts::default();
        counts.add(Counter::Logins, logins);
        HourOfTenant {
            tenant,
            hour: hour * HOUR,
            counts,
        }
    };
    // Two writers of the same rows, in opposite order, at the same moment.
    let mine: Vec<_> = (1..=50)
        .flat_map(|tenant| [hour(tenant, 23, 1), hour(tenant, 24, 2)])
        .collect();
    let theirs: Vec<_> = mine.iter().rev().copied().collect();
    for _ in 0..3 {
        let (one, other) = tokio::join!(platform.add_usage(&mine), platform.add_usage(&theirs));
        one.expect("added");
        other.expect("added");
    }
    platform.add_usage(&[]).await.expect("nothing");
    let at = |hour: i64| Timestamp::from_millis(hour * HOUR);
    let period = |step, from, until| Period {
        step,
        from: at(from),
        until: at(until),
    };
    let logins = async |step, from, until| -> Vec<(i64, i64)> {
        let found =
            platform.list_usage(TenantId::from_i64(7), period(step, from, until), at(-1), 10);
        let found = found.await.expect("steps");
        found
            .iter()
            .map(|step| {
                (
                    step.starts_at.as_millis() / HOUR,
                    step.counts.get(Counter::Logins),
                )
            })
            .collect()
    };
    assert_eq!(logins(Step::Hour, 0, 48).await, [(23, 6), (24, 12)]);
    assert_eq!(logins(Step::Hour, 24, 48).await, [(24, 12)]);
    assert_eq!(logins(Step::Hour, 0, 24).await, [(23, 6)]);
    assert_eq!(logins(Step::Day, 0, 48).await, [(0, 6), (24, 12)]);

    let (mut after, mut seen) = (TenantId::from_i64(0), Vec::new());
    loop {
        let page = platform
            .total_usage(period(Step::Day, 0, 48), after, 20)
            .await
            .expect("a page");
        let Some(last) = page.last() else { break };
        after = last.tenant;
        assert!(
            page.iter()
                .all(|total| total.counts.get(Counter::Logins) == 18)
        );
        seen.extend(page.iter().map(|total| total.tenant.as_i64()));
    }
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());

    assert_eq!(
        platform
            .forget_usage(Step::Hour, at(24))
            .await
            .expect("forgotten"),
        1
    );
    assert_eq!(logins(Step::Hour, 0, 48).await, [(24, 12)]);
    assert_eq!(
        logins(Step::Day, 0, 48).await,
        [(0, 6), (24, 12)],
        "days are kept longer"
    );
    assert_eq!(
        platform
            .forget_usage(Step::Day, at(48))
            .await
            .expect("forgotten"),
        2
    );
    assert_eq!(logins(Step::Day, 0, 48).await, []);
}
