//! The table of refusals as a list: for the OpenAPI documents, and for tests that must not miss one.

use std::time::Duration;

use serde_json::{Value, json};

use super::Refusal;
use crate::domain::dialect::Dialect;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::identity::WechatProfile;
use crate::domain::language::Language;
use crate::domain::user_status::UserStatus;
use crate::login::error::{LoginError, Unbound, UnboundKind};
use crate::membership::error::MembershipError;
use crate::registration::error::{ProofError, RegistrationError};
use crate::session::error::{CallError, LimitKind};
use crate::session::refresh::RefreshError;

/// Every code of these refusals once: status, code, texts in both languages, and what `discuzq` answers where that differs.
/// A text that depends on the request stands as it would for a made-up one.
pub(in crate::http) fn catalogue(refusals: &[Refusal]) -> Vec<Value> {
    let mut entries: Vec<(u16, String, Value)> = Vec::new();
    for refusal in refusals {
        let answer = refusal.answer(Dialect::Standard, Language::English);
        let code = refusal.code();
        if entries
            .iter()
            .any(|(status, known, _)| (*status, known.as_str()) == (answer.status, code))
        {
            continue;
        }
        let row = |language| refusal.row(language).detail;
        let mut entry = json!({
            "status": answer.status,
            "code": code,
            "detail": { "en": row(Language::English), "zh-CN": row(Language::SimplifiedChinese) },
        });
        let original = refusal.answer(Dialect::Discuzq, Language::SimplifiedChinese);
        let standard = refusal.answer(Dialect::Standard, Language::SimplifiedChinese);
        if (original.status, &original.body) != (standard.status, &standard.body)
            && let Some(entry) = entry.as_object_mut()
        {
            let body: Value = serde_json::from_slice(&original.body).unwrap_or_default();
            let shown = json!({ "status": original.status, "error": body.pointer("/errors/0") });
            entry.insert("discuzq".to_owned(), shown);
        }
        entries.push((answer.status, code.to_owned(), entry));
    }
    entries.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    entries.into_iter().map(|(_, _, entry)| entry).collect()
}

/// What any call of the public listener can be refused with.
pub(in crate::http) fn public_refusals() -> Vec<Refusal> {
    let mut all = every_refusal();
    // A conflict that only administrators meet.
    all.retain(|refusal| !matches!(refusal, Refusal::Conflict { .. }));
    all
}

pub(super) fn faults() -> RegistrationError {
    RegistrationError::Invalid(vec![
        FieldFault::new(Field::InviteCode, Fault::WrongType),
        FieldFault::new(Field::Password, Fault::TooShort { min: 8 }),
        FieldFault::new(Field::Username, Fault::InvalidName),
        FieldFault::new(Field::Password, Fault::CommonPassword),
        FieldFault::new(Field::Username, Fault::ForbiddenCharacter),
    ])
}

pub(super) fn wechat_refused(field: Field) -> ProofError {
    ProofError::Refused {
        field,
        words: "invalid code".to_owned(),
    }
}

pub(super) fn proof_errors() -> Vec<ProofError> {
    let mut all = vec![
        ProofError::TokenRejected,
        ProofError::MobileTokenRejected,
        ProofError::CodeUsed,
        wechat_refused(Field::OauthCode),
        ProofError::Undecipherable,
        ProofError::NotOffered,
        ProofError::PhoneTaken,
        ProofError::HasPhone,
        CallError::Unavailable(Duration::ZERO).into(),
    ];
    let fields = [Field::Token, Field::JsCode, Field::OauthCode];
    all.extend(fields.map(ProofError::WechatBound));
    all
}

pub(super) fn unbound(kind: UnboundKind) -> LoginError {
    let profile = WechatProfile {
        nickname: "李雷".to_owned(),
        avatar_url: "https://example.org/a.png".to_owned(),
        ..WechatProfile::default()
    };
    LoginError::Unbound(Box::new(Unbound {
        kind,
        token: (kind != UnboundKind::MiniProgram).then(|| "t".repeat(40).into()),
        profile: (kind != UnboundKind::Phone).then_some(profile),
    }))
}

pub(super) const UNBOUND_KINDS: [UnboundKind; 4] = [
    UnboundKind::OfficialAccount,
    UnboundKind::Rebind,
    UnboundKind::MiniProgram,
    UnboundKind::Phone,
];

pub(super) fn locked() -> LoginError {
    LoginError::Locked {
        tries: 5,
        span: Duration::from_secs(900),
        wait: Duration::from_millis(61_500),
    }
}

pub(super) fn login_errors() -> Vec<LoginError> {
    let mut all = vec![
        LoginError::Invalid(vec![FieldFault::new(Field::Mobile, Fault::Required)]),
        LoginError::Wrong { left: 4 },
        locked(),
        LoginError::SmsCodeRejected,
        LoginError::StateRejected,
        LoginError::ScanWaiting,
        LoginError::ScanOver,
        LoginError::NoWechatPhone,
        RegistrationError::Closed.into(),
    ];
    all.extend(UNBOUND_KINDS.map(unbound));
    all.extend(proof_errors().into_iter().map(LoginError::from));
    all
}

/// One of every kind, with what its text depends on made up.
pub(super) fn every_refusal() -> Vec<Refusal> {
    let wait = Duration::from_millis(1500);
    let mut all: Vec<Refusal> = [
        RegistrationError::Closed,
        RegistrationError::InviteRequired,
        RegistrationError::InviteRejected,
        RegistrationError::NameBanned,
        RegistrationError::ReasonMissing,
        faults(),
        RegistrationError::Invalid(Vec::new()),
        RegistrationError::AwaitsApproval,
        CallError::TokenRejected.into(),
        CallError::AccountRefused(UserStatus::Banned).into(),
        CallError::AccountRefused(UserStatus::Pending).into(),
        CallError::AccountRefused(UserStatus::Rejected).into(),
        CallError::AccountRefused(UserStatus::Ignored).into(),
        CallError::AccountRefused(UserStatus::Normal).into(),
        RegistrationError::SameKeyOtherBody,
        RegistrationError::SameKeyInProgress,
        CallError::TooMany(LimitKind::Address, wait).into(),
        CallError::Overloaded(wait).into(),
        CallError::Unavailable(wait).into(),
        CallError::Internal.into(),
    ]
    .into_iter()
    .map(Refusal::from)
    .collect();
    all.extend([
        Refusal::MalformedJson,
        Refusal::MalformedQuery,
        Refusal::DuplicateKey,
        Refusal::TooDeep,
        Refusal::NotAnEnvelope,
        Refusal::UnsupportedMediaType,
        Refusal::UnsupportedEncoding,
        Refusal::BodyTooLarge,
        Refusal::BodyTimeout,
        Refusal::BodyCut,
        Refusal::TenantNotFound,
        Refusal::TenantAmbiguous,
        Refusal::BadHost,
        Refusal::RouteNotFound,
        Refusal::MethodNotAllowed {
            allow: "POST".to_owned(),
        },
        Refusal::BadIdempotencyKey,
        Refusal::invalid_include("posts"),
        Refusal::BadParameter("page[size]"),
        Refusal::SiteClosed {
            message: String::new(),
        },
        Refusal::TooManyInFlight,
        Refusal::Deadline,
        Refusal::NotReady,
        Refusal::Call(CallError::Internal),
        Refusal::Call(CallError::NotAuthenticated),
        Refusal::Call(CallError::Forbidden),
        Refusal::NotFound { what: "tenant" },
        Refusal::Conflict {
            code: "key_taken",
            detail: "The key is taken.".to_owned(),
        },
        Refusal::Unprocessable(Vec::new()),
        Refusal::TooManyAttempts(wait),
        Refusal::ForeignForm,
        RefreshError::Missing.into(),
        RefreshError::Rejected.into(),
        RefreshError::Call(CallError::Forbidden).into(),
        MembershipError::NotFound("user").into(),
        MembershipError::Invalid(vec![FieldFault::new(Field::Status, Fault::NotOneOf)]).into(),
        MembershipError::Call(CallError::Forbidden).into(),
    ]);
    all.extend(login_errors().into_iter().map(Refusal::from));
    all.extend(
        proof_errors()
            .into_iter()
            .map(|error| Refusal::from(RegistrationError::from(error))),
    );
    all
}
