//! The proof that a person fills in the form (`docs/contract.md`, section 2.4).

use std::net::IpAddr;

use super::error::RegistrationError;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::registration::CaptchaAnswer;
use crate::provider::captcha::CaptchaVerdict;
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;

/// Has the tenant's captcha provider judge the answer.
///
/// # Errors
/// A fault of field `captcha` when it does not pass; [`RegistrationError::Call`] when the provider does not answer.
pub async fn check(
    tools: &Tools,
    rules: &TenantRules,
    answer: &CaptchaAnswer,
    address: IpAddr,
) -> Result<(), RegistrationError> {
    let Some(account) = &rules.accounts.captcha else {
        return Ok(());
    };
    let CaptchaAnswer { ticket, rand_str } = answer;
    let wanting = ticket.is_empty() || (account.wants_rand_str() && rand_str.is_empty());
    if wanting {
        return Err(failed(None));
    }
    let verdict = tools
        .providers
        .check_captcha(account, ticket, rand_str, address)
        .await
        .map_err(CallError::from)?;
    match verdict {
        CaptchaVerdict::Passed => Ok(()),
        CaptchaVerdict::Failed(code) => Err(failed(code)),
    }
}

fn failed(code: Option<i64>) -> RegistrationError {
    RegistrationError::Invalid(vec![FieldFault::new(Field::Captcha, Fault::Captcha(code))])
}
