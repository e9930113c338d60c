//! `enroll restore`: brings a backup back into an empty data directory.
//!
//! All digests are compared before anything is written. While it writes, a mark in the data directory keeps servers
//! from starting; the mark goes last. A restore that was killed is run again and goes over everything once more, with
//! the same backup only.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::backup::manifest::{
    Entry, Manifest, Role, beside, check_of, failed, make_folder, measure, new_file, sync_folder,
    write_synced,
};
use super::backup::{ROOM_TO_SPARE, first_of, room_for};
use super::output::Progress;
use super::{CliError, output};
use crate::app::{platform_url, read_master_key, restore_mark};
use crate::settings::Settings;
use crate::store::placements::own_file;

/// Bring a backup that `enroll backup` made back into an empty data directory.
#[derive(Args, Debug)]
#[command(
    after_help = "The data directory is that of the settings (data.dir). Run it as the server's user, with no server \
running; then put the master key in its place if the backup has none, and run `enroll migrate`."
)]
pub struct RestoreArgs {
    /// The folder that `enroll backup` made
    folder: PathBuf,
    /// Only compare the files with their digests
    #[arg(long)]
    check: bool,
}

/// Restores, or only checks.
///
/// # Errors
/// [`CliError::Usage`] when the backup is not whole or there is something in its way; then nothing was written.
pub async fn run(args: RestoreArgs, config: Option<&Path>) -> Result<(), CliError> {
    let settings = Settings::load(config, &[])?;
    let (manifest, digest) = Manifest::read(&args.folder)?;
    let targets = targets(&settings, &manifest)?;
    verify(&args.folder, &targets)?;
    let count = targets.len();
    if args.check {
        return output::show(&format!("{count} files are as they were written"));
    }
    put(&settings, &args.folder, &digest, &targets)?;
    if !manifest.elsewhere.is_empty() {
        let those = first_of(&manifest.elsewhere);
        output::note(&format!(
            "not in it: {those}; bring it back by its own server"
        ));
    }
    if !manifest.left_out.is_empty() {
        let those = first_of(&manifest.left_out);
        output::note(&format!("left out, and empty from now on: {those}"));
    }
    match read_master_key(&settings) {
        Err(_) => output::note(&format!(
            "put the platform's master key in its place, {}, before `enroll migrate`",
            settings.master_key_path().display()
        )),
        Ok(key)
            if manifest
                .master_key_check
                .as_ref()
                .is_some_and(|check| *check != check_of(&key)) =>
        {
            output::note(
                "WARNING: the master key here is not the one of this backup: no tenant can be launched",
            );
        }
        Ok(_) => {}
    }
    output::show(&format!(
        "{count} files of {} are back; with the master key in its place, run `enroll migrate`, then the server",
        manifest.begun_at
    ))
}

/// Where each file of the backup goes.
fn targets<'m>(
    settings: &Settings,
    manifest: &'m Manifest,
) -> Result<Vec<(&'m Entry, PathBuf)>, CliError> {
    let mut targets = Vec::new();
    for entry in &manifest.files {
        let path = &entry.path;
        let refused = |why: &str| CliError::Usage(format!("{path} of the backup: {why}"));
        let role = entry
            .role()
            .ok_or_else(|| refused("no backup has such a file"))?;
        let target = match role {
            Role::Platform => platform_url(settings)
                .file()
                .ok_or_else(|| refused("platform.url is no SQLite file here"))?
                .into(),
            Role::Shared => {
                let shared = entry.name.as_ref();
                let shared = shared.and_then(|name| settings.databases.get(name));
                let file = shared.and_then(|shared| shared.url.file());
                let why = "the settings name no SQLite file for this shared database";
                file.ok_or_else(|| refused(why))?.into()
            }
            Role::Tenant(id) => own_file(&settings.tenants_folder(), id),
            Role::MasterKey => settings.master_key_path(),
        };
        if targets
            .iter()
            .any(|(other, at): &(&Entry, PathBuf)| other.path == *path || *at == target)
        {
            return Err(refused("stands there twice"));
        }
        targets.push((entry, target));
    }
    Ok(targets)
}

/// Compares every file with its digest.
fn verify(folder: &Path, targets: &[(&Entry, PathBuf)]) -> Result<(), CliError> {
    let progress = Progress::towards(as_count(targets.len()), "checked");
    for (entry, _) in targets {
        let path = folder.join(&entry.path);
        let measured = File::open(&path).and_then(|mut file| measure(&mut file, |_| Ok(())));
        let (bytes, sha256) = measured.map_err(|error| failed(&path, error))?;
        if (bytes, &sha256) != (entry.bytes, &entry.sha256) {
            let text = format!("{} is cut short or altered", path.display());
            return Err(CliError::Usage(text));
        }
        progress.add(1);
    }
    Ok(())
}

fn as_count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Writes every file to its place.
fn put(
    settings: &Settings,
    folder: &Path,
    digest: &str,
    targets: &[(&Entry, PathBuf)],
) -> Result<(), CliError> {
    let data = settings.data.dir.as_path();
    make_folder(data)?;
    // A server holds a shared lock on its data directory for as long as it runs.
    let lock = File::open(data).map_err(|error| failed(data, error))?;
    if lock.try_lock().is_err() {
        let text = format!(
            "{}: a server, or another restore, is at work there",
            data.display()
        );
        return Err(CliError::Usage(text));
    }
    let bytes: u64 = targets.iter().map(|(entry, _)| entry.bytes).sum();
    room_for(data, bytes.saturating_add(ROOM_TO_SPARE)).map_err(CliError::Usage)?;
    let mark = restore_mark(settings);
    claim(data, &mark, digest, targets)?;
    let progress = Progress::towards(as_count(targets.len()), "restored");
    for (entry, target) in targets {
        let above = target.parent().unwrap_or(data);
        make_folder(above)?;
        let part = beside(target, ".restoring");
        let source = folder.join(&entry.path);
        let mut from = File::open(&source).map_err(|error| failed(&source, error))?;
        let mut to = new_file(&part).map_err(|error| failed(&part, error))?;
        let copied = measure(&mut from, |piece| to.write_all(piece));
        let (_, sha256) = copied.map_err(|error| failed(&part, error))?;
        if sha256 != entry.sha256 {
            let text = format!("{} changed while it was read", source.display());
            return Err(CliError::Usage(text));
        }
        to.sync_all()
            .and_then(|()| fs::rename(&part, target))
            .map_err(|error| failed(&part, error))?;
        sync_folder(above)?;
        progress.add(1);
    }
    fs::remove_file(&mark).map_err(|error| failed(&mark, error))?;
    sync_folder(data)
}

/// Makes sure that nothing is overwritten but what an earlier run of the same restore wrote, and sets the mark.
fn claim(
    data: &Path,
    mark: &Path,
    digest: &str,
    targets: &[(&Entry, PathBuf)],
) -> Result<(), CliError> {
    match fs::read_to_string(mark) {
        Ok(text) if text == digest => return Ok(()),
        Ok(_) => {
            let text = format!(
                "{}: another backup was being restored here: go on with that one, or empty the directory",
                data.display()
            );
            return Err(CliError::Usage(text));
        }
        Err(_) => {}
    }
    let part = beside(mark, ".part");
    let there = fs::read_dir(data).map_err(|error| failed(data, error))?;
    let mut there = there.filter_map(Result::ok).map(|entry| entry.path());
    // A volume of its own may bring lost+found; a mark half set is nobody's.
    if there.any(|path| path != part && !path.ends_with("lost+found")) {
        let text = format!(
            "{} is not empty: nothing is ever overwritten",
            data.display()
        );
        return Err(CliError::Usage(text));
    }
    for (_, target) in targets {
        if target.symlink_metadata().is_ok() {
            let text = format!("{} is there already", target.display());
            return Err(CliError::Usage(text));
        }
    }
    // Whole or not there: an empty mark would be another backup's.
    write_synced(&part, digest.as_bytes())
        .and_then(|()| fs::rename(&part, mark))
        .map_err(|error| failed(mark, error))?;
    sync_folder(data)
}
