//! `POST /api/login`: by name or phone number and password (`docs/contract.md`, section 10.1).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::enter::enter;
use super::error::LoginError;
use crate::domain::fault::{Fault, Field, FieldFault};
use crate::domain::password::Password;
use crate::domain::phone_number::PhoneNumber;
use crate::domain::registration::Offered;
use crate::domain::username::Username;
use crate::hashing::{Purpose, Verified};
use crate::registration::error::ProofError;
use crate::registration::proofs;
use crate::session::authenticate::authenticate;
use crate::session::error::CallError;
use crate::session::gate::{Admitted, Tokens};
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::counters::{Budget, Spent};
use crate::store::users::{Login, LoginName};
use crate::telemetry::usage::Counter;
use crate::token::token_digest_hex;

/// One call of `POST /api/login`.
#[derive(Debug)]
pub struct PasswordLogin {
    /// `username`: a name or a phone number.
    pub name: Option<String>,
    /// `password`
    pub password: Option<SecretString>,
    /// `mobileToken` came, and is empty: a fault of this call alone (contract section 10.1).
    pub mobile_token_is_empty: bool,
    /// What is to be bound to the account.
    pub offered: Offered,
    /// Attributes of a wrong type.
    pub faults: Vec<FieldFault>,
    /// Who asks.
    pub requester: SocketAddr,
    /// An access token that came with the request.
    pub access_token: Option<SecretString>,
    /// When an answer comes too late.
    pub deadline: Instant,
}

/// Logs in.
///
/// # Errors
/// [`LoginError`]. Unknown names, accounts without a password and wrong passwords cost the same attempt and the same hash
/// and get the same answer (`docs/threats.md`, rows 91 and 92).
pub async fn log_in(
    tools: &Tools,
    rules: &TenantRules,
    request: &PasswordLogin,
) -> Result<Tokens, LoginError> {
    authenticate(tools, rules, request.access_token.as_ref()).await?;
    let (name, password) = required(request)?;
    // Work for a password that would be refused is taken from those that are hashed.
    let customer = rules.customer(Purpose::Login);
    let room = tools.hashing.foresee(&customer, request.deadline);
    room.map_err(CallError::from)?;
    let login = find(tools, rules, name).await?;
    let attempt = Attempt::of(tools, rules, name, request.requester.ip(), login.as_ref());
    let left = attempt.reserve().await?;
    let Some(Login { user, .. }) = judge(tools, rules, request, password, login).await? else {
        tools.count(Counter::FailedLogins);
        return Err(if left == 0 {
            attempt.locked(attempt.span)
        } else {
            LoginError::Wrong { left }
        });
    };
    attempt.succeeded().await?;
    // Nobody who may not come in learns what an offered token stands for.
    Admitted::check(user.clone())?;
    let proofs = proofs::gather(tools, rules, &request.offered, Some(user.id)).await?;
    let brings_phone = proofs.iter().any(|proof| proof.is_phone());
    if brings_phone && user.phone.is_some() {
        return Err(ProofError::HasPhone.into());
    }
    enter(tools, rules, user, request.requester, &proofs).await
}

fn required(request: &PasswordLogin) -> Result<(&str, &SecretString), LoginError> {
    let mut faults = request.faults.clone();
    let mut missing = |field: Field| {
        if !faults.iter().any(|fault| fault.field == field) {
            faults.push(FieldFault::new(field, Fault::Required));
        }
    };
    let name = request
        .name
        .as_deref()
        .filter(|name| !name.trim().is_empty());
    let password = request
        .password
        .as_ref()
        .filter(|password| !password.expose_secret().is_empty());
    if name.is_none() {
        missing(Field::Username);
    }
    if password.is_none() {
        missing(Field::Password);
    }
    if request.mobile_token_is_empty {
        missing(Field::MobileToken);
    }
    match (name, password) {
        (Some(name), Some(password)) if faults.is_empty() => Ok((name, password)),
        _ => {
            faults.sort_by_key(|fault| fault.field);
            Err(LoginError::Invalid(faults))
        }
    }
}

fn too_long(rules: &TenantRules) -> FieldFault {
    let max = rules.settings.password_max_length();
    FieldFault::new(Field::Password, Fault::TooLong { max })
}

/// The account by its name, or by its phone number where what was typed can be one.
async fn find(
    tools: &Tools,
    rules: &TenantRules,
    typed: &str,
) -> Result<Option<Login>, LoginError> {
    let phone = PhoneNumber::parse(typed, &rules.settings.sms_rules.country_code);
    let forms = Username::to_look_up(typed);
    let mut names: Vec<_> = forms.iter().map(|form| LoginName::Name(form)).collect();
    names.extend(phone.as_ref().map(LoginName::Phone));
    Ok(tools.db.find_login(&names).await?)
}

/// Spends a hash on the password, whoever it is for; gives the account if it is theirs.
async fn judge(
    tools: &Tools,
    rules: &TenantRules,
    request: &PasswordLogin,
    password: &SecretString,
    login: Option<Login>,
) -> Result<Option<Login>, LoginError> {
    let stored = login.as_ref().and_then(|login| login.password_hash.clone());
    let password =
        Password::to_compare(password).ok_or_else(|| LoginError::Invalid(vec![too_long(rules)]))?;
    let verified = tools
        .hashing
        .verify(
            rules.customer(Purpose::Login),
            password.clone(),
            stored.clone(),
            request.deadline,
        )
        .await
        .map_err(CallError::from)?;
    let Some(login) = login.filter(|_| verified != Verified::Wrong) else {
        return Ok(None);
    };
    if verified == Verified::Outdated {
        renew_hash(tools, rules, request, &password, stored, &login).await;
    }
    Ok(Some(login))
}

/// Hashes the password again with today's parameters. If there is no time for it now, the next login does it.
async fn renew_hash(
    tools: &Tools,
    rules: &TenantRules,
    request: &PasswordLogin,
    password: &SecretString,
    stored: Option<SecretString>,
    login: &Login,
) {
    let hash = tools
        .hashing
        .hash(
            rules.customer(Purpose::Login),
            password.clone(),
            request.deadline,
        )
        .await;
    if let (Ok(hash), Some(stored)) = (hash, stored) {
        let replaced = tools
            .db
            .replace_password_hash(login.user.id, Some(stored.expose_secret()), hash.as_str())
            .await;
        if let Err(error) = replaced {
            tracing::warn!(%error, "a password keeps its outdated hash");
        }
    }
}

/// An attempt at a name from an address, counted in the database before it is judged, so that guesses side by side and at
/// several replicas count as well (`docs/threats.md`, row 93).
struct Attempt<'a> {
    tools: &'a Tools,
    tries: u32,
    span: Duration,
    /// By address and name: locks out whoever guesses.
    near: String,
    /// By name alone: bounds what many addresses can guess together. `None` for the address that logged in last, which
    /// a stranger's guesses shall not lock out (`docs/threats.md`, row 94).
    far: Option<(String, u32)>,
}

impl<'a> Attempt<'a> {
    fn of(
        tools: &'a Tools,
        rules: &TenantRules,
        typed: &str,
        address: IpAddr,
        login: Option<&Login>,
    ) -> Self {
        let settings = &rules.settings.login;
        // By what was typed, not by whom it means: a count that a name and a number share would tell that they belong
        // together.
        let number = PhoneNumber::parse(typed, &rules.settings.sms_rules.country_code);
        let name = match number {
            Some(number) => number.as_e164().to_owned(),
            None => {
                let forms = Username::to_look_up(typed).into_iter();
                forms.last().unwrap_or_else(|| typed.to_owned())
            }
        };
        let network = network(address);
        let is_known = login.is_some_and(|login| login.user.last_login_ip == address.to_string());
        let name = token_digest_hex(&name);
        Self {
            tools,
            tries: settings.tries,
            span: Duration::from_secs(u64::from(settings.lock_seconds)),
            near: format!("login:{name}:{network}"),
            far: (!is_known).then(|| (format!("login:{name}"), settings.tries_per_name)),
        }
    }

    fn budgets(&self) -> Vec<Budget<'_>> {
        let budget = |subject, most| Budget {
            subject,
            most,
            window: self.span,
        };
        let mut budgets = vec![budget(self.near.as_str(), self.tries)];
        budgets.extend(self.far.as_ref().map(|(far, most)| budget(far, *most)));
        budgets
    }

    /// Counts the attempt; gives how many are left.
    async fn reserve(&self) -> Result<u32, LoginError> {
        match self.tools.db.spend(&self.budgets()).await? {
            Spent::Within { left } => Ok(left.first().copied().unwrap_or(0)),
            Spent::Over { retry_after, .. } => {
                self.tools.count(Counter::FailedLogins);
                Err(self.locked(retry_after))
            }
        }
    }

    /// The right password: what was counted near is forgotten, what was counted far loses this one.
    async fn succeeded(&self) -> Result<(), LoginError> {
        let budgets = self.budgets();
        let (near, far) = budgets.split_at(1);
        self.tools.db.forget(near, far).await?;
        Ok(())
    }

    fn locked(&self, wait: Duration) -> LoginError {
        LoginError::Locked {
            tries: self.tries,
            span: self.span,
            wait,
        }
    }
}

/// What counts as one address: IPv4 whole, IPv6 by /64.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LoginError, PasswordLogin, network, required};
    use crate::clock::{Clock, Timestamp};
    use crate::domain::fault::{Fault, Field, FieldFault};
    use crate::domain::registration::Offered;

    fn asked(name: Option<&str>, password: Option<&str>) -> PasswordLogin {
        PasswordLogin {
            name: name.map(str::to_owned),
            password: password.map(Into::into),
            mobile_token_is_empty: false,
            offered: Offered::default(),
            faults: Vec::new(),
            requester: ([127, 0, 0, 1], 4711).into(),
            access_token: None,
            deadline: Clock::fixed(Timestamp::from_millis(0)).monotonic(),
        }
    }

    fn faults(request: &PasswordLogin) -> Vec<FieldFault> {
        match required(request) {
            Ok(_) => Vec::new(),
            Err(LoginError::Invalid(faults)) => faults,
            Err(error) => panic!("{error}"),
        }
    }

    fn missing(fields: &[Field]) -> Vec<FieldFault> {
        fields
            .iter()
            .map(|field| FieldFault::new(*field, Fault::Required))
            .collect()
    }

    #[test]
    fn a_name_and_a_password_are_all_that_is_needed() {
        for (name, password) in [("ada", "p"), (" ada ", " "), ("+8613800138000", "p")] {
            assert_eq!(faults(&asked(Some(name), Some(password))), []);
        }
    }

    #[test]
    fn what_is_missing_or_empty_is_told_at_once() {
        let both = missing(&[Field::Username, Field::Password]);
        assert_eq!(faults(&asked(None, None)), both);
        assert_eq!(faults(&asked(Some(" \u{3000}"), Some(""))), both);
        assert_eq!(
            faults(&asked(Some("ada"), None)),
            missing(&[Field::Password])
        );
        let mut request = asked(None, Some("p"));
        request.mobile_token_is_empty = true;
        assert_eq!(
            faults(&request),
            missing(&[Field::Username, Field::MobileToken])
        );
    }

    #[test]
    fn a_wrong_type_is_not_called_missing_as_well() {
        let mut request = asked(None, None);
        request.faults = vec![
            FieldFault::new(Field::JsCode, Fault::WrongType),
            FieldFault::new(Field::Username, Fault::WrongType),
        ];
        assert_eq!(
            faults(&request),
            [
                FieldFault::new(Field::Username, Fault::WrongType),
                FieldFault::new(Field::Password, Fault::Required),
                FieldFault::new(Field::JsCode, Fault::WrongType),
            ]
        );
    }

    #[test]
    fn one_address_is_a_whole_ipv4_or_the_half_of_an_ipv6() {
        for (address, counted) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), counted);
        }
    }
}
