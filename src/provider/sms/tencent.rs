//! Tencent Cloud SMS: action `SendSms` of version 2021-01-11.

use serde_json::{Value, json};

use super::super::answer::text;
use super::super::error::CallError;
use super::super::tc3::{self, Action, Credentials};
use super::Message;
use crate::provider::Shared;

/// What the account has had approved.
pub(super) struct Template<'a> {
    pub sdk_app_id: &'a str,
    pub sign_name: &'a str,
    pub template_id: &'a str,
    pub region: &'a str,
}

pub(super) async fn send(
    shared: &Shared,
    credentials: &Credentials<'_>,
    template: &Template<'_>,
    message: &Message<'_>,
) -> Result<(), CallError> {
    let action = Action {
        service: "sms",
        name: "SendSms",
        version: "2021-01-11",
        region: template.region,
    };
    let body = json!({
        "PhoneNumberSet": [message.phone.as_e164()],
        "SmsSdkAppId": template.sdk_app_id,
        "SignName": template.sign_name,
        "TemplateId": template.template_id,
        "TemplateParamSet": [message.code, message.minutes.to_string()],
    });
    let base = shared.settings.tencent_sms_url.as_url();
    let now = shared.clock.now();
    let response = tc3::call(
        &shared.http,
        base,
        credentials,
        &action,
        body.to_string(),
        now,
    )
    .await?;
    let status = response.pointer("/SendStatusSet/0").unwrap_or(&Value::Null);
    match text(status, "Code") {
        "Ok" => Ok(()),
        code => Err(tc3::refusal(code, text(status, "Message"))),
    }
}
