//! The two ways a tenant may speak on the wire.

use serde::{Deserialize, Serialize};

/// How answers are shaped and which lenient cases are kept (`docs/contract.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// The published documentation, kept strictly.
    #[default]
    Standard,
    /// What the existing front ends of a Discuz! Q site expect.
    Discuzq,
}
