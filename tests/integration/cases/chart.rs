//! The Helm chart (helm/enroll), rendered by the real helm; its objects are held against Kubernetes' schemas and against
//! each other, and the real program takes its settings. No cluster is asked for anything.

mod documents;
mod matrix;
mod objects;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::matrix::{combinations, plain, sqlite};
use self::objects::{Objects, settings, variable};
use self::tools::{Tools, VERSIONS, lay};
use crate::harness::client::Request;
use crate::harness::command::{Outcome, enroll};
use crate::harness::database::{Backend, TestDatabase};
use crate::harness::process::Process;
use crate::harness::wait::until;

#[test]
fn every_combination_of_values_renders_sound_objects() {
    let Some(tools) = Tools::find() else { return };
    let combinations = combinations();
    assert!(
        combinations.len() >= 24,
        "{} combinations",
        combinations.len()
    );
    let mut texts = BTreeMap::new();
    for each in &combinations {
        let linted = tools.helm(&["lint", "--strict"], &each.values);
        linted.unwrap_or_else(|told| panic!("{}: {told}", each.name));
        let text = tools.render(&each.values);
        texts.insert(
            each.name.clone(),
            text.unwrap_or_else(|told| panic!("{}: {told}", each.name)),
        );
    }
    let read = tools.read(&texts, &VERSIONS);
    assert!(read.faults.is_empty(), "{}", read.faults.join("\n"));
    let mut faults = Vec::new();
    let mut kinds = BTreeSet::new();
    let mut count = 0;
    for each in &combinations {
        let objects = &read.documents[&each.name];
        count += objects.len();
        kinds.extend(objects.iter().map(|object| object["kind"].to_string()));
        faults.extend(Objects::judge(&each.name, &each.values, objects));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    println!(
        "{} combinations of values, {count} objects of {} kinds, {} different ones held against the schemas of \
         Kubernetes {}",
        combinations.len(),
        kinds.len(),
        read.judged / VERSIONS.len(),
        VERSIONS.join(" and "),
    );
}

/// A check that passes whatever it is given would pass here as well.
#[test]
fn objects_that_are_not_sound_are_found() {
    let Some(tools) = Tools::find() else { return };
    let values = plain();
    let sound = tools.objects(&values);
    assert_eq!(Objects::judge("sound", &values, &sound), [""; 0]);
    let spec = "/spec/template/spec";
    let first = "/spec/template/spec/containers/0";
    for (kind, pointer, value, told) in [
        (
            "Deployment",
            format!("{spec}/securityContext/runAsNonRoot"),
            json!(false),
            "may run as root",
        ),
        (
            "Deployment",
            format!("{first}/securityContext/readOnlyRootFilesystem"),
            json!(false),
            "a writable root",
        ),
        (
            "Job",
            format!("{first}/securityContext/capabilities/drop"),
            json!([]),
            "capabilities",
        ),
        (
            "Job",
            format!("{first}/resources/requests/memory"),
            json!("1Gi"),
            "memory",
        ),
        (
            "Pod",
            "/spec/containers/0/securityContext/privileged".into(),
            json!(true),
            "is privileged",
        ),
        (
            "Pod",
            "/spec/automountServiceAccountToken".into(),
            json!(true),
            "a token of the cluster",
        ),
        (
            "Deployment",
            format!("{spec}/terminationGracePeriodSeconds"),
            json!(30),
            "are granted",
        ),
        (
            "Deployment",
            format!("{spec}/volumes/0"),
            json!({"name": "config", "hostPath": {"path": "/"}}),
            "kind of volume",
        ),
        (
            "Deployment",
            format!("{spec}/volumes/1/secret/secretName"),
            json!("other"),
            "there is no Secret other",
        ),
        (
            "Deployment",
            format!("{first}/readinessProbe/httpGet/path"),
            json!("/livez"),
            "readiness probe",
        ),
        (
            "Deployment",
            format!("{first}/ports/0/containerPort"),
            json!(80),
            "for 0.0.0.0:8080",
        ),
        (
            "Service",
            "/spec/ports/0/targetPort".into(),
            json!("operators"),
            "leads to",
        ),
        (
            "Service",
            "/spec/selector".into(),
            json!({"app.kubernetes.io/name": "enroll"}),
            "and the pod of \"Job\"",
        ),
        (
            "PodDisruptionBudget",
            "/spec/selector/matchLabels".into(),
            json!({"a": "b"}),
            "selects other pods",
        ),
        (
            "NetworkPolicy",
            "/spec/ingress/1/from".into(),
            json!([]),
            "who reaches",
        ),
        (
            "NetworkPolicy",
            "/spec/egress/2/to".into(),
            json!([]),
            "HTTPS may go",
        ),
        (
            "ConfigMap",
            "/metadata/name".into(),
            json!("other"),
            "there is no ConfigMap",
        ),
        (
            "ConfigMap",
            "/data/enroll.toml".into(),
            json!(matrix::PASSWORD),
            "shows a secret",
        ),
    ] {
        let mut broken = sound.clone();
        let mut of_kind = broken.iter_mut().filter(|object| object["kind"] == kind);
        let place = of_kind.find_map(|object| object.pointer_mut(&pointer));
        *place.unwrap_or_else(|| panic!("there is no {pointer} in {kind}")) = value;
        // Settings that cannot be read are a fault of their own.
        let shows = told == "shows a secret";
        let found = if shows {
            Objects::shown_secrets(&broken)
        } else {
            Objects::judge("broken", &values, &broken)
        };
        assert!(
            found.iter().any(|fault| fault.contains(told)),
            "{kind} {pointer}: {found:?}"
        );
    }
    // And what Kubernetes would refuse.
    let text = tools.render(&values).expect("objects");
    for (from, to, told) in [
        (
            "revisionHistoryLimit",
            "revisionsHistoryLimit",
            "revisionsHistoryLimit",
        ),
        (
            "containerPort: 8080",
            "containerPort: \"8080\"",
            "is not of type",
        ),
        ("policy/v1\n", "policy/v1beta1\n", "there is no schema"),
        (
            "kind: Deployment",
            "kind: Deployment\nkind: Deployment",
            "stands twice",
        ),
    ] {
        let broken = BTreeMap::from([("broken".to_owned(), text.replacen(from, to, 1))]);
        let read = tools.read(&broken, &VERSIONS);
        assert!(
            read.faults.iter().any(|fault| fault.contains(told)),
            "{from}: {:?}",
            read.faults
        );
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_the_reason() {
    let Some(tools) = Tools::find() else { return };
    let exposed = json!({"public_url": "https://a.example", "base_domain": "a.example", "trusted_proxies": ["10.0.0.0/8"]});
    let route = json!({"enabled": true, "parentRefs": [{"name": "web"}]});
    let cases: Vec<(Value, Value, &str)> = vec![
        // What contradicts itself.
        (
            sqlite(),
            json!({"replicaCount": 2}),
            "an SQLite file belongs to one process: set replicaCount to 1",
        ),
        (
            sqlite(),
            json!({"autoscaling": {"enabled": true}}),
            "set autoscaling.enabled to false",
        ),
        (
            sqlite(),
            json!({"secrets": {"platformUrl": "postgres://a:b@c/d"}}),
            "secrets.platformUrl has no place",
        ),
        (json!({}), json!({}), "there is no master key"),
        (json!({}), json!({}), "there is no platform database"),
        (
            plain(),
            json!({"secrets": {"existingSecret": "x"}}),
            "secrets.existingSecret excludes",
        ),
        (
            plain(),
            json!({"secrets": {"masterKey": "12345"}}),
            "secrets.masterKey must be 64 hexadecimal digits",
        ),
        (
            plain(),
            json!({"secrets": {"masterKey": "a".repeat(64)}}),
            "is one digit repeated",
        ),
        (
            plain(),
            json!({"secrets": {"platformUrl": "sqlite:///data/x.db"}}),
            "secrets.platformUrl must be postgres://",
        ),
        (
            plain(),
            json!({"secrets": {"databases": {"main": "db"}}}),
            "secrets.databases.main must be postgres://",
        ),
        (
            plain(),
            json!({"settings": {"databases": {"eu": {"pool_size": 2}}}}),
            "secrets.databases.eu must be postgres://",
        ),
        (
            plain(),
            json!({"autoscaling": {"minReplicas": 7}}),
            "must not be above autoscaling.maxReplicas",
        ),
        (
            plain(),
            json!({"ingress": {"enabled": true}}),
            "settings.server.public_url must be the address",
        ),
        (
            plain(),
            json!({"ingress": {"enabled": true}}),
            "trusted_proxies must name the networks",
        ),
        (
            plain(),
            json!({"ingress": {"enabled": true}}),
            "the Ingress has no host",
        ),
        (
            plain(),
            json!({"httpRoute": {"enabled": true}}),
            "the HTTPRoute has no host",
        ),
        (
            plain(),
            json!({"httpRoute": {"enabled": true}}),
            "the HTTPRoute belongs to no Gateway",
        ),
        (
            plain(),
            json!({"settings": {"server": {"trusted_proxies": ["0.0.0.0/0"]}}}),
            "would trust everybody",
        ),
        (
            plain(),
            json!({"resources": {"limits": {"cpu": ""}}}),
            "set resources.limits.cpu or settings.hashing.threads",
        ),
        (
            plain(),
            json!({"terminationGracePeriodSeconds": 30}),
            "is 30, but a graceful stop may take 66 s",
        ),
        (
            plain(),
            json!({"serviceMonitor": {"enabled": true}}),
            "networkPolicy.operatorsFrom must let Prometheus in",
        ),
        (
            plain(),
            json!({"extraEnv": [{"name": "ENROLL__PLATFORM__URL", "value": "x"}]}),
            "is set by the chart",
        ),
        // What no value of this name may be.
        (
            plain(),
            json!({"replicas": 3}),
            "additional properties 'replicas' not allowed",
        ),
        (
            plain(),
            json!({"image": {"name": "x"}}),
            "additional properties 'name' not allowed",
        ),
        (
            plain(),
            json!({"replicaCount": "2"}),
            "got string, want integer",
        ),
        (plain(), json!({"replicaCount": 1000}), "/replicaCount"),
        (
            plain(),
            json!({"storage": {"kind": "mongodb"}}),
            "/storage/kind",
        ),
        (
            plain(),
            json!({"settings": {"server": {"base_domain": "Join_Us"}}}),
            "/settings/server/base_domain",
        ),
        (
            plain(),
            json!({"settings": {"server": {"base_domain": "join.example.com:8080"}}}),
            "/settings/server/base_domain",
        ),
        (
            plain(),
            json!({"settings": {"server": {"public_url": "join.example.com"}}}),
            "/settings/server/public_url",
        ),
        (
            plain(),
            json!({"settings": {"server": {"trusted_proxies": ["10.0.0.1"]}}}),
            "/settings/server/trusted_proxies",
        ),
        (
            plain(),
            json!({"settings": {"server": {"public_listen": "0.0.0.0:1"}}}),
            "'public_listen' not allowed",
        ),
        (
            plain(),
            json!({"settings": {"platform": {"url": "postgres://a:b@c/d"}}}),
            "'url' not allowed",
        ),
        (
            plain(),
            json!({"settings": {"hashing": {"thread": 2}}}),
            "'thread' not allowed",
        ),
        (
            plain(),
            json!({"settings": {"hashing": {"memory_kib": 1.5}}}),
            "/settings/hashing/memory_kib",
        ),
        (
            plain(),
            json!({"settings": {"databases": {"a__b": {}}}}),
            "invalid propertyName 'a__b'",
        ),
        (
            plain(),
            json!({"secrets": {"databases": {"A": "postgres://a:b@c/d"}}}),
            "invalid propertyName 'A'",
        ),
        (plain(), json!({"preStopSeconds": 0}), "/preStopSeconds"),
        (
            plain(),
            json!({"commonLabels": {"app.kubernetes.io/name": "x"}}),
            "app.kubernetes.io/name",
        ),
        (
            plain(),
            json!({"podSecurityContext": {"runAsUser": 0}}),
            "'podSecurityContext' not allowed",
        ),
        (
            plain(),
            json!({"resources": {"requests": {"cpu": ""}}}),
            "/resources/requests/cpu",
        ),
        (
            plain(),
            json!({"resources": {"limits": {"cpu": "0m"}}}),
            "/resources/limits/cpu",
        ),
        (
            plain(),
            json!({"service": {"port": 70000}}),
            "/service/port",
        ),
        (
            plain(),
            json!({"podDisruptionBudget": {"maxUnavailable": 0}}),
            "/podDisruptionBudget/maxUnavailable",
        ),
        (
            plain(),
            json!({"ingress": {"hashByHost": "traefik"}}),
            "/ingress/hashByHost",
        ),
        (
            plain(),
            json!({"settings": {"server": exposed}, "httpRoute": route, "networkPolicy": {"publicFrom": [{}]}}),
            "/networkPolicy/publicFrom",
        ),
    ];
    for (base, patch, told) in &cases {
        let mut values = base.clone();
        lay(&mut values, patch);
        let refused = tools.render(&values).expect_err(&patch.to_string());
        assert!(refused.contains(told), "{patch}: {refused}");
        let shown = refused.contains(matrix::PASSWORD) || refused.contains(matrix::MASTER_KEY);
        assert!(!shown, "{patch} shows a secret: {refused}");
    }
    println!("{} refusals", cases.len());
}

#[test]
fn pods_are_made_anew_for_new_settings_and_secrets_alone() {
    let Some(tools) = Tools::find() else { return };
    let template = |patch: Value| {
        let mut values = plain();
        lay(&mut values, &patch);
        let objects = tools.objects(&values);
        let mut deployments = objects
            .into_iter()
            .filter(|object| object["kind"] == "Deployment");
        deployments.next().expect("a Deployment")["spec"]["template"].take()
    };
    let before = template(json!({}));
    assert_eq!(
        before,
        template(json!({"replicaCount": 7, "podDisruptionBudget": {"maxUnavailable": 2}}))
    );
    assert_ne!(
        before,
        template(json!({"settings": {"hashing": {"queue": 100}}}))
    );
    assert_ne!(
        before,
        template(json!({"secrets": {"platformUrl": "postgres://a:b@other/platform"}}))
    );
}

/// A variable of the image would stand over enroll.toml.
#[test]
fn whatever_the_image_sets_for_itself_the_chart_sets() {
    let Some(tools) = Tools::find() else { return };
    let mut values = plain();
    lay(
        &mut values,
        &json!({"listenAddress": "::", "settings": {"telemetry": {"log_format": "pretty"}}}),
    );
    let objects = tools.objects(&values);
    let image = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile"));
    let image = image.expect("the Dockerfile");
    let words = image.split(|mark: char| mark.is_whitespace());
    let set: BTreeSet<&str> = words
        .filter(|word| word.starts_with("ENROLL__"))
        .filter_map(|word| Some(word.split_once('=')?.0))
        .collect();
    assert!(set.len() >= 4, "{set:?}");
    for kind in ["Deployment", "Job"] {
        let object = objects
            .iter()
            .find(|object| object["kind"] == kind)
            .expect(kind);
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        for name in &set {
            assert_ne!(variable(container, name), "", "{name} of {kind}");
        }
        for (name, value) in [
            ("SERVER__PUBLIC_LISTEN", "[::]:8080"),
            ("TELEMETRY__LOG_FORMAT", "pretty"),
        ] {
            assert_eq!(variable(container, &format!("ENROLL__{name}")), value);
        }
    }
}

/// A container of a rendering, as the program meets it: its settings file, its variables with the secrets in them, and
/// its mounts as folders of this machine.
struct Container {
    folder: TempDir,
    objects: Vec<Value>,
    environment: BTreeMap<String, String>,
}

impl Container {
    /// The server's container. Only what no test can have is put elsewhere: fixed ports and paths from the root on.
    fn of(objects: Vec<Value>) -> Self {
        let folder = TempDir::with_prefix("enroll-pod-").expect("a temporary folder");
        let named = |kind: &str, name: &Value| -> Value {
            let mut all = objects.iter();
            let found = all.find(|each| each["kind"] == kind && each["metadata"]["name"] == *name);
            found
                .unwrap_or_else(|| panic!("there is no {kind} {name}"))
                .clone()
        };
        let mut all = objects.iter();
        let server = all
            .find(|each| each["kind"] == "Deployment")
            .expect("a Deployment");
        let pod = &server["spec"]["template"]["spec"];
        let mut environment = BTreeMap::new();
        for variable in pod["containers"][0]["env"].as_array().expect("variables") {
            let secret = &variable["valueFrom"]["secretKeyRef"];
            let value = match variable["value"].as_str() {
                Some(value) => value.to_owned(),
                None => {
                    let key = secret["key"].as_str().expect("a key");
                    let value = named("Secret", &secret["name"])["stringData"][key].take();
                    value.as_str().expect("a secret").to_owned()
                }
            };
            environment.insert(variable["name"].as_str().expect("a name").to_owned(), value);
        }
        let config = named("ConfigMap", &pod["volumes"][0]["configMap"]["name"]);
        let secret = named("Secret", &pod["volumes"][1]["secret"]["secretName"]);
        let place = |name: &str, text: &Value| {
            let path = folder.path().join(name);
            std::fs::write(&path, text.as_str().expect("text")).expect("a file");
            path.to_str().expect("UTF-8").to_owned()
        };
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set(
            "ENROLL_CONFIG",
            place("enroll.toml", &config["data"]["enroll.toml"]),
        );
        let key = place("master-key", &secret["stringData"]["master-key"]);
        set("ENROLL__SECRETS__MASTER_KEY_FILE", key);
        let data = folder
            .path()
            .join("data")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        set("ENROLL__DATA__DIR", data);
        set("ENROLL__SERVER__PUBLIC_LISTEN", "127.0.0.1:0".to_owned());
        set("ENROLL__SERVER__ADMIN_LISTEN", "127.0.0.1:0".to_owned());
        Self {
            folder,
            objects,
            environment,
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Leaves a path of the program's own choice without a folder that could be made.
    fn deny_data(&mut self) {
        let file = self.folder.path().join("enroll.toml/data");
        self.set("ENROLL__DATA__DIR", file.to_str().expect("UTF-8"));
    }

    fn server(&self) -> &Value {
        let mut all = self.objects.iter();
        let server = all.find(|each| each["kind"] == "Deployment");
        &server.expect("a Deployment")["spec"]["template"]["spec"]
    }

    async fn run(&self, arguments: &[&str]) -> Outcome {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        enroll(arguments, &environment, "").await
    }

    /// Starts the server; gives it with the addresses of its listeners.
    async fn serve(&self) -> (Process, SocketAddr, SocketAddr) {
        let mut process = Process::spawn(&["serve"], &self.environment);
        let listening = |process: &Process| -> Option<Value> {
            let stdout = process.stdout();
            let (line, _) = stdout.split_once('\n')?;
            serde_json::from_str(line).ok()
        };
        let event = process.wait_until(Duration::from_secs(30), listening).await;
        let address = |name: &str| event[name].as_str().and_then(|text| text.parse().ok());
        (
            process,
            address("public").expect("an address"),
            address("admin").expect("an address"),
        )
    }
}

/// MiB in a finding of the doctor such as "up to 448 MiB of memory may be needed".
fn number_before(text: &str, what: &str) -> i64 {
    let before = text
        .split(what)
        .next()
        .and_then(|before| before.rsplit(' ').next());
    before
        .and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no number before {what} in {text}"))
}

#[tokio::test]
async fn the_program_takes_the_settings_of_every_combination_and_agrees_on_threads_and_memory() {
    let Some(tools) = Tools::find() else { return };
    let mut looked_at = 0;
    for each in combinations() {
        // An existing Secret is not there to be read; all else of such a combination is in others.
        if each.values["secrets"]["existingSecret"].is_string() {
            continue;
        }
        let mut container = Container::of(tools.objects(&each.values));
        // No database server is asked here: what counts is whether the settings stand.
        container
            .environment
            .retain(|name, _| name != "ENROLL__PLATFORM__URL");
        let config = PathBuf::from(&container.environment["ENROLL_CONFIG"]);
        let text = std::fs::read_to_string(&config).expect("the settings");
        let parsed = settings(&json!({"data": {"enroll.toml": text}}));
        for (name, port) in [("PUBLIC", 8080), ("ADMIN", 9090)] {
            let name = format!("ENROLL__SERVER__{name}_LISTEN");
            let address = variable(&container.server()["containers"][0], &name);
            let address: SocketAddr = address.parse().expect("an address with a port");
            assert!(
                address.ip().is_unspecified() && address.port() == port,
                "{address}"
            );
        }
        let limits = &container.server()["containers"][0]["resources"]["limits"];
        let memory = limits["memory"].as_str().expect("memory").to_owned();
        let report = container.run(&["doctor", "--json"]).await;
        let report: Value = serde_json::from_str(&report.stdout)
            .unwrap_or_else(|error| panic!("{error}: {report:?}"));
        let findings: Vec<&str> = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|finding| finding["text"].as_str())
            .collect();
        let find = |what: &str| {
            let found = findings.iter().find(|text| text.contains(what));
            *found.unwrap_or_else(|| panic!("{}: no finding has {what}: {findings:?}", each.name))
        };
        find("all settings can stand");
        let threads = parsed["hashing"]["threads"].as_i64();
        let told = number_before(find("hashing threads on the"), " hashing threads");
        assert_eq!(threads, Some(told), "{}", each.name);
        if each.values["resources"]["limits"]["memory"].is_null() {
            let needed = number_before(find("of memory may be needed"), " MiB of memory");
            let given: i64 = memory
                .strip_suffix("Mi")
                .and_then(|number| number.parse().ok())
                .expect("MiB");
            let files = match each.values["storage"]["kind"].as_str() {
                Some("sqlite") => 2 * each.values["storage"]["filesAtWork"].as_i64().unwrap_or(32),
                _ => 0,
            };
            // The doctor rounds down, the chart up.
            let spare = given - needed - files;
            assert!(
                (0..=1).contains(&spare),
                "{}: {given} MiB for {needed} and {files}",
                each.name
            );
        }
        looked_at += 1;
    }
    assert!(looked_at >= 20, "{looked_at} combinations");
    println!("the program took the settings of {looked_at} combinations");
}

/// What a pod whose databases are migrated goes through: probed, scraped, asked, and stopped within its time.
async fn lives_through(container: &Container, database: Option<&str>) {
    let made = container
        .run(&["admin", "token", "create", "--name", "test", "--json"])
        .await
        .json();
    let token = made["token"].as_str().expect("a token").to_owned();
    let (mut process, public, operators) = container.serve().await;
    let spec = container.server().clone();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let path = spec["containers"][0][probe]["httpGet"]["path"]
            .as_str()
            .expect("a path")
            .to_owned();
        until(probe, async || {
            let answer = Request::new("GET", &path).send(operators).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }
    let metrics = Request::new("GET", "/metrics").send(operators).await;
    assert!(metrics.text().contains("enroll_ready 1"), "{metrics:?}");
    let doctor = container.run(&["doctor"]).await;
    assert!(matches!(doctor.code, 0 | 3), "{doctor:?}");
    let bearer = format!("Bearer {token}");
    let create = async |key: &str, placement: Value| {
        let attributes = json!({"key": key, "placement": placement});
        let body = json!({"data": {"type": "tenants", "attributes": attributes}});
        let call = Request::new("POST", "/admin/v1/tenants").header("Authorization", &bearer);
        call.json(&body).send(operators).await.expect(201);
    };
    let ada = json!({"username": "ada", "password": "correct-horse-42"});
    create("file", json!({"kind": "own"})).await;
    let answer = Request::register("file", ada.clone()).send(public).await;
    match database {
        None => drop(answer.expect(200)),
        // Nothing is answered for that would be gone with the pod.
        Some(name) => {
            assert_eq!(answer.status, 503, "{answer:?}");
            create("shared", json!({"kind": "shared", "database": name})).await;
            Request::register("shared", ada)
                .send(public)
                .await
                .expect(200);
        }
    }
    let begun = Instant::now();
    process.sigterm();
    let granted = spec["terminationGracePeriodSeconds"]
        .as_u64()
        .expect("seconds");
    let status = process.wait_exit(Duration::from_secs(granted)).await;
    assert!(status.success(), "{status}");
    println!(
        "stopped after {:?}, {granted} s are granted",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_pod_on_a_volume_lives_through_its_day() {
    let Some(tools) = Tools::find() else { return };
    let container = Container::of(tools.objects(&sqlite()));
    container.run(&["migrate"]).await.well();
    lives_through(&container, None).await;
}

#[tokio::test]
async fn a_pod_on_a_database_server_lives_through_its_day_and_writes_no_file() {
    let Some(tools) = Tools::find() else { return };
    let (platform, main) = (
        TestDatabase::create(Backend::Postgres).await,
        TestDatabase::create(Backend::Postgres).await,
    );
    let mut values = plain();
    let urls = json!({"platformUrl": platform.url(), "databases": {"main": main.url()}});
    lay(&mut values, &json!({"secrets": urls}));
    let mut container = Container::of(tools.objects(&values));
    // The Job has a folder for this, the server has none.
    container.run(&["migrate"]).await.well();
    container.deny_data();
    lives_through(&container, Some("main")).await;
}
