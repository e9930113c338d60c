use std::time::Duration;

use serde_json::{Value, json};

use super::{ErrorAnswer, Refusal};
use crate::domain::dialect::Dialect::{self, Discuzq, Standard};
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::language::Language::{self, English, SimplifiedChinese};
use crate::domain::user_status::UserStatus;
use crate::registration::error::RegistrationError;
use crate::session::error::{CallError, LimitKind};

const DIALECTS: [Dialect; 2] = [Standard, Discuzq];
const LANGUAGES: [Language; 2] = [SimplifiedChinese, English];

fn errors(answer: &ErrorAnswer) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    let members = document.as_object().unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["errors"]);
    members["errors"].as_array().unwrap().clone()
}

fn header<'a>(answer: &'a ErrorAnswer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

/// The status and the only error object.
fn one(refusal: impl Into<Refusal>, dialect: Dialect) -> (u16, Value) {
    let answer = refusal.into().answer(dialect, SimplifiedChinese);
    let mut errors = errors(&answer);
    assert_eq!(errors.len(), 1);
    (answer.status, errors.remove(0))
}

fn faults() -> RegistrationError {
    RegistrationError::Invalid(vec![
        FieldFault::new(Field::InviteCode, Fault::WrongType),
        FieldFault::new(Field::Password, Fault::TooShort { min: 8 }),
        FieldFault::new(Field::Username, Fault::InvalidName),
        FieldFault::new(Field::Password, Fault::CommonPassword),
        FieldFault::new(Field::Username, Fault::ForbiddenCharacter),
    ])
}

fn every_refusal() -> Vec<Refusal> {
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
    ]);
    all
}

#[test]
fn every_standard_answer_has_the_strict_shape() {
    for refusal in every_refusal() {
        for language in LANGUAGES {
            let answer = refusal.answer(Standard, language);
            let errors = errors(&answer);
            assert!(!errors.is_empty(), "{refusal:?}");
            for error in errors {
                assert_eq!(
                    error["status"],
                    json!(answer.status.to_string()),
                    "{refusal:?}"
                );
                assert_eq!(error["code"], json!(refusal.code()), "{refusal:?}");
                let texts = error["detail"].as_array().unwrap();
                assert!(
                    !texts.is_empty()
                        && texts.iter().all(|text| !text.as_str().unwrap().is_empty())
                );
            }
        }
    }
}

#[test]
fn header_fields_follow_the_status() {
    for refusal in every_refusal() {
        for dialect in DIALECTS {
            let answer = refusal.answer(dialect, English);
            assert_eq!(
                header(&answer, "content-type"),
                Some("application/vnd.api+json")
            );
            assert_eq!(
                header(&answer, "www-authenticate").is_some(),
                answer.status == 401,
                "{refusal:?}"
            );
            assert_eq!(
                header(&answer, "allow").is_some(),
                answer.status == 405,
                "{refusal:?}"
            );
            let waits = [429, 503].contains(&answer.status);
            assert_eq!(
                header(&answer, "retry-after").is_some(),
                waits,
                "{refusal:?}"
            );
        }
    }
}

#[test]
fn only_faults_of_the_house_are_500() {
    for refusal in every_refusal() {
        let ours = matches!(refusal, Refusal::Call(CallError::Internal));
        for dialect in DIALECTS {
            assert_eq!(
                refusal.answer(dialect, English).status == 500,
                ours,
                "{refusal:?}"
            );
        }
    }
}

#[test]
fn field_faults_stand_together_by_attribute_in_the_contracts_order() {
    for dialect in DIALECTS {
        let answer = Refusal::from(faults()).answer(dialect, SimplifiedChinese);
        let expected = [
            ("username", json!(["无效的用户名。"])),
            (
                "password",
                json!(["密码 至少为 8 个字符。", "密码 过于常见。"]),
            ),
            ("code", json!(["邀请码 必须是字符串。"])),
        ]
        .map(|(attribute, detail)| {
            json!({
                "status": "422",
                "code": "validation_error",
                "detail": detail,
                "source": {"pointer": format!("/data/attributes/{attribute}")},
            })
        });
        assert_eq!((answer.status, errors(&answer)), (422, expected.to_vec()));
    }
}

#[test]
fn an_envelope_fault_points_at_data() {
    let (status, error) = one(Refusal::NotAnEnvelope, Standard);
    assert_eq!((status, &error["code"]), (422, &json!("validation_error")));
    assert_eq!(error["source"]["pointer"], "/data");
}

#[test]
fn texts_of_one_pointer_stand_together() {
    let text = |pointer: &str, detail: &str| (pointer.to_owned(), detail.to_owned());
    let faults = vec![
        text("/b", "1"),
        text("/a", "2"),
        text("/b", "3"),
        text("/b", "1"),
    ];
    let answer = Refusal::Unprocessable(faults).answer(Standard, English);
    let found: Vec<_> = errors(&answer)
        .iter()
        .map(|error| (error["source"]["pointer"].clone(), error["detail"].clone()))
        .collect();
    assert_eq!(
        found,
        [
            (json!("/b"), json!(["1", "3"])),
            (json!("/a"), json!(["2"]))
        ]
    );
}

#[test]
fn policy_refusals_are_401_and_bare_in_discuzq() {
    let cases = [
        (RegistrationError::Closed, "register_close", "注册关闭"),
        (
            RegistrationError::AwaitsApproval,
            "register_validate",
            "帐号审核中，请审核通过后尝试",
        ),
        (
            CallError::AccountRefused(UserStatus::Banned).into(),
            "ban_user",
            "您的账号被禁用，无法访问本站点",
        ),
        (
            CallError::AccountRefused(UserStatus::Rejected).into(),
            "validate_reject",
            "帐号审核拒绝，请联系管理员",
        ),
        (
            CallError::AccountRefused(UserStatus::Ignored).into(),
            "validate_ignore",
            "帐号审核忽略，请联系管理员",
        ),
    ];
    for (error, code, text) in cases {
        let refusal = Refusal::from(error);
        let standard = refusal.answer(Standard, SimplifiedChinese);
        assert_eq!(
            errors(&standard),
            [json!({"status": "401", "code": code, "detail": [text]})]
        );
        assert_eq!(header(&standard, "www-authenticate"), Some("Bearer"));
        let original = refusal.answer(Discuzq, SimplifiedChinese);
        assert_eq!(errors(&original), [json!({"status": "401", "code": code})]);
        assert_eq!((standard.status, original.status), (401, 401));
    }
}

#[test]
fn a_rejected_access_token_keeps_the_shape_of_oauth_in_discuzq() {
    let refusal = Refusal::from(CallError::TokenRejected);
    let standard = refusal.answer(Standard, SimplifiedChinese);
    assert_eq!(
        errors(&standard),
        [json!({"status": "401", "code": "access_denied", "detail": ["拒绝访问"]})]
    );
    assert_eq!(
        header(&standard, "www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    let detail = json!({
        "error": "access_denied",
        "error_description": "拒绝访问",
        "hint": "访问令牌无效或已过期",
        "message": "拒绝访问",
    });
    let original = refusal.answer(Discuzq, SimplifiedChinese);
    assert_eq!(
        errors(&original),
        [json!({"status": 401, "code": "access_denied", "detail": detail})]
    );
}

#[test]
fn the_originals_500s_are_422_with_the_same_code_and_a_text() {
    let banned = json!({"status": "422", "code": "content_banned", "detail": ["当前用户名包含禁止注册的词语"]});
    assert_eq!(one(RegistrationError::NameBanned, Discuzq), (422, banned));
    let reason = json!({"status": "422", "code": "setting_fill_register_reason", "detail": ["注册时的注册原因必须必填"]});
    assert_eq!(
        one(RegistrationError::ReasonMissing, Discuzq),
        (422, reason)
    );
    let invite = json!({"status": "422", "code": "解密邀请码失败", "detail": ["解密邀请码失败"]});
    assert_eq!(
        one(RegistrationError::InviteRejected, Discuzq),
        (422, invite)
    );
}

#[test]
fn standard_points_at_the_attribute_behind_a_code_of_its_own() {
    for (error, code, attribute) in [
        (RegistrationError::NameBanned, "content_banned", "username"),
        (
            RegistrationError::ReasonMissing,
            "setting_fill_register_reason",
            "register_reason",
        ),
        (RegistrationError::InviteRejected, "invite_invalid", "code"),
        (RegistrationError::InviteRequired, "invite_required", "code"),
    ] {
        let (status, error) = one(error, Standard);
        assert_eq!((status, &error["code"]), (422, &json!(code)));
        assert_eq!(
            error["source"],
            json!({"pointer": format!("/data/attributes/{attribute}")})
        );
    }
}

#[test]
fn a_closed_site_shows_its_own_text_in_both_dialects() {
    for dialect in DIALECTS {
        let closed = |message: &str| {
            one(
                Refusal::SiteClosed {
                    message: message.to_owned(),
                },
                dialect,
            )
        };
        let error = |text| {
            (
                401,
                json!({"status": "401", "code": "site_closed", "detail": [text]}),
            )
        };
        assert_eq!(closed("维护中"), error("维护中"));
        assert_eq!(closed(""), error("站点已关闭！"));
    }
}

#[test]
fn waits_are_whole_seconds_rounded_up_and_never_zero() {
    for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (61_500, "62")] {
        let error = CallError::TooMany(LimitKind::Tenant, Duration::from_millis(millis));
        let answer = Refusal::from(error).answer(Standard, English);
        assert_eq!(
            (answer.status, header(&answer, "retry-after")),
            (429, Some(seconds))
        );
    }
    let forever = Refusal::TooManyAttempts(Duration::MAX).answer(Standard, English);
    assert_eq!(
        header(&forever, "retry-after"),
        Some(u64::MAX.to_string().as_str())
    );
}

#[test]
fn statuses_of_transport_faults_are_their_own_in_both_dialects() {
    for (refusal, status) in [
        (Refusal::MalformedJson, 400),
        (Refusal::MalformedQuery, 400),
        (Refusal::DuplicateKey, 400),
        (Refusal::BodyTimeout, 408),
        (Refusal::BodyTooLarge, 413),
        (Refusal::UnsupportedEncoding, 415),
        (Refusal::TenantNotFound, 404),
        (Refusal::RouteNotFound, 404),
        (
            Refusal::MethodNotAllowed {
                allow: "POST, OPTIONS".to_owned(),
            },
            405,
        ),
        (Refusal::NotReady, 503),
    ] {
        for dialect in DIALECTS {
            assert_eq!(
                refusal.answer(dialect, English).status,
                status,
                "{refusal:?}"
            );
        }
    }
    let allow = Refusal::MethodNotAllowed {
        allow: "POST".to_owned(),
    }
    .answer(Standard, English);
    assert_eq!(header(&allow, "allow"), Some("POST"));
}

#[test]
fn permission_is_403_by_the_standard_and_401_as_the_original_had_it() {
    assert_eq!(one(Refusal::Call(CallError::Forbidden), Standard).0, 403);
    assert_eq!(
        one(Refusal::Call(CallError::Forbidden), Discuzq),
        (401, json!({"status": "401", "code": "permission_denied"}))
    );
}
