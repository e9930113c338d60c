//! The one table of everything that can go wrong on the wire, and the document that says so.
//!
//! Taken: one enum of refusals, one row each (status, code, text, pointer), and beside it what the original of the
//! `discuzq` dialect answered, where it had an answer. Refused: statuses chosen where the fault arises, which drift apart.
//! `docs/contract.md`, section 4, is this table in words. No row holds a text that was not written for clients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::messages::{self, Message};
use super::wire::DOCUMENT_MEDIA_TYPE;
use crate::domain::dialect::Dialect;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::language::Language;
use crate::domain::user_status::UserStatus;
use crate::login::error::{LoginError, Unbound, UnboundKind};
use crate::membership::error::MembershipError;
use crate::registration::error::{ProofError, RegistrationError};
use crate::session::error::CallError;
use crate::session::refresh::RefreshError;

/// Everything that can keep a request from its success answer.
#[derive(Debug)]
pub enum Refusal {
    /// The registration itself was refused.
    Registration(RegistrationError),
    /// Somebody is not logged in.
    Login(LoginError),
    /// A session does not go on.
    Refresh(RefreshError),
    /// The call is not served, whatever it asks for.
    Call(CallError),
    /// The body is not JSON.
    MalformedJson,
    /// The query is not well-formed, or names a parameter twice.
    MalformedQuery,
    /// The body names a member twice.
    DuplicateKey,
    /// The body is nested too deeply.
    TooDeep,
    /// The body is JSON, but has no `data` object that may hold an `attributes` object.
    NotAnEnvelope,
    /// The body's type is none that the route reads.
    UnsupportedMediaType,
    /// The body is compressed or otherwise encoded.
    UnsupportedEncoding,
    /// The body is longer than the route reads.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body ended before its announced length.
    BodyCut,
    /// No tenant is named, or none that is served: unknown, suspended and deleted ones look the same.
    TenantNotFound,
    /// The request names two tenants, or one in a way that two readers may read differently.
    TenantAmbiguous,
    /// The host name is malformed.
    BadHost,
    /// There is no such path.
    RouteNotFound,
    /// The path exists, the method does not.
    MethodNotAllowed {
        /// The value of `Allow`: the methods that exist.
        allow: String,
    },
    /// The `Idempotency-Key` is malformed.
    BadIdempotencyKey,
    /// The tenant closed its site for this kind of client.
    SiteClosed {
        /// The tenant's own text; empty for the usual one.
        message: String,
    },
    /// The process works on as many requests as it may.
    TooManyInFlight,
    /// The request's deadline passed.
    Deadline,
    /// The process is starting or stopping.
    NotReady,
    /// There is no such thing, or none that the caller may see.
    NotFound {
        /// What was asked for, as clients call it.
        what: &'static str,
    },
    /// The request contradicts what is there.
    Conflict {
        /// The error code.
        code: &'static str,
        /// A text for the administrator.
        detail: String,
    },
    /// Members of the body cannot stand: JSON pointer and text of each; those of one pointer stand together.
    Unprocessable(Vec<(String, String)>),
    /// A parameter of the query that cannot stand, by its name.
    BadParameter(&'static str),
    /// The query asks for a resource that there is not, or that the caller may not see; its name, fit to be shown.
    InvalidInclude(String),
    /// Too many failed attempts; the wait until the next one is judged.
    TooManyAttempts(Duration),
    /// A form that no page of ours sent.
    ForeignForm,
}

impl From<RegistrationError> for Refusal {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Call(error) | RegistrationError::Proof(ProofError::Call(error)) => {
                Self::Call(error)
            }
            error => Self::Registration(error),
        }
    }
}

impl From<LoginError> for Refusal {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Registration(error) => error.into(),
            LoginError::Invalid(faults) => Self::Registration(RegistrationError::Invalid(faults)),
            error => Self::Login(error),
        }
    }
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Call(error) => Self::Call(error),
            error => Self::Refresh(error),
        }
    }
}

impl From<MembershipError> for Refusal {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::Invalid(faults) => {
                Self::Registration(RegistrationError::Invalid(faults))
            }
            MembershipError::NotFound(what) => Self::NotFound { what },
            MembershipError::WechatHidden => Self::invalid_include("wechat"),
            MembershipError::Call(error) => Self::Call(error),
        }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// A refusal as it goes out, for any HTTP library to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Header fields, names in lower case, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The error document.
    pub body: Vec<u8>,
}

/// A refusal in words, for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// Seconds after which to try again.
    pub retry_after: Option<u64>,
    /// What belongs to no field.
    pub general: Vec<String>,
    /// What belongs to a field, by the attribute's name; of a part of one by its path (`settings/limits`).
    pub fields: BTreeMap<String, Vec<String>>,
}

/// The wait that is advised where nothing better is known.
const SHORT_WAIT: Duration = Duration::from_secs(1);

impl Refusal {
    /// A name from outside, of which no more is shown than any name of ours needs.
    #[must_use]
    pub fn invalid_include(name: &str) -> Self {
        let plain = |letter: &char| letter.is_ascii_alphanumeric() || ".-_".contains(*letter);
        Self::InvalidInclude(name.chars().filter(plain).take(64).collect())
    }

    /// The answer to send.
    #[must_use]
    pub fn answer(&self, dialect: Dialect, language: Language) -> ErrorAnswer {
        let row = self.row(language);
        let (status, errors) = match (dialect, &row.original) {
            (Dialect::Discuzq, Some(original)) => (original.status, vec![original.error(&row)]),
            _ => (row.status, self.errors(&row, dialect, language)),
        };
        let body = json!({"errors": errors}).to_string().into_bytes();
        ErrorAnswer {
            status,
            headers: self.headers(status),
            body,
        }
    }

    /// The code of the `standard` dialect: one of a closed set, fit for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row(Language::English).code
    }

    /// The same for a page that people read: the row of the `standard` dialect, as texts.
    #[must_use]
    pub fn told(&self, language: Language) -> Told {
        let row = self.row(language);
        let mut groups = self.groups(language);
        if groups.is_empty() {
            let pointer = row.field.map(pointer).unwrap_or_default();
            groups.push((pointer.to_owned(), vec![row.detail.into_owned()]));
        }
        let mut told = Told {
            status: row.status,
            retry_after: self.retry_after().map(whole_seconds),
            general: Vec::new(),
            fields: BTreeMap::new(),
        };
        for (pointer, texts) in groups {
            match pointer.strip_prefix("/data/attributes/") {
                Some(field) => _ = told.fields.insert(field.to_owned(), texts),
                None => told.general.extend(texts),
            }
        }
        told
    }

    /// The texts of a refusal that lists faults, by the pointer of each.
    fn groups(&self, language: Language) -> Vec<Group> {
        match self {
            Self::Registration(RegistrationError::Invalid(faults)) => {
                group_faults(faults, language)
            }
            Self::NotAnEnvelope => {
                group_faults(&[FieldFault::new(Field::Data, Fault::WrongType)], language)
            }
            Self::Unprocessable(faults) => group_texts(faults.iter().cloned()),
            _ => Vec::new(),
        }
    }

    fn errors(&self, row: &Row, dialect: Dialect, language: Language) -> Vec<Value> {
        let groups = self.groups(language);
        if groups.is_empty() {
            return vec![row.error(dialect)];
        }
        groups
            .into_iter()
            .map(|(pointer, texts)| validation_error(&pointer, &texts))
            .collect()
    }

    fn headers(&self, status: u16) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", DOCUMENT_MEDIA_TYPE.to_owned())];
        if status == 401 {
            headers.push(("www-authenticate", self.challenge().to_owned()));
        }
        if let Some(wait) = self.retry_after() {
            headers.push(("retry-after", whole_seconds(wait).to_string()));
        }
        match self {
            Self::MethodNotAllowed { allow } => headers.push(("allow", allow.clone())),
            Self::UnsupportedEncoding => headers.push(("accept-encoding", "identity".to_owned())),
            _ => {}
        }
        headers
    }

    /// RFC 9110, section 11.6.1, and RFC 6750, section 3.
    const fn challenge(&self) -> &'static str {
        match self {
            Self::Call(CallError::TokenRejected) => "Bearer error=\"invalid_token\"",
            _ => "Bearer",
        }
    }

    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Call(
                CallError::TooMany(_, wait)
                | CallError::Overloaded(wait)
                | CallError::Unavailable(wait),
            )
            | Self::TooManyAttempts(wait)
            | Self::Login(LoginError::Locked { wait, .. }) => Some(*wait),
            Self::TooManyInFlight | Self::Deadline | Self::NotReady => Some(SHORT_WAIT),
            _ => None,
        }
    }

    /// The table: registrations first, then what any request can meet.
    fn row(&self, language: Language) -> Row {
        let row = |status, code, message: Message| Row::new(status, code, message.text(language));
        match self {
            Self::Registration(error) => registration_row(error, language),
            Self::Login(error) => login_row(error, language),
            Self::Refresh(error) => refresh_row(error, language),
            Self::Call(error) => call_row(error, language),
            Self::MalformedJson => row(400, "malformed_json", Message::MalformedJson),
            Self::MalformedQuery => row(400, "malformed_query", Message::MalformedQuery),
            Self::DuplicateKey => row(400, "duplicate_key", Message::DuplicateKey),
            Self::TooDeep => row(400, "too_deep", Message::TooDeep),
            Self::NotAnEnvelope | Self::Unprocessable(_) => {
                row(422, VALIDATION_ERROR, Message::ValidationError)
            }
            Self::UnsupportedMediaType => {
                row(415, "unsupported_media_type", Message::UnsupportedMediaType)
            }
            Self::UnsupportedEncoding => row(
                415,
                "unsupported_content_encoding",
                Message::UnsupportedContentEncoding,
            ),
            Self::BodyTooLarge => row(413, "body_too_large", Message::BodyTooLarge),
            Self::BodyTimeout => row(408, "body_timeout", Message::BodyTimeout),
            Self::BodyCut => row(400, "body_incomplete", Message::BodyIncomplete),
            Self::TenantNotFound => row(404, "tenant_not_found", Message::TenantNotFound),
            Self::TenantAmbiguous => row(400, "tenant_ambiguous", Message::TenantAmbiguous),
            Self::BadHost => row(400, "bad_host", Message::BadHost),
            Self::RouteNotFound => row(404, "route_not_found", Message::RouteNotFound).bare(404),
            Self::MethodNotAllowed { .. } => {
                row(405, "method_not_allowed", Message::MethodNotAllowed)
            }
            Self::BadIdempotencyKey => row(
                400,
                "idempotency_key_invalid",
                Message::IdempotencyKeyInvalid,
            ),
            Self::SiteClosed { message } if message.is_empty() => {
                row(401, "site_closed", Message::SiteClosed)
            }
            Self::SiteClosed { message } => Row::new(401, "site_closed", message.clone()),
            Self::TooManyInFlight => row(503, "overloaded", Message::Overloaded),
            Self::Deadline => row(503, "deadline_exceeded", Message::DeadlineExceeded),
            Self::NotReady => row(503, "not_ready", Message::NotReady),
            Self::NotFound { what } => {
                Row::new(404, "model_not_found", messages::not_found(what, language)).bare(404)
            }
            Self::BadParameter(name) => Row::new(
                422,
                VALIDATION_ERROR,
                messages::bad_parameter(name, language),
            )
            .of_parameter(name),
            Self::InvalidInclude(name) => {
                let text = format!("Invalid includes [{name}]");
                Row::new(422, "invalid_include", text.clone())
                    .of_parameter("include")
                    .code_is_text(text)
            }
            Self::Conflict { code, detail } => Row::new(409, code, detail.clone()),
            Self::TooManyAttempts(_) => row(429, "too_many_attempts", Message::TooManyAttempts),
            Self::ForeignForm => row(403, "foreign_form", Message::ForeignForm),
        }
    }
}

const VALIDATION_ERROR: &str = "validation_error";
const PERMISSION_DENIED: &str = "permission_denied";

/// The rows of a registration. Where the original answered 500, `discuzq` answers 422: a caller's fault is never ours.
fn registration_row(error: &RegistrationError, language: Language) -> Row {
    let row = |status, code, message: Message| Row::new(status, code, message.text(language));
    match error {
        RegistrationError::Closed => row(401, "register_close", Message::RegisterClose).bare(401),
        RegistrationError::InviteRequired => {
            row(422, "invite_required", Message::InviteRequired).at(Field::InviteCode)
        }
        RegistrationError::InviteRejected => row(422, "invite_invalid", Message::InviteInvalid)
            .at(Field::InviteCode)
            .code_is_text(INVITE_UNREADABLE),
        RegistrationError::NameBanned => {
            row(422, "content_banned", Message::ContentBanned).at(Field::Username)
        }
        RegistrationError::ReasonMissing => row(
            422,
            "setting_fill_register_reason",
            Message::FillRegisterReason,
        )
        .at(Field::RegisterReason),
        RegistrationError::Invalid(_) => row(422, VALIDATION_ERROR, Message::ValidationError),
        RegistrationError::AwaitsApproval => status_row(UserStatus::Pending, language),
        RegistrationError::SameKeyOtherBody => {
            row(422, "idempotency_key_reused", Message::IdempotencyKeyReused)
        }
        RegistrationError::SameKeyInProgress => row(
            409,
            "idempotency_in_progress",
            Message::IdempotencyInProgress,
        ),
        RegistrationError::Proof(error) => proof_row(error, language),
        RegistrationError::Call(error) => call_row(error, language),
    }
}

/// The rows of what a user offered to be bound. WeChat's own words are the code in `discuzq`.
fn proof_row(error: &ProofError, language: Language) -> Row {
    let row = |code, message: Message, field| Row::new(422, code, message.text(language)).at(field);
    match error {
        ProofError::TokenRejected => row("token_invalid", Message::TokenInvalid, Field::Token),
        ProofError::MobileTokenRejected => {
            row("token_invalid", Message::TokenInvalid, Field::MobileToken)
        }
        ProofError::CodeUsed => row("js_code_invalid", Message::JsCodeUsed, Field::JsCode)
            .code_is_text("code been used"),
        ProofError::Refused { field, words } => Row::new(422, "wechat_refused", words.clone())
            .at(*field)
            .code_is_text(words.clone()),
        ProofError::Undecipherable => row(
            "encrypted_data_invalid",
            Message::EncryptedDataInvalid,
            Field::EncryptedData,
        )
        .code_is_text(PAYLOAD_INVALID),
        ProofError::NotOffered => Row::new(422, "not_offered", Message::NotOffered.text(language)),
        ProofError::WechatBound(field) => row(
            "account_has_been_bound",
            Message::AccountHasBeenBound,
            *field,
        ),
        ProofError::PhoneTaken => row(
            "mobile_is_already_bind",
            Message::MobileIsAlreadyBind,
            Field::MobileToken,
        ),
        ProofError::HasPhone => row(
            "user_has_mobile",
            Message::UserHasMobile,
            Field::MobileToken,
        ),
        ProofError::Call(error) => call_row(error, language),
    }
}

/// How the original names a mini program's data that do not open, whatever the reason.
const PAYLOAD_INVALID: &str = "The given payload is invalid.";

/// The rows of a login (`docs/contract.md`, sections 10.1 to 10.4).
fn login_row(error: &LoginError, language: Language) -> Row {
    let row = |status, code, message: Message| Row::new(status, code, message.text(language));
    match error {
        LoginError::Invalid(_) => row(422, VALIDATION_ERROR, Message::ValidationError),
        LoginError::Wrong { left } => {
            Row::new(403, "login_failed", messages::login_failed(*left, language))
        }
        LoginError::Locked { tries, span, .. } => Row::new(
            429,
            "login_failures_times_toplimit",
            messages::login_locked(*tries, *span, language),
        )
        .bare(402),
        LoginError::SmsCodeRejected => {
            row(422, "sms_verify_error", Message::SmsVerifyError).at(Field::SmsCode)
        }
        LoginError::StateRejected => row(422, "oauth_state_invalid", Message::OauthStateInvalid)
            .at(Field::SessionId)
            .code_is_text("no_message"),
        LoginError::Unbound(unbound) => unbound_row(unbound, language),
        LoginError::ScanWaiting => row(422, "pc_qrcode_scanning_code", Message::QrcodeScanning),
        LoginError::ScanOver => row(422, "pc_qrcode_time_out", Message::QrcodeTimeOut),
        LoginError::NoWechatPhone => {
            row(422, "wechat_mobile_unbound", Message::WechatMobileUnbound)
        }
        LoginError::Registration(error) => registration_row(error, language),
    }
}

/// A proven identity without an account: beside the code, what the client needs to go on.
fn unbound_row(unbound: &Unbound, language: Language) -> Row {
    let (code, message) = match unbound.kind {
        UnboundKind::Rebind => ("rebind_mp_wechat", Message::RebindMpWechat),
        _ => ("no_bind_user", Message::NoBindUser),
    };
    let token = unbound.token.as_ref().map(ExposeSecret::expose_secret);
    let user = unbound.profile.as_ref().map(|profile| match unbound.kind {
        UnboundKind::MiniProgram => {
            json!({"username": profile.nickname, "headimgurl": profile.avatar_url})
        }
        _ => json!({"nickname": profile.nickname, "headimgurl": profile.avatar_url}),
    });
    Row::new(400, code, message.text(language)).unbound(json!({
        "token": token.unwrap_or_default(),
        "user": user,
    }))
}

/// The rows of `docs/contract.md`, section 10.5.
fn refresh_row(error: &RefreshError, language: Language) -> Row {
    let (status, message) = match error {
        RefreshError::Missing => (400, Message::RefreshTokenMissing),
        RefreshError::Rejected => (401, Message::RefreshTokenRejected),
        RefreshError::Call(error) => return call_row(error, language),
    };
    let text = message.text(language);
    Row::new(status, "invalid_request", text)
        .at(Field::RefreshToken)
        .oauth(text)
}

/// The rows of what keeps any call from being served.
fn call_row(error: &CallError, language: Language) -> Row {
    let row = |status, code, message: Message| Row::new(status, code, message.text(language));
    match error {
        CallError::NotAuthenticated => {
            row(401, "not_authenticated", Message::NotAuthenticated).bare(401)
        }
        CallError::TokenRejected => row(401, "access_denied", Message::AccessDenied)
            .oauth(Message::AccessTokenRejected.text(language)),
        CallError::AccountRefused(status) => status_row(*status, language),
        CallError::Forbidden => row(403, PERMISSION_DENIED, Message::PermissionDenied).bare(401),
        CallError::TooMany(..) => row(429, "too_many_requests", Message::TooManyRequests),
        CallError::Overloaded(_) => row(503, "overloaded", Message::Overloaded),
        CallError::Unavailable(_) => row(503, "unavailable", Message::Unavailable),
        CallError::Internal => row(500, "unknown_error", Message::UnknownError),
    }
}

/// The code and the text at once, by which the original names an invite code that it does not know.
const INVITE_UNREADABLE: &str = "解密邀请码失败";

/// The rows of `docs/contract.md`, section 10.6.
fn status_row(status: UserStatus, language: Language) -> Row {
    let (code, message) = match status {
        UserStatus::Normal => (PERMISSION_DENIED, Message::PermissionDenied),
        UserStatus::Banned => ("ban_user", Message::BanUser),
        UserStatus::Pending => ("register_validate", Message::RegisterValidate),
        UserStatus::Rejected => ("validate_reject", Message::ValidateReject),
        UserStatus::Ignored => ("validate_ignore", Message::ValidateIgnore),
    };
    Row::new(401, code, message.text(language)).bare(401)
}

/// One row of the table, in one language.
struct Row {
    status: u16,
    code: &'static str,
    detail: Cow<'static, str>,
    /// The field at fault, shown in the `standard` dialect.
    field: Option<Field>,
    /// The parameter of the query at fault, shown in the `standard` dialect.
    parameter: Option<&'static str>,
    /// What the client needs to go on after an unbound login: `token` and `user`.
    goes_on: Option<Value>,
    /// What `discuzq` shows, where that is of another shape.
    original: Option<Original>,
}

/// An answer of the original that is not of the common shape.
struct Original {
    status: u16,
    shape: OriginalShape,
}

enum OriginalShape {
    /// Status as text, code, nothing else.
    Bare,
    /// The code is itself the text, and stands in `detail` too.
    CodeIsText(Cow<'static, str>),
    /// Status as number, code, and what the client needs to go on.
    Unbound,
    /// Status as number, `detail` an object with this hint (the shape of OAuth errors).
    OAuth(&'static str),
}

impl Row {
    fn new(status: u16, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            parameter: None,
            goes_on: None,
            original: None,
        }
    }

    fn at(self, field: Field) -> Self {
        Self {
            field: Some(field),
            ..self
        }
    }

    fn of_parameter(self, name: &'static str) -> Self {
        Self {
            parameter: Some(name),
            ..self
        }
    }

    fn bare(self, status: u16) -> Self {
        Self {
            original: Some(Original {
                status,
                shape: OriginalShape::Bare,
            }),
            ..self
        }
    }

    fn code_is_text(self, code: impl Into<Cow<'static, str>>) -> Self {
        let shape = OriginalShape::CodeIsText(code.into());
        Self {
            original: Some(Original {
                status: self.status,
                shape,
            }),
            ..self
        }
    }

    fn unbound(self, goes_on: Value) -> Self {
        Self {
            original: Some(Original {
                status: self.status,
                shape: OriginalShape::Unbound,
            }),
            goes_on: Some(goes_on),
            ..self
        }
    }

    fn oauth(self, hint: &'static str) -> Self {
        let shape = OriginalShape::OAuth(hint);
        Self {
            original: Some(Original {
                status: self.status,
                shape,
            }),
            ..self
        }
    }

    /// The error object; `discuzq` knows pointers in validation errors only.
    fn error(&self, dialect: Dialect) -> Value {
        let (status, code, detail) = (self.status.to_string(), self.code, &self.detail);
        let mut error = json!({"status": status, "code": code, "detail": [detail]});
        if dialect == Dialect::Standard
            && let Value::Object(members) = &mut error
        {
            if let Some(field) = self.field {
                members.insert("source".into(), json!({"pointer": pointer(field)}));
            }
            if let Some(name) = self.parameter {
                members.insert("source".into(), json!({"parameter": name}));
            }
            if let Some(goes_on) = &self.goes_on {
                members.insert("meta".into(), goes_on.clone());
            }
        }
        error
    }
}

impl Original {
    fn error(&self, row: &Row) -> Value {
        let status = self.status.to_string();
        match &self.shape {
            OriginalShape::Unbound => {
                let mut error = json!({"status": self.status, "code": row.code});
                if let (Value::Object(error), Some(Value::Object(goes_on))) =
                    (&mut error, &row.goes_on)
                {
                    error.extend(goes_on.clone());
                }
                error
            }
            OriginalShape::Bare => json!({"status": status, "code": row.code}),
            OriginalShape::CodeIsText(code) => {
                json!({"status": status, "code": code, "detail": [code]})
            }
            OriginalShape::OAuth(hint) => json!({
                "status": self.status,
                "code": row.code,
                "detail": {
                    "error": row.code,
                    "error_description": row.detail,
                    "hint": hint,
                    "message": row.detail,
                },
            }),
        }
    }
}

fn validation_error(pointer: &str, texts: &[String]) -> Value {
    json!({"status": "422", "code": VALIDATION_ERROR, "detail": texts, "source": {"pointer": pointer}})
}

/// Texts that stand at one JSON pointer.
type Group = (String, Vec<String>);

/// One group per field, in the contract's order of fields.
fn group_faults(faults: &[FieldFault], language: Language) -> Vec<Group> {
    let mut sorted: Vec<&FieldFault> = faults.iter().collect();
    sorted.sort_by_key(|fault| fault.field);
    group_texts(sorted.into_iter().map(|fault| {
        (
            pointer(fault.field).to_owned(),
            messages::field_fault(fault, language),
        )
    }))
}

/// One group per pointer, in order of first sight; a text stands once in its group.
fn group_texts(texts: impl Iterator<Item = (String, String)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (pointer, text) in texts {
        match groups.iter_mut().find(|group| group.0 == pointer) {
            Some((_, known)) if known.contains(&text) => {}
            Some((_, known)) => known.push(text),
            None => groups.push((pointer, vec![text])),
        }
    }
    groups
}

const fn pointer(field: Field) -> &'static str {
    match field {
        Field::Data => "/data",
        Field::Username => "/data/attributes/username",
        Field::Password => "/data/attributes/password",
        Field::RegisterReason => "/data/attributes/register_reason",
        Field::Captcha => "/data/attributes/captcha",
        Field::InviteCode | Field::OauthCode => "/data/attributes/code",
        Field::Token => "/data/attributes/token",
        Field::MobileToken => "/data/attributes/mobileToken",
        Field::JsCode => "/data/attributes/js_code",
        Field::Iv => "/data/attributes/iv",
        Field::EncryptedData => "/data/attributes/encryptedData",
        Field::Rebind => "/data/attributes/rebind",
        Field::Mobile => "/data/attributes/mobile",
        Field::SmsType => "/data/attributes/type",
        Field::SmsCheckedType => "/data/attributes/sms_type",
        Field::SmsCode => "/data/attributes/sms_code",
        Field::SessionId => "/data/attributes/sessionId",
        Field::RefreshToken => "/data/attributes/refresh_token",
        Field::Status => "/data/attributes/status",
        Field::RefuseMessage => "/data/attributes/refuse_message",
        Field::GroupId => "/data/attributes/group_id",
        Field::Redirect => "/data/attributes/redirect",
    }
}

/// Whole seconds that are surely over by then, at least one.
fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

pub(super) mod catalogue;
#[cfg(test)]
mod tests;
