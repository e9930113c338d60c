//! The README's three tours, "Try every way to register" for a tenant's developers, "A tour for administrators" and "A tour
//! for operators": every command of them, typed into a shell, the first two beside a real demo, answers as the README says.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use tempfile::TempDir;

use crate::harness::demo::{self, Demo, type_in};

/// The tours, each with its number of steps.
const DEVELOPERS: (&str, usize) = ("\n## Try every way to register\n", 12);
const ADMINISTRATORS: (&str, usize) = ("\n## A tour for administrators\n", 8);
const OPERATORS: (&str, usize) = ("\n## A tour for operators\n", 7);

/// A fenced block: its language and its text.
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks of a section.
fn blocks(heading: &str) -> Vec<Block> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let (_, section) = readme.split_once(heading).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    // Between fences and text in turn; the first piece is text.
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (language, text) = block.split_once('\n').expect("a language and a text");
            Block {
                language: language.to_owned(),
                text: text.to_owned(),
            }
        })
        .collect()
}

/// A step: what is typed, and what the README says that it answers.
struct Step {
    commands: String,
    answer: String,
}

/// What is typed once before, as the README shows it with made-up values, and the steps.
fn section(heading: &str) -> (String, Vec<Step>) {
    let (mut shown, mut steps) = (String::new(), Vec::<Step>::new());
    for block in blocks(heading) {
        match (block.language.as_str(), steps.last_mut()) {
            ("", None) => shown = block.text,
            ("sh", _) => steps.push(Step {
                commands: block.text,
                answer: String::new(),
            }),
            ("text", Some(step)) if step.answer.is_empty() => step.answer = block.text,
            (other, _) => panic!("a block `{other}` is out of place: {}", block.text),
        }
    }
    (shown, steps)
}

/// Whether a text is what the README says, where `…` stands for anything within a line.
fn is_as_said(said: &str, text: &str) -> bool {
    let (said, text): (Vec<&str>, Vec<&str>) = (said.lines().collect(), text.lines().collect());
    said.len() == text.len() && said.iter().zip(text).all(|(said, line)| fits(said, line))
}

fn fits(said: &str, line: &str) -> bool {
    let Some((first, others)) = said.split_once('…') else {
        return said == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = others.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// What the demo prints for the tours stands in the place of what the README shows.
fn prelude(demo: &Demo) -> Vec<String> {
    let (shown, _) = section(DEVELOPERS.0);
    let name = |line: &str| {
        let end = line.find(['=', '(']).expect("a variable or a function");
        line[..end].to_owned()
    };
    let shown: Vec<String> = shown.lines().map(name).collect();
    let printed: Vec<String> = demo
        .commands()
        .into_iter()
        .filter(|line| line.starts_with("export ") || line.starts_with("enroll()"))
        .collect();
    let names: Vec<String> = printed.iter().map(|line| name(line)).collect();
    assert_eq!(names, shown, "the demo prints what the README shows");
    printed
}

#[tokio::test]
async fn every_way_to_register_that_the_readme_shows_works() {
    take_the_tour(DEVELOPERS).await;
}

#[tokio::test]
async fn the_readmes_tour_for_administrators_works() {
    take_the_tour(ADMINISTRATORS).await;
}

/// Whoever installs the program has no demo beside them: the tour starts its own server, on the ports that it names.
#[tokio::test]
async fn the_readmes_tour_for_operators_works() {
    let (shown, steps) = section(OPERATORS.0);
    assert_eq!(steps.len(), OPERATORS.1);
    let names = ["export PATH=", "export PUBLIC=", "export ADMIN="];
    assert_eq!(shown.lines().count(), names.len(), "{shown}");
    for (line, name) in shown.lines().zip(names) {
        assert!(line.starts_with(name), "{line}");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_enroll"));
    let program = program.parent().expect("a folder").display();
    let [public, admin] = [free_port(), free_port()];
    let mut commands = vec![format!(
        "export PATH='{program}':\"$PATH\" PUBLIC=http://{public} ADMIN=http://{admin}
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf \"${{TRIAL:-}}\"' EXIT"
    )];
    let weak = demo::environment();
    commands.extend(
        weak.iter()
            .map(|(name, value)| format!("export {name}={value}")),
    );
    let steps_from = commands.len();
    commands.extend(steps.iter().map(|step| step.commands.clone()));
    let outputs = type_in(&commands).await;
    compare(&steps, &outputs[steps_from..]);
}

/// A port that nobody has at this moment.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

fn compare(steps: &[Step], outputs: &[String]) {
    for (step, output) in steps.iter().zip(outputs) {
        assert!(
            is_as_said(&step.answer, output),
            "{}\n\nanswered\n\n{output}\nand not\n\n{}",
            step.commands,
            step.answer
        );
    }
}

async fn take_the_tour((heading, number): (&str, usize)) {
    let folder = TempDir::new().expect("a folder");
    let demo = Demo::start(folder.path()).await;
    let (_, steps) = section(heading);
    assert_eq!(steps.len(), number);
    let mut commands = prelude(&demo);
    let steps_from = commands.len();
    commands.extend(steps.iter().map(|step| step.commands.clone()));
    let outputs = type_in(&commands).await;
    compare(&steps, &outputs[steps_from..]);
    demo.interrupt().await;
}

#[test]
fn an_answer_is_compared_line_by_line() {
    for (said, text, is) in [
        ("", "", true),
        ("", "a\n", false),
        ("a…c", "abc\n", true),
        ("a…c\nd", "abbc\nd\n", true),
        ("a…c", "ab", false),
        ("a…b…", "a-b-", true),
        ("a…b…", "a-c-", false),
        ("a…c", "xac", false),
        ("a…c", "ac\nmore", false),
        ("…ab", "a", false),
    ] {
        assert_eq!(is_as_said(said, text), is, "{said:?} {text:?}");
    }
}
