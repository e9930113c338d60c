//! What an administrator may do (`docs/api.md`, "Roles").

use super::ids::TenantId;

/// An administrator's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Platform,
    /// Reads everything, changes nothing.
    Auditor,
    /// Reads and changes one tenant, and learns of no other.
    Tenant(TenantId),
}

/// What a call of the admin API needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Reads a list over tenants, of which the caller gets what is its own.
    ListOwn,
    /// Reads something of the one tenant that the call names.
    ReadTenant,
    /// Changes something of it.
    ChangeTenant,
    /// Reads what is the platform's.
    ReadPlatform,
    /// Changes what is the platform's, a tenant's existence included.
    ChangePlatform,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ListOwn,
        Self::ReadTenant,
        Self::ChangeTenant,
        Self::ReadPlatform,
        Self::ChangePlatform,
    ];

    /// The right's name in the description of the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ListOwn => "list_own",
            Self::ReadTenant => "read_tenant",
            Self::ChangeTenant => "change_tenant",
            Self::ReadPlatform => "read_platform",
            Self::ChangePlatform => "change_platform",
        }
    }
}

impl Role {
    /// Whether the role includes the right; of a tenant's administrator, at that tenant.
    #[must_use]
    pub const fn includes(self, right: Right) -> bool {
        match self {
            Self::Platform => true,
            Self::Auditor => matches!(
                right,
                Right::ListOwn | Right::ReadTenant | Right::ReadPlatform
            ),
            Self::Tenant(_) => matches!(
                right,
                Right::ListOwn | Right::ReadTenant | Right::ChangeTenant
            ),
        }
    }

    /// The only tenant that the role is about; `None` for all of them.
    #[must_use]
    pub const fn only_tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Platform | Self::Auditor => None,
        }
    }

    /// The role's name in the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Auditor => "auditor",
            Self::Tenant(_) => "tenant",
        }
    }

    /// The stored number and tenant.
    #[must_use]
    pub fn to_row(self) -> (i16, Option<i64>) {
        match self {
            Self::Platform => (0, None),
            Self::Auditor => (1, None),
            Self::Tenant(tenant) => (2, Some(tenant.as_i64())),
        }
    }

    /// From the stored number and tenant; `None` for what this version does not know, so that an unknown role opens nothing.
    #[must_use]
    pub fn from_row(role: i16, tenant: Option<i64>) -> Option<Self> {
        match (role, tenant) {
            (0, None) => Some(Self::Platform),
            (1, None) => Some(Self::Auditor),
            (2, Some(tenant)) => Some(Self::Tenant(TenantId::from_i64(tenant))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Role};
    use crate::domain::ids::TenantId;

    const ROLES: [Role; 3] = [
        Role::Platform,
        Role::Auditor,
        Role::Tenant(TenantId::from_i64(7)),
    ];

    #[test]
    fn a_stored_role_comes_back_and_an_unknown_one_opens_nothing() {
        for role in ROLES {
            let (number, tenant) = role.to_row();
            assert_eq!(Role::from_row(number, tenant), Some(role));
        }
        for (number, tenant) in [(3, None), (-1, None), (0, Some(7)), (1, Some(7)), (2, None)] {
            assert_eq!(Role::from_row(number, tenant), None);
        }
    }

    #[test]
    fn only_the_platforms_administrators_change_what_is_the_platforms() {
        let may = |right| ROLES.map(|role| role.includes(right));
        assert_eq!(may(Right::ListOwn), [true, true, true]);
        assert_eq!(may(Right::ReadTenant), [true, true, true]);
        assert_eq!(may(Right::ChangeTenant), [true, false, true]);
        assert_eq!(may(Right::ReadPlatform), [true, true, false]);
        assert_eq!(may(Right::ChangePlatform), [true, false, false]);
    }
}
