//! `enroll migrate`: brings every database to this version's schema, or tells how each stands.
//!
//! What is done is told by the databases themselves, so a run that was killed is run again. One database that refuses
//! is told and does not stop the others.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::known_databases::{KnownDatabase, KnownDatabases, Whose};
use super::output::Progress;
use super::{CliError, output};
use crate::app::{data_dir, ensure_master_key};
use crate::clock::Entropy;
use crate::settings::Settings;
use crate::store::error::StoreError;
use crate::store::schema::{SchemaState, migrate, state};

/// Bring the platform database, the shared databases and every tenant's own to the schema of this version, while
/// servers serve. Run it before the servers of a new version start. Makes the file of the master key if there is none.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Run it again after a failure or a kill: what is done is passed by. A tenant's own SQLite file \
that was never opened is left to its first request. Exit status: 0 when every database has the schema, 1 when one does \
not."
)]
pub struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
    /// Only tell which changes would be made where
    #[arg(long)]
    dry_run: bool,
    /// End well although databases of tenants' own refuse. They are told, and each is tried again when its tenant is called
    #[arg(long)]
    tenants_may_refuse: bool,
    #[command(flatten)]
    visit: VisitArgs,
}

#[derive(Args, Clone, Copy, Debug)]
struct VisitArgs {
    /// Tenants' databases at work at one time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Tell which version each database is at. Changes nothing. Exit status: 0 when none is behind or out of reach,
    /// else 1
    Status(StatusArgs),
}

#[derive(Args, Debug)]
struct StatusArgs {
    /// Print one JSON document a line, one for each database
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    visit: VisitArgs,
}

/// Migrates, or tells how the databases stand.
///
/// # Errors
/// [`CliError::Incomplete`] when a database failed; the others are done.
pub async fn run(args: MigrateArgs, config: Option<&Path>) -> Result<(), CliError> {
    let settings = Settings::load(config, &[])?;
    match args.command {
        Some(MigrateCommand::Status(args)) => status(&settings, &args).await,
        None if args.dry_run => plan(&settings, args.visit).await,
        None => {
            data_dir(&settings)?;
            provide_master_key(&settings).await?;
            let tally = migrate_all(&settings, args.visit.at_once.into()).await?;
            output::note(&tally.summary());
            if args.tenants_may_refuse && tally.failed == tally.failed_tenants {
                // One tenant must not keep the server from all others. It is told above, and gets 503 until it is mended.
                return Ok(());
            }
            tally.verdict()?;
            output::note("every schema is current");
            Ok(())
        }
    }
}

/// Makes the file of the master key on the first run, and on no other: a new key would open nothing of what another one
/// has sealed, and seal more beside it.
async fn provide_master_key(settings: &Settings) -> Result<(), CliError> {
    let path = settings.master_key_path();
    let there = settings.secrets.master_key.is_some() || path.exists();
    if !there && KnownDatabases::new(settings)?.has_tenants().await? {
        let text = format!(
            "{} is not there, and the platform has tenants, whose secrets another key has sealed: bring that one back",
            path.display()
        );
        return Err(CliError::Usage(text));
    }
    Ok(ensure_master_key(settings, Entropy)?)
}

/// What came of one database.
enum Done {
    /// So many changes were missing and are made.
    Changed(usize),
    Current,
    /// A tenant that nobody called yet: its first request makes its file.
    NotMade,
    Failed(String),
}

/// What came of all of them.
struct Tally {
    looked_at: u64,
    changed: u64,
    not_made: u64,
    failed: u64,
    /// Those of them that are a tenant's own.
    failed_tenants: u64,
    /// The first that failed.
    named: Vec<String>,
    progress: Progress,
}

/// Databases between two lines of progress, where no bar can be drawn.
const LINE_EVERY: u64 = 100;
/// Databases that failed and are named once more at the end.
const NAMED: usize = 20;

/// Brings every database to this version's schema, `at_once` tenants' own at a time.
///
/// # Errors
/// [`CliError::App`] when the platform database fails; what fails after it stands in the tally.
async fn migrate_all(settings: &Settings, at_once: usize) -> Result<Tally, CliError> {
    let known = KnownDatabases::new(settings)?;
    let mut tally = Tally::new();
    known
        .visit(
            at_once,
            async |database| bring_up(&known, database).await,
            |database, done| {
                let fatal = matches!((&database.whose, &done), (Whose::Platform, Done::Failed(_)));
                tally.add(&database.whose, done);
                // Without it nobody knows the tenants.
                if fatal { tally.verdict() } else { Ok(()) }
            },
        )
        .await?;
    Ok(tally)
}

/// What `enroll demo` does before it starts.
pub(super) async fn migrate_for_demo(settings: &Settings) -> Result<(), CliError> {
    data_dir(settings)?;
    provide_master_key(settings).await?;
    migrate_all(settings, 1).await?.verdict()
}

async fn bring_up(known: &KnownDatabases<'_>, database: &KnownDatabase) -> Done {
    let is_tenants = matches!(database.whose, Whose::Tenant(..));
    if is_tenants && database.missing_file().is_some() {
        return Done::NotMade;
    }
    let connection = match known.open(database).await {
        Ok(connection) => connection,
        Err(error) => return Done::Failed(error),
    };
    let done = async {
        let missing = state(&connection, database.schema()).await?.missing.len();
        migrate(&connection, database.schema()).await?;
        Ok::<_, StoreError>(missing)
    };
    let done = done.await;
    connection.close().await;
    match done {
        Ok(0) => Done::Current,
        Ok(missing) => Done::Changed(missing),
        Err(error) => Done::Failed(error.to_string()),
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            looked_at: 0,
            changed: 0,
            not_made: 0,
            failed: 0,
            failed_tenants: 0,
            named: Vec::new(),
            progress: Progress::counting("databases"),
        }
    }

    fn add(&mut self, whose: &Whose, done: Done) {
        self.looked_at += 1;
        self.progress.add(1);
        match done {
            Done::Changed(changes) => {
                self.changed += 1;
                // Tenants may be many thousands; their number is told.
                if !matches!(whose, Whose::Tenant(..)) {
                    self.progress
                        .note(&format!("{whose}: {changes} changes made"));
                }
            }
            Done::Current => {}
            Done::NotMade => self.not_made += 1,
            Done::Failed(error) => {
                self.failed += 1;
                self.failed_tenants += u64::from(matches!(whose, Whose::Tenant(..)));
                if self.named.len() < NAMED {
                    self.named.push(whose.to_string());
                }
                self.progress.note(&format!("{whose} failed: {error}"));
            }
        }
        if self.looked_at.is_multiple_of(LINE_EVERY) && !output::is_watched() {
            output::note(&self.summary());
        }
    }

    fn summary(&self) -> String {
        let current = self.looked_at - self.changed - self.not_made - self.failed;
        format!(
            "{} databases: {} changed, {current} were current, {} not made yet, {} failed",
            self.looked_at, self.changed, self.not_made, self.failed
        )
    }

    fn verdict(&self) -> Result<(), CliError> {
        if self.failed == 0 {
            return Ok(());
        }
        let more = if usize::try_from(self.failed).is_ok_and(|failed| failed > self.named.len()) {
            ", …"
        } else {
            ""
        };
        let text = format!(
            "{} databases failed ({}{more}): see above, and run it again",
            self.failed,
            self.named.join(", ")
        );
        Err(CliError::Incomplete(text))
    }
}

/// How a database stands, as far as it can be known.
enum Standing {
    NotMade,
    Known(SchemaState),
    Unknown(String),
}

impl Standing {
    async fn look(known: &KnownDatabases<'_>, database: &KnownDatabase) -> Self {
        if database.missing_file().is_some() {
            return match database.whose {
                Whose::Tenant(..) => Self::NotMade,
                Whose::Platform | Whose::Shared(_) => {
                    Self::Known(SchemaState::empty(database.schema()))
                }
            };
        }
        let connection = match known.open(database).await {
            Ok(connection) => connection,
            Err(error) => return Self::Unknown(error),
        };
        let looked = state(&connection, database.schema()).await;
        connection.close().await;
        looked.map_or_else(|error| Self::Unknown(error.to_string()), Self::Known)
    }

    /// One word for it.
    fn word(&self) -> &'static str {
        match self {
            Self::NotMade => "not_made",
            Self::Unknown(_) => "unreachable",
            Self::Known(state) if !state.is_current() => "behind",
            Self::Known(state) if !state.unknown.is_empty() => "ahead",
            Self::Known(_) => "current",
        }
    }

    fn text(&self) -> String {
        let word = self.word();
        match self {
            Self::NotMade => "not made yet; its first request makes it".to_owned(),
            Self::Unknown(error) => error.clone(),
            Self::Known(state) => {
                let mut text = match &state.last {
                    Some((name, at)) => format!("{word}, at {name} since {}", at.to_rfc3339(0)),
                    None => format!("{word}, empty"),
                };
                for (what, names) in [("lacks", &state.missing), ("also has", &state.unknown)] {
                    if !names.is_empty() {
                        text = format!("{text}; {what} {}", names.join(", "));
                    }
                }
                text
            }
        }
    }

    fn json(&self, whose: &Whose, kind: &str) -> serde_json::Value {
        let (role, name) = match whose {
            Whose::Platform => ("platform", None),
            Whose::Shared(name) => ("shared", Some(name)),
            Whose::Tenant(_, key) => ("tenant", Some(key)),
        };
        let (state, error) = match self {
            Self::Known(state) => (Some(state), None),
            Self::Unknown(error) => (None, Some(error)),
            Self::NotMade => (None, None),
        };
        let last = state.and_then(|state| state.last.as_ref());
        json!({
            "of": role, "name": name, "kind": kind, "state": self.word(),
            "version": last.map(|(name, _)| name), "applied_at": last.map(|(_, at)| at.to_rfc3339(0)),
            "missing": state.map_or(&[][..], |state| &state.missing),
            "unknown": state.map_or(&[][..], |state| &state.unknown),
            "error": error,
        })
    }
}

/// How many databases are not as they should be.
#[derive(Default)]
struct Faults {
    behind: u64,
    unreachable: u64,
}

/// Looks at every database and shows each.
async fn look_at_all(
    settings: &Settings,
    visit: VisitArgs,
    mut show: impl FnMut(&Whose, &str, &Standing) -> Result<(), CliError>,
) -> Result<Faults, CliError> {
    let known = KnownDatabases::new(settings)?;
    let mut faults = Faults::default();
    known
        .visit(
            visit.at_once.into(),
            async |database| Standing::look(&known, database).await,
            |database, standing| {
                faults.behind += u64::from(standing.word() == "behind");
                faults.unreachable += u64::from(standing.word() == "unreachable");
                let kind = database.url.as_ref();
                let kind = kind.map_or("unknown", |url| url.backend().as_str());
                show(&database.whose, kind, &standing)
            },
        )
        .await?;
    Ok(faults)
}

async fn status(settings: &Settings, args: &StatusArgs) -> Result<(), CliError> {
    let faults = look_at_all(settings, args.visit, |whose, kind, standing| {
        let line = if args.json {
            standing.json(whose, kind).to_string()
        } else {
            format!("{whose} ({kind}): {}", standing.text())
        };
        output::show_lines(&[line])
    });
    match faults.await? {
        Faults {
            behind: 0,
            unreachable: 0,
        } => Ok(()),
        Faults {
            behind,
            unreachable,
        } => Err(CliError::Incomplete(format!(
            "{behind} databases are behind, {unreachable} cannot be reached"
        ))),
    }
}

/// Tells which changes would be made where.
async fn plan(settings: &Settings, visit: VisitArgs) -> Result<(), CliError> {
    let mut changes = 0;
    let faults = look_at_all(settings, visit, |whose, kind, standing| match standing {
        Standing::Known(state) if !state.is_current() => {
            changes += state.missing.len();
            let missing = state.missing.join(", ");
            output::show_lines(&[format!("{whose} ({kind}): {missing}")])
        }
        Standing::Unknown(error) => {
            output::note(&format!("{whose} ({kind}) failed: {error}"));
            Ok(())
        }
        Standing::Known(_) | Standing::NotMade => Ok(()),
    });
    let faults = faults.await?;
    output::note(&format!(
        "{changes} changes in {} databases would be made; none was",
        faults.behind
    ));
    if faults.unreachable == 0 {
        return Ok(());
    }
    let text = format!("{} databases cannot be reached", faults.unreachable);
    Err(CliError::Incomplete(text))
}
