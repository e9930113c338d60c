//! `POST /api/sms/send`: sends a code to a phone, within every bound that keeps the tenant's bill (`docs/contract.md`,
//! section 10.3; `docs/threats.md`, row 84).

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use secrecy::SecretString;

use super::error::LoginError;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::phone_number::PhoneNumber;
use crate::domain::proof::SmsPurpose;
use crate::domain::registration::CaptchaAnswer;
use crate::registration::captcha;
use crate::session::authenticate::{authenticate, require};
use crate::session::error::{CallError, LimitKind};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::counters::{Budget, Spent};
use crate::telemetry::usage::Counter;
use crate::token::token_digest_hex;

/// One call of `POST /api/sms/send`.
#[derive(Debug)]
pub struct SendCode {
    /// `mobile`
    pub phone: Option<String>,
    /// `type`
    pub purpose: Option<String>,
    /// What a solved captcha gave the client.
    pub captcha: CaptchaAnswer,
    /// Attributes of a wrong type.
    pub faults: Vec<FieldFault>,
    /// Who asks.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Codes are 100000 to 999999, as the original's.
const LEAST_CODE: u32 = 100_000;
const CODES: u32 = 900_000;

/// Sends a code. Returns after how many seconds the client may ask for another one.
///
/// # Errors
/// [`LoginError`].
pub async fn send_code(
    tools: &Tools,
    rules: &TenantRules,
    request: &SendCode,
) -> Result<u32, LoginError> {
    authenticate(tools, rules, request.access_token.as_ref()).await?;
    if !request.faults.is_empty() {
        return Err(LoginError::Invalid(request.faults.clone()));
    }
    let account = rules.accounts.sms.as_ref();
    let account = account.ok_or_else(|| fault(Field::Mobile, Fault::ServiceOff))?;
    let purpose = read_purpose(request.purpose.as_deref(), Field::SmsType)?;
    let phone = addressee(tools, rules, request, purpose).await?;
    let sms_rules = &rules.settings.sms_rules;
    let prefixes = &sms_rules.allowed_prefixes;
    if !prefixes
        .iter()
        .any(|prefix| phone.as_e164().starts_with(prefix.as_str()))
    {
        return Err(fault(Field::Mobile, Fault::Malformed));
    }
    if rules.settings.captcha_rules.on_sms {
        captcha::check(tools, rules, &request.captcha, request.requester.ip()).await?;
    }
    spend_budgets(tools, rules, &phone, request.requester).await?;
    let code = draw_code(tools)?;
    let life = Duration::from_secs(u64::from(sms_rules.code_seconds));
    let expires_at = tools.clock.now().plus(life);
    let hash = code_hash(rules, &phone, purpose, &code);
    tools
        .db
        .put_sms_code(&phone, purpose, &hash, expires_at)
        .await?;
    let minutes = sms_rules.code_seconds.div_ceil(60);
    tools
        .providers
        .send_sms(account, &phone, &code, minutes)
        .await
        .map_err(CallError::from)?;
    tools.count(Counter::SmsSent);
    Ok(sms_rules.interval_seconds)
}

/// To whom the code goes: the number that was typed, or the caller's own.
async fn addressee(
    tools: &Tools,
    rules: &TenantRules,
    request: &SendCode,
    purpose: SmsPurpose,
) -> Result<PhoneNumber, LoginError> {
    if purpose == SmsPurpose::Verify {
        let caller = require(tools, rules, request.access_token.as_ref()).await?;
        return caller
            .user
            .phone
            .ok_or_else(|| fault(Field::Mobile, Fault::Unknown));
    }
    let phone = read_phone(request.phone.as_deref(), rules)?;
    match purpose {
        SmsPurpose::Bind | SmsPurpose::Rebind => {
            require(tools, rules, request.access_token.as_ref()).await?;
            if tools.db.find_user_by_phone(&phone).await?.is_some() {
                return Err(fault(Field::Mobile, Fault::InUse));
            }
        }
        SmsPurpose::ResetPassword => {
            if tools.db.find_user_by_phone(&phone).await?.is_none() {
                return Err(fault(Field::Mobile, Fault::Unknown));
            }
        }
        SmsPurpose::Login | SmsPurpose::Verify => {}
    }
    Ok(phone)
}

/// Counts the message against the number, the address and the tenant's budget, all or none of them.
async fn spend_budgets(
    tools: &Tools,
    rules: &TenantRules,
    phone: &PhoneNumber,
    requester: SocketAddr,
) -> Result<(), LoginError> {
    let settings = &rules.settings.sms_rules;
    let number = token_digest_hex(phone.as_e164());
    let network = super::password::network(requester.ip());
    let (pause, of_phone, of_address) = (
        format!("sms-pause:{number}"),
        format!("sms:{number}"),
        format!("sms-from:{network}"),
    );
    let budget = |subject, most, window| Budget {
        subject,
        most,
        window,
    };
    let interval = Duration::from_secs(u64::from(settings.interval_seconds.max(1)));
    let budgets = [
        budget(pause.as_str(), 1, interval),
        budget(of_phone.as_str(), settings.per_phone_per_day, DAY),
        budget(of_address.as_str(), settings.per_address_per_day, DAY),
        budget("sms-budget", settings.per_tenant_per_day, DAY),
    ];
    match tools.db.spend(&budgets).await? {
        Spent::Within { .. } => Ok(()),
        Spent::Over { index, retry_after } => {
            let kind = match index {
                0 | 1 => LimitKind::Phone,
                2 => LimitKind::Address,
                _ => {
                    tracing::error!(tenant = %rules.key, "the tenant's budget of messages for today is spent");
                    LimitKind::SmsBudget
                }
            };
            tools.providers.sms_kept_back(kind == LimitKind::SmsBudget);
            Err(CallError::TooMany(kind, retry_after).into())
        }
    }
}

fn draw_code(tools: &Tools) -> Result<String, CallError> {
    // Numbers beyond the last whole multiple are left out, so that no code is likelier than another.
    const WHOLE: u32 = u32::MAX - u32::MAX % CODES;
    loop {
        let number = u32::from_be_bytes(tools.entropy.bytes()?);
        if number < WHOLE {
            return Ok((LEAST_CODE + number % CODES).to_string());
        }
    }
}

/// The keyed digest of a code: a plain one of six digits would be no secret.
pub(super) fn code_hash(
    rules: &TenantRules,
    phone: &PhoneNumber,
    purpose: SmsPurpose,
    code: &str,
) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &rules.secrets.code);
    let text = format!("{}|{}|{code}", phone.as_e164(), purpose.as_i16());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// `type`; a purpose that the house does not know is none of the values it may have.
pub(super) fn read_purpose(text: Option<&str>, field: Field) -> Result<SmsPurpose, LoginError> {
    let text = text.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| fault(field, Fault::Required))?;
    SmsPurpose::parse(text).ok_or_else(|| fault(field, Fault::NotOneOf))
}

/// `mobile`
pub(super) fn read_phone(
    text: Option<&str>,
    rules: &TenantRules,
) -> Result<PhoneNumber, LoginError> {
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| fault(Field::Mobile, Fault::Required))?;
    PhoneNumber::parse(text, &rules.settings.sms_rules.country_code)
        .ok_or_else(|| fault(Field::Mobile, Fault::Malformed))
}

/// One fault of one field.
pub(super) fn fault(field: Field, fault: Fault) -> LoginError {
    LoginError::Invalid(vec![FieldFault::new(field, fault)])
}
