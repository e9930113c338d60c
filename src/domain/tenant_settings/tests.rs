//! Tests of reading, checking and patching settings.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CensorAction, CensoredWord, LIMITS, Limits, TenantSettings, WordPiece, merged};
use crate::domain::password::CharacterClass;

fn paths(value: &Value) -> Vec<String> {
    let faults = TenantSettings::from_json(value).unwrap_err();
    assert!(
        faults
            .iter()
            .all(|fault| !fault.detail.is_empty() && fault.detail.len() < 900),
        "{faults:?}"
    );
    faults.into_iter().map(|fault| fault.path).collect()
}

fn word(text: &str) -> CensoredWord {
    CensoredWord {
        word: text.into(),
        action: CensorAction::Banned,
    }
}

#[test]
fn an_empty_object_has_every_default_and_no_warning() {
    let settings = TenantSettings::from_json(&json!({})).unwrap();
    assert_eq!(settings, TenantSettings::default());
    assert_eq!(settings.warnings(), []);
}

#[test]
fn settings_read_back_from_their_own_form() {
    let mut settings = TenantSettings::default();
    settings.password.require = vec![CharacterClass::Digit];
    settings.limits.per_tenant = None;
    settings.registration.words = vec![word("spam{3}mer")];
    let stored = serde_json::to_value(&settings).unwrap();
    assert_eq!(TenantSettings::from_json(&stored), Ok(settings));
}

#[test]
fn all_unknown_members_and_wrong_types_are_told_at_once_by_path() {
    let value = json!({
        "dialect": "klingon", "surprise": 1, "utc_offset": 99_999, "tokens": 7,
        "registration": {
            "open": "yes", "close": true,
            "words": [{"word": "a", "action": "banned"}, {"word": "b"}, {"word": "c", "action": "ban"}, 4],
        },
        "password": {"require": ["digit", "rune"], "min_length": -1},
        "limits": {"per_address": {"calls": 0, "seconds": 60}, "in_flight": 0, "per_moon": null},
    });
    let mut found = paths(&value);
    found.sort();
    let expected = [
        "dialect",
        "limits.in_flight",
        "limits.per_address",
        "limits.per_moon",
        "password.min_length",
        "password.require[1]",
        "registration.close",
        "registration.open",
        "registration.words[1]",
        "registration.words[2]",
        "registration.words[3]",
        "surprise",
        "tokens",
        "utc_offset",
    ];
    assert_eq!(found, expected);
    assert_eq!(paths(&json!([])), [""]);
    assert_eq!(
        paths(&json!({"site": {"close_message": 1}, "locale": "x".repeat(100_000)})).len(),
        2
    );
}

#[test]
fn ranges_are_told_together_with_wrong_types() {
    let value = json!({"username": {"min_length": 0, "max_length": "many"}, "utc_offset": 841});
    let mut found = paths(&value);
    found.sort();
    assert_eq!(
        found,
        ["username.max_length", "username.min_length", "utc_offset"]
    );
}

#[test]
fn each_range_ends_where_the_documentation_says() {
    let fine = [
        json!({"utc_offset": -840}),
        json!({"utc_offset": 840}),
        json!({"username": {"min_length": 64, "max_length": 64}}),
        json!({"username": {"reserved": vec!["a"; 1000]}}),
        json!({"password": {"min_length": 6}}),
        json!({"password": {"min_length": 128, "max_length": 128}}),
        json!({"password": {"max_length": 64}}),
        json!({"password": {"max_length": 256}}),
        json!({"dialect": "discuzq", "password": {"max_length": 50}}),
        json!({"limits": {"per_address": {"calls": 1_000_000, "seconds": 86_400}, "in_flight": null}}),
        json!({"tokens": {"access_seconds": 60, "refresh_seconds": 31_536_000, "issuer": "https://id.example/a"}}),
        json!({"site": {"close_message": "关".repeat(500)}}),
        json!({"registration": {"words": vec![json!({"word": "字".repeat(64), "action": "review"}); 10_000]}}),
    ];
    for value in fine {
        assert!(TenantSettings::from_json(&value).is_ok(), "{value}");
    }
    let word =
        |text: &str| json!({"registration": {"words": [{"word": text, "action": "banned"}]}});
    let bad = [
        (json!({"utc_offset": -841}), "utc_offset"),
        (
            json!({"username": {"min_length": 16}}),
            "username.min_length",
        ),
        (
            json!({"username": {"max_length": 65}}),
            "username.max_length",
        ),
        (
            json!({"username": {"reserved": vec!["a"; 1001]}}),
            "username.reserved",
        ),
        (
            json!({"username": {"reserved": ["a", "b".repeat(65)]}}),
            "username.reserved[1]",
        ),
        (
            json!({"password": {"min_length": 5}}),
            "password.min_length",
        ),
        (
            json!({"password": {"min_length": 65, "max_length": 64}}),
            "password.min_length",
        ),
        (
            json!({"password": {"min_length": 129, "max_length": 200}}),
            "password.min_length",
        ),
        (
            json!({"password": {"max_length": 63}}),
            "password.max_length",
        ),
        (
            json!({"password": {"max_length": 257}}),
            "password.max_length",
        ),
        (
            json!({"dialect": "discuzq", "password": {"max_length": 49}}),
            "password.max_length",
        ),
        (
            json!({"limits": {"per_tenant": {"calls": 1_000_001, "seconds": 1}}}),
            "limits.per_tenant",
        ),
        (
            json!({"limits": {"per_username": {"calls": 1, "seconds": 86_401}}}),
            "limits.per_username",
        ),
        (
            json!({"limits": {"in_flight": 1_000_001}}),
            "limits.in_flight",
        ),
        (
            json!({"tokens": {"access_seconds": 59}}),
            "tokens.access_seconds",
        ),
        (
            json!({"tokens": {"refresh_seconds": 31_536_001}}),
            "tokens.refresh_seconds",
        ),
        (
            json!({"tokens": {"issuer": "ftp://id.example"}}),
            "tokens.issuer",
        ),
        (json!({"tokens": {"issuer": "https://"}}), "tokens.issuer"),
        (
            json!({"tokens": {"issuer": "https://id .example"}}),
            "tokens.issuer",
        ),
        (
            json!({"site": {"close_message": "关".repeat(501)}}),
            "site.close_message",
        ),
        (word(""), "registration.words[0].word"),
        (word(&"字".repeat(65)), "registration.words[0].word"),
        (word("a{"), "registration.words[0].word"),
        (word("{9}"), "registration.words[0].word"),
        (
            json!({"registration": {"words": vec![json!({"word": "a", "action": "ignore"}); 10_001]}}),
            "registration.words",
        ),
    ];
    for (value, path) in bad {
        assert_eq!(paths(&value), [path], "{path}");
    }
}

#[test]
fn weak_settings_stand_with_a_warning() {
    let value =
        json!({"password": {"min_length": 6}, "limits": {"per_address": null, "in_flight": null}});
    let warnings = TenantSettings::from_json(&value).unwrap().warnings();
    let found: Vec<_> = warnings
        .iter()
        .map(|warning| warning.path.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "password.min_length",
            "limits.per_address",
            "limits.in_flight"
        ]
    );
}

#[test]
fn a_word_falls_into_text_and_gaps() {
    use WordPiece::{Gap, Text};
    assert_eq!(word("abc").pieces(), Some(vec![Text("abc")]));
    assert_eq!(
        word("a{1}b{12}").pieces(),
        Some(vec![Text("a"), Gap(1), Text("b"), Gap(12)])
    );
    assert_eq!(
        word("{2}{3}x").pieces(),
        Some(vec![Gap(2), Gap(3), Text("x")])
    );
    for odd in [
        "", "{1}", "a{}", "a{123}b", "a{x}b", "a{+1}b", "a{1", "a}b", "a{1}}b", "a{{1}b", "a{１}b",
    ] {
        assert_eq!(word(odd).pieces(), None, "{odd}");
    }
}

/// The examples of RFC 7396, appendix A.
#[test]
fn a_patch_merges_as_the_rfc_says() {
    let examples = [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (
            json!({"a":"b","b":"c"}),
            json!({"a":null}),
            json!({"b":"c"}),
        ),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (
            json!({"a":{"b":"c"}}),
            json!({"a":{"b":"d","c":null}}),
            json!({"a":{"b":"d"}}),
        ),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), json!(null), json!(null)),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (
            json!({}),
            json!({"a":{"bb":{"ccc":null}}}),
            json!({"a":{"bb":{}}}),
        ),
    ];
    for (current, patch, expected) in examples {
        assert_eq!(merged(&current, &patch), expected, "{current} with {patch}");
    }
}

#[test]
fn null_switches_a_limit_off_and_stays() {
    let off = merged(
        &json!({}),
        &json!({"limits": {"per_address": null, "per_moon": null}}),
    );
    assert_eq!(off, json!({"limits": {"per_address": null}}));
    let still_off = merged(&off, &json!({"username": {"min_length": 2}}));
    assert_eq!(
        TenantSettings::from_json(&still_off)
            .unwrap()
            .limits
            .per_address,
        None
    );
    let back = merged(&still_off, &json!({"limits": null}));
    assert_eq!(
        TenantSettings::from_json(&back).unwrap().limits,
        Limits::default()
    );
    let known: Vec<_> = serde_json::to_value(Limits::default())
        .unwrap()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut listed = LIMITS;
    listed.sort_unstable();
    assert_eq!(known, listed);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        "limits",
        "per_address",
        "username",
        "min_length",
        "reserved",
        "words",
        "[a-c]"
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_judged_and_a_patch_applies_once(current in any_json(), patch in any_json()) {
        let once = merged(&current, &patch);
        prop_assert_eq!(&merged(&once, &patch), &once);
        if let Ok(settings) = TenantSettings::from_json(&once) {
            prop_assert_eq!(settings.validate(), []);
        }
    }
}
