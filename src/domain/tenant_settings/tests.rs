//! Tests of reading, checking and patching settings.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    CaptchaSettings, CensorAction, CensoredWord, LIMITS, Limits, RegistrationMethod, SECRETS,
    SmsSettings, TenantSettings, WordPiece, merged,
};
use crate::domain::password::CharacterClass;
use crate::domain::sealed::SEALED_PREFIX;

/// Has the form of a sealed text; settings do not know whether it opens.
fn sealed() -> String {
    format!("{SEALED_PREFIX}{}", "A".repeat(80))
}

/// One account of every provider there is.
fn accounts() -> [Value; 7] {
    [
        json!({"wechat": {
            "official_account": {"app_id": "wx1", "app_secret": sealed()},
            "open_platform": {"app_id": "wx2", "app_secret": sealed()},
            "mini_program": {"app_id": "wx3", "app_secret": sealed()},
        }}),
        json!({"sms": {"provider": "tencent", "secret_id": "AKID", "secret_key": sealed(), "sdk_app_id": "1400",
            "sign_name": "论坛", "template_id": "9"}}),
        json!({"sms": {"provider": "aliyun", "access_key_id": "LTAI", "access_key_secret": sealed(),
            "sign_name": "论坛", "template_code": "SMS_1"}}),
        json!({"sms": {"provider": "gateway", "name": "main", "key_id": "k1", "key": sealed()}}),
        json!({"captcha": {"provider": "tencent", "secret_id": "AKID", "secret_key": sealed(), "captcha_app_id": 2_000,
            "app_secret_key": sealed()}}),
        json!({"captcha": {"provider": "turnstile", "secret": sealed()}}),
        json!({"captcha": {"provider": "hcaptcha", "secret": sealed()}}),
    ]
}

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
        json!({"limits": {"in_flight": 1_000_000, "hash_waiting": 100_000, "database_in_flight": 1000, "provider_in_flight": 10_000}}),
        json!({"limits": {"hash_waiting": null, "database_in_flight": null, "provider_in_flight": null}}),
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
            json!({"limits": {"hash_waiting": 100_001}}),
            "limits.hash_waiting",
        ),
        (
            json!({"limits": {"database_in_flight": 1001}}),
            "limits.database_in_flight",
        ),
        (
            json!({"limits": {"provider_in_flight": 10_001}}),
            "limits.provider_in_flight",
        ),
        (
            json!({"limits": {"database_in_flight": 0}}),
            "limits.database_in_flight",
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
fn every_account_reads_back_and_its_secrets_stand_where_the_list_says() {
    fn sealed_paths(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with(SEALED_PREFIX) => found.push(path.to_owned()),
            Value::Object(members) => {
                for (name, value) in members {
                    sealed_paths(value, &format!("{path}.{name}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for account in accounts() {
        let settings = TenantSettings::from_json(&account).unwrap();
        let stored = serde_json::to_value(&settings).unwrap();
        sealed_paths(&stored, "", &mut found);
        assert_eq!(TenantSettings::from_json(&stored), Ok(settings));
    }
    let mut found: Vec<_> = found
        .iter()
        .map(|path| path.trim_start_matches('.'))
        .collect();
    found.sort_unstable();
    found.dedup();
    let mut listed = SECRETS.to_vec();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

#[test]
fn an_account_is_checked_member_by_member() {
    let mut log = json!({"provider": "log"});
    assert!(TenantSettings::from_json(&json!({"sms": log})).is_ok());
    log["key"] = "x".into();
    assert_eq!(paths(&json!({"sms": log})), ["sms"]);
    let sms = json!({"provider": "tencent", "secret_id": "", "secret_key": sealed(), "sdk_app_id": "a b",
        "sign_name": " ", "template_id": "9".repeat(65), "region": "é"});
    assert_eq!(
        paths(&json!({"sms": sms})),
        [
            "sms.secret_id",
            "sms.sdk_app_id",
            "sms.sign_name",
            "sms.template_id",
            "sms.region"
        ]
    );
    let mini_program = json!({"app_id": "wx\n", "app_secret": "clear"});
    let told = TenantSettings::from_json(&json!({"wechat": {"mini_program": mini_program}}));
    let told = format!("{:?}", told.unwrap_err());
    assert!(
        told.contains("wechat.mini_program") && !told.contains("clear"),
        "{told}"
    );
    for (value, path) in [
        (json!({"sms": {"provider": "carrier pigeon"}}), "sms"),
        (json!({"sms": {"secret_id": "a"}}), "sms"),
        (json!({"sms": "log"}), "sms"),
        (json!({"captcha": {"provider": "turnstile"}}), "captcha"),
        (json!({"wechat": null}), "wechat"),
        (
            json!({"captcha": {"provider": "tencent", "secret_id": "a", "secret_key": sealed(), "captcha_app_id": 0,
                "app_secret_key": sealed()}}),
            "captcha.captcha_app_id",
        ),
    ] {
        assert_eq!(paths(&value), [path], "{value}");
    }
}

#[test]
fn rules_of_providers_logins_and_groups_end_where_the_documentation_says() {
    let group = |id: i64, name: &str| json!({"id": id, "name": name});
    let fine = [
        json!({"sms_rules": {"country_code": "1", "allowed_prefixes": ["+1", "+852"], "code_seconds": 600, "tries": 10}}),
        json!({"sms_rules": {"interval_seconds": 1, "per_phone_per_day": 1000, "per_address_per_day": 100_000,
            "per_tenant_per_day": 10_000_000}}),
        json!({"users": {"restore_days": 1}}),
        json!({"users": {"restore_days": 365}}),
        json!({"login": {"tries": 1, "lock_seconds": 86_400, "tries_per_name": 1}}),
        json!({"cors": {"origins": ["https://www.example.com", "http://localhost:5173"]}}),
        json!({"groups": [group(7, "版主")], "registration": {"default_group": 7}}),
        json!({"captcha": {"provider": "turnstile", "secret": sealed()}, "captcha_rules": {"on_register": true, "on_sms": true}}),
    ];
    for value in fine {
        assert!(TenantSettings::from_json(&value).is_ok(), "{value}");
    }
    let bad = [
        (
            json!({"sms_rules": {"country_code": "+86"}}),
            "sms_rules.country_code",
        ),
        (
            json!({"sms_rules": {"country_code": "0"}}),
            "sms_rules.country_code",
        ),
        (
            json!({"sms_rules": {"allowed_prefixes": []}}),
            "sms_rules.allowed_prefixes",
        ),
        (
            json!({"sms_rules": {"allowed_prefixes": ["+86", "86"]}}),
            "sms_rules.allowed_prefixes[1]",
        ),
        (
            json!({"sms_rules": {"allowed_prefixes": ["+"]}}),
            "sms_rules.allowed_prefixes[0]",
        ),
        (
            json!({"sms_rules": {"allowed_prefixes": vec!["+86"; 251]}}),
            "sms_rules.allowed_prefixes",
        ),
        (
            json!({"sms_rules": {"interval_seconds": 0}}),
            "sms_rules.interval_seconds",
        ),
        (
            json!({"sms_rules": {"per_phone_per_day": 1001}}),
            "sms_rules.per_phone_per_day",
        ),
        (
            json!({"sms_rules": {"per_address_per_day": 0}}),
            "sms_rules.per_address_per_day",
        ),
        (
            json!({"sms_rules": {"per_tenant_per_day": 10_000_001}}),
            "sms_rules.per_tenant_per_day",
        ),
        (
            json!({"sms_rules": {"code_seconds": 601}}),
            "sms_rules.code_seconds",
        ),
        (json!({"sms_rules": {"tries": 11}}), "sms_rules.tries"),
        (json!({"login": {"tries": 0}}), "login.tries"),
        (json!({"login": {"lock_seconds": 0}}), "login.lock_seconds"),
        (json!({"users": {"restore_days": 0}}), "users.restore_days"),
        (
            json!({"users": {"restore_days": 366}}),
            "users.restore_days",
        ),
        (
            json!({"login": {"tries_per_name": 4}}),
            "login.tries_per_name",
        ),
        (json!({"cors": {"origins": ["null"]}}), "cors.origins[0]"),
        (
            json!({"cors": {"origins": ["https://a.example", "*"]}}),
            "cors.origins[1]",
        ),
        (
            json!({"cors": {"origins": vec!["https://a.example"; 101]}}),
            "cors.origins",
        ),
        (json!({"groups": []}), "registration.default_group"),
        (
            json!({"registration": {"default_group": 11}}),
            "registration.default_group",
        ),
        (
            json!({"groups": [group(10, "a"), group(10, "b")]}),
            "groups[1].id",
        ),
        (
            json!({"groups": [group(10, "a"), group(0, "b")]}),
            "groups[1].id",
        ),
        (json!({"groups": [group(10, "")]}), "groups[0].name"),
        (
            json!({"captcha_rules": {"on_register": true}}),
            "captcha_rules.on_register",
        ),
        (
            json!({"captcha_rules": {"on_sms": true}}),
            "captcha_rules.on_sms",
        ),
        (
            json!({"limits": {"login_per_address": {"calls": 1_000_001, "seconds": 1}}}),
            "limits.login_per_address",
        ),
        (
            json!({"limits": {"calls_per_address": {"calls": 1, "seconds": 86_401}}}),
            "limits.calls_per_address",
        ),
    ];
    for (value, path) in bad {
        assert_eq!(paths(&value), [path], "{value}");
    }
}

#[test]
fn what_follows_from_settings_together() {
    let read = |value: Value| TenantSettings::from_json(&value).unwrap();
    assert!(read(json!({})).strict_tokens());
    assert!(!read(json!({"dialect": "discuzq"})).strict_tokens());
    assert!(
        read(json!({"dialect": "discuzq", "registration": {"strict_tokens": true}}))
            .strict_tokens()
    );
    let settings = read(json!({}));
    assert!(settings.group(1).unwrap().moderates && settings.group(1).unwrap().invites);
    assert!(!settings.group(10).unwrap().moderates && !settings.group(10).unwrap().invites);
    assert_eq!(settings.group(2), None);
    let mut settings = read(json!({"captcha": {"provider": "hcaptcha", "secret": sealed()}}));
    assert!(!settings.captcha_on_register());
    settings.captcha_rules.on_register = true;
    assert!(settings.captcha_on_register());
    settings.registration.method = RegistrationMethod::Wechat;
    assert!(!settings.captcha_on_register());
}

#[test]
fn an_account_of_another_provider_keeps_nothing_of_the_old_one() {
    let turnstile = json!({"captcha": {"provider": "turnstile", "secret": sealed()}});
    let same = merged(&turnstile, &json!({"captcha": {"provider": "turnstile"}}));
    assert_eq!(same, turnstile);
    let other = merged(&turnstile, &json!({"captcha": {"provider": "hcaptcha"}}));
    assert_eq!(other, json!({"captcha": {"provider": "hcaptcha"}}));
    let off = TenantSettings::from_json(&merged(&turnstile, &json!({"captcha": null}))).unwrap();
    assert_eq!(off.captcha, None);
    let region = merged(&accounts()[1], &json!({"sms": {"region": "ap-beijing"}}));
    let settings = TenantSettings::from_json(&region).unwrap();
    assert!(
        matches!(settings.sms, Some(SmsSettings::Tencent { region, .. }) if region == "ap-beijing")
    );
    assert!(matches!(
        TenantSettings::from_json(&turnstile).unwrap().captcha,
        Some(CaptchaSettings::Turnstile { .. })
    ));
}

#[test]
fn weak_settings_stand_with_a_warning() {
    let value = json!({"password": {"min_length": 6}, "limits": {"per_address": null, "sms_per_address": null, "in_flight": null},
            "sms": {"provider": "log"}, "registration": {"method": "wechat"}});
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
            "limits.sms_per_address",
            "limits.in_flight",
            "sms",
            "registration.method",
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
        // Shares, which nobody can be without.
        .filter(|name| !SHARES.contains(&name.as_str()))
        .cloned()
        .collect();
    let mut listed = LIMITS;
    listed.sort_unstable();
    assert_eq!(known, listed);
}

const SHARES: [&str; 4] = [
    "database_in_flight",
    "hash_waiting",
    "hash_weight",
    "provider_in_flight",
];

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

#[test]
fn what_a_newer_version_stored_is_passed_over() {
    let mut settings = serde_json::to_value(TenantSettings::default()).unwrap();
    settings["password"]["min_length"] = 12.into();
    settings["password"]["from_the_future"] = json!([1]);
    settings["future"] = json!({"of": "settings"});
    let read = TenantSettings::from_stored(&settings.to_string()).unwrap();
    assert_eq!(read.password.min_length, 12);
    settings["password"]["min_length"] = "twelve".into();
    assert!(TenantSettings::from_stored(&settings.to_string()).is_err());
    assert!(TenantSettings::from_stored("{").is_err());
}
