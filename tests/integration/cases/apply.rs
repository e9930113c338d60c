//! `enroll apply`: declared tenants are made so (docs/api.md, "Command line"; docs/threats.md, rows 116 and 128).

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Request, admin};
use crate::harness::command::{Operator, Outcome, enroll};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, suspend_tenant};

on_all_databases!(
    declared_tenants_are_made_so_and_a_second_run_does_nothing,
    what_no_file_declares_is_suspended_only_when_asked,
    a_preview_tells_what_a_change_would_come_to_and_changes_nothing,
);

const SECRET: &str = "hush-4711";

struct Ground {
    operator: Operator,
    folder: TempDir,
    _platform: TestDatabase,
}

impl Ground {
    async fn start(backend: Backend) -> Self {
        let platform = TestDatabase::create(backend).await;
        let options = ServerOptions::new()
            .platform(&platform)
            .database("main", &platform);
        Self {
            operator: Operator::at(Server::start(options).await),
            folder: TempDir::new().expect("a folder"),
            _platform: platform,
        }
    }

    fn declare(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).expect("a declaration");
    }

    async fn apply(&self, more: &[&str]) -> Outcome {
        let folder = self.folder.path().to_str().expect("UTF-8");
        let line = [&["apply", "-f", folder], more].concat();
        let environment = [
            ("ENROLL_ADMIN_URL", self.operator.url.as_str()),
            ("ENROLL_ADMIN_TOKEN", self.operator.server.token()),
            ("ACME_SECRET", SECRET),
        ];
        enroll(&line, &environment, "").await
    }

    async fn attributes(&self, key: &str) -> Value {
        let path = format!("/admin/v1/tenants/{key}");
        let shown = admin(&self.operator.server, "GET", &path, None).await;
        shown.expect(200)["data"]["attributes"].take()
    }
}

const ACME: &str = "key = 'acme'\nname = 'Acme Ltd'\nhosts = ['join.acme.example']\n\
    [placement]\nkind = 'shared'\ndatabase = 'main'\n[settings]\nlocale = 'en'\n\
    [settings.limits]\nper_address = 'off'\n[settings.wechat.mini_program]\napp_id = 'wx1'\n\
    app_secret = { env = 'ACME_SECRET' }\n";

async fn declared_tenants_are_made_so_and_a_second_run_does_nothing(backend: Backend) {
    let ground = Ground::start(backend).await;
    ground.declare("acme.toml", ACME);
    ground.declare("beta.toml", "key = 'beta'\nstate = 'suspended'\n");

    // Nothing is done before somebody agreed, and the plan shows no secret.
    let plan = ground.apply(&["--dry-run"]).await.well();
    for part in [
        "+ create acme",
        "placement: \"shared main\"",
        "settings.limits.per_address: null",
        "\"********\"",
        "+ create beta",
        "2 to create, 0 to change, 0 to suspend, 0 unchanged",
    ] {
        assert!(plan.contains(part), "{part} is missing in {plan}");
    }
    assert!(!plan.contains(SECRET), "{plan}");
    let unsure = ground.apply(&[]).await;
    assert_eq!(unsure.code, 2, "{unsure:?}");
    let nobody = admin(&ground.operator.server, "GET", "/admin/v1/tenants", None).await;
    assert_eq!(nobody.expect(200)["data"], json!([]));

    let done = ground.apply(&["--yes"]).await;
    assert!(
        done.stderr.contains("2 tenants are as declared now"),
        "{done:?}"
    );
    assert!(!format!("{done:?}").contains(SECRET), "{done:?}");
    let acme = ground.attributes("acme").await;
    assert_eq!(
        (&acme["name"], &acme["state"]),
        (&json!("Acme Ltd"), &json!("active"))
    );
    assert_eq!(acme["hosts"], json!(["join.acme.example"]));
    assert_eq!(acme["placement"]["database"], "main");
    assert_eq!(acme["settings"]["limits"]["per_address"], Value::Null);
    assert_eq!(
        acme["settings"]["wechat"]["mini_program"]["app_secret"],
        "********"
    );
    assert_eq!(ground.attributes("beta").await["state"], "suspended");

    let again = ground.apply(&["--yes"]).await;
    assert_eq!(again.stderr, "", "there is nothing to do");
    assert!(
        again
            .well()
            .contains("0 to create, 0 to change, 0 to suspend, 2 unchanged")
    );
    assert_eq!(ground.attributes("acme").await["settings_version"], 1);

    // What is no longer said goes back to its default; what somebody changed by hand is put right.
    let body = json!({"data": {"type": "tenants", "attributes": {"settings": {"site": {"close_message": "by hand"}}}}});
    admin(
        &ground.operator.server,
        "PATCH",
        "/admin/v1/tenants/acme",
        Some(body),
    )
    .await
    .expect(200);
    ground.declare(
        "acme.toml",
        &ACME
            .replace("[settings.limits]\nper_address = 'off'\n", "")
            .replace("Ltd", "Inc"),
    );
    ground.declare("beta.toml", "key = 'beta'\n");
    let document = ground.apply(&["--yes", "--json"]).await.json();
    let paths = |step: &Value| -> Vec<String> {
        let differences = step["differences"].as_array().expect("a list").iter();
        differences
            .map(|each| each["path"].as_str().expect("a path").to_owned())
            .collect()
    };
    assert_eq!(document["plan"][0]["action"], "change");
    assert_eq!(
        paths(&document["plan"][0]),
        [
            "name",
            "settings.limits.per_address",
            "settings.site.close_message"
        ]
    );
    assert_eq!(paths(&document["plan"][1]), ["state"]);
    let acme = ground.attributes("acme").await;
    assert_eq!(
        (&acme["name"], &acme["settings"]["site"]["close_message"]),
        (&json!("Acme Inc"), &json!(""))
    );
    assert_eq!(
        acme["settings"]["limits"]["per_address"],
        json!({"calls": 60, "seconds": 60})
    );
    assert_eq!(ground.attributes("beta").await["state"], "active");

    // Another secret is a change, though neither is shown.
    ground.declare(
        "acme.toml",
        &ACME.replace("{ env = 'ACME_SECRET' }", "{ file = 'other' }"),
    );
    ground.declare("other", "hush-4712");
    let plan = ground.apply(&["--dry-run"]).await.well();
    assert!(
        plan.contains("settings.wechat.mini_program.app_secret: \"********\" -> \"********\""),
        "{plan}"
    );
    assert!(!plan.contains("hush"), "{plan}");

    // A tenant stays where it is, and faults of all files come at once, before anything is done.
    ground.declare("acme.toml", "key = 'acme'\n[placement]\nkind = 'own'\n");
    let moved = ground.apply(&["--yes"]).await.failed(2);
    assert!(
        moved.contains("acme.toml: placement: a tenant cannot be moved yet: it is shared main"),
        "{moved}"
    );
    ground.declare("acme.toml", "key = 'acme'\n[settings]\nlocale = 'fr'\n");
    ground.declare(
        "beta.toml",
        "key = 'beta'\n[settings.password]\nmin_length = 1\n",
    );
    let refused = ground.apply(&["--yes"]).await.failed(2);
    for part in [
        "acme.toml: settings.locale",
        "beta.toml: settings.password.min_length",
    ] {
        assert!(refused.contains(part), "{part} is missing in {refused}");
    }
    assert_eq!(ground.attributes("beta").await["settings_version"], 1);
}

async fn what_no_file_declares_is_suspended_only_when_asked(backend: Backend) {
    let ground = Ground::start(backend).await;
    let server = &ground.operator.server;
    for key in ["acme", "beta", "gamma"] {
        create_tenant(server, key, Placement::Shared("main"), json!({})).await;
    }
    suspend_tenant(server, "gamma").await;
    ground.declare("acme.toml", "key = 'acme'\n");
    let plan = ground.apply(&["--yes"]).await.well();
    assert!(!plan.contains("beta"), "{plan}");
    assert_eq!(ground.attributes("beta").await["state"], "active");

    let plan = ground.apply(&["--prune", "--yes"]).await.well();
    assert!(
        plan.contains("- suspend beta (no file declares it"),
        "{plan}"
    );
    assert!(!plan.contains("gamma"), "it is suspended already: {plan}");
    assert_eq!(ground.attributes("beta").await["state"], "suspended");
    let plan = ground.apply(&["--prune", "--yes"]).await.well();
    assert!(plan.contains("0 to suspend, 1 unchanged"), "{plan}");

    // A folder without declarations is a mistake, not the wish to suspend everybody.
    fs::remove_file(ground.folder.path().join("acme.toml")).expect("it was there");
    let empty = ground.apply(&["--prune", "--yes"]).await.failed(2);
    assert!(empty.contains("no file declares a tenant"), "{empty}");
    assert_eq!(ground.attributes("acme").await["state"], "active");

    // What one tenant is refused keeps no other from its change.
    ground.declare("a.toml", "key = 'beta'\nhosts = ['join.example']\n");
    let taken = json!({"data": {"type": "tenants", "attributes": {"hosts": ["join.example"]}}});
    admin(server, "PATCH", "/admin/v1/tenants/acme", Some(taken))
        .await
        .expect(200);
    ground.declare(
        "b.toml",
        "key = 'delta'\n[placement]\nkind = 'shared'\ndatabase = 'main'\n",
    );
    let half = ground.apply(&["--yes"]).await;
    assert_eq!(half.code, 1, "{half:?}");
    assert!(
        half.stderr.contains("tenant beta") && half.stderr.contains("409 host_taken"),
        "{half:?}"
    );
    assert!(half.stderr.contains("1 of 2 tenants"), "{half:?}");
    assert_eq!(ground.attributes("delta").await["state"], "active");
}

async fn a_preview_tells_what_a_change_would_come_to_and_changes_nothing(backend: Backend) {
    let ground = Ground::start(backend).await;
    let server = &ground.operator.server;
    let app =
        |secret: &str| json!({"wechat": {"mini_program": {"app_id": "wx1", "app_secret": secret}}});
    create_tenant(server, "acme", Placement::Shared("main"), app(SECRET)).await;
    let preview = async |settings: Value| {
        let body = json!({"data": {"type": "settings", "attributes": {"settings": settings}}});
        let path = "/admin/v1/tenants/acme/settings/preview";
        admin(server, "POST", path, Some(body)).await
    };
    let same = preview(app(SECRET)).await.expect(200);
    assert_eq!(same["data"]["attributes"]["differences"], json!([]));
    assert_eq!(same["data"]["attributes"]["version"], 1);
    assert_eq!(
        preview(app("********")).await.expect(200)["data"]["attributes"]["differences"],
        json!([])
    );
    let other = preview(app("hush-4712")).await;
    assert!(
        !other.text().contains("hush") && !other.text().contains("sealed"),
        "{other:?}"
    );
    let other = other.expect(200);
    let path = "wechat.mini_program.app_secret";
    let masked = json!([{"path": path, "before": "********", "after": "********"}]);
    assert_eq!(other["data"]["attributes"]["differences"], masked);
    let weak = preview(json!({"limits": {"per_address": null}}))
        .await
        .expect(200);
    assert_eq!(weak["meta"]["warnings"][0]["path"], "limits.per_address");
    let bad = preview(json!({"locale": "fr", "bogus": 1}))
        .await
        .expect(422);
    assert_eq!(bad["errors"].as_array().map(Vec::len), Some(2), "{bad}");
    let missing = json!({"data": {"type": "settings", "attributes": {}}});
    let missing = admin(
        server,
        "POST",
        "/admin/v1/tenants/acme/settings/preview",
        Some(missing),
    )
    .await;
    assert_eq!(missing.status, 422);
    let wrong_method = Request::new("GET", "/admin/v1/tenants/acme/settings/preview")
        .header("Authorization", format!("Bearer {}", server.token()));
    assert_eq!(wrong_method.send(server.admin()).await.status, 405);
    assert_eq!(ground.attributes("acme").await["settings_version"], 1);
    let audit = admin(server, "GET", "/admin/v1/audit", None)
        .await
        .expect(200);
    let actions = audit["data"].as_array().expect("a list").iter();
    let actions: Vec<&Value> = actions.map(|line| &line["attributes"]["action"]).collect();
    assert_eq!(actions, ["administrator.create", "tenant.create"]);
}

#[tokio::test]
async fn the_example_works() {
    let operator = Operator::start().await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/tenants");
    let done = operator
        .run(&["apply", "-f", example, "--yes"])
        .await
        .well();
    assert!(done.contains("+ create acme"), "{done}");
    let register = Request::new("POST", "/api/register")
        .header("Host", "join.acme.example")
        .json(&json!({"data": {"attributes": {"username": "ada", "password": "correct horse battery"}}}));
    assert_eq!(register.send(operator.server.public()).await.status, 200);
    let again = operator.run(&["apply", "-f", example]).await.well();
    assert!(again.contains("1 unchanged"), "{again}");
}
