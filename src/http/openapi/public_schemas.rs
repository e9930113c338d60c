//! Shapes of the public listener's documents, in the `standard` dialect (`docs/contract.md`). As in [`super::schemas`],
//! for the description alone.

#![allow(dead_code, reason = "read by the macro that makes schemas, never made")]

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A request's attributes in the envelope of JSON:API; its `type` means nothing.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Call<A: ToSchema> {
    data: CallData<A>,
}

/// The envelope's inside.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct CallData<A: ToSchema> {
    attributes: A,
}

/// A registration. What is not named here is dropped.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Registration {
    /// 1 to 15 characters, without spaces and signs; optional where the tenant's method makes one.
    username: Option<String>,
    password: Option<String>,
    /// Needed where the tenant asks for it.
    register_reason: Option<String>,
    /// An invite code.
    code: Option<String>,
    /// From WeChat's page, for an account that is to be bound.
    token: Option<String>,
    /// From `POST /api/sms/verify`, for a phone number that is to be bound.
    #[serde(rename = "mobileToken")]
    mobile_token: Option<String>,
    /// From a mini program, together with `iv` and `encryptedData`.
    js_code: Option<String>,
    iv: Option<String>,
    #[serde(rename = "encryptedData")]
    encrypted_data: Option<String>,
    /// Whether a WeChat account that another user has is to move here.
    rebind: Option<Value>,
    captcha_ticket: Option<String>,
    captcha_rand_str: Option<String>,
}

/// A login by name or phone number.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Login {
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    #[serde(rename = "mobileToken")]
    mobile_token: Option<String>,
    js_code: Option<String>,
    iv: Option<String>,
    #[serde(rename = "encryptedData")]
    encrypted_data: Option<String>,
    rebind: Option<Value>,
}

/// A refresh token to trade in.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Refresh {
    refresh_token: Option<String>,
}

/// A decision about an account.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Decision {
    /// A whole number, or its digits.
    status: Option<Value>,
    refuse_message: Option<String>,
}

/// Decisions about several accounts, each with the user's `id`.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Decisions {
    #[schema(min_items = 1, max_items = 100)]
    data: Vec<CallData<DecisionOfOne>>,
}

/// A decision about one account of several.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DecisionOfOne {
    id: Option<Value>,
    status: Option<Value>,
    /// A text; what cannot stand in one decision is told in its outcome.
    refuse_message: Option<Value>,
}

/// An invite to issue.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct NewInvite {
    /// A group of the tenant, by its number or the digits of it.
    group_id: Option<Value>,
}

/// A code to send.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SmsSend {
    mobile: Option<String>,
    /// `login`, `bind`, `rebind`, `reset_pwd` or `verify`.
    r#type: Option<String>,
    captcha_ticket: Option<String>,
    captcha_rand_str: Option<String>,
}

/// A code to check.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SmsVerify {
    mobile: Option<String>,
    /// Its digits, or the number.
    code: Option<Value>,
    r#type: Option<String>,
    register: Option<Value>,
    #[serde(rename = "inviteCode")]
    invite_code: Option<String>,
    password: Option<String>,
    token: Option<String>,
    js_code: Option<String>,
    iv: Option<String>,
    #[serde(rename = "encryptedData")]
    encrypted_data: Option<String>,
    rebind: Option<Value>,
}

/// What a mini program hands its user.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct MiniProgram {
    js_code: Option<String>,
    iv: Option<String>,
    #[serde(rename = "encryptedData")]
    encrypted_data: Option<String>,
    register: Option<Value>,
    /// An invite code.
    code: Option<String>,
    rebind: Option<Value>,
}

/// Tokens, and whose they are.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TokenDocument {
    data: TokenResource,
    /// After a registration or a login: the user.
    #[schema(nullable = false)]
    included: Option<Vec<UserResource>>,
}

/// Tokens as a resource.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TokenResource {
    r#type: TokenType,
    /// The user's number.
    id: String,
    attributes: TokenAttributes,
    #[schema(required = false, nullable = false, value_type = Object)]
    relationships: Option<Value>,
}

/// The type of tokens.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum TokenType {
    #[serde(rename = "token")]
    It,
}

/// An access token (RFC 6750) and the token that renews it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TokenAttributes {
    token_type: String,
    /// Seconds.
    #[schema(minimum = 0)]
    expires_in: u64,
    access_token: String,
    refresh_token: String,
}

/// A user, with what the caller may see.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UserResource {
    r#type: UsersType,
    id: String,
    attributes: UserAttributes,
    #[schema(required = false, nullable = false, value_type = Object)]
    relationships: Option<Value>,
}

/// The type of users.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum UsersType {
    #[serde(rename = "users")]
    It,
}

/// What is shown of a user. `docs/contract.md`, section 10.5, lists all of it.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct UserAttributes {
    username: String,
    #[serde(rename = "createdAt")]
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(rename = "updatedAt")]
    #[schema(format = DateTime)]
    updated_at: String,
}

/// One user, and what was asked to come along.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UserDocument {
    data: UserResource,
    #[schema(nullable = false)]
    included: Option<Vec<Included>>,
}

/// A resource that came along.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Included {
    r#type: String,
    id: String,
    #[schema(value_type = Object)]
    attributes: Value,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Users {
    data: Vec<UserResource>,
    meta: PageMeta,
}

/// How long the list is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PageMeta {
    total: u64,
    #[serde(rename = "pageCount")]
    page_count: u64,
}

/// What came of each decision: `succeed`, and `error` where it did not.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Decided {
    data: Vec<Included>,
}

/// An invite, or the member whose number the code is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct InviteDocument {
    data: InviteResource,
    included: Vec<Included>,
}

/// An invite as members see it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct InviteResource {
    r#type: String,
    id: String,
    #[schema(value_type = Object)]
    attributes: Value,
    #[schema(required = false, nullable = false, value_type = Object)]
    relationships: Option<Value>,
}

/// A page of the caller's invites.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Invites {
    data: Vec<InviteResource>,
    meta: PageMeta,
}

/// The caller's own number, which is a code too.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OwnNumber {
    data: OwnNumberData,
}

/// The number.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OwnNumberData {
    r#type: String,
    code: i64,
}

/// When the next code may be sent.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SmsSent {
    data: Included,
}

/// Tokens, or the account that the code was for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum SmsOutcome {
    Tokens(TokenDocument),
    Account(UserDocument),
}

/// What a client must know before it shows a form.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Forum {
    data: Included,
}

/// A picture to scan, and the token to ask after it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Qrcode {
    data: Included,
}

/// A JWK set (RFC 7517).
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct JwkSet {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}
