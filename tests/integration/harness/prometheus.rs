//! A real Prometheus, and promtool; `scripts/prometheus` names both in the environment.

use std::path::PathBuf;

/// The program that a variable names; `None` when `--quick` left it out.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).map(PathBuf::from);
    let quick = std::env::var_os("ENROLL_TEST_QUICK").is_some_and(|value| value == "1");
    assert!(
        value.is_some() || quick,
        "{variable} is not set: run the tests by scripts/test"
    );
    value
}
