//! CAPTCHAs: whether a ticket that a browser brings is good (`docs/contract.md`, section 2.4).

use std::net::IpAddr;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::answer::{integer, read_object};
use super::client::{Request, form};
use super::error::{CallError, ProviderError};
use super::tc3::{self, Action, Credentials};
use super::{Provider, Shared, TenantProviders};

/// Most characters of a ticket and of the text beside it; longer ones are no provider's.
const MAX_TICKET: usize = 8192;
const MAX_RAND_STR: usize = 128;

/// A tenant's account with whoever judges its CAPTCHAs.
#[derive(Clone, Debug)]
pub enum CaptchaAccount {
    /// Tencent Cloud CAPTCHA.
    Tencent {
        /// Names the key.
        secret_id: String,
        /// The key.
        secret_key: SecretString,
        /// The CAPTCHA application.
        captcha_app_id: u64,
        /// The application's own secret.
        app_secret_key: SecretString,
    },
    /// Cloudflare Turnstile.
    Turnstile {
        /// The site's secret.
        secret: SecretString,
    },
    /// hCaptcha.
    Hcaptcha {
        /// The site's secret.
        secret: SecretString,
    },
}

impl CaptchaAccount {
    /// Whether a ticket is judged together with the random text that came with it.
    #[must_use]
    pub const fn wants_rand_str(&self) -> bool {
        matches!(self, Self::Tencent { .. })
    }
}

/// What the provider says of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptchaVerdict {
    /// It is good, and now used.
    Passed,
    /// It is not: forged, used, too old, or of another site. With the provider's number, where it tells one.
    Failed(Option<i64>),
}

impl TenantProviders {
    /// Whether a ticket is good. Only Tencent's come with a `rand_str`.
    ///
    /// # Errors
    /// [`ProviderError::Refused`] when the account is at fault.
    pub async fn check_captcha(
        &self,
        account: &CaptchaAccount,
        ticket: &str,
        rand_str: &str,
        address: IpAddr,
    ) -> Result<CaptchaVerdict, ProviderError> {
        if ticket.is_empty() || ticket.len() > MAX_TICKET || rand_str.len() > MAX_RAND_STR {
            return Ok(CaptchaVerdict::Failed(None));
        }
        let shared = self.shared.as_ref();
        let settings = &shared.settings;
        match account {
            CaptchaAccount::Tencent {
                secret_id,
                secret_key,
                captcha_app_id,
                app_secret_key,
            } => {
                let credentials = Credentials {
                    secret_id,
                    secret_key,
                };
                let question = json!({
                    "CaptchaType": 9,
                    "Ticket": ticket,
                    "UserIp": address.to_string(),
                    "Randstr": rand_str,
                    "CaptchaAppId": captcha_app_id,
                    "AppSecretKey": app_secret_key.expose_secret(),
                });
                let work = ask_tencent(shared, &credentials, &question);
                self.call(Provider::TencentCaptcha, work).await
            }
            CaptchaAccount::Turnstile { secret } => {
                let work = verify(
                    shared,
                    settings.turnstile_url.as_url(),
                    secret,
                    ticket,
                    address,
                );
                self.call(Provider::Turnstile, work).await
            }
            CaptchaAccount::Hcaptcha { secret } => {
                let work = verify(
                    shared,
                    settings.hcaptcha_url.as_url(),
                    secret,
                    ticket,
                    address,
                );
                self.call(Provider::Hcaptcha, work).await
            }
        }
    }
}

/// Action `DescribeCaptchaResult` of version 2019-07-22.
async fn ask_tencent(
    shared: &Shared,
    credentials: &Credentials<'_>,
    question: &Value,
) -> Result<CaptchaVerdict, CallError> {
    let action = Action {
        service: "captcha",
        name: "DescribeCaptchaResult",
        version: "2019-07-22",
        region: "",
    };
    let base = shared.settings.tencent_captcha_url.as_url();
    let now = shared.clock.now();
    let body = question.to_string();
    let response = tc3::call(&shared.http, base, credentials, &action, body, now).await?;
    match integer(&response, "CaptchaCode") {
        Some(1) => Ok(CaptchaVerdict::Passed),
        Some(code) => Ok(CaptchaVerdict::Failed(Some(code))),
        None => Err(CallError::broken("the answer has no CaptchaCode")),
    }
}

/// The check that Turnstile and hCaptcha share: a form, and an answer with `success`.
async fn verify(
    shared: &Shared,
    url: &Url,
    secret: &SecretString,
    ticket: &str,
    address: IpAddr,
) -> Result<CaptchaVerdict, CallError> {
    let address = address.to_string();
    let fields = [
        ("secret", secret.expose_secret()),
        ("response", ticket),
        ("remoteip", &address),
    ];
    let content_type = "application/x-www-form-urlencoded".to_owned();
    let request = Request::post(
        url.clone(),
        vec![("content-type", content_type)],
        form(url, &fields),
    );
    let answer = shared.http.send(request).await?;
    // Some answers to bad input come with 400; they say `success` all the same.
    let body = match answer.status {
        400 => answer.body,
        _ => answer.into_body()?,
    };
    let told = read_object(&body)?;
    match told.get("success").and_then(Value::as_bool) {
        Some(true) => Ok(CaptchaVerdict::Passed),
        Some(false) => judged(&told),
        None => Err(CallError::broken("the answer has no success")),
    }
}

/// Why a ticket did not pass: its own fault, the account's, or the provider's.
fn judged(told: &Value) -> Result<CaptchaVerdict, CallError> {
    let codes = told.get("error-codes").and_then(Value::as_array);
    let named: Vec<&str> = codes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if let Some(code) = named.iter().find(|code| code.ends_with("-secret")) {
        return Err(CallError::refused(code, "the secret is not the site's"));
    }
    if named.contains(&"internal-error") {
        return Err(CallError::broken(
            "the provider reports an error of its own",
        ));
    }
    Ok(CaptchaVerdict::Failed(None))
}
