//! Every path that the simulator serves.

use actix_web::web::{Bytes, Data, ServiceConfig, delete, get, post, put, resource, route};
use actix_web::{HttpRequest, HttpResponse};

use super::wire::{ELSEWHERE, header, parameter, parameters};
use super::world::World;
use super::{captcha, control, sms, wechat};

pub(super) fn configure(service: &mut ServiceConfig) {
    service
        .route("/connect/oauth2/authorize", get().to(wechat::authorize))
        .route("/connect/qrconnect", get().to(wechat::authorize))
        .route("/sns/oauth2/access_token", get().to(wechat::access_token))
        .route("/sns/userinfo", get().to(wechat::userinfo))
        .route("/sns/jscode2session", get().to(wechat::jscode2session))
        .route("/", route().to(cloud))
        .route("/sms/gateway", post().to(sms::gateway))
        .route("/turnstile/v0/siteverify", post().to(captcha::turnstile))
        .route("/hcaptcha/siteverify", post().to(captcha::hcaptcha))
        .route(ELSEWHERE, route().to(elsewhere))
        .route("/control", get().to(control::show))
        .route("/control/mode", put().to(control::set_modes))
        .route("/control/wechat/users", post().to(control::put_user))
        .route("/control/wechat/code", post().to(control::make_code))
        .route("/control/wechat/js_code", post().to(control::make_js_code))
        .service(
            resource("/control/sms")
                .route(get().to(control::list_messages))
                .route(delete().to(control::forget_messages)),
        )
        .service(
            resource("/control/calls")
                .route(get().to(control::show_calls))
                .route(delete().to(control::forget_calls)),
        );
}

/// The clouds name their operation outside of the path: Tencent in `X-TC-Action`, Aliyun in `x-acs-action` or `Action`.
async fn cloud(world: Data<World>, request: HttpRequest, body: Bytes) -> HttpResponse {
    match header(&request, "x-tc-action") {
        "SendSms" => return sms::tencent(&world, &request, &body).await,
        "DescribeCaptchaResult" => return captcha::tencent(&world, &request, &body).await,
        _ => {}
    }
    let mut given = parameters(request.query_string());
    if header(&request, "content-type").starts_with("application/x-www-form-urlencoded") {
        given.extend(parameters(&String::from_utf8_lossy(&body)));
    }
    let is_aliyun =
        header(&request, "x-acs-action") == "SendSms" || parameter(&given, "Action") == "SendSms";
    if is_aliyun {
        sms::aliyun(&world, &request, &body, &given).await
    } else {
        HttpResponse::NotFound()
            .content_type("text/plain")
            .body("no simulated operation of this name\n")
    }
}

/// Where a lying vendor sends its callers; none should come.
async fn elsewhere(world: Data<World>) -> HttpResponse {
    *world.state().calls.entry("redirect_followed").or_default() += 1;
    HttpResponse::Ok()
        .content_type("text/plain")
        .body("{\"openid\":\"oredirected\",\"session_key\":\"\",\"success\":true}")
}
