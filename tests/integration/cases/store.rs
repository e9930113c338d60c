//! The tenants' database without a server in front of it: who wins when many want the same thing at one moment, and what
//! stays hidden from another tenant (docs/threats.md rows 18 to 29).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use enroll::clock::{Clock, Entropy, Timestamp};
use enroll::domain::identity::{WechatIdentity, WechatProfile};
use enroll::domain::ids::{SessionId, TenantId, UserId};
use enroll::domain::invite_code::InviteCode;
use enroll::domain::phone_number::PhoneNumber;
use enroll::domain::proof::{Claim, Proof, ProofScope, SmsPurpose};
use enroll::domain::tenant_settings::TenantSettings;
use enroll::domain::user_status::UserStatus;
use enroll::domain::username::Username;
use enroll::store::bindings::NotBound;
use enroll::store::connection::{Connect, Connection, PoolBounds, open};
use enroll::store::counters::{Budget, Spent};
use enroll::store::invite_codes::NewInvites;
use enroll::store::proof_tokens::NewProofToken;
use enroll::store::registration::{Invitation, NewAccount, NotMade};
use enroll::store::schema::{Schema, is_current, migrate};
use enroll::store::sessions::{NewSession, Rotation};
use enroll::store::settings::DatabaseUrl;
use enroll::store::sms_codes::CodeJudged;
use enroll::store::tenant_db::TenantDb;
use enroll::store::users::{LoginName, User};
use enroll::telemetry::metrics::Metrics;
use futures_util::future::join_all;
use migration::{MigratorTrait, TenantMigrator};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::harness::database::{Backend, TestDatabase};

on_all_databases!(
    a_database_of_the_first_shape_is_brought_along,
    a_wechat_account_goes_to_one_of_many_users,
    a_wechat_person_has_one_account_whichever_apps_they_use,
    one_user_may_bind_one_account_many_times_at_once,
    a_person_told_late_is_kept,
    a_second_account_of_one_app_needs_a_rebinding,
    a_rebinding_moves_the_person_and_ends_the_sessions_of_who_had_it,
    rebindings_at_once_leave_one_owner,
    a_phone_number_goes_to_one_of_many_users,
    a_proof_token_is_spent_once,
    an_account_is_made_with_its_proofs_or_not_at_all,
    a_refresh_token_is_exchanged_and_its_answer_may_be_lost_once,
    a_reused_refresh_token_ends_the_session,
    rotations_at_once_leave_one_living_token,
    guesses_at_a_code_are_bounded,
    a_wechat_code_is_claimed_once,
    counters_never_exceed_their_budgets,
    a_decision_is_made_once_and_ends_sessions,
    what_has_expired_goes,
    no_method_sees_another_tenants_rows,
);

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const RACERS: usize = 16;
const REQUESTER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4711);

/// One database that two tenants share. The database is dropped last.
pub(super) struct Ground {
    clock: Clock,
    pub(super) acme: TenantDb,
    pub(super) bolt: TenantDb,
    pub(super) metrics: Metrics,
    database: TestDatabase,
}

async fn connect(database: &TestDatabase, clock: &Clock, metrics: &Metrics) -> Connection {
    let bounds = PoolBounds {
        size: 8,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(60),
    };
    open(
        &DatabaseUrl::parse(database.url()).expect("an address"),
        bounds,
        Connect::AtOnce,
        None,
        clock.clone(),
        metrics.clone(),
    )
    .await
    .expect("a connection")
}

impl Ground {
    pub(super) async fn create(backend: Backend) -> Self {
        let database = TestDatabase::create(backend).await;
        let clock = Clock::fixed(NOW);
        let metrics = Metrics::new(10).expect("metrics");
        let connection = connect(&database, &clock, &metrics).await;
        migrate(&connection, Schema::Tenant).await.expect("changes");
        let tenant = |id| {
            let id = TenantId::from_i64(id);
            TenantDb::new(id, connection.clone(), true, clock.clone(), Entropy)
        };
        Self {
            acme: tenant(1),
            bolt: tenant(2),
            clock,
            metrics,
            database,
        }
    }

    /// Changes the database as tenant 1 from outside the store.
    pub(super) async fn execute(&self, statement: &str) {
        let connection = self.database.connect().await;
        name_tenant(&connection, self.database.backend()).await;
        let done = connection.execute_unprepared(statement).await;
        assert_eq!(done.expect("a change").rows_affected(), 1);
    }

    /// A number from the database, read as tenant 1 from outside the store.
    pub(super) async fn number(&self, query: &str) -> i64 {
        let connection = self.database.connect().await;
        name_tenant(&connection, self.database.backend()).await;
        let query = Statement::from_string(connection.get_database_backend(), query);
        let row = connection.query_one_raw(query).await.expect("an answer");
        row.expect("a row").try_get("", "number").expect("a number")
    }

    async fn text(&self, query: &str) -> String {
        let connection = self.database.connect().await;
        name_tenant(&connection, self.database.backend()).await;
        let query = Statement::from_string(connection.get_database_backend(), query);
        let row = connection.query_one_raw(query).await.expect("an answer");
        row.expect("a row").try_get("", "text").expect("a text")
    }
}

async fn name_tenant(connection: &DatabaseConnection, backend: Backend) {
    if backend == Backend::Postgres {
        connection
            .execute_unprepared("SELECT set_config('enroll.tenant_id', '1', false)")
            .await
            .expect("the tenant can be named");
    }
}

pub(super) fn username(name: &str) -> Username {
    Username::parse(name, &TenantSettings::default()).expect("a name")
}

pub(super) fn account<'a>(username: &'a Username, proofs: &'a [Proof]) -> NewAccount<'a> {
    NewAccount {
        username,
        password_hash: Some("hash"),
        status: UserStatus::Normal,
        reason: None,
        requester: REQUESTER,
        invite: Invitation::None,
        proofs,
        group_id: 10,
        session: None,
        answer: None,
    }
}

pub(super) async fn user(db: &TenantDb, name: &str) -> User {
    let name = username(name);
    db.create_account(&account(&name, &[]))
        .await
        .expect("a user")
}

async fn users(db: &TenantDb, count: usize) -> Vec<UserId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(user(db, &format!("user{number}")).await.id);
    }
    ids
}

fn wechat(app: &str, open_id: &str, union_id: Option<&str>) -> WechatIdentity {
    WechatIdentity {
        app_id: app.to_owned(),
        open_id: open_id.to_owned(),
        union_id: union_id.map(str::to_owned),
        profile: WechatProfile {
            nickname: "Ada\u{0}".to_owned() + &"x".repeat(300),
            ..WechatProfile::default()
        },
    }
}

fn proof(identity: &WechatIdentity, rebind: bool) -> [Proof; 1] {
    [Proof {
        claim: Claim::Wechat(identity.clone()),
        token: None,
        rebind,
    }]
}

fn phone(number: usize) -> PhoneNumber {
    PhoneNumber::parse(&format!("138{number:08}"), "86").expect("a number")
}

fn phone_proof(number: &PhoneNumber, token: Option<&str>) -> [Proof; 1] {
    [Proof {
        claim: Claim::Phone(number.clone()),
        token: token.map(|hash| (hash.to_owned(), ProofScope::Mobile)),
        rebind: false,
    }]
}

pub(super) fn session(token_hash: &str) -> NewSession {
    let id: [u8; 16] = Entropy.bytes().expect("random bytes");
    NewSession {
        id: SessionId::from_random(id),
        token_hash: token_hash.to_owned(),
        expires_at: NOW.plus(HOUR),
    }
}

async fn log_in(db: &TenantDb, user: UserId, proofs: &[Proof]) -> Result<SessionId, NotBound> {
    let new = session("hash");
    db.log_in(user, &new, REQUESTER, proofs).await?;
    Ok(new.id)
}

/// A token that proves something, for an hour.
async fn put_token(db: &TenantDb, hash: &str, scope: ProofScope) {
    let new = NewProofToken {
        hash: hash.to_owned(),
        scope,
        payload: "{}".to_owned(),
        user: None,
        expires_at: NOW.plus(HOUR),
    };
    db.create_proof_token(&new).await.expect("a token");
}

async fn a_database_of_the_first_shape_is_brought_along(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let old = database.connect().await;
    TenantMigrator::up(&old, Some(2))
        .await
        .expect("two changes");
    name_tenant(&old, backend).await;
    for row in [
        "INSERT INTO users (tenant_id, id, username, display_name, status, register_ip, register_port, last_login_ip,
         login_at, created_at, updated_at) VALUES (1, 7, 'ada', 'Ada', 0, '192.0.2.1', 1, '192.0.2.1', 1, 1, 1)",
        "INSERT INTO users (tenant_id, id, username, display_name, status, register_ip, register_port, last_login_ip,
         login_at, created_at, updated_at) VALUES (1, 8, 'bob', 'Bob', 0, '192.0.2.1', 1, '192.0.2.1', 1, 1, 1)",
        "INSERT INTO invite_codes (tenant_id, id, code, max_uses, uses, note, created_by, created_at)
         VALUES (1, 9, 'LANTERN', 1, 0, '', 'root', 1)",
        "INSERT INTO refresh_tokens (tenant_id, token_hash, user_id, family_id, created_at, expires_at)
         VALUES (1, 'x', 7, 1, 1, 1)",
    ] {
        old.execute_unprepared(row).await.expect("a row");
    }
    old.close().await.expect("an end");
    let clock = Clock::fixed(NOW);
    let metrics = Metrics::new(10).expect("metrics");
    let connection = connect(&database, &clock, &metrics).await;
    assert!(!is_current(&connection, Schema::Tenant).await.unwrap());
    migrate(&connection, Schema::Tenant)
        .await
        .expect("the rest");
    assert!(is_current(&connection, Schema::Tenant).await.unwrap());
    let db = TenantDb::new(TenantId::from_i64(1), connection, true, clock, Entropy);
    let ada = db.find_user(UserId::from_i64(7)).await.unwrap().unwrap();
    assert_eq!(
        (ada.group_id, ada.phone, ada.has_password),
        (10, None, false)
    );
    let code = InviteCode::parse("LANTERN").unwrap();
    let invite = db.find_invite(&code).await.unwrap().unwrap();
    assert_eq!((invite.group_id, invite.issued_by), (None, None));
    log_in(&db, UserId::from_i64(8), &[])
        .await
        .expect("a session");
}

async fn a_wechat_account_goes_to_one_of_many_users(backend: Backend) {
    let ground = Ground::create(backend).await;
    let users = users(&ground.acme, RACERS).await;
    for (open_id, union_id) in [("o-silent", None), ("o-told", Some("u-told"))] {
        let identity = wechat("app", open_id, union_id);
        let proofs = proof(&identity, false);
        let tried = join_all(
            users
                .iter()
                .map(|user| log_in(&ground.acme, *user, &proofs)),
        )
        .await;
        let mut winners = Vec::new();
        for (user, outcome) in users.iter().zip(tried) {
            match outcome {
                Ok(session) => winners.push((*user, session)),
                Err(NotBound::WechatBound) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let [(winner, session)] = winners[..] else {
            panic!("{} winners", winners.len());
        };
        let owner = ground.acme.find_wechat_owner(&identity).await.unwrap();
        assert_eq!(owner, Some(winner));
        assert!(ground.acme.find_session(session).await.unwrap().is_some());
        assert_eq!(ground.acme.end_sessions_of(winner).await.unwrap(), 1);
        let sessions = ground
            .number("SELECT COUNT(*) AS number FROM sessions")
            .await;
        assert_eq!(sessions, 0, "a loser has a session");
        let own = format!("DELETE FROM identities WHERE user_id = {winner}");
        let connection = ground.database.connect().await;
        name_tenant(&connection, backend).await;
        connection.execute_unprepared(&own).await.unwrap();
    }
}

async fn a_wechat_person_has_one_account_whichever_apps_they_use(backend: Backend) {
    let ground = Ground::create(backend).await;
    let users = users(&ground.acme, 2).await;
    for round in 0..8 {
        let union = format!("u{round}");
        let [app, web] = ["app", "web"].map(|kind| {
            let app = format!("{kind}{round}");
            wechat(&app, &format!("o-{app}"), Some(&union))
        });
        let (one, other) = (proof(&app, false), proof(&web, false));
        let tried = tokio::join!(
            log_in(&ground.acme, users[0], &one),
            log_in(&ground.acme, users[1], &other),
        );
        match &tried {
            (Ok(_), Err(NotBound::WechatBound)) | (Err(NotBound::WechatBound), Ok(_)) => {}
            other => panic!("{other:?}"),
        }
        let winner = if tried.0.is_ok() { users[0] } else { users[1] };
        for identity in [&app, &web] {
            let owner = ground.acme.find_wechat_owner(identity).await.unwrap();
            assert_eq!(owner, Some(winner));
        }
    }
}

async fn one_user_may_bind_one_account_many_times_at_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let proofs = proof(&wechat("app", "o", Some("u")), false);
    let tried = join_all((0..RACERS).map(|_| log_in(&ground.acme, ada, &proofs))).await;
    for outcome in tried {
        outcome.expect("the user's own account");
    }
    let rows = ground
        .number("SELECT COUNT(*) AS number FROM identities")
        .await;
    assert_eq!(rows, 1);
    assert_eq!(
        ground.acme.find_union_id(ada).await.unwrap().as_deref(),
        Some("u")
    );
}

async fn a_person_told_late_is_kept(backend: Backend) {
    let ground = Ground::create(backend).await;
    let [ada, bob] = users(&ground.acme, 2).await[..] else {
        panic!("two users");
    };
    let silent = proof(&wechat("app", "o1", None), false);
    log_in(&ground.acme, ada, &silent).await.unwrap();
    assert_eq!(ground.acme.find_union_id(ada).await.unwrap(), None);
    let told = proof(&wechat("app", "o1", Some("u")), false);
    log_in(&ground.acme, ada, &told).await.unwrap();
    assert_eq!(
        ground.acme.find_union_id(ada).await.unwrap().as_deref(),
        Some("u")
    );
    // WeChat is silent again; what it told stays.
    log_in(&ground.acme, ada, &silent).await.unwrap();
    let union = ground.text("SELECT union_id AS text FROM identities").await;
    assert_eq!(union, "u");
    let renamed = proof(&wechat("app", "o1", Some("a-new-name")), false);
    log_in(&ground.acme, ada, &renamed).await.unwrap();
    let union = ground.acme.find_union_id(ada).await.unwrap();
    assert_eq!(union.as_deref(), Some("a-new-name"));
    let people = "SELECT COUNT(*) AS number FROM union_ids";
    assert_eq!(ground.number(people).await, 1);
    log_in(&ground.acme, ada, &told).await.unwrap();

    let elsewhere = proof(&wechat("web", "o2", Some("u")), false);
    let refused = log_in(&ground.acme, bob, &elsewhere).await;
    assert!(matches!(refused, Err(NotBound::WechatBound)), "{refused:?}");

    // Who has had two accounts since WeChat was silent can still log in to each.
    let second = wechat("mini", "o3", None);
    log_in(&ground.acme, bob, &proof(&second, false))
        .await
        .unwrap();
    let second = wechat("mini", "o3", Some("u"));
    log_in(&ground.acme, bob, &proof(&second, false))
        .await
        .unwrap();
    assert_eq!(
        ground.acme.find_wechat_owner(&second).await.unwrap(),
        Some(bob)
    );
    assert_eq!(ground.acme.find_union_id(bob).await.unwrap(), None);
}

async fn a_second_account_of_one_app_needs_a_rebinding(backend: Backend) {
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let first = wechat("app", "first", Some("u1"));
    let second = wechat("app", "second", Some("u2"));
    log_in(&ground.acme, ada, &proof(&first, false))
        .await
        .unwrap();
    let refused = log_in(&ground.acme, ada, &proof(&second, false)).await;
    assert!(matches!(refused, Err(NotBound::WechatBound)), "{refused:?}");
    assert_eq!(ground.acme.find_wechat_owner(&second).await.unwrap(), None);
    log_in(&ground.acme, ada, &proof(&second, true))
        .await
        .unwrap();
    assert_eq!(ground.acme.find_wechat_owner(&first).await.unwrap(), None);
    assert_eq!(
        ground.acme.find_wechat_owner(&second).await.unwrap(),
        Some(ada)
    );
    // Nobody lost anything, so nothing is audited; the person of the first account is free.
    let lines = "SELECT COUNT(*) AS number FROM tenant_audit_entries";
    assert_eq!(ground.number(lines).await, 0);
    let bob = user(&ground.acme, "bob").await.id;
    log_in(&ground.acme, bob, &proof(&first, false))
        .await
        .unwrap();
}

async fn a_rebinding_moves_the_person_and_ends_the_sessions_of_who_had_it(backend: Backend) {
    let ground = Ground::create(backend).await;
    let [ada, bob] = users(&ground.acme, 2).await[..] else {
        panic!("two users");
    };
    let app = wechat("app", "open-app-secret", Some("u"));
    let web = wechat("web", "open-web-secret", Some("u"));
    let old = wechat("web", "bobs-older-one", None);
    log_in(&ground.acme, ada, &proof(&app, false))
        .await
        .unwrap();
    let gone = log_in(&ground.acme, ada, &proof(&web, false))
        .await
        .unwrap();
    let kept = log_in(&ground.acme, bob, &proof(&old, false))
        .await
        .unwrap();
    // Without a word of WeChat's about the person: what it told before counts.
    let silent = wechat("app", "open-app-secret", None);
    log_in(&ground.acme, bob, &proof(&silent, true))
        .await
        .unwrap();
    for identity in [&app, &web] {
        let owner = ground.acme.find_wechat_owner(identity).await.unwrap();
        assert_eq!(owner, Some(bob));
    }
    assert_eq!(ground.acme.find_wechat_owner(&old).await.unwrap(), None);
    assert_eq!(ground.acme.find_session(gone).await.unwrap(), None);
    assert!(ground.acme.find_session(kept).await.unwrap().is_some());
    assert_eq!(ground.acme.end_sessions_of(ada).await.unwrap(), 0);
    let lines = format!(
        "SELECT COUNT(*) AS number FROM tenant_audit_entries WHERE action = 'identity.rebind' AND subject = {ada}
         AND actor = {bob} AND address = '192.0.2.1'"
    );
    assert_eq!(ground.number(&lines).await, 1);
    let detail = ground
        .text("SELECT detail AS text FROM tenant_audit_entries")
        .await;
    assert_eq!(detail, r#"{"app_id":"app","open_id":"open-a"}"#);

    // An account without a person moves alone.
    let lone = wechat("mini", "lone", None);
    log_in(&ground.acme, ada, &proof(&lone, false))
        .await
        .unwrap();
    log_in(&ground.acme, bob, &proof(&lone, true))
        .await
        .unwrap();
    assert_eq!(
        ground.acme.find_wechat_owner(&lone).await.unwrap(),
        Some(bob)
    );
    assert_eq!(ground.number(&lines).await, 2);
}

async fn rebindings_at_once_leave_one_owner(backend: Backend) {
    let ground = Ground::create(backend).await;
    let users = users(&ground.acme, 4).await;
    let app = wechat("app", "o-app", Some("u"));
    let web = wechat("web", "o-web", Some("u"));
    log_in(&ground.acme, users[0], &proof(&app, false))
        .await
        .unwrap();
    log_in(&ground.acme, users[0], &proof(&web, false))
        .await
        .unwrap();
    for _ in 0..4 {
        let tries = users.iter().enumerate().map(|(number, user)| {
            let identity = if number % 2 == 0 { &app } else { &web };
            let proofs = proof(identity, true);
            let db = &ground.acme;
            async move { log_in(db, *user, &proofs).await }
        });
        for outcome in join_all(tries).await {
            outcome.expect("a rebinding");
        }
        let owners = [&app, &web].map(|identity| ground.acme.find_wechat_owner(identity));
        let owners: HashSet<_> = join_all(owners)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(owners.len(), 1, "{owners:?}");
        let rows = ground
            .number("SELECT COUNT(*) AS number FROM identities")
            .await;
        assert_eq!(rows, 2);
    }
}

async fn a_phone_number_goes_to_one_of_many_users(backend: Backend) {
    let ground = Ground::create(backend).await;
    let users = users(&ground.acme, RACERS).await;
    let number = phone(1);
    let proofs = phone_proof(&number, None);
    let tried = join_all(
        users
            .iter()
            .map(|user| log_in(&ground.acme, *user, &proofs)),
    )
    .await;
    let winners = tried.iter().filter(|outcome| outcome.is_ok()).count();
    let losers = tried
        .iter()
        .filter(|outcome| matches!(outcome, Err(NotBound::PhoneTaken)));
    assert_eq!((winners, losers.count()), (1, RACERS - 1));
    let owner = ground
        .acme
        .find_user_by_phone(&number)
        .await
        .unwrap()
        .unwrap();
    let won = users
        .iter()
        .zip(&tried)
        .find(|(_, outcome)| outcome.is_ok());
    assert_eq!(won.map(|(user, _)| *user), Some(owner.id));
    // The owner may prove it again, and may prove another.
    log_in(&ground.acme, owner.id, &proofs).await.unwrap();
    log_in(&ground.acme, owner.id, &phone_proof(&phone(2), None))
        .await
        .unwrap();
    assert_eq!(ground.acme.find_user_by_phone(&number).await.unwrap(), None);
}

async fn a_proof_token_is_spent_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let users = users(&ground.acme, RACERS).await;
    put_token(&ground.acme, "token", ProofScope::Mobile).await;
    let wrong_scope = ground
        .acme
        .take_proof_token("token", ProofScope::Wechat)
        .await;
    assert_eq!(wrong_scope.unwrap(), None);
    let numbers: Vec<_> = (0..RACERS).map(phone).collect();
    let tries = users.iter().zip(&numbers).map(|(user, number)| {
        let proofs = phone_proof(number, Some("token"));
        let db = &ground.acme;
        async move { log_in(db, *user, &proofs).await }
    });
    let tried = join_all(tries).await;
    let winners = tried.iter().filter(|outcome| outcome.is_ok()).count();
    let losers = tried
        .iter()
        .filter(|outcome| matches!(outcome, Err(NotBound::ProofSpent)));
    assert_eq!((winners, losers.count()), (1, RACERS - 1));
    let bound = "SELECT COUNT(*) AS number FROM users WHERE phone IS NOT NULL";
    assert_eq!(ground.number(bound).await, 1);

    put_token(&ground.acme, "taken", ProofScope::OauthState).await;
    let take = || {
        ground
            .acme
            .take_proof_token("taken", ProofScope::OauthState)
    };
    let taken = join_all((0..RACERS).map(|_| take())).await;
    let taken = taken.into_iter().filter_map(Result::unwrap).count();
    assert_eq!(taken, 1);

    put_token(&ground.acme, "late", ProofScope::Mobile).await;
    ground.clock.advance(HOUR);
    let late = log_in(
        &ground.acme,
        users[0],
        &phone_proof(&phone(99), Some("late")),
    )
    .await;
    assert!(matches!(late, Err(NotBound::ProofSpent)), "{late:?}");
}

async fn an_account_is_made_with_its_proofs_or_not_at_all(backend: Backend) {
    let ground = Ground::create(backend).await;
    let code = InviteCode::parse("LANTERN").unwrap();
    let invites = NewInvites {
        codes: vec![code.clone()],
        max_uses: 2,
        expires_at: None,
        note: String::new(),
        created_by: "root".to_owned(),
        group_id: Some(5),
        issued_by: None,
        batch: None,
    };
    ground.acme.issue_invites(&invites).await.unwrap();
    let invite = ground.acme.find_invite(&code).await.unwrap().unwrap();
    let number = phone(1);
    let mut proofs = phone_proof(&number, None).to_vec();
    proofs.extend(proof(&wechat("app", "o", Some("u")), false));
    let (first, new) = (username("ada"), session("hash"));
    let made = NewAccount {
        invite: Invitation::Spend(invite.id),
        session: Some(&new),
        ..account(&first, &proofs)
    };
    let ada = ground.acme.create_account(&made).await.unwrap();
    assert_eq!((ada.group_id, ada.phone.as_ref()), (5, Some(&number)));
    let stored = ground.acme.find_session(new.id).await.unwrap().unwrap();
    assert_eq!(stored.user, ada);

    put_token(&ground.acme, "token", ProofScope::Mobile).await;
    let second = username("bob");
    let taken = phone_proof(&number, Some("token"));
    let refused = NewAccount {
        invite: Invitation::Spend(invite.id),
        ..account(&second, &taken)
    };
    let refused = ground.acme.create_account(&refused).await;
    assert!(
        matches!(refused, Err(NotMade::NotBound(NotBound::PhoneTaken))),
        "{refused:?}"
    );
    assert_eq!(ground.acme.count_users(None).await.unwrap(), 1);
    let invite = ground.acme.find_invite(&code).await.unwrap().unwrap();
    assert_eq!(invite.uses, 1);
    let token = ground
        .acme
        .find_proof_token("token", &[ProofScope::Mobile])
        .await;
    assert!(token.unwrap().is_some());
    let again = ground.acme.create_account(&account(&first, &[])).await;
    assert!(matches!(again, Err(NotMade::NameTaken)), "{again:?}");
}

async fn a_refresh_token_is_exchanged_and_its_answer_may_be_lost_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let begun = session("first");
    ground.acme.create_session(ada, &begun).await.unwrap();
    let rotate = async |shown: &str, next: &str| {
        let new = NewSession {
            token_hash: next.to_owned(),
            ..begun.clone()
        };
        ground
            .acme
            .rotate_session(begun.id, shown, &new)
            .await
            .unwrap()
    };
    assert_eq!(
        rotate("first", "second").await,
        Rotation::Rotated { generation: 2 }
    );
    assert_eq!(
        rotate("first", "third").await,
        Rotation::LostAnswer { generation: 3 }
    );
    let now = ground.acme.find_session(begun.id).await.unwrap().unwrap();
    assert_eq!(
        (now.generation, now.skipped_generation, now.confirmed),
        (3, Some(2), false)
    );
    // A late token of the lost generation confirms nothing.
    ground.acme.confirm_session(begun.id, 2).await.unwrap();
    assert_eq!(
        rotate("first", "fourth").await,
        Rotation::LostAnswer { generation: 4 }
    );
    ground.acme.confirm_session(begun.id, 4).await.unwrap();
    let now = ground.acme.find_session(begun.id).await.unwrap().unwrap();
    assert!(now.confirmed);
    assert_eq!(
        rotate("fourth", "fifth").await,
        Rotation::Rotated { generation: 5 }
    );
    let now = ground.acme.find_session(begun.id).await.unwrap().unwrap();
    assert!(!now.confirmed);
    assert!(ground.acme.end_session(begun.id).await.unwrap());
    assert!(!ground.acme.end_session(begun.id).await.unwrap());
    assert_eq!(rotate("fifth", "sixth").await, Rotation::Gone);
}

async fn a_reused_refresh_token_ends_the_session(backend: Backend) {
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let other = log_in(&ground.acme, ada, &[]).await.unwrap();
    // The one before, after its successor was used; and one from long ago.
    for confirm in [true, false] {
        let begun = session("first");
        ground.acme.create_session(ada, &begun).await.unwrap();
        let next = |hash: &str| NewSession {
            token_hash: hash.to_owned(),
            ..begun.clone()
        };
        let rotate = async |shown: &str, new: &NewSession| {
            ground
                .acme
                .rotate_session(begun.id, shown, new)
                .await
                .unwrap()
        };
        rotate("first", &next("second")).await;
        if confirm {
            ground.acme.confirm_session(begun.id, 2).await.unwrap();
        } else {
            rotate("second", &next("third")).await;
        }
        assert_eq!(rotate("first", &next("stolen")).await, Rotation::Reused);
        assert_eq!(ground.acme.find_session(begun.id).await.unwrap(), None);
        assert_eq!(rotate("second", &next("late")).await, Rotation::Gone);
    }
    assert!(ground.acme.find_session(other).await.unwrap().is_some());
    ground.clock.advance(HOUR);
    assert_eq!(ground.acme.find_session(other).await.unwrap(), None);
    let late = session("late");
    let gone = ground
        .acme
        .rotate_session(other, "hash", &late)
        .await
        .unwrap();
    assert_eq!(gone, Rotation::Gone);
}

async fn rotations_at_once_leave_one_living_token(backend: Backend) {
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let begun = session("first");
    ground.acme.create_session(ada, &begun).await.unwrap();
    let tries = (0..10).map(|number| {
        let new = NewSession {
            token_hash: format!("next{number}"),
            ..begun.clone()
        };
        let db = &ground.acme;
        async move { db.rotate_session(new.id, "first", &new).await.unwrap() }
    });
    let mut generations = Vec::new();
    let mut rotated = 0;
    for outcome in join_all(tries).await {
        match outcome {
            Rotation::Rotated { generation } => {
                rotated += 1;
                generations.push(generation);
            }
            Rotation::LostAnswer { generation } => generations.push(generation),
            other => panic!("{other:?}"),
        }
    }
    generations.sort_unstable();
    assert_eq!(rotated, 1);
    assert_eq!(generations, (2..=11).collect::<Vec<_>>());
    let living = ground.text("SELECT token_hash AS text FROM sessions").await;
    let dead = (0..10).map(|number| format!("next{number}"));
    let dead = dead.into_iter().find(|hash| *hash != living).unwrap();
    let new = session("more");
    let good = NewSession {
        id: begun.id,
        ..new.clone()
    };
    let alive = ground.acme.rotate_session(begun.id, &living, &good).await;
    assert_eq!(alive.unwrap(), Rotation::Rotated { generation: 12 });
    let reused = ground.acme.rotate_session(begun.id, &dead, &new).await;
    assert_eq!(reused.unwrap(), Rotation::Reused);
}

async fn guesses_at_a_code_are_bounded(backend: Backend) {
    let ground = Ground::create(backend).await;
    let number = phone(1);
    let put = async |hash: &str| {
        let until = ground.clock.now().plus(HOUR);
        let put = ground
            .acme
            .put_sms_code(&number, SmsPurpose::Login, hash, until);
        put.await.unwrap();
    };
    let judge = async |purpose, hash: &str| {
        let judged = ground.acme.judge_sms_code(&number, purpose, hash, 5);
        judged.await.unwrap()
    };
    assert_eq!(judge(SmsPurpose::Login, "right").await, CodeJudged::Dead);
    put("right").await;
    let guesses: Vec<_> = (0..100).map(|number| format!("wrong{number}")).collect();
    let judged = join_all(guesses.iter().map(|guess| judge(SmsPurpose::Login, guess))).await;
    let wrong = judged.iter().filter(|one| **one == CodeJudged::Wrong);
    let dead = judged.iter().filter(|one| **one == CodeJudged::Dead);
    assert_eq!((wrong.count(), dead.count()), (5, 95));
    assert_eq!(judge(SmsPurpose::Login, "right").await, CodeJudged::Dead);
    // A new code replaces the exhausted one; it is good once, and for its purpose.
    put("old").await;
    put("new").await;
    assert_eq!(judge(SmsPurpose::Bind, "new").await, CodeJudged::Dead);
    assert_eq!(judge(SmsPurpose::Login, "old").await, CodeJudged::Wrong);
    let at_once = join_all((0..4).map(|_| judge(SmsPurpose::Login, "new"))).await;
    let right = at_once.iter().filter(|one| **one == CodeJudged::Right);
    assert_eq!(right.count(), 1, "{at_once:?}");
    put("late").await;
    ground.clock.advance(HOUR);
    assert_eq!(judge(SmsPurpose::Login, "late").await, CodeJudged::Dead);
}

async fn a_wechat_code_is_claimed_once(backend: Backend) {
    let ground = Ground::create(backend).await;
    let claim = || ground.acme.claim_code("code", NOW.plus(HOUR));
    let claimed = join_all((0..RACERS).map(|_| claim())).await;
    let claimed = claimed
        .into_iter()
        .filter(|one| *one.as_ref().unwrap())
        .count();
    assert_eq!(claimed, 1);
    assert!(
        ground
            .acme
            .claim_code("another", NOW.plus(HOUR))
            .await
            .unwrap()
    );
}

async fn counters_never_exceed_their_budgets(backend: Backend) {
    let ground = Ground::create(backend).await;
    let budget = |subject, most| Budget {
        subject,
        most,
        window: HOUR,
    };
    let (wide, narrow) = (budget("wide", 100), budget("narrow", 7));
    // Half of them name the budgets the other way round.
    let orders = [[wide, narrow], [narrow, wide]];
    let tries = (0..32).map(|number| ground.acme.spend(&orders[number % 2]));
    let mut left = HashSet::new();
    for (number, outcome) in join_all(tries).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Spent::Within { left: both } => {
                let (wide, narrow) = (both[number % 2], both[1 - number % 2]);
                assert_eq!(wide, narrow + 93);
                assert!(left.insert(narrow), "{narrow} was left twice");
            }
            Spent::Over { index, retry_after } => {
                assert_eq!(index, 1 - number % 2);
                assert_eq!(retry_after, HOUR);
            }
        }
    }
    assert_eq!(left, (0..7).collect());
    assert_eq!(ground.acme.peek(&narrow).await.unwrap(), 7);
    assert_eq!(ground.acme.peek(&wide).await.unwrap(), 7);
    ground.acme.refund(&[narrow]).await.unwrap();
    assert_eq!(ground.acme.peek(&narrow).await.unwrap(), 6);
    ground.acme.refund(&[budget("unused", 1)]).await.unwrap();
    assert_eq!(ground.acme.peek(&budget("unused", 1)).await.unwrap(), 0);
    let never = ground.acme.spend(&[budget("never", 0)]).await.unwrap();
    assert!(matches!(never, Spent::Over { index: 0, .. }), "{never:?}");
    ground.clock.advance(HOUR - Duration::from_secs(1));
    ground.acme.spend(&[narrow]).await.unwrap();
    let full = ground.acme.spend(&[wide, narrow]).await.unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(
        full,
        Spent::Over {
            index: 1,
            retry_after: second
        }
    );
    ground.clock.advance(second);
    let fresh = ground.acme.spend(&[narrow]).await.unwrap();
    assert_eq!(fresh, Spent::Within { left: vec![6] });
}

async fn a_decision_is_made_once_and_ends_sessions(backend: Backend) {
    use UserStatus::{Banned, Normal, Rejected};
    let ground = Ground::create(backend).await;
    let ada = user(&ground.acme, "ada").await.id;
    let moderator = user(&ground.acme, "moderator").await.id;
    let session = log_in(&ground.acme, ada, &[]).await.unwrap();
    let address = REQUESTER.ip();
    let decide = async |from: &[UserStatus], to, message| {
        let decided = ground
            .acme
            .decide(ada, from, to, message, moderator, address);
        decided.await.unwrap()
    };
    assert_eq!(decide(&[Banned], Rejected, None).await, None);
    let at_once = (0..4).map(|_| decide(&[Normal], Banned, Some("spam")));
    let decided: Vec<_> = join_all(at_once).await.into_iter().flatten().collect();
    let [banned] = &decided[..] else {
        panic!("{decided:?}");
    };
    assert_eq!(
        (banned.status, banned.refuse_message.as_deref()),
        (Banned, Some("spam"))
    );
    assert_eq!(
        ground.acme.find_user(ada).await.unwrap().as_ref(),
        Some(banned)
    );
    assert_eq!(ground.acme.find_session(session).await.unwrap(), None);
    let session = log_in(&ground.acme, ada, &[]).await.unwrap();
    let freed = decide(&[Banned], Normal, None).await.unwrap();
    assert_eq!((freed.status, freed.refuse_message), (Normal, None));
    assert!(ground.acme.find_session(session).await.unwrap().is_some());
    let lines = format!(
        "SELECT COUNT(*) AS number FROM tenant_audit_entries WHERE action = 'user.decide' AND actor = {moderator}
         AND subject = {ada}"
    );
    assert_eq!(ground.number(&lines).await, 2);
}

const EXPIRING: [&str; 5] = [
    "sessions",
    "proof_tokens",
    "sms_codes",
    "spent_codes",
    "counters",
];

async fn what_has_expired_goes(backend: Backend) {
    let ground = Ground::create(backend).await;
    let rows = async |table: &str| {
        let query = format!("SELECT COUNT(*) AS number FROM {table}");
        ground.number(&query).await
    };
    fill(&ground.acme).await;
    ground.clock.advance(HOUR - Duration::from_secs(1));
    ground.acme.delete_expired().await.unwrap();
    for table in EXPIRING {
        assert_eq!(rows(table).await, 1, "{table}");
    }
    ground.clock.advance(Duration::from_secs(1));
    ground.bolt.delete_expired().await.unwrap();
    for table in EXPIRING {
        assert_eq!(rows(table).await, 1, "{table} of another tenant");
    }
    ground.acme.delete_expired().await.unwrap();
    for table in EXPIRING {
        assert_eq!(rows(table).await, 0, "{table}");
    }
}

const COUNTED: Budget<'_> = Budget {
    subject: "counted",
    most: 9,
    window: HOUR,
};

/// One row in every table, each good for an hour.
async fn fill(db: &TenantDb) -> (User, SessionId) {
    let mut proofs = phone_proof(&phone(1), None).to_vec();
    proofs.extend(proof(&wechat("app", "o", Some("u")), false));
    let ada = user(db, "ada").await;
    let session = log_in(db, ada.id, &proofs).await.expect("a session");
    put_token(db, "token", ProofScope::Mobile).await;
    let until = NOW.plus(HOUR);
    db.put_sms_code(&phone(1), SmsPurpose::Login, "code", until)
        .await
        .expect("a code");
    assert!(db.claim_code("js", until).await.expect("an answer"));
    let spent = db.spend(&[COUNTED]).await.expect("an answer");
    assert_eq!(spent, Spent::Within { left: vec![8] });
    db.add_tenant_audit(Some(ada.id), "test.fill", None, "{}", REQUESTER.ip())
        .await
        .expect("a line");
    (
        db.find_user(ada.id).await.expect("an answer").expect("ada"),
        session,
    )
}

async fn no_method_sees_another_tenants_rows(backend: Backend) {
    let ground = Ground::create(backend).await;
    let (ada, session) = fill(&ground.acme).await;
    // Every question and every change of the neighbour's meets nothing.
    let bolt = &ground.bolt;
    let number = phone(1);
    let same = wechat("app", "o", Some("u"));
    let next = NewSession {
        id: session,
        token_hash: "stolen".to_owned(),
        expires_at: NOW.plus(HOUR),
    };
    let mobile = ProofScope::Mobile;
    assert_eq!(bolt.find_user(ada.id).await.unwrap(), None);
    assert_eq!(bolt.find_user_by_phone(&number).await.unwrap(), None);
    for name in [LoginName::Name("ada"), LoginName::Phone(&number)] {
        assert!(bolt.find_login(&[name]).await.unwrap().is_none());
    }
    assert!(
        !bolt
            .replace_password_hash(ada.id, Some("hash"), "x")
            .await
            .unwrap()
    );
    assert_eq!(bolt.count_users(None).await.unwrap(), 0);
    assert_eq!(bolt.list_users_page(None, 0, 9).await.unwrap(), []);
    assert_eq!(bolt.find_session(session).await.unwrap(), None);
    bolt.confirm_session(session, 1).await.unwrap();
    assert_eq!(
        bolt.rotate_session(session, "hash", &next).await.unwrap(),
        Rotation::Gone
    );
    assert!(!bolt.end_session(session).await.unwrap());
    assert_eq!(bolt.end_sessions_of(ada.id).await.unwrap(), 0);
    assert_eq!(bolt.find_wechat_owner(&same).await.unwrap(), None);
    assert_eq!(bolt.find_union_id(ada.id).await.unwrap(), None);
    assert_eq!(
        bolt.find_proof_token("token", &[mobile]).await.unwrap(),
        None
    );
    assert!(
        !bolt
            .update_proof_token("token", mobile, "x", None)
            .await
            .unwrap()
    );
    assert_eq!(bolt.take_proof_token("token", mobile).await.unwrap(), None);
    let judged = bolt
        .judge_sms_code(&number, SmsPurpose::Login, "code", 5)
        .await;
    assert_eq!(judged.unwrap(), CodeJudged::Dead);
    bolt.refund(&[COUNTED]).await.unwrap();
    assert_eq!(bolt.peek(&COUNTED).await.unwrap(), 0);
    let (from, to) = (UserStatus::Normal, UserStatus::Banned);
    let address = REQUESTER.ip();
    let decided = bolt
        .decide(ada.id, &[from], to, None, ada.id, address)
        .await;
    assert_eq!(decided.unwrap(), None);
    // The neighbour may have the same name, number, person, token and code of its own.
    let (other, _) = fill(bolt).await;
    assert_eq!(bolt.count_users(Some(from)).await.unwrap(), 1);
    assert!(bolt.end_sessions_of(other.id).await.unwrap() == 1);

    // At the right tenant everything is as it was, and each method works.
    let acme = &ground.acme;
    assert_eq!(acme.find_user(ada.id).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(
        acme.find_user_by_phone(&number).await.unwrap().as_ref(),
        Some(&ada)
    );
    for name in [LoginName::Name("ada"), LoginName::Phone(&number)] {
        let login = acme
            .find_login(&[LoginName::Name("nobody"), name])
            .await
            .unwrap();
        assert_eq!(login.map(|login| login.user).as_ref(), Some(&ada));
    }
    assert!(!acme.replace_password_hash(ada.id, None, "x").await.unwrap());
    assert!(
        acme.replace_password_hash(ada.id, Some("hash"), "x")
            .await
            .unwrap()
    );
    assert_eq!(acme.count_users(None).await.unwrap(), 1);
    assert_eq!(
        acme.list_users_page(Some(from), 0, 9).await.unwrap(),
        std::slice::from_ref(&ada)
    );
    assert_eq!(acme.list_users_page(None, 1, 9).await.unwrap(), []);
    let found = acme.find_session(session).await.unwrap().unwrap();
    assert_eq!(
        (&found.user, found.generation, found.confirmed),
        (&ada, 1, false)
    );
    acme.confirm_session(session, 1).await.unwrap();
    let rotated = acme.rotate_session(session, "hash", &next).await.unwrap();
    assert_eq!(rotated, Rotation::Rotated { generation: 2 });
    assert_eq!(acme.find_wechat_owner(&same).await.unwrap(), Some(ada.id));
    assert_eq!(
        acme.find_union_id(ada.id).await.unwrap().as_deref(),
        Some("u")
    );
    let found = acme
        .find_proof_token("token", &[mobile])
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.payload.as_str(), found.user), ("{}", None));
    let changed = acme
        .update_proof_token("token", mobile, "[1]", Some(ada.id))
        .await;
    assert!(changed.unwrap());
    let taken = acme
        .take_proof_token("token", mobile)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((taken.payload.as_str(), taken.user), ("[1]", Some(ada.id)));
    let judged = acme
        .judge_sms_code(&number, SmsPurpose::Login, "code", 5)
        .await;
    assert_eq!(judged.unwrap(), CodeJudged::Right);
    assert!(!acme.claim_code("js", NOW.plus(HOUR)).await.unwrap());
    assert_eq!(acme.peek(&COUNTED).await.unwrap(), 1);
    let decided = acme
        .decide(ada.id, &[from], to, None, ada.id, address)
        .await;
    assert_eq!(decided.unwrap().map(|user| user.status), Some(to));
    assert_eq!(acme.find_session(session).await.unwrap(), None);
}
