//! The tenant's list of words that a user name is searched for (contract section 2.5, step 4).

use std::collections::{HashMap, HashSet};

use super::tenant_settings::{CensorAction, CensoredWord, WordPiece};
use super::text::{lower_case, nfc};

/// Names are far shorter; what is longer fails its own rules.
const MAX_EXAMINED: usize = 256;
const ROOT: usize = 0;

/// What the list says about a name; the last is the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing was found.
    Clean,
    /// The account is made, but waits for a moderator.
    Review,
    /// The registration is refused.
    Banned,
}

/// A list of words, compiled once for each version of a tenant's settings.
///
/// The words share a tree of characters and gaps. A search keeps the set of places in the tree that the text read so far
/// can have reached; so its time does not grow with the number of words, but with the length of the text and of a word.
#[derive(Debug)]
pub struct CensorList {
    nodes: Vec<Node>,
    /// From a node, by a character, to the next node.
    edges: HashMap<(usize, char), usize>,
}

/// A place in the tree.
#[derive(Debug)]
struct Node {
    /// What a word that ends here says.
    verdict: Verdict,
    /// Gaps that begin here: the most characters they span, and the node behind each.
    gaps: Vec<(usize, usize)>,
}

impl CensorList {
    /// Compiles a list. Words without effect (`ignore`) and words that break the grammar are left out; settings that hold
    /// the latter never become current.
    #[must_use]
    pub fn new(words: &[CensoredWord]) -> Self {
        let mut list = Self {
            nodes: vec![Node::new()],
            edges: HashMap::new(),
        };
        for word in words {
            let verdict = match word.action {
                CensorAction::Banned => Verdict::Banned,
                CensorAction::Review => Verdict::Review,
                CensorAction::Ignore => continue,
            };
            if let Some(pieces) = word.pieces() {
                list.add(&pieces, verdict);
            }
        }
        list
    }

    /// Searches a name as sent, without its white space, and in canonical form if it has one. A word matches anywhere and
    /// whatever the letter case; the gravest match counts.
    #[must_use]
    pub fn judge(&self, raw_name: &str, stripped: &str, canonical: Option<&str>) -> Verdict {
        [Some(raw_name), Some(stripped), canonical]
            .into_iter()
            .flatten()
            .map(|text| self.search(text))
            .max()
            .unwrap_or(Verdict::Clean)
    }

    fn add(&mut self, pieces: &[WordPiece<'_>], verdict: Verdict) {
        let mut node = ROOT;
        for piece in pieces {
            node = match piece {
                WordPiece::Text(text) => nfc(&lower_case(text))
                    .chars()
                    .fold(node, |node, c| self.after_character(node, c)),
                WordPiece::Gap(most) => self.after_gap(node, usize::from(*most)),
            };
        }
        if let Some(end) = self.nodes.get_mut(node) {
            end.verdict = end.verdict.max(verdict);
        }
    }

    fn after_character(&mut self, node: usize, character: char) -> usize {
        let fresh = self.nodes.len();
        let next = *self.edges.entry((node, character)).or_insert(fresh);
        if next == fresh {
            self.nodes.push(Node::new());
        }
        next
    }

    fn after_gap(&mut self, node: usize, most: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(from) = self.nodes.get_mut(node) else {
            return node;
        };
        if let Some((_, next)) = from.gaps.iter().find(|(known, _)| *known == most) {
            return *next;
        }
        from.gaps.push((most, fresh));
        self.nodes.push(Node::new());
        fresh
    }

    fn search(&self, text: &str) -> Verdict {
        let mut gravest = Verdict::Clean;
        let mut behind_character = Vec::new();
        // Nodes behind a gap, and the last position that the gap reaches.
        let mut behind_gap: HashMap<usize, usize> = HashMap::new();
        let examined = text
            .chars()
            .take(MAX_EXAMINED)
            .flat_map(char::to_lowercase)
            .map(Some)
            .chain([None]);
        for (position, character) in examined.enumerate() {
            behind_gap.retain(|_, last| *last >= position);
            let mut places = std::mem::take(&mut behind_character);
            places.push(ROOT);
            places.extend(behind_gap.keys());
            let mut seen = HashSet::new();
            while let Some(place) = places.pop() {
                let Some(node) = self.nodes.get(place).filter(|_| seen.insert(place)) else {
                    continue;
                };
                gravest = gravest.max(node.verdict);
                for (most, next) in &node.gaps {
                    let last = behind_gap.entry(*next).or_default();
                    *last = (*last).max(position + most);
                    places.push(*next);
                }
                behind_character
                    .extend(character.and_then(|character| self.edges.get(&(place, character))));
            }
        }
        gravest
    }
}

impl Node {
    const fn new() -> Self {
        Self {
            verdict: Verdict::Clean,
            gaps: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{CensorList, Verdict, lower_case, nfc};
    use crate::clock::Clock;
    use crate::domain::tenant_settings::{CensorAction, CensoredWord};

    fn list(words: &[(&str, CensorAction)]) -> CensorList {
        let words: Vec<_> = words
            .iter()
            .map(|(word, action)| CensoredWord {
                word: (*word).into(),
                action: *action,
            })
            .collect();
        CensorList::new(&words)
    }

    fn banned(words: &[&str]) -> CensorList {
        list(
            &words
                .iter()
                .map(|word| (*word, CensorAction::Banned))
                .collect::<Vec<_>>(),
        )
    }

    fn judge(list: &CensorList, name: &str) -> Verdict {
        list.judge(name, name, None)
    }

    #[test]
    fn a_word_matches_anywhere_and_in_any_letter_case() {
        let list = banned(&["spam", "ПЛОХО", "赌博"]);
        for hit in [
            "spam",
            "SPAM",
            "xxSpAmxx",
            "spamspam",
            "плохо1",
            "a赌博",
            "sspam",
            "spaspam",
        ] {
            assert_eq!(judge(&list, hit), Verdict::Banned, "{hit}");
        }
        for miss in ["", "spa", "pam", "sp am", "赌", "spаm"] {
            assert_eq!(judge(&list, miss), Verdict::Clean, "{miss}");
        }
    }

    #[test]
    fn each_form_of_the_name_is_searched() {
        let list = banned(&["spam"]);
        assert_eq!(list.judge("spam", "", None), Verdict::Banned);
        assert_eq!(
            list.judge("s p a m", "spam", None),
            Verdict::Banned,
            "blanks do not hide a word"
        );
        assert_eq!(
            list.judge("ｓｐａｍ", "ｓｐａｍ", Some("spam")),
            Verdict::Banned,
            "nor does width"
        );
        assert_eq!(list.judge("ham", "ham", Some("ham")), Verdict::Clean);
        assert_eq!(judge(&banned(&["cafe\u{301}"]), "CAFÉ"), Verdict::Banned);
    }

    #[test]
    fn the_gravest_match_counts() {
        let words = list(&[
            ("odd", CensorAction::Review),
            ("bad", CensorAction::Banned),
            ("dull", CensorAction::Ignore),
        ]);
        assert_eq!(judge(&words, "dull"), Verdict::Clean);
        assert_eq!(judge(&words, "odd"), Verdict::Review);
        assert_eq!(judge(&words, "oddbad"), Verdict::Banned);
        assert_eq!(judge(&words, "badodd"), Verdict::Banned);
        let twice = list(&[("a", CensorAction::Banned), ("A", CensorAction::Review)]);
        assert_eq!(
            judge(&twice, "a"),
            Verdict::Banned,
            "a word listed twice has its graver effect"
        );
    }

    #[test]
    fn a_gap_spans_up_to_so_many_characters() {
        let list = banned(&["ab{2}cd", "x{10}y{0}z"]);
        for hit in [
            "abcd",
            "ab.cd",
            "ab..cd",
            "ababcd",
            "AB赌博CD",
            "x123456789yz",
            "x0123456789yz",
            "xyyz",
        ] {
            assert_eq!(judge(&list, hit), Verdict::Banned, "{hit}");
        }
        for miss in ["ab...cd", "abc", "ab..c", "x01234567890yz", "xy.z"] {
            assert_eq!(judge(&list, miss), Verdict::Clean, "{miss}");
        }
        assert_eq!(
            judge(&banned(&["{5}end{5}"]), "end"),
            Verdict::Banned,
            "a gap at either end may be empty"
        );
    }

    #[test]
    fn only_the_start_of_a_long_text_is_examined() {
        let list = banned(&["spam"]);
        assert_eq!(judge(&list, &("x".repeat(252) + "spam")), Verdict::Banned);
        assert_eq!(judge(&list, &("x".repeat(253) + "spam")), Verdict::Clean);
    }

    /// `docs/threats.md`, row 90: near-matches all the way, against as many words as a tenant may have.
    #[test]
    fn ten_thousand_near_matches_take_no_time() {
        let near = "a".repeat(58);
        let literal: Vec<String> = (0..5000)
            .map(|number| format!("{near}{number:04}"))
            .collect();
        let gapped = (0..5000).map(|number| format!("a{{99}}a{{{}}}b{number:04}", number % 100));
        let words: Vec<_> = literal
            .into_iter()
            .chain(gapped)
            .map(|word| CensoredWord {
                word,
                action: CensorAction::Banned,
            })
            .collect();
        let list = CensorList::new(&words);
        let clock = Clock::system();
        let name = "a".repeat(65_536);
        let start = clock.monotonic();
        assert_eq!(list.judge(&name, &name, Some(&name)), Verdict::Clean);
        let bound = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 50 });
        let taken = clock.monotonic() - start;
        assert!(taken < bound, "{taken:?}");
    }

    proptest! {
        #[test]
        fn plain_words_are_found_exactly_where_a_substring_search_finds_them(
            words in prop::collection::vec("[abAB赌]{1,4}", 1..6),
            text in "[abAB赌]{0,12}",
        ) {
            let expected = words.iter().any(|word| text.to_lowercase().contains(&word.to_lowercase()));
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            prop_assert_eq!(judge(&banned(&words), &text) == Verdict::Banned, expected);
        }

        #[test]
        fn a_gap_is_all_its_lengths(most in 0_usize..5, text in "[ab.]{0,12}") {
            let expected = (0..=most).any(|span| {
                let characters: Vec<char> = text.chars().collect();
                characters.windows(span + 2).any(|window| window[0] == 'a' && window[span + 1] == 'b')
            });
            let word = format!("a{{{most}}}b");
            prop_assert_eq!(judge(&banned(&[&word]), &text) == Verdict::Banned, expected);
        }

        #[test]
        fn any_word_without_gaps_is_found_in_itself(word in "[^{}]{1,40}") {
            let canonical = nfc(&lower_case(&word));
            prop_assert_eq!(banned(&[&word]).judge(&word, &word, Some(&canonical)), Verdict::Banned);
        }
    }
}
