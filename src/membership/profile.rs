//! `GET /api/users/{id}` and `GET /api/users/me` (`docs/contract.md`, section 10.5).

use secrecy::SecretString;

use super::error::MembershipError;
use crate::domain::ids::UserId;
use crate::session::authenticate::{authenticate, require};
use crate::session::error::CallError;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::identities::Identity;
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
    /// WeChat accounts; empty unless they were asked for.
    pub identities: Vec<Identity>,
}

impl Profile {
    /// A user as moderators see them in a list.
    #[must_use]
    pub const fn for_moderator(user: User) -> Self {
        Self::without_extras(user, Viewer::Moderator)
    }

    /// A user as anybody sees them.
    #[must_use]
    pub const fn for_stranger(user: User) -> Self {
        Self::without_extras(user, Viewer::Stranger)
    }

    const fn without_extras(user: User, viewer: Viewer) -> Self {
        Self {
            user,
            viewer,
            union_id: None,
            identities: Vec::new(),
        }
    }
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

/// The caller's own profile, with the WeChat accounts if they are asked for.
///
/// # Errors
/// [`CallError`].
pub async fn me(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    with_wechat: bool,
) -> Result<Profile, CallError> {
    let caller = require(tools, rules, token).await?;
    complete(tools, caller.user, Viewer::Oneself, with_wechat).await
}

/// Somebody's profile, with the WeChat accounts if they are asked for.
///
/// # Errors
/// [`MembershipError`]; [`MembershipError::WechatHidden`] when a stranger asks for the WeChat accounts.
pub async fn of(
    tools: &Tools,
    rules: &TenantRules,
    token: Option<&SecretString>,
    id: Option<UserId>,
    with_wechat: bool,
) -> Result<Profile, MembershipError> {
    let caller = authenticate(tools, rules, token).await?;
    let unknown = MembershipError::NotFound("user");
    let Some(id) = id else {
        return Err(unknown);
    };
    let user = tools.db.find_user(id).await?.ok_or(unknown)?;
    let viewer = match &caller {
        Some(caller) if caller.user.id == id => Viewer::Oneself,
        Some(caller) if moderates(rules, &caller.user) => Viewer::Moderator,
        _ => Viewer::Stranger,
    };
    if with_wechat && viewer == Viewer::Stranger {
        return Err(MembershipError::WechatHidden);
    }
    Ok(complete(tools, user, viewer, with_wechat).await?)
}

async fn complete(
    tools: &Tools,
    user: User,
    viewer: Viewer,
    with_wechat: bool,
) -> Result<Profile, CallError> {
    let union_id = match viewer {
        Viewer::Oneself => tools.db.find_union_id(user.id).await?,
        Viewer::Moderator | Viewer::Stranger => None,
    };
    let identities = if with_wechat {
        tools.db.list_identities(user.id).await?
    } else {
        Vec::new()
    };
    Ok(Profile {
        user,
        viewer,
        union_id,
        identities,
    })
}

/// Whether the user's group decides about others.
pub(super) fn moderates(rules: &TenantRules, user: &User) -> bool {
    let group = rules.settings.group(user.group_id);
    group.is_some_and(|group| group.moderates)
}
