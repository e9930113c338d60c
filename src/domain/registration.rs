//! The parsed body of `POST /api/register`: every attribute the house knows, and nothing else a client may send.

use secrecy::SecretString;

use super::fault::FieldFault;

/// What a client asked for, before any of the tenant's rules. Fields hold the text as sent; absent and null are the same.
#[derive(Debug, Default)]
pub struct Registration {
    /// `username`, before its white space is removed.
    pub username: Option<String>,
    /// `password`, exactly as sent; the empty text is kept apart from an absent one (contract section 2.3).
    pub password: Option<SecretString>,
    /// `register_reason`
    pub register_reason: Option<String>,
    /// `code`, the invite code; the empty text counts as absent (contract section 13).
    pub invite_code: Option<String>,
    /// Attributes of a wrong type; the pipeline reports them together with its own findings.
    pub faults: Vec<FieldFault>,
}
