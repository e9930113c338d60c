//! The one language pack: every text that a client may show to a person.
//!
//! The Chinese texts of the contract's own codes and rules are exact (`docs/contract.md`, sections 4.2 and 4.3), because
//! existing front ends show them as they are. Texts for what the contract does not know follow the same pattern:
//! attribute name, one space, text, full stop.

use std::time::Duration;

use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::language::Language;
use crate::domain::password::CharacterClass;

/// A text without variable parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// `register_close`
    RegisterClose,
    /// `register_validate`
    RegisterValidate,
    /// `validate_reject`
    ValidateReject,
    /// `validate_ignore`
    ValidateIgnore,
    /// `ban_user`
    BanUser,
    /// `site_closed`, when the tenant wrote no text of its own
    SiteClosed,
    /// `permission_denied`
    PermissionDenied,
    /// `not_authenticated`
    NotAuthenticated,
    /// `access_denied`
    AccessDenied,
    /// The hint beside `access_denied`
    AccessTokenRejected,
    /// `setting_fill_register_reason`
    FillRegisterReason,
    /// `content_banned`
    ContentBanned,
    /// `invite_required`
    InviteRequired,
    /// `invite_invalid`
    InviteInvalid,
    /// `token_invalid`: a `token` or `mobileToken` that proves nothing
    TokenInvalid,
    /// `js_code_invalid`
    JsCodeUsed,
    /// `encrypted_data_invalid`
    EncryptedDataInvalid,
    /// `not_offered`
    NotOffered,
    /// `account_has_been_bound`
    AccountHasBeenBound,
    /// `mobile_is_already_bind`
    MobileIsAlreadyBind,
    /// `user_has_mobile`
    UserHasMobile,
    /// `sms_verify_error`
    SmsVerifyError,
    /// `oauth_state_invalid`
    OauthStateInvalid,
    /// `no_bind_user`
    NoBindUser,
    /// `rebind_mp_wechat`
    RebindMpWechat,
    /// `pc_qrcode_scanning_code`
    QrcodeScanning,
    /// `pc_qrcode_time_out`
    QrcodeTimeOut,
    /// `wechat_mobile_unbound`
    WechatMobileUnbound,
    /// `invalid_request`, when the refresh token is missing
    RefreshTokenMissing,
    /// `invalid_request`, when the refresh token is rejected
    RefreshTokenRejected,
    /// `validation_error` without a field to name
    ValidationError,
    /// `idempotency_key_reused`
    IdempotencyKeyReused,
    /// `idempotency_in_progress`
    IdempotencyInProgress,
    /// `idempotency_key_invalid`
    IdempotencyKeyInvalid,
    /// `too_many_requests`
    TooManyRequests,
    /// `too_many_attempts`
    TooManyAttempts,
    /// `overloaded`
    Overloaded,
    /// `unavailable`
    Unavailable,
    /// `deadline_exceeded`
    DeadlineExceeded,
    /// `not_ready`
    NotReady,
    /// `unknown_error`
    UnknownError,
    /// `malformed_json`
    MalformedJson,
    /// The query is not well-formed.
    MalformedQuery,
    /// `duplicate_key`
    DuplicateKey,
    /// `too_deep`
    TooDeep,
    /// `unsupported_media_type`
    UnsupportedMediaType,
    /// `unsupported_content_encoding`
    UnsupportedContentEncoding,
    /// `body_too_large`
    BodyTooLarge,
    /// `body_timeout`
    BodyTimeout,
    /// `body_incomplete`
    BodyIncomplete,
    /// `tenant_not_found`
    TenantNotFound,
    /// `tenant_ambiguous`
    TenantAmbiguous,
    /// `bad_host`
    BadHost,
    /// `route_not_found`
    RouteNotFound,
    /// `method_not_allowed`
    MethodNotAllowed,
    /// `foreign_form`
    ForeignForm,
}

impl Message {
    /// The text in a language.
    #[must_use]
    pub const fn text(self, language: Language) -> &'static str {
        let (chinese, english) = self.both();
        match language {
            Language::SimplifiedChinese => chinese,
            Language::English => english,
        }
    }

    /// The table: Chinese, English.
    const fn both(self) -> (&'static str, &'static str) {
        match self {
            Self::RegisterClose => ("注册关闭", "Registration is closed."),
            Self::RegisterValidate => (
                "帐号审核中，请审核通过后尝试",
                "The account awaits approval. Please try again once it is approved.",
            ),
            Self::ValidateReject => (
                "帐号审核拒绝，请联系管理员",
                "The account was not approved. Please contact the administrator.",
            ),
            Self::ValidateIgnore => (
                "帐号审核忽略，请联系管理员",
                "The application for this account was set aside. Please contact the administrator.",
            ),
            Self::BanUser => (
                "您的账号被禁用，无法访问本站点",
                "Your account is banned from this site.",
            ),
            Self::SiteClosed => ("站点已关闭！", "The site is closed."),
            Self::PermissionDenied => ("没有权限", "You do not have permission."),
            Self::NotAuthenticated => ("请登录", "Please log in."),
            Self::AccessDenied => ("拒绝访问", "Access denied."),
            Self::AccessTokenRejected => (
                "访问令牌无效或已过期",
                "The access token is not valid or has expired.",
            ),
            Self::FillRegisterReason => (
                "注册时的注册原因必须必填",
                "A reason to register is required.",
            ),
            Self::ContentBanned => (
                "当前用户名包含禁止注册的词语",
                "The user name holds a word that may not be registered.",
            ),
            Self::InviteRequired => ("邀请码 不能为空。", "An invite code is required."),
            Self::InviteInvalid => ("无效的邀请码。", "The invite code is not valid."),
            Self::TokenInvalid => (
                "凭证无效或已过期。",
                "The token is not valid or has expired.",
            ),
            Self::JsCodeUsed => (
                "js code 无效或已使用。",
                "The js_code is not valid or was used before.",
            ),
            Self::EncryptedDataInvalid => (
                "encrypted data 无法解密。",
                "The encrypted data cannot be opened.",
            ),
            Self::NotOffered => (
                "站点未开启此登录方式。",
                "The site does not offer this way to log in.",
            ),
            Self::AccountHasBeenBound => (
                "用户或微信已绑定",
                "The user or the WeChat account is already bound.",
            ),
            Self::MobileIsAlreadyBind => (
                "手机号码已存在",
                "The phone number is already bound to an account.",
            ),
            Self::UserHasMobile => (
                "用户已绑定手机号",
                "The account already has a phone number.",
            ),
            Self::SmsVerifyError => ("短信验证错误", "The SMS code is wrong or has expired."),
            Self::OauthStateInvalid => (
                "登录状态无效或已过期，请重新登录。",
                "The login at WeChat has expired. Please begin again.",
            ),
            Self::NoBindUser => ("未绑定用户", "No account is bound."),
            Self::RebindMpWechat => (
                "更换微信公众号绑定",
                "Another WeChat account is to be bound.",
            ),
            Self::QrcodeScanning => ("扫码中", "Waiting for the picture to be scanned."),
            Self::QrcodeTimeOut => ("二维码已失效，扫码超时", "The picture has expired."),
            Self::WechatMobileUnbound => (
                "微信未绑定手机号",
                "The WeChat account has no phone number.",
            ),
            Self::RefreshTokenMissing => (
                "Check the `refresh_token` parameter",
                "Check the `refresh_token` parameter",
            ),
            Self::RefreshTokenRejected => (
                "Cannot decrypt the refresh token",
                "Cannot decrypt the refresh token",
            ),
            Self::ValidationError => ("表单验证错误", "The form is not valid."),
            Self::IdempotencyKeyReused => (
                "此幂等键已用于其他请求内容。",
                "This idempotency key was used with another request body.",
            ),
            Self::IdempotencyInProgress => (
                "使用此幂等键的请求正在处理中，请稍后重试。",
                "A request with this idempotency key is in progress. Please try again later.",
            ),
            Self::IdempotencyKeyInvalid => {
                ("幂等键格式不正确。", "The idempotency key is malformed.")
            }
            Self::TooManyRequests => (
                "请求太频繁，请稍后重试",
                "Too many requests. Please try again later.",
            ),
            Self::TooManyAttempts => (
                "尝试次数过多，请稍后重试",
                "Too many attempts. Please try again later.",
            ),
            Self::Overloaded => (
                "服务器繁忙，请稍后重试",
                "The server is busy. Please try again later.",
            ),
            Self::Unavailable => (
                "服务暂时不可用，请稍后重试",
                "The service is unavailable for the moment. Please try again later.",
            ),
            Self::DeadlineExceeded => (
                "请求处理超时，请稍后重试",
                "The request could not be finished in time. Please try again later.",
            ),
            Self::NotReady => (
                "服务尚未就绪，请稍后重试",
                "The service is not ready. Please try again later.",
            ),
            Self::UnknownError => ("未知错误", "Unknown error."),
            Self::MalformedJson => (
                "请求体不是有效的 JSON。",
                "The request body is not valid JSON.",
            ),
            Self::MalformedQuery => (
                "查询参数格式不正确。",
                "The query is malformed or names a parameter twice.",
            ),
            Self::DuplicateKey => (
                "请求体包含重复的成员名。",
                "The request body names a member twice.",
            ),
            Self::TooDeep => ("请求体嵌套过深。", "The request body is nested too deeply."),
            Self::UnsupportedMediaType => {
                ("不支持的内容类型。", "The content type is not supported.")
            }
            Self::UnsupportedContentEncoding => (
                "不支持的内容编码。",
                "The content encoding is not supported.",
            ),
            Self::BodyTooLarge => ("请求体过大。", "The request body is too large."),
            Self::BodyTimeout => (
                "接收请求体超时。",
                "The request body did not arrive in time.",
            ),
            Self::BodyIncomplete => ("请求体不完整。", "The request body is incomplete."),
            Self::TenantNotFound => ("站点不存在。", "There is no such tenant."),
            Self::TenantAmbiguous => (
                "请求指明了多个站点。",
                "The request names more than one tenant.",
            ),
            Self::BadHost => ("主机名格式不正确。", "The host name is malformed."),
            Self::RouteNotFound => ("接口不存在。", "There is no such route."),
            Self::MethodNotAllowed => (
                "请求方法不被允许。",
                "The method is not allowed on this route.",
            ),
            Self::ForeignForm => (
                "此表单不是由本页面提交的，请重新打开页面再试。",
                "This form did not come from our own page. Please open the page again.",
            ),
        }
    }
}

/// `model_not_found`, with the kind of thing that was asked for.
#[must_use]
pub fn not_found(what: &str, language: Language) -> String {
    match language {
        Language::SimplifiedChinese => format!("模型未找到：{what}"),
        Language::English => format!("Not found: {what}."),
    }
}

/// A parameter of a query that cannot stand.
#[must_use]
pub fn bad_parameter(name: &str, language: Language) -> String {
    match language {
        Language::SimplifiedChinese => format!("参数 {name} 非法。"),
        Language::English => format!("The parameter {name} is not valid."),
    }
}

/// `login_failed`, with the attempts that are left.
#[must_use]
pub fn login_failed(left: u32, language: Language) -> String {
    match language {
        Language::SimplifiedChinese => format!("登录失败，您还可以尝试{left}次"),
        Language::English => {
            format!("The name or the password is wrong. Attempts left: {left}.")
        }
    }
}

/// `login_failures_times_toplimit`, with the tenant's own numbers.
#[must_use]
pub fn login_locked(tries: u32, span: Duration, language: Language) -> String {
    let minutes = span.as_secs().div_ceil(60);
    match language {
        Language::SimplifiedChinese => {
            format!("密码错误次数达到 {tries} 次，请 {minutes} 分钟后再次尝试")
        }
        Language::English => {
            format!("The password was wrong {tries} times. Please try again in {minutes} minutes.")
        }
    }
}

/// The text of one field fault.
#[must_use]
pub fn field_fault(fault: &FieldFault, language: Language) -> String {
    match language {
        Language::SimplifiedChinese => chinese_fault(fault),
        Language::English => english_fault(fault),
    }
}

/// The contract's names; attributes that it gives no Chinese name stand in lower case with blanks.
const fn chinese_name(field: Field) -> &'static str {
    match field {
        Field::Username => "用户名",
        Field::Password => "密码",
        Field::RegisterReason => "注册原因",
        Field::Captcha | Field::SmsCode => "验证码",
        Field::InviteCode => "邀请码",
        Field::Mobile => "手机号",
        Field::SmsType => "类型",
        Field::SmsCheckedType => "验证码类型",
        other => lower_case_name(other),
    }
}

const fn lower_case_name(field: Field) -> &'static str {
    match field {
        Field::Data => "data",
        Field::Username => "user name",
        Field::Password => "password",
        Field::RegisterReason => "reason to register",
        Field::Captcha => "captcha",
        Field::InviteCode => "invite code",
        Field::Token => "token",
        Field::MobileToken => "mobile token",
        Field::JsCode => "js code",
        Field::Iv => "iv",
        Field::EncryptedData => "encrypted data",
        Field::Rebind => "rebind",
        Field::Mobile => "phone number",
        Field::SmsType | Field::SmsCheckedType => "type",
        Field::SmsCode | Field::OauthCode => "code",
        Field::SessionId => "session id",
        Field::RefreshToken => "refresh token",
        Field::Status => "status",
        Field::RefuseMessage => "refuse message",
        Field::GroupId => "group id",
        Field::Redirect => "redirect",
    }
}

fn chinese_fault(FieldFault { field, fault }: &FieldFault) -> String {
    let attribute = chinese_name(*field);
    let text = match (field, fault) {
        (_, Fault::Required) => "不能为空".to_owned(),
        (Field::Data, Fault::WrongType) => "必须是对象，并包含 attributes 对象".to_owned(),
        (Field::Status | Field::GroupId, Fault::WrongType) => "必须是整数".to_owned(),
        (_, Fault::WrongType) => "必须是字符串".to_owned(),
        (_, Fault::TooLong { max }) => format!("不能大于 {max} 个字符"),
        (_, Fault::TooShort { min }) => format!("至少为 {min} 个字符"),
        (_, Fault::Taken) => "已经存在".to_owned(),
        (Field::Username, Fault::ForbiddenCharacter) | (_, Fault::InvalidName) => {
            return "无效的用户名。".to_owned();
        }
        (_, Fault::ForbiddenCharacter) => "包含不允许的字符".to_owned(),
        (_, Fault::MissingClasses(classes)) => {
            let names: Vec<_> = classes.iter().copied().map(chinese_class).collect();
            return format!("密码格式不正确，必须包含{}。", names.join("、"));
        }
        (_, Fault::NotOneOf) => return format!("已选的属性 {attribute} 非法。"),
        (_, Fault::InUse) => "已经存在".to_owned(),
        (_, Fault::Unknown) => "不存在".to_owned(),
        (_, Fault::Malformed) => "格式不正确".to_owned(),
        (_, Fault::PresentPhoneNotShown) => return "请验证旧的手机号。".to_owned(),
        (_, Fault::ServiceOff) => return "短信服务未开启。".to_owned(),
        // The provider's number follows the full stop, as the contract has it.
        (_, Fault::Captcha(code)) => {
            let code = code.map(|code| code.to_string()).unwrap_or_default();
            return format!("{attribute} 错误。{code}");
        }
        (_, Fault::CommonPassword) => "过于常见".to_owned(),
        (_, Fault::PasswordHoldsName) => "不能包含用户名或站点名".to_owned(),
    };
    format!("{attribute} {text}。")
}

const fn chinese_class(class: CharacterClass) -> &'static str {
    match class {
        CharacterClass::Digit => "数字",
        CharacterClass::Lowercase => "小写字母",
        CharacterClass::Symbol => "符号",
        CharacterClass::Uppercase => "大写字母",
    }
}

fn english_fault(FieldFault { field, fault }: &FieldFault) -> String {
    let attribute = lower_case_name(*field);
    let text = match (field, fault) {
        (_, Fault::Required) => "must not be empty".to_owned(),
        (Field::Data, Fault::WrongType) => {
            "must be an object that holds an object of attributes".to_owned()
        }
        (Field::Status | Field::GroupId, Fault::WrongType) => "must be a whole number".to_owned(),
        (_, Fault::WrongType) => "must be a string".to_owned(),
        (_, Fault::TooLong { max }) => format!("must not be longer than {max} characters"),
        (_, Fault::TooShort { min }) => format!("must be at least {min} characters long"),
        (_, Fault::Taken) => "is already taken".to_owned(),
        (Field::Username, Fault::ForbiddenCharacter) | (_, Fault::InvalidName) => {
            "is not valid".to_owned()
        }
        (_, Fault::ForbiddenCharacter) => "holds a character that is not allowed".to_owned(),
        (_, Fault::MissingClasses(classes)) => {
            let names: Vec<_> = classes.iter().copied().map(english_class).collect();
            format!("must hold {}", names.join(" and "))
        }
        (_, Fault::NotOneOf) => "is none of the values that it may have".to_owned(),
        (_, Fault::InUse) => "is already in use".to_owned(),
        (_, Fault::Unknown) => "is not known".to_owned(),
        (_, Fault::Malformed) => "is malformed".to_owned(),
        (_, Fault::PresentPhoneNotShown) => {
            return "Please verify the present phone number first.".to_owned();
        }
        (_, Fault::ServiceOff) => return "Codes by SMS are switched off.".to_owned(),
        (_, Fault::Captcha(code)) => match code {
            Some(code) => format!("was not passed ({code})"),
            None => "was not passed".to_owned(),
        },
        (_, Fault::CommonPassword) => "is too common".to_owned(),
        (_, Fault::PasswordHoldsName) => {
            "must not hold the user name or the name of the site".to_owned()
        }
    };
    format!("The {attribute} {text}.")
}

const fn english_class(class: CharacterClass) -> &'static str {
    match class {
        CharacterClass::Digit => "a digit",
        CharacterClass::Lowercase => "a lower-case letter",
        CharacterClass::Symbol => "a symbol",
        CharacterClass::Uppercase => "an upper-case letter",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Message, field_fault, login_failed, login_locked, not_found};
    use crate::domain::fault::{Fault, Field, FieldFault};
    use crate::domain::language::Language;
    use crate::domain::password::CharacterClass;

    fn chinese(field: Field, fault: Fault) -> String {
        field_fault(&FieldFault::new(field, fault), Language::SimplifiedChinese)
    }

    fn english(field: Field, fault: Fault) -> String {
        field_fault(&FieldFault::new(field, fault), Language::English)
    }

    #[test]
    fn the_contracts_own_field_texts_are_exact() {
        let expected = [
            (Field::Username, Fault::Required, "用户名 不能为空。"),
            (
                Field::Username,
                Fault::TooLong { max: 15 },
                "用户名 不能大于 15 个字符。",
            ),
            (Field::Username, Fault::Taken, "用户名 已经存在。"),
            (Field::Username, Fault::InvalidName, "无效的用户名。"),
            (Field::Password, Fault::Required, "密码 不能为空。"),
            (
                Field::Password,
                Fault::TooLong { max: 50 },
                "密码 不能大于 50 个字符。",
            ),
            (
                Field::Password,
                Fault::TooShort { min: 6 },
                "密码 至少为 6 个字符。",
            ),
            (
                Field::RegisterReason,
                Fault::Required,
                "注册原因 不能为空。",
            ),
            (
                Field::RegisterReason,
                Fault::TooLong { max: 50 },
                "注册原因 不能大于 50 个字符。",
            ),
            (Field::Captcha, Fault::Captcha(None), "验证码 错误。"),
            (Field::Captcha, Fault::Captcha(Some(9)), "验证码 错误。9"),
            (Field::Mobile, Fault::Required, "手机号 不能为空。"),
            (Field::Mobile, Fault::InUse, "手机号 已经存在。"),
            (Field::Mobile, Fault::Unknown, "手机号 不存在。"),
            (Field::Mobile, Fault::ServiceOff, "短信服务未开启。"),
            (
                Field::Mobile,
                Fault::PresentPhoneNotShown,
                "请验证旧的手机号。",
            ),
            (Field::SmsType, Fault::Required, "类型 不能为空。"),
            (Field::SmsType, Fault::NotOneOf, "已选的属性 类型 非法。"),
            (
                Field::SmsCheckedType,
                Fault::Required,
                "验证码类型 不能为空。",
            ),
            (Field::SmsCode, Fault::Required, "验证码 不能为空。"),
            (Field::JsCode, Fault::Required, "js code 不能为空。"),
            (Field::Iv, Fault::Required, "iv 不能为空。"),
            (
                Field::EncryptedData,
                Fault::Required,
                "encrypted data 不能为空。",
            ),
            (Field::OauthCode, Fault::Required, "code 不能为空。"),
            (Field::SessionId, Fault::Required, "session id 不能为空。"),
            (
                Field::MobileToken,
                Fault::Required,
                "mobile token 不能为空。",
            ),
        ];
        for (field, fault, text) in expected {
            assert_eq!(chinese(field, fault), text);
        }
    }

    #[test]
    fn missing_classes_are_listed_in_one_text() {
        let classes = Fault::MissingClasses(vec![
            CharacterClass::Digit,
            CharacterClass::Lowercase,
            CharacterClass::Symbol,
            CharacterClass::Uppercase,
        ]);
        assert_eq!(
            chinese(Field::Password, classes.clone()),
            "密码格式不正确，必须包含数字、小写字母、符号、大写字母。"
        );
        assert_eq!(
            english(Field::Password, classes),
            "The password must hold a digit and a lower-case letter and a symbol and an upper-case letter."
        );
    }

    #[test]
    fn the_contracts_own_code_texts_are_exact() {
        let expected = [
            (Message::RegisterClose, "注册关闭"),
            (Message::RegisterValidate, "帐号审核中，请审核通过后尝试"),
            (Message::ValidateReject, "帐号审核拒绝，请联系管理员"),
            (Message::ValidateIgnore, "帐号审核忽略，请联系管理员"),
            (Message::BanUser, "您的账号被禁用，无法访问本站点"),
            (Message::SiteClosed, "站点已关闭！"),
            (Message::PermissionDenied, "没有权限"),
            (Message::NotAuthenticated, "请登录"),
            (Message::AccessDenied, "拒绝访问"),
            (Message::FillRegisterReason, "注册时的注册原因必须必填"),
            (Message::ContentBanned, "当前用户名包含禁止注册的词语"),
            (Message::ValidationError, "表单验证错误"),
            (Message::AccountHasBeenBound, "用户或微信已绑定"),
            (Message::MobileIsAlreadyBind, "手机号码已存在"),
            (Message::UserHasMobile, "用户已绑定手机号"),
            (Message::NoBindUser, "未绑定用户"),
            (Message::RebindMpWechat, "更换微信公众号绑定"),
            (Message::WechatMobileUnbound, "微信未绑定手机号"),
            (Message::SmsVerifyError, "短信验证错误"),
            (Message::QrcodeTimeOut, "二维码已失效，扫码超时"),
            (Message::QrcodeScanning, "扫码中"),
        ];
        for (message, text) in expected {
            assert_eq!(message.text(Language::SimplifiedChinese), text);
        }
    }

    #[test]
    fn texts_of_a_login_hold_the_tenants_own_numbers() {
        let quarter = Duration::from_secs(15 * 60);
        let chinese = Language::SimplifiedChinese;
        assert_eq!(login_failed(1, chinese), "登录失败，您还可以尝试1次");
        assert_eq!(
            login_locked(5, quarter, chinese),
            "密码错误次数达到 5 次，请 15 分钟后再次尝试"
        );
        // Less than a minute is a minute.
        assert_eq!(
            login_locked(3, Duration::from_secs(61), Language::English),
            "The password was wrong 3 times. Please try again in 2 minutes."
        );
    }

    #[test]
    fn a_forbidden_character_is_an_invalid_name_only_in_a_name() {
        assert_eq!(
            chinese(Field::Username, Fault::ForbiddenCharacter),
            "无效的用户名。"
        );
        assert_eq!(
            chinese(Field::RegisterReason, Fault::ForbiddenCharacter),
            "注册原因 包含不允许的字符。"
        );
    }

    #[test]
    fn english_texts_name_the_attribute_and_the_bound() {
        assert_eq!(
            english(Field::Password, Fault::TooShort { min: 8 }),
            "The password must be at least 8 characters long."
        );
        assert_eq!(
            english(Field::Data, Fault::WrongType),
            "The data must be an object that holds an object of attributes."
        );
        assert_eq!(not_found("tenant", Language::English), "Not found: tenant.");
    }
}
