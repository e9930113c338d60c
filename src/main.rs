//! The `enroll` command.

fn main() {}
