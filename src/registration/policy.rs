//! The tenant's rules over one request: every fault of every field, found before anything is asked of a database.

use secrecy::ExposeSecret;

use super::error::RegistrationError;
use crate::domain::censor::Verdict;
use crate::domain::dialect::Dialect;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::password::Password;
use crate::domain::register_reason::RegisterReason;
use crate::domain::registration::Registration;
use crate::domain::username::Username;
use crate::session::rules::TenantRules;

/// A request whose every field keeps the tenant's rules.
#[derive(Debug)]
pub struct Accepted {
    /// The name.
    pub username: Username,
    /// The password; `None` for an account that can only be entered otherwise (contract section 2.3).
    pub password: Option<Password>,
    /// Why the user wants to join.
    pub reason: Option<RegisterReason>,
    /// Whether a moderator must approve.
    pub pending: bool,
}

/// What the fields came to: all parsed, or the faults together with the name if that at least is valid, so that the
/// answer can also say whether it is taken.
#[derive(Debug)]
pub enum Judged {
    /// Nothing to object to.
    Accepted(Accepted),
    /// At least one fault.
    Faulty {
        /// In the contract's order of fields.
        faults: Vec<FieldFault>,
        /// The name, when it has no fault.
        username: Option<Username>,
    },
}

/// Refusals that come before any field is judged (contract section 2.5, steps 4 and 5).
///
/// # Errors
/// [`RegistrationError::NameBanned`] and [`RegistrationError::ReasonMissing`].
pub fn judge_words_and_reason(
    registration: &Registration,
    rules: &TenantRules,
) -> Result<Verdict, RegistrationError> {
    let raw = registration.username.as_deref().unwrap_or_default();
    let stripped: String = raw.chars().filter(|c| !c.is_whitespace()).collect();
    let canonical = Username::parse(raw, &rules.settings).ok();
    let verdict = rules.censor.judge(
        raw,
        &stripped,
        canonical.as_ref().map(|name| name.canonical()),
    );
    if verdict == Verdict::Banned {
        return Err(RegistrationError::NameBanned);
    }
    if rules.settings.registration.approval && registration.register_reason.is_none() {
        return Err(RegistrationError::ReasonMissing);
    }
    Ok(verdict)
}

/// Judges all fields at once (contract section 2.5, step 7).
#[must_use]
pub fn judge_fields(registration: &Registration, rules: &TenantRules, verdict: Verdict) -> Judged {
    let mut faults = registration.faults.clone();
    let username = username(registration, rules, &mut faults);
    let password = password(registration, rules, username.as_ref(), &mut faults);
    let reason = reason(registration, rules, &mut faults);
    match (username, password) {
        (Some(username), Some(password)) if faults.is_empty() => Judged::Accepted(Accepted {
            username,
            password,
            reason,
            pending: rules.settings.registration.approval || verdict == Verdict::Review,
        }),
        (username, _) => {
            faults.sort_by_key(|fault| fault.field);
            Judged::Faulty { faults, username }
        }
    }
}

fn username(
    registration: &Registration,
    rules: &TenantRules,
    faults: &mut Vec<FieldFault>,
) -> Option<Username> {
    if has_fault(faults, Field::Username) {
        return None;
    }
    let raw = registration.username.as_deref().unwrap_or_default();
    keep(
        Username::parse(raw, &rules.settings),
        Field::Username,
        faults,
    )
}

/// `Some(None)` is the account without a password that only the `discuzq` dialect knows.
#[allow(
    clippy::option_option,
    reason = "outer: valid or not; inner: with a password or without"
)]
fn password(
    registration: &Registration,
    rules: &TenantRules,
    username: Option<&Username>,
    faults: &mut Vec<FieldFault>,
) -> Option<Option<Password>> {
    if has_fault(faults, Field::Password) {
        return None;
    }
    let Some(raw) = &registration.password else {
        faults.push(FieldFault::new(Field::Password, Fault::Required));
        return None;
    };
    if raw.expose_secret().is_empty() && rules.settings.dialect == Dialect::Discuzq {
        return Some(None);
    }
    let mut forbidden = vec![rules.key.as_str()];
    forbidden.extend(username.map(Username::canonical));
    keep(
        Password::parse(raw, &rules.settings, &forbidden),
        Field::Password,
        faults,
    )
    .map(Some)
}

/// A blank reason counts as none where none is asked for (contract section 13).
fn reason(
    registration: &Registration,
    rules: &TenantRules,
    faults: &mut Vec<FieldFault>,
) -> Option<RegisterReason> {
    if has_fault(faults, Field::RegisterReason) {
        return None;
    }
    let raw = registration.register_reason.as_deref()?;
    if !rules.settings.registration.approval && raw.trim().is_empty() {
        return None;
    }
    keep(RegisterReason::parse(raw), Field::RegisterReason, faults)
}

fn has_fault(faults: &[FieldFault], field: Field) -> bool {
    faults.iter().any(|fault| fault.field == field)
}

fn keep<T>(parsed: Result<T, Vec<Fault>>, field: Field, faults: &mut Vec<FieldFault>) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(found) => {
            faults.extend(found.into_iter().map(|fault| FieldFault::new(field, fault)));
            None
        }
    }
}
