//! What is written and taken away again is what was there, for files that people have and for files that nobody would
//! write; the rest by engine.

use std::path::Path;

use proptest::prelude::*;

use super::marks::{self, Change, MarksError};
use super::{Action, Edit, Handler, LinkEdit, Outcome, SetupError, Source, Wish};
use super::{crio, docker, podman, text};

pub(super) const PROGRAM: &str = "/usr/bin/kerf-runtime";

pub(super) fn wish(handler: &str, action: Action) -> Wish {
    Wish {
        handler: handler.parse().expect("a handler's name"),
        program: PROGRAM.to_owned(),
        action,
    }
}

/// The text of one file after an outcome that changes no other.
pub(super) fn after(outcome: &Outcome, before: Option<&str>) -> Option<String> {
    match outcome.edits.as_slice() {
        [] => before.map(str::to_owned),
        [edit] => {
            assert_eq!(edit.before.as_deref(), before);
            edit.after.clone()
        }
        more => panic!("{more:?}"),
    }
}

#[test]
fn the_name_of_a_handler_is_a_dns_label_and_not_that_of_the_runtime_below() {
    for right in ["kerf", "kerf-2", "a", "9"] {
        assert_eq!(right.parse::<Handler>().expect(right).as_str(), right);
    }
    let long = "a".repeat(64);
    for wrong in [
        "", "Kerf", "a.b", "-a", "a-", "a b", "a\"", "runc", "crun", &long,
    ] {
        assert!(wrong.parse::<Handler>().is_err(), "{wrong:?}");
    }
}

#[test]
fn marks_that_are_not_whole_are_refused() {
    let unclosed = marks::strip("a = 1\n# kerf setup: begin\nb = 2\n");
    assert_eq!(unclosed, Err(MarksError::Unclosed { line: 2 }));
    for below in ["", "a = 2\n"] {
        let text = format!("# kerf setup: instead of: a = 1\n{below}");
        assert_eq!(marks::strip(&text), Err(MarksError::Unchanged { line: 1 }));
    }
    // A text that has such lines by itself could not be told from what kerf wrote.
    let own = "x = 1 # kerf setup: added\n";
    assert_eq!(
        marks::apply(Some(&format!("a = 1\n{own}")), &[], "b = 2\n"),
        Err(MarksError::Alike)
    );
}

proptest! {
    #[test]
    fn what_is_written_into_any_text_and_taken_away_is_what_was_there(
        lines in prop::collection::vec("[ -~]{0,12}", 0..6),
        ends in prop::collection::vec(prop::bool::ANY, 6),
        is_ended in prop::bool::ANY,
        at in 0_usize..6,
        is_value in prop::bool::ANY,
        body in "[a-z]{0,3}",
    ) {
        let mut text = String::new();
        let mut places = Vec::new();
        for (line, crlf) in lines.iter().zip(&ends) {
            places.push(text.len()..text.len() + line.len());
            text += line;
            text += if *crlf { "\r\n" } else { "\n" };
        }
        if !is_ended {
            let kept = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(kept.max(places.last().map_or(0, |place| place.end)));
        }
        let place = places.get(at % places.len().max(1)).cloned();
        let change = place.map(|line| match is_value {
            true => Change::Value { value: line.start..line.start + line.len() / 2, line, new: "v".to_owned() },
            false => Change::Line { behind: line.end, line: "  k = 1".to_owned() },
        });
        let changes: Vec<Change> = change.into_iter().collect();
        let block = if body.is_empty() { String::new() } else { format!("{body}\n") };
        let written = marks::apply(Some(&text), &changes, &block).expect("a text without marks");
        prop_assert_eq!(marks::strip(&written).expect("whole marks").text, text);
    }

    #[test]
    fn marks_are_read_from_anything(text in "(# kerf setup: (begin|end|instead of: |added|changed)|[ -~]{0,6}|\r|\n){0,12}") {
        if let Ok(stripped) = marks::strip(&text) {
            prop_assert!(stripped.text.len() <= text.len());
        }
    }

    #[test]
    fn docker_gets_its_own_bytes_back(json in json(), blanks in "[ \n\t]{0,4}") {
        let text = format!("{blanks}{json}{blanks}");
        let path = Path::new(docker::PATH);
        let Ok(outcome) = docker::plan(path, Some(&text), &wish("kerf", Action::Add)) else {
            return Ok(());
        };
        let written = after(&outcome, Some(&text)).expect("a file");
        let value: serde_json::Value = serde_json::from_str(&written).expect("still JSON");
        prop_assert_eq!(value["runtimes"]["kerf"]["path"].as_str(), Some(PROGRAM));
        let again = docker::plan(path, Some(&written), &wish("kerf", Action::Add)).expect("ours");
        prop_assert!(again.edits.is_empty());
        let undone = docker::plan(path, Some(&written), &wish("kerf", Action::Remove)).expect("ours");
        prop_assert_eq!(after(&undone, Some(&written)), Some(text));
    }
}

/// An object of JSON, in any layout, which may have `runtimes` and others in them.
fn json() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", " ", "\n    ", "\t"]);
    let leaf = prop::sample::select(vec![
        "1",
        "\"a,}\"",
        "[1, {\"b\": 2}]",
        "null",
        "{}",
        "\"\\\"\"",
        "-1.5e3",
    ]);
    let key = prop::sample::select(vec![
        "\"log-level\"",
        "\"x\"",
        "\"\"",
        "\"kerf\"",
        "\"r\\u0075ntimes2\"",
    ]);
    let member =
        (key, blank(), leaf).prop_map(|(key, blank, value)| format!("{key}:{blank}{value}"));
    let object = move |members: Vec<String>, a: &str, b: &str| {
        format!("{{{a}{}{b}}}", members.join(&format!(",{a}")))
    };
    let runtimes = (
        prop::collection::vec(member.clone(), 0..3),
        blank(),
        blank(),
    )
        .prop_filter("a handler of that name is a conflict", |(all, ..)| {
            !all.iter().any(|one| one.contains("kerf"))
        })
        .prop_map(move |(members, a, b)| format!("\"runtimes\": {}", object(members, a, b)));
    let some = prop::option::of(runtimes);
    (
        prop::collection::vec(member, 0..3),
        some,
        blank(),
        blank(),
        prop::bool::ANY,
    )
        .prop_map(move |(mut members, runtimes, a, b, first)| {
            if let Some(runtimes) = runtimes {
                let at = if first { 0 } else { members.len() };
                members.insert(at, runtimes);
            }
            object(members, a, b)
        })
}

fn docker_after(
    before: Option<&str>,
    handler: &str,
    action: Action,
) -> Result<Option<String>, SetupError> {
    let outcome = docker::plan(Path::new(docker::PATH), before, &wish(handler, action))?;
    Ok(after(&outcome, before))
}

#[test]
fn docker_learns_of_the_runtime_and_keeps_its_file() {
    let made = "{\n    \"runtimes\": { \"kerf\": {\"path\": \"/usr/bin/kerf-runtime\"} }\n}\n";
    assert_eq!(
        docker_after(None, "kerf", Action::Add)
            .expect("fine")
            .as_deref(),
        Some(made)
    );
    assert_eq!(
        docker_after(Some(made), "kerf", Action::Remove).expect("fine"),
        None
    );
    assert_eq!(
        docker_after(None, "kerf", Action::Remove).expect("fine"),
        None
    );

    let before = "{\n  \"log-driver\": \"journald\",\n  \"runtimes\": {\n    \"nvidia\": {\"args\": [], \"path\": \"nvidia-container-runtime\"}\n  }\n}";
    let with = docker_after(Some(before), "kerf", Action::Add)
        .expect("fine")
        .expect("a file");
    let expected = before.replace(
        "\"runtimes\": {",
        "\"runtimes\": {\n    \"kerf\": {\"path\": \"/usr/bin/kerf-runtime\"},",
    );
    assert_eq!(with, expected);
    // Two of them, taken away in the order in which they came.
    let both = docker_after(Some(&with), "b", Action::Add)
        .expect("fine")
        .expect("a file");
    let one = docker_after(Some(&both), "kerf", Action::Remove)
        .expect("fine")
        .expect("a file");
    assert!(one.contains("\"b\"") && !one.contains("\"kerf\""), "{one}");
    assert_eq!(
        docker_after(Some(&one), "b", Action::Remove)
            .expect("fine")
            .as_deref(),
        Some(before)
    );
}

#[test]
fn docker_files_that_cannot_be_changed_say_why() {
    let check = |text: &str, expected: &str| {
        let error = docker_after(Some(text), "kerf", Action::Add).expect_err(text);
        assert_eq!(error.to_string(), expected);
        assert!(!error.hint().is_empty());
    };
    let at = "/etc/docker/daemon.json";
    check(
        "{\n\n]",
        &format!("{at}:3: it is not JSON, so nothing in it is changed"),
    );
    check("[]", &format!("{at}: the whole of it is not an object"));
    check(
        "{\"runtimes\": 1}",
        &format!("{at}: runtimes is not an object"),
    );
    check(
        "{\"runtimes\": {}, \"runtimes\": {}}",
        &format!("{at}: runtimes is not there once alone"),
    );
    check(
        "{\n\"runtimes\": {\n\"kerf\": {\"path\": \"/x\"}}}",
        &format!("{at}:3: there is a handler kerf already, and it is not kerf-runtime's: /x"),
    );
    // What is not kerf's is not taken away either.
    let foreign = "{\"runtimes\": {\"kerf\": {\"path\": \"/x\"}}}";
    assert_eq!(
        docker_after(Some(foreign), "kerf", Action::Remove)
            .expect("left")
            .as_deref(),
        Some(foreign)
    );
}

#[test]
fn podman_and_crio_have_a_file_for_kerf_alone() {
    let path = Path::new(podman::PATH);
    let add = wish("kerf", Action::Add);
    let made = after(&podman::plan(path, None, &[], &add).expect("fine"), None).expect("a file");
    assert_eq!(
        made,
        "# Written by kerf setup podman; kerf setup podman --undo takes it away.\n\
         [engine.runtimes]\nkerf = [\"/usr/bin/kerf-runtime\"]\n"
    );
    let again = podman::plan(path, Some(&made), &[], &add).expect("fine");
    assert!(again.edits.is_empty() && again.is_set_up);
    let gone = podman::plan(path, Some(&made), &[], &wish("kerf", Action::Remove)).expect("fine");
    assert!(!gone.is_set_up);
    assert_eq!(after(&gone, Some(&made)), None);

    let other = Source {
        path: "/etc/containers/containers.conf".into(),
        text: "[engine]\n[engine.runtimes]\nkerf = [\"/opt/x\"]\n".to_owned(),
    };
    let error = podman::plan(path, None, &[other], &add).expect_err("a name that is taken");
    assert_eq!(
        error.to_string(),
        "/etc/containers/containers.conf:3: there is a handler kerf already, and it is not kerf-runtime's: /opt/x"
    );
    let foreign = podman::plan(path, Some("# mine\n"), &[], &add).expect_err("not kerf's");
    assert!(matches!(foreign, SetupError::Foreign { .. }));
    let left =
        podman::plan(path, Some("# mine\n"), &[], &wish("kerf", Action::Remove)).expect("left");
    assert!(left.edits.is_empty());

    let path = Path::new(crio::PATH);
    let made = after(&crio::plan(path, None, &[], &add).expect("fine"), None).expect("a file");
    assert!(made.ends_with(
        "[crio.runtime.runtimes.kerf]\nruntime_path = \"/usr/bin/kerf-runtime\"\nruntime_type = \"oci\"\n\
         runtime_root = \"/run/crio-kerf\"\n"
    ));
    let two = crio::plan(path, Some(&made), &[], &wish("b", Action::Add)).expect("fine");
    let two = after(&two, Some(&made)).expect("a file");
    let one = crio::plan(path, Some(&two), &[], &wish("b", Action::Remove)).expect("fine");
    assert_eq!(after(&one, Some(&two)), Some(made));
}

#[test]
fn a_change_is_shown_as_patch_takes_it() {
    let edit = |before: Option<&str>, after: Option<&str>| Edit {
        path: "/etc/x".into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    };
    assert_eq!(
        text::diff(&edit(None, Some("a\n"))),
        "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n"
    );
    assert_eq!(
        text::diff(&edit(Some("a\nb"), Some("a\nc\n"))),
        "--- /etc/x\n+++ /etc/x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
    );
}

#[test]
fn a_link_is_shown_as_git_writes_it() {
    let edit = |before: Option<&str>, after: Option<&str>| LinkEdit {
        path: "/etc/x".into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    let end = "\\ No newline at end of file\n";
    assert_eq!(
        text::link_diff(&edit(None, Some("/a"))),
        format!(
            "diff --git a/etc/x b/etc/x\nnew file mode 120000\n--- /dev/null\n+++ b/etc/x\n@@ -0,0 +1 @@\n+/a\n{end}"
        )
    );
    assert_eq!(
        text::link_diff(&edit(Some("/a"), None)),
        format!(
            "diff --git a/etc/x b/etc/x\ndeleted file mode 120000\n--- a/etc/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-/a\n{end}"
        )
    );
    let moved = text::link_diff(&edit(Some("/a"), Some("/b")));
    assert!(
        moved.contains(&format!("\n-/a\n{end}+/b\n{end}")),
        "{moved}"
    );
}
