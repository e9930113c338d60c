//! The words that stand at accounts that make themselves. They are stored, not answered, and so have one language: the
//! original's (`docs/contract.md`, sections 10.2 to 10.4), which a site's moderators know.

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
    /// The reason that is stored.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Phone => "手机号注册",
            Self::OfficialAccount => "公众号网页注册",
            Self::MiniProgram => "微信小程序注册",
        }
    }
}

/// The beginning of the names of those who bring none of their own.
pub const FIRST_WORD: &str = "网友";
