//! The admin API (`docs/api.md`): tenants and invites while the server runs, refusals, authentication, audit.

use std::collections::BTreeSet;

use entity::platform::{administrator, audit_entry, signing_key, tenant, tenant_settings};
use futures_util::future::join_all;
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin, register, volley};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::openapi::{self, Operation, operations};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{self, Placement, create_tenant, issue_invite};

on_all_databases!(
    a_tenant_lives_and_ends_without_a_restart,
    settings_versions_count_up_and_a_precondition_holds,
    a_merge_patch_changes_what_it_names_and_null_switches_a_limit_off,
    every_fault_of_a_tenant_is_told_at_once_and_nothing_is_made,
    hosts_and_keys_are_unique_even_when_asked_for_at_once,
    a_walk_over_the_pages_sees_every_tenant_once,
    a_placement_that_cannot_work_is_refused_and_its_password_shows_nowhere,
    a_database_of_its_own_serves_and_its_password_shows_nowhere,
    invites_are_issued_one_by_one_and_in_batches,
    an_invite_ends_when_it_is_spent_expired_or_revoked,
    every_effect_is_audited_once_and_without_secrets,
    secrets_of_providers_are_sealed_masked_and_kept,
    a_change_reaches_another_replica,
);

const PASSWORD: &str = "correct-horse-42";

/// A server whose platform database and one shared database, `main`, are of this kind. The databases outlive it.
struct Platform {
    server: Server,
    platform: TestDatabase,
    _shared: TestDatabase,
}

impl Platform {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, ServerOptions::new()).await
    }

    async fn start_with(backend: Backend, options: ServerOptions) -> Self {
        let platform = TestDatabase::create(backend).await;
        let shared = TestDatabase::create(backend).await;
        let options = options.platform(&platform).database("main", &shared);
        Self {
            server: Server::start(options).await,
            platform,
            _shared: shared,
        }
    }
}

fn document(kind: &str, attributes: Value) -> Value {
    json!({"data": {"type": kind, "attributes": attributes}})
}

async fn create(server: &Server, attributes: Value) -> Answer {
    let body = document("tenants", attributes);
    admin(server, "POST", "/admin/v1/tenants", Some(body)).await
}

async fn change(server: &Server, key: &str, attributes: Value) -> Answer {
    let body = document("tenants", attributes);
    admin(
        server,
        "PATCH",
        &format!("/admin/v1/tenants/{key}"),
        Some(body),
    )
    .await
}

async fn issue(server: &Server, key: &str, attributes: Value) -> Answer {
    let path = format!("/admin/v1/tenants/{key}/invites");
    admin(server, "POST", &path, Some(document("invites", attributes))).await
}

async fn get(server: &Server, path: &str) -> Answer {
    admin(server, "GET", path, None).await
}

async fn shown(server: &Server, key: &str) -> Value {
    get(server, &format!("/admin/v1/tenants/{key}"))
        .await
        .expect(200)["data"]["attributes"]
        .take()
}

async fn registers(server: &Server, key: &str, name: &str) -> Answer {
    register(server, key, json!({"username": name, "password": PASSWORD})).await
}

/// Status and code of a refusal with one error.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error_code())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Where the errors of a refusal point, in order of the text.
fn pointers(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 422, "{}", answer.text());
    let pointer = |error: &Value| {
        error["source"]["pointer"]
            .as_str()
            .expect("a pointer")
            .to_owned()
    };
    let mut found: Vec<String> = answer.errors().iter().map(pointer).collect();
    found.sort();
    found
}

fn warnings(answer: &Answer) -> Vec<String> {
    let document = answer.expect(200);
    let list = document["meta"]["warnings"]
        .as_array()
        .expect("a list of warnings");
    let path = |warning: &Value| {
        assert!(
            warning["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        warning["path"].as_str().expect("a path").to_owned()
    };
    list.iter().map(path).collect()
}

async fn a_tenant_lives_and_ends_without_a_restart(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let wanted = json!({
        "key": "acme", "name": "Acme Ltd", "hosts": ["Join.Acme.example."],
        "placement": {"kind": "shared", "database": "main"}, "settings": {"locale": "en"},
    });
    let created = create(server, wanted).await.expect(201);
    let attributes = &created["data"]["attributes"];
    assert_eq!(created["data"]["type"], "tenants");
    assert_eq!(
        (
            &attributes["key"],
            &attributes["name"],
            &attributes["state"],
            &attributes["settings_version"]
        ),
        (
            &json!("acme"),
            &json!("Acme Ltd"),
            &json!("active"),
            &json!(1)
        )
    );
    assert_eq!(attributes["hosts"], json!(["join.acme.example"]));
    assert_eq!(attributes["placement"]["database"], "main");
    assert_eq!(attributes["settings"]["locale"], "en");
    assert_eq!(
        attributes["settings"]["password"]["min_length"], 8,
        "defaults are shown"
    );
    assert_eq!(&shown(server, "acme").await, attributes);

    // It serves at once, by header and by its own host.
    registers(server, "acme", "ada").await.expect(200);
    let by_host = Request::new("POST", "/api/register")
        .header("Host", "join.acme.example")
        .json(&json!({"data": {"attributes": {"username": "grace", "password": PASSWORD}}}));
    by_host.send(server.public()).await.expect(200);

    // A change is in force when its answer is there.
    let closed = json!({"settings": {"registration": {"open": false}}, "name": "Acme"});
    let closed = change(server, "acme", closed).await.expect(200);
    assert_eq!(closed["data"]["attributes"]["name"], "Acme");
    assert_eq!(
        refusal(&registers(server, "acme", "alan").await),
        refused(401, "register_close")
    );
    change(
        server,
        "acme",
        json!({"settings": {"registration": {"open": true}}}),
    )
    .await
    .expect(200);
    registers(server, "acme", "alan").await.expect(200);

    // Suspended and deleted it is the same to visitors as never made.
    let unknown = registers(server, "nobody", "kurt").await;
    assert_eq!(refusal(&unknown), refused(404, "tenant_not_found"));
    tenants::suspend_tenant(server, "acme").await;
    let suspended = registers(server, "acme", "kurt").await;
    assert_eq!((suspended.status, &suspended.body), (404, &unknown.body));
    assert_eq!(shown(server, "acme").await["state"], "suspended");
    let again = admin(server, "POST", "/admin/v1/tenants/acme/suspend", None).await;
    assert_eq!(refusal(&again), refused(409, "tenant_state_conflict"));
    assert_eq!(
        tenants::users(server, "acme").await.len(),
        3,
        "its administrators still see it"
    );
    tenants::resume_tenant(server, "acme").await;
    let again = admin(server, "POST", "/admin/v1/tenants/acme/resume", None).await;
    assert_eq!(refusal(&again), refused(409, "tenant_state_conflict"));
    registers(server, "acme", "kurt").await.expect(200);

    let deleted = admin(server, "DELETE", "/admin/v1/tenants/acme", None).await;
    assert_eq!((deleted.status, deleted.text()), (204, ""));
    let gone = registers(server, "acme", "emmy").await;
    assert_eq!((gone.status, &gone.body), (404, &unknown.body));
    assert_eq!(by_host.send(server.public()).await.status, 404);
    for (method, path) in [
        ("GET", "/admin/v1/tenants/acme"),
        ("DELETE", "/admin/v1/tenants/acme"),
        ("POST", "/admin/v1/tenants/acme/suspend"),
        ("POST", "/admin/v1/tenants/acme/resume"),
        ("GET", "/admin/v1/tenants/acme/pressure"),
        ("GET", "/admin/v1/tenants/acme/users"),
        ("GET", "/admin/v1/tenants/acme/invites"),
        ("GET", "/admin/v1/tenants/acme/invites/SPRING"),
        ("DELETE", "/admin/v1/tenants/acme/invites/SPRING"),
    ] {
        let answer = admin(server, method, path, None).await;
        assert_eq!(
            refusal(&answer),
            refused(404, "model_not_found"),
            "{method} {path}"
        );
    }
    let renamed = change(server, "acme", json!({"name": "Phoenix"})).await;
    assert_eq!(refusal(&renamed), refused(404, "model_not_found"));
    assert_eq!(
        refusal(&issue(server, "acme", json!({})).await),
        refused(404, "model_not_found")
    );

    // The key stays taken, the host is free at once.
    let again = create(server, json!({"key": "acme"})).await;
    assert_eq!(refusal(&again), refused(409, "tenant_key_taken"));
    create(
        server,
        json!({"key": "heir", "hosts": ["join.acme.example"]}),
    )
    .await
    .expect(201);
    by_host.send(server.public()).await.expect(200);
    let listed = get(server, "/admin/v1/tenants?filter%5Bstate%5D=deleted")
        .await
        .expect(200);
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["data"][0]["attributes"]["key"], "acme");
    assert_eq!(listed["data"][0]["attributes"]["hosts"], json!([]));
}

async fn settings_versions_count_up_and_a_precondition_holds(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    create(server, json!({"key": "acme"})).await.expect(201);
    let version = |document: &Value| document["data"]["attributes"]["settings_version"].as_i64();

    let named = change(server, "acme", json!({"name": "Acme"}))
        .await
        .expect(200);
    assert_eq!(version(&named), Some(1), "a name is no setting");
    let second = json!({"settings": {"locale": "en"}, "settings_version": 1});
    assert_eq!(
        version(&change(server, "acme", second.clone()).await.expect(200)),
        Some(2)
    );
    let stale = change(server, "acme", second).await;
    assert_eq!(refusal(&stale), refused(409, "settings_version_conflict"));
    assert!(
        stale.text().contains('2'),
        "it tells the version: {}",
        stale.text()
    );
    let stale_name = change(
        server,
        "acme",
        json!({"name": "Late", "settings_version": 1}),
    )
    .await;
    assert_eq!(
        refusal(&stale_name),
        refused(409, "settings_version_conflict")
    );
    let now = shown(server, "acme").await;
    assert_eq!(
        (&now["name"], &now["settings_version"]),
        (&json!("Acme"), &json!(2))
    );

    // Of many who saw the same version one wins.
    let path = "/admin/v1/tenants/acme";
    let racers: Vec<Request> = (0..8)
        .map(|racer| {
            let offset = json!({"settings": {"utc_offset": racer}, "settings_version": 2});
            Request::new("PATCH", path)
                .header("Authorization", format!("Bearer {}", server.token()))
                .json(&document("tenants", offset))
        })
        .collect();
    let answers = volley(server.admin(), &racers).await;
    let winners: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 200 | 409)),
        "{answers:?}"
    );
    let won = winners[0].expect(200);
    let now = shown(server, "acme").await;
    assert_eq!(now["settings"], won["data"]["attributes"]["settings"]);
    assert_eq!(now["settings_version"], 3);

    let kept = tenant_settings::Entity::find()
        .order_by_asc(tenant_settings::Column::Version)
        .all(&home.platform.connect().await)
        .await
        .expect("the versions");
    let versions: Vec<i32> = kept.iter().map(|row| row.version).collect();
    assert_eq!(versions, [1, 2, 3], "every version is kept");
    assert!(kept.iter().all(|row| row.changed_by == "test"));
}

async fn a_merge_patch_changes_what_it_names_and_null_switches_a_limit_off(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let one_a_day = json!({"calls": 1, "seconds": 86_400});
    let settings =
        json!({"limits": {"per_address": one_a_day}, "site": {"close_message": "later"}});
    create(server, json!({"key": "acme", "settings": settings}))
        .await
        .expect(201);
    registers(server, "acme", "ada").await.expect(200);
    assert_eq!(
        refusal(&registers(server, "acme", "grace").await),
        refused(429, "too_many_requests")
    );

    let off = json!({"settings": {"limits": {"per_address": null}}});
    let answer = change(server, "acme", off).await;
    assert_eq!(warnings(&answer), ["limits.per_address"]);
    let settings = shown(server, "acme").await["settings"].take();
    assert_eq!(settings["limits"]["per_address"], Value::Null);
    assert_eq!(
        settings["limits"]["per_username"],
        json!({"calls": 20, "seconds": 60})
    );
    assert_eq!(
        settings["site"]["close_message"], "later",
        "what is not named stays"
    );
    for name in ["grace", "alan", "kurt"] {
        registers(server, "acme", name).await.expect(200);
    }

    let weak = json!({"settings": {"password": {"min_length": 6}, "limits": {"in_flight": null}}});
    let answer = change(server, "acme", weak).await;
    assert_eq!(
        warnings(&answer),
        [
            "password.min_length",
            "limits.per_address",
            "limits.in_flight"
        ]
    );
    // A section that is removed has its defaults again.
    let answer = change(
        server,
        "acme",
        json!({"settings": {"limits": null, "password": null}}),
    )
    .await;
    assert_eq!(warnings(&answer), [""; 0]);
    let limits = shown(server, "acme").await["settings"]["limits"].take();
    assert_eq!(limits["per_address"], json!({"calls": 60, "seconds": 60}));

    // A patch that leads to settings at odds with each other changes nothing.
    let odd = json!({"settings": {"username": {"min_length": 20}}});
    let answer = change(server, "acme", odd).await;
    assert_eq!(
        pointers(&answer),
        ["/data/attributes/settings/username/min_length"]
    );
    assert_eq!(
        shown(server, "acme").await["settings"]["username"]["min_length"],
        1
    );
}

async fn every_fault_of_a_tenant_is_told_at_once_and_nothing_is_made(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let settings = json!({
        "dialect": "klingon",
        "bogus": 1,
        "registration": {"open": "yes", "words": [
            {"word": "fine", "action": "banned"}, {"word": "{", "action": "banned"},
        ]},
        "username": {"max_length": 65, "nick~name/": true},
        "password": {"min_length": 5},
        "limits": {"per_address": {"calls": 0, "seconds": 60}, "in_flight": -1},
        "tokens": {"issuer": "ftp://acme"},
        "site": [],
    });
    let wanted = [
        "bogus",
        "dialect",
        "limits/in_flight",
        "limits/per_address",
        "password/min_length",
        "registration/open",
        "registration/words/1/word",
        "site",
        "tokens/issuer",
        "username/max_length",
        "username/nick~0name~1",
    ]
    .map(|path| format!("/data/attributes/settings/{path}"));
    let answer = create(server, json!({"key": "acme", "settings": settings})).await;
    assert_eq!(pointers(&answer), wanted, "{}", answer.text());
    assert!(
        answer
            .errors()
            .iter()
            .all(|error| error["code"] == "validation_error")
    );
    let whole = create(server, json!({"key": "acme", "settings": 5})).await;
    assert_eq!(pointers(&whole), ["/data/attributes/settings"]);

    let attributes = json!({
        "key": "a b", "name": "x".repeat(201), "hosts": ["a.example:80"], "placement": {"kind": "moon"},
        "id": "7", "state": "deleted", "a/b": 1,
    });
    let wanted = ["a~1b", "hosts", "id", "key", "name", "placement", "state"];
    let wanted = wanted.map(|name| format!("/data/attributes/{name}"));
    assert_eq!(pointers(&create(server, attributes).await), wanted);
    assert_eq!(
        pointers(&create(server, json!({})).await),
        ["/data/attributes/key"]
    );
    for bad in [
        json!(null),
        json!({"kind": "own", "url": 5}),
        json!({"kind": "shared"}),
        json!("own"),
        json!({"kind": "own", "database": "main"}),
        json!({"kind": "own", "url": "postgres://h/d", "size": 1}),
    ] {
        let answer = create(server, json!({"key": "acme", "placement": bad})).await;
        assert_eq!(pointers(&answer), ["/data/attributes/placement"], "{bad}");
    }
    for bad in [
        json!("a.example"),
        json!([5]),
        json!(["a.example", "A.example."]),
        json!(["a b"]),
        json!(["bücher.example"]),
    ] {
        let answer = create(server, json!({"key": "acme", "hosts": bad})).await;
        assert_eq!(pointers(&answer), ["/data/attributes/hosts"], "{bad}");
    }
    let nobody = get(server, "/admin/v1/tenants").await.expect(200);
    assert_eq!(nobody["data"], json!([]), "nothing was made");

    create(server, json!({"key": "acme"})).await.expect(201);
    let fixed = json!({"key": "other", "placement": {"kind": "own"}, "settings": [], "settings_version": "1"});
    let wanted = ["key", "placement", "settings", "settings_version"];
    let wanted = wanted.map(|name| format!("/data/attributes/{name}"));
    assert_eq!(pointers(&change(server, "acme", fixed).await), wanted);
    for (method, path) in [
        ("POST", "/admin/v1/tenants"),
        ("PATCH", "/admin/v1/tenants/acme"),
    ] {
        let send = async |body: Value| admin(server, method, path, Some(body)).await;
        let wrong = send(document("users", json!({"key": "b2"}))).await;
        assert_eq!(refusal(&wrong), refused(409, "wrong_type"));
        let untyped = send(json!({"data": {"attributes": {"key": "b2"}}})).await;
        assert_eq!(pointers(&untyped), ["/data/type"]);
        for no_envelope in [
            json!({}),
            json!([]),
            json!({"data": []}),
            json!({"data": null}),
        ] {
            assert_eq!(pointers(&send(no_envelope).await), ["/data"]);
        }
        let list = send(json!({"data": {"type": "tenants", "attributes": []}})).await;
        assert_eq!(pointers(&list), ["/data/attributes"]);
    }
    let now = shown(server, "acme").await;
    assert_eq!(
        (&now["key"], &now["settings_version"]),
        (&json!("acme"), &json!(1))
    );
}

async fn hosts_and_keys_are_unique_even_when_asked_for_at_once(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    create(server, json!({"key": "acme", "hosts": ["join.example"]}))
        .await
        .expect(201);
    for spelling in ["join.example", "JOIN.example."] {
        let second = create(
            server,
            json!({"key": "beta", "hosts": ["b.example", spelling]}),
        )
        .await;
        assert_eq!(refusal(&second), refused(409, "host_taken"));
        assert!(second.text().contains("join.example"));
    }
    let again = create(server, json!({"key": "ACME"})).await;
    assert_eq!(refusal(&again), refused(409, "tenant_key_taken"));
    create(server, json!({"key": "beta", "hosts": ["b.example"]}))
        .await
        .expect(201);
    let moved = change(server, "beta", json!({"hosts": ["join.example"]})).await;
    assert_eq!(refusal(&moved), refused(409, "host_taken"));
    assert_eq!(shown(server, "beta").await["hosts"], json!(["b.example"]));
    // A tenant may keep and drop its own.
    change(
        server,
        "acme",
        json!({"hosts": ["join.example", "a.example"]}),
    )
    .await
    .expect(200);
    change(server, "acme", json!({"hosts": []}))
        .await
        .expect(200);
    change(server, "beta", json!({"hosts": ["join.example"]}))
        .await
        .expect(200);

    let racers = |attributes: fn(usize) -> Value| -> Vec<Request> {
        (0..8)
            .map(|racer| {
                Request::new("POST", "/admin/v1/tenants")
                    .header("Authorization", format!("Bearer {}", server.token()))
                    .json(&document("tenants", attributes(racer)))
            })
            .collect()
    };
    let by_key = racers(|_| json!({"key": "raced"}));
    let by_host =
        racers(|racer| json!({"key": format!("raced-{racer}"), "hosts": ["raced.example"]}));
    for (requests, code) in [(by_key, "tenant_key_taken"), (by_host, "host_taken")] {
        let answers = volley(server.admin(), &requests).await;
        let (won, lost): (Vec<&Answer>, Vec<&Answer>) =
            answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(won.len(), 1, "{answers:?}");
        for answer in lost {
            assert_eq!(refusal(answer), refused(409, code));
        }
    }
}

/// The keys of all tenants, page by page, with the size of each page.
async fn walk(server: &Server, first: &str) -> (Vec<String>, Vec<usize>) {
    let (mut keys, mut sizes) = (Vec::new(), Vec::new());
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let page = get(server, &path).await.expect(200);
        let list = page["data"].as_array().expect("a page");
        sizes.push(list.len());
        let key = |tenant: &Value| {
            tenant["attributes"]["key"]
                .as_str()
                .expect("a key")
                .to_owned()
        };
        keys.extend(list.iter().map(key));
        assert!(sizes.len() < 200, "the walk does not end");
        next = page["links"]["next"].as_str().map(str::to_owned);
    }
    (keys, sizes)
}

async fn a_walk_over_the_pages_sees_every_tenant_once(backend: Backend) {
    const COUNT: usize = 120;
    let home = Platform::start(backend).await;
    let server = &home.server;
    let wanted: BTreeSet<String> = (0..COUNT)
        .map(|number| format!("tenant-{number}"))
        .collect();
    let keys: Vec<&String> = wanted.iter().collect();
    for some in keys.chunks(8) {
        let made = some.iter().map(|key| create(server, json!({"key": key})));
        for answer in join_all(made).await {
            answer.expect(201);
        }
    }
    for (first, page_sizes) in [
        ("/admin/v1/tenants", vec![50, 50, 20]),
        ("/admin/v1/tenants?page%5Bsize%5D=40", vec![40, 40, 40]),
        ("/admin/v1/tenants?page[size]=500", vec![120]),
    ] {
        let (keys, sizes) = walk(server, first).await;
        assert_eq!(sizes, page_sizes, "{first}");
        assert_eq!(keys.len(), COUNT, "{first}");
        assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), wanted, "{first}");
    }

    // A filter goes along from page to page; what changes behind the walk is not seen twice.
    for key in ["tenant-3", "tenant-7", "tenant-11"] {
        tenants::suspend_tenant(server, key).await;
    }
    let (keys, sizes) = walk(
        server,
        "/admin/v1/tenants?filter[state]=suspended&page[size]=2",
    )
    .await;
    let found: BTreeSet<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(found, BTreeSet::from(["tenant-11", "tenant-3", "tenant-7"]));
    assert_eq!(sizes, [2, 1]);

    for bad in [
        "page[size]=0",
        "page[size]=501",
        "page[size]=many",
        "page[after]=-1",
        "page[after]=x",
        "page[number]=2",
        "sort=key",
        "filter[state]=asleep",
        "filter[owner]=%25",
    ] {
        let answer = get(server, &format!("/admin/v1/tenants?{bad}")).await;
        assert_eq!(refusal(&answer), refused(422, "validation_error"), "{bad}");
    }
    // Wildcards are letters like any other.
    for wild in ["filter[key]=%25", "filter[name]=%25", "filter[name]=_"] {
        let none = get(server, &format!("/admin/v1/tenants?{wild}")).await;
        assert_eq!(none.expect(200)["data"], json!([]), "{wild}");
    }
}

const NEEDLE: &str = "needle-4711";

/// Every text that the platform database holds about tenants, in one string, and every sealed byte as text.
async fn stored(platform: &DatabaseConnection) -> String {
    let tenants = tenant::Entity::find().all(platform).await.expect("tenants");
    let sealed: Vec<String> = tenants
        .iter()
        .filter_map(|row| row.placement_url_sealed.as_deref())
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    let audit = audit_entry::Entity::find()
        .all(platform)
        .await
        .expect("the audit");
    let versions = tenant_settings::Entity::find()
        .all(platform)
        .await
        .expect("settings");
    format!("{tenants:?} {sealed:?} {audit:?} {versions:?}")
}

async fn a_placement_that_cannot_work_is_refused_and_its_password_shows_nowhere(backend: Backend) {
    let home = Platform::start_with(
        backend,
        ServerOptions::new().set("telemetry.log_level", "trace"),
    )
    .await;
    let server = &home.server;
    let mut bad = vec![
        format!("postgres://admin:{NEEDLE}@127.0.0.1:1/x"),
        format!("mysql://admin:{NEEDLE}@127.0.0.1:1/x"),
        format!("mariadb://admin:{NEEDLE}@127.0.0.1:1/x"),
        format!("sqlite:///tmp/{NEEDLE}.db?mode=rwc"),
        format!("sqlite::memory:{NEEDLE}"),
        format!("redis://admin:{NEEDLE}@127.0.0.1:1/0"),
        format!("postgres:{NEEDLE}"),
        format!("postgres://admin:{NEEDLE}@@:/?#x"),
        String::new(),
    ];
    if backend != Backend::Sqlite {
        // The server is there, the password is wrong.
        let name = home.platform.url().rsplit('/').next().expect("a database");
        bad.push(
            home.platform
                .url()
                .replace(&format!(":{name}@"), &format!(":{NEEDLE}@")),
        );
    }
    let mut heard = String::new();
    for url in &bad {
        let answer = create(
            server,
            json!({"key": "acme", "placement": {"kind": "own", "url": url}}),
        )
        .await;
        assert_eq!(pointers(&answer), ["/data/attributes/placement"], "{url}");
        heard.push_str(answer.text());
    }
    for name in ["nowhere", "", "Main", "platform"] {
        let placement = json!({"kind": "shared", "database": name});
        let answer = create(server, json!({"key": "acme", "placement": placement})).await;
        assert_eq!(pointers(&answer), ["/data/attributes/placement"], "{name}");
    }
    // Nothing of it is left: the key is free.
    create(server, json!({"key": "acme"})).await.expect(201);
    let log = server
        .logged(&["the database of a new tenant cannot be used"])
        .await;
    let stored = stored(&home.platform.connect().await).await;
    for (place, text) in [("answers", &heard), ("log", &log), ("database", &stored)] {
        assert!(
            !text.contains(NEEDLE),
            "the password is in the {place}: {text}"
        );
    }
}

async fn a_database_of_its_own_serves_and_its_password_shows_nowhere(backend: Backend) {
    let own = TestDatabase::create(backend).await;
    let home = Platform::start_with(
        backend,
        ServerOptions::new().set("telemetry.log_level", "trace"),
    )
    .await;
    let server = &home.server;
    let placement = match backend {
        // An SQLite tenant has its own file; only a server's database has an address.
        Backend::Sqlite => Placement::Own,
        _ => Placement::OwnAt(own.url()),
    };
    let made = create_tenant(server, "acme", placement, json!({})).await;
    let shared = create_tenant(server, "beta", Placement::Shared("main"), json!({})).await;
    assert_eq!(made["attributes"]["placement"]["kind"], "own");
    assert_eq!(shared["attributes"]["placement"]["kind"], "shared");
    registers(server, "acme", "ada").await.expect(200);
    registers(server, "beta", "ada").await.expect(200);
    assert_eq!(tenants::users(server, "acme").await.len(), 1);
    if backend == Backend::Sqlite {
        let id = made["id"].as_str().expect("an id");
        let file = server.data_dir().join("tenants").join(format!("{id}.db"));
        assert!(file.exists(), "{} is missing", file.display());
        return;
    }
    // The owner's password is also its name; the colon before tells them apart.
    let password = own.url().rsplit('/').next().expect("a database").to_owned();
    let secret = format!(":{password}@");
    assert!(own.url().contains(&secret));
    let mut heard = made.to_string();
    for path in ["/admin/v1/tenants", "/admin/v1/tenants/acme"] {
        heard.push_str(get(server, path).await.text());
    }
    heard.push_str(change(server, "acme", json!({"name": "Acme"})).await.text());
    for (place, text) in [
        ("answers", heard),
        ("log", server.log()),
        ("database", stored(&home.platform.connect().await).await),
    ] {
        assert!(
            !text.contains(&secret),
            "the password is in the {place}: {text}"
        );
    }
}

async fn invites_are_issued_one_by_one_and_in_batches(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    create_tenant(server, "acme", Placement::Shared("main"), json!({})).await;
    create_tenant(server, "beta", Placement::Shared("main"), json!({})).await;

    let one = issue(server, "acme", json!({})).await.expect(201);
    let attributes = &one["data"]["attributes"];
    assert_eq!(
        (&one["data"]["type"], &attributes["state"]),
        (&json!("invites"), &json!("usable"))
    );
    assert_eq!(
        (&attributes["max_uses"], &attributes["uses"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&attributes["expires_at"], &attributes["revoked_at"]),
        (&Value::Null, &Value::Null)
    );

    let chosen = json!({"code": " spring-fair ", "max_uses": 3, "note": "fair", "expires_at": "2999-01-01T00:00:00+08:00"});
    let chosen = issue(server, "acme", chosen).await.expect(201)["data"].take();
    assert_eq!(chosen["attributes"]["code"], "SPRING-FAIR");
    assert_eq!(chosen["attributes"]["note"], "fair");
    assert_eq!(chosen["attributes"]["expires_at"], "2998-12-31T16:00:00Z");
    for spelling in ["SPRING-FAIR", "spring-fair", "Spring -Fair"] {
        let again = issue(server, "acme", json!({"code": spelling})).await;
        assert_eq!(
            refusal(&again),
            refused(409, "invite_code_taken"),
            "{spelling}"
        );
    }
    issue(server, "beta", json!({"code": "SPRING-FAIR"}))
        .await
        .expect(201);

    let batch = issue(server, "acme", json!({"count": 1000, "max_uses": 2}))
        .await
        .expect(201);
    let code = |invite: &Value| {
        invite["attributes"]["code"]
            .as_str()
            .expect("a code")
            .to_owned()
    };
    let batch: BTreeSet<String> = batch["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(code)
        .collect();
    assert_eq!(batch.len(), 1000, "each code is another one");
    let listed = issue(server, "acme", json!({"count": 1})).await.expect(201);
    assert_eq!(
        listed["data"].as_array().map(Vec::len),
        Some(1),
        "who asks for a batch gets a list"
    );

    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut next = Some("/admin/v1/tenants/acme/invites?page[size]=300".to_owned());
    while let Some(path) = next {
        let page = get(server, &path).await.expect(200);
        seen.extend(page["data"].as_array().expect("a page").iter().map(code));
        pages += 1;
        next = page["links"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!((pages, seen.len()), (4, 1003));
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(seen.len() == 1003 && batch.is_subset(&seen));
    let of_beta = get(server, "/admin/v1/tenants/beta/invites")
        .await
        .expect(200);
    assert_eq!(
        of_beta["data"].as_array().map(Vec::len),
        Some(1),
        "a neighbour's codes are not seen"
    );

    for (bad, at) in [
        (json!({"count": 0}), "count"),
        (json!({"count": 1001}), "count"),
        (json!({"count": 1.5}), "count"),
        (json!({"code": "GOOD-ONE", "count": 1}), "count"),
        (json!({"code": "a"}), "code"),
        (json!({"code": "12345678"}), "code"),
        (json!({"code": "ключ"}), "code"),
        (json!({"code": "A".repeat(65)}), "code"),
        (json!({"max_uses": 0}), "max_uses"),
        (json!({"max_uses": 1_000_001}), "max_uses"),
        (json!({"max_uses": "2"}), "max_uses"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"expires_at": "tomorrow"}), "expires_at"),
        (json!({"note": "x".repeat(256)}), "note"),
        (json!({"note": "a\u{1b}b"}), "note"),
        (json!({"uses": 5}), "uses"),
    ] {
        let answer = issue(server, "acme", bad.clone()).await;
        assert_eq!(
            pointers(&answer),
            [format!("/data/attributes/{at}")],
            "{bad}"
        );
    }
    let wrong = admin(
        server,
        "POST",
        "/admin/v1/tenants/acme/invites",
        Some(document("tenants", json!({}))),
    )
    .await;
    assert_eq!(refusal(&wrong), refused(409, "wrong_type"));
    let list = get(server, "/admin/v1/tenants/acme/invites?filter[code]=A").await;
    assert_eq!(refusal(&list), refused(422, "validation_error"));
    assert_eq!(
        tenants::invite(server, "acme", "spring-fair").await["max_uses"],
        3
    );
    for unknown in ["UNKNOWN-CODE", "%20", "%d0%ba", "a"] {
        let answer = get(server, &format!("/admin/v1/tenants/acme/invites/{unknown}")).await;
        assert_eq!(
            refusal(&answer),
            refused(404, "model_not_found"),
            "{unknown}"
        );
    }
}

async fn an_invite_ends_when_it_is_spent_expired_or_revoked(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let settings = json!({"registration": {"invite_required": true}});
    create_tenant(server, "acme", Placement::Shared("main"), settings).await;
    let try_code = async |name: &str, code: &str| {
        register(
            server,
            "acme",
            json!({"username": name, "password": PASSWORD, "code": code}),
        )
        .await
    };

    let twice = issue_invite(server, "acme", json!({"max_uses": 2})).await;
    try_code("ada", &twice).await.expect(200);
    assert_eq!(
        tenants::invite(server, "acme", &twice).await["state"],
        "usable"
    );
    try_code("grace", &twice.to_lowercase()).await.expect(200);
    let spent = tenants::invite(server, "acme", &twice).await;
    assert_eq!(
        (&spent["state"], &spent["uses"]),
        (&json!("spent"), &json!(2))
    );
    assert_eq!(
        refusal(&try_code("alan", &twice).await),
        refused(422, "invite_invalid")
    );

    let revoked = issue_invite(server, "acme", json!({})).await;
    let path = format!("/admin/v1/tenants/acme/invites/{revoked}");
    assert_eq!(admin(server, "DELETE", &path, None).await.status, 204);
    let first = tenants::invite(server, "acme", &revoked).await;
    assert_eq!(first["state"], "revoked");
    assert_eq!(
        refusal(&try_code("alan", &revoked).await),
        refused(422, "invite_invalid")
    );
    assert_eq!(
        admin(server, "DELETE", &path, None).await.status,
        204,
        "once more is no fault"
    );
    let second = tenants::invite(server, "acme", &revoked).await;
    assert_eq!(
        first["revoked_at"], second["revoked_at"],
        "the first time is kept"
    );
    let unknown = admin(
        server,
        "DELETE",
        "/admin/v1/tenants/acme/invites/NO-SUCH-CODE",
        None,
    )
    .await;
    assert_eq!(refusal(&unknown), refused(404, "model_not_found"));

    // A code that was refused a moment ago works at once when it is issued after all.
    assert_eq!(
        refusal(&try_code("alan", "LATE-CODE").await),
        refused(422, "invite_invalid")
    );
    assert_eq!(
        refusal(&try_code("alan", "LATE-CODE").await),
        refused(422, "invite_invalid")
    );
    issue(server, "acme", json!({"code": "late-code"}))
        .await
        .expect(201);
    try_code("alan", "LATE-CODE").await.expect(200);

    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(2);
    let soon = soon
        .format(&time::format_description::well_known::Rfc3339)
        .expect("a date");
    let short = issue_invite(server, "acme", json!({"expires_at": soon})).await;
    let mut looks = 0;
    while tenants::invite(server, "acme", &short).await["state"] != "expired" {
        looks += 1;
        assert!(looks < 200, "the code does not expire");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        refusal(&try_code("kurt", &short).await),
        refused(422, "invite_invalid")
    );
    assert_eq!(tenants::invite(server, "acme", &short).await["uses"], 0);
}

/// Every admin route with its method.
#[tokio::test]
async fn no_admin_route_opens_without_an_administrators_token() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    issue(&server, "acme", json!({"code": "SPRING"}))
        .await
        .expect(201);
    let user = registers(&server, "acme", "ada").await.expect(200);
    let token = |name: &str| {
        user["data"]["attributes"][name]
            .as_str()
            .expect("a token")
            .to_owned()
    };
    let before = shown(&server, "acme").await;

    // What is no token at all is not counted as a guess, so that a misconfigured probe locks nobody out.
    let described = operations(&openapi::document(server.admin()).await);
    let routes = described
        .iter()
        .filter(|one| one.path.starts_with("/admin/"));
    for Operation { method, path, .. } in routes {
        let path = path.replace("{key}", "acme").replace("{code}", "SPRING");
        let path = path.replace("{id}", "1").replace(['{', '}'], "");
        let answer = Request::new(method, &path).send(server.admin()).await;
        assert_eq!(
            refusal(&answer),
            refused(401, "not_authenticated"),
            "{method} {path}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let right = server.token().to_owned();
    let wrongs = [
        format!("Bearer {}", token("access_token")),
        format!("Bearer {}", token("refresh_token")),
        format!("Bearer {right}x"),
        format!("Bearer {}", &right[..right.len() - 1]),
        format!("Basic {right}"),
        right.clone(),
        format!("Bearer{right}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}", "x".repeat(5000)),
    ];
    for wrong in &wrongs {
        let answer = Request::new("DELETE", "/admin/v1/tenants/acme")
            .header("Authorization", wrong)
            .send(server.admin())
            .await;
        assert_eq!(
            refusal(&answer),
            refused(401, "not_authenticated"),
            "{wrong}"
        );
    }
    let query = Request::new("GET", &format!("/admin/v1/tenants?token={right}"));
    assert_eq!(
        query.send(server.admin()).await.status,
        401,
        "a token in an address is not read"
    );
    assert_eq!(shown(&server, "acme").await, before, "nothing happened");
    let spelled = Request::new("GET", "/admin/v1/tenants")
        .header("Authorization", format!("bearer  {right} "));
    spelled.send(server.admin()).await.expect(200);
}

#[tokio::test]
async fn an_administrators_token_is_worth_nothing_at_a_tenant() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    let attributes = json!({"username": "ada", "password": PASSWORD});
    let answer = Request::register("acme", attributes)
        .header("Authorization", format!("Bearer {}", server.token()))
        .send(server.public())
        .await;
    assert_eq!(refusal(&answer), refused(401, "access_denied"));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    assert!(tenants::users(&server, "acme").await.is_empty());
}

#[tokio::test]
async fn wrong_tokens_are_slowed_down_and_a_right_one_is_not() {
    let server = Server::start(ServerOptions::new()).await;
    let guess = |number: usize| {
        Request::new("GET", "/admin/v1/tenants").header(
            "Authorization",
            format!("Bearer enroll_admin_guess-{number}"),
        )
    };
    let mut statuses = Vec::new();
    for number in 0..40 {
        let answer = guess(number).send(server.admin()).await;
        statuses.push(answer.status);
        match answer.status {
            401 => assert_eq!(answer.error_code(), "not_authenticated"),
            _ => {
                assert_eq!(refusal(&answer), refused(429, "too_many_attempts"));
                let wait = answer.header("retry-after").expect("a wait");
                assert!(
                    (1..=60).contains(&wait.parse::<u32>().expect("seconds")),
                    "{wait}"
                );
            }
        }
        get(&server, "/admin/v1/tenants").await.expect(200);
    }
    let judged = statuses.iter().filter(|status| **status == 401).count();
    // Ten a minute, and one more for every six seconds that the test takes.
    assert_eq!(statuses[..10], [401; 10]);
    assert!(judged < 25 && statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn the_operators_listener_answers_every_fault_with_an_error_document() {
    let server = Server::start(ServerOptions::new()).await;
    create_tenant(&server, "acme", Placement::Own, json!({})).await;
    let bearer = format!("Bearer {}", server.token());
    let signed =
        |method: &str, path: &str| Request::new(method, path).header("Authorization", &bearer);

    for path in [
        "/",
        "/admin",
        "/admin/v1",
        "/admin/v1/",
        "/admin/v2/tenants",
        "/admin/v1/tenants/",
        "/consoles",
        "/admin/v1/tenants/acme/owners",
        "/api/register",
        "/t/acme/api/register",
        "/.env",
        "/metrics/x",
    ] {
        let answer = signed("GET", path).send(server.admin()).await;
        assert_eq!(refusal(&answer), refused(404, "route_not_found"), "{path}");
    }
    for (method, path, allow) in [
        ("PUT", "/admin/v1/tenants", "GET, POST"),
        ("PUT", "/admin/v1/tenants/acme", "GET, PATCH, DELETE"),
        ("GET", "/admin/v1/tenants/acme/suspend", "POST"),
        ("GET", "/admin/v1/tenants/acme/resume", "POST"),
        ("POST", "/admin/v1/tenants/acme/pressure", "GET"),
        ("POST", "/admin/v1/tenants/acme/users", "GET"),
        ("DELETE", "/admin/v1/tenants/acme/invites", "GET, POST"),
        (
            "PATCH",
            "/admin/v1/tenants/acme/invites/SPRING",
            "GET, DELETE",
        ),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/readyz", "GET, HEAD"),
        ("BREW", "/metrics", "GET, HEAD"),
    ] {
        let answer = signed(method, path).send(server.admin()).await;
        assert_eq!(
            refusal(&answer),
            refused(405, "method_not_allowed"),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"data\": \"{}\"}}", "x".repeat(1024 * 1024));
    let good = document("tenants", json!({"key": "beta"})).to_string();
    for (media, body, status, code) in [
        ("application/vnd.api+json", "{", 400, "malformed_json"),
        ("application/vnd.api+json", "", 400, "malformed_json"),
        (
            "application/vnd.api+json",
            "{\"data\": \"\\ud800\"}",
            400,
            "malformed_json",
        ),
        (
            "application/json",
            "{\"data\": 1, \"d\\u0061ta\": 2}",
            400,
            "duplicate_key",
        ),
        ("application/json", deep.as_str(), 400, "too_deep"),
        ("application/json", long.as_str(), 413, "body_too_large"),
        (
            "application/x-www-form-urlencoded",
            "data[type]=tenants",
            415,
            "unsupported_media_type",
        ),
        (
            "application/json; charset=utf-16",
            good.as_str(),
            415,
            "unsupported_media_type",
        ),
        ("text/plain", good.as_str(), 415, "unsupported_media_type"),
        ("", good.as_str(), 415, "unsupported_media_type"),
    ] {
        for (method, path) in [
            ("POST", "/admin/v1/tenants"),
            ("PATCH", "/admin/v1/tenants/acme"),
            ("POST", "/admin/v1/tenants/acme/invites"),
        ] {
            let mut request = signed(method, path).body(body);
            if !media.is_empty() {
                request = request.header("Content-Type", media);
            }
            let answer = request.send(server.admin()).await;
            assert_eq!(
                refusal(&answer),
                refused(status, code),
                "{method} {path} {media}"
            );
        }
    }
    let squeezed = signed("POST", "/admin/v1/tenants")
        .header("Content-Type", "application/json")
        .header("Content-Encoding", "gzip")
        .body(good.clone());
    let answer = squeezed.send(server.admin()).await;
    assert_eq!(
        refusal(&answer),
        refused(415, "unsupported_content_encoding")
    );
    let invalid = signed("POST", "/admin/v1/tenants")
        .header("Content-Type", "application/json")
        .body(b"{\"data\": \"\xff\"}".to_vec());
    assert_eq!(
        refusal(&invalid.send(server.admin()).await),
        refused(400, "malformed_json")
    );
    for key in [
        "..%2facme",
        "%00",
        "ac%20me",
        "*",
        "%d0%b0cme",
        "a",
        "acme%2f",
    ] {
        let answer = signed("GET", &format!("/admin/v1/tenants/{key}"))
            .send(server.admin())
            .await;
        assert_eq!(answer.status, 404, "{key}: {}", answer.text());
    }

    // A refusal speaks the caller's language, and English otherwise.
    let chinese = signed("GET", "/admin/v1/tenants/nobody").header("Accept-Language", "zh");
    let chinese = chinese.send(server.admin()).await;
    let english = signed("GET", "/admin/v1/tenants/nobody")
        .send(server.admin())
        .await;
    assert_ne!(chinese.error()["detail"], english.error()["detail"]);
    assert!(english.text().is_ascii(), "{}", english.text());

    // The public listener knows nothing of all this.
    for path in [
        "/admin/v1/tenants",
        "/admin/v1/tenants/acme",
        "/livez",
        "/readyz",
        "/metrics",
    ] {
        let answer = signed("GET", path).send(server.public()).await;
        assert_eq!(refusal(&answer), refused(404, "route_not_found"), "{path}");
    }
    let all = get(&server, "/admin/v1/tenants").await.expect(200);
    assert_eq!(
        all["data"].as_array().map(Vec::len),
        Some(1),
        "nothing was made"
    );
}

async fn every_effect_is_audited_once_and_without_secrets(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let own = TestDatabase::create(backend).await;
    let placement = match backend {
        Backend::Sqlite => json!({"kind": "own"}),
        _ => json!({"kind": "own", "url": own.url()}),
    };
    let made = create(server, json!({"key": "acme", "placement": placement}))
        .await
        .expect(201);
    let id: i64 = made["data"]["id"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("a number");
    let user = registers(server, "acme", "ada").await.expect(200);
    change(
        server,
        "acme",
        json!({"name": "Acme", "settings": {"locale": "en"}}),
    )
    .await
    .expect(200);
    issue(server, "acme", json!({"code": "SPRING", "max_uses": 3}))
        .await
        .expect(201);
    issue(server, "acme", json!({"count": 20}))
        .await
        .expect(201);
    admin(
        server,
        "DELETE",
        "/admin/v1/tenants/acme/invites/SPRING",
        None,
    )
    .await;
    tenants::suspend_tenant(server, "acme").await;
    tenants::resume_tenant(server, "acme").await;
    // What has no effect leaves no line.
    create(server, json!({"key": "acme"})).await.error();
    create(
        server,
        json!({"key": "beta", "placement": {"kind": "shared", "database": "nowhere"}}),
    )
    .await
    .error();
    change(server, "acme", json!({"settings": {"bogus": 1}}))
        .await
        .error();
    change(server, "acme", json!({"name": "x", "settings_version": 9}))
        .await
        .error();
    issue(server, "acme", json!({"code": "SPRING"}))
        .await
        .error();
    tenants::users(server, "acme").await;
    admin(server, "POST", "/admin/v1/tenants/acme/resume", None)
        .await
        .error();
    assert_eq!(
        admin(server, "DELETE", "/admin/v1/tenants/acme", None)
            .await
            .status,
        204
    );

    let platform = home.platform.connect().await;
    let lines = audit_entry::Entity::find()
        .order_by_asc(audit_entry::Column::Id)
        .all(&platform)
        .await
        .expect("the audit");
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line.action.as_str(), line.subject.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("administrator.create", "test"),
            ("tenant.create", "acme"),
            ("tenant.change", "acme"),
            ("invite.issue", "acme"),
            ("invite.issue", "acme"),
            ("invite.revoke", "SPRING"),
            ("tenant.suspend", "acme"),
            ("tenant.resume", "acme"),
            ("tenant.delete", "acme"),
        ]
    );
    let (maker, lines) = lines.split_first().expect("a line");
    assert_eq!(maker.tenant_id, None);
    for line in lines {
        assert_eq!(
            (line.administrator.as_str(), line.tenant_id),
            ("test", Some(id))
        );
        assert!(
            line.at > 1_600_000_000_000,
            "milliseconds since 1970: {}",
            line.at
        );
    }
    let json = |text: &Option<String>| -> Value {
        serde_json::from_str(text.as_deref().expect("a document")).expect("JSON")
    };
    assert_eq!(lines[0].before, None);
    assert_eq!(json(&lines[0].after)["key"], "acme");
    assert_eq!(json(&lines[1].before)["name"], "acme");
    assert_eq!(json(&lines[1].after)["name"], "Acme");
    assert_eq!(json(&lines[2].after)["count"], 1);
    assert_eq!(json(&lines[3].after)["count"], 20);
    assert_eq!(json(&lines[5].after)["state"], "suspended");
    assert_eq!(json(&lines[7].after)["state"], "deleted");

    // No secret stands in the platform database in the clear: not in the audit, not anywhere.
    let keys = signing_key::Entity::find()
        .all(&platform)
        .await
        .expect("keys");
    let administrators = administrator::Entity::find()
        .all(&platform)
        .await
        .expect("administrators");
    assert_eq!((keys.len(), administrators.len()), (1, 1));
    let everything = format!("{} {keys:?} {administrators:?}", stored(&platform).await);
    let token = |name: &str| {
        user["data"]["attributes"][name]
            .as_str()
            .expect("a token")
            .to_owned()
    };
    let mut secrets = vec![
        server.token().to_owned(),
        token("access_token"),
        token("refresh_token"),
        PASSWORD.to_owned(),
    ];
    if backend != Backend::Sqlite {
        let password = own.url().rsplit('/').next().expect("a database");
        secrets.push(format!(":{password}@"));
    }
    for secret in secrets {
        assert!(!everything.contains(&secret), "{secret} is stored");
    }
}

/// The sealed texts of the settings that the platform database holds for the only tenant.
async fn sealed_secret(platform: &DatabaseConnection, path: &str) -> String {
    let row = tenant::Entity::find().one(platform).await;
    let row = row.expect("tenants").expect("a tenant");
    let settings: Value = serde_json::from_str(&row.settings).expect("JSON");
    let secret = settings.pointer(path).and_then(Value::as_str);
    secret.expect("a secret").to_owned()
}

async fn secrets_of_providers_are_sealed_masked_and_kept(backend: Backend) {
    let home = Platform::start(backend).await;
    let server = &home.server;
    let platform = home.platform.connect().await;
    let settings = json!({
        "wechat": {"mini_program": {"app_id": "wx1", "app_secret": NEEDLE}},
        "captcha": {"provider": "turnstile", "secret": NEEDLE},
    });
    let made = create(server, json!({"key": "acme", "settings": settings})).await;
    let mut said = made.text().to_owned();
    let mini_program =
        |attributes: &Value| attributes["settings"]["wechat"]["mini_program"].clone();
    let masked = json!({"app_id": "wx1", "app_secret": "********"});
    assert_eq!(
        mini_program(&made.expect(201)["data"]["attributes"]),
        masked
    );
    let path = "/wechat/mini_program/app_secret";
    let first = sealed_secret(&platform, path).await;
    let other_place = sealed_secret(&platform, "/captcha/secret").await;
    assert!(first.starts_with("sealed:") && first != other_place);

    // What was shown can be sent back: the secret stays, the rest changes.
    let mut shown_settings = shown(server, "acme").await["settings"].take();
    shown_settings["wechat"]["mini_program"]["app_id"] = "wx2".into();
    let changed = change(server, "acme", json!({"settings": shown_settings})).await;
    said += changed.text();
    assert_eq!(
        mini_program(&changed.expect(200)["data"]["attributes"]),
        json!({"app_id": "wx2", "app_secret": "********"})
    );
    assert_eq!(sealed_secret(&platform, path).await, first);

    // The same secret is no change, so that a declared tenant stays as it is; another one takes its place.
    let sent =
        |secret: &str| json!({"settings": {"wechat": {"mini_program": {"app_secret": secret}}}});
    said += change(server, "acme", sent(NEEDLE)).await.text();
    assert_eq!(sealed_secret(&platform, path).await, first);
    let other = format!("{NEEDLE}-2");
    said += change(server, "acme", sent(&other)).await.text();
    let second = sealed_secret(&platform, path).await;
    assert!(second.starts_with("sealed:") && second != first);

    // Neither a made-up sealed text nor a real one from elsewhere is taken, and nothing that no secret can be.
    let at = "/data/attributes/settings/wechat/mini_program/app_secret";
    for odd in [
        "sealed:garbage",
        &second,
        &other_place,
        "",
        "two words",
        &"x".repeat(513),
    ] {
        let patch = json!({"wechat": {"mini_program": {"app_secret": odd}}});
        let refused = change(server, "acme", json!({"settings": patch})).await;
        assert_eq!(pointers(&refused), [at], "{odd}");
    }
    let patch = json!({
        "wechat": {"mini_program": {"app_secret": "sealed:x"}}, "utc_offset": 900, "login": {"tries": 0},
    });
    let refused = change(server, "acme", json!({"settings": patch})).await;
    assert_eq!(
        pointers(&refused),
        [
            "/data/attributes/settings/login/tries",
            "/data/attributes/settings/utc_offset",
            at,
        ]
    );
    let wrong_type = json!({"wechat": {"mini_program": {"app_secret": 7}}});
    let refused = change(server, "acme", json!({"settings": wrong_type})).await;
    assert_eq!(
        pointers(&refused),
        ["/data/attributes/settings/wechat/mini_program"]
    );
    // A mask stands for a secret that is there, and another provider's is not.
    let hcaptcha = json!({"captcha": {"provider": "hcaptcha", "secret": "********"}});
    let refused = change(server, "acme", json!({"settings": hcaptcha})).await;
    assert_eq!(pointers(&refused), ["/data/attributes/settings/captcha"]);
    let refused = create(server, json!({"key": "beta", "settings": hcaptcha})).await;
    assert_eq!(pointers(&refused), ["/data/attributes/settings/captcha"]);
    assert_eq!(sealed_secret(&platform, path).await, second);

    let off = json!({"settings": {"wechat": {"mini_program": null}, "captcha": null}});
    let changed = change(server, "acme", off).await;
    assert_eq!(
        mini_program(&changed.expect(200)["data"]["attributes"]),
        Value::Null
    );
    said += changed.text();
    said += get(server, "/admin/v1/tenants").await.text();
    said += &server.log();
    said += &stored(&platform).await;
    assert!(!said.contains(NEEDLE), "a secret shows");
    let audit = audit_entry::Entity::find()
        .all(&platform)
        .await
        .expect("the audit");
    assert!(
        !format!("{audit:?}").contains("sealed:"),
        "the audit holds a sealed secret"
    );
}

async fn a_change_reaches_another_replica(backend: Backend) {
    let home =
        Platform::start_with(backend, ServerOptions::new().set("tenants.sync_ms", 100)).await;
    let first = &home.server;
    let second = Server::start(first.twin()).await;
    create_tenant(first, "acme", Placement::Shared("main"), json!({})).await;
    registers(&second, "acme", "ada").await.expect(200);

    let becomes = async |status: u16, name: &str| {
        let mut looks = 0;
        loop {
            let answer = registers(&second, "acme", &format!("{name}{looks}")).await;
            if answer.status == status {
                return;
            }
            looks += 1;
            assert!(looks < 200, "the replica still answers {}", answer.text());
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    change(
        first,
        "acme",
        json!({"settings": {"registration": {"open": false}, "limits": {"per_address": null}}}),
    )
    .await
    .expect(200);
    becomes(401, "closed").await;
    change(
        first,
        "acme",
        json!({"settings": {"registration": {"open": true}}}),
    )
    .await
    .expect(200);
    becomes(200, "open").await;
    tenants::suspend_tenant(first, "acme").await;
    becomes(404, "gone").await;
    tenants::resume_tenant(first, "acme").await;
    becomes(200, "back").await;
    // Each of them sees the other's users.
    assert_eq!(
        tenants::users(first, "acme").await.len(),
        tenants::users(&second, "acme").await.len()
    );
}
