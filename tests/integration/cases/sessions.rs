//! Sessions: refreshed, ended, and told apart from every other kind of token (`docs/contract.md`, section 10.5;
//! `docs/threats.md`, rows 13, 101, 102 and 104).

use serde_json::{Value, json};

use crate::harness::client::{Answer, volley};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::no_limits;
use crate::harness::members::{Member, Site};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant};

on_all_databases!(
    a_used_refresh_token_ends_the_session,
    a_refresh_whose_answer_was_lost_can_be_repeated,
    refreshing_side_by_side_leaves_one_branch,
    each_kind_of_token_opens_its_own_door_alone,
    a_logout_and_a_ban_hold_at_once_at_every_process,
);

/// Two processes on the same data, with a tenant for each dialect.
struct Stage {
    server: Server,
    twin: Server,
}

const DIALECTS: [&str; 2] = ["standard", "discuzq"];

impl Stage {
    async fn set(database: &TestDatabase) -> Self {
        let options = ServerOptions::new().patient().database("shared", database);
        let options = match database.backend() {
            Backend::Sqlite => options,
            Backend::Postgres | Backend::Mysql => options.platform(database),
        };
        let server = Server::start(options).await;
        for dialect in DIALECTS {
            let mut settings = no_limits();
            settings["dialect"] = json!(dialect);
            // The usual issuer has a port in it, of which these two processes have one each.
            settings["tokens"] = json!({"issuer": format!("https://{dialect}.example")});
            let shared = Placement::Shared("shared");
            create_tenant(&server, dialect, shared, settings).await;
        }
        let twin = Server::start(server.twin()).await;
        Self { server, twin }
    }

    /// The same tenant at each process.
    fn sites(&self, key: &'static str) -> [Site<'static>; 2] {
        [Site::of(&self.server, key), Site::of(&self.twin, key)]
    }
}

fn assert_rejected(answer: &Answer, dialect: &str) {
    let hint = "Cannot decrypt the refresh token";
    assert_refresh_error(answer, dialect, 401, hint);
}

fn assert_refresh_error(answer: &Answer, dialect: &str, status: u16, hint: &str) {
    let code = "invalid_request";
    let error = if dialect == "discuzq" {
        let detail = json!({
            "error": code, "error_description": hint, "hint": hint, "message": hint,
        });
        json!({"status": status, "code": code, "detail": detail})
    } else {
        let source = json!({"pointer": "/data/attributes/refresh_token"});
        json!({"status": status.to_string(), "code": code, "detail": [hint], "source": source})
    };
    assert_eq!(answer.status, status, "{dialect}");
    assert_eq!(answer.json(), json!({"errors": [error]}), "{dialect}");
}

async fn a_used_refresh_token_ends_the_session(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database).await;
    for key in DIALECTS {
        let [site, twin] = stage.sites(key);
        let first = site.register("ada").await;
        let other_session = Member::of(&site.login("ada", "correct horse battery").await);
        let second = Member::of(&twin.refresh(&first.refresh).await);
        assert_eq!(second.id, first.id);
        assert_ne!(second.refresh, first.refresh);
        assert_ne!(second.access, first.access);
        assert_eq!(site.me(&second.access).await, 200);
        let third = Member::of(&site.refresh(&second.refresh).await);
        assert_eq!(twin.me(&third.access).await, 200);

        // A token of two refreshes ago, and it is over.
        assert_rejected(&twin.refresh(&first.refresh).await, key);
        for site in [site, twin] {
            for dead in [&first, &second, &third] {
                assert_rejected(&site.refresh(&dead.refresh).await, key);
                assert_eq!(site.me(&dead.access).await, 401);
            }
        }
        // The user's other session goes on.
        assert_eq!(twin.me(&other_session.access).await, 200);
        Member::of(&site.refresh(&other_session.refresh).await);
    }
}

async fn a_refresh_whose_answer_was_lost_can_be_repeated(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database).await;
    for key in DIALECTS {
        let [site, twin] = stage.sites(key);
        let first = site.register("ada").await;
        let lost = Member::of(&site.refresh(&first.refresh).await);
        let found = Member::of(&twin.refresh(&first.refresh).await);
        assert_eq!(site.me(&lost.access).await, 401, "nobody received it");
        assert_eq!(site.me(&found.access).await, 200);
        // Now that the answer is known to have arrived, the old token is a stolen one.
        assert_rejected(&site.refresh(&first.refresh).await, key);
        assert_eq!(twin.me(&found.access).await, 401);
        assert_rejected(&twin.refresh(&found.refresh).await, key);

        let first = Member::of(&site.login("ada", "correct horse battery").await);
        let lost = Member::of(&site.refresh(&first.refresh).await);
        let found = Member::of(&twin.refresh(&first.refresh).await);
        assert_rejected(&site.refresh(&lost.refresh).await, key);
        assert_eq!(twin.me(&found.access).await, 401);
    }
}

/// Row 102: whoever they are that show the same token at once, one of them goes on.
async fn refreshing_side_by_side_leaves_one_branch(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database).await;
    let [site, twin] = stage.sites("standard");
    for round in 0..3 {
        let first = site.register(&format!("user-{round}")).await;
        let requests: Vec<_> = (0..5)
            .map(|_| site.refresh_request(&first.refresh))
            .collect();
        let (here, there) = tokio::join!(volley(site.to, &requests), volley(twin.to, &requests));
        let answers = here.iter().chain(&there);
        let given: Vec<Member> = answers
            .filter(|answer| answer.status == 200)
            .map(Member::of)
            .collect();
        assert!(!given.is_empty(), "somebody goes on");
        let mut living = Vec::new();
        let mut dead = Vec::new();
        for member in given {
            match twin.me(&member.access).await {
                200 => living.push(member),
                _ => dead.push(member),
            }
        }
        assert_eq!(living.len(), 1, "{living:?}");
        let next = Member::of(&site.refresh(&living[0].refresh).await);
        assert_eq!(site.me(&next.access).await, 200);
        for member in dead {
            assert_rejected(&site.refresh(&member.refresh).await, "standard");
        }
    }
}

/// Rows 13 and 101.
async fn each_kind_of_token_opens_its_own_door_alone(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database).await;
    let [standard, discuzq] = DIALECTS.map(|key| Site::of(&stage.server, key));
    let own = standard.register("ada").await;
    let foreign = discuzq.register("ada").await;
    let random = "Zq3".repeat(14);
    let altered = format!("{}AA", &own.refresh[..own.refresh.len() - 2]);
    for (site, own, foreign) in [(standard, &own, &foreign), (discuzq, &foreign, &own)] {
        let no_refresh_tokens = [
            foreign.refresh.as_str(),
            &own.access,
            &foreign.access,
            &random[..40],
            &altered,
            stage.server.token(),
            "x",
        ];
        for token in no_refresh_tokens {
            assert_rejected(&site.refresh(token).await, site.key);
        }
        for nothing in [
            json!({}),
            json!({"refresh_token": ""}),
            json!({"refresh_token": null}),
        ] {
            let answer = site.send("POST", "/api/refresh-token", None, nothing).await;
            let hint = "Check the `refresh_token` parameter";
            assert_refresh_error(&answer, site.key, 400, hint);
        }
        let no_access_tokens = [
            own.refresh.as_str(),
            &foreign.refresh,
            &foreign.access,
            &random[..40],
            stage.server.token(),
            "x",
        ];
        let mut seen: Vec<Value> = Vec::new();
        for token in no_access_tokens {
            let answer = site.get("/api/users/me", Some(token)).await;
            assert_eq!(answer.status, 401);
            seen.push(answer.json());
        }
        assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
        assert_eq!(seen[0]["errors"][0]["code"], "access_denied");
        let nobody = site.get("/api/users/me", None).await;
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.json()["errors"][0]["code"], "not_authenticated");
        // None of this has harmed the session.
        assert_eq!(site.me(&own.access).await, 200);
        Member::of(&site.refresh(&own.refresh).await);
    }
}

/// Row 104.
async fn a_logout_and_a_ban_hold_at_once_at_every_process(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database).await;
    for key in DIALECTS {
        let [site, twin] = stage.sites(key);
        let moderator = site.moderator(&stage.server, "root1").await;
        let ada = site.register("ada").await;
        let phone = Member::of(&twin.login("ada", "correct horse battery").await);
        assert_eq!(twin.me(&ada.access).await, 200);
        let left = site
            .send("POST", "/api/logout", Some(&ada.access), json!({}))
            .await;
        assert_eq!((left.status, left.body.as_slice()), (204, &b""[..]));
        for site in [site, twin] {
            assert_eq!(site.me(&ada.access).await, 401);
            assert_rejected(&site.refresh(&ada.refresh).await, key);
            assert_eq!(site.me(&phone.access).await, 200, "another session");
        }
        let again = site.request("POST", "/api/logout", Some(&ada.access));
        assert_eq!(again.send(site.to).await.status, 401);

        let path = format!("/api/users/{}", ada.id);
        let ban = json!({"status": 1});
        let banned = twin
            .send("PATCH", &path, Some(&moderator.access), ban)
            .await;
        assert_eq!(banned.expect(200)["data"]["attributes"]["status"], 1);
        for site in [site, twin] {
            assert_eq!(site.me(&phone.access).await, 401);
            assert_rejected(&site.refresh(&phone.refresh).await, key);
        }
        // Who is let in again begins anew.
        let pardon = json!({"status": 0});
        let pardoned = site
            .send("PATCH", &path, Some(&moderator.access), pardon)
            .await;
        assert_eq!(pardoned.status, 200);
        assert_eq!(twin.me(&phone.access).await, 401);
        Member::of(&twin.login("ada", "correct horse battery").await);
    }
}
