//! Files of containerd's as distributions and people have them.

use std::path::Path;

use super::{DROP_IN, Files, PATH, matches, plan};
use crate::setup::tests::wish;
use crate::setup::text::diff;
use crate::setup::{Action, Edit, SetupError, Source};

fn files(main: &str) -> Files {
    Files {
        path: PATH.into(),
        main: Some(main.to_owned()),
        ..Files::default()
    }
}

/// The files after an edit of them.
fn changed(files: &Files, edits: &[Edit]) -> Files {
    let mut files = files.clone();
    for edit in edits {
        let place = match edit.path == Path::new(DROP_IN) {
            true => &mut files.drop_in,
            false => &mut files.main,
        };
        assert_eq!(*place, edit.before);
        place.clone_from(&edit.after);
    }
    files
}

/// What the files become: twice the same, and back to what they were.
fn written(files: &Files) -> Files {
    let outcome = plan(files, &wish("kerf", Action::Add)).expect("it can be added");
    let with = changed(files, &outcome.edits);
    let again = plan(&with, &wish("kerf", Action::Add)).expect("it is there");
    assert_eq!(again.edits, [], "twice is once");
    assert!(again.is_set_up);
    // Another handler comes and goes between.
    let other = plan(&with, &wish("other", Action::Add)).expect("it can be added");
    let both = changed(&with, &other.edits);
    let one = plan(&both, &wish("other", Action::Remove)).expect("it is there");
    assert_eq!(changed(&both, &one.edits), with);
    let one = plan(&both, &wish("kerf", Action::Remove)).expect("it is there");
    assert!(one.is_set_up);
    let last = changed(&both, &one.edits);
    let none = plan(&last, &wish("other", Action::Remove)).expect("it is there");
    assert_eq!(changed(&last, &none.edits), *files, "another order");
    let undone = plan(&with, &wish("kerf", Action::Remove)).expect("it is there");
    assert!(!undone.is_set_up);
    assert_eq!(
        changed(&with, &undone.edits),
        *files,
        "undo gives back what was there"
    );
    let nothing = plan(files, &wish("kerf", Action::Remove)).expect("nothing is there");
    assert_eq!(nothing.edits, []);
    with
}

fn shown(main: &str, version: Option<(u32, u32)>) -> String {
    let files = Files {
        version,
        ..files(main)
    };
    let after = written(&files);
    let edit = |path: &str, before: Option<String>, after| Edit {
        path: path.into(),
        before,
        after,
    };
    let mut edits = vec![edit("config", files.main, after.main)];
    edits.extend(after.drop_in.map(|text| edit("drop-in", None, Some(text))));
    edits.iter().map(diff).collect()
}

#[test]
fn a_file_of_version_2_gets_a_block_and_keeps_the_built_in_handler() {
    insta::assert_snapshot!(shown("version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n  bin_dir = \"/usr/lib/cni\" # ours\n", None), @r#"
--- config
+++ config
@@ -2,3 +2,15 @@
 
 [plugins."io.containerd.grpc.v1.cri".cni]
   bin_dir = "/usr/lib/cni" # ours
+# kerf setup: begin
+[plugins."io.containerd.grpc.v1.cri"]
+  enable_cdi = true
+[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
+  runtime_type = "io.containerd.runc.v2"
+[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kerf]
+  runtime_type = "io.containerd.runc.v2"
+  pod_annotations = ["kerf.dev/*"]
+  container_annotations = ["kerf.dev/*"]
+  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kerf.options]
+    BinaryName = "/usr/bin/kerf-runtime"
+# kerf setup: end
"#);
}

#[test]
fn what_a_default_file_of_1_7_turns_off_is_turned_on_and_its_handler_is_followed() {
    insta::assert_snapshot!(shown(DEFAULT_1_7, Some((1, 7))), @r#"
--- config
+++ config
@@ -2,8 +2,10 @@
 [plugins]
 
   [plugins."io.containerd.grpc.v1.cri"]
-    cdi_spec_dirs = ["/etc/cdi"]
-    enable_cdi = false # as it came
+# kerf setup: instead of:     cdi_spec_dirs = ["/etc/cdi"]
+    cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"] # kerf setup: changed
+# kerf setup: instead of:     enable_cdi = false # as it came
+    enable_cdi = true # as it came # kerf setup: changed
 
     [plugins."io.containerd.grpc.v1.cri".containerd]
       default_runtime_name = "runc"
@@ -18,4 +20,14 @@
             SystemdCgroup = true
 
   [plugins."io.containerd.nri.v1.nri"]
-    disable = true
+# kerf setup: instead of:     disable = true
+    disable = false # kerf setup: changed
+# kerf setup: begin
+[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kerf]
+  runtime_type = "io.containerd.runc.v2"
+  pod_annotations = ["kerf.dev/*"]
+  container_annotations = ["kerf.dev/*"]
+  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kerf.options]
+    BinaryName = "/usr/bin/kerf-runtime"
+    SystemdCgroup = true
+# kerf setup: end
"#);
}

/// As `containerd config default` writes it, shortened, in the way that kubeadm's guide changes it.
const DEFAULT_1_7: &str = r#"version = 2
[plugins]

  [plugins."io.containerd.grpc.v1.cri"]
    cdi_spec_dirs = ["/etc/cdi"]
    enable_cdi = false # as it came

    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = "runc"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes]

        [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
          runtime_type = "io.containerd.runc.v2"

          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            BinaryName = ""
            SystemdCgroup = true

  [plugins."io.containerd.nri.v1.nri"]
    disable = true
"#;

#[test]
fn version_3_gets_a_drop_in_where_it_imports_them_and_a_block_where_not() {
    let head = "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n";
    insta::assert_snapshot!(shown(head, None), @r#"
--- /dev/null
+++ drop-in
@@ -0,0 +1,8 @@
+# Written by kerf setup containerd; kerf setup containerd --undo takes it away.
+version = 3
+[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kerf]
+  runtime_type = "io.containerd.runc.v2"
+  pod_annotations = ["kerf.dev/*"]
+  container_annotations = ["kerf.dev/*"]
+  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kerf.options]
+    BinaryName = "/usr/bin/kerf-runtime"
"#);
    let plain = shown("version = 3\n", None);
    assert!(!plain.contains("drop-in"), "{plain}");
    assert!(plain.contains("+[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kerf]"));
    // 2.3 has version 4, with the same plugins.
    assert!(shown(&head.replace('3', "4"), None).contains("+version = 4"));
}

#[test]
fn version_1_has_short_names_and_a_file_of_docker_s_package_says_what_is_off() {
    let docker = "disabled_plugins = [\"cri\"]";
    insta::assert_snapshot!(shown(docker, None), @r#"
--- config
+++ config
@@ -1 +1,11 @@
-disabled_plugins = ["cri"]
\ No newline at end of file
+disabled_plugins = ["cri"]
+# kerf setup: begin, behind a last line without an end
+[plugins.cri.containerd.runtimes.runc]
+  runtime_type = "io.containerd.runc.v2"
+[plugins.cri.containerd.runtimes.kerf]
+  runtime_type = "io.containerd.runc.v2"
+  pod_annotations = ["kerf.dev/*"]
+  container_annotations = ["kerf.dev/*"]
+  [plugins.cri.containerd.runtimes.kerf.options]
+    BinaryName = "/usr/bin/kerf-runtime"
+# kerf setup: end
"#);
    let outcome = plan(&files(docker), &wish("kerf", Action::Add)).expect("it can be added");
    assert_eq!(outcome.notes.len(), 1);
    assert!(
        outcome.notes[0].contains("disabled_plugins"),
        "{:?}",
        outcome.notes
    );
}

#[test]
fn a_file_that_is_not_there_is_made_and_goes_again() {
    let none = Files {
        path: PATH.into(),
        ..Files::default()
    };
    let made = written(&none).main.expect("a file");
    assert!(
        made.starts_with("# kerf setup: begin, in a file that was not there\nversion = 2\n"),
        "{made}"
    );
    assert!(!made.contains("imports"));
    let beside = Files {
        has_drop_ins: true,
        ..none.clone()
    };
    assert!(
        written(&beside)
            .main
            .expect("a file")
            .contains("imports = [\"/etc/containerd/conf.d/*.toml\"]")
    );
    // What somebody wrote into it stays, in the version that it was written for.
    let grown = Files {
        main: Some(format!("{made}[debug]\n  level = \"info\"\n")),
        ..none
    };
    let undone = plan(&grown, &wish("kerf", Action::Remove)).expect("it is there");
    let left = changed(&grown, &undone.edits).main;
    assert_eq!(
        left.as_deref(),
        Some("version = 2\n[debug]\n  level = \"info\"\n")
    );
}

/// Line breaks, a last line without one, and headers at the very end.
#[test]
fn files_of_any_form_come_back_to_the_byte() {
    for main in [
        "",
        "\n",
        "# only a comment",
        "version = 2\r\n[plugins.\"io.containerd.grpc.v1.cri\"]\r\n",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]",
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\nenable_cdi = false",
        "version = 2\r\n[plugins.\"io.containerd.grpc.v1.cri\"]\r\nenable_cdi = false\r\n",
        "version = 2\nplugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.runtime_type = \"x\"\n[debug]\n",
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri']\ncdi_spec_dirs = []\n",
        DEFAULT_1_7,
    ] {
        for version in [None, Some((1, 6)), Some((1, 7)), Some((2, 1))] {
            let files = Files {
                version,
                ..files(main)
            };
            match plan(&files, &wish("kerf", Action::Add)) {
                Ok(_) => drop(written(&files)),
                Err(SetupError::Closed { .. }) => {
                    assert!(main.contains("plugins.\"io.containerd.grpc.v1.cri\".c"))
                }
                Err(error) => panic!("{main:?}: {error}"),
            }
        }
    }
}

fn check_error(files: &Files, expected: &str) {
    let error = plan(files, &wish("kerf", Action::Add)).expect_err("it cannot be added");
    assert_eq!(error.to_string(), expected);
    assert!(!error.hint().is_empty());
}

#[test]
fn files_that_cannot_be_changed_say_what_where_and_why() {
    let at = PATH;
    check_error(
        &files("a = 1\nversion = \n"),
        &format!("{at}:2: it is not TOML, so nothing in it is changed"),
    );
    check_error(
        &files("version = 5\n"),
        &format!("{at} is of version 5, and kerf knows versions 1 to 4"),
    );
    check_error(
        &files("version = \"2\"\n"),
        &format!("{at} is of version no number, and kerf knows versions 1 to 4"),
    );
    let taken = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kerf.options]\nBinaryName = \"/x\"\n";
    check_error(
        &files(taken),
        &format!("{at}:2: there is a handler kerf already, and it is not kerf-runtime's: /x"),
    );
    check_error(
        &files("version = 2\nplugins = { \"io.containerd.grpc.v1.cri\" = { } }\n"),
        &format!("{at}: no handler can be added to its tables as they are written"),
    );
    let foreign = Files {
        drop_in: Some("# mine\n".to_owned()),
        ..files("version = 3\n")
    };
    check_error(
        &foreign,
        &format!("{DROP_IN} is there already, and kerf setup did not write it"),
    );
    let left = plan(&foreign, &wish("kerf", Action::Remove)).expect("left alone");
    assert_eq!(left.edits, []);
}

/// What 1.6 does with two files that have settings of one plugin was seen with `containerd config dump`.
#[test]
fn a_file_that_another_one_overrides_is_not_written_to() {
    let nvidia = Source {
        path: "/etc/containerd/conf.d/99-nvidia.toml".into(),
        text: "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nvidia]\n"
            .to_owned(),
    };
    let with = |version| Files {
        imported: vec![nvidia.clone()],
        version,
        ..files("version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n")
    };
    check_error(
        &with(Some((1, 7))),
        "/etc/containerd/conf.d/99-nvidia.toml has settings of the CRI plugin too, and containerd 1.x takes those alone: a \
         handler in /etc/containerd/config.toml would do nothing",
    );
    let merged = written(&with(Some((2, 1))));
    // It has handlers already, so that the built-in one is not needed, and NVIDIA's file keeps its bytes.
    assert!(!merged.main.expect("a file").contains("runtimes.runc"));
}

#[test]
fn what_somebody_wrote_as_kerf_would_is_left() {
    let by_hand = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kerf.options]\n\
                   BinaryName = \"/usr/bin/kerf-runtime\"\n";
    let outcome = plan(&files(by_hand), &wish("kerf", Action::Add)).expect("fine");
    assert_eq!(outcome.edits, []);
    assert!(outcome.is_set_up);
    assert!(
        outcome.notes[0].contains("config.toml:2 has the handler kerf already"),
        "{:?}",
        outcome.notes
    );
}

#[test]
fn patterns_match_names() {
    for (pattern, name, is_it) in [
        ("*.toml", "kerf.toml", true),
        ("*.toml", "kerf.tom", false),
        ("k*f*", "kerf", true),
        ("k*f*", "kerb", false),
        ("*", "", true),
        ("kerf.toml", "kerf.toml", true),
        ("*é", "aé", true),
    ] {
        assert_eq!(matches(pattern, name), is_it, "{pattern} {name}");
    }
}
