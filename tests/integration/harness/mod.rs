//! What the cases share. A typical case:
//!
//! ```ignore
//! on_all_databases!(a_name_is_taken_once);
//!
//! async fn a_name_is_taken_once(backend: Backend) {
//!     let database = TestDatabase::create(backend).await;
//!     let server = Server::start(ServerOptions::new().database("shared", &database)).await;
//!     tenants::create_tenant(&server, "acme", Placement::Shared("shared"), json!({})).await;
//!     let answer = client::register(&server, "acme", json!({"username": "ada", "password": "correct horse"})).await;
//!     assert_eq!(answer.status, 200);
//! }
//! ```
//!
//! Declare a database before the server that uses it: Rust drops in reverse order, so the server ends first.
#![allow(
    dead_code,
    reason = "a tool is kept whole, whichever part of it the present cases use"
)]

#[macro_use]
pub(crate) mod database;
pub(crate) mod balancer;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod command;
pub(crate) mod dashboard;
pub(crate) mod demo;
pub(crate) mod ground;
pub(crate) mod load;
pub(crate) mod members;
pub(crate) mod neighbours;
pub(crate) mod openapi;
pub(crate) mod pressure;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod simulator;
pub(crate) mod tenants;
pub(crate) mod wait;
