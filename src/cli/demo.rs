//! `enroll demo`: a server with two tenants to try things on, the vendors that they need, and the curl lines that try
//! it all. The vendors are simulated in the same process, so nobody needs an account anywhere.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::migrate::migrate_for_demo;
use super::{CliError, output};
use crate::admin::error::AdminError;
use crate::admin::{Admin, InviteRequest, PlacementRequest, TenantRequest, create_administrator};
use crate::app::{App, AppError, open_platform};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::AdministratorId;
use crate::domain::role::Role;
use crate::domain::tenant_key::TenantKey;
use crate::settings::{Settings, temporary_folder, this_program};
use crate::simulate::{Simulator, accounts};
use crate::store::administrators::Administrator;
use crate::store::platform_db::PlatformDb;
use crate::telemetry::Metrics;
use crate::telemetry::tracing::init;

/// Run a server to try things on: SQLite, the tenants "demo" and "acme", an invite code, an admin token, and simulated
/// WeChat, SMS and captcha servers. It prints curl lines that work, and writes all of it to demo.json in the data
/// directory.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to keep the data [default: a new temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the public listener; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of the operators' listener
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin_listen: SocketAddr,
}

/// A folder that goes when the demo ends.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed lies in the temporary folder, where the system clears up.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// What a visitor needs to know.
struct Tour {
    public_url: String,
    admin_url: String,
    simulator_url: String,
    admin_token: SecretString,
    invite_code: String,
    port: u16,
}

const TENANTS: [&str; 2] = ["demo", "acme"];
/// The name of the simulated SMS gateway in the settings.
const GATEWAY: &str = "simulated";
/// The front end that a visitor may run beside the demo: WeChat sends users back to it, and its pages may call.
const FRONT_END: &str = "http://localhost:3000";

/// Runs the demo until SIGTERM or SIGINT.
///
/// # Errors
/// [`CliError`] when it cannot start.
pub async fn run(args: DemoArgs, config: Option<&Path>) -> Result<(), CliError> {
    let folder = folder(args.data_dir.clone())?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = Simulator::start(any_port, Clock::system(), Entropy)
        .map_err(|error| CliError::Io("the simulator".into(), error))?;
    let done = serve(&args, &folder.path, config, &simulator).await;
    simulator.stop().await;
    done
}

async fn serve(
    args: &DemoArgs,
    folder: &Path,
    config: Option<&Path>,
    simulator: &Simulator,
) -> Result<(), CliError> {
    let simulator_url = format!("http://{}", simulator.address());
    let settings = Settings::load(
        config,
        &[
            ("data.dir", json!(folder)),
            ("server.public_listen", json!(args.listen)),
            ("server.admin_listen", json!(args.admin_listen)),
            ("server.base_domain", json!("localhost")),
            ("telemetry.log_level", json!("warn")),
            // Whoever tries a race or a burst on a laptop wants to see it through.
            ("hashing.wait_ms", json!(5000)),
            ("provider", providers(&simulator_url)),
        ],
    )?;
    let log = init(&settings.telemetry).map_err(AppError::from)?;
    migrate_for_demo(&settings).await?;
    let admin_token = new_token(&settings).await?;
    let app = App::build(settings, log).await?;
    let invite_code = furnish(&app.admin).await?;
    let tour = Tour {
        public_url: format!("http://{}", app.public),
        admin_url: format!("http://{}", app.operators),
        simulator_url,
        admin_token,
        invite_code,
        port: app.public.port(),
    };
    tour.write(folder)?;
    output::show(&tour.text(folder))?;
    app.run().await;
    Ok(())
}

/// Section `[provider]` with the simulator in every vendor's place.
fn providers(simulator: &str) -> Value {
    json!({
        "wechat_api_url": simulator,
        "wechat_open_url": simulator,
        "tencent_sms_url": simulator,
        "tencent_captcha_url": simulator,
        "aliyun_sms_url": simulator,
        "turnstile_url": format!("{simulator}/turnstile/v0/siteverify"),
        "hcaptcha_url": format!("{simulator}/hcaptcha/siteverify"),
        "sms_gateways": {GATEWAY: {"url": format!("{simulator}/sms/gateway")}},
    })
}

fn folder(wanted: Option<PathBuf>) -> Result<Folder, CliError> {
    let temporary = wanted.is_none();
    let path = match wanted {
        Some(path) => path,
        None => {
            let random = Entropy
                .bytes::<8>()
                .map_err(|error| AppError::Store(error.into()))?;
            let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            temporary_folder().join(format!("enroll-demo-{name}"))
        }
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .map_err(|error| CliError::Io(path.display().to_string(), error))?;
    Ok(Folder { path, temporary })
}

/// Every start of the demo has a token of its own; there is no default one.
async fn new_token(settings: &Settings) -> Result<SecretString, CliError> {
    let metrics = Metrics::new(0).map_err(AppError::from)?;
    let connection = open_platform(settings, Clock::system(), metrics).await?;
    let platform = PlatformDb::new(connection, Clock::system(), Entropy);
    let name = format!("demo of {}", Clock::system().now().to_rfc3339(0));
    let random = Entropy
        .bytes::<3>()
        .map_err(|error| AppError::Store(error.into()))?;
    let name = random
        .iter()
        .fold(name, |name, byte| format!("{name} {byte:02x}"));
    let (_, token) = create_administrator(&platform, Entropy, None, &name, Role::Platform)
        .await
        .map_err(AppError::from)?;
    platform.close().await;
    Ok(token.secret().clone())
}

/// Makes the tenants, unless an earlier demo in the same folder made them, and an invite code.
async fn furnish(admin: &Admin) -> Result<String, CliError> {
    let by = Administrator {
        id: AdministratorId::from_i64(1),
        name: "demo".to_owned(),
        role: Role::Platform,
        created_at: Clock::system().now(),
        revoked_at: None,
    };
    let failed =
        |error: AdminError| CliError::Server(format!("the demo cannot be set up: {error}"));
    for name in TENANTS {
        let Some(key) = TenantKey::parse(name) else {
            continue;
        };
        let request = TenantRequest {
            name: format!("{key} (demo)"),
            key,
            hosts: Vec::new(),
            placement: PlacementRequest::OwnFile,
            settings: settings(name),
        };
        match admin.create_tenant(&by, request).await {
            Ok(_) | Err(AdminError::KeyTaken) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let Some(key) = TenantKey::parse("demo") else {
        return Err(CliError::Server("the demo has no tenant".into()));
    };
    let request = InviteRequest {
        code: None,
        count: 1,
        max_uses: 100,
        expires_at: None,
        note: "made by the demo".to_owned(),
        group_id: None,
    };
    let issued = admin
        .issue_invites(&by, &key, request)
        .await
        .map_err(failed)?;
    let code = issued.into_iter().next().map(|invite| invite.code);
    code.ok_or_else(|| CliError::Server("the demo has no invite".into()))
}

/// A tenant's settings: its own SMS provider, the same apps at WeChat, and wide limits, since whoever tries the demo comes
/// from one address, often with a load generator.
fn settings(tenant: &str) -> Value {
    let rate = |calls: u32| json!({ "calls": calls, "seconds": 60 });
    let app = |id: &str| json!({"app_id": id, "app_secret": accounts::WECHAT_SECRET});
    let sms = match tenant {
        "acme" => gateway_account(),
        _ => tencent_account(),
    };
    json!({
        "limits": {
            "per_address": rate(60_000),
            "per_username": rate(1_000),
            "per_tenant": rate(600_000),
            "login_per_address": rate(60_000),
            "sms_per_address": rate(60_000),
            "calls_per_address": rate(60_000),
        },
        "wechat": {
            "official_account": app(accounts::OFFICIAL_ACCOUNT),
            "open_platform": app(accounts::OPEN_PLATFORM),
            "mini_program": app(accounts::MINI_PROGRAM),
        },
        "sms": sms,
        "sms_rules": {"per_address_per_day": 5_000},
        "captcha": {
            "provider": "tencent",
            "secret_id": accounts::TENCENT.id,
            "secret_key": accounts::TENCENT.secret,
            "captcha_app_id": accounts::TENCENT_CAPTCHA_APP,
            "app_secret_key": accounts::TENCENT_CAPTCHA_SECRET,
        },
        "cors": {"origins": [FRONT_END]},
    })
}

fn tencent_account() -> Value {
    json!({
        "provider": "tencent",
        "secret_id": accounts::TENCENT.id,
        "secret_key": accounts::TENCENT.secret,
        "sdk_app_id": accounts::TENCENT_SMS_APP,
        "sign_name": accounts::SMS_SIGN_NAME,
        "template_id": accounts::TENCENT_TEMPLATE,
    })
}

fn gateway_account() -> Value {
    json!({
        "provider": "gateway",
        "name": GATEWAY,
        "key_id": accounts::GATEWAY.id,
        "key": accounts::GATEWAY.secret,
    })
}

impl Tour {
    /// Writes `demo.json` as a whole or not at all; it holds the token, so only its owner may read it.
    fn write(&self, folder: &Path) -> Result<(), CliError> {
        let document = json!({
            "public_url": self.public_url,
            "admin_url": self.admin_url,
            "simulator_url": self.simulator_url,
            "wechat_apps": {
                "official_account": accounts::OFFICIAL_ACCOUNT,
                "open_platform": accounts::OPEN_PLATFORM,
                "mini_program": accounts::MINI_PROGRAM,
            },
            "front_end": FRONT_END,
            "admin_token": self.admin_token.expose_secret(),
            "tenants": TENANTS,
            "invite_code": self.invite_code,
        });
        let (new, file) = (folder.join("demo.json.new"), folder.join("demo.json"));
        let failed = |error| CliError::Io(file.display().to_string(), error);
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        writeln!(out, "{document:#}").map_err(failed)?;
        std::fs::rename(&new, &file).map_err(failed)
    }

    fn text(&self, folder: &Path) -> String {
        let Self {
            public_url,
            admin_url,
            simulator_url,
            invite_code,
            port,
            ..
        } = self;
        let token = self.admin_token.expose_secret();
        let folder = folder.display();
        // After `cargo run` the program is on nobody's PATH.
        let enroll = this_program();
        let enroll = enroll.display();
        format!(
            r#"enroll demo: tenants demo and acme, data and demo.json in {folder}

Register a user (tenant by header, by host, by path):

  curl -s {public_url}/api/register -H 'X-Tenant-Id: demo' -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"username":"ada","password":"lovelace-1843"}}}}}}'

  curl -s http://demo.localhost:{port}/api/register -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"username":"grace","password":"hopper-cobol-59"}}}}}}'

  curl -s {public_url}/t/acme/api/register -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"username":"ada","password":"another-tenant-9"}}}}}}'

With an invite code, a reason, and a key that makes a retry safe:

  curl -s {public_url}/api/register -H 'X-Tenant-Id: demo' -H 'Content-Type: application/json' \
    -H 'Idempotency-Key: try-1' -d '{{"data":{{"attributes":{{"username":"edsger","password":"shortest-path-59",
    "code":"{invite_code}","register_reason":"I was invited"}}}}}}'

Log in, and refresh (a refresh token works once):

  LOGIN=$(curl -s {public_url}/t/demo/api/login -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"username":"ada","password":"lovelace-1843"}}}}}}')
  REFRESH=$(echo "$LOGIN" | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')
  curl -s {public_url}/t/demo/api/refresh-token -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"refresh_token":"'$REFRESH'"}}}}}}'

Log in by phone: send a code, read it at the simulated phone, come in (register makes the account):

  curl -s {public_url}/t/demo/api/sms/send -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"mobile":"13800138000","type":"login"}}}}}}'
  CODE=$(curl -s '{simulator_url}/control/sms?phone=%2B8613800138000' | grep -o '"code":"[0-9]*' | head -1 | cut -d'"' -f4)
  curl -s {public_url}/t/demo/api/sms/verify -H 'Content-Type: application/json' \
    -d '{{"data":{{"attributes":{{"mobile":"13800138000","code":"'$CODE'","type":"login","register":1}}}}}}'

As an administrator: the tenants, a tenant that asks for approval, an invite:

  export ENROLL_ADMIN_URL={admin_url} ENROLL_ADMIN_TOKEN={token}
  curl -s $ENROLL_ADMIN_URL/admin/v1/tenants -H "Authorization: Bearer $ENROLL_ADMIN_TOKEN"
  {enroll} tenant set acme registration.approval=true
  {enroll} invite issue demo --max-uses 5

Every other way to register is in the README; its commands need these two lines as well:

  export PUBLIC={public_url} SIM={simulator_url} INVITE={invite_code}
  enroll() {{ {enroll} "$@"; }}

Keys, health, metrics:

  curl -s {public_url}/t/demo/.well-known/jwks.json
  curl -s {admin_url}/readyz
  curl -s {admin_url}/metrics

Ctrl-C ends it."#
        )
    }
}
