//! Text messages that carry a code (`docs/contract.md`, section 10.3). One file for each way to send.

mod aliyun;
mod gateway;
mod tencent;

use secrecy::SecretString;

use super::error::ProviderError;
use super::tc3::Credentials;
use super::{Provider, TenantProviders};
use crate::domain::phone_number::PhoneNumber;

/// A tenant's account with whoever sends its messages.
#[derive(Clone, Debug)]
pub enum SmsAccount {
    /// Tencent Cloud SMS.
    Tencent {
        /// Names the key.
        secret_id: String,
        /// The key.
        secret_key: SecretString,
        /// The SMS application.
        sdk_app_id: String,
        /// The approved signature that stands before the text.
        sign_name: String,
        /// The approved text; its first variable is the code, its second the minutes.
        template_id: String,
        /// Region of the service, such as `ap-guangzhou`.
        region: String,
    },
    /// Alibaba Cloud SMS.
    Aliyun {
        /// Names the key.
        access_key_id: String,
        /// The key.
        access_key_secret: SecretString,
        /// The approved signature that stands before the text.
        sign_name: String,
        /// The approved text; its variables are `code` and `minutes`.
        template_code: String,
    },
    /// A gateway of the operator's, which speaks our own protocol.
    Gateway {
        /// Its name under `provider.sms_gateways`.
        name: String,
        /// Names the key.
        key_id: String,
        /// The key.
        key: SecretString,
    },
    /// Nobody sends: the code is written to the log. For development.
    Log,
}

impl TenantProviders {
    /// Sends a code that is good for so many minutes.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] with the provider's code, or `unknown_gateway` for a gateway that the settings do not
    /// name.
    pub async fn send_sms(
        &self,
        account: &SmsAccount,
        phone: &PhoneNumber,
        code: &str,
        minutes: u32,
    ) -> Result<(), ProviderError> {
        let shared = self.shared.as_ref();
        let message = Message {
            phone,
            code,
            minutes,
        };
        match account {
            SmsAccount::Tencent {
                secret_id,
                secret_key,
                sdk_app_id,
                sign_name,
                template_id,
                region,
            } => {
                let credentials = Credentials {
                    secret_id,
                    secret_key,
                };
                let template = tencent::Template {
                    sdk_app_id,
                    sign_name,
                    template_id,
                    region,
                };
                let work = tencent::send(shared, &credentials, &template, &message);
                self.call(Provider::TencentSms, work).await
            }
            SmsAccount::Aliyun {
                access_key_id,
                access_key_secret,
                sign_name,
                template_code,
            } => {
                let key = (access_key_id.as_str(), access_key_secret);
                let template = (sign_name.as_str(), template_code.as_str());
                let work = aliyun::send(shared, key, template, &message);
                self.call(Provider::AliyunSms, work).await
            }
            SmsAccount::Gateway { name, key_id, key } => {
                let work = gateway::send(shared, name, (key_id, key), &message);
                self.call(Provider::SmsGateway, work).await
            }
            SmsAccount::Log => {
                // The one place where a code is logged: this account exists for that.
                tracing::info!(%phone, code, minutes, "an SMS code, written here instead of sent");
                Ok(())
            }
        }
    }
}

/// What is sent.
struct Message<'a> {
    phone: &'a PhoneNumber,
    code: &'a str,
    minutes: u32,
}
