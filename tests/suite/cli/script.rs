//! Transcripts that are played and compared.
//!
//! ```text
//! # What follows is about leases.
//! $ write layout.yaml
//! | rules: [{gpus: [0], slices: {1g.10gb: 2}}]
//! $ kerf apply layout.yaml
//! ...
//! Applied: 5 steps in TIME; generation 2
//! $ let LEASE = kerf lease create 1g.10gb -o json -> /id
//! $ wait reserved : kerf lease list
//! $ kerf lease release nonsense
//! ! kerf: 0 leases have an id that begins with "nonsense"
//! ? 2
//! ```
//! A line of `...` stands for any lines, and `...` in a line for anything there; `! ` begins a line of standard error, `? ` the exit code where it is not
//! 0, `| ` what is given to a command. `{NAME}` is replaced by what a `let` kept; `{DIR}` is the test's folder and
//! `{SIM}` that of the machine. What differs from run to run is made equal first, see [`Normal`].
//!
//! With `KERF_BLESS=1` what does not fit is written into the script instead of failing the test.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use kerf_tests::world::{Containerd, Kerfd};
use kerf_tests::{Scratch, bins, poll, process, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::normal::Normal;

/// Writes what was seen into the scripts.
const BLESS_ENV: &str = "KERF_BLESS";

/// How long `wait` asks. A driver that hangs is noticed within some deadlines of a second.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// What a script is played in.
#[derive(Debug)]
pub struct World {
    // They end in this order.
    kerfd: Option<Kerfd>,
    containerd: Option<Containerd>,
    scratch: Scratch,
    names: BTreeMap<String, String>,
}

impl World {
    /// A folder, and a kerfd that has its own in it.
    pub fn new(scratch: Scratch, kerfd: Option<Kerfd>) -> Self {
        let mut names = BTreeMap::new();
        names.insert("DIR".to_owned(), scratch.path().display().to_string());
        if let Some(kerfd) = &kerfd {
            names.insert("SIM".to_owned(), kerfd.machine().display().to_string());
        }
        Self {
            kerfd,
            containerd: None,
            scratch,
            names,
        }
    }

    /// Keeps a containerd until kerfd has ended.
    pub fn keep(&mut self, containerd: Containerd) {
        self.names
            .insert("NAMESPACE".to_owned(), containerd.namespace().to_owned());
        self.containerd = Some(containerd);
    }

    /// The containerd namespace of its jobs.
    pub fn namespace(&self) -> &str {
        self.names
            .get("NAMESPACE")
            .expect("a world with containers")
    }

    /// The kerfd.
    pub fn kerfd(&mut self) -> &mut Kerfd {
        self.kerfd.as_mut().expect("this world has a kerfd")
    }

    /// The containerd.
    pub fn containerd(&mut self) -> &mut Containerd {
        self.containerd
            .as_mut()
            .expect("this world has a containerd")
    }

    /// The folder.
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// A `kerf` in the folder, for the kerfd where there is one.
    pub fn kerf(&self, words: &[String]) -> Command {
        let mut command = match &self.kerfd {
            Some(kerfd) => kerfd.kerf().expect("kerf is built"),
            None => {
                let mut command = Command::new(bins::kerf().expect("kerf is built"));
                command.env("KERF_SOCKET", self.scratch.join("kerf.sock"));
                command
            }
        };
        command.args(words).current_dir(self.scratch.path());
        command
    }
}

/// One command of a script with what belongs to it.
#[derive(Debug)]
struct Step {
    /// Lines before it: comments and empty lines.
    before: Vec<String>,
    line: usize,
    command: String,
    given: Vec<String>,
    expected: Vec<String>,
}

/// Plays a script of `fixtures/cli`.
pub fn play(name: &str, world: &mut World) {
    let path = tree::fixtures_dir().join("cli").join(name);
    let text = std::fs::read_to_string(&path).expect("the script can be read");
    let (steps, rest) = parse(&text);
    let mut normal = Normal::new(&world.names);
    let bless = std::env::var_os(BLESS_ENV).is_some();
    let mut blessed = String::new();
    for mut step in steps {
        let seen = carry_out(world, &step, &mut normal);
        if !fits(&step.expected, &seen) {
            let log = world
                .kerfd
                .as_ref()
                .map(Kerfd::log_tail)
                .unwrap_or_default();
            assert!(
                bless,
                "{name}:{}: $ {}\n--- expected\n{}\n--- seen\n{}\n--- kerfd's log\n{log}",
                step.line,
                step.command,
                step.expected.join("\n"),
                seen.join("\n"),
            );
            step.expected = seen;
        }
        blessed.push_str(&written(&step));
    }
    if bless {
        blessed.extend(rest.iter().map(|line| format!("{line}\n")));
        std::fs::write(&path, blessed).expect("the script can be written");
    }
}

fn parse(text: &str) -> (Vec<Step>, Vec<String>) {
    let mut steps: Vec<Step> = Vec::new();
    let mut before = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            let before = std::mem::take(&mut before);
            let (command, line) = (command.to_owned(), index + 1);
            steps.push(Step {
                before,
                line,
                command,
                given: Vec::new(),
                expected: Vec::new(),
            });
        } else if line.starts_with('#') || (line.is_empty() && is_gap(text, index)) {
            before.push(line.to_owned());
        } else {
            let step = steps.last_mut().expect("a script begins with a command");
            match line.strip_prefix("| ").or(line.strip_prefix('|')) {
                Some(given) => step.given.push(given.to_owned()),
                None => step.expected.push(line.to_owned()),
            }
        }
    }
    (steps, before)
}

/// An empty line belongs to an output unless a command or a comment follows it.
fn is_gap(text: &str, index: usize) -> bool {
    let next = text.lines().skip(index).find(|line| !line.is_empty());
    next.is_none_or(|next| next.starts_with("$ ") || next.starts_with('#'))
}

fn written(step: &Step) -> String {
    let before = step.before.iter().map(|line| format!("{line}\n"));
    let command = std::iter::once(format!("$ {}\n", step.command));
    let given = step.given.iter().map(|line| format!("| {line}\n"));
    let expected = step.expected.iter().map(|line| format!("{line}\n"));
    before.chain(command).chain(given).chain(expected).collect()
}

/// Whether lines fit a pattern in which `...` stands for any number of them.
fn fits(pattern: &[String], seen: &[String]) -> bool {
    match (pattern.split_first(), seen.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((any, rest)), _) if any == "..." => {
            (0..=seen.len()).any(|skip| fits(rest, seen.get(skip..).unwrap_or_default()))
        }
        (Some(_), None) => false,
        (Some((wanted, rest)), Some((found, more))) => line_fits(wanted, found) && fits(rest, more),
    }
}

/// The same within a line: what stands between `...` must follow each other.
fn line_fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("...");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |last| line.ends_with(last))
}

fn carry_out(world: &mut World, step: &Step, normal: &mut Normal) -> Vec<String> {
    let command = named(&step.command, &world.names);
    let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
    match verb {
        "kerf" => shown(&fed(&mut world.kerf(&words(rest)), &step.given), normal),
        "wait" => {
            let (wanted, rest) = rest
                .split_once(" : kerf ")
                .expect("wait TEXT : kerf ARGUMENTS");
            let output = poll::until(&step.command, WAIT_LIMIT, || {
                let output = kerf(world, rest);
                String::from_utf8_lossy(&output.stdout)
                    .contains(wanted)
                    .then_some(output)
            });
            match output {
                Ok(output) => shown(&output, normal),
                Err(error) => {
                    let mut lines = shown(&kerf(world, rest), normal);
                    lines.insert(0, format!("{error:#}"));
                    lines
                }
            }
        }
        "let" => {
            let (name, rest) = rest
                .split_once(" = kerf ")
                .expect("let NAME = kerf ARGUMENTS");
            keep(world, name, rest, normal)
        }
        "write" => {
            let text: String = step.given.iter().map(|line| format!("{line}\n")).collect();
            let text = named(&text, &world.names);
            std::fs::write(world.scratch.join(rest), text).expect("a file is written");
            Vec::new()
        }
        "append" => {
            let path = world.scratch.join(rest);
            let mut text = std::fs::read_to_string(&path).expect("the file is there");
            text.extend(step.given.iter().map(|line| format!("{line}\n")));
            std::fs::write(path, text).expect("a file is written");
            Vec::new()
        }
        "reload" => {
            let pid = i32::try_from(world.kerfd().pid()).expect("a process id");
            kill(Pid::from_raw(pid), Signal::SIGHUP).expect("kerfd takes a signal");
            Vec::new()
        }
        "kill9" => {
            world.kerfd().kill9().expect("kerfd goes");
            Vec::new()
        }
        "restart" => {
            world.kerfd().restart().expect("kerfd comes back");
            Vec::new()
        }
        other => panic!("line {}: no command {other:?}", step.line),
    }
}

/// Runs a `kerf` to its end.
fn kerf(world: &World, arguments: &str) -> Output {
    process::output(&mut world.kerf(&words(arguments))).expect("kerf starts")
}

/// Runs a command that is given lines on standard input.
fn fed(command: &mut Command, lines: &[String]) -> Output {
    if lines.is_empty() {
        return process::output(command).expect("kerf starts");
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("kerf starts");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    // A kerf that does not want it all may have ended.
    drop(stdin.write_all(text.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("kerf ends")
}

/// Keeps what a command prints, or one value of the document that it prints: `... -> /id`.
fn keep(world: &mut World, name: &str, rest: &str, normal: &mut Normal) -> Vec<String> {
    let (arguments, pointer) = match rest.split_once(" -> ") {
        Some((arguments, pointer)) => (arguments, Some(pointer)),
        None => (rest, None),
    };
    let output = kerf(world, arguments);
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let value = match pointer {
        None => Some(text.clone()),
        Some(pointer) => {
            let document = serde_json::from_str::<serde_json::Value>(&text).ok();
            let value = document
                .as_ref()
                .and_then(|document| document.pointer(pointer));
            value.and_then(|value| value.as_str().map(str::to_owned))
        }
    };
    match value.filter(|_| output.status.success()) {
        Some(value) => {
            world.names.insert(name.to_owned(), value);
            Vec::new()
        }
        None => shown(&output, normal),
    }
}

/// What a command printed, as a script has it.
fn shown(output: &Output, normal: &mut Normal) -> Vec<String> {
    let text = |bytes: &[u8], normal: &mut Normal| normal.text(&String::from_utf8_lossy(bytes));
    let stdout = text(&output.stdout, normal);
    let stderr = text(&output.stderr, normal);
    let mut lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
    // At the end of an output an empty line is not told from the gap before the next command.
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.extend(
        stderr
            .lines()
            .map(|line| format!("! {line}").trim_end().to_owned()),
    );
    if !output.status.success() {
        let code = output
            .status
            .code()
            .map_or("a signal".to_owned(), |code| code.to_string());
        lines.push(format!("? {code}"));
    }
    lines
}

fn named(text: &str, names: &BTreeMap<String, String>) -> String {
    let replace = |text: String, (name, value): (&String, &String)| {
        text.replace(&format!("{{{name}}}"), value)
    };
    names.iter().fold(text.to_owned(), replace)
}

/// Words between spaces; single quotes keep spaces.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in text.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn patterns_and_words() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(fits(&lines("...\nd"), &lines("d")));
    assert!(!fits(&lines("a\n..."), &lines("b")));
    assert!(line_fits("a...c", "abc") && line_fits("...", "") && line_fits("a...", "a"));
    assert!(!line_fits("a...c", "abcd") && !line_fits("a", "ab") && !line_fits("a...b", "ca"));
    assert_eq!(
        words("run -e 'A=1 2' -- sh"),
        ["run", "-e", "A=1 2", "--", "sh"]
    );
}
