//! What an invite code brings to a registration.

use super::error::RegistrationError;
use crate::domain::ids::UserId;
use crate::domain::invite_code::InviteCode;
use crate::session::rules::TenantRules;
use crate::session::tools::Tools;
use crate::store::invite_codes::InviteState;
use crate::store::registration::Invitation;

/// Contract section 6: what the code brings, or why it is refused.
///
/// # Errors
/// [`RegistrationError::InviteRequired`] and [`RegistrationError::InviteRejected`].
pub(super) async fn find(
    tools: &Tools,
    rules: &TenantRules,
    code: Option<&str>,
    is_dead: bool,
) -> Result<Invitation, RegistrationError> {
    let Some(raw) = code else {
        return if rules.settings.registration.invite_required {
            Err(RegistrationError::InviteRequired)
        } else {
            Ok(Invitation::None)
        };
    };
    let lenient = rules.settings.numbers_invite();
    let code = InviteCode::parse(raw).filter(|_| !is_dead);
    let code = code.ok_or(RegistrationError::InviteRejected)?;
    if let Some(invite) = tools.db.find_invite(&code).await? {
        return match invite.state(tools.clock.now()) {
            InviteState::Usable if lenient && code.has_administrator_form() => {
                Ok(Invitation::SpendIfUsable(invite.id))
            }
            InviteState::Usable => Ok(Invitation::Spend(invite.id)),
            // The client has warned the visitor, who goes on with the default role.
            _ if lenient && code.has_administrator_form() => Ok(Invitation::None),
            _ => Err(RegistrationError::InviteRejected),
        };
    }
    // A member's number invites in the dialect that knows it, but opens no tenant that demands a code.
    let member = UserId::parse(code.as_str()).filter(|_| lenient);
    if let Some(member) = member
        && tools.db.find_user(member).await?.is_some()
    {
        return Ok(Invitation::Member(member));
    }
    Err(RegistrationError::InviteRejected)
}
