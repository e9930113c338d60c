//! The corpus in `tests/corpus/settings`, the shipped files, and the layers over them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde_json::json;

use super::layers::Layers;
use super::{Settings, SettingsError};
use crate::store::settings::Backend;

const NEEDLE: &str = "needle";

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new().unwrap();
    layers.add_toml("file", file);
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), OsString::from(value)));
    layers.add_variables(variables.collect());
    layers.finish()
}

fn load_path(path: &Path) -> Result<Settings, SettingsError> {
    let mut layers = Layers::new().unwrap();
    layers.add_file(path);
    layers.finish()
}

/// Each fault as `source key`, in order.
fn places(outcome: Result<Settings, SettingsError>) -> Vec<String> {
    let faults = outcome.unwrap_err().faults;
    faults
        .iter()
        .map(|fault| format!("{} {}", fault.source, fault.key))
        .collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    found.sort();
    found
}

#[test]
fn every_good_file_loads() {
    let found = [files("config"), files("tests/corpus/settings/good")].concat();
    assert!(found.len() >= 9, "{found:?}");
    for path in found
        .iter()
        .filter(|path| !path.ends_with("config/default.toml"))
    {
        load_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The first line of a bad file is `# faults: key key ...`, sorted; `(file)` stands for the file as a whole.
#[test]
fn every_bad_file_is_refused_for_each_fault_it_names() {
    let found = files("tests/corpus/settings/bad");
    assert!(found.len() >= 15, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let named = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# faults: ")
            .unwrap();
        let error = load_path(&path).map(drop).unwrap_err();
        let mut keys: Vec<_> = error
            .faults
            .iter()
            .map(|fault| {
                if fault.key.is_empty() {
                    "(file)"
                } else {
                    fault.key.as_str()
                }
            })
            .collect();
        keys.sort_unstable();
        assert_eq!(keys.join(" "), named, "{}: {error}", path.display());
        assert!(
            !format!("{error} {error:?}").contains(NEEDLE),
            "{}: {error}",
            path.display()
        );
        assert!(
            error
                .faults
                .iter()
                .all(|fault| fault.source == path.display().to_string())
        );
    }
}

#[test]
fn every_default_has_a_comment_right_above() {
    let text = include_str!("../../config/default.toml");
    let lines: Vec<_> = text.lines().collect();
    let keys: Vec<_> = (0..lines.len())
        .filter(|at| lines[*at].contains(" = ") && !lines[*at].starts_with('#'))
        .collect();
    assert!(keys.len() > 40, "{}", keys.len());
    for at in keys {
        assert!(lines[at - 1].starts_with("# "), "{}", lines[at]);
    }
}

#[test]
fn variables_stand_over_the_file_and_the_command_line_over_both() {
    let mut layers = Layers::new().unwrap();
    layers.add_toml(
        "file",
        "[server]\nworkers = 1\nmax_in_flight = 1\nmax_body_bytes = 2048",
    );
    layers.add_variables(vec![
        ("ENROLL__SERVER__WORKERS".into(), "2".into()),
        ("ENROLL__SERVER__MAX_IN_FLIGHT".into(), "2".into()),
        (
            "ENROLL__SERVER__TRUSTED_PROXIES".into(),
            "10.0.0.0/8, fd00::/8".into(),
        ),
        ("ENROLL__HASHING__ALLOW_WEAK".into(), "true".into()),
        (
            "ENROLL__DATABASES__MAIN__URL".into(),
            "postgres://u:needle@h/d".into(),
        ),
        (
            "ENROLL__PROVIDER__SMS_GATEWAYS__MAIN__URL".into(),
            "https://sms.example.com".into(),
        ),
    ]);
    layers.add_overrides(&[
        ("server.workers", json!(3)),
        ("data.dir", json!("elsewhere")),
    ]);
    let settings = layers.finish().unwrap();
    let server = &settings.server;
    assert_eq!(
        (server.workers, server.max_in_flight, server.max_body_bytes),
        (3, 2, 2048)
    );
    assert_eq!(server.trusted_proxies.len(), 2);
    assert!(settings.hashing.allow_weak);
    assert_eq!(settings.databases["main"].url.backend(), Backend::Postgres);
    assert_eq!(settings.databases["main"].pool_size, 8);
    assert!(settings.provider.sms_gateways.contains_key("main"));
    assert_eq!(
        settings.master_key_path(),
        Path::new("elsewhere/master.key")
    );
    assert!(!format!("{settings:?}").contains(NEEDLE));
}

#[test]
fn each_layer_answers_for_its_own_faults() {
    let file = "[server]\nworkers = \"many\"\nbogus = 1\n[hashing]\nqueue = 0\n[databases.main]\npool_size = 0";
    let variables = [
        ("ENROLL__DATABASE__OWN_POOL_SIZE", "-1"),
        ("ENROLL__NOWHERE__KEY", "x"),
        ("ENROLL__SERVER", "x"),
        ("ENROLL__SERVER__NAME_BY_PATH", "yes"),
        ("ENROLL__SERVER__PUBLIC_LISTEN", "needle"),
        ("ENROLL__SHUTDOWN__GRACE_MS", "600001"),
    ];
    let mut found = places(load(file, &variables));
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "ENROLL__DATABASE__OWN_POOL_SIZE database.own_pool_size",
            "ENROLL__NOWHERE__KEY nowhere.key",
            "ENROLL__SERVER server",
            "ENROLL__SERVER__NAME_BY_PATH server.name_by_path",
            "ENROLL__SERVER__PUBLIC_LISTEN server.public_listen",
            "ENROLL__SHUTDOWN__GRACE_MS shutdown.grace_ms",
            "file databases.main.pool_size",
            "file databases.main.url",
            "file hashing.queue",
            "file server.bogus",
            "file server.workers",
        ]
    );
}

#[test]
fn a_missing_file_is_a_fault_of_that_file() {
    assert_eq!(
        places(load_path(Path::new("/nowhere.toml"))),
        ["/nowhere.toml "]
    );
}

#[test]
fn the_public_origin_falls_back_to_base_domain_then_address() {
    let origin = |file: &str| load(file, &[]).unwrap().server.public_origin(8081);
    assert_eq!(origin(""), "http://127.0.0.1:8081");
    assert_eq!(
        origin("server.base_domain = \"localhost\""),
        "http://localhost:8081"
    );
    assert_eq!(
        origin("server.public_url = \"https://join.example\""),
        "https://join.example"
    );
}

#[test]
fn the_master_key_stays_out_of_sight() {
    let key = "0123456789abcdef".repeat(4);
    let settings = load(&format!("secrets.master_key = \"{key}\""), &[]).unwrap();
    assert_eq!(
        settings
            .secrets
            .master_key
            .as_ref()
            .unwrap()
            .expose_secret(),
        key
    );
    assert!(!format!("{settings:?}").contains(&key));
}
