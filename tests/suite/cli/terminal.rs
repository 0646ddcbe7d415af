//! `kerf run -it` on a terminal: a pseudo-terminal stands for the one of a person.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kerf_tests::poll;
use kerf_tests::world::IMAGE;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use super::containers::{ended, engine};
use super::script::World;

/// How long something on the terminal may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A person in front of a terminal.
struct Person {
    keyboard: File,
    terminal: OwnedFd,
    screen: Arc<Mutex<String>>,
}

impl Person {
    /// Sits down in front of a terminal of 100 columns and 30 rows, and starts kerf on it.
    fn start(world: &World, words: &[&str]) -> (Self, Child) {
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let end = || Stdio::from(pty.slave.try_clone().expect("a terminal"));
        let mut command = world.kerf(&words);
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("kerf starts");
        let keyboard = File::from(pty.master);
        let mut screen = keyboard.try_clone().expect("a terminal");
        let shown = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the terminal is an error on Linux (EIO).
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
                shared.lock().expect("no panic").push_str(&text);
            }
        });
        (
            Self {
                keyboard,
                terminal: pty.slave,
                screen: shown,
            },
            child,
        )
    }

    fn types(&mut self, text: &str) {
        self.keyboard
            .write_all(text.as_bytes())
            .expect("the terminal takes keys");
    }

    fn sees(&self, wanted: &str) {
        let found = poll::until_true(wanted, LIMIT, || self.seen().contains(wanted));
        found.unwrap_or_else(|error| panic!("{error}; on the screen: {:?}", self.seen()));
    }

    /// Everything that was on the screen.
    fn seen(&self) -> String {
        self.screen.lock().expect("no panic").clone()
    }

    /// Whether the terminal waits for whole lines, as before a program took it over.
    fn is_cooked(&self) -> bool {
        let flags = tcgetattr(&self.terminal).expect("a terminal").local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }
}

#[test]
fn a_job_has_this_terminal_and_gives_it_back() {
    let Some(world) = engine() else { return };
    let run = ["run", "-it", "--image", IMAGE, "--", "sh"];
    let (mut person, child) = Person::start(&world, &run);
    poll::until_true("raw mode", LIMIT, || !person.is_cooked()).expect("the job has the terminal");
    person.types("tty; stty size\r");
    person.sees("30 100");
    let mut stty = Command::new("stty");
    stty.args(["rows", "40", "cols", "120"])
        .stdin(person.terminal.try_clone().expect("a terminal"));
    assert!(stty.status().expect("stty starts").success());
    // The kernel tells only those whose controlling terminal it is.
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGWINCH).expect("kerf takes a signal");
    poll::until_true("the new size", LIMIT, || {
        person.types("stty size\r");
        std::thread::sleep(Duration::from_millis(100));
        person.seen().contains("40 120")
    })
    .expect("the job has the new size");
    // In raw mode Ctrl-C is a key for the job: it ends the sleep and not kerf.
    person.types("echo beg\"\"un; sleep 600\r");
    person.sees("begun");
    person.types("\u{3}");
    person.types("echo still $((40 + 2))\r");
    person.sees("still 42");
    person.types("exit 5\r");
    let status = ended(child).status;
    assert_eq!(status.code(), Some(5));
    assert!(person.is_cooked(), "the terminal is as it was");
}

#[test]
fn the_terminal_is_given_back_when_kerf_is_asked_to_end() {
    let Some(world) = engine() else { return };
    let run = ["run", "-it", "--grace", "1s", "--image", IMAGE, "--", "sh"];
    let (person, child) = Person::start(&world, &run);
    poll::until_true("raw mode", LIMIT, || !person.is_cooked()).expect("the job has the terminal");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("kerf takes a signal");
    let status = ended(child).status;
    assert!(matches!(status.code(), Some(130 | 137 | 143)), "{status}");
    assert!(person.is_cooked(), "the terminal is as it was");
}

#[test]
fn jobs_that_are_over_keep_no_terminal_open() {
    let Some(mut world) = engine() else { return };
    let open = |world: &mut World| {
        let pid = world.kerfd().pid();
        let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("kerfd runs");
        let links = folder.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        links
            .filter(|link| link.ends_with("in") || link.ends_with("out"))
            .count()
    };
    let run = ["run", "-it", "--image", IMAGE, "--", "sh"];
    let (mut person, child) = Person::start(&world, &run);
    person.types("echo beg\"\"un\r");
    person.sees("begun");
    assert_eq!(open(&mut world), 2);
    person.types("exit 0\r");
    assert_eq!(ended(child).status.code(), Some(0));
    poll::until_true("closed files", LIMIT, || open(&mut world) == 0).expect("they are closed");
}
