//! What must hold for the objects of any values: who pods are and what they may do, and that names, labels, ports and
//! references meet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::matrix::{MASTER_KEY, PASSWORD};
use super::tools::NAMESPACE;

/// The objects of one rendering, and what is wrong with them.
pub(super) struct Objects<'a> {
    name: &'a str,
    values: &'a Value,
    all: &'a [Value],
    faults: Vec<String>,
}

/// A part of an object, or null.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> i64 {
    at(value, pointer).as_i64().unwrap_or(-1)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// Whether labels have all that a selector asks for; an empty selector, which would take everything, does not count.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
    })
}

/// The value of a container's variable; empty where it has none, or where it comes from a Secret.
pub(super) fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let mut all = list(container, "/env").iter();
    all.find(|each| each["name"] == name)
        .map_or("", |each| text(each, "/value"))
}

/// MiB of a quantity that the chart writes.
fn mebibytes(quantity: &str) -> i64 {
    let parse = |number: &str| number.parse::<i64>().ok();
    let mebi = quantity.strip_suffix("Mi").and_then(parse);
    let gibi = quantity.strip_suffix("Gi").and_then(parse);
    mebi.or(gibi.map(|number| number * 1024)).unwrap_or(-1)
}

/// The pod of an object that has one.
fn pod(object: &Value) -> Option<&Value> {
    match text(object, "/kind") {
        "Deployment" | "Job" => object.pointer("/spec/template"),
        "Pod" => Some(object),
        _ => None,
    }
}

/// The settings in a ConfigMap.
pub(super) fn settings(config: &Value) -> Value {
    let parsed: toml::Table =
        toml::from_str(text(config, "/data/enroll.toml")).expect("enroll.toml is TOML");
    serde_json::to_value(parsed).expect("JSON")
}

impl<'a> Objects<'a> {
    /// Looks at everything; gives the faults.
    pub(super) fn judge(name: &'a str, values: &'a Value, all: &'a [Value]) -> Vec<String> {
        let mut objects = Self {
            name,
            values,
            all,
            faults: Vec::new(),
        };
        objects.identities();
        objects.secrets_stay_in_secrets();
        for object in all {
            if let Some(pod) = pod(object) {
                objects.pod_is_confined(object, pod);
                objects.references_meet(object, pod);
            }
        }
        objects.deployment();
        objects.graceful_stop();
        objects.threads_and_memory();
        objects.migration();
        objects.services();
        objects.ways_in();
        objects.network();
        objects.beside();
        objects.watching();
        objects.faults
    }

    /// Looks for secrets outside of Secrets alone: for objects that are too broken for the rest.
    pub(super) fn shown_secrets(all: &'a [Value]) -> Vec<String> {
        let mut objects = Self {
            name: "",
            values: &Value::Null,
            all,
            faults: Vec::new(),
        };
        objects.secrets_stay_in_secrets();
        objects.faults
    }

    fn expect(&mut self, holds: bool, what: impl AsRef<str>) {
        if !holds {
            self.faults
                .push(format!("{}: {}", self.name, what.as_ref()));
        }
    }

    fn of_kind(&self, kind: &str) -> Vec<&'a Value> {
        let same = self.all.iter().filter(|each| each["kind"] == kind);
        same.collect()
    }

    fn named(&self, kind: &str, name: &str) -> Option<&'a Value> {
        let mut same = self.of_kind(kind).into_iter();
        same.find(|each| text(each, "/metadata/name") == name)
    }

    fn server(&self) -> &'a Value {
        self.of_kind("Deployment")
            .first()
            .copied()
            .unwrap_or(&Value::Null)
    }

    fn name(&self) -> &'a str {
        text(self.server(), "/metadata/name")
    }

    fn pod_labels(&self) -> &'a Value {
        at(self.server(), "/spec/template/metadata/labels")
    }

    fn given(&self, pointer: &str) -> &'a Value {
        at(self.values, pointer)
    }

    fn on_sqlite(&self) -> bool {
        self.given("/storage/kind") == "sqlite"
    }

    fn identities(&mut self) {
        let mut seen = BTreeSet::new();
        for object in self.all {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            self.expect(
                seen.insert((kind, name)),
                format!("{kind} {name} stands twice"),
            );
            self.expect((1..=63).contains(&name.len()), format!("the name {name}"));
            let labels = at(object, "/metadata/labels");
            for label in ["name", "instance", "component", "version", "managed-by"] {
                let value = &labels[format!("app.kubernetes.io/{label}")];
                self.expect(value.is_string(), format!("{kind} {name} lacks {label}"));
            }
            let common = self.given("/commonLabels");
            self.expect(
                common.is_null() || selects(common, labels),
                format!("{kind} {name} lacks the common labels"),
            );
            self.expect(
                object.pointer("/metadata/namespace").is_none(),
                "a fixed namespace",
            );
        }
        self.expect(self.of_kind("Deployment").len() == 1, "not one Deployment");
    }

    fn secrets_stay_in_secrets(&mut self) {
        for object in self.all {
            let kind = text(object, "/kind");
            let whole = object.to_string();
            let shows = whole.contains(MASTER_KEY) || whole.contains(PASSWORD);
            self.expect(kind == "Secret" || !shows, format!("{kind} shows a secret"));
            let given = self.given("/secrets/existingSecret").is_string();
            self.expect(
                kind != "Secret" || !given,
                "a Secret beside the existing one",
            );
        }
    }

    /// What the level "restricted" of Kubernetes' pod security standards asks for, and more.
    fn pod_is_confined(&mut self, object: &Value, pod: &Value) {
        let kind = text(object, "/kind");
        let spec = &pod["spec"];
        let mut must =
            |holds: bool, what: &str| self.expect(holds, format!("pod of {kind}: {what}"));
        let security = &spec["securityContext"];
        must(security["runAsNonRoot"] == true, "may run as root");
        must(security["runAsUser"] == 65532, "its user");
        must(
            security["seccompProfile"]["type"] == "RuntimeDefault",
            "seccomp",
        );
        must(
            spec["automountServiceAccountToken"] == false,
            "gets a token of the cluster",
        );
        must(
            spec["enableServiceLinks"] == false,
            "gets variables of other Services",
        );
        for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            must(spec[shared].is_null(), shared);
        }
        for volume in list(spec, "/volumes") {
            let kinds = ["configMap", "secret", "emptyDir", "persistentVolumeClaim"];
            must(
                kinds.iter().any(|kind| !volume[kind].is_null()),
                "a kind of volume",
            );
            let bounded =
                volume["emptyDir"].is_null() || volume["emptyDir"]["sizeLimit"].is_string();
            must(bounded, "a folder without a bound");
        }
        let containers = [list(spec, "/initContainers"), list(spec, "/containers")].concat();
        must(!containers.is_empty(), "no container");
        for container in &containers {
            let security = &container["securityContext"];
            must(
                security["runAsNonRoot"] == true,
                "a container may run as root",
            );
            must(
                security["readOnlyRootFilesystem"] == true,
                "a writable root",
            );
            must(
                security["allowPrivilegeEscalation"] == false,
                "may gain privileges",
            );
            must(security["privileged"] == false, "is privileged");
            must(
                security["capabilities"] == json!({"drop": ["ALL"]}),
                "capabilities",
            );
            must(
                security["seccompProfile"]["type"] == "RuntimeDefault",
                "a container's seccomp",
            );
            let image = text(container, "/image");
            let last = image.rsplit('/').next().unwrap_or_default();
            must(
                last.contains(':') && !last.ends_with(':'),
                "an image without tag or digest",
            );
            let resources = &container["resources"];
            must(resources["requests"]["cpu"].is_string(), "asks for no CPU");
            let (asked, most) = (
                text(resources, "/requests/memory"),
                text(resources, "/limits/memory"),
            );
            must(
                mebibytes(asked) > 0 && mebibytes(asked) <= mebibytes(most),
                "memory",
            );
            let mounts = list(container, "/volumeMounts").iter();
            let writable = mounts.filter(|mount| mount["readOnly"] != true);
            for mount in writable {
                let path = text(mount, "/mountPath");
                must(
                    ["/var/lib/enroll", "/tmp"].contains(&path),
                    "writes elsewhere",
                );
            }
        }
    }

    /// Every Secret, ConfigMap, claim, account and key that a pod names is there when the pod starts.
    fn references_meet(&mut self, object: &Value, pod: &Value) {
        let kind = text(object, "/kind");
        let existing = self.given("/secrets/existingSecret").as_str();
        let spec = &pod["spec"];
        // A hook before the release sees only hooks that come earlier, and a test sees everything.
        let weight = |each: &Value| {
            text(each, "/metadata/annotations/helm.sh~1hook-weight")
                .parse::<i64>()
                .ok()
        };
        let early = |each: &Value| !text(each, "/metadata/annotations/helm.sh~1hook").is_empty();
        let is_there = |found: &Value| match kind {
            "Job" => early(found) && weight(found) < weight(object),
            _ => !early(found),
        };
        let holds = |of: &str, name: &str, key: &str| {
            let found = self.named(of, name).filter(|found| is_there(found));
            let data = found.and_then(|found| {
                found["stringData"][key]
                    .as_str()
                    .or(found["data"][key].as_str())
            });
            data.is_some() || (of == "Secret" && existing == Some(name))
        };
        let mut faults = Vec::new();
        for volume in list(spec, "/volumes") {
            let config = text(volume, "/configMap/name");
            if !config.is_empty() && !holds("ConfigMap", config, "enroll.toml") {
                faults.push(format!("there is no ConfigMap {config}"));
            }
            let secret = text(volume, "/secret/secretName");
            if !secret.is_empty() && !holds("Secret", secret, "master-key") {
                faults.push(format!("there is no Secret {secret} with the master key"));
            }
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            let given = self.given("/storage/existingClaim") == claim;
            if !claim.is_empty() && !given && self.named("PersistentVolumeClaim", claim).is_none() {
                faults.push(format!("there is no claim {claim}"));
            }
        }
        let containers = [list(spec, "/initContainers"), list(spec, "/containers")].concat();
        for container in &containers {
            let mut names = BTreeSet::new();
            for variable in list(container, "/env") {
                if !names.insert(text(variable, "/name")) {
                    faults.push(format!("{variable} stands twice"));
                }
                let secret = at(variable, "/valueFrom/secretKeyRef");
                let (name, key) = (text(secret, "/name"), text(secret, "/key"));
                if !secret.is_null() && !holds("Secret", name, key) {
                    faults.push(format!("there is no {key} in the Secret {name}"));
                }
            }
            for mount in list(container, "/volumeMounts") {
                let mut volumes = list(spec, "/volumes").iter();
                if !volumes.any(|volume| volume["name"] == mount["name"]) {
                    faults.push(format!("there is no volume for {mount}"));
                }
            }
        }
        let account = text(spec, "/serviceAccountName");
        let made = self.named("ServiceAccount", account).is_some() && kind != "Job";
        let given = [self.given("/serviceAccount/name").as_str(), Some("default")];
        if !account.is_empty() && !made && !given.contains(&Some(account)) {
            faults.push(format!("there is no ServiceAccount {account}"));
        }
        for fault in faults {
            self.expect(false, format!("pod of {kind}: {fault}"));
        }
    }

    fn deployment(&mut self) {
        let server = self.server();
        let spec = &server["spec"];
        self.expect(
            selects(at(spec, "/selector/matchLabels"), self.pod_labels()),
            "the Deployment does not select its pods",
        );
        let scaled = self.given("/autoscaling/enabled") == true;
        self.expect(
            spec["replicas"].is_null() == scaled,
            "replicas beside the autoscaler",
        );
        let volumes = list(spec, "/template/spec/volumes");
        let mut mounts = list(spec, "/template/spec/containers/0/volumeMounts").iter();
        let data = mounts.find(|mount| mount["mountPath"] == "/var/lib/enroll");
        if self.on_sqlite() {
            self.expect(
                number(spec, "/replicas") <= 1,
                "several pods on one SQLite file",
            );
            self.expect(
                spec["strategy"] == json!({"type": "Recreate"}),
                "the strategy on SQLite",
            );
            let mut claims = volumes
                .iter()
                .map(|volume| text(volume, "/persistentVolumeClaim/claimName"));
            self.expect(
                claims.any(|claim| !claim.is_empty()),
                "no volume for the files",
            );
        } else {
            self.expect(
                spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0,
                "the strategy",
            );
            // Else an SQLite file of a tenant would be answered for, and be gone with the pod.
            let mut mounts = list(spec, "/template/spec/containers/0/volumeMounts").iter();
            self.expect(
                mounts.all(|mount| mount["readOnly"] == true) && data.is_some(),
                "a folder that goes with the pod",
            );
        }
        let container = at(spec, "/template/spec/containers/0");
        for (probe, path) in [
            ("startup", "/livez"),
            ("liveness", "/livez"),
            ("readiness", "/readyz"),
        ] {
            let asked = &container[format!("{probe}Probe")]["httpGet"];
            self.expect(
                asked["path"] == path && asked["port"] == "operators",
                format!("the {probe} probe"),
            );
        }
        let constraints = list(spec, "/template/spec/topologySpreadConstraints");
        let spread = self.given("/topologySpread/enabled") != false;
        let select =
            |each: &Value| selects(at(each, "/labelSelector/matchLabels"), self.pod_labels());
        let spread_well =
            constraints.iter().all(select) && constraints.len() == if spread { 2 } else { 0 };
        self.expect(spread_well, "pods are not spread");
        let labels = self.given("/podLabels");
        let labelled = labels.is_null() || selects(labels, self.pod_labels());
        self.expect(labelled, "the labels of pods");
    }

    /// The time until a pod is killed is that of docs/operations.md, "Stop", with all its longest waits.
    fn graceful_stop(&mut self) {
        let spec = at(self.server(), "/spec/template/spec");
        let sleep = number(spec, "/containers/0/lifecycle/preStop/sleep/seconds");
        let settings = self.server_settings();
        let milliseconds =
            |key: &str, or: i64| settings.pointer(key).and_then(Value::as_i64).unwrap_or(or);
        let request = milliseconds("/server/request_timeout_ms", 10_000);
        let stop = milliseconds("/shutdown/not_ready_ms", -1)
            + milliseconds("/shutdown/grace_ms", -1)
            // A tenant: what runs, then its end, 2 s longer than a request each.
            + 2 * (request + 2000)
            // The last usage, and the operators' listener.
            + 5000
            + 1000;
        let granted = number(spec, "/terminationGracePeriodSeconds") * 1000;
        self.expect(sleep > 0, "no wait before SIGTERM");
        let enough = granted >= sleep * 1000 + stop;
        self.expect(
            enough,
            format!("{granted} ms are granted for {sleep} s and {stop} ms"),
        );
        let close = granted <= sleep * 1000 + stop + 5000;
        self.expect(
            close,
            format!("{granted} ms are more than {sleep} s and {stop} ms"),
        );
    }

    fn server_settings(&self) -> Value {
        self.named("ConfigMap", self.name())
            .map(settings)
            .unwrap_or_default()
    }

    fn threads_and_memory(&mut self) {
        let resources = at(self.server(), "/spec/template/spec/containers/0/resources");
        let settings = self.server_settings();
        let cpu = text(resources, "/limits/cpu");
        let cores = match cpu.strip_suffix('m') {
            Some(milli) => milli.parse::<i64>().ok().map(|milli| (milli / 1000).max(1)),
            None => cpu.parse().ok(),
        };
        for (pointer, section) in [
            ("/hashing/threads", "hashing"),
            ("/tenants/arbiters", "tenants"),
            ("/server/workers", "server"),
        ] {
            let given = self.given(&format!("/settings{pointer}")).as_i64();
            let wanted = given.or(cores);
            let found = settings.pointer(pointer).and_then(Value::as_i64);
            self.expect(
                found == wanted,
                format!("threads of {section}: {found:?} for {wanted:?}"),
            );
        }
        let given = self.given("/resources/limits/memory").as_str();
        if let Some(given) = given {
            self.expect(resources["limits"]["memory"] == given, "the given memory");
        } else {
            let same = resources["requests"]["memory"] == resources["limits"]["memory"];
            self.expect(same, "memory that a node may lack");
        }
    }

    fn migration(&mut self) {
        let wanted = self.given("/migration/enabled") != false;
        let jobs = self.of_kind("Job");
        let before = list(self.server(), "/spec/template/spec/initContainers");
        self.expect(
            jobs.len() == usize::from(wanted && !self.on_sqlite()),
            "the Job",
        );
        self.expect(
            before.len() == usize::from(wanted && self.on_sqlite()),
            "the init container",
        );
        let serves = at(self.server(), "/spec/template/spec/containers/0");
        self.expect(
            serves["command"] == json!(["enroll", "serve"]),
            "what serves",
        );
        let container = jobs
            .first()
            .map(|job| at(job, "/spec/template/spec/containers/0"))
            .or(before.first());
        let Some(container) = container else { return };
        self.expect(
            container["command"] == json!(["enroll", "migrate", "--tenants-may-refuse"]),
            "what migrates",
        );
        self.expect(
            container["image"] == serves["image"],
            "another image migrates",
        );
        let names = |container: &Value| -> Vec<String> {
            let variables = list(container, "/env").iter();
            variables
                .map(|each| text(each, "/name").to_owned())
                .collect()
        };
        self.expect(names(container) == names(serves), "other settings migrate");
        let Some(job) = jobs.first() else { return };
        let hook = text(job, "/metadata/annotations/helm.sh~1hook");
        self.expect(hook == "pre-install,pre-upgrade", "when the Job runs");
        self.expect(
            number(job, "/spec/activeDeadlineSeconds") > 0,
            "a Job without an end",
        );
        let config = text(job, "/spec/template/spec/volumes/0/configMap/name");
        let theirs = self.named("ConfigMap", config).map(settings);
        self.expect(
            theirs == Some(self.server_settings()),
            "settings of the Job",
        );
    }

    fn services(&mut self) {
        let services = self.of_kind("Service");
        self.expect(services.len() == 2, "not two Services");
        let container = at(self.server(), "/spec/template/spec/containers/0");
        for (name, listener, listen) in [
            (
                self.name().to_owned(),
                "public",
                "ENROLL__SERVER__PUBLIC_LISTEN",
            ),
            (
                format!("{}-operators", self.name()),
                "operators",
                "ENROLL__SERVER__ADMIN_LISTEN",
            ),
        ] {
            let Some(service) = self.named("Service", &name) else {
                self.expect(false, format!("there is no Service {name}"));
                continue;
            };
            for object in self.all {
                let Some(pod) = pod(object) else { continue };
                let selected = selects(at(service, "/spec/selector"), at(pod, "/metadata/labels"));
                let wanted = object["kind"] == "Deployment";
                self.expect(
                    selected == wanted,
                    format!("{name} and the pod of {}", object["kind"]),
                );
            }
            let ports = list(service, "/spec/ports");
            self.expect(ports.len() == 1, format!("ports of {name}"));
            let target = at(service, "/spec/ports/0/targetPort");
            self.expect(target == listener, format!("{name} leads to {target}"));
            let mut ports = list(container, "/ports").iter();
            let port = ports
                .find(|port| port["name"] == *target)
                .map(|port| number(port, "/containerPort"));
            let address = variable(container, listen);
            let listens = address
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok());
            self.expect(
                port.is_some() && port == listens,
                format!("{name}: {port:?} for {address}"),
            );
            let public = listener == "public" || service["spec"]["type"] == "ClusterIP";
            self.expect(public, "the operators' Service can be reached from outside");
        }
    }

    /// Ingress and HTTPRoute lead to the public listener and nowhere else.
    fn ways_in(&mut self) {
        for (kind, key) in [("Ingress", "ingress"), ("HTTPRoute", "httpRoute")] {
            let wanted = self.given(&format!("/{key}/enabled")) == true;
            self.expect(self.of_kind(kind).len() == usize::from(wanted), kind);
        }
        let mut hosts = BTreeSet::new();
        for ingress in self.of_kind("Ingress") {
            for rule in list(ingress, "/spec/rules") {
                hosts.insert(text(rule, "/host").to_owned());
                for path in list(rule, "/http/paths") {
                    let backend = at(path, "/backend/service");
                    self.expect(
                        backend["name"] == self.name() && backend["port"]["name"] == "public",
                        "the Ingress leads elsewhere",
                    );
                }
            }
            let secured: BTreeSet<&str> = list(ingress, "/spec/tls/0/hosts")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let all = hosts.iter().all(|host| secured.contains(host.as_str()));
            let given = self.given("/ingress/tlsSecretName").is_string();
            self.expect(all == given, "hosts with TLS");
            let hashed = at(
                ingress,
                "/metadata/annotations/nginx.ingress.kubernetes.io~1upstream-hash-by",
            );
            let wanted = self.given("/ingress/hashByHost") == "ingress-nginx";
            self.expect((hashed == "$host") == wanted, "hashing by the Ingress");
        }
        for route in self.of_kind("HTTPRoute") {
            hosts.extend(
                list(route, "/spec/hostnames")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
            let backend = at(route, "/spec/rules/0/backendRefs/0");
            let service = self.named("Service", self.name()).unwrap_or(&Value::Null);
            let port = at(service, "/spec/ports/0/port");
            let leads = backend["name"] == self.name() && backend["port"] == *port;
            self.expect(leads, "the HTTPRoute leads elsewhere");
        }
        let policies = self.of_kind("BackendTrafficPolicy");
        let wanted = self.given("/httpRoute/hashByHost") == "envoy-gateway";
        self.expect(
            policies.len() == usize::from(wanted),
            "hashing by the Gateway",
        );
        for policy in policies {
            let target = text(policy, "/spec/targetRefs/0/name");
            self.expect(
                self.named("HTTPRoute", target).is_some(),
                "the policy's target",
            );
        }
        let any =
            self.given("/ingress/enabled") == true || self.given("/httpRoute/enabled") == true;
        self.expect(hosts.is_empty() != any, "hosts");
    }

    fn network(&mut self) {
        let policies = self.of_kind("NetworkPolicy");
        if self.given("/networkPolicy/enabled") == false {
            return self.expect(
                policies.is_empty(),
                "NetworkPolicies though none are wanted",
            );
        }
        for object in self.all {
            let Some(pod) = pod(object) else { continue };
            let labels = at(pod, "/metadata/labels");
            let over = policies
                .iter()
                .filter(|policy| selects(at(policy, "/spec/podSelector/matchLabels"), labels));
            let over: Vec<&&Value> = over.collect();
            let wanted = usize::from(object["kind"] != "Pod");
            self.expect(
                over.len() == wanted,
                format!("policies of the pod of {}", object["kind"]),
            );
        }
        for policy in &policies {
            let name = text(policy, "/metadata/name");
            self.expect(
                policy["spec"]["policyTypes"] == json!(["Ingress", "Egress"]),
                name,
            );
            for rule in list(policy, "/spec/egress") {
                self.expect(
                    !list(rule, "/ports").is_empty(),
                    format!("{name}: every port is open"),
                );
                for port in list(rule, "/ports") {
                    let to = list(rule, "/to");
                    let cidrs = to
                        .iter()
                        .filter(|peer| peer["ipBlock"]["cidr"] == "0.0.0.0/0");
                    let closed = |peer: &Value| {
                        let except = list(peer, "/ipBlock/except");
                        ["169.254.0.0/16", "10.0.0.0/8"]
                            .iter()
                            .all(|net| except.iter().any(|each| each == net))
                    };
                    let public = !to.is_empty() && cidrs.into_iter().all(closed);
                    self.expect(
                        port["port"] != 443 || public,
                        "HTTPS may go to private addresses",
                    );
                }
            }
        }
        let Some(policy) = self.named("NetworkPolicy", self.name()) else {
            return self.expect(false, "no NetworkPolicy of the server");
        };
        let rules: BTreeMap<&str, &Value> = list(policy, "/spec/ingress")
            .iter()
            .map(|rule| (text(rule, "/ports/0/port"), rule))
            .collect();
        let ports: Vec<&str> = rules.keys().copied().collect();
        self.expect(
            ports == ["operators", "public"],
            format!("open ports: {ports:?}"),
        );
        self.expect(
            rules.values().all(|rule| list(rule, "/ports").len() == 1),
            "a rule for both listeners",
        );
        let from = rules
            .get("operators")
            .map(|rule| list(rule, "/from"))
            .unwrap_or_default();
        let given = self
            .given("/networkPolicy/operatorsFrom")
            .as_array()
            .map_or(0, Vec::len);
        self.expect(
            from.len() == given + 1,
            "who reaches the operators' listener",
        );
        let test = self
            .of_kind("Pod")
            .first()
            .map(|pod| at(pod, "/metadata/labels"));
        let admitted = from.iter().any(|peer| {
            test.is_some_and(|test| selects(at(peer, "/podSelector/matchLabels"), test))
        });
        self.expect(admitted, "the chart's test cannot ask");
        let migration = self.named("NetworkPolicy", &format!("{}-migrate", self.name()));
        let nobody = migration.is_none_or(|policy| policy["spec"]["ingress"].is_null());
        self.expect(nobody, "somebody reaches the migration");
    }

    /// What stands beside the Deployment: autoscaler, disruption budget, volume, account, test.
    fn beside(&mut self) {
        let scalers = self.of_kind("HorizontalPodAutoscaler");
        let wanted = self.given("/autoscaling/enabled") == true;
        self.expect(scalers.len() == usize::from(wanted), "the autoscaler");
        for scaler in scalers {
            let target = at(scaler, "/spec/scaleTargetRef");
            let server = self.server();
            let same = target["kind"] == server["kind"]
                && target["apiVersion"] == server["apiVersion"]
                && target["name"] == self.name();
            self.expect(same, "the autoscaler's target");
            let cpu = at(
                server,
                "/spec/template/spec/containers/0/resources/requests/cpu",
            );
            self.expect(
                cpu.is_string(),
                "nothing to hold the autoscaler's figure against",
            );
        }
        let budgets = self.of_kind("PodDisruptionBudget");
        let wanted = self.given("/podDisruptionBudget/enabled") != false && !self.on_sqlite();
        self.expect(
            budgets.len() == usize::from(wanted),
            "the disruption budget",
        );
        for budget in budgets {
            let selected = selects(at(budget, "/spec/selector/matchLabels"), self.pod_labels());
            self.expect(selected, "the disruption budget selects other pods");
            self.expect(
                number(budget, "/spec/maxUnavailable") >= 1,
                "no node can be drained",
            );
        }
        let claims = self.of_kind("PersistentVolumeClaim");
        let wanted = self.on_sqlite() && !self.given("/storage/existingClaim").is_string();
        self.expect(claims.len() == usize::from(wanted), "the claim");
        for claim in claims {
            let kept = at(claim, "/metadata/annotations/helm.sh~1resource-policy") == "keep";
            self.expect(kept, "uninstalling ends every account");
        }
        let accounts = self.of_kind("ServiceAccount");
        let wanted = self.given("/serviceAccount/create") != false;
        self.expect(accounts.len() == usize::from(wanted), "the account");
        for account in accounts {
            self.expect(
                account["automountServiceAccountToken"] == false,
                "the account's token",
            );
        }
        let tests = self.of_kind("Pod");
        let asked = tests
            .first()
            .map(|pod| at(pod, "/spec/containers/0/command").to_string());
        let service = self.named("Service", &format!("{}-operators", self.name()));
        let port = service.map_or(-1, |service| number(service, "/spec/ports/0/port"));
        let address = format!("http://{}-operators:{port}/readyz", self.name());
        self.expect(
            asked.is_some_and(|asked| asked.contains(&address)),
            "what the test asks",
        );
    }

    fn watching(&mut self) {
        let wanted = self.given("/serviceMonitor/enabled") == true;
        let monitors = self.of_kind("ServiceMonitor");
        self.expect(monitors.len() == usize::from(wanted), "the ServiceMonitor");
        for monitor in monitors {
            let services = self.of_kind("Service").into_iter().filter(|service| {
                selects(
                    at(monitor, "/spec/selector/matchLabels"),
                    at(service, "/metadata/labels"),
                )
            });
            let services: Vec<&Value> = services.collect();
            let one = services.len() == 1 && at(services[0], "/spec/ports/0/name") == "operators";
            self.expect(one, "what is scraped");
            let endpoint = at(monitor, "/spec/endpoints/0");
            let asked = endpoint["port"] == "operators" && endpoint["path"] == "/metrics";
            self.expect(asked, "where metrics are");
            let spaces = at(monitor, "/spec/namespaceSelector/matchNames");
            self.expect(
                *spaces == json!([NAMESPACE]),
                "the namespace that is scraped",
            );
        }
        let rules = self.of_kind("PrometheusRule");
        self.expect(rules.len() == usize::from(wanted), "the alerts");
        for rule in rules {
            self.expect(!list(rule, "/spec/groups").is_empty(), "no alerts");
        }
        let dashboard = self.named("ConfigMap", &format!("{}-dashboard", self.name()));
        self.expect(dashboard.is_some() == wanted, "the dashboard");
        if let Some(dashboard) = dashboard {
            let found = at(dashboard, "/metadata/labels/grafana_dashboard") == "1";
            self.expect(found, "the sidecar does not find the dashboard");
            let kept = serde_json::from_str::<Value>(text(dashboard, "/data/enroll.json"));
            self.expect(kept.is_ok(), "the dashboard is no JSON");
        }
    }
}
