//! `enroll backup`: a copy of every SQLite database while servers serve, with the digest of each file.
//!
//! The platform database is copied first, and its copy says which tenants there are: whatever happens to tenants
//! meanwhile, the file of each that the backup knows is in it, and holds at least what was answered before the backup
//! began. Each file is one moment of its database; two files are two moments, since no transaction spans two databases
//! here either.

pub(super) mod manifest;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::statvfs;

use self::manifest::{
    Entry, FORMAT, Manifest, beside, check_of, failed, make_folder, measure, sync_folder,
    write_synced,
};
use super::known_databases::{KnownDatabase, KnownDatabases, Whose};
use super::output::Progress;
use super::{CliError, output};
use crate::app::{AppError, read_master_key, restore_mark};
use crate::clock::Clock;
use crate::settings::Settings;
use crate::store::schema::state;
use crate::store::settings::{Backend, DatabaseUrl};

/// Copy every SQLite database into a new folder while servers serve: the platform's, shared ones, and every tenant's
/// own.
#[derive(Args, Debug)]
#[command(
    after_help = "Databases on PostgreSQL and MySQL are named and left to scripts/backup-postgres and \
scripts/backup-mysql; back up the platform's first. The settings file is not in the backup, nor is the master key unless \
asked for: keep both elsewhere. `enroll restore` brings it back."
)]
pub struct BackupArgs {
    /// The folder to make; must not be there yet
    folder: PathBuf,
    /// Put the master key into the backup too. Whoever has both has every signing key and every provider's secret
    #[arg(long)]
    with_master_key: bool,
    /// Leave out the tenant with this key, whose file is damaged, say (several times for several)
    #[arg(long, value_name = "KEY")]
    without: Vec<String>,
    /// Tenants' databases at work at one time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
}

/// Room that stays free on the disk of a backup, or of what is restored.
pub(super) const ROOM_TO_SPARE: u64 = 64 << 20;

/// Makes the backup. It bears its name only when it is whole and on the disk.
///
/// # Errors
/// [`CliError`]; then there is no backup.
pub async fn run(args: BackupArgs, config: Option<&Path>) -> Result<(), CliError> {
    let settings = Settings::load(config, &[])?;
    if args.folder.symlink_metadata().is_ok() {
        let text = format!("{} is there already", args.folder.display());
        return Err(CliError::Usage(text));
    }
    if restore_mark(&settings).exists() {
        return Err(AppError::Restoring(settings.data.dir.display().to_string()).into());
    }
    let partial = beside(&args.folder, ".partial");
    if partial.symlink_metadata().is_ok() {
        let text = format!(
            "{} is there: another backup makes it now, or left it when it broke off; then remove it",
            partial.display()
        );
        return Err(CliError::Usage(text));
    }
    make_folder(&partial)?;
    let made = Backup::make(&args, &settings, &partial).await;
    let manifest = match made {
        Ok(manifest) => manifest,
        Err(error) => {
            // A part of a backup helps nobody, and holds hashes.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
    };
    fs::rename(&partial, &args.folder).map_err(|error| failed(&args.folder, error))?;
    let above = args
        .folder
        .parent()
        .filter(|above| !above.as_os_str().is_empty());
    sync_folder(above.unwrap_or(Path::new(".")))?;
    tell(&args, &manifest)
}

fn tell(args: &BackupArgs, manifest: &Manifest) -> Result<(), CliError> {
    if !manifest.elsewhere.is_empty() {
        let those = first_of(&manifest.elsewhere);
        output::note(&format!(
            "not in it: {those}, which its own server must copy"
        ));
    }
    output::note(if args.with_master_key {
        "the master key IS in it: guard it as you guard the key"
    } else {
        "the master key is NOT in it: without that key nothing of it can be used"
    });
    let bytes: u64 = manifest.files.iter().map(|entry| entry.bytes).sum();
    let count = manifest.files.len();
    let shown = args.folder.display();
    output::show(&format!("{shown}: {count} files, {bytes} bytes"))
}

/// Names that one line tells.
const NAMED: usize = 20;

struct Backup<'a> {
    known: KnownDatabases<'a>,
    folder: &'a Path,
    progress: Progress,
}

impl<'a> Backup<'a> {
    async fn make(
        args: &BackupArgs,
        settings: &'a Settings,
        folder: &'a Path,
    ) -> Result<Manifest, CliError> {
        let clock = Clock::system();
        let begun_at = clock.now().to_rfc3339(0);
        let key = read_master_key(settings);
        let backup = Self {
            known: KnownDatabases::new(settings)?,
            folder,
            progress: Progress::counting("files"),
        };
        let mut manifest = Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            begun_at,
            ended_at: String::new(),
            master_key_check: key.as_ref().ok().map(check_of),
            files: Vec::new(),
            elsewhere: Vec::new(),
            left_out: Vec::new(),
        };
        for name in ["tenants", "databases"] {
            make_folder(&folder.join(name))?;
        }
        backup.copy_known(args, &mut manifest).await?;
        if args.with_master_key {
            manifest.files.push(backup.copy_master_key(settings)?);
        }
        manifest.ended_at = clock.now().to_rfc3339(0);
        manifest.write(folder)?;
        for name in ["tenants", "databases", ""] {
            sync_folder(&folder.join(name))?;
        }
        Ok(manifest)
    }

    /// Copies the databases, and lists those that lie elsewhere.
    async fn copy_known(&self, args: &BackupArgs, manifest: &mut Manifest) -> Result<(), CliError> {
        let mut platform_copy = None;
        for (number, database) in self.known.fixed().into_iter().enumerate() {
            let is_platform = database.whose == Whose::Platform;
            let path = if is_platform {
                "platform.db".to_owned()
            } else {
                format!("databases/{number}.db")
            };
            if is_elsewhere(&database) {
                manifest.elsewhere.push(database.whose.to_string());
                continue;
            }
            if let Some(file) = database.missing_file() {
                let text = format!("{}: there is no file {}", database.whose, file.display());
                return Err(CliError::Usage(text));
            }
            let entry = self.copy(&database, path).await;
            let entry = entry
                .map_err(|error| CliError::Incomplete(format!("{}: {error}", database.whose)))?;
            if is_platform {
                platform_copy = Some(self.folder.join(&entry.path));
            }
            manifest.files.push(entry);
        }
        self.copy_tenants(args, platform_copy.as_deref(), manifest)
            .await?;
        // To read the tenants from it, it was opened once more.
        if let Some(file) = platform_copy {
            let (bytes, sha256) = finish(&file).map_err(|error| failed(&file, error))?;
            for entry in &mut manifest.files {
                if entry.path == "platform.db" {
                    entry.bytes = bytes;
                    entry.sha256.clone_from(&sha256);
                }
            }
        }
        Ok(())
    }

    async fn copy_tenants(
        &self,
        args: &BackupArgs,
        platform_copy: Option<&Path>,
        manifest: &mut Manifest,
    ) -> Result<(), CliError> {
        let from = platform_copy.map(DatabaseUrl::sqlite_file);
        let mut failures = Vec::new();
        self.known
            .visit_own(
                from,
                args.at_once.into(),
                async |database| {
                    let Whose::Tenant(id, key) = &database.whose else {
                        return Copied::NotMade;
                    };
                    if is_elsewhere(database) {
                        return Copied::Elsewhere;
                    }
                    if args.without.contains(key) {
                        return Copied::LeftOut;
                    }
                    if database.missing_file().is_some() {
                        return Copied::NotMade;
                    }
                    match self.copy(database, format!("tenants/{id}.db")).await {
                        Ok(entry) => Copied::Done(entry),
                        Err(error) => Copied::Failed(error),
                    }
                },
                |database, copied| {
                    match copied {
                        Copied::Done(entry) => manifest.files.push(entry),
                        Copied::NotMade => {}
                        Copied::Elsewhere => manifest.elsewhere.push(database.whose.to_string()),
                        Copied::LeftOut => manifest.left_out.push(database.whose.to_string()),
                        Copied::Failed(error) => {
                            self.progress
                                .note(&format!("{} failed: {error}", database.whose));
                            failures.push(database.whose.to_string());
                        }
                    }
                    Ok(())
                },
            )
            .await?;
        if failures.is_empty() {
            return Ok(());
        }
        let text = format!(
            "no backup was made: {} failed; mend it, or leave it out by --without",
            first_of(&failures)
        );
        Err(CliError::Incomplete(text))
    }

    /// Copies one database to `path` below the folder, looks at the copy, and forces it to the disk.
    async fn copy(&self, database: &KnownDatabase, path: String) -> Result<Entry, String> {
        let file = self.folder.join(&path);
        self.ensure_room(database)?;
        let source = self.known.open(database).await?;
        let copied = source.copy_into(&file).await;
        source.close().await;
        copied.map_err(|error| error.to_string())?;
        let copy = KnownDatabase {
            whose: database.whose.clone(),
            url: Ok(DatabaseUrl::sqlite_file(&file)),
        };
        let copy = self.known.open(&copy).await?;
        let looked = async {
            copy.check_for_damage().await?;
            state(&copy, database.schema()).await
        };
        let looked = looked.await;
        copy.close().await;
        let state = looked.map_err(|error| error.to_string())?;
        let (bytes, sha256) = finish(&file).map_err(|error| error.to_string())?;
        self.progress.add(1);
        fail::fail_point!("backup_copied");
        Ok(Entry {
            path,
            name: match &database.whose {
                Whose::Platform => None,
                Whose::Shared(name) | Whose::Tenant(_, name) => Some(name.clone()),
            },
            bytes,
            sha256,
            schema: state.last.map(|(name, _)| name),
        })
    }

    /// A full disk is told before it is full: a server may write to the same one.
    fn ensure_room(&self, database: &KnownDatabase) -> Result<(), String> {
        let file = database.url.as_ref().ok().and_then(DatabaseUrl::file);
        let Some(file) = file.map(PathBuf::from) else {
            return Ok(());
        };
        let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        let wanted = size(&file) + size(&beside(&file, "-wal")) + ROOM_TO_SPARE;
        room_for(self.folder, wanted)
    }

    fn copy_master_key(&self, settings: &Settings) -> Result<Entry, CliError> {
        if settings.secrets.master_key.is_some() {
            let text = "the master key stands in secrets.master_key: keep it where that comes from";
            return Err(CliError::Usage(text.into()));
        }
        read_master_key(settings)?;
        let source = settings.master_key_path();
        let text = fs::read(&source).map_err(|error| failed(&source, error))?;
        let file = self.folder.join("master.key");
        write_synced(&file, &text).map_err(|error| failed(&file, error))?;
        let (bytes, sha256) = finish(&file).map_err(|error| failed(&file, error))?;
        Ok(Entry {
            path: "master.key".to_owned(),
            name: None,
            bytes,
            sha256,
            schema: None,
        })
    }
}

/// What came of a tenant's database.
enum Copied {
    Done(Entry),
    /// Nobody called the tenant yet.
    NotMade,
    Elsewhere,
    LeftOut,
    Failed(String),
}

/// Makes sure that the disk of a folder has room for so many bytes, where that can be known.
pub(super) fn room_for(folder: &Path, wanted: u64) -> Result<(), String> {
    let Ok(disk) = statvfs(folder) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < wanted {
        let shown = folder.display();
        return Err(format!(
            "{shown}: its disk has {free} bytes left, and {wanted} are needed"
        ));
    }
    Ok(())
}

/// The first of many names.
pub(super) fn first_of(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().map(String::as_str).take(NAMED).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Whether a database is no file. One whose address does not open is none either: files have no sealed address.
fn is_elsewhere(database: &KnownDatabase) -> bool {
    database
        .url
        .as_ref()
        .map_or(true, |url| url.backend() != Backend::Sqlite)
}

/// Closes a copy to others, forces it to the disk and measures it.
fn finish(path: &Path) -> std::io::Result<(u64, String)> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let mut file = File::open(path)?;
    file.sync_all()?;
    measure(&mut file, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::room_for;

    #[test]
    fn a_disk_without_room_is_told_before_it_is_full() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(room_for(folder, 1), Ok(()));
        let refusal = room_for(folder, u64::MAX).unwrap_err();
        assert!(refusal.contains(" are needed"), "{refusal}");
        assert_eq!(room_for(Path::new("/nowhere"), u64::MAX), Ok(()));
    }
}
