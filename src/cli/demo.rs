//! `enroll demo`: a server with two tenants to try things on, and the curl lines that try them.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::migrate::migrate_all;
use super::{CliError, output};
use crate::admin::error::AdminError;
use crate::admin::{Admin, InviteRequest, PlacementRequest, TenantRequest, create_administrator};
use crate::app::{App, AppError, open_platform};
use crate::clock::{Clock, Entropy};
use crate::domain::ids::AdministratorId;
use crate::domain::tenant_key::TenantKey;
use crate::settings::{Settings, temporary_folder, this_program};
use crate::store::administrators::Administrator;
use crate::store::platform_db::PlatformDb;
use crate::telemetry::Metrics;
use crate::telemetry::tracing::init;

/// Run a server to try things on: SQLite, the tenants "demo" and "acme", an invite code and an admin token. It prints
/// curl lines that work, and writes all of it to demo.json in the data directory.
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
    admin_token: SecretString,
    invite_code: String,
    port: u16,
}

const TENANTS: [&str; 2] = ["demo", "acme"];

/// Runs the demo until SIGTERM or SIGINT.
///
/// # Errors
/// [`CliError`] when it cannot start.
pub async fn run(args: DemoArgs, config: Option<&Path>) -> Result<(), CliError> {
    let folder = folder(args.data_dir)?;
    let settings = Settings::load(
        config,
        &[
            ("data.dir", json!(folder.path)),
            ("server.public_listen", json!(args.listen)),
            ("server.admin_listen", json!(args.admin_listen)),
            ("server.base_domain", json!("localhost")),
            ("telemetry.log_level", json!("warn")),
            // Whoever tries a race or a burst on a laptop wants to see it through.
            ("hashing.wait_ms", json!(5000)),
        ],
    )?;
    let log = init(&settings.telemetry).map_err(AppError::from)?;
    migrate_all(&settings).await?;
    let admin_token = new_token(&settings).await?;
    let app = App::build(settings, log).await?;
    let invite_code = furnish(&app.admin).await?;
    let tour = Tour {
        public_url: format!("http://{}", app.public),
        admin_url: format!("http://{}", app.operators),
        admin_token,
        invite_code,
        port: app.public.port(),
    };
    tour.write(&folder.path)?;
    output::show(&tour.text(&folder.path))?;
    app.run().await;
    Ok(())
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
    let token = create_administrator(&platform, Entropy, &name)
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
    };
    let failed =
        |error: AdminError| CliError::Server(format!("the demo cannot be set up: {error}"));
    for key in TENANTS {
        let Some(key) = TenantKey::parse(key) else {
            continue;
        };
        let request = TenantRequest {
            name: format!("{key} (demo)"),
            key,
            hosts: Vec::new(),
            placement: PlacementRequest::OwnFile,
            settings: settings(),
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

/// Wide limits: whoever tries the demo comes from one address, often with a load generator.
fn settings() -> Value {
    let rate = |calls: u32| json!({ "calls": calls, "seconds": 60 });
    json!({
        "limits": {
            "per_address": rate(60_000),
            "per_username": rate(1_000),
            "per_tenant": rate(600_000),
            "login_per_address": rate(60_000),
            "calls_per_address": rate(60_000),
        },
    })
}

impl Tour {
    /// Writes `demo.json` as a whole or not at all; it holds the token, so only its owner may read it.
    fn write(&self, folder: &Path) -> Result<(), CliError> {
        let document = json!({
            "public_url": self.public_url,
            "admin_url": self.admin_url,
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

As an administrator: the tenants, a tenant that asks for approval, an invite:

  export ENROLL_ADMIN_URL={admin_url} ENROLL_ADMIN_TOKEN={token}
  curl -s $ENROLL_ADMIN_URL/admin/v1/tenants -H "Authorization: Bearer $ENROLL_ADMIN_TOKEN"
  {enroll} tenant set acme registration.approval=true
  {enroll} invite issue demo --max-uses 5

Keys, health, metrics:

  curl -s {public_url}/t/demo/.well-known/jwks.json
  curl -s {admin_url}/readyz
  curl -s {admin_url}/metrics

Ctrl-C ends it."#
        )
    }
}
