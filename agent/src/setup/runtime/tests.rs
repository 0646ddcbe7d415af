//! The settings and the link: they come with the first engine and go with the last, and what others wrote stays.

use std::path::Path;

use super::super::link::{Found, LinkEdit, MARK};
use super::super::{Action, Engine, Outcome, SetupError};
use super::{Now, PATH, plan};

const RUNC: &str = "/usr/sbin/runc";

/// The two, as they are on a machine with runc and crun.
#[derive(Debug, Clone, PartialEq)]
struct Machine {
    text: Option<String>,
    link: Found,
}

impl Machine {
    fn new(text: Option<&str>, link: Option<&str>) -> Self {
        Self {
            text: text.map(str::to_owned),
            link: link.map_or(Found::Nothing, |to| Found::Link(to.into())),
        }
    }

    fn plan(&self, engine: Engine, action: Action) -> Result<Outcome, SetupError> {
        let now = Now {
            text: self.text.as_deref(),
            link: self.link.clone(),
        };
        let find = |names: &[&str]| Some(format!("/usr/sbin/{}", names.first()?));
        plan(Path::new(PATH), &now, engine, &find, action)
    }

    /// As it is after a change, and the notes.
    fn after(&self, engine: Engine, action: Action) -> (Self, Vec<String>) {
        let outcome = self.plan(engine, action).expect("fine");
        let mut after = self.clone();
        if let [edit] = outcome.edits.as_slice() {
            assert_eq!(edit.before, self.text);
            after.text.clone_from(&edit.after);
        }
        if let Some(LinkEdit {
            path,
            before,
            after: to,
        }) = outcome.link
        {
            assert_eq!(path, Path::new("/etc/kerf/kerf-runtime.oci"));
            assert_eq!(before.map_or(Found::Nothing, Found::Link), self.link);
            after.link = to.map_or(Found::Nothing, Found::Link);
        }
        (after, outcome.notes)
    }

    /// The same, where nothing is to be said.
    fn step(&self, engine: Engine, action: Action) -> Self {
        let (after, notes) = self.after(engine, action);
        assert_eq!(notes, Vec::<String>::new());
        after
    }
}

fn made_for(engines: &str) -> String {
    format!("# Written by kerf setup for: {engines}\n{MARK}runtime = \"{RUNC}\"\n")
}

#[test]
fn the_settings_and_the_link_go_with_the_last_engine() {
    use super::Engine::{Containerd, Docker};
    let none = Machine::new(None, None);
    let one = none.step(Docker, Action::Add);
    assert_eq!(one, Machine::new(Some(&made_for("docker")), Some(RUNC)));
    let both = one.step(Containerd, Action::Add);
    let expected = made_for("containerd, docker");
    assert_eq!(both, Machine::new(Some(&expected), Some(RUNC)));
    assert_eq!(both.step(Containerd, Action::Add), both, "twice is once");
    assert_eq!(both.step(Containerd, Action::Remove), one);
    assert_eq!(one.step(Docker, Action::Remove), none);
    // podman starts crun by itself.
    let crun = none.step(Engine::Podman, Action::Add);
    assert_eq!(crun.link, Found::Link("/usr/sbin/crun".into()));
}

#[test]
fn what_somebody_added_stays_and_the_link_follows_the_runtime_that_is_named() {
    use super::Engine::Docker;
    let grown = format!("{}timeout_ms = 9\n", made_for("docker"));
    let rest = Machine::new(Some(&grown), Some(RUNC)).step(Docker, Action::Remove);
    let body = "runtime = \"/usr/sbin/runc\"\ntimeout_ms = 9\n";
    assert_eq!(rest, Machine::new(Some(body), None));

    let other = made_for("docker").replace(RUNC, "crun");
    let moved = Machine::new(Some(&other), Some(RUNC));
    let followed = Machine::new(Some(&other), Some("/usr/sbin/crun"));
    assert_eq!(moved.step(Docker, Action::Add), followed);
    assert_eq!(followed.step(Docker, Action::Remove).link, Found::Nothing);
    // One that leads elsewhere than the file says is nobody's that kerf knows.
    let left = moved.step(Docker, Action::Remove);
    assert_eq!(left.link, Found::Link(RUNC.into()));
    // Gone by hand, or never made by an older kerf.
    let whole = Machine::new(Some(&made_for("docker")), Some(RUNC));
    let gone = Machine::new(Some(&made_for("docker")), None);
    let old = Machine::new(Some(&made_for("docker").replace(MARK, "")), None);
    assert_eq!(gone.step(Docker, Action::Add), whole);
    assert_eq!(old.step(Docker, Action::Add), whole);
}

#[test]
fn a_file_and_a_link_of_somebody_else_stay() {
    use super::Engine::Docker;
    let mine = Machine::new(Some("# mine\nruntime = \"crun\"\n"), None);
    let (after, notes) = mine.after(Docker, Action::Add);
    assert_eq!(after, mine);
    let [note] = notes.as_slice() else {
        panic!("{notes:?}")
    };
    assert!(note.contains("kerf-runtime.oci is not made"), "{note}");
    assert_eq!(mine.step(Docker, Action::Remove), mine);
    // A link alone names the runtime.
    let link = Machine::new(None, Some("/opt/runc"));
    assert_eq!(link.step(Docker, Action::Add), link);
    assert_eq!(link.step(Docker, Action::Remove), link);
    // One that was there beside an older kerf's file never becomes kerf's.
    let unmarked = made_for("docker").replace(MARK, "");
    let beside = Machine::new(Some(&unmarked), Some(RUNC));
    assert_eq!(beside.step(Docker, Action::Add), beside);
    assert_eq!(beside.step(Docker, Action::Remove).link, beside.link);
    let contrary = Machine::new(Some(&unmarked), Some("/opt/crun"));
    let (after, notes) = contrary.after(Docker, Action::Add);
    assert_eq!(after, contrary);
    assert!(notes.concat().contains("leads to /opt/crun"), "{notes:?}");
}

#[test]
fn what_kerf_runtime_would_refuse_is_refused() {
    use super::Engine::Docker;
    let wrong = Machine::new(Some("runtim = 1\n"), None).plan(Docker, Action::Add);
    assert!(matches!(wrong, Err(SetupError::Runtime(_))));
    for text in [None, Some(made_for("docker"))] {
        let machine = Machine {
            text,
            link: Found::Other,
        };
        let refused = machine.plan(Docker, Action::Add);
        assert!(matches!(refused, Err(SetupError::Runtime(_))));
        let left = machine.plan(Docker, Action::Remove).expect("left");
        assert_eq!(left.link, None);
    }
    let now = Now {
        text: None,
        link: Found::Nothing,
    };
    let none = plan(Path::new(PATH), &now, Docker, &|_| None, Action::Add).expect("a note");
    assert_eq!((none.edits.len(), none.notes.len()), (0, 1));
    assert_eq!(none.link, None::<LinkEdit>);
}
