//! Believable WeChat, SMS and captcha servers on one loopback port, for the demo, the tests and the load lab.
//!
//! Vendors' paths, parameters, checks and answers are theirs (WeChat Official Account and Mini Program documentation,
//! Tencent Cloud API 3.0, Aliyun OpenAPI, Cloudflare Turnstile, hCaptcha); what lies under `/control` is ours and lets a
//! test make people and codes, read sent messages and turn a vendor slow, failing or lying (`docs/simulator.md`).
//!
//! Taken: one process-wide [`world::World`] behind a mutex, all in memory and bounded, which forgets the oldest first.
//! Refused: state on disk, and canned answers, which would let a client pass that signs wrongly or spends a code twice.
//! Invariant: it listens on loopback only, because its accounts are public.
//!
//! It may import `domain` and `clock`; only `cli` may import it.

pub mod accounts;
mod bounded;
mod captcha;
mod control;
mod modes;
mod routes;
mod signature;
mod sms;
mod user_data;
mod wechat;
mod wire;
mod world;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio::task::JoinHandle;

use crate::clock::{Clock, Entropy};
use world::World;

/// How long [`Simulator::stop`] lets calls at work finish.
const GRACE: Duration = Duration::from_secs(1);

/// A running simulator. It serves until [`Simulator::stop`], or until the runtime that started it ends.
pub struct Simulator {
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<io::Result<()>>,
}

impl Simulator {
    /// Listens and begins to serve. Must be called on a Tokio runtime; port 0 lets the system choose.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when the address is not a loopback address; else what the system says about it.
    pub fn start(listen: SocketAddr, clock: Clock, entropy: Entropy) -> io::Result<Self> {
        if !listen.ip().is_loopback() {
            let text = format!("{listen}: the simulator listens on loopback addresses only");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let world = Data::new(World::new(clock, entropy));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(world.clone())
                .configure(routes::configure)
        })
        .disable_signals()
        .workers(1)
        .max_connections(4096)
        .client_request_timeout(Duration::from_secs(5))
        .client_disconnect_timeout(GRACE)
        .shutdown_timeout(GRACE.as_secs())
        .listen(listener)?
        .run();
        let handle = server.handle();
        let serving = tokio::spawn(server);
        Ok(Self {
            address,
            handle,
            serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets calls at work finish for at most a second, and ends.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        // The server has said that it stopped; a panic in it has nobody left to tell.
        let _ = self.serving.await;
    }
}
