//! How the process stops: not ready, finish what was accepted, drain the actors, leave. A second signal ends it at once.

use std::io;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::http::server::ListenerGuard;

/// The signals that ask the process to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to listen for SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the system takes no handler.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// From now on the next signal ends the process, whatever it is doing.
    pub fn end_at_once(mut self) {
        actix::spawn(async move {
            self.next().await;
            tracing::warn!("second signal: ending at once");
            std::process::exit(130);
        });
    }
}

/// For how long no request may be seen before a listener counts as quiet: requests that were on the wire when accepting
/// stopped have arrived by then.
const QUIET: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(10);

/// Stops accepting, lets requests at work finish for at most `grace`, then closes what is left. Every answer meanwhile
/// closes its connection; connections on which nobody asks anything are not waited for.
pub async fn drain_listener(
    server: &ServerHandle,
    guard: &ListenerGuard,
    grace: Duration,
    clock: &Clock,
) {
    guard.close_connections();
    server.pause().await;
    let begun = clock.monotonic();
    let mut quiet_since = begun;
    loop {
        let now = clock.monotonic();
        let left = guard.in_flight();
        if left > 0 {
            quiet_since = now;
        }
        if now.duration_since(quiet_since) >= QUIET {
            break;
        }
        if now.duration_since(begun) >= grace {
            tracing::warn!(left, "requests at work did not finish in time and are cut");
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    server.stop(false).await;
}
