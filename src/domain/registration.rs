//! The parsed body of `POST /api/register`: every attribute the house knows, and nothing else a client may send.

use secrecy::SecretString;

use super::fault::FieldFault;

/// What a client asked for, before any of the tenant's rules. Fields hold the text as sent; absent and null are the same.
#[derive(Debug, Default)]
pub struct Registration {
    /// `username`, before its white space is removed.
    pub username: Option<String>,
    /// `password`, exactly as sent; the empty text is kept apart from an absent one (contract section 2.3).
    pub password: Option<SecretString>,
    /// `register_reason`
    pub register_reason: Option<String>,
    /// `code`, the invite code; the empty text counts as absent (contract section 13).
    pub invite_code: Option<String>,
    /// What the user shows to be theirs.
    pub offered: Offered,
    /// `captcha_ticket` and `captcha_rand_str`
    pub captcha: CaptchaAnswer,
    /// Attributes of a wrong type; the pipeline reports them together with its own findings.
    pub faults: Vec<FieldFault>,
}

/// What a user offers to be bound to the account (`docs/contract.md`, sections 7 to 9).
#[derive(Debug, Default)]
pub struct Offered {
    /// `token`: a proven WeChat account.
    pub token: Option<SecretString>,
    /// `mobileToken`: a proven phone number.
    pub mobile_token: Option<SecretString>,
    /// `js_code`, `iv` and `encryptedData`, where all three came; a part of them counts as nothing.
    pub mini_program: Option<MiniProgramCode>,
    /// `rebind`: takes the WeChat account from its present owner.
    pub rebind: bool,
}

/// What a WeChat mini program hands its user.
#[derive(Debug)]
pub struct MiniProgramCode {
    /// `js_code`, good once at WeChat.
    pub js_code: SecretString,
    /// `iv`, in Base64.
    pub iv: String,
    /// `encryptedData`, in Base64.
    pub encrypted_data: String,
}

/// What a solved captcha gave the client; empty where nothing came.
#[derive(Debug, Default)]
pub struct CaptchaAnswer {
    /// `captcha_ticket`
    pub ticket: String,
    /// `captcha_rand_str`
    pub rand_str: String,
}
