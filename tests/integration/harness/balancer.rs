//! A small load balancer: each connection goes to the next server that says it is ready, as a service of Kubernetes or a
//! proxy with health checks does it. A connection that a server does not take goes to another one; what was sent once is
//! never sent again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::client::Request;
use super::server::Server;

/// How often each server is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(50);
/// Attempts to find a server that takes a connection, each a little later.
const ATTEMPTS: u32 = 200;

/// A balancer on a port of its own.
pub(crate) struct Balancer {
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    servers: Mutex<Vec<Target>>,
    turn: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Target {
    public: SocketAddr,
    admin: SocketAddr,
    ready: bool,
}

impl Shared {
    fn targets(&self) -> Vec<Target> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.clone()
    }

    /// The next server's address, if any is ready.
    fn next(&self) -> Option<SocketAddr> {
        let ready: Vec<_> = self.targets().into_iter().filter(|one| one.ready).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ready
            .get(turn.checked_rem(ready.len())?)
            .map(|one| one.public)
    }

    fn note(&self, admin: SocketAddr, ready: bool) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        for server in servers.iter_mut().filter(|one| one.admin == admin) {
            server.ready = ready;
        }
    }
}

impl Balancer {
    /// A balancer in front of nobody yet.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            servers: Mutex::new(Vec::new()),
            turn: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        let all = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(forward(client, Arc::clone(&all)));
                while connections.try_join_next().is_some() {}
            }
        });
        let all = Arc::clone(&shared);
        tasks.spawn(async move {
            loop {
                for server in all.targets() {
                    let answer = Request::new("GET", "/readyz").try_send(server.admin).await;
                    let ready = answer.is_ok_and(|answer| answer.status == 200);
                    all.note(server.admin, ready);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// Puts a server in the place of the one at `index`, or at the end.
    pub(crate) fn put(&self, index: usize, server: &Server) {
        let target = Target {
            public: server.public(),
            admin: server.admin(),
            ready: false,
        };
        let servers = &self.shared.servers;
        let mut servers = servers.lock().unwrap_or_else(PoisonError::into_inner);
        match servers.get_mut(index) {
            Some(place) => *place = target,
            None => servers.push(target),
        }
    }

    /// How many servers are ready.
    pub(crate) fn ready(&self) -> usize {
        let targets = self.shared.targets();
        targets.iter().filter(|one| one.ready).count()
    }
}

async fn forward(mut client: TcpStream, shared: Arc<Shared>) {
    for _ in 0..ATTEMPTS {
        if let Some(address) = shared.next()
            && let Ok(mut server) = TcpStream::connect(address).await
        {
            // Whoever is cut here sees it as the end of the connection, and the test counts it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
