//! Members: what they see of each other, who decides about applications, and whom they invite (`docs/contract.md`,
//! sections 6, 10.5 and 10.6; `docs/threats.md`, rows 12 and 18).

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::client::{Answer, Request, admin};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::ground::no_limits;
use crate::harness::members::{Member, Site, set_user};
use crate::harness::server::{Server, ServerOptions};
use crate::harness::tenants::{Placement, create_tenant, issue_invite};

on_all_databases!(
    an_application_is_approved_refused_or_set_aside,
    only_moderators_decide_and_never_about_themselves_or_each_other,
    many_decisions_stand_or_fall_one_by_one,
    a_profile_shows_each_viewer_what_is_theirs_to_see,
    no_list_of_one_tenant_shows_another_ones_rows,
    an_invite_brings_its_group_and_who_issued_it,
    who_may_issue_an_invite_hangs_on_the_group,
    an_invite_is_read_in_every_state_and_listed_by_it,
    administrators_set_group_and_standing,
);

const PASSWORD: &str = "correct horse battery";
const DIALECTS: [&str; 2] = ["standard", "discuzq"];

struct Stage {
    server: Server,
    ids: Vec<String>,
}

impl Stage {
    /// A tenant for each dialect, named by it, with some settings besides.
    async fn set(database: &TestDatabase, more: Value) -> Self {
        let options = ServerOptions::new().patient().database("shared", database);
        let options = match database.backend() {
            Backend::Sqlite => options,
            Backend::Postgres | Backend::Mysql => options.platform(database),
        };
        let server = Server::start(options).await;
        let mut ids = Vec::new();
        for dialect in DIALECTS {
            let mut settings = no_limits();
            settings["dialect"] = json!(dialect);
            for (name, value) in more.as_object().into_iter().flatten() {
                settings[name] = value.clone();
            }
            let shared = Placement::Shared("shared");
            let tenant = create_tenant(&server, dialect, shared, settings).await;
            ids.push(tenant["id"].as_str().expect("an id").to_owned());
        }
        Self { server, ids }
    }

    fn sites(&self) -> [Site<'static>; 2] {
        DIALECTS.map(|key| Site::of(&self.server, key))
    }
}

/// Groups beside the usual ones: 20 invites, 30 does nothing.
fn groups() -> Value {
    json!({"groups": [
        {"id": 1, "name": "Moderators", "moderates": true, "invites": true},
        {"id": 10, "name": "Members"},
        {"id": 20, "name": "Hosts", "invites": true},
        {"id": 30, "name": "Guests"},
    ]})
}

fn code(answer: &Answer) -> Value {
    answer.json()["errors"][0]["code"].clone()
}

fn assert_forbidden(answer: &Answer, site: &Site<'_>) {
    let status = if site.key == "discuzq" { 401 } else { 403 };
    assert_eq!(
        (answer.status, code(answer)),
        (status, json!("permission_denied"))
    );
}

fn assert_unknown(answer: &Answer) {
    assert_eq!(
        (answer.status, code(answer)),
        (404, json!("model_not_found"))
    );
}

async fn decide(site: &Site<'_>, by: &Member, id: &str, attributes: Value) -> Answer {
    let path = format!("/api/users/{id}");
    site.send("PATCH", &path, Some(&by.access), attributes)
        .await
}

/// The names on the pending list.
async fn pending(site: &Site<'_>, by: &Member) -> Vec<(String, String)> {
    let path = "/api/users?filter%5Bstatus%5D=mod&page%5Bnumber%5D=1&page%5Bsize%5D=100";
    let list = site.get(path, Some(&by.access)).await.expect(200);
    let users = list["data"].as_array().expect("a list").clone();
    assert_eq!(list["meta"]["total"], users.len());
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let user = |user: &Value| (text(&user["attributes"]["username"]), text(&user["id"]));
    users.iter().map(user).collect()
}

async fn an_application_is_approved_refused_or_set_aside(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for site in stage.sites() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let path = format!("/admin/v1/tenants/{}", site.key);
        let settings = json!({"registration": {"approval": true}});
        let body = json!({"data": {"type": "tenants", "attributes": {"settings": settings}}});
        admin(&stage.server, "PATCH", &path, Some(body))
            .await
            .expect(200);
        for name in ["approved", "refused", "ignored"] {
            let attributes =
                json!({"username": name, "password": PASSWORD, "register_reason": "friends"});
            let answer = site.send("POST", "/api/register", None, attributes).await;
            assert_eq!(
                (answer.status, code(&answer)),
                (401, json!("register_validate"))
            );
            let answer = site.login(name, PASSWORD).await;
            assert_eq!(
                (answer.status, code(&answer)),
                (401, json!("register_validate"))
            );
        }
        let waiting = pending(&site, &moderator).await;
        let names: Vec<&str> = waiting.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["approved", "refused", "ignored"]);
        let page = site
            .get(
                "/api/users?filter[status]=mod&page[number]=2&page[size]=2",
                Some(&moderator.access),
            )
            .await
            .expect(200);
        assert_eq!(page["meta"], json!({"total": 3, "pageCount": 2}));
        assert_eq!(page["data"][0]["attributes"]["username"], "ignored");
        assert_eq!(page["data"][0]["attributes"]["registerReason"], "friends");

        let id = |at: usize| waiting[at].1.as_str();
        let approved = decide(&site, &moderator, id(0), json!({"status": 0})).await;
        assert_eq!(approved.expect(200)["data"]["attributes"]["status"], 0);
        Member::of(&site.login("approved", PASSWORD).await);
        let why = json!({"status": 3, "refuse_message": "来历不明"});
        let refused = decide(&site, &moderator, id(1), why).await.expect(200);
        assert_eq!(refused["data"]["attributes"]["banReason"], "来历不明");
        let answer = site.login("refused", PASSWORD).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (401, json!("validate_reject"))
        );
        decide(&site, &moderator, id(2), json!({"status": "4"}))
            .await
            .expect(200);
        let answer = site.login("ignored", PASSWORD).await;
        assert_eq!(
            (answer.status, code(&answer)),
            (401, json!("validate_ignore"))
        );
        assert_eq!(pending(&site, &moderator).await, []);
        // No standing is the last word.
        decide(&site, &moderator, id(1), json!({"status": 0}))
            .await
            .expect(200);
        Member::of(&site.login("refused", PASSWORD).await);
    }
    // Each decision left a line with its author.
    let query =
        "SELECT id FROM tenant_audit_entries WHERE action = 'user.decide' AND actor IS NOT NULL";
    let connection = database.connect_as(&stage.ids[0]).await;
    let backend = connection.get_database_backend();
    let statement = sea_orm::Statement::from_string(backend, query);
    let lines = connection.query_all_raw(statement).await.expect("a query");
    // Where no row-level security stands between, the lines of both tenants show.
    assert!([4, 8].contains(&lines.len()), "{}", lines.len());
}

async fn only_moderators_decide_and_never_about_themselves_or_each_other(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    let [standard, discuzq] = stage.sites();
    let mut moderators = Vec::new();
    for site in [standard, discuzq] {
        let moderator = site.moderator(&stage.server, "root1").await;
        let peer = site.moderator(&stage.server, "root2").await;
        let member = site.register("member").await;
        let other = site.register("other").await;
        let ban = json!({"status": 1});
        let batch = json!({"data": [{"attributes": {"id": other.id, "status": 1}}]});
        let ask = |method, path, token| site.request(method, path, token);
        for token in [None, Some(member.access.as_str())] {
            let path = format!("/api/users/{}", other.id);
            let one = site.send("PATCH", &path, token, ban.clone()).await;
            let many = ask("PATCH", "/api/users", token)
                .json(&batch)
                .send(site.to)
                .await;
            let list = site.get("/api/users?filter[status]=mod", token).await;
            for answer in [one, many, list] {
                match token {
                    Some(_) => assert_forbidden(&answer, &site),
                    None => assert_eq!(
                        (answer.status, code(&answer)),
                        (401, json!("not_authenticated"))
                    ),
                }
            }
        }
        for id in [&moderator.id, &peer.id] {
            assert_forbidden(&decide(&site, &moderator, id, ban.clone()).await, &site);
        }
        for id in ["1", "0", "x", "9007199254740993"] {
            assert_unknown(&decide(&site, &moderator, id, ban.clone()).await);
        }
        let pointer = "/data/attributes/status";
        for bad in [json!({}), json!({"status": 9}), json!({"status": []})] {
            let answer = decide(&site, &moderator, &other.id, bad).await;
            assert_eq!(answer.status, 422);
            assert_eq!(answer.error()["source"]["pointer"], pointer);
        }
        let long = json!({"status": 3, "refuse_message": "长".repeat(256)});
        let answer = decide(&site, &moderator, &other.id, long).await;
        let pointer = "/data/attributes/refuse_message";
        assert_eq!(answer.error()["source"]["pointer"], pointer);
        assert_eq!(
            site.me(&other.access).await,
            200,
            "nothing has happened to them"
        );
        moderators.push((moderator, other));
    }
    // Row 12: a moderator of one tenant is nobody at another.
    let ((here, _), (_, there)) = (&moderators[0], &moderators[1]);
    let answer = decide(&discuzq, here, &there.id, json!({"status": 1})).await;
    assert_eq!(
        (answer.status, code(&answer)),
        (401, json!("access_denied"))
    );
    assert_unknown(&decide(&standard, here, &there.id, json!({"status": 1})).await);
    assert_eq!(discuzq.me(&there.access).await, 200);
}

async fn many_decisions_stand_or_fall_one_by_one(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for site in stage.sites() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let one = site.register("one").await;
        let two = site.register("two").await;
        let item = |attributes: Value| json!({ "attributes": attributes });
        let number: i64 = one.id.parse().expect("a number");
        let send = async |list: Vec<Value>| {
            let request = site.request("PATCH", "/api/users", Some(&moderator.access));
            request.json(&json!({ "data": list })).send(site.to).await
        };
        let done = send(vec![
            item(json!({"id": number, "status": 3, "refuse_message": "no"})),
            item(json!({"id": moderator.id, "status": 1})),
            item(json!({"id": "77", "status": 1})),
            item(json!({"id": two.id, "status": 7})),
            item(json!({"status": 1})),
            item(json!({"id": two.id, "status": 4})),
        ])
        .await
        .expect(200);
        let outcomes: Vec<(bool, &str)> = done["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|each| {
                let attributes = &each["attributes"];
                let error = attributes["error"].as_str().expect("a text");
                (attributes["succeed"] == true, error)
            })
            .collect();
        assert_eq!(
            outcomes,
            [
                (true, ""),
                (false, "permission_denied"),
                (false, "model_not_found"),
                (false, "validation_error"),
                (false, "model_not_found"),
                (true, ""),
            ]
        );
        assert_eq!(done["data"][0]["id"], one.id.as_str());
        assert_eq!(code(&site.login("one", PASSWORD).await), "validate_reject");
        assert_eq!(code(&site.login("two", PASSWORD).await), "validate_ignore");
        let too_many = vec![item(json!({"id": one.id, "status": 0})); 101];
        for bad in [vec![], too_many, vec![json!({"id": one.id})]] {
            assert_eq!(send(bad).await.status, 422);
        }
    }
}

/// What must not be shown to strangers, under any name.
const PHONE: &str = "+8613800138000";
const UNION_ID: &str = "union-of-ada";

async fn a_profile_shows_each_viewer_what_is_theirs_to_see(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let other = site.register("other").await;
        let attributes =
            json!({"username": "Ada", "password": PASSWORD, "register_reason": "private reason"});
        let owner = Member::of(&site.send("POST", "/api/register", None, attributes).await);
        let (id, owner_id) = (&stage.ids[tenant], &owner.id);
        let connection = database.connect_as(id).await;
        for statement in [
            format!("UPDATE users SET phone = '{PHONE}' WHERE id = {owner_id}"),
            format!(
                "INSERT INTO union_ids (tenant_id, union_id, user_id) VALUES ({id}, '{UNION_ID}', {owner_id})"
            ),
            format!(
                "INSERT INTO identities (tenant_id, id, app_id, open_id, union_id, user_id, nickname, avatar_url, sex, \
                 province, city, country, created_at, updated_at) VALUES ({id}, 5, 'app', 'open-of-ada', '{UNION_ID}', \
                 {owner_id}, 'A.', '', 2, '', '', '', 1, 1)"
            ),
        ] {
            connection
                .execute_unprepared(&statement)
                .await
                .expect("done");
        }
        let path = format!("/api/users/{owner_id}");
        let see = async |token: Option<&str>| {
            let shown = site.get(&path, token).await.expect(200);
            let resource = &shown["data"];
            assert_eq!(
                (&resource["type"], &resource["id"]),
                (&json!("users"), &json!(owner_id))
            );
            resource["attributes"].clone()
        };
        for token in [None, Some(other.access.as_str())] {
            let seen = see(token).await;
            assert_eq!(seen["username"], "Ada");
            assert_eq!(
                (&seen["status"], &seen["canEdit"]),
                (&json!(0), &json!(false))
            );
            assert!(seen["id"].is_i64(), "{seen}");
            let text = seen.to_string();
            for hidden in [
                "138",
                "127.0.0.1",
                UNION_ID,
                "open-of",
                "private",
                "hasPassword",
            ] {
                assert!(!text.contains(hidden), "{hidden} in {text}");
            }
            for name in [
                "originalMobile",
                "mobile",
                "registerIp",
                "lastLoginIp",
                "unionId",
                "groupId",
            ] {
                assert!(seen.get(name).is_none(), "{name} in {text}");
            }
        }
        let by_moderator = see(Some(&moderator.access)).await;
        let by_owner = see(Some(&owner.access)).await;
        for seen in [&by_moderator, &by_owner] {
            assert_eq!(seen["mobile"], "138****8000");
            assert_eq!(seen["originalMobile"], "13800138000");
            assert_eq!(seen["registerIp"], "127.0.0.1");
            assert_eq!(seen["registerReason"], "private reason");
            assert_eq!(seen["hasPassword"], true);
        }
        assert!(!by_moderator.to_string().contains(UNION_ID));
        assert_eq!(
            (&by_moderator["canEdit"], &by_owner["canEdit"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(by_owner["unionId"], UNION_ID);
        let me = site
            .get("/api/users/me", Some(&owner.access))
            .await
            .expect(200);
        assert_eq!(me["data"]["attributes"], by_owner);

        for id in ["1", "x", "0", "9007199254740993"] {
            assert_unknown(&site.get(&format!("/api/users/{id}"), None).await);
        }
        assert_includes(&site, &path, &[&moderator, &owner], &other).await;
    }
}

async fn assert_includes(site: &Site<'_>, path: &str, may: &[&Member], may_not: &Member) {
    let groups = site
        .get(&format!("{path}?include=groups"), None)
        .await
        .expect(200);
    let reference = json!({"data": [{"type": "groups", "id": "10"}]});
    assert_eq!(groups["data"]["relationships"]["groups"], reference);
    assert_eq!(groups["included"][0]["attributes"]["default"], true);
    for member in may {
        let wanted = format!("{path}?include=groups,wechat");
        let shown = site.get(&wanted, Some(&member.access)).await.expect(200);
        assert_eq!(shown["included"][1]["attributes"]["nickname"], "A.");
        assert!(!shown.to_string().contains("open-of"), "{shown}");
    }
    for (include, token) in [
        ("wechat", None),
        ("wechat", Some(may_not.access.as_str())),
        ("groups,secrets", Some(may[1].access.as_str())),
    ] {
        let answer = site.get(&format!("{path}?include={include}"), token).await;
        let name = include.rsplit(',').next().expect("a name");
        let text = format!("Invalid includes [{name}]");
        let error = answer.error();
        assert_eq!((answer.status, &error["detail"]), (422, &json!([text])));
        let expected = if site.key == "discuzq" {
            text
        } else {
            "invalid_include".to_owned()
        };
        assert_eq!(error["code"], expected);
    }
}

/// Row 18.
async fn no_list_of_one_tenant_shows_another_ones_rows(backend: Backend) {
    const MARKER: &str = "marker";
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(
        &database,
        json!({"registration": {"invite_required": false}}),
    )
    .await;
    let [here, there] = stage.sites();
    let moderator = here.moderator(&stage.server, "root1").await;
    let foreign = there.moderator(&stage.server, &format!("{MARKER}1")).await;
    let group = json!({"group_id": 10});
    let invite = there
        .send("POST", "/api/invite", Some(&foreign.access), group)
        .await;
    let invite = invite.expect(201)["data"].clone();
    let invite_code = invite["attributes"]["code"].as_str().expect("a code");
    let recruit =
        json!({"username": format!("{MARKER}2"), "password": PASSWORD, "code": invite_code});
    Member::of(&there.send("POST", "/api/register", None, recruit).await);
    let theirs = [
        "/api/users".to_owned(),
        "/api/users?filter[status]=normal&page[size]=100".to_owned(),
        "/api/invite".to_owned(),
        "/api/invite/users".to_owned(),
        format!("/api/users/{}", foreign.id),
        format!("/api/invite/{invite_code}"),
        format!("/api/invite/{}", foreign.id),
    ];
    for path in theirs {
        let there_it_is = there.get(&path, Some(&foreign.access)).await;
        assert_eq!(there_it_is.status, 200, "{path}");
        let text = there_it_is.text();
        assert!(
            text.contains(MARKER) || text.contains(invite_code),
            "{path}: {text}"
        );
        let here_it_is_not = here.get(&path, Some(&moderator.access)).await;
        let text = here_it_is_not.text();
        assert!(
            !text.contains(MARKER) && !text.contains(invite_code),
            "{path}: {text}"
        );
    }
    let id = invite["id"].as_str().expect("an id");
    let delete = here.request(
        "DELETE",
        &format!("/api/invite/{id}"),
        Some(&moderator.access),
    );
    assert_unknown(&delete.send(here.to).await);
}

/// Registers with a code and gives the new user's group, as a moderator sees it.
async fn group_by_code(site: &Site<'_>, by: &Member, name: &str, code: &str) -> (Member, Value) {
    let attributes = json!({"username": name, "password": PASSWORD, "code": code});
    let member = Member::of(&site.send("POST", "/api/register", None, attributes).await);
    let path = format!("/api/users/{}", member.id);
    let seen = site.get(&path, Some(&by.access)).await.expect(200);
    (member, seen["data"]["attributes"]["groupId"].clone())
}

async fn an_invite_brings_its_group_and_who_issued_it(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, groups()).await;
    for site in stage.sites() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let mine = json!({"group_id": 30});
        let issued = site
            .send("POST", "/api/invite", Some(&moderator.access), mine)
            .await;
        let invite = issued.expect(201)["data"].clone();
        let attributes = &invite["attributes"];
        let code = attributes["code"].as_str().expect("a code");
        assert_eq!((invite["type"].as_str(), code.len()), (Some("invite"), 32));
        let (begun, end) = (&attributes["dateline"], &attributes["endtime"]);
        let life = end.as_i64().expect("seconds") - begun.as_i64().expect("seconds");
        assert_eq!(life, 7 * 24 * 60 * 60);
        let number: i64 = moderator.id.parse().expect("a number");
        assert_eq!(
            *attributes,
            json!({
                "group_id": 30, "type": 2, "code": code, "dateline": begun, "endtime": end,
                "user_id": number, "to_user_id": 0, "status": 1,
            })
        );
        let (recruit, group) = group_by_code(&site, &moderator, "recruit", code).await;
        assert_eq!(group, 30);
        let recruits = site
            .get("/api/invite/users", Some(&moderator.access))
            .await
            .expect(200);
        assert_eq!(recruits["meta"], json!({"total": 1, "pageCount": 1}));
        assert_eq!(recruits["data"][0]["id"], recruit.id.as_str());
        let own = site
            .get("/api/invite/users", Some(&recruit.access))
            .await
            .expect(200);
        assert_eq!(own["data"], json!([]));

        // One use: the second comer is refused, or goes on without it where the contract says so.
        let attributes = json!({"username": "late", "password": PASSWORD, "code": code});
        let late = site.send("POST", "/api/register", None, attributes).await;
        assert_eq!(late.status, if site.key == "discuzq" { 200 } else { 422 });

        // An administrator's invite brings its group, too, and nobody is its author.
        let by_admin = issue_invite(&stage.server, site.key, json!({"group_id": 20})).await;
        let (_, group) = group_by_code(&site, &moderator, "guest", &by_admin).await;
        assert_eq!(group, 20);
        let plain = issue_invite(&stage.server, site.key, json!({})).await;
        let (_, group) = group_by_code(&site, &moderator, "plain", &plain).await;
        assert_eq!(group, 10);
        let recruits = site
            .get("/api/invite/users", Some(&moderator.access))
            .await
            .expect(200);
        assert_eq!(recruits["meta"]["total"], 1);
        let body = json!({"data": {"type": "invites", "attributes": {"group_id": 99}}});
        let path = format!("/admin/v1/tenants/{}/invites", site.key);
        let unknown = admin(&stage.server, "POST", &path, Some(body)).await;
        assert_eq!(
            unknown.error()["source"]["pointer"],
            "/data/attributes/group_id"
        );
    }
}

async fn who_may_issue_an_invite_hangs_on_the_group(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, groups()).await;
    for site in stage.sites() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let host = site.register("host").await;
        set_user(&stage.server, site.key, &host.id, json!({"group_id": 20}))
            .await
            .expect(200);
        let member = site.register("member").await;
        let issue = async |by: Option<&Member>, attributes: Value| {
            let token = by.map(|member| member.access.as_str());
            site.send("POST", "/api/invite", token, attributes).await
        };
        let into = |group: i64| json!({ "group_id": group });
        assert_eq!(code(&issue(None, into(10)).await), "not_authenticated");
        for group in [1, 10, 20, 30] {
            assert_forbidden(&issue(Some(&member), into(group)).await, &site);
            issue(Some(&moderator), into(group)).await.expect(201);
        }
        assert_forbidden(&issue(Some(&host), into(1)).await, &site);
        issue(Some(&host), json!({"group_id": "30"}))
            .await
            .expect(201);
        for bad in [
            json!({}),
            into(99),
            json!({"group_id": "x"}),
            into(i64::MAX),
        ] {
            let answer = issue(Some(&host), bad).await;
            assert_eq!(answer.status, 422);
            assert_eq!(
                answer.error()["source"]["pointer"],
                "/data/attributes/group_id"
            );
        }
    }
}

async fn an_invite_is_read_in_every_state_and_listed_by_it(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, groups()).await;
    for (tenant, site) in stage.sites().into_iter().enumerate() {
        let moderator = site.moderator(&stage.server, "root1").await;
        let token = Some(moderator.access.as_str());
        let mut invites = Vec::new();
        for _ in 0..4 {
            let issued = site
                .send("POST", "/api/invite", token, json!({"group_id": 30}))
                .await;
            let data = issued.expect(201)["data"].clone();
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            invites.push((text(&data["id"]), text(&data["attributes"]["code"])));
        }
        let delete = |id: &str, token: Option<&str>| {
            site.request("DELETE", &format!("/api/invite/{id}"), token)
        };
        let member = site.register("member").await;
        for (id, by) in [
            (invites[0].0.as_str(), Some(member.access.as_str())),
            ("77", token),
            ("x", token),
        ] {
            assert_unknown(&delete(id, by).send(site.to).await);
        }
        assert_eq!(delete(&invites[0].0, None).send(site.to).await.status, 401);
        for _ in 0..2 {
            assert_eq!(delete(&invites[0].0, token).send(site.to).await.status, 204);
        }
        let (used_by, _) = group_by_code(&site, &moderator, "user2", &invites[2].1).await;
        let connection = database.connect_as(&stage.ids[tenant]).await;
        let expire = format!(
            "UPDATE invite_codes SET expires_at = 1 WHERE id = {}",
            invites[3].0
        );
        connection.execute_unprepared(&expire).await.expect("done");

        for (status, (id, code)) in invites.iter().enumerate() {
            for spelling in [code.clone(), code.to_lowercase()] {
                let path = format!("/api/invite/{spelling}");
                let read = site.get(&path, None).await.expect(200);
                let attributes = &read["data"]["attributes"];
                assert_eq!(
                    (&attributes["status"], &attributes["code"]),
                    (&json!(status), &json!(code))
                );
                assert_eq!(read["included"][0]["attributes"]["name"], "Guests");
                assert_eq!(read["included"][1]["attributes"]["username"], "root1");
                assert!(!read.to_string().contains("127.0.0.1"), "{read}");
            }
            let path = format!("/api/invite?filter[status]={status}");
            let list = site.get(&path, token).await.expect(200);
            assert_eq!(list["meta"], json!({"total": 1, "pageCount": 1}));
            assert_eq!(list["data"][0]["id"], id.as_str());
        }
        let number: i64 = used_by.id.parse().expect("a number");
        let used = site
            .get("/api/invite?filter[status]=2", token)
            .await
            .expect(200);
        assert_eq!(used["data"][0]["attributes"]["to_user_id"], number);
        let all = site
            .get("/api/invite?page[size]=3", token)
            .await
            .expect(200);
        assert_eq!(all["meta"], json!({"total": 4, "pageCount": 2}));
        assert_eq!(
            all["data"][0]["id"],
            invites[3].0.as_str(),
            "the newest first"
        );
        let foreign = site
            .get("/api/invite", Some(&member.access))
            .await
            .expect(200);
        assert_eq!(foreign["data"], json!([]));
        for bad in [
            "filter[status]=4",
            "page[size]=101",
            "page[size]=0",
            "page[number]=0",
            "page[number]=x",
        ] {
            let answer = site.get(&format!("/api/invite?{bad}"), token).await;
            assert_eq!(
                (answer.status, code(&answer)),
                (422, json!("validation_error"))
            );
        }
        assert_numbers(&site, &moderator).await;
    }
}

/// A member's own number is a code in the dialect that knows it.
async fn assert_numbers(site: &Site<'_>, member: &Member) {
    let own = site.get("/api/userInviteCode", Some(&member.access)).await;
    let number: i64 = member.id.parse().expect("a number");
    assert_eq!(own.header("content-type"), Some("application/json"));
    assert_eq!(
        own.expect(200),
        json!({"data": {"type": "invite", "code": number}})
    );
    assert_eq!(site.get("/api/userInviteCode", None).await.status, 401);
    let read = site.get(&format!("/api/invite/{}", member.id), None).await;
    let attributes = json!({"username": "brought", "password": PASSWORD, "code": member.id});
    let registered = site.send("POST", "/api/register", None, attributes).await;
    if site.key == "discuzq" {
        let read = read.expect(200);
        assert_eq!(read["data"]["type"], "user_invite");
        let attributes = json!({"id": number, "username": "root1"});
        assert_eq!(read["data"]["attributes"], attributes);
        assert_eq!(read["included"][0]["id"], "10");
        let brought = Member::of(&registered);
        let recruits = site
            .get("/api/invite/users", Some(&member.access))
            .await
            .expect(200);
        assert_eq!(
            recruits["data"][0]["id"],
            brought.id.as_str(),
            "the newest first"
        );
    } else {
        assert_unknown(&read);
        assert_eq!(registered.status, 422);
    }
    for unknown in [
        "77",
        "x",
        "ABCDEFGHJKMNPQRSTVWXYZ0123456789",
        "%20",
        "a%2Fb",
    ] {
        assert_unknown(&site.get(&format!("/api/invite/{unknown}"), None).await);
    }
}

async fn administrators_set_group_and_standing(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let stage = Stage::set(&database, json!({})).await;
    let site = Site::of(&stage.server, "standard");
    let user = site.register("ada").await;
    let set = async |attributes| set_user(&stage.server, site.key, &user.id, attributes).await;
    let admin_url = format!("http://{}", stage.server.admin());
    let token = stage.server.data_dir().join("admin-token");
    std::fs::write(&token, stage.server.token()).expect("written");
    let (status, printed, said) = stage
        .server
        .command(&[
            "user",
            "set",
            "standard",
            &user.id,
            "--group",
            "1",
            "--json",
            "--admin-url",
            &admin_url,
            "--token-file",
            token.to_str().expect("UTF-8"),
        ])
        .await;
    assert!(status.success(), "{said}");
    let shown: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(shown["data"][0]["attributes"]["group_id"], 1);
    site.get("/api/users", Some(&user.access)).await.expect(200);

    let banned = set(json!({"status": "banned", "refuse_message": "spam"}))
        .await
        .expect(200);
    let attributes = &banned["data"]["attributes"];
    assert_eq!(
        (&attributes["status"], &attributes["refuse_message"]),
        (&json!("banned"), &json!("spam"))
    );
    assert_eq!(attributes["group_id"], 1, "as it was");
    assert_eq!(site.me(&user.access).await, 401);
    let back = set(json!({"status": "normal", "refuse_message": null, "group_id": 10})).await;
    assert_eq!(
        back.expect(200)["data"]["attributes"]["refuse_message"],
        Value::Null
    );
    Member::of(&site.login("ada", PASSWORD).await);
    for (bad, pointer) in [
        (json!({"group_id": 99}), "group_id"),
        (json!({"group_id": "1"}), "group_id"),
        (json!({"status": 1}), "status"),
        (json!({"username": "x"}), "username"),
        (json!({"refuse_message": "x".repeat(256)}), "refuse_message"),
    ] {
        let answer = set(bad).await;
        assert_eq!(answer.status, 422);
        let pointer = format!("/data/attributes/{pointer}");
        assert_eq!(answer.error()["source"]["pointer"], pointer);
    }
    // The number of another tenant's user is nobody's here.
    for id in [user.id.as_str(), "77", "x"] {
        let answer = set_user(&stage.server, "discuzq", id, json!({"group_id": 10})).await;
        assert_unknown(&answer);
    }
    let path = format!("/admin/v1/tenants/standard/users/{}", user.id);
    let by_user = Request::new("PATCH", &path)
        .header("Authorization", format!("Bearer {}", user.access))
        .json(&json!({"data": {"type": "users", "attributes": {"group_id": 1}}}));
    assert_eq!(by_user.send(stage.server.admin()).await.status, 401);
    let query = "SELECT id FROM audit_entries WHERE action = 'user.change'";
    // The platform's own audit; its database is another one where tenants have files.
    if backend != Backend::Sqlite {
        let connection = database.connect().await;
        let kind = connection.get_database_backend();
        let statement = sea_orm::Statement::from_string(kind, query.to_owned());
        let lines = connection.query_all_raw(statement).await.expect("a query");
        assert_eq!(lines.len(), 3);
    }
}
