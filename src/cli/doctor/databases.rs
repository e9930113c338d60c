//! The platform database and the shared ones: reach, schema, clock, room for connections.

use std::collections::BTreeMap;
use std::path::Path;

use super::findings::Findings;
use crate::app::platform_url;
use crate::clock::{Clock, Entropy};
use crate::settings::Settings;
use crate::store::connection::{Connect, Connection, PoolBounds, open};
use crate::store::inspection::{Inspection, ServerFacts};
use crate::store::platform_db::PlatformDb;
use crate::store::schema::Schema;
use crate::store::settings::DatabaseUrl;
use crate::telemetry::Metrics;

const CHECK: &str = "databases";
/// A registration takes a handful of round trips.
const SLOW_MILLIS: u128 = 20;
/// Tokens allow a minute between clocks; codes and limits none.
const CLOCK_WARNING_MILLIS: i64 = 1_000;
const CLOCK_ERROR_MILLIS: i64 = 30_000;
/// Connections that servers keep for their administrators, and that other programs may have.
const CONNECTIONS_TO_SPARE: u64 = 5;

/// Looks at them, and hands back the platform database if it can be read.
pub(super) async fn look(
    settings: &Settings,
    clock: &Clock,
    metrics: &Metrics,
    findings: &mut Findings,
) -> Option<PlatformDb> {
    let mut needs = Needs::default();
    let platform_url = platform_url(settings);
    if let Some(file) = missing_file(&platform_url) {
        let text = format!("the platform database: there is no file {file}");
        findings.error(CHECK, text, "run `enroll migrate`");
        shared(settings, clock, metrics, &mut needs, findings).await;
        return None;
    }
    if let Some(file) = platform_url.file() {
        super::machine::secret_file(Path::new(&file), findings);
    }
    let bounds = PoolBounds::new(&settings.database, 1);
    let named = format!("platform database {platform_url}");
    let platform = one(
        &named,
        &platform_url,
        bounds,
        Schema::Platform,
        clock,
        metrics,
        findings,
    )
    .await;
    if let Some((_, inspection)) = &platform {
        needs.add(
            &platform_url,
            u64::from(settings.platform.pool_size),
            inspection,
        );
    }
    shared(settings, clock, metrics, &mut needs, findings).await;
    needs.judge(findings);
    let (connection, inspection) = platform?;
    if inspection.is_current {
        return Some(PlatformDb::new(connection, clock.clone(), Entropy));
    }
    connection.close().await;
    None
}

async fn shared(
    settings: &Settings,
    clock: &Clock,
    metrics: &Metrics,
    needs: &mut Needs,
    findings: &mut Findings,
) {
    let arbiters = arbiters(settings);
    for (name, shared) in &settings.databases {
        let named = format!("shared database {name} ({})", shared.url);
        if let Some(file) = missing_file(&shared.url) {
            let text = format!("{named}: there is no file {file}");
            findings.error(CHECK, text, "run `enroll migrate`");
            continue;
        }
        let bounds = PoolBounds::new(&settings.database, 1);
        let looked = one(
            &named,
            &shared.url,
            bounds,
            Schema::Tenant,
            clock,
            metrics,
            findings,
        )
        .await;
        if let Some((connection, inspection)) = looked {
            needs.add(
                &shared.url,
                arbiters * u64::from(shared.pool_size),
                &inspection,
            );
            connection.close().await;
        }
    }
}

/// Threads that have a pool of each shared database.
pub(super) fn arbiters(settings: &Settings) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arbiters = if settings.tenants.arbiters == 0 {
        cores
    } else {
        settings.tenants.arbiters
    };
    u64::try_from(arbiters).unwrap_or(u64::MAX)
}

/// The file of an SQLite database, if it is not there: to open it would make it.
fn missing_file(url: &DatabaseUrl) -> Option<String> {
    let file = url.file()?;
    (!Path::new(&file).exists()).then_some(file)
}

/// Opens a database and tells how it stands.
pub(super) async fn one(
    named: &str,
    url: &DatabaseUrl,
    bounds: PoolBounds,
    schema: Schema,
    clock: &Clock,
    metrics: &Metrics,
    findings: &mut Findings,
) -> Option<(Connection, Inspection)> {
    let opened = open(
        url,
        bounds,
        Connect::AtOnce,
        None,
        clock.clone(),
        metrics.clone(),
    )
    .await;
    let connection = match opened {
        Ok(connection) => connection,
        Err(error) => {
            let fix =
                "start it, or correct its URL, user and password; is it reached from this machine?";
            findings.error(CHECK, format!("{named}: {error}"), fix);
            return None;
        }
    };
    match connection.inspect(schema).await {
        Ok(inspection) => {
            tell(named, &inspection, findings);
            Some((connection, inspection))
        }
        Err(error) => {
            let fix = "look at the database's own log and load";
            findings.error(CHECK, format!("{named}: {error}"), fix);
            connection.close().await;
            None
        }
    }
}

fn tell(named: &str, inspection: &Inspection, findings: &mut Findings) {
    let millis = inspection.latency.as_secs_f64() * 1000.0;
    let text = format!("{named} answers in {millis:.1} ms");
    if inspection.latency.as_millis() > SLOW_MILLIS {
        let fix = "bring the database nearer: each call waits for a handful of such answers";
        findings.warning(CHECK, text, fix);
    } else {
        findings.fine(CHECK, text);
    }
    if !inspection.is_current {
        let text = format!("{named}: its schema is behind this version");
        findings.error(CHECK, text, "run `enroll migrate`");
    }
    if let Some(server) = &inspection.server {
        tell_of_server(named, server, findings);
    }
}

fn tell_of_server(named: &str, server: &ServerFacts, findings: &mut Findings) {
    if server.sees_all_rows {
        let text = format!("{named}: row-level security does not bind the role that logs in");
        let fix = "log in as a role with neither SUPERUSER nor BYPASSRLS";
        findings.warning(CHECK, text, fix);
    }
    let ahead = server.ahead_millis;
    let text = format!(
        "this machine's clock and that of {named} differ by {} ms",
        ahead.abs()
    );
    let fix = "run a time service on both machines; expiry is judged by this one's clock";
    if ahead.abs() > CLOCK_ERROR_MILLIS {
        findings.error("clock", text, fix);
    } else if ahead.abs() > CLOCK_WARNING_MILLIS {
        findings.warning("clock", text, fix);
    } else {
        findings.fine("clock", text);
    }
}

/// Connections that this process may want of each server, against what the server has.
#[derive(Default)]
struct Needs(BTreeMap<String, (u64, i64)>);

impl Needs {
    fn add(&mut self, url: &DatabaseUrl, connections: u64, inspection: &Inspection) {
        let Some(server) = &inspection.server else {
            return;
        };
        // Databases of one server share its connections.
        let shown = url.to_string();
        let host = shown
            .rsplit_once('/')
            .map_or(shown.as_str(), |(host, _)| host);
        let need = self.0.entry(host.to_owned()).or_default();
        need.0 += connections;
        need.1 = server.max_connections;
    }

    fn judge(&self, findings: &mut Findings) {
        for (host, (wanted, most)) in &self.0 {
            let text = format!(
                "one process wants up to {wanted} connections of {host}, which takes {most} in all"
            );
            let fits =
                i64::try_from(wanted + CONNECTIONS_TO_SPARE).is_ok_and(|wanted| wanted <= *most);
            if fits {
                findings.fine(CHECK, text);
            } else {
                let fix =
                    "lower pool_size (platform, databases), or raise the server's max_connections";
                findings.error(CHECK, text, fix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Findings, Inspection, Needs, ServerFacts, tell};
    use crate::store::settings::DatabaseUrl;

    fn inspection(latency: u64, ahead_millis: i64) -> Inspection {
        Inspection {
            latency: Duration::from_millis(latency),
            is_current: true,
            server: Some(ServerFacts {
                ahead_millis,
                max_connections: 20,
                sees_all_rows: false,
            }),
        }
    }

    fn code(inspection: &Inspection) -> u8 {
        let mut findings = Findings::default();
        tell("it", inspection, &mut findings);
        findings.exit_code()
    }

    #[test]
    fn slow_old_and_unguarded_databases_and_wrong_clocks_are_told() {
        assert_eq!(code(&inspection(1, 900)), 0);
        assert_eq!(code(&inspection(50, 0)), 3);
        assert_eq!(code(&inspection(1, -2_000)), 3);
        assert_eq!(code(&inspection(1, 31_000)), 1);
        let mut behind = inspection(1, 0);
        behind.is_current = false;
        assert_eq!(code(&behind), 1);
        let mut unguarded = inspection(1, 0);
        unguarded.server.as_mut().unwrap().sees_all_rows = true;
        assert_eq!(code(&unguarded), 3);
    }

    #[test]
    fn databases_of_one_server_share_its_connections() {
        let url = |text| DatabaseUrl::parse(text).unwrap();
        let mut needs = Needs::default();
        needs.add(&url("postgres://u:p@h/one"), 8, &inspection(1, 0));
        let judged = |needs: &Needs| {
            let mut findings = Findings::default();
            needs.judge(&mut findings);
            findings.exit_code()
        };
        assert_eq!(judged(&needs), 0);
        needs.add(&url("postgres://u:p@other/two"), 8, &inspection(1, 0));
        assert_eq!(judged(&needs), 0);
        needs.add(&url("postgres://u:p@h/two"), 8, &inspection(1, 0));
        assert_eq!(judged(&needs), 1, "16 and some to spare are more than 20");
    }
}
