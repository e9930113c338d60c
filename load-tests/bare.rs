//! A bare actix-web POST handler, for `load-tests/run`: what this machine and this HTTP server can do with nothing behind
//! them. It has the workers and the limits of enroll's public listener, reads a body as JSON, and answers a fixed document.

use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use actix_web::rt::System;
use actix_web::web::{self, Json};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::Value;

const ANSWER: &str =
    r#"{"errors":[{"status":"404","code":"tenant_not_found","detail":["No such site."]}]}"#;

async fn answer(_: Json<Value>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(ANSWER)
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let server = HttpServer::new(|| App::new().route("/", web::post().to(answer)))
        .backlog(2048)
        .max_connections(10_000)
        .keep_alive(Duration::from_secs(15))
        .client_request_timeout(Duration::from_secs(5))
        .workers(workers)
        .listen(listener)?;
    System::new().block_on(server.run())
}
