//! `enroll import discuzq`: users, WeChat accounts and invite codes of an original Discuz! Q site.
//!
//! Users keep their numbers, so that what clients and members' invites know them by goes on to mean them, and their bcrypt
//! hashes, until they log in.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::super::CliError;
use super::super::client::{AdminArgs, AdminClient};
use super::super::output::{self, Progress, read_secret, trimmed_secret};
use super::batches::Batches;
use super::{TargetArgs, tell};
use crate::app::AppError;
use crate::clock::{Clock, Timestamp};
use crate::settings;
use crate::store::discuzq::{DiscuzqSite, NoSite, SiteInvite, SiteUser};
use crate::store::error::StoreError;
use crate::store::settings::DatabaseUrl;
use crate::telemetry::Metrics;

const PAGE: u64 = 500;
/// The site's accounts wait for more details with this standing.
const NEEDS_DETAILS: i64 = 10;

/// Where the site is, and how its rows are to be understood.
#[derive(Args, Debug)]
pub(super) struct DiscuzqArgs {
    #[command(flatten)]
    to: TargetArgs,
    /// The site's database, without a password [default: $ENROLL_SOURCE_URL, which may hold one]
    #[arg(long, value_name = "URL", conflicts_with_all = ["url_file", "url_stdin"])]
    url: Option<String>,
    /// File that holds its URL with the password
    #[arg(long, value_name = "FILE", conflicts_with = "url_stdin")]
    url_file: Option<PathBuf>,
    /// Read its URL with the password from standard input
    #[arg(long)]
    url_stdin: bool,
    /// What the names of its tables begin with
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Minutes east of UTC of its times [default: the tenant's utc_offset]
    #[arg(long, value_name = "MINUTES", allow_hyphen_values = true)]
    utc_offset: Option<i16>,
    /// Put members of the site's group FROM into the tenant's group TO; may be repeated
    #[arg(long = "group", value_name = "FROM=TO", value_parser = group)]
    groups: Vec<(i64, i64)>,
    /// App id of its official account [default: the tenant's]
    #[arg(long, value_name = "APP_ID")]
    official_account: Option<String>,
    /// App id of its open platform's web app [default: the tenant's]
    #[arg(long, value_name = "APP_ID")]
    open_platform: Option<String>,
    /// App id of its mini program [default: the tenant's]
    #[arg(long, value_name = "APP_ID")]
    mini_program: Option<String>,
    /// Leave WeChat accounts behind
    #[arg(long)]
    skip_wechat: bool,
}

fn group(text: &str) -> Result<(i64, i64), String> {
    let (from, to) = text.split_once('=').ok_or("must be FROM=TO")?;
    let number = |text: &str| text.parse().map_err(|_| "must be two numbers".to_owned());
    Ok((number(from)?, number(to)?))
}

/// How rows of the site become rows of an import.
struct Meaning {
    utc_offset: i16,
    groups: HashMap<i64, i64>,
    /// App ids of official account, open platform and mini program.
    apps: [Option<String>; 3],
}

/// Imports the site.
pub(super) async fn run(
    args: DiscuzqArgs,
    client: &AdminClient,
    admin: &AdminArgs,
) -> Result<(), CliError> {
    let Some(tenant) = args.to.tenant.clone() else {
        return Err(CliError::Usage("give --tenant".into()));
    };
    let url = address(&args, admin)?;
    let known = client
        .call(Method::GET, &["tenants", &tenant], None)
        .await?;
    let meaning = Meaning::new(&args, &known);
    let metrics = Metrics::new(0).map_err(AppError::from)?;
    let site = DiscuzqSite::open(&url, &args.prefix, Clock::system(), metrics)
        .await
        .map_err(no_site)?;
    let done = import(&site, &meaning, &args, &tenant, client, admin.json).await;
    site.close().await;
    done
}

fn no_site(error: NoSite) -> CliError {
    match error {
        NoSite::Store(error) => failed(error),
        other => CliError::Usage(other.to_string()),
    }
}

fn failed(error: StoreError) -> CliError {
    CliError::Server(format!("the site's database: {error}"))
}

async fn import(
    site: &DiscuzqSite,
    meaning: &Meaning,
    args: &DiscuzqArgs,
    tenant: &str,
    client: &AdminClient,
    json: bool,
) -> Result<(), CliError> {
    let counts = site.counts().await.map_err(failed)?;
    if !args.skip_wechat {
        meaning.knows_the_apps(counts.wechat)?;
    }
    output::note(&format!(
        "the site has {} users, {} invite codes and {} WeChat accounts",
        counts.users,
        counts.invites,
        counts.wechat.iter().sum::<i64>(),
    ));
    let report = args.to.report.clone();
    let report = report.unwrap_or_else(|| format!("{tenant}.refused.ndjson").into());
    let mut batches = Batches::new(client, tenant, args.to.dry_run, report.clone());
    let total = u64::try_from(counts.users + counts.invites).unwrap_or(0);
    let progress = Progress::towards(total, "rows");
    let mut after = 0;
    loop {
        let page = site.list_invites(after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for invite in &page {
            let place = json!({ "table": "invites", "row": invite.id });
            batches.add(place, meaning.invite(invite)).await?;
        }
        progress.add(page.len());
    }
    // Users may name them.
    batches.send().await?;
    after = 0;
    loop {
        let page = site.list_users(after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for user in &page {
            let place = json!({ "table": "users", "row": user.id });
            // A code that could not be taken in was refused with its own reason; its user need not stay behind for it.
            let mut row = meaning.user(user, args.skip_wechat);
            if args.to.dry_run
                && let Some(row) = row.as_object_mut()
            {
                // Codes are not made, so none could be found.
                row.remove("invite_code");
            }
            batches.add(place, row).await?;
        }
        progress.add(page.len());
    }
    let tally = batches.finish().await?;
    drop(progress);
    tell(tally, args.to.dry_run, &report, json)
}

/// The site's URL. A password is never an argument, where others on this machine can read it.
fn address(args: &DiscuzqArgs, admin: &AdminArgs) -> Result<DatabaseUrl, CliError> {
    let secret: SecretString = if let Some(url) = &args.url {
        let place = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let user = place.rsplit_once('@').map(|(user, _)| user);
        if user.is_some_and(|user| user.contains(':')) || place.contains("password=") {
            let text = "--url: a password is never an argument, where others on this machine can read it: give the whole \
                        URL by ENROLL_SOURCE_URL, --url-file or --url-stdin";
            return Err(CliError::Usage(text.into()));
        }
        url.as_str().into()
    } else if let Some(path) = &args.url_file {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| CliError::Io(name.clone(), error))?;
        trimmed_secret(&name, &text)?
    } else if args.url_stdin {
        if admin.token_stdin {
            let text = "--token-stdin and --url-stdin cannot both read standard input";
            return Err(CliError::Usage(text.into()));
        }
        read_secret("--url-stdin")?
    } else {
        settings::source_url().ok_or_else(|| {
            CliError::Usage(
                "no site: set ENROLL_SOURCE_URL, or use --url, --url-file or --url-stdin".into(),
            )
        })?
    };
    DatabaseUrl::parse(secret.expose_secret())
        .map_err(|error| CliError::Usage(format!("the site's URL {error}")))
}

impl Meaning {
    /// As the arguments say, else the tenant's own document.
    fn new(args: &DiscuzqArgs, tenant: &Value) -> Self {
        let settings = ["data", "attributes", "settings"];
        let setting = |path: &[&str]| {
            let mut names = settings.iter().chain(path);
            names.try_fold(tenant, |value, name| value.get(name))
        };
        let of_tenant = |app: &str| {
            let id = setting(&["wechat", app, "app_id"])?;
            id.as_str().map(str::to_owned)
        };
        let offset = setting(&["utc_offset"]).and_then(Value::as_i64);
        let offset = offset.and_then(|minutes| i16::try_from(minutes).ok());
        Self {
            utc_offset: args.utc_offset.or(offset).unwrap_or(8 * 60),
            groups: args.groups.iter().copied().collect(),
            apps: [
                args.official_account
                    .clone()
                    .or_else(|| of_tenant("official_account")),
                args.open_platform
                    .clone()
                    .or_else(|| of_tenant("open_platform")),
                args.mini_program
                    .clone()
                    .or_else(|| of_tenant("mini_program")),
            ],
        }
    }

    /// A WeChat account's name means nothing without its app.
    fn knows_the_apps(&self, counts: [i64; 3]) -> Result<(), CliError> {
        let options = ["--official-account", "--open-platform", "--mini-program"];
        let missing: Vec<&str> = options
            .into_iter()
            .zip(&self.apps)
            .zip(counts)
            .filter(|((_, app), count)| app.is_none() && *count > 0)
            .map(|((option, _), _)| option)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CliError::Usage(format!(
            "the site has WeChat accounts of apps that the tenant does not know: give {}, or --skip-wechat",
            missing.join(", ")
        )))
    }

    fn user(&self, user: &SiteUser, skip_wechat: bool) -> Value {
        let status = match user.status {
            0 => "normal".into(),
            1 => "banned".into(),
            2 | NEEDS_DETAILS => "pending".into(),
            3 => "rejected".into(),
            4 => "ignored".into(),
            unknown => format!("{unknown}, which the site does not know"),
        };
        let avatar = [user.avatar.as_str()]
            .into_iter()
            .chain(
                user.wechat
                    .iter()
                    .map(|account| account.avatar_url.as_str()),
            )
            // Other pictures lie in the site's own storage.
            .find(|address| address.starts_with("https://") || address.starts_with("http://"));
        let mut row = Map::from_iter([
            ("type".to_owned(), json!("users")),
            ("id".to_owned(), json!(user.id.to_string())),
            ("username".to_owned(), json!(user.username)),
            ("password_hash".to_owned(), json!(user.password)),
            ("status".to_owned(), json!(status)),
            (
                "group_id".to_owned(),
                json!(user.group_id.map(|group| self.group(group))),
            ),
            ("phone".to_owned(), json!(user.mobile)),
            (
                "register_reason".to_owned(),
                json!(user.register_reason.trim()),
            ),
            ("avatar_url".to_owned(), json!(avatar)),
            ("invite_code".to_owned(), json!(user.invite_code)),
            (
                "invited_by".to_owned(),
                json!(user.invited_by.map(|member| member.to_string())),
            ),
            ("register_ip".to_owned(), json!(user.register_ip)),
            ("last_login_ip".to_owned(), json!(user.last_login_ip)),
            (
                "created_at".to_owned(),
                json!(self.time(user.created_at.as_deref())),
            ),
            (
                "login_at".to_owned(),
                json!(self.time(user.login_at.as_deref())),
            ),
        ]);
        if let Some(account) = user.wechat.as_ref().filter(|_| !skip_wechat) {
            let accounts = self.apps.iter().zip(&account.open_ids);
            let accounts = accounts.filter_map(|(app, open_id)| {
                let app = app.as_ref().filter(|_| !open_id.is_empty())?;
                Some(json!({
                    "app_id": app, "open_id": open_id, "union_id": account.union_id, "nickname": account.nickname,
                    "avatar_url": account.avatar_url, "sex": account.sex.clamp(0, 2), "province": account.province,
                    "city": account.city, "country": account.country,
                }))
            });
            row.insert("wechat".to_owned(), accounts.collect());
        }
        Value::Object(row)
    }

    fn invite(&self, invite: &SiteInvite) -> Value {
        let is_used = invite.to_user_id > 0 || invite.status == 2;
        let end = Timestamp::from_millis(invite.end_time.saturating_mul(1000));
        let revoked = invite.updated_at.as_deref().filter(|_| invite.status == 0);
        let issuer = (invite.user_id > 0).then(|| invite.user_id.to_string());
        json!({
            "type": "invites",
            "code": invite.code,
            "max_uses": 1,
            "uses": i32::from(is_used),
            "group_id": self.group(invite.group_id),
            "expires_at": (invite.end_time > 0).then(|| end.to_rfc3339(0)),
            "revoked_at": self.time(revoked),
            "issued_by": issuer,
            "created_at": self.time(invite.created_at.as_deref()),
        })
    }

    fn group(&self, group: i64) -> i64 {
        self.groups.get(&group).copied().unwrap_or(group)
    }

    /// A time of the site, with its distance from UTC.
    fn time(&self, text: Option<&str>) -> Option<String> {
        let minutes = self.utc_offset.unsigned_abs();
        let sign = if self.utc_offset < 0 { '-' } else { '+' };
        Some(format!(
            "{}{sign}{:02}:{:02}",
            text?,
            minutes / 60,
            minutes % 60
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::{Meaning, group};
    use crate::store::discuzq::{SiteInvite, SiteUser, SiteWechat};

    fn meaning() -> Meaning {
        Meaning {
            utc_offset: -210,
            groups: HashMap::from([(6, 10)]),
            apps: [Some("wx1".into()), None, Some("wx3".into())],
        }
    }

    fn user() -> SiteUser {
        SiteUser {
            id: 7,
            username: "Ada".into(),
            password: "$2y$10$x".into(),
            mobile: "13800138000".into(),
            status: 10,
            register_reason: " please ".into(),
            register_ip: "192.0.2.1".into(),
            last_login_ip: String::new(),
            avatar: "000/00/00/07.png".into(),
            created_at: Some("2021-01-31T12:00:00".into()),
            login_at: None,
            group_id: Some(6),
            invite_code: Some("C".repeat(32)),
            invited_by: Some(1),
            wechat: Some(SiteWechat {
                open_ids: ["o1".into(), "o2".into(), String::new()],
                union_id: "u1".into(),
                nickname: "ada".into(),
                avatar_url: "https://wx.example/a".into(),
                sex: 2,
                province: String::new(),
                city: String::new(),
                country: String::new(),
            }),
        }
    }

    #[test]
    fn a_user_of_the_site_becomes_a_row() {
        let row = meaning().user(&user(), false);
        for (name, value) in [
            ("id", json!("7")),
            ("status", json!("pending")),
            ("group_id", json!(10)),
            ("register_reason", json!("please")),
            ("avatar_url", json!("https://wx.example/a")),
            ("created_at", json!("2021-01-31T12:00:00-03:30")),
            ("login_at", json!(null)),
            ("invited_by", json!("1")),
        ] {
            assert_eq!(row[name], value, "{name}");
        }
        let accounts = row["wechat"].as_array().unwrap();
        assert_eq!(accounts.len(), 1, "only of the app that is known");
        assert_eq!(
            (&accounts[0]["app_id"], &accounts[0]["open_id"]),
            (&json!("wx1"), &json!("o1"))
        );
        assert_eq!(meaning().user(&user(), true).get("wechat"), None);
    }

    #[test]
    fn a_code_of_the_site_becomes_a_row() {
        let invite = |status, to_user_id| SiteInvite {
            id: 1,
            code: "C".repeat(32),
            group_id: 10,
            end_time: 1_600_000_000,
            user_id: 1,
            to_user_id,
            status,
            created_at: None,
            updated_at: Some("2021-01-31T12:00:00".into()),
        };
        let uses = |status, to| meaning().invite(&invite(status, to))["uses"].clone();
        assert_eq!(
            (uses(1, 0), uses(2, 0), uses(1, 5)),
            (json!(0), json!(1), json!(1))
        );
        let ended = meaning().invite(&invite(0, 0));
        assert_eq!(ended["revoked_at"], "2021-01-31T12:00:00-03:30");
        assert_eq!(ended["expires_at"], "2020-09-13T12:26:40Z");
        assert_eq!(meaning().invite(&invite(1, 0))["revoked_at"], json!(null));
    }

    #[test]
    fn accounts_of_unknown_apps_are_noticed_before_anything_is_sent() {
        assert!(meaning().knows_the_apps([5, 0, 5]).is_ok());
        let error = meaning().knows_the_apps([5, 1, 0]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error
                .to_string()
                .contains("--open-platform, or --skip-wechat"),
            "{error}"
        );
        assert_eq!(group("6=10"), Ok((6, 10)));
        assert!(group("6").is_err() && group("6=x").is_err());
    }
}
