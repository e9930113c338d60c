//! What the platform database knows of tenants: whether their secrets open, how old their keys are, whether databases of
//! their own answer, and whose providers they use.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;

use super::findings::Findings;
use crate::clock::Clock;
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;
use crate::domain::sealed::{self, SealedText};
use crate::domain::tenant_settings::{
    CaptchaSettings, SECRETS, SmsSettings, TenantSettings, value_at,
};
use crate::provider::CaptchaAccount;
use crate::settings::Settings;
use crate::store::connection::{Connect, PoolBounds, open};
use crate::store::error::StoreError;
use crate::store::placements::{own_file, unseal_url};
use crate::store::platform_db::PlatformDb;
use crate::store::schema::Schema;
use crate::store::settings::DatabaseUrl;
use crate::store::signing_keys::key_context;
use crate::store::tenants::{Placement, TenantFilter, TenantRecord, TenantState};
use crate::telemetry::Metrics;

/// Tenants whose secrets are tried. What is wrong with the master key shows at the first.
const MOST_TENANTS: usize = 2_000;
/// Databases of tenants' own that are connected to, so many at a time.
const MOST_DATABASES: usize = 100;
const AT_A_TIME: usize = 8;
/// CAPTCHA accounts that are tried.
pub(super) const MOST_ACCOUNTS: usize = 20;
const PAGE: u64 = 500;
/// Tenants that a finding names.
const NAMED: usize = 5;
/// A key that signs for longer is due to be replaced.
const OLD_KEY: Duration = Duration::from_hours(400 * 24);

/// What later checks want to know of the tenants.
#[derive(Default)]
pub(super) struct Seen {
    /// Tenants with an SQLite file of their own.
    pub(super) own_files: usize,
    /// Tenants with a database of their own elsewhere.
    pub(super) own_urls: usize,
    /// How many tenants use a provider, by the setting that holds its address, or by a gateway's name.
    pub(super) providers: BTreeMap<Service, usize>,
    /// Accounts that can be tried without spending anything, with their tenants' keys.
    pub(super) accounts: Vec<(String, CaptchaAccount)>,
}

/// A provider as the settings know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Wechat,
    TencentSms,
    AliyunSms,
    Gateway(String),
    TencentCaptcha,
    Turnstile,
    Hcaptcha,
}

/// Tenants with the same thing wrong: how many, and the first of them by name.
#[derive(Default)]
struct Those {
    count: usize,
    named: Vec<String>,
}

impl Those {
    fn add(&mut self, record: &TenantRecord, what: &str) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{}{what}", record.key));
        }
    }

    fn list(&self) -> String {
        let more = if self.count > self.named.len() {
            ", …"
        } else {
            ""
        };
        format!("{} ({}{more})", self.count, self.named.join(", "))
    }
}

/// Looks at tenants that are not deleted.
pub(super) async fn look(
    settings: &Settings,
    platform: &PlatformDb,
    master_key: Option<&MasterKey>,
    clock: &Clock,
    metrics: &Metrics,
    findings: &mut Findings,
) -> Seen {
    let mut look = Look {
        settings,
        platform,
        master_key,
        clock,
        seen: Seen::default(),
        count: 0,
        closed_keys: Those::default(),
        closed_settings: Those::default(),
        closed_urls: Those::default(),
        no_keys: Those::default(),
        old_keys: Those::default(),
        unknown_databases: Those::default(),
        loose_files: Those::default(),
        databases: Vec::new(),
    };
    if let Err(error) = look.at_all().await {
        let text = format!("the tenants cannot be read: {error}");
        findings.error("tenants", text, "look at the platform database");
    }
    match platform.count_administrators().await {
        Ok(0) => findings.warning(
            "keys",
            "there is no administrator",
            "run `enroll admin token create --name NAME`",
        ),
        Ok(_) => {}
        Err(error) => {
            let text = format!("the administrators cannot be counted: {error}");
            findings.error("keys", text, "look at the platform database");
        }
    }
    let databases = std::mem::take(&mut look.databases);
    look.tell(findings);
    let seen = look.seen;
    own_databases(settings, databases, clock, metrics, findings).await;
    seen
}

struct Look<'a> {
    settings: &'a Settings,
    platform: &'a PlatformDb,
    master_key: Option<&'a MasterKey>,
    clock: &'a Clock,
    seen: Seen,
    count: usize,
    closed_keys: Those,
    closed_settings: Those,
    closed_urls: Those,
    no_keys: Those,
    old_keys: Those,
    unknown_databases: Those,
    loose_files: Those,
    /// Databases of tenants' own, to be connected to.
    databases: Vec<(String, TenantId, DatabaseUrl)>,
}

impl Look<'_> {
    async fn at_all(&mut self) -> Result<(), StoreError> {
        let mut after = TenantId::from_i64(0);
        loop {
            let all = TenantFilter::default();
            let page = self.platform.list_tenants(&all, after, PAGE).await?;
            let page = page.unwrap_or_default();
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.id;
            for tenant in page
                .iter()
                .filter(|tenant| tenant.state != TenantState::Deleted)
            {
                if self.count == MOST_TENANTS {
                    return Ok(());
                }
                self.count += 1;
                self.at_one(tenant).await?;
            }
        }
    }

    async fn at_one(&mut self, tenant: &TenantRecord) -> Result<(), StoreError> {
        self.at_placement(tenant);
        self.at_settings(tenant);
        let now = self.clock.now();
        let mut keys = self.platform.list_signing_keys(tenant.id).await?;
        keys.retain(|key| key.retires_at.is_none_or(|end| end > now));
        let Some(newest) = keys.first() else {
            self.no_keys.add(tenant, "");
            return Ok(());
        };
        if newest.created_at.plus(OLD_KEY) < now {
            self.old_keys.add(tenant, "");
        }
        let opens = |master: &MasterKey| {
            keys.iter().all(|key| {
                let context = key_context(tenant.id, &key.kid);
                master.open(&context, &key.private_key_sealed).is_ok()
            })
        };
        if self.master_key.is_some_and(|master| !opens(master)) {
            self.closed_keys.add(tenant, "");
        }
        Ok(())
    }

    fn at_placement(&mut self, tenant: &TenantRecord) {
        match &tenant.placement {
            Placement::Shared(name) => {
                if !self.settings.databases.contains_key(name) {
                    self.unknown_databases.add(tenant, &format!(": {name}"));
                }
            }
            Placement::OwnFile => {
                self.seen.own_files += 1;
                let file = own_file(&self.settings.tenants_folder(), tenant.id);
                if super::machine::others_may_read(&file) == Some(true) {
                    self.loose_files
                        .add(tenant, &format!(": {}", file.display()));
                }
            }
            Placement::OwnUrl(sealed) => {
                self.seen.own_urls += 1;
                let Some(master) = self.master_key else {
                    return;
                };
                match unseal_url(master, tenant.id, sealed) {
                    Ok(url) => {
                        self.databases
                            .push((tenant.key.as_str().to_owned(), tenant.id, url))
                    }
                    Err(_) => self.closed_urls.add(tenant, ""),
                }
            }
        }
    }

    fn at_settings(&mut self, tenant: &TenantRecord) {
        for service in services(&tenant.settings) {
            *self.seen.providers.entry(service).or_default() += 1;
        }
        let Some(master) = self.master_key else {
            return;
        };
        let mut stored = serde_json::to_value(&*tenant.settings).unwrap_or_default();
        for path in SECRETS {
            let sealed =
                value_at(&mut stored, path).and_then(|value| SealedText::parse(value.as_str()?));
            if sealed.is_some_and(|sealed| sealed::open(master, tenant.id, path, &sealed).is_none())
            {
                self.closed_settings.add(tenant, &format!(": {path}"));
            }
        }
        let account = free_account(&tenant.settings, tenant.id, master);
        if let Some(account) = account.filter(|_| self.seen.accounts.len() < MOST_ACCOUNTS) {
            self.seen
                .accounts
                .push((tenant.key.as_str().to_owned(), account));
        }
    }

    fn tell(&self, findings: &mut Findings) {
        let looked_at = if self.count == MOST_TENANTS {
            format!("looked at the first {MOST_TENANTS} tenants")
        } else {
            format!("{} tenants", self.count)
        };
        findings.fine("tenants", looked_at);
        let another_key = "give the master key with which they were sealed (secrets.master_key, its file); a key that \
                           is lost cannot be replaced: secrets must be entered and keys made anew";
        let errors = [
            (
                &self.closed_keys,
                "keys",
                "signing keys do not open with this master key",
                another_key,
            ),
            (
                &self.closed_settings,
                "keys",
                "secrets in settings do not open with this master key",
                another_key,
            ),
            (
                &self.closed_urls,
                "keys",
                "database URLs do not open with this master key",
                another_key,
            ),
            (
                &self.no_keys,
                "keys",
                "tenants have no signing key",
                "restore the platform database from a backup that has them",
            ),
            (
                &self.unknown_databases,
                "tenants",
                "tenants lie in shared databases that the settings do not name",
                "name them in [databases]",
            ),
        ];
        for (those, check, text, fix) in errors {
            if those.count > 0 {
                findings.error(check, format!("{text}: {}", those.list()), fix);
            }
        }
        let warnings = [
            (
                &self.old_keys,
                "keys",
                "signing keys are older than 400 days",
                "make new ones: `enroll key rotate KEY`",
            ),
            (
                &self.loose_files,
                "tenants",
                "database files can be read by others on this machine",
                "chmod 600 the files, chmod 700 the data directory",
            ),
        ];
        for (those, check, text, fix) in warnings {
            if those.count > 0 {
                findings.warning(check, format!("{text}: {}", those.list()), fix);
            }
        }
        let sealed = [&self.closed_keys, &self.closed_settings, &self.closed_urls];
        let all_open = self.master_key.is_some() && sealed.iter().all(|those| those.count == 0);
        if all_open && self.count > 0 {
            findings.fine("keys", "the master key opens the tenants' keys and secrets");
        }
    }
}

/// The providers that these settings use.
fn services(settings: &TenantSettings) -> Vec<Service> {
    let wechat = &settings.wechat;
    let has_wechat = wechat.official_account.is_some()
        || wechat.open_platform.is_some()
        || wechat.mini_program.is_some();
    let sms = settings.sms.as_ref().and_then(|sms| match sms {
        SmsSettings::Tencent { .. } => Some(Service::TencentSms),
        SmsSettings::Aliyun { .. } => Some(Service::AliyunSms),
        SmsSettings::Gateway { name, .. } => Some(Service::Gateway(name.clone())),
        SmsSettings::Log {} => None,
    });
    let captcha = settings.captcha.as_ref().map(|captcha| match captcha {
        CaptchaSettings::Tencent { .. } => Service::TencentCaptcha,
        CaptchaSettings::Turnstile { .. } => Service::Turnstile,
        CaptchaSettings::Hcaptcha { .. } => Service::Hcaptcha,
    });
    let wechat = has_wechat.then_some(Service::Wechat);
    wechat.into_iter().chain(sms).chain(captcha).collect()
}

/// An account that tells whether its secret is right without spending anything: these judge a made-up ticket for nothing.
fn free_account(
    settings: &TenantSettings,
    tenant: TenantId,
    master: &MasterKey,
) -> Option<CaptchaAccount> {
    let open = |secret| sealed::open(master, tenant, "captcha.secret", secret);
    match settings.captcha.as_ref()? {
        CaptchaSettings::Turnstile { secret } => Some(CaptchaAccount::Turnstile {
            secret: open(secret)?,
        }),
        CaptchaSettings::Hcaptcha { secret } => Some(CaptchaAccount::Hcaptcha {
            secret: open(secret)?,
        }),
        CaptchaSettings::Tencent { .. } => None,
    }
}

/// Connects to databases of tenants' own, several at a time.
async fn own_databases(
    settings: &Settings,
    databases: Vec<(String, TenantId, DatabaseUrl)>,
    clock: &Clock,
    metrics: &Metrics,
    findings: &mut Findings,
) {
    let total = databases.len();
    let looks = databases
        .into_iter()
        .take(MOST_DATABASES)
        .map(|(key, tenant, url)| async move {
            let bounds = PoolBounds::new(&settings.database, 1);
            let opened = open(
                &url,
                bounds,
                Connect::AtOnce,
                Some(tenant),
                clock.clone(),
                metrics.clone(),
            )
            .await;
            let looked = match opened {
                Ok(connection) => {
                    let looked = connection.inspect(Schema::Tenant).await;
                    connection.close().await;
                    looked
                }
                Err(error) => Err(error),
            };
            (key, url, looked)
        });
    let mut looks = futures_util::stream::iter(looks).buffered(AT_A_TIME);
    let mut fine = 0_usize;
    while let Some((key, url, looked)) = looks.next().await {
        match looked {
            // A schema that is behind is brought up to date when the tenant is launched.
            Ok(_) => fine += 1,
            Err(error) => {
                let text = format!("tenant {key}: its database {url}: {error}");
                findings.error(
                    "databases",
                    text,
                    "start it; its tenant alone gets 503 meanwhile",
                );
            }
        }
    }
    if total > 0 {
        findings.fine(
            "databases",
            format!("{fine} of {total} databases of tenants' own answer"),
        );
    }
    if total > MOST_DATABASES {
        let text =
            format!("only the first {MOST_DATABASES} databases of tenants' own were looked at");
        findings.fine("databases", text);
    }
}
