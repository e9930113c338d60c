//! What a backup holds, with the digest of each file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::app::AppError;
use crate::cli::CliError;
use crate::domain::ids::TenantId;
use crate::domain::master_key::MasterKey;

/// The number of this layout; a program refuses any other.
pub(in crate::cli) const FORMAT: u32 = 1;
/// The file that lists the others.
pub(in crate::cli) const MANIFEST: &str = "manifest.json";
/// The digest of that file, as `sha256sum -c` reads it.
const MANIFEST_SUM: &str = "manifest.json.sha256";
/// A hundred bytes or two for each file: some million tenants.
const LARGEST_MANIFEST: u64 = 512 << 20;

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Manifest {
    /// [`FORMAT`].
    pub(in crate::cli) format: u32,
    /// The version of the program that made it.
    pub(in crate::cli) program: String,
    /// RFC 3339. What was answered before is in the backup.
    pub(in crate::cli) begun_at: String,
    /// RFC 3339.
    pub(in crate::cli) ended_at: String,
    /// Tells whether a master key is the one of this platform, and tells nothing else of it.
    pub(in crate::cli) master_key_check: Option<String>,
    /// Its files.
    pub(in crate::cli) files: Vec<Entry>,
    /// Databases on servers, which the backup does not hold.
    pub(in crate::cli) elsewhere: Vec<String>,
    /// Tenants that were left out on demand.
    pub(in crate::cli) left_out: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Entry {
    /// Where it lies below the backup's folder.
    pub(in crate::cli) path: String,
    /// Whose it is, for people: a tenant's key, a shared database's name.
    pub(in crate::cli) name: Option<String>,
    pub(in crate::cli) bytes: u64,
    /// SHA-256 in hexadecimal.
    pub(in crate::cli) sha256: String,
    /// The change of the schema that was applied last.
    pub(in crate::cli) schema: Option<String>,
}

/// What a file of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Role {
    Platform,
    /// The entry names the database.
    Shared,
    Tenant(TenantId),
    MasterKey,
}

impl Entry {
    /// What the file is, by its path; `None` for a path that no backup has, as one that leads elsewhere.
    pub(in crate::cli) fn role(&self) -> Option<Role> {
        let number = |text: &str| {
            let text = text.strip_suffix(".db")?;
            let number: i64 = text.parse().ok()?;
            // One spelling for each number.
            (number >= 0 && number.to_string() == text).then_some(number)
        };
        match self.path.as_str() {
            "platform.db" => Some(Role::Platform),
            "master.key" => Some(Role::MasterKey),
            path => match path.split_once('/')? {
                ("tenants", file) => number(file).map(|id| Role::Tenant(TenantId::from_i64(id))),
                ("databases", file) => number(file).map(|_| Role::Shared),
                _ => None,
            },
        }
    }
}

impl Manifest {
    /// Writes it and its digest.
    pub(in crate::cli) fn write(&self, folder: &Path) -> Result<(), CliError> {
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| CliError::Server(error.to_string()))?;
        let sum = format!("{}  {MANIFEST}\n", hex_digest(&text));
        for (name, bytes) in [(MANIFEST, text.as_slice()), (MANIFEST_SUM, sum.as_bytes())] {
            let path = folder.join(name);
            write_synced(&path, bytes).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    /// Reads one and its own digest, which names the backup.
    ///
    /// # Errors
    /// [`CliError::Usage`] when the folder holds no backup, or one that is cut short, altered or of another layout.
    pub(in crate::cli) fn read(folder: &Path) -> Result<(Self, String), CliError> {
        let path = folder.join(MANIFEST);
        let file = File::open(&path).map_err(|error| failed(&path, error))?;
        let mut text = Vec::new();
        file.take(LARGEST_MANIFEST)
            .read_to_end(&mut text)
            .map_err(|error| failed(&path, error))?;
        let sum_path = folder.join(MANIFEST_SUM);
        let told = fs::read_to_string(&sum_path).map_err(|error| failed(&sum_path, error))?;
        let digest = hex_digest(&text);
        if told.split_whitespace().next() != Some(digest.as_str()) {
            let text = format!("{} is cut short or altered", path.display());
            return Err(CliError::Usage(text));
        }
        let refused = |why: String| CliError::Usage(format!("{}: {why}", path.display()));
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            return Err(refused(format!(
                "a backup of another layout, made by another version; this one reads layout {FORMAT}"
            )));
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        Ok((manifest, digest))
    }
}

/// What tells whether two processes have the same master key.
pub(in crate::cli) fn check_of(key: &MasterKey) -> String {
    let derived = key.derive("backup:check");
    derived
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A file that failed, by name.
pub(in crate::cli) fn failed(path: &Path, error: io::Error) -> CliError {
    CliError::App(AppError::Io(path.display().to_string(), error))
}

/// The file beside `path` with more at the end of its name.
pub(in crate::cli) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

/// SHA-256 in hexadecimal.
pub(in crate::cli) fn hex_digest(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads to the end, hands every piece to `take`, and gives size and digest.
pub(in crate::cli) fn measure(
    file: &mut File,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(u64, String)> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 17];
    let mut bytes = 0_u64;
    loop {
        let length = file.read(&mut buffer)?;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
            return Ok((bytes, hex(context.finish().as_ref())));
        };
        context.update(piece);
        take(piece)?;
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// Writes a new file for its owner alone, and forces it to the disk.
pub(in crate::cli) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = new_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A file for its owner alone, empty.
pub(in crate::cli) fn new_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Forces the names in a folder to the disk.
pub(in crate::cli) fn sync_folder(folder: &Path) -> Result<(), CliError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed(folder, error))
}

/// Makes a folder for its owner alone, and those above it.
pub(in crate::cli) fn make_folder(folder: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(folder, error))
}

#[cfg(test)]
mod tests {
    use super::{Entry, Role};
    use crate::domain::ids::TenantId;

    #[test]
    fn a_path_is_one_of_a_backups_own_or_nothing() {
        let role = |path: &str| {
            let entry = Entry {
                path: path.to_owned(),
                name: None,
                bytes: 0,
                sha256: String::new(),
                schema: None,
            };
            entry.role()
        };
        assert_eq!(role("platform.db"), Some(Role::Platform));
        assert_eq!(role("master.key"), Some(Role::MasterKey));
        assert_eq!(role("databases/0.db"), Some(Role::Shared));
        let tenant = Role::Tenant(TenantId::from_i64(7));
        assert_eq!(role("tenants/7.db"), Some(tenant));
        for bad in [
            "",
            "/etc/passwd",
            "../platform.db",
            "tenants/../7.db",
            "tenants/+7.db",
            "tenants/07.db",
            "tenants/-7.db",
            "tenants/7.db/",
            "tenants/a/7.db",
            "tenants//7.db",
            "tenants/7",
            "tenants/99999999999999999999.db",
            "databases/main.db",
            "elsewhere/1.db",
            "platform.db\0",
        ] {
            assert_eq!(role(bad), None, "{bad:?}");
        }
    }
}
