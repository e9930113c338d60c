//! A user's standing at its tenant (contract section 10.6).

/// The numbers are the contract's and are stored as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum UserStatus {
    /// May use the account.
    Normal = 0,
    /// Banned by an administrator.
    Banned = 1,
    /// Awaits approval.
    Pending = 2,
    /// Approval was refused.
    Rejected = 3,
    /// The application was ignored.
    Ignored = 4,
}

impl UserStatus {
    /// Every standing.
    pub const ALL: [Self; 5] = [
        Self::Normal,
        Self::Banned,
        Self::Pending,
        Self::Rejected,
        Self::Ignored,
    ];

    /// The stored number.
    #[must_use]
    pub const fn as_i16(self) -> i16 {
        self as i16
    }

    /// From the contract's name; `None` for another word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "normal" => Some(Self::Normal),
            "ban" => Some(Self::Banned),
            "mod" => Some(Self::Pending),
            "refuse" => Some(Self::Rejected),
            "ignore" => Some(Self::Ignored),
            _ => None,
        }
    }

    /// From the stored number; `None` for a number this version does not know.
    #[must_use]
    pub const fn from_i16(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::Banned),
            2 => Some(Self::Pending),
            3 => Some(Self::Rejected),
            4 => Some(Self::Ignored),
            _ => None,
        }
    }
}
