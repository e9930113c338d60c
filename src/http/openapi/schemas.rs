//! The shapes of documents, for the description alone: nothing is read or written through them. What keeps them true is
//! that the tests hold every answer against them (`docs/decisions/0029-the-api-describes-itself.md`).

#![allow(dead_code, reason = "read by the macro that makes schemas, never made")]

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A document with one resource.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct One<K: ToSchema, A: ToSchema> {
    data: Resource<K, A>,
}

/// A document with a page of a list.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Page<K: ToSchema, A: ToSchema> {
    data: Vec<Resource<K, A>>,
    links: PageLinks,
}

/// A resource of JSON:API.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Resource<K: ToSchema, A: ToSchema> {
    r#type: K,
    id: String,
    attributes: A,
}

/// Where the list goes on.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PageLinks {
    /// Path and query of the next page; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

/// A request that makes, changes or does something.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Request<K: ToSchema, A: ToSchema> {
    data: RequestData<K, A>,
}

/// The resource that a request is about.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct RequestData<K: ToSchema, A: ToSchema> {
    r#type: K,
    /// Without them none is given.
    #[schema(nullable = false)]
    attributes: Option<A>,
}

/// The type of administrators.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum AdministratorsType {
    #[serde(rename = "administrators")]
    It,
}

/// The type of applications.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum ApplicationsType {
    #[serde(rename = "applications")]
    It,
}

/// The type of lines of the audit.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum AuditType {
    #[serde(rename = "audit")]
    It,
}

/// The type of decisions about applications.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum DecisionsType {
    #[serde(rename = "decisions")]
    It,
}

/// The type of deleted users.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum DeletedUsersType {
    #[serde(rename = "deleted-users")]
    It,
}

/// The type of invites.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum InvitesType {
    #[serde(rename = "invites")]
    It,
}

/// The type of batches of invites.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum InviteBatchesType {
    #[serde(rename = "invite-batches")]
    It,
}

/// The type of signing keys.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum KeysType {
    #[serde(rename = "keys")]
    It,
}

/// The type of what presses a tenant.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum PressureType {
    #[serde(rename = "pressure")]
    It,
}

/// The type of what an invite brought.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum RegistrationsType {
    #[serde(rename = "registrations")]
    It,
}

/// The type of versions of settings.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum SettingsType {
    #[serde(rename = "settings")]
    It,
}

/// The type of tenants.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum TenantsType {
    #[serde(rename = "tenants")]
    It,
}

/// The type of what was used.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum UsageType {
    #[serde(rename = "usage")]
    It,
}

/// The type of batches of an import.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum UserImportsType {
    #[serde(rename = "user-imports")]
    It,
}

/// The type of users.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum UsersType {
    #[serde(rename = "users")]
    It,
}

/// The error document of JSON:API; every answer that is no success is one.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Errors {
    #[schema(min_items = 1)]
    errors: Vec<ErrorObject>,
}

/// One error.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ErrorObject {
    /// The HTTP status, as text.
    #[schema(pattern = "^[45][0-9]{2}$")]
    status: String,
    /// One of the codes of the catalogue (`x-errors`).
    code: String,
    /// Texts for people.
    #[schema(min_items = 1)]
    detail: Vec<String>,
    source: Option<ErrorSource>,
    /// After a login of somebody without an account: what the client needs to go on.
    meta: Option<Value>,
}

/// What the error is about.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ErrorSource {
    /// A JSON pointer into the request (RFC 6901).
    pointer: Option<String>,
    /// A parameter of the query.
    parameter: Option<String>,
}

/// An administrator.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Administrator {
    name: String,
    role: Role,
    /// The number of the one tenant of a tenant's administrator.
    #[schema(required = true)]
    tenant_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required = true, format = DateTime)]
    revoked_at: Option<String>,
    /// Only in the answer that made it.
    token: Option<String>,
}

/// What an administrator may do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Role {
    Platform,
    Auditor,
    Tenant,
}

/// An administrator to make.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewAdministrator {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    role: Role,
    /// The key of the one tenant of the role `tenant`.
    #[schema(nullable = false)]
    tenant: Option<String>,
}

/// One effect of an administrator.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AuditLine {
    #[schema(format = DateTime)]
    at: String,
    administrator: String,
    /// As `tenant.create`.
    action: String,
    #[schema(required = true)]
    tenant_id: Option<String>,
    subject: String,
    /// The state before, with secrets masked.
    #[schema(required = true)]
    before: Option<Value>,
    /// The state after, with secrets masked.
    #[schema(required = true)]
    after: Option<Value>,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Tenant {
    key: String,
    name: String,
    state: TenantState,
    hosts: Vec<String>,
    placement: Placement,
    /// All settings, defaults included; secrets are `********`. `docs/api.md` lists them.
    #[schema(value_type = Object)]
    settings: Value,
    #[schema(minimum = 1)]
    settings_version: i32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Whether a tenant serves.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum TenantState {
    Active,
    Suspended,
    Deleted,
}

/// Where a tenant's rows are.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Placement {
    kind: PlacementKind,
    /// Of a shared one.
    database: Option<String>,
    /// `sqlite`, `postgres` or `mysql`; null where this process cannot tell.
    #[schema(required = true)]
    backend: Option<String>,
}

/// A database of its own, or one that others share.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum PlacementKind {
    Own,
    Shared,
}

/// A tenant and what weakens it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TenantShown {
    data: Resource<TenantsType, Tenant>,
    meta: Warnings,
}

/// What weakens a tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Warnings {
    warnings: Vec<Warning>,
}

/// A setting, and what is weak about it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Warning {
    path: String,
    detail: String,
}

/// A tenant to make.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewTenant {
    #[schema(
        min_length = 2,
        max_length = 63,
        pattern = "^[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]$",
        example = "acme"
    )]
    key: String,
    #[schema(nullable = false, max_length = 200)]
    name: Option<String>,
    #[schema(nullable = false, max_items = 100)]
    hosts: Option<Vec<String>>,
    #[schema(nullable = false)]
    placement: Option<NewPlacement>,
    /// Settings that differ from the defaults.
    #[schema(required = false, nullable = false, value_type = Object)]
    settings: Option<Value>,
}

/// Where a new tenant's rows shall be.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewPlacement {
    kind: PlacementKind,
    /// PostgreSQL or MySQL, of `own`.
    #[schema(nullable = false)]
    url: Option<String>,
    /// The name of a configured database, of `shared`.
    #[schema(nullable = false)]
    database: Option<String>,
}

/// A change of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TenantChange {
    #[schema(nullable = false, max_length = 200)]
    name: Option<String>,
    #[schema(nullable = false, max_items = 100)]
    hosts: Option<Vec<String>>,
    /// A merge patch (RFC 7396).
    #[schema(required = false, nullable = false, value_type = Object)]
    settings: Option<Value>,
    /// Refuse unless the settings are at this version.
    #[schema(nullable = false)]
    settings_version: Option<i32>,
}

/// A version of a tenant's settings.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettingsVersion {
    version: i32,
    changed_by: String,
    #[schema(format = DateTime)]
    created_at: String,
}

/// A version of a tenant's settings, with these.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettingsVersionShown {
    version: i32,
    changed_by: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(value_type = Object)]
    settings: Value,
    /// The version compared with, if one was named.
    #[schema(nullable = false)]
    against: Option<i32>,
    #[schema(nullable = false)]
    differences: Option<Vec<Difference>>,
}

/// One setting that differs.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Difference {
    /// Dotted, as `registration.open`.
    path: String,
    #[schema(required = true)]
    before: Option<Value>,
    #[schema(required = true)]
    after: Option<Value>,
}

/// A change of settings to look at.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettingsPatch {
    /// A merge patch (RFC 7396).
    #[schema(value_type = Object)]
    settings: Value,
}

/// What a change would come to.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettingsPreview {
    /// The version as it stands.
    version: i32,
    #[schema(value_type = Object)]
    settings: Value,
    differences: Vec<Difference>,
}

/// What a change would come to, and what would weaken the tenant.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SettingsPreviewShown {
    data: Resource<SettingsType, SettingsPreview>,
    meta: Warnings,
}

/// A signing key.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Key {
    algorithm: KeyAlgorithm,
    state: KeyState,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    signs_from: String,
    #[schema(required = true, format = DateTime)]
    retires_at: Option<String>,
    /// RFC 7517.
    #[schema(value_type = Object)]
    public_jwk: Value,
}

/// What a key does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum KeyState {
    Coming,
    Signing,
    Verifying,
    Retired,
}

/// How a key signs (RFC 7518, RFC 8037).
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum KeyAlgorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
}

/// A key to make.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewKey {
    #[schema(nullable = false)]
    algorithm: Option<KeyAlgorithm>,
    /// How long it is published before it signs; 600 unless given.
    #[schema(nullable = false, minimum = 0, maximum = 86400)]
    signs_in_seconds: Option<u32>,
}

/// A user as administrators see it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct User {
    username: String,
    canonical_name: String,
    status: UserStatus,
    #[schema(required = true)]
    refuse_message: Option<String>,
    group_id: i32,
    #[schema(required = true)]
    register_reason: Option<String>,
    register_ip: String,
    last_login_ip: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A user who was deleted and can be restored.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeletedUser {
    username: String,
    canonical_name: String,
    /// As it was, and will be.
    status: UserStatus,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    deleted_at: String,
    /// From then on nothing of the user is left.
    #[schema(format = DateTime)]
    purge_at: String,
}

/// A user's standing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum UserStatus {
    Normal,
    Banned,
    Pending,
    Rejected,
    Ignored,
}

/// The order of the audit.
#[derive(Serialize, ToSchema)]
pub(in crate::http) enum AuditOrder {
    #[serde(rename = "at")]
    OldestFirst,
    #[serde(rename = "-at")]
    NewestFirst,
}

/// A user who awaits approval.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Application {
    username: String,
    canonical_name: String,
    #[schema(required = true)]
    register_reason: Option<String>,
    register_ip: String,
    group_id: i32,
    /// The invite code that was spent.
    #[schema(required = true)]
    invite_code: Option<String>,
    /// Number of the member who invited the user.
    #[schema(required = true)]
    invited_by: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Since the registration.
    age_seconds: u64,
}

/// A decision about applications.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewDecision {
    action: DecisionAction,
    /// Numbers of users, each once.
    #[schema(min_items = 1, max_items = 500)]
    ids: Vec<String>,
    /// What the users are told.
    #[schema(max_length = 255)]
    message: Option<String>,
}

/// What an application gets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum DecisionAction {
    Approve,
    Reject,
    Ignore,
}

/// What became of each user, in the order of the call.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DecisionsMade {
    data: Vec<Resource<DecisionsType, DecisionMade>>,
}

/// What became of one user.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DecisionMade {
    outcome: DecisionOutcome,
    /// The standing now; null for nobody.
    #[schema(required = true)]
    status: Option<UserStatus>,
}

/// Whether the decision holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum DecisionOutcome {
    Decided,
    NotPending,
    NotFound,
}

/// A change of a user.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UserChange {
    #[schema(nullable = false)]
    group_id: Option<i32>,
    #[schema(nullable = false)]
    status: Option<UserStatus>,
    #[schema(max_length = 255)]
    refuse_message: Option<String>,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SessionsEnded {
    meta: EndedCount,
}

/// A count.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EndedCount {
    ended: u64,
}

/// An invite as administrators see it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Invite {
    code: String,
    max_uses: i32,
    uses: i32,
    #[schema(required = true, format = DateTime)]
    expires_at: Option<String>,
    #[schema(required = true, format = DateTime)]
    revoked_at: Option<String>,
    note: String,
    #[schema(required = true)]
    group_id: Option<i32>,
    /// The number of the member who issued it; null for one of an administrator's.
    #[schema(required = true)]
    issued_by: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// The batch it was made with.
    #[schema(required = true)]
    batch: Option<String>,
    state: InviteState,
}

/// What an invite is good for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum InviteState {
    Usable,
    Spent,
    Expired,
    Revoked,
}

/// What a list of invites can be narrowed to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum InviteFilterState {
    Unused,
    Usable,
    Spent,
    Expired,
    Revoked,
}

/// One invite, or several where `count` was given.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct InvitesIssued {
    data: OneOrMany,
}

/// One, or a list.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum OneOrMany {
    One(Resource<InvitesType, Invite>),
    Many(Vec<Resource<InvitesType, Invite>>),
}

/// Invites to issue.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewInvites {
    /// The code itself, instead of a random one.
    #[schema(nullable = false, min_length = 4, max_length = 64)]
    code: Option<String>,
    #[schema(nullable = false, minimum = 1, maximum = 1000)]
    count: Option<u32>,
    /// How many accounts each brings; 1 unless given.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    max_uses: Option<u32>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(nullable = false, max_length = 255)]
    note: Option<String>,
    #[schema(nullable = false)]
    group_id: Option<i32>,
}

/// A batch of invites to make.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewInviteBatch {
    #[schema(minimum = 1, maximum = 100_000)]
    count: u32,
    /// How many accounts each brings; 1 unless given.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    max_uses: Option<u32>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(nullable = false, max_length = 255)]
    note: Option<String>,
    #[schema(nullable = false)]
    group_id: Option<i32>,
}

/// Whom an invite brought.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Registration {
    username: String,
    status: UserStatus,
    #[schema(format = DateTime)]
    created_at: String,
}

/// What limits a tenant now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Pressure {
    key: String,
    live: bool,
    /// The resource that limits it, if one does.
    #[schema(required = true)]
    limiting: Option<String>,
    resources: Vec<PressedResource>,
}

/// One resource and how full it is.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PressedResource {
    name: String,
    setting: String,
    #[schema(required = true)]
    in_use: Option<u64>,
    #[schema(required = true)]
    bound: Option<u64>,
    #[schema(required = true)]
    waiting: Option<u64>,
    #[schema(required = true)]
    expected_wait_ms: Option<u64>,
    refused_last_10_s: u64,
    refused_last_60_s: u64,
}

/// By the hour or by the day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum UsageStep {
    Hour,
    Day,
}

/// What a tenant used in an hour or a day.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UsageOfStep {
    #[schema(format = DateTime)]
    starts_at: String,
    registrations: u64,
    refused_input: u64,
    refused_policy: u64,
    refused_limit: u64,
    refused_room: u64,
    logins: u64,
    failed_logins: u64,
    sms_sent: u64,
    hashes: u64,
}

/// What a tenant used in all of the period.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UsageOfTenant {
    /// The tenant's key.
    key: String,
    registrations: u64,
    refused_input: u64,
    refused_policy: u64,
    refused_limit: u64,
    refused_room: u64,
    logins: u64,
    failed_logins: u64,
    sms_sent: u64,
    hashes: u64,
}

/// A user with its hash and its identities; the attributes are a row of an import.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ExportedUser {
    username: String,
    /// A PHC string, or bcrypt's.
    #[schema(required = true)]
    password_hash: Option<String>,
    status: UserStatus,
    group_id: i32,
    /// E.164.
    #[schema(required = true)]
    phone: Option<String>,
    #[schema(required = true)]
    register_reason: Option<String>,
    #[schema(required = true)]
    refuse_message: Option<String>,
    #[schema(required = true)]
    avatar_url: Option<String>,
    #[schema(required = true)]
    invite_code: Option<String>,
    #[schema(required = true)]
    invited_by: Option<String>,
    register_ip: String,
    last_login_ip: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    login_at: String,
    #[schema(value_type = Vec<Object>)]
    wechat: Vec<Value>,
}

/// Rows to import: users, or invites where `type` says so (`docs/moving-users.md`).
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ImportRows {
    /// What cannot stand is told by its number, and the rest is made.
    #[schema(min_items = 1, max_items = 1000)]
    rows: Vec<Value>,
    #[schema(nullable = false)]
    dry_run: Option<bool>,
}

/// What came of an import.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Imported {
    meta: ImportReport,
}

/// How many rows were made, were there before, and were refused.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ImportReport {
    made: u64,
    present: u64,
    refused: Vec<RefusedRow>,
}

/// A row that was not taken.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RefusedRow {
    /// Its number in the request, from 0 on.
    row: u64,
    reasons: Vec<RefusedField>,
}

/// Why.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RefusedField {
    field: String,
    detail: String,
}

/// Whether the process runs, or serves.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Health {
    status: String,
    /// What is missing to serve.
    #[schema(nullable = false)]
    missing: Option<Vec<String>>,
}
