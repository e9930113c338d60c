//! Everything that knows HTTP: listeners, routes, documents, status codes and the contract's texts.
//!
//! Taken: one table of refusals ([`error_document`]) and one pack of texts ([`messages`]); handlers answer with values of
//! the rooms below and know neither. Refused: statuses chosen where a fault arises. May import every room below; nothing
//! below knows actix-web.
//!
//! Invariants: every answer that is no success is an error document; none holds an internal text; no request is read or
//! served longer than its deadline.

pub mod admin;
mod answer;
mod body;
mod calls;
mod console;
mod cors;
pub mod error_document;
mod forum;
mod guard;
mod health;
mod hosted;
mod html;
mod invites;
mod jwks;
pub mod language;
mod login;
pub mod messages;
mod metrics;
mod mini_program;
pub mod naming;
mod openapi;
mod pc_scan;
mod refresh_token;
mod register;
pub mod requester;
mod routes;
pub mod server;
pub mod settings;
mod site;
mod sms;
mod users;
mod wechat;
pub mod wire;
