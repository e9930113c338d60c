//! The real helm, and the program that reads and validates objects (scripts/helm).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The versions of Kubernetes that objects are held against: the chart's oldest, and the newest with schemas.
pub(super) const VERSIONS: [&str; 2] = ["1.30.0", "1.37.0"];

/// The release as the tests install it.
pub(super) const RELEASE: &str = "shop";
pub(super) const NAMESPACE: &str = "people";

/// Both programs, with a home of their own.
pub(super) struct Tools {
    helm: String,
    reader: Vec<String>,
    folder: TempDir,
}

/// What texts of YAML hold.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    /// The documents of each text, by its name.
    pub(super) documents: BTreeMap<String, Vec<Value>>,
    pub(super) faults: Vec<String>,
    /// How often different objects were held against a schema.
    pub(super) judged: usize,
}

impl Tools {
    /// The programs; `None` where the caller left them out. Missing ones are a failure: nothing is skipped.
    pub(super) fn find() -> Option<Self> {
        if std::env::var("ENROLL_TEST_QUICK").is_ok_and(|value| value == "1") {
            println!("left out by --quick");
            return None;
        }
        let variable = |name: &str| {
            std::env::var(name)
                .unwrap_or_else(|_| panic!("{name} is not set: run the tests by scripts/test"))
        };
        Some(Self {
            helm: variable("ENROLL_TEST_HELM"),
            reader: variable("ENROLL_TEST_CHART")
                .lines()
                .map(str::to_owned)
                .collect(),
            folder: TempDir::with_prefix("enroll-helm-").expect("a temporary folder"),
        })
    }

    /// Runs helm on the chart with these values; gives what it prints, or what it complains of.
    pub(super) fn helm(&self, arguments: &[&str], values: &Value) -> Result<String, String> {
        let file = self.folder.path().join("values.json");
        std::fs::write(&file, values.to_string()).expect("the values are written");
        let output = Command::new(&self.helm)
            .args(arguments)
            .arg(chart())
            .arg("--values")
            .arg(&file)
            .args(["--namespace", NAMESPACE])
            .env_clear()
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("helm runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (said, complained) = (text(output.stdout), text(output.stderr));
        if output.status.success() {
            Ok(said)
        } else {
            Err(said + &complained)
        }
    }

    /// The chart as YAML.
    pub(super) fn render(&self, values: &Value) -> Result<String, String> {
        self.helm(&["template", RELEASE], values)
    }

    /// The objects of the chart.
    pub(super) fn objects(&self, values: &Value) -> Vec<Value> {
        let text = self.render(values).unwrap_or_else(|told| panic!("{told}"));
        let mut read = self.read(&BTreeMap::from([(String::new(), text)]), &[]);
        read.documents.remove("").expect("what was asked for")
    }

    /// Reads texts of YAML, and with `versions` holds their objects against the schemas of these.
    pub(super) fn read(&self, texts: &BTreeMap<String, String>, versions: &[&str]) -> Read {
        let request = self.folder.path().join("request.json");
        let document = json!({"texts": texts, "versions": versions});
        std::fs::write(&request, document.to_string()).expect("the request is written");
        let (program, arguments) = self.reader.split_first().expect("a program");
        let output = Command::new(program)
            .args(arguments)
            .stdin(std::fs::File::open(&request).expect("the request"))
            .output()
            .expect("the reader runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("the reader's answer")
    }
}

/// The folder of the chart.
pub(super) fn chart() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/helm/enroll"))
}

/// A file of the chart.
pub(super) fn file(name: &str) -> String {
    std::fs::read_to_string(chart().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lays `patch` over `values`: sections are merged, everything else is replaced.
pub(super) fn lay(values: &mut Value, patch: &Value) {
    match (values, patch) {
        (Value::Object(values), Value::Object(patch)) => {
            for (key, value) in patch {
                lay(values.entry(key).or_insert(Value::Null), value);
            }
        }
        (values, patch) => *values = patch.clone(),
    }
}
