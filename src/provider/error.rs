//! How a call to a provider fails: three cases for the caller, and the reason for the log.

/// A provider did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It answered, and said no.
    #[error("the provider refused with {code}: {message}")]
    Refused {
        /// Its own code: WeChat's `errcode`, or a name such as `AuthFailure`. At most 64 printable ASCII characters.
        code: String,
        /// Its own text: at most 200 printable characters.
        message: String,
    },
    /// No answer in time, none that makes sense, or too many such lately.
    #[error("the provider is unavailable")]
    Unavailable,
    /// The tenant has as many calls under way as it may, or the provider says that it is asked too often.
    #[error("too many calls to the provider")]
    Overloaded,
}

/// The same, with what only the log may know.
#[derive(Debug)]
pub(super) enum CallError {
    /// It answered, and said no.
    Refused { code: String, message: String },
    /// It is asked too often.
    Busy,
    /// It is slow, down or lying; the reason is a text of ours. Counts for the breaker.
    Broken(String),
}

impl CallError {
    pub(super) fn broken(reason: impl Into<String>) -> Self {
        Self::Broken(reason.into())
    }

    /// A refusal in the provider's words, cut to what may be shown.
    pub(super) fn refused(code: &str, message: &str) -> Self {
        Self::Refused {
            code: code
                .chars()
                .filter(char::is_ascii_graphic)
                .take(64)
                .collect(),
            message: printable(message, 200),
        }
    }

    /// The label of the metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Busy => "busy",
            Self::Broken(_) => "unavailable",
        }
    }
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { code, message } => Self::Refused { code, message },
            CallError::Busy => Self::Overloaded,
            CallError::Broken(_) => Self::Unavailable,
        }
    }
}

/// The text without control characters, trimmed and cut to so many characters.
pub(super) fn printable(text: &str, most: usize) -> String {
    let plain = text.chars().filter(|each| !each.is_control());
    let plain: String = plain.take(most).collect();
    plain.trim().to_owned()
}
