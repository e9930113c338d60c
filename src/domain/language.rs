//! The languages that messages come in.

use serde::{Deserialize, Serialize};

/// A language of the message pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// Simplified Chinese, the contract's own texts.
    #[default]
    #[serde(rename = "zh-CN")]
    SimplifiedChinese,
    /// English.
    #[serde(rename = "en")]
    English,
}
