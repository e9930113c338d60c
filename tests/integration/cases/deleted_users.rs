//! Deleted users: no way in leads to one, and a restored one is as before (`docs/decisions/0030-deleted-users-move-out.md`).

use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, volley};
use crate::harness::database::Backend;
use crate::harness::neighbours::{Home, Page, Tenant, access_token, assert_error, user_id};
use crate::harness::tenants::users;
use crate::harness::wait::until;

on_all_databases!(
    no_way_in_leads_to_a_deleted_user_and_a_restored_one_is_as_before,
    a_user_whose_phone_or_wechat_another_has_stays_deleted,
    logins_and_bindings_beside_a_deletion_leave_nothing_behind,
    nothing_is_left_when_the_time_is_over,
);

const PHONE: &str = "13800138000";
const RESET: &str = "/api/sms/verify";

impl Tenant<'_> {
    async fn administer(&self, method: &str, path: &str) -> Answer {
        let server = &self.home.server;
        let path = format!("/admin/v1/tenants/{}{path}", self.key);
        let request = Request::new(method, &path)
            .header("Authorization", format!("Bearer {}", server.token()));
        request.send(server.admin()).await
    }

    async fn delete(&self, id: &str) -> Answer {
        self.administer("DELETE", &format!("/users/{id}")).await
    }

    async fn restore(&self, id: &str) -> Answer {
        self.administer("POST", &format!("/deleted-users/{id}/restore"))
            .await
    }

    async fn import(&self, rows: Value) -> Answer {
        let server = &self.home.server;
        let body = json!({"data": {"type": "user-imports", "attributes": {"rows": rows}}});
        let path = format!("/admin/v1/tenants/{}/users/import", self.key);
        let import = Request::new("POST", &path)
            .header("Authorization", format!("Bearer {}", server.token()))
            .json(&body);
        import.send(server.admin()).await
    }

    async fn deleted(&self) -> Vec<Value> {
        let list = self.administer("GET", "/deleted-users").await.expect(200);
        list["data"].as_array().expect("a list").clone()
    }

    async fn mini_program(&self, person: &str, more: Value) -> Answer {
        let mut attributes = self.home.simulator.triple(person, json!({})).await;
        crate::harness::simulator::merge(&mut attributes, more);
        self.post("/api/oauth/wechat/miniprogram", attributes).await
    }

    /// A user who comes by name, phone and WeChat.
    async fn everywhere(&self, name: &str, phone: &str) -> Answer {
        let token = self.wechat_token(name).await;
        let mobile = self.mobile_token(phone).await;
        let more = json!({"token": token, "mobileToken": mobile});
        self.register(name, more).await
    }
}

/// Status and code: all that tells one refusal from another.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error_code())
}

async fn no_way_in_leads_to_a_deleted_user_and_a_restored_one_is_as_before(backend: Backend) {
    let home = Home::start(backend).await;
    home.simulator.person_with_union_id("ada").await;
    for tenant in home.both_dialects(json!({})).await {
        let made = tenant.everywhere("ada", PHONE).await;
        let (ada, access) = (user_id(&made), access_token(&made));
        let refresh = made.json()["data"]["attributes"]["refresh_token"].clone();
        let bob = access_token(&tenant.register("bob", json!({})).await);
        let before = tenant.administer("GET", &format!("/users/{ada}")).await;
        let before = before.expect(200)["data"]["attributes"].clone();

        let deleted = tenant.delete(&ada).await.expect(200)["data"].clone();
        assert_eq!(deleted["type"], "deleted-users");
        assert_eq!(deleted["attributes"]["username"], "ada");
        assert_eq!(tenant.deleted().await, vec![deleted]);
        let days = tenant.number("purge_at - deleted_at", "deleted_users", "1 = 1");
        assert_eq!(days.await, 30 * 24 * 60 * 60 * 1000);

        // Tokens from before.
        let me = tenant.get_as(&access, "/api/users/me").await;
        assert_eq!(me.status, 401, "{me:?}");
        let refreshed = json!({"refresh_token": refresh});
        let refreshed = tenant.post("/api/refresh-token", refreshed).await;
        assert_eq!(refreshed.status, 401, "{refreshed:?}");
        // Passwords: as if there were nobody.
        let nobody = refusal(&tenant.log_in("nobody").await);
        assert_eq!(refusal(&tenant.log_in("ada").await), nobody);
        assert_eq!(refusal(&tenant.log_in(PHONE).await), nobody);
        // Phone and WeChat: proven, and nobody's here.
        tenant.mobile_token(PHONE).await;
        let reset = json!({"mobile": PHONE, "type": "reset_pwd"});
        let reset = tenant.post("/api/sms/send", reset).await;
        assert_eq!(reset.status, 422, "{reset:?}");
        tenant.wechat_token("ada").await;
        let again = tenant
            .wechat(Page::OfficialAccount, "ada", "&rebind=1")
            .await;
        tenant.unbound(&again, "rebind_mp_wechat");
        let screen = tenant.wechat(Page::OpenPlatform, "ada", "").await;
        tenant.unbound(&screen, "no_bind_user");
        let app = tenant.mini_program("ada", json!({})).await;
        tenant.unbound(&app, "no_bind_user");
        // The name stays the deleted user's.
        let taken = tenant.register("bob", json!({})).await;
        for name in ["ada", "ADA"] {
            let again = tenant.register(name, json!({})).await;
            assert_eq!(refusal(&again), refusal(&taken), "{again:?}");
        }
        // Nobody sees the user.
        for path in ["users", "users/export"] {
            let list = tenant.administer("GET", &format!("/{path}")).await;
            assert!(!list.text().contains("ada"), "{path}: {}", list.text());
        }
        let shown = tenant.administer("GET", &format!("/users/{ada}")).await;
        assert_error(&shown, 404, "model_not_found", None);
        let profile = tenant.get_as(&bob, &format!("/api/users/{ada}")).await;
        assert_eq!(profile.status, 404, "{profile:?}");
        let twice = tenant.delete(&ada).await;
        assert_error(&twice, 404, "model_not_found", None);

        let restored = tenant.restore(&ada).await.expect(200)["data"]["attributes"].clone();
        for (name, value) in before.as_object().expect("attributes") {
            if name != "updated_at" {
                assert_eq!(&restored[name], value, "{name}");
            }
        }
        assert!(tenant.deleted().await.is_empty());
        // The sessions stay ended; every way in is open again, to the same user.
        assert_eq!(tenant.get_as(&access, "/api/users/me").await.status, 401);
        assert_eq!(user_id(&tenant.log_in("ada").await), ada);
        assert_eq!(user_id(&tenant.log_in(PHONE).await), ada);
        let by_code = tenant.verify(PHONE, "login", json!({})).await;
        assert_eq!(user_id(&by_code), ada);
        let by_page = tenant.wechat(Page::OfficialAccount, "ada", "").await;
        assert_eq!(user_id(&by_page), ada);
        let by_app = tenant.mini_program("ada", json!({})).await;
        assert_eq!(user_id(&by_app), ada);
        let twice = tenant.restore(&ada).await;
        assert_error(&twice, 404, "model_not_found", None);
    }
    let audit = Request::new("GET", "/admin/v1/audit?page[size]=500")
        .header("Authorization", format!("Bearer {}", home.server.token()));
    let audit = audit.send(home.server.admin()).await;
    for action in ["user.delete", "user.restore"] {
        assert_eq!(audit.text().matches(action).count(), 2, "{action}");
    }
}

async fn a_user_whose_phone_or_wechat_another_has_stays_deleted(backend: Backend) {
    let home = Home::start(backend).await;
    home.simulator.person_with_union_id("ada").await;
    let tenant = home.tenant("modern", json!({})).await;
    let ada = user_id(&tenant.everywhere("ada", PHONE).await);
    tenant.delete(&ada).await.expect(200);
    let mobile = tenant.mobile_token(PHONE).await;
    let heir = tenant.register("heir", json!({"mobileToken": mobile}));
    let heir = user_id(&heir.await);
    let token = tenant.wechat_token("ada").await;
    let person = tenant.register("person", json!({"token": token})).await;
    let person = user_id(&person);
    for (other, what) in [(&heir, "phone number"), (&person, "WeChat account")] {
        let refused = tenant.restore(&ada).await;
        assert_error(&refused, 409, "user_not_restorable", None);
        assert!(refused.text().contains(what), "{}", refused.text());
        assert_eq!(tenant.deleted().await.len(), 1, "still deleted");
        assert_eq!(tenant.count("users", "username = 'ada'").await, 0);
        tenant.delete(other).await.expect(200);
        let erased = tenant
            .administer("DELETE", &format!("/deleted-users/{other}"))
            .await;
        assert_eq!(erased.status, 204, "{erased:?}");
        assert_eq!(tenant.restore(other).await.status, 404);
    }
    assert_eq!(tenant.restore(&ada).await.status, 200);
    let by_page = tenant.wechat(Page::OfficialAccount, "ada", "").await;
    assert_eq!(user_id(&by_page), ada);
    // A standing is kept too.
    tenant
        .change("users", "status = 1", "username = 'ada'")
        .await;
    tenant.delete(&ada).await.expect(200);
    let restored = tenant.restore(&ada).await.expect(200);
    assert_eq!(restored["data"]["attributes"]["status"], "banned");
    assert_eq!(refusal(&tenant.log_in("ada").await).1, "ban_user");
}

async fn logins_and_bindings_beside_a_deletion_leave_nothing_behind(backend: Backend) {
    let home = Home::start(backend).await;
    // Logins that find nobody count as wrong passwords.
    let tries = json!({"login": {"tries": 100}});
    let tenant = home.tenant("modern", tries).await;
    for round in 0..6 {
        let name = format!("user{round}");
        let made = tenant.register(&name, json!({})).await;
        let (id, access) = (user_id(&made), access_token(&made));
        let login = json!({"username": name, "password": "correct horse battery"});
        let mut calls: Vec<Request> = (0..6).map(|_| tenant.call("/api/login", &login)).collect();
        let triple = home.simulator.triple(&name, json!({})).await;
        let bind = tenant.call("/api/oauth/wechat/miniprogram", &triple);
        calls.push(bind.header("Authorization", format!("Bearer {access}")));
        let (answers, deleted) =
            tokio::join!(volley(home.server.public(), &calls), tenant.delete(&id));
        deleted.expect(200);
        for answer in &answers {
            assert!(answer.status < 500, "{answer:?}");
        }
        let whose = format!("user_id = {id}");
        for table in ["sessions", "identities"] {
            assert_eq!(tenant.count(table, &whose).await, 0, "{table}");
        }
        tenant.restore(&id).await.expect(200);
        assert_eq!(tenant.count("sessions", &whose).await, 0);
        assert_eq!(tenant.log_in(&name).await.status, 200);
    }
    let everybody = users(&home.server, tenant.key).await;
    assert_eq!(everybody.len(), 6, "{everybody:?}");
}

async fn nothing_is_left_when_the_time_is_over(backend: Backend) {
    let home = Home::start_with(backend, |options| {
        options.set("tenants.housekeeping_ms", 1000)
    })
    .await;
    let settings = json!({"users": {"restore_days": 1}});
    let tenant = home.tenant("modern", settings).await;
    let mut ids = Vec::new();
    for name in ["ada", "eve"] {
        let id = user_id(&tenant.register(name, json!({})).await);
        tenant.delete(&id).await.expect(200);
        ids.push(id);
    }
    let days = tenant.number("MIN(purge_at - deleted_at)", "deleted_users", "1 = 1");
    assert_eq!(days.await, 24 * 60 * 60 * 1000);
    // Names are refused to imports too, while they are kept.
    let rows = json!([{"username": "ada"}, {"username": "kim"}]);
    let imported = tenant.import(rows).await;
    assert!(
        imported.text().contains("a deleted user keeps this name"),
        "{}",
        imported.text()
    );
    tenant
        .change("deleted_users", "purge_at = 1", "username = 'ada'")
        .await;
    // At once, before anything is removed.
    assert_eq!(tenant.restore(&ids[0]).await.status, 404);
    assert_eq!(tenant.deleted().await.len(), 1);
    let again = tenant.register("ada", json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    until("the row is removed", async || {
        tenant.register("ada", json!({})).await;
        (tenant.count("deleted_users", "1 = 1").await == 1).then_some(())
    })
    .await;
    tenant.restore(&ids[1]).await.expect(200);
}

#[tokio::test]
async fn a_login_that_was_half_done_does_not_come_back_with_its_user() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    let made = tenant.everywhere("ada", PHONE).await;
    let ada = user_id(&made);
    // A code for a new password is out when the user goes.
    let code = tenant.sms_code(PHONE, "reset_pwd").await;
    tenant.delete(&ada).await.expect(200);
    let change = json!({"mobile": PHONE, "type": "reset_pwd", "code": code, "password": "another long horse"});
    let gone = tenant.post(RESET, change).await;
    assert_eq!(gone.status, 422, "{gone:?}");
    tenant.restore(&ada).await.expect(200);
    assert_eq!(tenant.log_in("ada").await.status, 200, "the old password");
    assert_eq!(
        tenant
            .count("proof_tokens", &format!("user_id = {ada}"))
            .await,
        0
    );
}

#[tokio::test]
async fn a_number_that_an_import_gives_again_can_be_deleted_again() {
    let home = Home::start(Backend::Sqlite).await;
    let tenant = home.tenant("modern", json!({})).await;
    let ada = user_id(&tenant.register("ada", json!({})).await);
    tenant.delete(&ada).await.expect(200);
    // The time is over, and nobody has tidied up yet.
    tenant
        .change("deleted_users", "purge_at = 1", "1 = 1")
        .await;
    let imported = tenant.import(json!([{"id": ada, "username": "ivy"}])).await;
    assert_eq!(imported.expect(200)["meta"]["made"], 1);
    tenant.delete(&ada).await.expect(200);
    let restored = tenant.restore(&ada).await.expect(200);
    assert_eq!(restored["data"]["attributes"]["username"], "ivy");
}
