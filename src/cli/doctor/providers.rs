//! The providers that tenants use: whether they answer, and whether accounts that can be tried for nothing are right.

use std::net::Ipv4Addr;

use futures_util::StreamExt;

use super::findings::Findings;
use super::tenants::{MOST_ACCOUNTS, Seen, Service};
use crate::clock::Clock;
use crate::provider::settings::{ProviderSettings, ServiceUrl};
use crate::provider::{ProviderClient, ProviderError};
use crate::settings::Settings;
use crate::telemetry::Metrics;

const CHECK: &str = "providers";
const AT_A_TIME: usize = 8;
/// No provider gave this ticket.
const NO_TICKET: &str = "enroll-doctor-made-this-up";

/// Asks each provider that a tenant uses. Accounts of WeChat and of SMS are not tried: their calls count, or cost.
pub(super) async fn look(
    settings: &Settings,
    seen: &Seen,
    clock: &Clock,
    metrics: &Metrics,
    findings: &mut Findings,
) {
    if seen.providers.is_empty() {
        findings.fine(CHECK, "no tenant uses one");
        return;
    }
    let client = ProviderClient::new(settings.provider.clone(), clock.clone(), metrics.clone());
    let Ok(client) = client else {
        let text = "no TLS: the system has no certificates of authorities";
        findings.error(CHECK, text, "install them (package ca-certificates)");
        return;
    };
    for (service, tenants) in &seen.providers {
        let (name, address) = place(service, &settings.provider);
        let named = format!("{name}, which {tenants} tenants use,");
        let Some(address) = address else {
            let text = format!("{named} is not in the settings");
            findings.error(CHECK, text, "name it in [provider.sms_gateways]");
            continue;
        };
        match client.answers(address).await {
            Ok(()) => findings.fine(CHECK, format!("{named} answers")),
            Err(reason) => {
                let fix = "can this machine reach it? no proxy of the environment is asked";
                findings.error(CHECK, format!("{named} does not answer: {reason}"), fix);
            }
        }
    }
    accounts(&client, seen, findings).await;
}

/// What a service is called, and where it is.
fn place<'a>(
    service: &'a Service,
    settings: &'a ProviderSettings,
) -> (String, Option<&'a ServiceUrl>) {
    let (name, address) = match service {
        Service::Wechat => ("WeChat", &settings.wechat_api_url),
        Service::TencentSms => ("Tencent Cloud SMS", &settings.tencent_sms_url),
        Service::AliyunSms => ("Alibaba Cloud SMS", &settings.aliyun_sms_url),
        Service::TencentCaptcha => ("Tencent Cloud CAPTCHA", &settings.tencent_captcha_url),
        Service::Turnstile => ("Turnstile", &settings.turnstile_url),
        Service::Hcaptcha => ("hCaptcha", &settings.hcaptcha_url),
        Service::Gateway(name) => {
            let gateway = settings.sms_gateways.get(name);
            return (
                format!("SMS gateway {name}"),
                gateway.map(|gateway| &gateway.url),
            );
        }
    };
    (name.to_owned(), Some(address))
}

async fn accounts(client: &ProviderClient, seen: &Seen, findings: &mut Findings) {
    let tries = seen.accounts.iter().map(|(key, account)| async move {
        let providers = client.for_tenant();
        let tried = providers.check_captcha(account, NO_TICKET, "", Ipv4Addr::LOCALHOST.into());
        (key, tried.await)
    });
    let mut tries = futures_util::stream::iter(tries).buffered(AT_A_TIME);
    let mut fine = 0_usize;
    while let Some((key, tried)) = tries.next().await {
        match tried {
            Ok(_) => fine += 1,
            Err(ProviderError::Refused { code, .. }) => {
                let text = format!("tenant {key}: its CAPTCHA account is refused ({code})");
                findings.error(
                    CHECK,
                    text,
                    "enter the account's secret again (captcha.secret)",
                );
            }
            // Whether it answers at all was told above.
            Err(ProviderError::Unavailable | ProviderError::Overloaded) => {}
        }
    }
    if fine > 0 {
        findings.fine(
            CHECK,
            format!("{fine} CAPTCHA accounts are right, of at most {MOST_ACCOUNTS} tried"),
        );
    }
}
