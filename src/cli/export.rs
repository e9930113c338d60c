//! `enroll export`: a tenant's users with their hashes, in a file that `enroll import` takes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient};
use super::import::rows::{COLUMNS, Format};
use super::output::{self, Progress};

/// Arguments of `enroll export`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll export --tenant acme users.ndjson
  enroll export --tenant acme users.csv

The file holds password hashes: it is made for its owner alone, and appears under its name when it is whole.")]
pub struct ExportArgs {
    /// The file to write
    file: PathBuf,
    /// The tenant's key
    #[arg(long, value_name = "KEY")]
    tenant: String,
    /// How the file is written [default: as its name says]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// What is kept of an invite code; the rest follows from it.
const OF_INVITES: [&str; 9] = [
    "code",
    "max_uses",
    "uses",
    "expires_at",
    "revoked_at",
    "note",
    "group_id",
    "issued_by",
    "created_at",
];

/// Writes the file.
///
/// # Errors
/// [`CliError`] as the admin API, the file or the arguments have it; then there is no file.
pub async fn run(args: ExportArgs) -> Result<(), CliError> {
    let client = AdminClient::from_args(&args.admin)?;
    let format = Format::of(args.format, &args.file);
    let mut part = args.file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let done = write(&client, &args.tenant, &part, format).await;
    let (users, invites) = match done {
        Ok(counts) => counts,
        Err(error) => {
            // What is half written helps nobody, and holds hashes.
            let _ = fs::remove_file(&part);
            return Err(error);
        }
    };
    let name = args.file.display().to_string();
    fs::rename(&part, &args.file).map_err(|error| CliError::Io(name, error))?;
    if args.admin.json {
        return output::show(&output::json(
            &json!({ "users": users, "invites": invites }),
        ));
    }
    output::show(&format!("{users} users and {invites} invite codes"))
}

async fn write(
    client: &AdminClient,
    tenant: &str,
    path: &Path,
    format: Format,
) -> Result<(u64, u64), CliError> {
    let name = path.display().to_string();
    let failed = |error| CliError::Io(name.clone(), error);
    let mut file = create(path).map_err(failed)?;
    let mut invites = 0;
    match format {
        Format::Csv => writeln!(file, "{}", COLUMNS.join(",")).map_err(failed)?,
        Format::Ndjson => {
            // Codes come first, because users name them.
            let path = ["tenants", tenant, "invites"];
            invites = each(client, &path, "invite codes", |invite| {
                let row = kept(&invite, "invites", &OF_INVITES);
                writeln!(file, "{row}").map_err(failed)
            })
            .await?;
        }
    }
    let path = ["tenants", tenant, "users", "export"];
    let users = each(client, &path, "users", |user| {
        let row = kept(&user, "users", &COLUMNS);
        let line = match format {
            Format::Ndjson => row.to_string(),
            Format::Csv => record(&row),
        };
        writeln!(file, "{line}").map_err(failed)
    })
    .await?;
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok((users, invites))
}

/// A file for its owner alone, whatever lay there before.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(BufWriter::new(file))
}

/// Hands each resource of a collection on, page by page; how many there were.
async fn each(
    client: &AdminClient,
    segments: &[&str],
    what: &'static str,
    mut take: impl FnMut(Value) -> Result<(), CliError>,
) -> Result<u64, CliError> {
    let progress = Progress::counting(what);
    let (mut count, mut next) = (0, None);
    loop {
        let (page, after) = client.page(segments, next.as_deref()).await?;
        progress.add(page.len());
        for resource in page {
            take(resource)?;
            count += 1;
        }
        next = after;
        if next.is_none() {
            return Ok(count);
        }
    }
}

/// A resource as a row: its type, its number if it keeps that, and those of its attributes that are set.
fn kept(resource: &Value, kind: &str, names: &[&str]) -> Value {
    let mut row = Map::from_iter([("type".to_owned(), kind.into())]);
    for name in names {
        let value = match *name {
            "id" => resource.get("id"),
            name => resource
                .get("attributes")
                .and_then(|attributes| attributes.get(name)),
        };
        let is_set = |value: &&Value| !value.is_null() && **value != "" && **value != json!([]);
        if let Some(value) = value.filter(is_set) {
            row.insert((*name).to_owned(), value.clone());
        }
    }
    Value::Object(row)
}

/// A row as a record of CSV (RFC 4180).
fn record(row: &Value) -> String {
    let fields = COLUMNS.map(|column| match row.get(column) {
        None => String::new(),
        Some(Value::String(text)) => quoted(text),
        Some(value) => quoted(&value.to_string()),
    });
    fields.join(",")
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::{COLUMNS, OF_INVITES, create, kept, record};

    #[test]
    fn a_row_holds_what_is_set_and_a_record_its_columns() {
        let user = json!({"type": "users", "id": "7", "attributes": {
            "username": "a,\"b\"", "group_id": 10, "phone": null, "register_ip": "", "wechat": [{"app_id": "wx1"}], "odd": 1,
        }});
        let row = kept(&user, "users", &COLUMNS);
        let wanted = json!({"type": "users", "id": "7", "username": "a,\"b\"", "group_id": 10, "wechat": [{"app_id": "wx1"}]});
        assert_eq!(row, wanted);
        let record = record(&row);
        assert!(record.starts_with("7,\"a,\"\"b\"\"\",,,10,"), "{record}");
        assert!(
            record.ends_with(",\"[{\"\"app_id\"\":\"\"wx1\"\"}]\""),
            "{record}"
        );
        let invite =
            json!({"id": "9", "attributes": {"code": "ABCD", "state": "usable", "uses": 0}});
        assert_eq!(
            kept(&invite, "invites", &OF_INVITES),
            json!({"type": "invites", "code": "ABCD", "uses": 0})
        );
    }

    #[test]
    fn a_file_with_hashes_is_for_its_owner_alone_even_where_another_lay() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("users.part");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        drop(create(&path).unwrap());
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
