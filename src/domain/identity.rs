//! Who somebody is elsewhere: a WeChat account, as WeChat's own server told it.

use serde::{Deserialize, Serialize};

/// A WeChat account as one WeChat app knows it (`docs/contract.md`, section 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WechatIdentity {
    /// The app that asked; an `open_id` means nothing without it.
    pub app_id: String,
    /// The account's name at that app.
    pub open_id: String,
    /// The account's name at all apps of one owner, where WeChat tells it.
    pub union_id: Option<String>,
    /// What the account shows of itself; decides nothing.
    pub profile: WechatProfile,
}

/// What a WeChat account shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WechatProfile {
    /// The shown name.
    pub nickname: String,
    /// Address of the picture.
    pub avatar_url: String,
    /// 1 male, 2 female, 0 unknown.
    pub sex: i16,
    /// The province as WeChat writes it.
    pub province: String,
    /// The city as WeChat writes it.
    pub city: String,
    /// The country as WeChat writes it.
    pub country: String,
}
