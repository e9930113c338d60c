//! Whether a provider answers at all, for whoever looks for what is wrong. Asks for nothing that costs or counts.

use super::ProviderClient;
use super::client::Request;
use super::error::CallError;
use super::settings::ServiceUrl;

impl ProviderClient {
    /// Whether there is any HTTP answer at the address, of whatever status.
    ///
    /// # Errors
    /// Why not, in English.
    pub async fn answers(&self, address: &ServiceUrl) -> Result<(), String> {
        let request = Request::get(address.as_url().clone());
        match self.shared.http.send(request).await {
            Ok(_) | Err(CallError::Refused { .. } | CallError::Busy) => Ok(()),
            Err(CallError::Broken(reason)) => Err(reason),
        }
    }
}
