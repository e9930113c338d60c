//! Registrations one after another from several clients, as long as it takes, with a log of what was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::client::Request;
use super::ground::ada;
use super::wait::until;

/// Clients of one load.
const CLIENTS: usize = 4;

/// One call and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The name asked for; no two calls ask for the same.
    pub(crate) username: String,
    /// Whether it brought the load's invite code.
    pub(crate) invited: bool,
    /// Whether all of it was sent before [`Load::mark`].
    pub(crate) before_mark: bool,
    /// The status of the answer, or why there was none.
    pub(crate) outcome: Result<u16, String>,
}

impl Call {
    /// Whether the server said that the account exists.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.outcome == Ok(200)
    }
}

/// A running load on one tenant.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<Call>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    marked: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Load {
    /// Starts it. Every second call brings the invite code, if there is one. `prefix` keeps the names of several loads
    /// apart; it may have five characters.
    pub(crate) fn start(to: SocketAddr, tenant: &str, prefix: &str, code: Option<&str>) -> Self {
        let shared = Arc::new(Shared::default());
        let clients = (0..CLIENTS)
            .map(|client| {
                let shared = Arc::clone(&shared);
                let (tenant, code) = (tenant.to_owned(), code.map(str::to_owned));
                let prefix = format!("{prefix}c{client}n");
                tokio::spawn(async move { run(to, tenant, prefix, code, shared).await })
            })
            .collect();
        Self { shared, clients }
    }

    /// Waits until this many accounts have been acknowledged.
    pub(crate) async fn acknowledged(&self, count: usize) {
        until("enough accounts acknowledged", async || {
            let so_far = self.shared.acknowledged.load(Ordering::SeqCst);
            (so_far >= count).then_some(())
        })
        .await;
    }

    /// How many accounts have been acknowledged so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Marks this moment: calls know whether they were sent before it.
    pub(crate) fn mark(&self) {
        self.shared.marked.store(true, Ordering::SeqCst);
    }

    /// Ends it and gives every call made.
    pub(crate) async fn end(self) -> Vec<Call> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut calls = Vec::new();
        for client in self.clients {
            calls.extend(client.await.expect("a client runs to its end"));
        }
        calls
    }
}

async fn run(
    to: SocketAddr,
    tenant: String,
    prefix: String,
    code: Option<String>,
    shared: Arc<Shared>,
) -> Vec<Call> {
    let mut calls = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        let number = calls.len();
        let username = format!("{prefix}{number}");
        let mut attributes = ada(&username);
        let code = code.as_ref().filter(|_| number.is_multiple_of(2));
        if let Some(code) = code {
            attributes["code"] = code.clone().into();
        }
        let begun = Request::register(&tenant, attributes).begin(to).await;
        let before_mark = begun.is_ok() && !shared.marked.load(Ordering::SeqCst);
        let answer = match begun {
            Ok(begun) => begun.answer().await,
            Err(error) => Err(error),
        };
        let call = Call {
            username,
            invited: code.is_some(),
            before_mark,
            outcome: answer
                .map(|answer| answer.status)
                .map_err(|error| error.to_string()),
        };
        if call.is_acknowledged() {
            shared.acknowledged.fetch_add(1, Ordering::SeqCst);
        } else {
            // The server asks for patience, or is gone: no need to storm it.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        calls.push(call);
    }
    calls
}
