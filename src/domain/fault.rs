//! What can be wrong with one field of a request: the kind of fault, never its text.

use super::password::CharacterClass;

/// A field that a fault can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The document around the attributes.
    Data,
    /// `username`
    Username,
    /// `password`
    Password,
    /// `register_reason`
    RegisterReason,
    /// `captcha_ticket` and `captcha_rand_str`, which the contract calls by one name.
    Captcha,
    /// `code`, the invite code.
    InviteCode,
    /// `token`
    Token,
    /// `mobileToken`
    MobileToken,
    /// `js_code`
    JsCode,
    /// `iv`
    Iv,
    /// `encryptedData`
    EncryptedData,
    /// `rebind`
    Rebind,
    /// `mobile`
    Mobile,
    /// `type`, what an SMS code is for, when it is sent.
    SmsType,
    /// The same, when it is checked (`sms_type` in the contract's own pointers).
    SmsCheckedType,
    /// `code`, when an SMS code is checked (`sms_code` in the contract's own pointers).
    SmsCode,
    /// `code` of a way back from WeChat.
    OauthCode,
    /// `sessionId`
    SessionId,
    /// `refresh_token`
    RefreshToken,
    /// `status` of a decision.
    Status,
    /// `refuse_message`
    RefuseMessage,
    /// `group_id`
    GroupId,
    /// `redirect`
    Redirect,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Missing, null or blank.
    Required,
    /// Not of the type the contract names.
    WrongType,
    /// More code points than allowed.
    TooLong {
        /// The most that is allowed.
        max: u32,
    },
    /// Fewer code points than asked for.
    TooShort {
        /// The least that is allowed.
        min: u32,
    },
    /// Holds a character that no rule lets in (NUL, controls, for names also what RFC 8265 refuses).
    ForbiddenCharacter,
    /// Another account has this name, or one that looks the same.
    Taken,
    /// A name kept back for the site, or refused by UTS 39.
    InvalidName,
    /// At least one of these character classes is missing; all that the tenant asks for are listed.
    MissingClasses(
        /// In the tenant's order.
        Vec<CharacterClass>,
    ),
    /// None of the values that it may have.
    NotOneOf,
    /// Somebody has it already.
    InUse,
    /// Nobody has it.
    Unknown,
    /// Not of the form it must have.
    Malformed,
    /// Another number is given only to who has shown that the present one is at hand.
    PresentPhoneNotShown,
    /// The service behind it is switched off.
    ServiceOff,
    /// The captcha was not passed; the provider's own number for why.
    Captcha(
        /// `None` when something was missing, or the provider gives no number.
        Option<i64>,
    ),
    /// On the list of common passwords.
    CommonPassword,
    /// The password is, or holds, the user name or the tenant's key.
    PasswordHoldsName,
}

/// One fault of one field; a document lists every one of them, grouped by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Where.
    pub field: Field,
    /// What.
    pub fault: Fault,
}

impl FieldFault {
    /// A fault at a field.
    #[must_use]
    pub const fn new(field: Field, fault: Fault) -> Self {
        Self { field, fault }
    }
}
