//! `GET /api/users/{id}` and `GET /api/users/me` (`docs/contract.md`, section 10.5).

use secrecy::SecretString;

use super::error::MembershipError;
use crate::domain::ids::UserId;
use crate::session::authenticate::{authenticate, require};
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::users::User;

/// A user as one caller may see them.
#[derive(Debug)]
pub struct Profile {
    /// The user.
    pub user: User,
    /// Who looks.
    pub viewer: Viewer,
    /// WeChat's union id; told to the user alone.
    pub union_id: Option<String>,
}

/// Who looks at a profile; decides what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Anybody else.
    Stranger,
    /// A member of a group that moderates.
    Moderator,
    /// The user.
    Oneself,
}

/// The caller's own profile.
///
/// # Errors
/// [`CallError`].
pub async fn me(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
) -> Result<Profile, CallError> {
    let caller = require(tools, rules, token).await?;
    let union_id = tools.db.find_union_id(caller.user.id).await?;
    Ok(Profile {
        user: caller.user,
        viewer: Viewer::Oneself,
        union_id,
    })
}

/// Somebody's profile.
///
/// # Errors
/// [`MembershipError`].
pub async fn of(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    id: UserId,
) -> Result<Profile, MembershipError> {
    let caller = authenticate(tools, rules, token).await?;
    let user = tools.db.find_user(id).await?;
    let user = user.ok_or(MembershipError::NotFound("user"))?;
    let viewer = match &caller {
        Some(caller) if caller.user.id == id => Viewer::Oneself,
        Some(caller) if moderates(rules, &caller.user) => Viewer::Moderator,
        _ => Viewer::Stranger,
    };
    let union_id = match viewer {
        Viewer::Oneself => tools.db.find_union_id(id).await?,
        Viewer::Moderator | Viewer::Stranger => None,
    };
    Ok(Profile {
        user,
        viewer,
        union_id,
    })
}

/// Whether the user's group decides about others.
pub(super) fn moderates(rules: &TenantRules, user: &User) -> bool {
    let group = rules.settings.group(user.group_id);
    group.is_some_and(|group| group.moderates)
}
