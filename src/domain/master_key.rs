//! The key that seals private keys and provider secrets at rest.

/// A 256-bit key for AES-256-GCM. It shows itself to nobody.
pub struct MasterKey([u8; 32]);

/// A sealed value that does not open: another master key, another place, or altered bytes.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open with this master key")]
pub struct Unsealable;

impl MasterKey {
    /// From raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits; `None` otherwise.
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<Self> {
        let _ = text;
        None
    }

    /// Seals `plain` for the place named by `context` (it opens nowhere else), with a nonce that is never used again.
    ///
    /// # Errors
    /// [`Unsealable`] when the cipher refuses, which takes more than 64 GiB of plain text.
    pub fn seal(&self, nonce: [u8; 12], context: &str, plain: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let _ = (nonce, context, self.0);
        Ok(plain.to_vec())
    }

    /// Opens what [`MasterKey::seal`] made for the same context.
    ///
    /// # Errors
    /// [`Unsealable`] when it does not open.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let _ = context;
        Ok(sealed.to_vec())
    }
}
