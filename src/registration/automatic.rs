//! Accounts that make themselves: whoever proves a phone number or a WeChat account may get one without a form
//! (`docs/contract.md`, sections 10.2 to 10.4).

use std::net::SocketAddr;

use super::account::{self, New};
use super::error::RegistrationError;
use super::invitation;
use crate::domain::censor::Verdict;
use crate::domain::proof::Proof;
use crate::domain::register_reason::{self, RegisterReason};
use crate::domain::username::{MADE_UP_START, Username};
use crate::session::error::CallError;
use crate::session::gate::Tokens;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::registration::Invitation;

/// How an account came about; stands where others give their reason to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a code sent to a phone.
    Phone,
    /// By the official account's page or a scanned picture.
    OfficialAccount,
    /// By the mini program.
    MiniProgram,
}

impl Way {
    /// The original's own words (`docs/contract.md`, sections 10.2 to 10.4), which moderators know.
    const fn reason(self) -> &'static str {
        match self {
            Self::Phone => register_reason::BY_PHONE,
            Self::OfficialAccount => register_reason::BY_OFFICIAL_ACCOUNT,
            Self::MiniProgram => register_reason::BY_MINI_PROGRAM,
        }
    }
}

/// An account that is to make itself.
#[derive(Debug)]
pub struct Automatic<'a> {
    /// How it comes about.
    pub way: Way,
    /// The name that WeChat shows; the user's own name, if it can be.
    pub nickname: Option<&'a str>,
    /// An invite code; one that does not stand counts as none, unless the tenant demands one.
    pub invite_code: Option<&'a str>,
    /// What the account is bound to.
    pub proofs: Vec<Proof>,
    /// Who asks.
    pub requester: SocketAddr,
}

/// Names that are tried for one account before the call gives up.
const ATTEMPTS: usize = 5;
/// Characters of a made-up name after its first word.
const RANDOM_LETTERS: usize = 6;

/// Makes the account.
///
/// # Errors
/// [`RegistrationError`]; after [`RegistrationError::AwaitsApproval`] the account exists.
pub async fn register_automatically(
    tools: &Tools,
    rules: &TenantRules,
    asked: &Automatic<'_>,
) -> Result<Tokens, RegistrationError> {
    if !rules.settings.registration.open {
        return Err(RegistrationError::Closed);
    }
    let invitation = match invitation::find(tools, rules, asked.invite_code, false).await {
        Err(RegistrationError::InviteRejected) if !rules.settings.registration.invite_required => {
            Invitation::None
        }
        found => found?,
    };
    let reason = RegisterReason::parse(asked.way.reason()).map_err(|_| CallError::Internal)?;
    let mut own_name = asked.nickname.and_then(|name| usable_name(name, rules));
    for _ in 0..ATTEMPTS {
        let (username, review) = match own_name.take() {
            Some(name) => name,
            None => (made_up_name(tools, rules)?, false),
        };
        if tools.db.name_is_taken(&username).await? {
            continue;
        }
        let new = New {
            username: &username,
            password_hash: None,
            pending: rules.settings.registration.approval || review,
            reason: Some(&reason),
            requester: asked.requester,
            invitation,
            proofs: &asked.proofs,
            answer: None,
        };
        match account::make(tools, rules, &new).await {
            // Somebody took the name meanwhile.
            Err(RegistrationError::Invalid(_)) => {}
            outcome => return outcome,
        }
    }
    Err(CallError::Internal.into())
}

/// The start of a nickname as a user name, and whether a moderator must look at it; `None` if it cannot be one.
fn usable_name(nickname: &str, rules: &TenantRules) -> Option<(Username, bool)> {
    let most = usize::try_from(rules.settings.username.max_length).unwrap_or(usize::MAX);
    let start: String = nickname
        .chars()
        .filter(|c| !c.is_whitespace())
        .take(most)
        .collect();
    let name = Username::parse(&start, &rules.settings).ok()?;
    match rules.censor.judge(nickname, &start, Some(name.canonical())) {
        Verdict::Clean => Some((name, false)),
        Verdict::Review => Some((name, true)),
        Verdict::Banned => None,
    }
}

/// `网友` and random letters, as the original names those who give no name of their own.
fn made_up_name(tools: &Tools, rules: &TenantRules) -> Result<Username, CallError> {
    // Without letters and digits that look alike, so that a skeleton rarely meets another one.
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = tools.entropy.bytes::<RANDOM_LETTERS>()?;
    let letters = random.iter().map(|byte| {
        let index = usize::from(byte % 32);
        LETTERS.get(index).copied().map_or('x', char::from)
    });
    let name: String = MADE_UP_START.chars().chain(letters).collect();
    Username::parse(&name, &rules.settings).map_err(|_| {
        tracing::error!(tenant = %rules.key, "the tenant's rules for names refuse every made-up name");
        CallError::Internal
    })
}
