//! A user name that passed the tenant's rules, in the three forms the house needs.

use std::sync::LazyLock;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::Error as PrecisError;
use precis_profiles::precis_core::profile::{Profile, Rules};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection};

use super::fault::Fault;
use super::tenant_settings::{TenantSettings, UsernameCharacters, UsernameRules};
use super::text::{code_points, lower_case, nfc, without_white_space};

/// Nobody may be called what the site calls everybody (contract section 2.1).
const ALWAYS_RESERVED: &str = "匿名用户";
/// White space does not count towards the length of a name, but nobody needs more of it than this.
const SPARE_INPUT_BYTES: usize = 1024;
/// More marks than this on one letter run into the lines above and below (UTS 39, section 5.4).
const MAX_MARKS_IN_A_ROW: usize = 4;
/// How often the mappings may run until nothing changes (RFC 8264, section 7: at most three times more).
const MAX_ROUNDS: usize = 4;

/// A valid user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    display: String,
    canonical: String,
    skeleton: Option<String>,
}

impl Username {
    /// Strips white space and judges the rest.
    ///
    /// # Errors
    /// Every fault found, in the contract's order; an empty name yields `Required` alone.
    pub fn parse(raw: &str, settings: &TenantSettings) -> Result<Self, Vec<Fault>> {
        let rules = &settings.username;
        let (min, max) = (rules.min_length, rules.max_length);
        if raw.len() > max_input_bytes(max) {
            return Err(vec![Fault::TooLong { max }]);
        }
        let stripped = without_white_space(raw);
        if stripped.is_empty() {
            return Err(vec![Fault::Required]);
        }
        let mut faults = Vec::new();
        let length = code_points(&stripped);
        if length > max {
            faults.push(Fault::TooLong { max });
        } else if length < min {
            faults.push(Fault::TooShort { min });
        }
        match Self::from_stripped(&stripped, settings.username_characters(), rules) {
            Ok(name) if faults.is_empty() => Ok(name),
            Ok(_) => Err(faults),
            Err(fault) => {
                faults.push(fault);
                Err(faults)
            }
        }
    }

    /// The canonical forms under which an existing account may have what somebody typed for its name. Rules that changed
    /// since the account was made do not matter: they judge new names. Empty when no account can have it.
    #[must_use]
    pub fn to_look_up(raw: &str) -> Vec<String> {
        if raw.len() > max_input_bytes(255) {
            return Vec::new();
        }
        let display = nfc(&without_white_space(raw));
        let mut forms = Vec::new();
        for characters in [UsernameCharacters::Identifier, UsernameCharacters::Any] {
            if let Ok(form) = canonical_form(&display, characters)
                && !form.is_empty()
                && !forms.contains(&form)
            {
                forms.push(form);
            }
        }
        forms
    }

    fn from_stripped(
        stripped: &str,
        characters: UsernameCharacters,
        rules: &UsernameRules,
    ) -> Result<Self, Fault> {
        let display = nfc(stripped);
        let canonical = canonical_form(&display, characters)?;
        let skeleton = (!rules.allow_confusable).then(|| skeleton_of(&display));
        let name = Self {
            display,
            canonical,
            skeleton,
        };
        let refused = has_misplaced_marks(&name.canonical)
            || (!rules.allow_mixed_script && mixes_scripts(&name.canonical))
            || name.outgrows_its_columns()
            || name.is_reserved(rules);
        if refused {
            Err(Fault::InvalidName)
        } else {
            Ok(name)
        }
    }

    /// One character can stand for up to eighteen, and the databases keep a bounded number (`users.username`, 255;
    /// `users.skeleton`, 512).
    fn outgrows_its_columns(&self) -> bool {
        let skeleton = self.skeleton.as_deref().unwrap_or_default();
        code_points(&self.display) > 255
            || code_points(&self.canonical) > 255
            || code_points(skeleton) > 512
    }

    /// As the user wrote it, without white space, in NFC.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The form that decides what a duplicate is: RFC 8265 `UsernameCaseMapped`, applied until nothing changes.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The UTS 39 skeleton, in lower case: names that look alike share it. `None` when the tenant allows look-alikes.
    ///
    /// It is taken from the display form, because that is what people see: `ВОВ` in Cyrillic capitals looks like `BOB`,
    /// and the capital I of `aIice` like the l of `alice`, while their lower-case forms look like nothing else.
    #[must_use]
    pub fn skeleton(&self) -> Option<&str> {
        self.skeleton.as_deref()
    }

    /// Whether the name is a reserved one, or looks like one as listed or in capitals.
    fn is_reserved(&self, rules: &UsernameRules) -> bool {
        let own = compatible_lower_case(&self.canonical);
        std::iter::once(ALWAYS_RESERVED)
            .chain(rules.reserved.iter().map(String::as_str))
            .any(|reserved| {
                let reserved = without_white_space(reserved);
                compatible_lower_case(&reserved) == own || self.looks_like(&reserved)
            })
    }

    fn looks_like(&self, reserved: &str) -> bool {
        self.skeleton.as_ref().is_some_and(|own| {
            let capitals = reserved.to_uppercase();
            *own == skeleton_of(reserved)
                || (capitals != reserved && *own == skeleton_of(&capitals))
        })
    }
}

fn max_input_bytes(max_length: u32) -> usize {
    usize::try_from(max_length)
        .unwrap_or(usize::MAX)
        .saturating_mul(4)
        .saturating_add(SPARE_INPUT_BYTES)
}

/// Maps a name in NFC to its canonical form, or says why it has none.
fn canonical_form(display: &str, characters: UsernameCharacters) -> Result<String, Fault> {
    if display.is_ascii() {
        // Both repertoires let in the printable ASCII characters and change nothing but the letter case.
        let is_printable = display.bytes().all(|byte| byte.is_ascii_graphic());
        return if is_printable {
            Ok(display.to_ascii_lowercase())
        } else {
            Err(Fault::ForbiddenCharacter)
        };
    }
    let mut form = display.to_owned();
    for _ in 0..MAX_ROUNDS {
        let mapped = mapped_once(&form, characters)?;
        if mapped == form {
            return Ok(form);
        }
        form = mapped;
    }
    Err(Fault::InvalidName)
}

fn mapped_once(name: &str, characters: UsernameCharacters) -> Result<String, Fault> {
    if name.chars().any(is_forbidden) {
        return Err(Fault::ForbiddenCharacter);
    }
    let name = unified(name);
    match characters {
        UsernameCharacters::Identifier => enforced(&name),
        UsernameCharacters::Any => UsernameCaseMapped::new()
            .width_mapping_rule(&name)
            .map(|name| nfc(&lower_case(&name))),
    }
    .map_err(|error| match error {
        PrecisError::Invalid => Fault::InvalidName,
        PrecisError::BadCodepoint(_) | PrecisError::Unexpected(_) => Fault::ForbiddenCharacter,
    })
}

/// RFC 8265, section 3.3.2. The steps of the profile are taken one by one, because its check of the bidi rule refuses a
/// nonspacing mark before the last letter, which RFC 5893 allows and Thaana cannot do without. The rule looks at marks
/// only to pass over them, so it is given the name without them; a mark at the start is refused elsewhere.
fn enforced(name: &str) -> Result<String, PrecisError> {
    let profile = UsernameCaseMapped::new();
    let prepared = profile.prepare(name)?;
    let mapped = profile.normalization_rule(profile.case_mapping_rule(prepared)?)?;
    let without_marks: String = mapped
        .chars()
        .filter(|character| !is_combining_mark(*character))
        .collect();
    profile.directionality_rule(without_marks)?;
    Ok(mapped.into_owned())
}

/// Letters that come in two codings, in the one that counts: a sigma at the end of a word is a sigma, and the Thai and Lao
/// vowel "am", one key on keyboards there, is the two characters that RFC 8264 lets in.
fn unified(name: &str) -> String {
    name.replace('ς', "σ")
        .replace('\u{e33}', "\u{e4d}\u{e32}")
        .replace('\u{eb3}', "\u{ecd}\u{eb2}")
}

/// What no name may hold, whatever the repertoire: controls, private use, unassigned characters, and whatever leaves no
/// trace on the screen (zero width, bidi controls, joiners, variation selectors, fillers). A character of which the table
/// of UTS 39 says nothing counts as unassigned; besides those that are, that is some obsolete and technical ones.
fn is_forbidden(character: char) -> bool {
    let is_blank_or_placeholder = matches!(
        character,
        '\u{2800}' | '\u{303f}' | '\u{fff9}'..='\u{fffd}' | '\u{13430}'..='\u{1345f}' | '\u{16fe4}' | '\u{1d159}'
    );
    let is_no_visible_character = match character.identifier_type() {
        None => true,
        Some(kind) => matches!(
            kind,
            IdentifierType::Not_Character
                | IdentifierType::Default_Ignorable
                | IdentifierType::Deprecated
        ),
    };
    character.is_control()
        || character.is_whitespace()
        || is_blank_or_placeholder
        || is_no_visible_character
}

/// A mark at the start would sit on the text in front of the name; a heap of marks covers the text around it.
fn has_misplaced_marks(canonical: &str) -> bool {
    let mut in_a_row = 0;
    canonical.starts_with(is_combining_mark)
        || canonical.nfd().any(|character| {
            in_a_row = if is_combining_mark(character) {
                in_a_row + 1
            } else {
                0
            };
            in_a_row > MAX_MARKS_IN_A_ROW
        })
}

/// Whether the letters, marks and digits go beyond the level "highly restrictive" of UTS 39, section 5.2: they are of
/// several scripts that are not used together, or not in common use today.
fn mixes_scripts(canonical: &str) -> bool {
    let letters: String = compatible_lower_case(canonical)
        .chars()
        .filter_map(for_script_check)
        .collect();
    !letters
        .as_str()
        .check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

/// Punctuation, symbols and emoji belong to no script and are not looked at. A rare ideograph counts as a common one:
/// people's names hold them, and nobody mistakes one for a letter.
fn for_script_check(character: char) -> Option<char> {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric().then_some(character);
    }
    let scripts = AugmentedScriptSet::for_char(character);
    let is_han = scripts.hanb && scripts.jpan && scripts.kore && !scripts.is_all();
    match character.identifier_type()? {
        IdentifierType::Not_XID | IdentifierType::Not_NFKC => None,
        IdentifierType::Uncommon_Use if is_han => Some('一'),
        _ => Some(character),
    }
}

/// Lower case without compatibility forms: `ⓐ` is an `a`, `ﬁ` is `fi`. Coarser than the canonical form.
fn compatible_lower_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    nfc(&lower_case(&unified(text).nfkc().collect::<String>()))
}

/// The skeleton of what is seen, then of its lower case: some letters look alike only in one of them. The Turkish capital
/// with a dot is taken for an i, as it is one in lower case.
fn skeleton_of(display: &str) -> String {
    if display.is_ascii() {
        let of_character = |byte| ASCII_SKELETONS.get(usize::from(byte)).map(String::as_str);
        return display.bytes().filter_map(of_character).collect();
    }
    skeleton_by_table(display)
}

/// ASCII characters do not act on their neighbours, so the skeleton of an ASCII name is that of its characters in turn.
static ASCII_SKELETONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    ('\0'..='\x7f')
        .map(|character| skeleton_by_table(character.encode_utf8(&mut [0; 4])))
        .collect()
});

fn skeleton_by_table(display: &str) -> String {
    let seen: String = unified(display).replace('İ', "i").nfkc().collect();
    let lower = without_dots_on_dotted(&lower_case(&skeleton(&seen).collect::<String>()));
    nfc(&lower_case(&skeleton(&lower).collect::<String>()))
}

/// An i or j loses its own dot under a dot above (U+0307), so one more dot changes nothing that is seen.
fn without_dots_on_dotted(text: &str) -> String {
    let mut on_dotted = false;
    text.chars()
        .filter(|character| {
            if !is_combining_mark(*character) {
                on_dotted = matches!(character, 'i' | 'j');
            }
            !(on_dotted && *character == '\u{307}')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::{
        Fault, Username, UsernameCharacters, canonical_form, mapped_once, skeleton_by_table,
        skeleton_of,
    };
    use crate::domain::dialect::Dialect;
    use crate::domain::tenant_settings::TenantSettings;

    const BOTH: [UsernameCharacters; 2] = [UsernameCharacters::Identifier, UsernameCharacters::Any];

    fn settings(characters: UsernameCharacters) -> TenantSettings {
        let mut settings = TenantSettings::default();
        settings.username.characters = Some(characters);
        settings
    }

    fn parse(raw: &str) -> Result<Username, Vec<Fault>> {
        Username::parse(raw, &TenantSettings::default())
    }

    fn canonical(raw: &str) -> String {
        parse(raw)
            .unwrap_or_else(|faults| panic!("{raw:?}: {faults:?}"))
            .canonical
    }

    /// Whether the second name cannot be had where the first is taken.
    fn cannot_stand_beside(taken: &str, asked: &str, settings: &TenantSettings) -> bool {
        let taken = Username::parse(taken, settings).unwrap();
        Username::parse(asked, settings).map_or(true, |name| {
            name.canonical == taken.canonical || name.skeleton == taken.skeleton
        })
    }

    #[test]
    fn an_existing_name_is_found_in_every_spelling_whatever_the_rules_say_by_now() {
        for (typed, stored) in [
            ("ADA", "ada"),
            (" a d a ", "ada"),
            ("Résumé", "résumé"),
            ("re\u{301}sume\u{301}", "résumé"),
            ("ａｄａ", "ada"),
            ("李雷😀", "李雷😀"),
            (
                "a name that is longer than any tenant's rule",
                "anamethatislongerthananytenant'srule",
            ),
        ] {
            let forms = Username::to_look_up(typed);
            assert!(
                forms.iter().any(|form| form == stored),
                "{typed}: {forms:?}"
            );
        }
        for nobodys in ["", "   ", "\u{202e}ada", "a\u{0}da", &"x".repeat(5000)] {
            assert_eq!(
                Username::to_look_up(nobodys),
                Vec::<String>::new(),
                "{nobodys:?}"
            );
        }
    }

    #[test]
    fn white_space_is_removed_wherever_it_stands() {
        let name = parse(" \u{3000}A l\u{a0}i\tc\u{2009}e\r\n\u{85}\u{2028}").unwrap();
        assert_eq!(
            (name.display(), name.canonical(), name.skeleton()),
            ("Alice", "alice", Some("alice"))
        );
        for blank in ["", " ", "\t\u{3000}\u{a0}\u{1680}\u{205f}"] {
            assert_eq!(parse(blank), Err(vec![Fault::Required]), "{blank:?}");
        }
        assert_eq!(
            parse("al\u{200b}ice"),
            Err(vec![Fault::ForbiddenCharacter]),
            "zero width is no white space"
        );
    }

    #[test]
    fn a_name_that_outgrows_the_database_is_refused_before_it() {
        let settings = TenantSettings::from_json(&serde_json::json!({
            "username": {"max_length": 64, "characters": "any", "allow_mixed_script": true}
        }))
        .unwrap();
        let ligatures = "\u{fdfa}".repeat(64);
        let faults = Username::parse(&ligatures, &settings).unwrap_err();
        assert_eq!(faults, vec![Fault::InvalidName]);
    }

    #[test]
    fn length_counts_code_points_without_white_space() {
        assert_eq!(
            parse("用户名用户名用户名用户名用户名")
                .unwrap()
                .display()
                .chars()
                .count(),
            15
        );
        assert!(parse(" a b c d e f g h i j k l m n o ").is_ok());
        assert_eq!(
            parse("abcdefghijklmnop"),
            Err(vec![Fault::TooLong { max: 15 }])
        );
        let mut strict = TenantSettings::default();
        strict.username.min_length = 3;
        assert_eq!(
            Username::parse("ab", &strict),
            Err(vec![Fault::TooShort { min: 3 }])
        );
    }

    #[test]
    fn every_fault_is_told_in_order() {
        let long_and_forbidden = vec![Fault::TooLong { max: 15 }, Fault::ForbiddenCharacter];
        assert_eq!(parse("abcdefghijklmnop\u{0}"), Err(long_and_forbidden));
        assert_eq!(
            parse("аbcdefghijklmnop"),
            Err(vec![Fault::TooLong { max: 15 }, Fault::InvalidName])
        );
    }

    #[test]
    fn huge_input_is_refused_unread() {
        for raw in [
            "a".repeat(65_536),
            " ".repeat(65_536),
            "\u{301}".repeat(40_000),
        ] {
            assert_eq!(parse(&raw), Err(vec![Fault::TooLong { max: 15 }]));
        }
        assert!(parse(&format!("{}alice", " ".repeat(1000))).is_ok());
    }

    #[test]
    fn names_of_many_scripts_are_welcome_and_distinct() {
        let honest = [
            "alice",
            "Nguyễn",
            "Łukasz",
            "Straße",
            "Müller",
            "张伟",
            "歐陽娜娜",
            "曌",
            "㛃",
            "𠮷野家",
            "张三abc",
            "佐藤さくら",
            "ラーメン好き",
            "김철수",
            "홍길동abc",
            "สมชาย",
            "น้ำ",
            "ລາວ",
            "राहुल",
            "अंजलि",
            "कृष्ण",
            "محمد",
            "فاطمة",
            "دِيما",
            "דוד",
            "שרה",
            "ދިވެހި",
            "Γιώργος",
            "Ελένη",
            "Владимир",
            "Олексій",
            "Ђорђе",
            "გიორგი",
            "Արմեն",
            "রহিম",
            "தமிழ்",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "ગુજરાતી",
            "ਪੰਜਾਬੀ",
            "සිංහල",
            "မြန်မာ",
            "ខ្មែរ",
            "አማርኛ",
            "བོད་ཡིག",
            "bob!",
            "a_b-c.d",
            "42",
        ];
        for characters in BOTH {
            let settings = settings(characters);
            let names = honest.map(|raw| match Username::parse(raw, &settings) {
                Ok(name) => name,
                Err(faults) => panic!("{raw}: {faults:?}"),
            });
            let distinct =
                |forms: Vec<&str>| forms.into_iter().collect::<HashSet<_>>().len() == honest.len();
            assert!(distinct(names.iter().map(Username::canonical).collect()));
            assert!(distinct(
                names.iter().filter_map(Username::skeleton).collect()
            ));
        }
    }

    #[test]
    fn spellings_of_one_name_have_one_canonical_form() {
        let groups: [&[&str]; 11] = [
            &[
                "alice",
                "ALICE",
                "Alice",
                "ａｌｉｃｅ",
                "ＡＬＩＣＥ",
                "ａLice",
                " a l i c e ",
            ],
            &["amélie", "ame\u{301}lie", "AMÉLIE", "AME\u{301}LIE"],
            &["한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"],
            &["ガギグ", "ｶﾞｷﾞｸﾞ", "カ\u{3099}キ\u{3099}ク\u{3099}"],
            &["нина", "НИНА", "Нина"],
            &["ångström", "\u{212b}ngström", "A\u{30a}ngstro\u{308}m"],
            &["kelvin", "\u{212a}elvin"],
            &["straße", "STRAẞE"],
            &["οδυσσεύς", "ΟΔΥΣΣΕΎΣ", "Οδυσσεύς"],
            &["น้ำ", "น\u{e49}\u{e4d}า"],
            &["豈", "\u{f900}"],
        ];
        for group in groups {
            for spelling in group {
                assert_eq!(canonical(spelling), canonical(group[0]), "{spelling}");
            }
        }
        assert_ne!(
            canonical("résumé"),
            canonical("resume"),
            "an accent makes another name, whatever a database thinks"
        );
    }

    #[test]
    fn no_spoof_stands_beside_the_name_it_apes() {
        let spoofs: [(&str, &[&str]); 10] = [
            (
                "alice",
                &[
                    "Аlice",
                    "аlice",
                    "alicе",
                    "аliсе",
                    "αlice",
                    "ɑlice",
                    "alıce",
                    "aIice",
                    "a1ice",
                    "a|ice",
                    "alіce",
                    "alⅰce",
                    "ａlice",
                    "ⓐlice",
                    "𝐚lice",
                    "𝒶𝓁𝒾𝒸𝑒",
                    "🄰lice",
                    "ªlice",
                    "ᴀlice",
                    "aℓice",
                    "al\u{200b}ice",
                    "al\u{200d}ice",
                    "al\u{200c}ice",
                    "al\u{ad}ice",
                    "al\u{2060}ice",
                    "al\u{feff}ice",
                    "al\u{180e}ice",
                    "al\u{34f}ice",
                    "alice\u{fe0f}",
                    "alice\u{e0100}",
                    "\u{202e}ecila",
                    "\u{202d}alice",
                    "\u{2066}alice\u{2069}",
                    "\u{200e}alice",
                    "alice\u{e0061}",
                    "alice\u{3164}",
                    "alice\u{ffa0}",
                    "alice\u{115f}",
                    "alice\u{1160}",
                    "alice\u{2800}",
                    "alice\u{1d159}",
                    "alice\u{e000}",
                    "alice\u{0}",
                    "alice\u{1b}",
                    "alice\u{85}",
                    "ali\u{307}ce",
                    "alİce",
                    "alice\u{301}\u{301}\u{301}\u{301}\u{301}",
                    "\u{301}alice",
                    "alice\u{fffc}",
                    "alice\u{17b4}",
                    "alic\u{ab32}",
                ],
            ),
            ("scope", &["ѕсоре", "ЅСОРЕ", "sсope", "ꜱcope", "ｓｃｏｐｅ"]),
            ("BOB", &["ВОВ", "ΒΟΒ", "ꓐꓳꓐ", "ＢＯＢ", "B0B"]),
            ("ooo", &["ооо", "ΟΟΟ", "օօօ", "000", "၀၀၀", "ഠഠഠ"]),
            ("modern", &["modem", "rnodern", "ｍodern", "ⅿodern"]),
            (
                "paypal",
                &[
                    "paypaI", "paypa1", "рaypal", "paypaӏ", "pаypаl", "ᴘaypal", "ⓟaypal",
                ],
            ),
            (
                "hello0",
                &["helloO", "helloо", "hell0o", "heIlo0", "he||o0"],
            ),
            ("οδυσσεύς", &["οδυσσεύσ", "oδυσσεύς", "οδυѕѕεύς"]),
            ("一二", &["⼀二", "一⼆", "ー二"]),
            (
                "ibrahim",
                &["İbrahim", "ıbrahim", "i\u{307}brahim", "ⅰbrahim"],
            ),
        ];
        for characters in BOTH {
            let settings = settings(characters);
            for (taken, asked) in spoofs
                .iter()
                .flat_map(|(taken, group)| group.iter().map(move |asked| (taken, asked)))
            {
                assert!(
                    cannot_stand_beside(taken, asked, &settings),
                    "{asked:?} beside {taken:?}, {characters:?}"
                );
            }
        }
    }

    #[test]
    fn invisible_characters_and_controls_are_forbidden_in_both_repertoires() {
        let forbidden = [
            '\0',
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206a}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{fffd}',
            '\u{e000}',
            '\u{fdd0}',
            '\u{ffff}',
            '\u{378}',
            '\u{1d173}',
            '\u{1bca0}',
            '\u{13430}',
            '\u{e0001}',
            '\u{e0061}',
            '\u{e0100}',
            '\u{f0000}',
            '\u{10ffff}',
        ];
        for characters in BOTH {
            for character in forbidden {
                let raw = format!("ab{character}c");
                let verdict = Username::parse(&raw, &settings(characters));
                assert_eq!(
                    verdict,
                    Err(vec![Fault::ForbiddenCharacter]),
                    "{character:?}, {characters:?}"
                );
            }
        }
    }

    #[test]
    fn symbols_and_emoji_need_the_wider_repertoire() {
        let discuzq = TenantSettings {
            dialect: Dialect::Discuzq,
            ..TenantSettings::default()
        };
        for raw in [
            "😀",
            "🤣🫠",
            "☆星☆",
            "👍🏽",
            "🇨🇳",
            "®",
            "a→b",
            "①号",
            "“quoted”",
            "50€",
        ] {
            assert_eq!(parse(raw), Err(vec![Fault::ForbiddenCharacter]), "{raw}");
            assert!(Username::parse(raw, &discuzq).is_ok(), "{raw}");
        }
        assert_eq!(
            Username::parse("аlice😀", &discuzq),
            Err(vec![Fault::InvalidName])
        );
    }

    #[test]
    fn reserved_names_and_their_look_alikes_are_kept_back() {
        let mut settings = TenantSettings::default();
        settings.username.reserved = vec!["Admin".into(), "Site Owner".into(), "管理员".into()];
        for raw in [
            "匿名用户",
            "匿 名 用 户",
            "admin",
            "ADMIN",
            "ａｄｍｉｎ",
            "adrnin",
            "admın",
            "ADMlN",
            "Admin",
            "siteowner",
            "管理员",
        ] {
            assert_eq!(
                Username::parse(raw, &settings),
                Err(vec![Fault::InvalidName]),
                "{raw}"
            );
        }
        assert!(Username::parse("admin2", &settings).is_ok());
        settings.username.allow_confusable = true;
        assert!(Username::parse("adrnin", &settings).is_ok());
        assert_eq!(
            Username::parse("aDmin", &settings),
            Err(vec![Fault::InvalidName])
        );
    }

    #[test]
    fn a_tenant_can_allow_mixed_scripts_and_look_alikes() {
        let mut settings = TenantSettings::default();
        assert_eq!(
            Username::parse("alicе", &settings),
            Err(vec![Fault::InvalidName])
        );
        settings.username.allow_mixed_script = true;
        let mixed = Username::parse("alicе", &settings).unwrap();
        assert_eq!(mixed.skeleton(), Some("alice"));
        settings.username.allow_confusable = true;
        assert_eq!(
            Username::parse("alicе", &settings).unwrap().skeleton(),
            None
        );
    }

    #[test]
    fn marks_stand_on_letters_and_not_in_heaps() {
        assert!(parse("a\u{301}\u{301}\u{301}\u{301}").is_ok());
        assert_eq!(
            parse("a\u{301}\u{301}\u{301}\u{301}\u{301}"),
            Err(vec![Fault::InvalidName])
        );
        assert_eq!(parse("\u{301}a"), Err(vec![Fault::InvalidName]));
    }

    /// Every code point as a name of its own, in both repertoires. The digest covers each verdict, canonical form and
    /// skeleton.
    ///
    /// When this fails, a Unicode table has changed: that of `precis-profiles`, `unicode-normalization`,
    /// `unicode-security` or of the compiler. Stored forms may then differ from those of new names. Compare the verdicts of
    /// both versions; if a form has changed for a name that could be stored already, write a migration that computes both
    /// stored forms again from the display name, and only then put the new digest here.
    #[test]
    fn every_code_point_has_the_verdict_it_had_before() {
        let mut digest = Fnv1a::new();
        let mut accepted = [0, 0];
        for (characters, accepted) in BOTH.into_iter().zip(&mut accepted) {
            let settings = settings(characters);
            for character in '\0'..=char::MAX {
                match Username::parse(character.encode_utf8(&mut [0; 4]), &settings) {
                    Ok(name) => {
                        let again = canonical_form(&name.canonical, characters);
                        assert_eq!(again.as_deref(), Ok(name.canonical()), "{character:?}");
                        digest.add(name.canonical.as_bytes());
                        digest.add(name.skeleton.unwrap().as_bytes());
                        *accepted += 1;
                    }
                    Err(faults) => digest.add(format!("{faults:?}").as_bytes()),
                }
            }
        }
        assert_eq!(
            (accepted, digest.0),
            ([89_331, 126_758], 15_663_945_382_541_197_382)
        );
    }

    struct Fnv1a(u64);

    impl Fnv1a {
        fn new() -> Self {
            Self(0xcbf2_9ce4_8422_2325)
        }

        /// Adds a text, and an end that no text holds.
        fn add(&mut self, text: &[u8]) {
            for byte in text.iter().chain(&[0xff]) {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_the_canonical_form_is_stable(raw in "\\PC{0,20}|[a-zA-Zа-яα-ωÀ-ÿ\u{300}-\u{308}ａ-ｚ가-힣]{1,15}") {
            for characters in BOTH {
                let settings = settings(characters);
                if let Ok(name) = Username::parse(&raw, &settings) {
                    prop_assert!(name.display.chars().all(|character| !character.is_whitespace()));
                    prop_assert_eq!(canonical_form(&name.canonical, characters), Ok(name.canonical.clone()));
                    let again = Username::parse(&name.display, &settings);
                    if name.display.chars().count() <= 15 {
                        prop_assert_eq!(again, Ok(name));
                    }
                }
            }
        }

        #[test]
        fn the_short_way_for_ascii_gives_what_the_long_way_gives(raw in "[ -~]{0,20}|[\\x00-\\x7f]{0,20}") {
            for characters in BOTH {
                let short = canonical_form(&raw, characters);
                if raw.is_empty() {
                    continue;
                }
                prop_assert_eq!(&short, &mapped_once(&raw, characters));
                prop_assert_eq!(skeleton_of(&raw), skeleton_by_table(&raw));
                if let Ok(canonical) = short {
                    prop_assert_eq!(mapped_once(&canonical, characters), Ok(canonical));
                }
            }
        }

        #[test]
        fn letter_case_and_width_never_make_a_second_name(name in "[a-z0-9]{1,15}") {
            let wide: String =
                name.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
            prop_assert_eq!(canonical(&name.to_uppercase()), canonical(&name));
            prop_assert_eq!(canonical(&wide), canonical(&name));
        }
    }
}
