//! The one table of routes.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};

use super::admin;
use super::answer::refuse;
use super::error_document::Refusal;
use super::language::choose;
use super::openapi;
use super::site::languages;
use super::{
    console, forum, health, hosted, html, invites, jwks, login, metrics, mini_program, pc_scan,
    refresh_token, register, sms, users, wechat,
};
use crate::domain::dialect::Dialect;
use crate::domain::language::Language;

/// Every pattern that is routed, for metrics: nothing else becomes a label.
pub(super) const PATTERNS: &[&str] = &[
    "/api/register",
    "/t/{tenant}/api/register",
    "/api/login",
    "/t/{tenant}/api/login",
    "/api/refresh-token",
    "/t/{tenant}/api/refresh-token",
    "/api/logout",
    "/t/{tenant}/api/logout",
    "/api/users/me",
    "/t/{tenant}/api/users/me",
    "/api/users/{id}",
    "/t/{tenant}/api/users/{id}",
    "/api/users",
    "/t/{tenant}/api/users",
    "/api/invite/users",
    "/t/{tenant}/api/invite/users",
    "/api/invite/{code}",
    "/t/{tenant}/api/invite/{code}",
    "/api/invite",
    "/t/{tenant}/api/invite",
    "/api/userInviteCode",
    "/t/{tenant}/api/userInviteCode",
    "/api/forum",
    "/t/{tenant}/api/forum",
    "/api/sms/send",
    "/t/{tenant}/api/sms/send",
    "/api/sms/verify",
    "/t/{tenant}/api/sms/verify",
    "/api/oauth/wechat",
    "/t/{tenant}/api/oauth/wechat",
    "/api/oauth/wechat/user",
    "/t/{tenant}/api/oauth/wechat/user",
    "/api/oauth/wechat/pc",
    "/t/{tenant}/api/oauth/wechat/pc",
    "/api/oauth/wechat/pc/user",
    "/t/{tenant}/api/oauth/wechat/pc/user",
    "/api/oauth/wechat/pc/qrcode",
    "/t/{tenant}/api/oauth/wechat/pc/qrcode",
    "/api/oauth/wechat/pc/login/{session_token}",
    "/t/{tenant}/api/oauth/wechat/pc/login/{session_token}",
    "/api/oauth/wechat/miniprogram",
    "/t/{tenant}/api/oauth/wechat/miniprogram",
    "/api/mobile/bind/miniprogram",
    "/t/{tenant}/api/mobile/bind/miniprogram",
    "/.well-known/jwks.json",
    "/t/{tenant}/.well-known/jwks.json",
    "/register",
    "/t/{tenant}/register",
    "/register/theme.css",
    "/t/{tenant}/register/theme.css",
    "/assets/{hash}/{name}",
    "/console",
    "/console/sign-in",
    "/console/sign-out",
    "/console/audit",
    "/console/tenants",
    "/console/tenants/{key}",
    "/console/tenants/{key}/state",
    "/console/tenants/{key}/settings",
    "/console/tenants/{key}/versions",
    "/console/tenants/{key}/versions/{version}",
    "/console/tenants/{key}/invites",
    "/console/tenants/{key}/invites.csv",
    "/console/tenants/{key}/revoke-invite",
    "/console/tenants/{key}/users",
    "/console/tenants/{key}/users/{id}",
    "/console/tenants/{key}/users/{id}/end-sessions",
    "/console/tenants/{key}/users/{id}/delete",
    "/console/tenants/{key}/deleted-users",
    "/console/tenants/{key}/deleted-users/{id}/restore",
    "/console/tenants/{key}/deleted-users/{id}/erase",
    "/console/tenants/{key}/applications",
    "/console/tenants/{key}/keys",
    "/console/tenants/{key}/revoke-key",
    "/console/tenants/{key}/usage",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/admin/v1/administrators",
    "/admin/v1/administrators/{id}",
    "/admin/v1/audit",
    "/admin/v1/tenants",
    "/admin/v1/tenants/{key}",
    "/admin/v1/tenants/{key}/suspend",
    "/admin/v1/tenants/{key}/resume",
    "/admin/v1/tenants/{key}/pressure",
    "/admin/v1/tenants/{key}/deleted-users",
    "/admin/v1/tenants/{key}/deleted-users/{id}",
    "/admin/v1/tenants/{key}/deleted-users/{id}/restore",
    "/admin/v1/tenants/{key}/keys",
    "/admin/v1/tenants/{key}/keys/{kid}",
    "/admin/v1/tenants/{key}/usage",
    "/admin/v1/usage",
    "/admin/v1/tenants/{key}/settings",
    "/admin/v1/tenants/{key}/settings/preview",
    "/admin/v1/tenants/{key}/settings/{version}",
    "/admin/v1/tenants/{key}/settings/{version}/restore",
    "/admin/v1/tenants/{key}/applications",
    "/admin/v1/tenants/{key}/applications/decide",
    "/admin/v1/tenants/{key}/users",
    "/admin/v1/tenants/{key}/users/export",
    "/admin/v1/tenants/{key}/users/import",
    "/admin/v1/tenants/{key}/users/{id}",
    "/admin/v1/tenants/{key}/users/{id}/end-sessions",
    "/admin/v1/tenants/{key}/invites",
    "/admin/v1/tenants/{key}/invites/{code}",
    "/admin/v1/tenants/{key}/invites/{code}/registrations",
    "/admin/v1/tenants/{key}/invite-batches/{batch}",
];

/// The label of a routed pattern.
pub(super) fn label(pattern: Option<&str>) -> &'static str {
    PATTERNS
        .iter()
        .copied()
        .find(|known| Some(*known) == pattern)
        .unwrap_or("none")
}

/// The public listener.
pub(super) fn public(app: &mut ServiceConfig) {
    for path in ["/api/register", "/t/{tenant}/api/register"] {
        app.service(only(path, register::METHODS).route(web::post().to(register::register)));
    }
    for path in ["/api/forum", "/t/{tenant}/api/forum"] {
        app.service(read(path, forum::METHODS, forum::forum));
    }
    for path in ["/api/login", "/t/{tenant}/api/login"] {
        app.service(only(path, login::METHODS).route(web::post().to(login::login)));
    }
    for path in ["/api/refresh-token", "/t/{tenant}/api/refresh-token"] {
        let route = web::post().to(refresh_token::refresh_token);
        app.service(only(path, refresh_token::METHODS).route(route));
    }
    for path in ["/api/logout", "/t/{tenant}/api/logout"] {
        let route = web::post().to(refresh_token::logout);
        app.service(only(path, refresh_token::METHODS).route(route));
    }
    providers(app);
    for path in [
        "/.well-known/jwks.json",
        "/t/{tenant}/.well-known/jwks.json",
    ] {
        app.service(read(path, jwks::METHODS, jwks::jwks));
    }
    members(app);
    app.service(read("/openapi.json", "GET, HEAD", openapi::public));
    app.service(read("/docs", "GET, HEAD", openapi::public_page));
    hosted_page(app);
    app.default_service(web::to(not_found));
}

/// The page for people, with what it loads.
fn hosted_page(app: &mut ServiceConfig) {
    for path in ["/register", "/t/{tenant}/register"] {
        let page = read(path, hosted::METHODS, hosted::show);
        app.service(page.route(web::post().to(hosted::register)));
    }
    for path in ["/register/theme.css", "/t/{tenant}/register/theme.css"] {
        app.service(read(path, hosted::METHODS_OF_THEME, hosted::theme));
    }
    app.service(read(ASSETS, html::METHODS_OF_ASSETS, html::asset));
}

/// Stylesheet, script and icon, on both listeners.
const ASSETS: &str = "/assets/{hash}/{name}";

/// What phones and WeChat accounts are proven with.
fn providers(app: &mut ServiceConfig) {
    for path in ["/api/sms/send", "/t/{tenant}/api/sms/send"] {
        app.service(only(path, sms::METHODS).route(web::post().to(sms::send)));
    }
    for path in ["/api/sms/verify", "/t/{tenant}/api/sms/verify"] {
        app.service(only(path, sms::METHODS).route(web::post().to(sms::verify)));
    }
    for path in ["/api/oauth/wechat", "/t/{tenant}/api/oauth/wechat"] {
        app.service(read(path, wechat::METHODS, wechat::page));
    }
    for path in [
        "/api/oauth/wechat/user",
        "/t/{tenant}/api/oauth/wechat/user",
    ] {
        app.service(read(path, wechat::METHODS, wechat::user));
    }
    for path in ["/api/oauth/wechat/pc", "/t/{tenant}/api/oauth/wechat/pc"] {
        app.service(read(path, wechat::METHODS, wechat::scan_page));
    }
    for path in [
        "/api/oauth/wechat/pc/user",
        "/t/{tenant}/api/oauth/wechat/pc/user",
    ] {
        app.service(read(path, wechat::METHODS, wechat::scan_user));
    }
    for path in [
        "/api/oauth/wechat/pc/qrcode",
        "/t/{tenant}/api/oauth/wechat/pc/qrcode",
    ] {
        app.service(read(path, pc_scan::METHODS, pc_scan::qrcode));
    }
    for path in [
        "/api/oauth/wechat/pc/login/{session_token}",
        "/t/{tenant}/api/oauth/wechat/pc/login/{session_token}",
    ] {
        app.service(read(path, pc_scan::METHODS, pc_scan::login));
    }
    for path in [
        "/api/oauth/wechat/miniprogram",
        "/t/{tenant}/api/oauth/wechat/miniprogram",
    ] {
        let route = web::post().to(mini_program::login);
        app.service(only(path, mini_program::METHODS).route(route));
    }
    for path in [
        "/api/mobile/bind/miniprogram",
        "/t/{tenant}/api/mobile/bind/miniprogram",
    ] {
        let route = web::post().to(mini_program::bind_phone);
        app.service(only(path, mini_program::METHODS).route(route));
    }
}

/// Profiles, applications and invites. Of two patterns that fit, the first wins.
fn members(app: &mut ServiceConfig) {
    for path in ["/api/users/me", "/t/{tenant}/api/users/me"] {
        app.service(read(path, users::METHODS_OF_ME, users::me));
    }
    for path in ["/api/users/{id}", "/t/{tenant}/api/users/{id}"] {
        let one = read(path, users::METHODS, users::show);
        app.service(one.route(web::patch().to(users::change)));
    }
    for path in ["/api/users", "/t/{tenant}/api/users"] {
        let all = read(path, users::METHODS, users::list);
        app.service(all.route(web::patch().to(users::change_many)));
    }
    for path in ["/api/invite/users", "/t/{tenant}/api/invite/users"] {
        app.service(read(path, invites::METHODS_OF_LISTS, invites::recruits));
    }
    for path in ["/api/invite/{code}", "/t/{tenant}/api/invite/{code}"] {
        let one = read(path, invites::METHODS_OF_ONE, invites::show);
        app.service(one.route(web::delete().to(invites::revoke)));
    }
    for path in ["/api/invite", "/t/{tenant}/api/invite"] {
        let all = read(path, invites::METHODS, invites::list);
        app.service(all.route(web::post().to(invites::issue)));
    }
    for path in ["/api/userInviteCode", "/t/{tenant}/api/userInviteCode"] {
        app.service(read(path, invites::METHODS_OF_LISTS, invites::own_number));
    }
}

/// The operators' listener.
pub(super) fn operators(app: &mut ServiceConfig) {
    app.service(read("/livez", health::METHODS, health::livez))
        .service(read("/readyz", health::METHODS, health::readyz))
        .service(read("/metrics", metrics::METHODS, metrics::metrics))
        .service(read("/openapi.json", "GET, HEAD", openapi::operators))
        .service(read("/docs", "GET, HEAD", openapi::operators_page))
        .service(
            only("/admin/v1/administrators", "GET, POST")
                .route(web::get().to(admin::administrators::list))
                .route(web::post().to(admin::administrators::create)),
        )
        .service(
            only("/admin/v1/administrators/{id}", "DELETE")
                .route(web::delete().to(admin::administrators::revoke)),
        )
        .service(only("/admin/v1/audit", "GET").route(web::get().to(admin::audit::list)))
        .service(
            only("/admin/v1/tenants", "GET, POST")
                .route(web::get().to(admin::tenants::list))
                .route(web::post().to(admin::tenants::create)),
        )
        .service(
            only("/admin/v1/tenants/{key}", "GET, PATCH, DELETE")
                .route(web::get().to(admin::tenants::show))
                .route(web::patch().to(admin::tenants::change))
                .route(web::delete().to(admin::tenants::delete)),
        )
        .service(
            only("/admin/v1/tenants/{key}/suspend", "POST")
                .route(web::post().to(admin::tenants::suspend)),
        )
        .service(
            only("/admin/v1/tenants/{key}/resume", "POST")
                .route(web::post().to(admin::tenants::resume)),
        )
        .service(
            only("/admin/v1/tenants/{key}/pressure", "GET")
                .route(web::get().to(admin::pressure::show)),
        )
        .service(
            only("/admin/v1/tenants/{key}/usage", "GET")
                .route(web::get().to(admin::usage::of_tenant)),
        )
        .service(only("/admin/v1/usage", "GET").route(web::get().to(admin::usage::totals)))
        .service(
            only("/admin/v1/tenants/{key}/settings", "GET")
                .route(web::get().to(admin::settings_versions::list)),
        )
        // Before the versions, of which it is none: of two patterns that fit, the first wins.
        .service(
            only("/admin/v1/tenants/{key}/settings/preview", "POST")
                .route(web::post().to(admin::settings_versions::preview)),
        )
        .service(
            only("/admin/v1/tenants/{key}/settings/{version}", "GET")
                .route(web::get().to(admin::settings_versions::show)),
        )
        .service(
            only("/admin/v1/tenants/{key}/settings/{version}/restore", "POST")
                .route(web::post().to(admin::settings_versions::restore)),
        )
        .service(
            only("/admin/v1/tenants/{key}/keys", "GET, POST")
                .route(web::get().to(admin::keys::list))
                .route(web::post().to(admin::keys::rotate)),
        )
        .service(
            only("/admin/v1/tenants/{key}/keys/{kid}", "DELETE")
                .route(web::delete().to(admin::keys::revoke)),
        )
        .service(
            only("/admin/v1/tenants/{key}/applications", "GET")
                .route(web::get().to(admin::applications::list)),
        )
        .service(
            only("/admin/v1/tenants/{key}/applications/decide", "POST")
                .route(web::post().to(admin::applications::decide)),
        )
        .service(
            only("/admin/v1/tenants/{key}/users", "GET").route(web::get().to(admin::users::list)),
        )
        // Before the users, of which these are none.
        .service(
            only("/admin/v1/tenants/{key}/users/export", "GET")
                .route(web::get().to(admin::transfer::export)),
        )
        .service(
            only("/admin/v1/tenants/{key}/users/import", "POST")
                .route(web::post().to(admin::transfer::import)),
        )
        .service(
            only("/admin/v1/tenants/{key}/users/{id}", "GET, PATCH, DELETE")
                .route(web::delete().to(admin::deleted_users::delete))
                .route(web::get().to(admin::users::show))
                .route(web::patch().to(admin::users::change)),
        )
        .service(
            only("/admin/v1/tenants/{key}/users/{id}/end-sessions", "POST")
                .route(web::post().to(admin::users::end_sessions)),
        )
        .service(
            only("/admin/v1/tenants/{key}/deleted-users", "GET")
                .route(web::get().to(admin::deleted_users::list)),
        )
        .service(
            only("/admin/v1/tenants/{key}/deleted-users/{id}", "DELETE")
                .route(web::delete().to(admin::deleted_users::erase)),
        )
        .service(
            only("/admin/v1/tenants/{key}/deleted-users/{id}/restore", "POST")
                .route(web::post().to(admin::deleted_users::restore)),
        )
        .service(
            only("/admin/v1/tenants/{key}/invites", "GET, POST")
                .route(web::get().to(admin::invites::list))
                .route(web::post().to(admin::invites::issue)),
        )
        .service(
            only("/admin/v1/tenants/{key}/invites/{code}", "GET, DELETE")
                .route(web::get().to(admin::invites::show))
                .route(web::delete().to(admin::invites::revoke)),
        )
        .service(
            only(
                "/admin/v1/tenants/{key}/invites/{code}/registrations",
                "GET",
            )
            .route(web::get().to(admin::invites::registrations)),
        )
        .service(
            only("/admin/v1/tenants/{key}/invite-batches/{batch}", "PUT")
                .route(web::put().to(admin::invite_batches::make)),
        )
        .service(read(ASSETS, html::METHODS_OF_ASSETS, html::asset))
        .configure(console::routes)
        .default_service(web::to(not_found));
}

/// A resource that names its methods to whoever comes with another one.
fn only(path: &'static str, methods: &'static str) -> Resource {
    web::resource(path)
        .app_data(Data::new(Methods(methods)))
        .default_service(web::to(method_not_allowed))
}

/// A resource that is read; HEAD answers as GET does, without the body.
fn read<F, Args>(path: &'static str, methods: &'static str, handler: F) -> Resource
where
    F: actix_web::Handler<Args, Output = HttpResponse> + Clone,
    Args: actix_web::FromRequest + 'static,
{
    only(path, methods)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

struct Methods(&'static str);

async fn method_not_allowed(request: HttpRequest, methods: Data<Methods>) -> HttpResponse {
    let refusal = Refusal::MethodNotAllowed {
        allow: methods.0.to_owned(),
    };
    refuse(&refusal, Dialect::Standard, language(&request))
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    refuse(
        &Refusal::RouteNotFound,
        Dialect::Standard,
        language(&request),
    )
}

fn language(request: &HttpRequest) -> Language {
    choose(languages(request.headers()).as_deref(), Language::default())
}
