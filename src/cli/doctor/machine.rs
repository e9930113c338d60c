//! The machine: files and their permissions, room on the disk, open files, memory, cores, the hash engine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, geteuid, getrlimit};

use super::findings::Findings;
use super::tenants::Seen;
use crate::app::read_master_key;
use crate::clock::Entropy;
use crate::domain::master_key::MasterKey;
use crate::hashing::{EngineKind, EngineSetting, choose_engine};
use crate::settings::Settings;
use crate::store::settings::{Backend, DatabaseUrl};
use crate::telemetry::Metrics;

const MIB: u64 = 1 << 20;
/// SQLite fails a write when the disk is full; logs and backups want room, too.
const LITTLE_ROOM: u64 = 1024 * MIB;
const NO_ROOM: u64 = 64 * MIB;
/// Resident memory of a process without tenants (docs/operations.md, "Memory").
const BASE: u64 = 70 * MIB;
/// What a name that is kept takes.
const NAME: u64 = 2 << 10;
/// Descriptors of an SQLite file: itself, its log and the log's index.
const DESCRIPTORS_OF_FILE: u64 = 3;
/// Listeners, log, runtime and what else is always open.
const DESCRIPTORS_TO_SPARE: u64 = 100;

/// Reads the master key, and looks at its file.
pub(super) fn master_key(settings: &Settings, findings: &mut Findings) -> Option<MasterKey> {
    let key = match read_master_key(settings) {
        Ok(key) => key,
        Err(error) => {
            let fix = "`enroll migrate` makes one for a new platform; for one that has tenants, bring its own back";
            findings.error("keys", error.to_string(), fix);
            return None;
        }
    };
    if settings.secrets.master_key.is_none() {
        secret_file(&settings.master_key_path(), findings);
    }
    Some(key)
}

/// Warns if others on this machine may read a file.
pub(super) fn secret_file(file: &Path, findings: &mut Findings) {
    if others_may_read(file) == Some(true) {
        let text = format!("{} can be read by others on this machine", file.display());
        findings.warning("machine", text, &format!("chmod 600 {}", file.display()));
    }
}

/// Whether group or others may read a file; `None` when it cannot be looked at.
pub(super) fn others_may_read(file: &Path) -> Option<bool> {
    // In a folder that is closed to others, nobody reaches the file.
    let open = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some(is_open(
            metadata.mode(),
            metadata.uid() == geteuid().as_raw(),
        ))
    };
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Some(open(file)? && folder.is_none_or(|folder| open(folder) != Some(false)))
}

/// Whether a mode lets in more than who needs it. What belongs to somebody else, as a secret that Kubernetes mounts, reaches
/// this process through its group.
fn is_open(mode: u32, ours: bool) -> bool {
    let strangers = if ours { 0o077 } else { 0o007 };
    mode & strangers != 0
}

/// Whether the data directory can be written and has room. Where no database lies in it, it need not.
pub(super) fn data_folder(settings: &Settings, seen: &Seen, findings: &mut Findings) {
    let folder = settings.data.dir.as_path();
    let shown = folder.display();
    let on_server = |url: &DatabaseUrl| url.backend() != Backend::Sqlite;
    let unused = settings.platform.url.as_ref().is_some_and(on_server) && seen.own_files == 0;
    if unused && (!folder.is_dir() || access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err()) {
        let text = format!("no tenant can have an SQLite file here: {shown} cannot be written");
        findings.fine("machine", text);
        return;
    }
    if !folder.is_dir() {
        let text = format!("there is no data directory {shown}");
        findings.error("machine", text, "run `enroll migrate`, or set data.dir");
        return;
    }
    if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let text = format!("the data directory {shown} cannot be written");
        findings.error("machine", text, "run as its owner, or chown it");
    }
    let Ok(disk) = statvfs(folder) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let text = format!("{} MiB are free for the data directory {shown}", free / MIB);
    let fix = "make room, or move data.dir to a larger disk";
    if free < NO_ROOM {
        findings.error("machine", text, fix);
    } else if free < LITTLE_ROOM {
        findings.warning("machine", text, fix);
    } else {
        findings.fine("machine", text);
    }
}

/// What the machine has, against what the settings may ask of it.
pub(super) fn limits(settings: &Settings, seen: &Seen, metrics: &Metrics, findings: &mut Findings) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = settings.hashing.thread_count();
    let text = format!("{threads} hashing threads on the {cores} cores that this process may use");
    if threads > cores {
        findings.warning(
            "machine",
            text,
            "set hashing.threads to 0, or to the number of cores",
        );
    } else {
        findings.fine("machine", text);
    }
    engine(settings, metrics, findings);
    open_files(settings, seen, findings);
    judge_memory(wanted_memory(settings), memory(), findings);
}

fn engine(settings: &Settings, metrics: &Metrics, findings: &mut Findings) {
    let setting = settings.hashing.engine;
    match choose_engine(setting, Entropy, metrics) {
        Ok(EngineKind::Reference) if setting == EngineSetting::Auto => {
            let text = "the fast hash engine computes wrong hashes on this machine; the reference, at half the speed, \
                        takes its place";
            findings.warning(
                "machine",
                text,
                "report it with the processor's name; set hashing.engine to reference",
            );
        }
        Ok(kind) => findings.fine(
            "machine",
            format!("passwords are hashed by the {kind} engine"),
        ),
        Err(error) => findings.error("machine", error.to_string(), "set hashing.engine to auto"),
    }
}

fn open_files(settings: &Settings, seen: &Seen, findings: &mut Findings) {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = match settings.server.workers {
        0 => cores,
        set => set,
    };
    let clients = wide(workers).saturating_mul(wide(settings.server.max_connections));
    let files = wide(seen.own_files.min(settings.tenants.max_live)) * DESCRIPTORS_OF_FILE;
    let own = wide(seen.own_urls.min(settings.tenants.max_live))
        * u64::from(settings.database.own_pool_size);
    let pools = settings
        .databases
        .values()
        .map(|shared| u64::from(shared.pool_size));
    let pools = pools.sum::<u64>() * super::databases::arbiters(settings);
    let wanted = [
        clients,
        files,
        own,
        pools,
        u64::from(settings.platform.pool_size),
        DESCRIPTORS_TO_SPARE,
    ];
    let wanted = wanted.into_iter().fold(0, u64::saturating_add);
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let text = format!("up to {wanted} files and connections may be open, {allowed} are allowed");
    if wanted > allowed {
        let fix = format!(
            "raise the limit (ulimit -n {wanted}, LimitNOFILE={wanted}), or lower server.max_connections"
        );
        findings.warning("machine", text, &fix);
    } else {
        findings.fine("machine", text);
    }
}

/// Bytes that the process may come to need, by the formula of docs/operations.md, "Memory".
fn wanted_memory(settings: &Settings) -> u64 {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let hashing = wide(settings.hashing.thread_count())
        .saturating_mul(u64::from(settings.hashing.memory_kib))
        .saturating_mul(1024);
    let live = wide(settings.tenants.max_live_bytes);
    let live = live.saturating_add(live / 4);
    let names = settings.tenants.names.saturating_mul(NAME);
    [BASE, hashing, live, names]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Bytes that the process may use: those of its control group, else the machine's.
fn memory() -> Option<u64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = group.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.and_then(|own| number(&format!("/sys/fs/cgroup{own}/memory.max")));
    let whole = || number("/sys/fs/cgroup/memory.max");
    // Version 1, which writes a number near the largest when there is no limit.
    let old = || number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    let limit = own.or_else(whole).or_else(old).unwrap_or(u64::MAX);
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    });
    let least = limit.min(machine.unwrap_or(u64::MAX));
    (least < u64::MAX).then_some(least)
}

fn judge_memory(wanted: u64, allowed: Option<u64>, findings: &mut Findings) {
    let Some(allowed) = allowed else { return };
    let text = format!(
        "up to {} MiB of memory may be needed, {} MiB may be used",
        wanted / MIB,
        allowed / MIB
    );
    if wanted > allowed {
        let fix =
            "give more memory, or lower tenants.max_live_bytes, tenants.names or hashing.threads";
        findings.warning("machine", text, fix);
    } else {
        findings.fine("machine", text);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{Findings, MIB, is_open, judge_memory, memory, others_may_read};

    #[test]
    fn a_file_is_open_to_others_only_where_its_folder_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("key");
        assert_eq!(others_may_read(&file), None);
        fs::write(&file, "x").unwrap();
        let set = |of_folder, of_file| {
            fs::set_permissions(folder.path(), Permissions::from_mode(of_folder)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(of_file)).unwrap();
            others_may_read(&file)
        };
        assert_eq!(set(0o755, 0o644), Some(true));
        assert_eq!(set(0o755, 0o600), Some(false));
        assert_eq!(set(0o700, 0o644), Some(false));
    }

    #[test]
    fn what_belongs_to_another_may_be_read_by_our_group() {
        assert!(!is_open(0o100_440, false));
        assert!(is_open(0o100_444, false));
        assert!(is_open(0o100_440, true));
        assert!(!is_open(0o100_600, true));
    }

    #[test]
    fn memory_is_held_against_what_there_is() {
        let code = |wanted, allowed| {
            let mut findings = Findings::default();
            judge_memory(wanted, allowed, &mut findings);
            findings.exit_code()
        };
        assert_eq!(code(MIB, Some(2 * MIB)), 0);
        assert_eq!(code(2 * MIB, Some(MIB)), 3);
        assert_eq!(code(2 * MIB, None), 0);
        assert!(memory().is_none_or(|bytes| bytes > MIB));
    }
}
