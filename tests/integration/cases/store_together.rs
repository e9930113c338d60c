//! What the store does for many callers at one moment: look-ups that share a query, accounts that share a commit.

use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use enroll::domain::ids::SessionId;
use enroll::store::error::StoreError;
use enroll::store::registration::{NewAccount, NotMade};
use enroll::store::tenant_db::TenantDb;

use super::store::{Ground, account, session, user, username};
use crate::harness::database::Backend;

on_all_databases!(
    look_ups_at_once_share_queries_and_each_gets_its_own,
    a_look_up_sees_what_was_committed_before_it,
    callers_who_leave_hold_up_nobody,
    a_corrupt_row_spoils_its_own_look_up_alone,
    accounts_made_at_once_are_whole_or_not_there,
);

const CALLERS: usize = 96;

async fn logged_in(db: &TenantDb, name: &str) -> SessionId {
    let new = session("hash");
    let name = username(name);
    let account = NewAccount {
        session: Some(&new),
        ..account(&name, &[])
    };
    db.create_account(&account).await.expect("an account");
    new.id
}

/// How many operations of this name went to a database.
fn operations(ground: &Ground, name: &str) -> u64 {
    let text = ground.metrics.encode().expect("metrics");
    let series = format!("enroll_database_operation_seconds_count{{operation=\"{name}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.map_or(0, |number| number.parse().expect("a number"))
}

async fn look_ups_at_once_share_queries_and_each_gets_its_own(backend: Backend) {
    let ground = Ground::create(backend).await;
    let mut sessions = Vec::new();
    for number in 0..16 {
        sessions.push(logged_in(&ground.acme, &format!("user{number}")).await);
    }
    let before = operations(&ground, "name_is_taken");
    let names: Vec<_> = (0..CALLERS)
        .map(|number| username(&format!("user{}", number % 32)))
        .collect();
    let taken = names.iter().map(|name| ground.acme.name_is_taken(name));
    let asked = (0..CALLERS).map(|number| sessions[number % 16]);
    let found = asked.clone().map(|id| ground.acme.find_session(id));
    let (taken, found) = join(join_all(taken), join_all(found)).await;
    for (number, taken) in taken.into_iter().enumerate() {
        assert_eq!(taken.expect("an answer"), number % 32 < 16, "{number}");
    }
    for (id, found) in asked.zip(found) {
        assert_eq!(found.expect("an answer").expect("a session").id, id);
    }
    // One that was at work when the others came, and one for all of these.
    assert!(operations(&ground, "name_is_taken") - before <= 3);
    assert!(operations(&ground, "find_session") <= 3);
    // The neighbour on the same connections has none of them.
    let elsewhere = ground.bolt.find_session(sessions[0]).await;
    assert_eq!(elsewhere.expect("an answer"), None);
}

async fn a_look_up_sees_what_was_committed_before_it(backend: Backend) {
    let ground = Ground::create(backend).await;
    let other = username("somebody");
    let noise = async {
        for _ in 0..100 {
            ground.acme.name_is_taken(&other).await.expect("an answer");
        }
    };
    let steps = async {
        for number in 0..20 {
            let name = username(&format!("user{number}"));
            assert!(!ground.acme.name_is_taken(&name).await.expect("an answer"));
            let id = logged_in(&ground.acme, &format!("user{number}")).await;
            assert!(ground.acme.name_is_taken(&name).await.expect("an answer"));
            let found = ground.acme.find_session(id).await.expect("an answer");
            assert!(found.is_some());
            ground.acme.end_session(id).await.expect("an end");
            let found = ground.acme.find_session(id).await.expect("an answer");
            assert_eq!(found, None);
        }
    };
    join(noise, steps).await;
}

async fn callers_who_leave_hold_up_nobody(backend: Backend) {
    let ground = Ground::create(backend).await;
    let id = logged_in(&ground.acme, "ada").await;
    for polls in 0..12 {
        let mut leaving: Vec<_> = (0..4)
            .map(|_| Box::pin(ground.acme.find_session(id).fuse()))
            .collect();
        for _ in 0..polls {
            for caller in &mut leaving {
                let _ = futures_util::poll!(caller);
            }
            tokio::task::yield_now().await;
        }
        drop(leaving);
        let found = ground.acme.find_session(id).await.expect("an answer");
        assert!(found.is_some());
    }
}

async fn a_corrupt_row_spoils_its_own_look_up_alone(backend: Backend) {
    let ground = Ground::create(backend).await;
    let good = logged_in(&ground.acme, "ada").await;
    let bad = logged_in(&ground.acme, "bob").await;
    ground
        .execute("UPDATE users SET status = 77 WHERE username = 'bob'")
        .await;
    let asked = [good, bad, good, bad, good, bad];
    let found = join_all(asked.iter().map(|id| ground.acme.find_session(*id))).await;
    for (id, found) in asked.iter().zip(found) {
        match found {
            Ok(found) => assert_eq!(found.expect("a session").id, good),
            Err(error) => {
                assert_eq!(*id, bad);
                assert!(matches!(error, StoreError::Corrupt("users.status")));
            }
        }
    }
}

async fn accounts_made_at_once_are_whole_or_not_there(backend: Backend) {
    let ground = Ground::create(backend).await;
    user(&ground.acme, "user0").await;
    // Each name is wanted by three, and the first is taken already.
    let wanted: Vec<_> = (0..CALLERS)
        .map(|number| (username(&format!("user{}", number / 3)), session("hash")))
        .collect();
    let made = join_all(wanted.iter().map(async |(name, session)| {
        let account = NewAccount {
            session: Some(session),
            ..account(name, &[])
        };
        ground.acme.create_account(&account).await
    }))
    .await;
    let mut losers = 0;
    for ((_, session), made) in wanted.iter().zip(&made) {
        let found = ground.acme.find_session(session.id).await;
        let found = found.expect("an answer").map(|found| found.user.id);
        match made {
            Ok(user) => assert_eq!(found, Some(user.id)),
            Err(error) => {
                assert!(matches!(error, NotMade::NameTaken), "{error:?}");
                assert_eq!(found, None);
                losers += 1;
            }
        }
    }
    let names = i64::try_from(CALLERS / 3).expect("a number");
    assert_eq!(losers, names * 2 + 1);
    let count = async |table| {
        let query = format!(
            "SELECT CAST(COUNT(*) AS {}) AS number FROM {table}",
            integer(backend)
        );
        ground.number(&query).await
    };
    assert_eq!(count("users").await, names);
    assert_eq!(count("sessions").await, names - 1);
}

/// What the database calls a number of 64 bits in a cast.
fn integer(backend: Backend) -> &'static str {
    match backend {
        Backend::Mysql => "SIGNED",
        Backend::Sqlite | Backend::Postgres => "BIGINT",
    }
}
