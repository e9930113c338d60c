use std::time::Duration;

use serde_json::{Value, json};

use super::catalogue::{every_refusal, faults, locked, unbound, wechat_refused};
use super::{ErrorAnswer, Refusal};
use crate::domain::dialect::Dialect::{self, Discuzq, Standard};
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::language::Language::{self, English, SimplifiedChinese};
use crate::domain::user_status::UserStatus;
use crate::login::error::{LoginError, UnboundKind};
use crate::membership::error::MembershipError;
use crate::registration::error::{ProofError, RegistrationError};
use crate::session::error::{CallError, LimitKind};
use crate::session::refresh::RefreshError;

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

#[test]
fn a_page_is_told_the_same_texts_at_the_same_fields() {
    let told = Refusal::from(faults()).told(English);
    assert_eq!(told.status, 422);
    assert_eq!(told.general, [""; 0]);
    let fields: Vec<_> = told.fields.keys().map(String::as_str).collect();
    assert_eq!(fields, ["code", "password", "username"]);
    let answer = Refusal::from(faults()).answer(Standard, English);
    for error in errors(&answer) {
        let pointer = error["source"]["pointer"].as_str().unwrap();
        let field = pointer.rsplit('/').next().unwrap();
        assert_eq!(error["detail"], json!(told.fields[field]), "{field}");
    }
    let limited = CallError::TooMany(LimitKind::Address, Duration::from_millis(1500));
    let told = Refusal::from(limited).told(English);
    assert_eq!((told.status, told.retry_after), (429, Some(2)));
    assert_eq!((told.general.len(), told.fields.len()), (1, 0));
    let invite = Refusal::from(RegistrationError::InviteRejected).told(SimplifiedChinese);
    assert_eq!(invite.fields["code"], ["无效的邀请码。"]);
    assert_eq!(invite.general, [""; 0]);
}

#[test]
fn every_discuzq_answer_has_one_of_the_originals_shapes() {
    for refusal in every_refusal() {
        for language in LANGUAGES {
            let answer = refusal.answer(Discuzq, language);
            for error in errors(&answer) {
                let oauth = error["detail"].is_object();
                let goes_on = error.get("token").is_some();
                let status = if oauth || goes_on {
                    json!(answer.status)
                } else {
                    json!(answer.status.to_string())
                };
                assert_eq!(error["status"], status, "{refusal:?}");
                assert!(
                    error["code"].as_str().is_some_and(|code| !code.is_empty()),
                    "{refusal:?}"
                );
                if let Some(texts) = error["detail"].as_array() {
                    assert!(!texts.is_empty() && texts.iter().all(Value::is_string));
                } else {
                    let bare = error.get("detail").is_none();
                    assert!(oauth || bare, "{refusal:?}: {error}");
                }
                let is_fault = error["code"] == "validation_error";
                assert!(
                    is_fault || error.get("source").is_none(),
                    "{refusal:?}: {error}"
                );
                assert!(error.get("meta").is_none(), "{refusal:?}: {error}");
            }
        }
    }
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
            // The original's status of a locked login is 402.
            let waits = [402, 429, 503].contains(&answer.status);
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

/// What a refusal comes to in both dialects and languages: `standard`'s error in Chinese and English, then `discuzq`'s.
fn all_forms(refusal: &Refusal) -> [(u16, Value); 4] {
    [Standard, Discuzq]
        .map(|dialect| {
            LANGUAGES.map(|language| {
                let answer = refusal.answer(dialect, language);
                (answer.status, errors(&answer).remove(0))
            })
        })
        .concat()
        .try_into()
        .unwrap()
}

/// An error of `standard`.
fn strict(status: u16, code: &str, text: &str, attribute: &str) -> (u16, Value) {
    let mut error = json!({"status": status.to_string(), "code": code, "detail": [text]});
    if !attribute.is_empty() {
        error["source"] = json!({"pointer": format!("/data/attributes/{attribute}")});
    }
    (status, error)
}

#[test]
fn proofs_that_do_not_stand_are_422_each_by_its_code() {
    // Code, text in both languages, attribute, and what `discuzq` has for a code and a text where that differs.
    let bound = (
        "account_has_been_bound",
        "用户或微信已绑定",
        "The user or the WeChat account is already bound.",
    );
    let token = (
        "token_invalid",
        "凭证无效或已过期。",
        "The token is not valid or has expired.",
    );
    let refused = ("wechat_refused", "invalid code", "invalid code");
    let rows = [
        (ProofError::TokenRejected, token, "token", None),
        (ProofError::MobileTokenRejected, token, "mobileToken", None),
        (
            ProofError::CodeUsed,
            (
                "js_code_invalid",
                "js code 无效或已使用。",
                "The js_code is not valid or was used before.",
            ),
            "js_code",
            Some("code been used"),
        ),
        (
            wechat_refused(Field::JsCode),
            refused,
            "js_code",
            Some("invalid code"),
        ),
        (
            wechat_refused(Field::OauthCode),
            refused,
            "code",
            Some("invalid code"),
        ),
        (
            ProofError::Undecipherable,
            (
                "encrypted_data_invalid",
                "encrypted data 无法解密。",
                "The encrypted data cannot be opened.",
            ),
            "encryptedData",
            Some("The given payload is invalid."),
        ),
        (
            ProofError::NotOffered,
            (
                "not_offered",
                "站点未开启此登录方式。",
                "The site does not offer this way to log in.",
            ),
            "",
            None,
        ),
        (ProofError::WechatBound(Field::Token), bound, "token", None),
        (
            ProofError::WechatBound(Field::JsCode),
            bound,
            "js_code",
            None,
        ),
        (
            ProofError::WechatBound(Field::OauthCode),
            bound,
            "code",
            None,
        ),
        (
            ProofError::PhoneTaken,
            (
                "mobile_is_already_bind",
                "手机号码已存在",
                "The phone number is already bound to an account.",
            ),
            "mobileToken",
            None,
        ),
        (
            ProofError::HasPhone,
            (
                "user_has_mobile",
                "用户已绑定手机号",
                "The account already has a phone number.",
            ),
            "mobileToken",
            None,
        ),
    ];
    for (error, (code, chinese, english), attribute, original) in rows {
        let refusal = Refusal::from(LoginError::from(error));
        let discuzq = |text| match original {
            Some(code) => strict(422, code, code, ""),
            None => strict(422, code, text, ""),
        };
        let expected = [
            strict(422, code, chinese, attribute),
            strict(422, code, english, attribute),
            discuzq(chinese),
            discuzq(english),
        ];
        assert_eq!(all_forms(&refusal), expected);
    }
}

#[test]
fn login_refusals_have_their_own_codes() {
    let rows = [
        (
            LoginError::SmsCodeRejected,
            "sms_verify_error",
            "短信验证错误",
            "The SMS code is wrong or has expired.",
            "sms_code",
            None,
        ),
        (
            LoginError::StateRejected,
            "oauth_state_invalid",
            "登录状态无效或已过期，请重新登录。",
            "The login at WeChat has expired. Please begin again.",
            "sessionId",
            Some("no_message"),
        ),
        (
            LoginError::ScanWaiting,
            "pc_qrcode_scanning_code",
            "扫码中",
            "Waiting for the picture to be scanned.",
            "",
            None,
        ),
        (
            LoginError::ScanOver,
            "pc_qrcode_time_out",
            "二维码已失效，扫码超时",
            "The picture has expired.",
            "",
            None,
        ),
        (
            LoginError::NoWechatPhone,
            "wechat_mobile_unbound",
            "微信未绑定手机号",
            "The WeChat account has no phone number.",
            "",
            None,
        ),
    ];
    for (error, code, chinese, english, attribute, original) in rows {
        let discuzq = |text| match original {
            Some(code) => strict(422, code, code, ""),
            None => strict(422, code, text, ""),
        };
        let expected = [
            strict(422, code, chinese, attribute),
            strict(422, code, english, attribute),
            discuzq(chinese),
            discuzq(english),
        ];
        assert_eq!(all_forms(&error.into()), expected);
    }
}

#[test]
fn a_failed_login_is_403_and_tells_what_is_left() {
    let chinese = strict(403, "login_failed", "登录失败，您还可以尝试4次", "");
    let text = "The name or the password is wrong. Attempts left: 4.";
    let english = strict(403, "login_failed", text, "");
    let expected = [chinese.clone(), english.clone(), chinese, english];
    assert_eq!(all_forms(&LoginError::Wrong { left: 4 }.into()), expected);
}

#[test]
fn a_locked_login_is_429_and_the_originals_402() {
    let refusal = Refusal::from(locked());
    let code = "login_failures_times_toplimit";
    let bare = (402, json!({"status": "402", "code": code}));
    let expected = [
        strict(429, code, "密码错误次数达到 5 次，请 15 分钟后再次尝试", ""),
        strict(
            429,
            code,
            "The password was wrong 5 times. Please try again in 15 minutes.",
            "",
        ),
        bare.clone(),
        bare,
    ];
    assert_eq!(all_forms(&refusal), expected);
    for dialect in DIALECTS {
        let answer = refusal.answer(dialect, English);
        assert_eq!(header(&answer, "retry-after"), Some("62"));
    }
}

#[test]
fn an_unbound_login_hands_over_what_the_client_goes_on_with() {
    let token = "t".repeat(40);
    let picture = "https://example.org/a.png";
    let wechat = json!({"token": token, "user": {"nickname": "李雷", "headimgurl": picture}});
    let nobody = ("no_bind_user", "未绑定用户", "No account is bound.");
    let rows = [
        (UnboundKind::OfficialAccount, nobody, wechat.clone()),
        (
            UnboundKind::Rebind,
            (
                "rebind_mp_wechat",
                "更换微信公众号绑定",
                "Another WeChat account is to be bound.",
            ),
            wechat,
        ),
        (
            UnboundKind::MiniProgram,
            nobody,
            json!({"token": "", "user": {"username": "李雷", "headimgurl": picture}}),
        ),
        (
            UnboundKind::Phone,
            nobody,
            json!({"token": token, "user": null}),
        ),
    ];
    for (kind, (code, chinese, english), goes_on) in rows {
        let standard = |text| {
            let (status, mut error) = strict(400, code, text, "");
            error["meta"] = goes_on.clone();
            (status, error)
        };
        let original = json!({
            "status": 400, "code": code, "token": goes_on["token"], "user": goes_on["user"],
        });
        let expected = [
            standard(chinese),
            standard(english),
            (400, original.clone()),
            (400, original),
        ];
        assert_eq!(all_forms(&unbound(kind).into()), expected, "{kind:?}");
    }
}

#[test]
fn a_refused_refresh_token_keeps_the_shape_of_oauth_in_discuzq() {
    let rows = [
        (
            RefreshError::Missing,
            400,
            "Check the `refresh_token` parameter",
        ),
        (
            RefreshError::Rejected,
            401,
            "Cannot decrypt the refresh token",
        ),
    ];
    for (error, status, text) in rows {
        let standard = strict(status, "invalid_request", text, "refresh_token");
        let detail = json!({
            "error": "invalid_request", "error_description": text, "hint": text, "message": text,
        });
        let original = (
            status,
            json!({"status": status, "code": "invalid_request", "detail": detail}),
        );
        let expected = [standard.clone(), standard, original.clone(), original];
        assert_eq!(all_forms(&error.into()), expected);
    }
}

#[test]
fn members_refusals_are_those_of_every_call() {
    let missing = Refusal::from(MembershipError::NotFound("user"));
    let bare = (404, json!({"status": "404", "code": "model_not_found"}));
    let expected = [
        strict(404, "model_not_found", "模型未找到：user", ""),
        strict(404, "model_not_found", "Not found: user.", ""),
        bare.clone(),
        bare,
    ];
    assert_eq!(all_forms(&missing), expected);
    let fault = FieldFault::new(Field::RefuseMessage, Fault::TooLong { max: 255 });
    let invalid = Refusal::from(MembershipError::Invalid(vec![fault]));
    let chinese = strict(
        422,
        "validation_error",
        "refuse message 不能大于 255 个字符。",
        "refuse_message",
    );
    let english = strict(
        422,
        "validation_error",
        "The refuse message must not be longer than 255 characters.",
        "refuse_message",
    );
    let expected = [chinese.clone(), english.clone(), chinese, english];
    assert_eq!(all_forms(&invalid), expected);
}

#[test]
fn every_field_is_pointed_at_by_the_name_that_clients_send() {
    let names = [
        (Field::Username, "username"),
        (Field::Password, "password"),
        (Field::RegisterReason, "register_reason"),
        (Field::Captcha, "captcha"),
        (Field::InviteCode, "code"),
        (Field::Token, "token"),
        (Field::MobileToken, "mobileToken"),
        (Field::JsCode, "js_code"),
        (Field::Iv, "iv"),
        (Field::EncryptedData, "encryptedData"),
        (Field::Rebind, "rebind"),
        (Field::Mobile, "mobile"),
        (Field::SmsType, "type"),
        (Field::SmsCheckedType, "sms_type"),
        (Field::SmsCode, "sms_code"),
        (Field::OauthCode, "code"),
        (Field::SessionId, "sessionId"),
        (Field::RefreshToken, "refresh_token"),
        (Field::Status, "status"),
        (Field::RefuseMessage, "refuse_message"),
        (Field::GroupId, "group_id"),
        (Field::Redirect, "redirect"),
    ];
    for (field, name) in names {
        for dialect in DIALECTS {
            let faults = vec![FieldFault::new(field, Fault::Required)];
            let (status, error) = one(LoginError::Invalid(faults), dialect);
            let pointer = format!("/data/attributes/{name}");
            assert_eq!(
                (status, &error["source"]["pointer"]),
                (422, &json!(pointer))
            );
        }
    }
}
