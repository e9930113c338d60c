//! Combinations of values: every two options that can stand together do so in one of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tools::lay;

pub(super) const MASTER_KEY: &str =
    "8f3b2c1d4e5f60718293a4b5c6d7e8f90112233445566778899aabbccddeeff0";
pub(super) const PASSWORD: &str = "not-for-everybody";

/// What can be chosen on one matter.
struct Choice {
    options: Vec<(&'static str, Value)>,
}

/// One combination: its name and its values.
pub(super) struct Combination {
    pub(super) name: String,
    pub(super) values: Value,
}

/// Values with secrets of their own and one shared database.
pub(super) fn plain() -> Value {
    json!({"secrets": {
        "masterKey": MASTER_KEY,
        "platformUrl": format!("postgres://enroll:{PASSWORD}@db.people.svc/platform"),
        "databases": {"main": format!("postgres://enroll:{PASSWORD}@db.people.svc/main")},
    }})
}

/// Values for SQLite on a volume.
pub(super) fn sqlite() -> Value {
    json!({
        "storage": {"kind": "sqlite"},
        "replicaCount": 1,
        "secrets": {"masterKey": MASTER_KEY},
    })
}

fn choices() -> Vec<Choice> {
    let seen = json!({
        "public_url": "https://join.example.com",
        "base_domain": "join.example.com",
        "trusted_proxies": ["10.42.0.0/16", "fd00::/8"],
    });
    let monitoring = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    let mut claimed = sqlite();
    lay(
        &mut claimed,
        &json!({
            "storage": {"existingClaim": "accounts", "filesAtWork": 0},
            "secrets": {"databases": {"far-away": format!("mysql://enroll:{PASSWORD}@db:3306/far")}},
        }),
    );
    let mut own_volume = sqlite();
    lay(
        &mut own_volume,
        &json!({"storage": {"size": "200Gi", "storageClassName": "fast", "accessMode": "ReadWriteOncePod"}}),
    );
    let lists: Vec<Vec<(&'static str, Value)>> = vec![
        vec![
            ("server", plain()),
            (
                "existing secret",
                json!({
                    "secrets": {"existingSecret": "enroll-secrets"},
                    "settings": {"databases": {"main": {"pool_size": 4}, "eu-1": {}}},
                }),
            ),
            ("sqlite", sqlite()),
            ("sqlite own volume", own_volume),
            ("sqlite claimed", claimed),
        ],
        vec![
            ("hidden", json!({})),
            (
                "ingress",
                json!({"settings": {"server": seen}, "ingress": {"enabled": true}}),
            ),
            (
                "hashing ingress",
                json!({"settings": {"server": seen}, "ingress": {
                    "enabled": true, "className": "nginx", "tlsSecretName": "wildcard", "hashByHost": "ingress-nginx",
                    "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "64k"},
                }}),
            ),
            (
                "route",
                json!({"settings": {"server": seen}, "httpRoute": {
                    "enabled": true, "hostnames": ["join.acme.example"],
                    "parentRefs": [{"name": "web", "namespace": "gateways", "sectionName": "https"}],
                }}),
            ),
            (
                "hashing route and ingress",
                json!({
                    "settings": {"server": seen},
                    "httpRoute": {"enabled": true, "parentRefs": [{"name": "web"}], "hashByHost": "envoy-gateway",
                        "annotations": {"example.com/owner": "people"}},
                    "ingress": {"enabled": true, "hosts": ["join.acme.example", "*.join.example.com"]},
                }),
            ),
        ],
        vec![
            ("fixed", json!({})),
            (
                "autoscaled",
                json!({"autoscaling": {"enabled": true, "minReplicas": 3, "maxReplicas": 9}}),
            ),
            ("none", json!({"replicaCount": 0})),
        ],
        vec![
            ("network by default", json!({})),
            ("network open", json!({"networkPolicy": {"enabled": false}})),
            (
                "network closed",
                json!({"networkPolicy": {
                    "publicFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}],
                    "operatorsFrom": monitoring,
                    "databaseTo": [{"ipBlock": {"cidr": "10.9.0.0/24"}}],
                    "databasePorts": [6432],
                    "httpsTo": [],
                    "extraEgress": [{"to": [{"podSelector": {"matchLabels": {"app": "otel"}}}], "ports": [{"port": 4317, "protocol": "TCP"}]}],
                }}),
            ),
        ],
        vec![
            ("unwatched", json!({})),
            (
                "watched",
                json!({
                    "networkPolicy": {"operatorsFrom": monitoring},
                    "serviceMonitor": {"enabled": true, "interval": "30s", "labels": {"release": "prometheus"}},
                    "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}},
                    "dashboard": {"enabled": true, "annotations": {"folder": "Registration"}},
                }),
            ),
        ],
        vec![
            ("2 cores", json!({})),
            (
                "half a core",
                json!({"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "500m"}}}),
            ),
            ("3500m", json!({"resources": {"limits": {"cpu": "3500m"}}})),
            (
                "no limit",
                json!({"resources": {"limits": {"cpu": ""}}, "settings": {"hashing": {"threads": 3}}}),
            ),
            (
                "own memory",
                json!({"resources": {"requests": {"cpu": 4, "memory": "1Gi"}, "limits": {"cpu": 8, "memory": "2Gi"}}}),
            ),
        ],
        vec![
            ("bare pods", json!({})),
            (
                "dressed pods",
                json!({
                    "image": {"repository": "registry.example.com:5000/people/enroll",
                        "digest": format!("sha256:{}", "ab".repeat(32)), "pullPolicy": "Always"},
                    "imagePullSecrets": [{"name": "registry"}],
                    "commonLabels": {"team": "people"},
                    "podLabels": {"mesh": "off"},
                    "podAnnotations": {"example.com/note": "true"},
                    "nodeSelector": {"kubernetes.io/arch": "amd64"},
                    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "people", "effect": "NoSchedule"}],
                    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
                        "preference": {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]}}]}},
                    "priorityClassName": "high",
                    "topologySpread": {"whenUnsatisfiable": "DoNotSchedule"},
                    "extraEnv": [{"name": "RUST_BACKTRACE", "value": "1"},
                        {"name": "ENROLL__TELEMETRY__LOG_LEVEL", "value": "warn"}],
                }),
            ),
            (
                "loose pods",
                json!({"topologySpread": {"enabled": false}, "podDisruptionBudget": {"enabled": false}}),
            ),
        ],
        vec![
            ("its name", json!({})),
            ("another name", json!({"fullnameOverride": "registration"})),
            (
                "a long name",
                json!({"nameOverride": "registration-of-people-in-all-our-many-shops-and-sites"}),
            ),
        ],
        vec![
            (
                "account made",
                json!({"serviceAccount": {"annotations": {"example.com/role": "none"}}}),
            ),
            (
                "account there",
                json!({"serviceAccount": {"create": false, "name": "workload"}}),
            ),
            ("no account", json!({"serviceAccount": {"create": false}})),
        ],
        vec![
            ("migrated", json!({})),
            ("not migrated", json!({"migration": {"enabled": false}})),
        ],
        vec![
            ("inside", json!({})),
            (
                "balancer",
                json!({"service": {"type": "LoadBalancer", "port": 8080, "annotations": {"lb": "internal"}},
                "operatorsService": {"port": 80, "annotations": {"x": "y"}}}),
            ),
        ],
        vec![
            ("few settings", json!({})),
            (
                "many settings",
                json!({
                    "listenAddress": "::",
                    "preStopSeconds": 12,
                    "startupSeconds": 120,
                    "settings": {
                        "server": {"name_by_header": false, "request_timeout_ms": 15500, "workers": 1},
                        "shutdown": {"not_ready_ms": 1500, "grace_ms": 40250},
                        "tenants": {"max_live_bytes": 1_099_511_627_776_i64 / 1024, "names": 50000, "arbiters": 1},
                        "hashing": {"memory_kib": 47104, "iterations": 1, "engine": "fast"},
                        "provider": {"sms_gateways": {"main": {"url": "https://sms.example.com/send/a&b=c"}}},
                        "telemetry": {"log_format": "pretty"},
                    },
                }),
            ),
        ],
    ];
    lists
        .into_iter()
        .map(|options| Choice { options })
        .collect()
}

/// Whether two options of different choices can stand together.
fn fit(one: &str, other: &str) -> bool {
    let pair = |first: &str, second: &str| {
        (one.starts_with(first) && other == second) || (other.starts_with(first) && one == second)
    };
    !pair("sqlite", "autoscaled")
}

/// Combinations, until every pair of options that fit has been in one. Always the same ones: the candidates come from a
/// small generator of numbers, and of thirty the one with most new pairs is taken.
pub(super) fn combinations() -> Vec<Combination> {
    let choices = choices();
    let mut missing: BTreeSet<[(usize, usize); 2]> = BTreeSet::new();
    for (first, choice) in choices.iter().enumerate() {
        for (second, other) in choices.iter().enumerate().skip(first + 1) {
            for (a, (one, _)) in choice.options.iter().enumerate() {
                for (b, (two, _)) in other.options.iter().enumerate() {
                    if fit(one, two) {
                        missing.insert([(first, a), (second, b)]);
                    }
                }
            }
        }
    }
    let mut seed: u64 = 7;
    let mut number = |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let pairs = |picked: &[usize]| -> Vec<[(usize, usize); 2]> {
        let picked: Vec<(usize, usize)> = picked.iter().copied().enumerate().collect();
        let after = |at: usize| picked.iter().skip(at + 1);
        let each = picked.iter().enumerate();
        each.flat_map(|(at, one)| after(at).map(move |other| [*one, *other]))
            .collect()
    };
    let mut found = Vec::new();
    while let Some(wanted) = missing.first().copied() {
        let candidates = (0..30).filter_map(|_| {
            let mut picked: Vec<usize> = choices
                .iter()
                .map(|choice| number(choice.options.len()))
                .collect();
            for (choice, option) in wanted {
                picked[choice] = option;
            }
            let name = |(choice, option): (usize, usize)| choices[choice].options[option].0;
            let pairs = pairs(&picked);
            let fits = pairs
                .iter()
                .all(|[one, other]| fit(name(*one), name(*other)));
            let new = pairs.iter().filter(|pair| missing.contains(*pair)).count();
            fits.then_some((new, picked))
        });
        let (_, picked) = candidates.max().expect("one of the candidates fits");
        for pair in pairs(&picked) {
            missing.remove(&pair);
        }
        let chosen = picked
            .iter()
            .zip(&choices)
            .map(|(option, choice)| &choice.options[*option]);
        let mut values = json!({});
        let mut names = Vec::new();
        for (name, patch) in chosen {
            lay(&mut values, patch);
            names.push(*name);
        }
        found.push(Combination {
            name: names.join(", "),
            values,
        });
    }
    found
}
