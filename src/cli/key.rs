//! `enroll key`: the keys that sign a tenant's access tokens.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::CliError;
use super::client::{AdminArgs, AdminClient, read};
use super::output::{self, Progress};

/// Arguments of `enroll key`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  enroll key list acme
  enroll key rotate acme
  enroll key rotate acme --algorithm ES256 --signs-in 0
  enroll key revoke acme 5xqY0c2b1n8QmE1S9mE4Xg")]
pub struct KeyArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List a tenant's keys
    List {
        /// The tenant's key
        tenant: String,
    },
    /// Make a new key; the one before signs until the new one does, and counts until its last token is over
    Rotate {
        /// The tenant's key
        tenant: String,
        /// EdDSA, ES256 or RS256 [default: EdDSA]
        #[arg(long, value_name = "NAME", value_parser = ["EdDSA", "ES256", "RS256"])]
        algorithm: Option<String>,
        /// Seconds for which the new key is published before it signs [default: 600]
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
        signs_in: Option<u32>,
    },
    /// Revoke a key: no token that it signed counts from then on
    Revoke {
        /// The tenant's key
        tenant: String,
        /// The id of the key to revoke
        kid: String,
    },
}

/// Runs `enroll key`.
///
/// # Errors
/// [`CliError`] as the admin API or the arguments have it.
pub async fn run(args: KeyArgs) -> Result<(), CliError> {
    let KeyArgs { action, admin } = args;
    let client = AdminClient::from_args(&admin)?;
    match action {
        Action::List { tenant } => {
            let progress = Progress::counting("keys");
            let path = ["tenants", &tenant, "keys"];
            let keys = client.list(&path, &[], &progress).await?;
            drop(progress);
            show(keys, admin.json)
        }
        Action::Rotate {
            tenant,
            algorithm,
            signs_in,
        } => {
            let attributes = [
                ("algorithm", algorithm.map(Value::from)),
                ("signs_in_seconds", signs_in.map(Value::from)),
            ];
            let given = attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            let attributes: Map<_, _> = given.collect();
            let body = json!({"data": {"type": "keys", "attributes": attributes}});
            let path = ["tenants", &tenant, "keys"];
            let made: Document = read(client.call(Method::POST, &path, Some(&body)).await?)?;
            show(vec![made.data], admin.json)
        }
        Action::Revoke { tenant, kid } => {
            let path = ["tenants", &tenant, "keys", &kid];
            client.call(Method::DELETE, &path, None).await?;
            output::note(&format!("{kid} is revoked"));
            Ok(())
        }
    }
}

#[derive(Deserialize)]
struct Document {
    data: Value,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    algorithm: String,
    state: String,
    signs_from: String,
    retires_at: Option<String>,
}

fn show(keys: Vec<Value>, json: bool) -> Result<(), CliError> {
    if json {
        return output::show(&output::json(&json!({ "data": keys })));
    }
    let keys = keys
        .into_iter()
        .map(read::<Key>)
        .collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = keys.into_iter().map(row).collect();
    let header = ["Key", "Algorithm", "State", "Signs from", "Counts until"];
    output::show(&output::table(&header, &rows))
}

fn row(Key { id, attributes }: Key) -> Vec<String> {
    vec![
        id,
        attributes.algorithm,
        attributes.state,
        attributes.signs_from,
        attributes.retires_at.unwrap_or_else(|| "-".into()),
    ]
}
