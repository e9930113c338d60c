//! What must be done so that tenants are as declared: found out by asking, shown before anything is done.

use std::collections::HashSet;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::CliError;
use super::super::client::{AdminClient, read};
use super::super::output::Progress;
use super::declared::{Declared, Placement};
use crate::domain::tenant_settings::TenantSettings;

/// What is to be done with one tenant.
pub(super) struct Step {
    pub(super) key: String,
    pub(super) action: Action,
    /// What will differ, secrets masked.
    pub(super) differences: Vec<Difference>,
}

pub(super) enum Action {
    /// Make it. Holds the attributes, with secrets in clear.
    Create {
        attributes: Map<String, Value>,
        suspended: bool,
    },
    /// Change attributes and state, where they differ.
    Change {
        attributes: Map<String, Value>,
        state: Option<State>,
    },
    Nothing,
    /// It is not declared.
    Prune,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active,
    Suspended,
}

impl State {
    const fn of(suspended: bool) -> Self {
        if suspended {
            Self::Suspended
        } else {
            Self::Active
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The last segment of the call that brings it about.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Active => "resume",
            Self::Suspended => "suspend",
        }
    }
}

/// One thing that will differ.
#[derive(Deserialize)]
pub(super) struct Difference {
    path: String,
    before: Value,
    after: Value,
}

impl Difference {
    fn new(path: &str, before: Value, after: Value) -> Self {
        Self {
            path: path.to_owned(),
            before,
            after,
        }
    }

    fn json(&self) -> Value {
        json!({ "path": self.path, "before": self.before, "after": self.after })
    }
}

impl Action {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Change { .. } => "change",
            Self::Nothing => "unchanged",
            Self::Prune => "suspend",
        }
    }

    const fn sign(&self) -> char {
        match self {
            Self::Create { .. } => '+',
            Self::Change { .. } => '~',
            Self::Nothing => '=',
            Self::Prune => '-',
        }
    }
}

impl Step {
    pub(super) const fn does_nothing(&self) -> bool {
        matches!(self.action, Action::Nothing)
    }

    /// The step as a document.
    pub(super) fn json(&self) -> Value {
        let differences: Vec<Value> = self.differences.iter().map(Difference::json).collect();
        json!({ "key": self.key, "action": self.action.name(), "differences": differences })
    }

    /// The step as people read it: a line, and one for each difference.
    pub(super) fn lines(&self) -> Vec<String> {
        let why = match self.action {
            Action::Prune => " (no file declares it; its users and its key stay)",
            _ => "",
        };
        let first = format!(
            "{} {} {}{why}",
            self.action.sign(),
            self.action.name(),
            self.key
        );
        let differences = self.differences.iter().map(|each| match self.action {
            Action::Create { .. } => format!("    {}: {}", each.path, each.after),
            _ => format!("    {}: {} -> {}", each.path, each.before, each.after),
        });
        std::iter::once(first).chain(differences).collect()
    }
}

/// A tenant as the server shows it.
#[derive(Deserialize)]
struct Shown {
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    key: String,
    name: String,
    state: String,
    hosts: Vec<String>,
    placement: ShownPlacement,
}

#[derive(Deserialize)]
struct ShownPlacement {
    kind: String,
    database: Option<String>,
    backend: Option<String>,
}

/// A document of one resource.
#[derive(Deserialize)]
struct One<T> {
    data: T,
}

/// What `…/settings/preview` answers.
#[derive(Deserialize)]
struct Preview {
    attributes: PreviewAttributes,
}

#[derive(Deserialize)]
struct PreviewAttributes {
    version: u64,
    differences: Vec<Difference>,
}

/// Asks the server how each declared tenant stands, and with `prune` which others are active.
///
/// # Errors
/// [`CliError::Refused`] or [`CliError::Server`] of the first call that fails; [`CliError::Usage`] with every placement that
/// differs and every setting that the server finds fault with.
pub(super) async fn make(
    client: &AdminClient,
    declared: Vec<Declared>,
    prune: bool,
) -> Result<Vec<Step>, CliError> {
    let progress = Progress::towards(declared.len() as u64, "tenants looked at");
    let keys: HashSet<String> = declared.iter().map(|each| each.key.clone()).collect();
    let (mut steps, mut faults) = (Vec::new(), String::new());
    for tenant in declared {
        progress.add(1);
        let path = ["tenants", &tenant.key];
        let Some(document) = client.find(&path).await? else {
            steps.push(creation(tenant));
            continue;
        };
        let shown = read::<One<Shown>>(document)?.data.attributes;
        if let Some(now) = lies_elsewhere(tenant.placement.as_ref(), &shown.placement) {
            let text = "placement: a tenant cannot be moved yet: it is";
            faults += &format!("\n  {}: {text} {now}", tenant.file);
            continue;
        }
        let file = tenant.file.clone();
        match change(client, tenant, &shown).await {
            Ok(step) => steps.push(step),
            // A server of another version may know better than this program.
            Err(CliError::Refused(document)) if document.finds_faults() => {
                faults += &format!("\n  {file}:{document}");
            }
            Err(error) => return Err(error),
        }
    }
    if !faults.is_empty() {
        let text = format!("the declarations cannot stand:{faults}");
        return Err(CliError::Usage(text));
    }
    drop(progress);
    // Who gives a host up comes before who takes it.
    steps.sort_by_key(|step| matches!(step.action, Action::Create { .. }));
    if prune {
        steps.extend(others(client, &keys).await?);
    }
    Ok(steps)
}

fn creation(tenant: Declared) -> Step {
    let mut differences = vec![Difference::new(
        "name",
        Value::Null,
        tenant.name.clone().into(),
    )];
    if !tenant.hosts.is_empty() {
        let hosts = tenant.hosts.clone().into();
        differences.push(Difference::new("hosts", Value::Null, hosts));
    }
    let (placement, shown) = match &tenant.placement {
        None | Some(Placement::OwnFile) => (json!({"kind": "own"}), "own sqlite".to_owned()),
        Some(Placement::Shared(name)) => (
            json!({"kind": "shared", "database": name}),
            format!("shared {name}"),
        ),
        Some(Placement::OwnUrl(url, backend)) => {
            use secrecy::ExposeSecret;
            let url = url.expose_secret();
            (
                json!({"kind": "own", "url": url}),
                format!("own {}", backend.as_str()),
            )
        }
    };
    differences.push(Difference::new("placement", Value::Null, shown.into()));
    if tenant.suspended {
        differences.push(Difference::new("state", Value::Null, "suspended".into()));
    }
    let settings = tenant.settings.differences_from(&TenantSettings::default());
    differences.extend(
        settings.into_iter().map(|each| {
            Difference::new(&format!("settings.{}", each.path), each.before, each.after)
        }),
    );
    let attributes = Map::from_iter([
        ("key".to_owned(), tenant.key.clone().into()),
        ("name".to_owned(), tenant.name.into()),
        ("hosts".to_owned(), tenant.hosts.into()),
        ("placement".to_owned(), placement),
        ("settings".to_owned(), tenant.whole),
    ]);
    Step {
        key: tenant.key,
        action: Action::Create {
            attributes,
            suspended: tenant.suspended,
        },
        differences,
    }
}

/// Where a tenant lies, if that is not where it is declared to lie. Of a database of its own only the kind is known.
fn lies_elsewhere(declared: Option<&Placement>, shown: &ShownPlacement) -> Option<String> {
    let backend = shown.backend.as_deref().unwrap_or("unknown");
    let same = match declared? {
        Placement::Shared(name) => shown.database.as_deref() == Some(name),
        Placement::OwnFile => shown.kind == "own" && backend == "sqlite",
        Placement::OwnUrl(_, kind) => shown.kind == "own" && backend == kind.as_str(),
    };
    let now = match &shown.database {
        Some(database) => format!("shared {database}"),
        None => format!("{} {backend}", shown.kind),
    };
    (!same).then_some(now)
}

/// The server compares the settings, since it alone can tell whether a secret is another one.
async fn change(
    client: &AdminClient,
    tenant: Declared,
    shown: &Attributes,
) -> Result<Step, CliError> {
    let path = ["tenants", &tenant.key, "settings", "preview"];
    let body = json!({"data": {"type": "settings", "attributes": {"settings": tenant.whole}}});
    let preview = client.call(Method::POST, &path, Some(&body)).await?;
    let preview = read::<One<Preview>>(preview)?.data.attributes;

    let (mut attributes, mut differences) = (Map::new(), Vec::new());
    if tenant.name != shown.name {
        differences.push(Difference::new(
            "name",
            shown.name.clone().into(),
            tenant.name.clone().into(),
        ));
        attributes.insert("name".to_owned(), tenant.name.into());
    }
    let sorted = |hosts: &[String]| {
        let mut hosts = hosts.to_vec();
        hosts.sort();
        hosts
    };
    if sorted(&tenant.hosts) != sorted(&shown.hosts) {
        let hosts = Value::from(tenant.hosts);
        differences.push(Difference::new(
            "hosts",
            shown.hosts.clone().into(),
            hosts.clone(),
        ));
        attributes.insert("hosts".to_owned(), hosts);
    }
    let wanted = State::of(tenant.suspended);
    let state = (wanted.as_str() != shown.state).then_some(wanted);
    if state.is_some() {
        differences.push(Difference::new(
            "state",
            shown.state.clone().into(),
            wanted.as_str().into(),
        ));
    }
    if !preview.differences.is_empty() {
        attributes.insert("settings".to_owned(), tenant.whole);
        // What somebody changed since the plan was shown is not overwritten.
        attributes.insert("settings_version".to_owned(), preview.version.into());
    }
    differences.extend(preview.differences.into_iter().map(|each| Difference {
        path: format!("settings.{}", each.path),
        ..each
    }));
    let action = if differences.is_empty() {
        Action::Nothing
    } else {
        Action::Change { attributes, state }
    };
    Ok(Step {
        key: tenant.key,
        action,
        differences,
    })
}

/// Active tenants that no file declares. Of each page only these are kept.
async fn others(client: &AdminClient, declared: &HashSet<String>) -> Result<Vec<Step>, CliError> {
    let progress = Progress::counting("tenants");
    let (mut steps, mut next) = (Vec::new(), Some(ACTIVE.to_owned()));
    while let Some(query) = next {
        let (page, after) = client.page(&["tenants"], Some(&query)).await?;
        progress.add(page.len());
        for tenant in page {
            let key = read::<Shown>(tenant)?.attributes.key;
            if !declared.contains(&key) {
                steps.push(Step {
                    key,
                    action: Action::Prune,
                    differences: Vec::new(),
                });
            }
        }
        next = after;
    }
    Ok(steps)
}

/// The first page of them, as a query.
const ACTIVE: &str = "filter%5Bstate%5D=active&page%5Bsize%5D=500";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::client::tests::serve;
    use super::{
        Action, Declared, Difference, Placement, ShownPlacement, Step, TenantSettings,
        lies_elsewhere, make,
    };

    #[test]
    fn a_step_is_shown_with_what_differs() {
        let step = |action, differences| Step {
            key: "acme".to_owned(),
            action,
            differences,
        };
        let open = || Difference::new("settings.registration.open", false.into(), true.into());
        let change = Action::Change {
            attributes: serde_json::Map::new(),
            state: None,
        };
        let change = step(change, vec![open()]);
        assert_eq!(
            change.lines(),
            [
                "~ change acme",
                "    settings.registration.open: false -> true"
            ]
        );
        assert_eq!(
            change.json(),
            json!({"key": "acme", "action": "change", "differences": [
                {"path": "settings.registration.open", "before": false, "after": true}]})
        );
        let create = Action::Create {
            attributes: serde_json::Map::new(),
            suspended: false,
        };
        assert_eq!(
            step(create, vec![open()]).lines(),
            ["+ create acme", "    settings.registration.open: true"]
        );
        assert_eq!(
            step(Action::Nothing, Vec::new()).lines(),
            ["= unchanged acme"]
        );
        assert!(
            step(Action::Prune, Vec::new()).lines()[0]
                .starts_with("- suspend acme (no file declares it")
        );
    }

    fn declared(key: &str) -> Declared {
        Declared {
            file: format!("{key}.toml"),
            key: key.to_owned(),
            name: key.to_owned(),
            hosts: Vec::new(),
            placement: None,
            suspended: false,
            whole: json!({}),
            settings: TenantSettings::default(),
        }
    }

    #[tokio::test]
    async fn faults_that_the_server_alone_finds_are_told_of_every_file_and_other_refusals_at_once()
    {
        let shown = |key: &str| {
            let attributes = json!({"key": key, "name": key, "state": "active", "hosts": [],
                                    "placement": {"kind": "own", "backend": "sqlite"}});
            ("200 OK", json!({"data": {"attributes": attributes}}))
        };
        let refused = |status: &'static str, code: &str| {
            let error = json!({"status": "4xx", "code": code, "detail": ["no"], "source": {"pointer": "/x"}});
            (status, json!({"errors": [error]}))
        };
        let fault = || refused("422 Unprocessable Content", "validation_error");
        let (client, asked) = serve(vec![shown("acme"), fault(), shown("beta"), fault()]);
        let both = vec![declared("acme"), declared("beta")];
        let error = make(&client, both, false).await.map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            text.contains("acme.toml:") && text.contains("beta.toml:"),
            "{text}"
        );
        assert!(text.contains("validation_error at /x: no"), "{text}");
        assert_eq!(asked.join().unwrap().len(), 4);

        let forbidden = refused("403 Forbidden", "permission_denied");
        let (client, asked) = serve(vec![shown("acme"), forbidden]);
        let both = vec![declared("acme"), declared("beta")];
        let error = make(&client, both, false).await.map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(asked.join().unwrap().len(), 2);
    }

    #[test]
    fn another_placement_is_noticed() {
        let shown = |kind: &str, database: Option<&str>, backend: &str| ShownPlacement {
            kind: kind.into(),
            database: database.map(str::to_owned),
            backend: Some(backend.into()),
        };
        let main = Placement::Shared("main".into());
        assert_eq!(lies_elsewhere(None, &shown("own", None, "sqlite")), None);
        assert_eq!(
            lies_elsewhere(Some(&main), &shown("shared", Some("main"), "mysql")),
            None
        );
        let elsewhere = lies_elsewhere(Some(&main), &shown("shared", Some("other"), "mysql"));
        assert_eq!(elsewhere.as_deref(), Some("shared other"));
        let file = Placement::OwnFile;
        assert_eq!(
            lies_elsewhere(Some(&file), &shown("own", None, "sqlite")),
            None
        );
        let elsewhere = lies_elsewhere(Some(&file), &shown("own", None, "postgres"));
        assert_eq!(elsewhere.as_deref(), Some("own postgres"));
    }
}
