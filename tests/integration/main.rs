//! The one integration binary: it drives the real `enroll` program from outside.
//!
//! `harness` starts servers, makes databases and speaks HTTP; `cases` holds the tests, one file per behaviour. Run it by
//! `scripts/test`, which starts the databases that it needs.
#![allow(
    clippy::large_futures,
    reason = "a test awaits each of its futures once"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the whole binary is a test: it may stop at the first surprise, and speaks to who reads its output"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests watch a real program, in real time, with addresses from the environment"
)]

#[macro_use]
mod harness;
mod cases;
