//! The two listeners.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpServer, middleware};

use super::admin::Operators;
use super::console::Console;
use super::cors::cors;
use super::guard::{Guard, guard};
use super::health::Readiness;
use super::routes;
use super::settings::HttpSettings;
use super::site::Site;
use crate::admin::Admin;
use crate::clock::Clock;
use crate::telemetry::{History, Metrics};
use crate::tenant::directory::Directory;

pub use super::guard::Guard as ListenerGuard;
pub use super::health::Readiness as ReadinessVerdict;

/// Gives a server the bounds that both listeners share. Signals are the process's own business. (A macro, because the
/// type of an `App` behind a middleware cannot be named.)
macro_rules! bounded {
    ($server:expr, $settings:expr) => {
        $server
            .disable_signals()
            .backlog(2048)
            .max_connections($settings.max_connections)
            .keep_alive(Duration::from_millis($settings.keep_alive_ms))
            .client_request_timeout(Duration::from_millis($settings.head_timeout_ms))
            .client_disconnect_timeout(Duration::from_secs(2))
            .shutdown_timeout(1)
    };
}

/// Opens a listening socket; its address tells the port when 0 was asked for.
///
/// # Errors
/// When the address is in use or not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The public listener: registration, what clients read before it, and keys.
///
/// # Errors
/// When the socket cannot be used.
pub fn public(
    listener: TcpListener,
    settings: &Arc<HttpSettings>,
    directory: Directory,
    clock: Clock,
    listener_guard: Guard,
) -> io::Result<Server> {
    let site = Data::new(Site {
        directory,
        settings: Arc::clone(settings),
        clock,
    });
    let listener_guard = Data::new(listener_guard);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(site.clone())
            .app_data(listener_guard.clone())
            .wrap(middleware::from_fn(cors))
            .wrap(middleware::from_fn(guard))
            .configure(routes::public)
    });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if settings.workers == 0 {
        cores
    } else {
        settings.workers
    };
    bounded!(server, settings)
        .workers(workers)
        .listen(listener)
        .map(HttpServer::run)
}

/// The operators' listener: admin API, console, metrics, health. One worker is plenty, and keeps it apart from the public's load.
///
/// # Errors
/// When the socket cannot be used.
pub fn operators(
    listener: TcpListener,
    settings: &Arc<HttpSettings>,
    admin: Admin,
    readiness: Readiness,
    (metrics, history): (Metrics, History),
    public_url: String,
    listener_guard: Guard,
) -> io::Result<Server> {
    let operators = Data::new(Operators {
        admin,
        settings: Arc::clone(settings),
        streams: Default::default(),
    });
    let console = Data::new(Console {
        operators: operators.clone(),
        metrics: metrics.clone(),
        history,
        public_url,
    });
    let readiness = Data::new(readiness);
    let metrics = Data::new(metrics);
    let listener_guard = Data::new(listener_guard);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(operators.clone())
            .app_data(console.clone())
            .app_data(readiness.clone())
            .app_data(metrics.clone())
            .app_data(listener_guard.clone())
            .wrap(middleware::from_fn(guard))
            .configure(routes::operators)
    });
    bounded!(server, settings)
        .workers(1)
        .listen(listener)
        .map(HttpServer::run)
}
