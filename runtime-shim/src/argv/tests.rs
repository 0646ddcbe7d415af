//! Command lines as engines write them, and those whose meaning is not certain.

use super::*;

fn read(line: &str) -> Result<Invocation, ArgvError> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(&args).1
}

/// One line: the verdict, the namespace, the log.
fn shown(line: &str) -> String {
    let invocation = match read(line) {
        Ok(invocation) => invocation,
        Err(error) => return format!("error: {error}"),
    };
    let target = |t: &Target| format!("{} in {} pid {:?}", t.id, t.bundle.display(), t.pid_file);
    let action = match &invocation.action {
        Action::Create(t) => format!("create {}", target(t)),
        Action::Restore(t) => format!("restore {}", target(t)),
        Action::PassOn => "pass on".to_owned(),
    };
    format!(
        "{action} | ns {:?} | {:?}",
        invocation.namespace, invocation.log
    )
}

#[test]
fn engines_command_lines() {
    let lines = [
        "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json create --bundle /b --pid-file /b/init.pid c1",
        "--root=/run/runc/moby --log=/b/l --log-format=json --systemd-cgroup create --bundle=/b c1",
        "-root /r/ns -log /l -debug=true create -b /b -no-pivot c1",
        "--rootless auto --criu /usr/bin/criu create c1 --bundle /b",
        "--cgroup-manager cgroupfs run -d --keep --preserve-fds 3 -b /b c1",
        "create --console-socket /s -- c1",
        "create -- --bundle",
        "restore --image-path /i --bundle /b c1",
        "--root /r/ns start c1",
        "--root /r/ns delete --force create",
        "--root /r/ns kill --all run KILL",
        "--root /r/ns",
        "--version",
        "--newflag start c1",
        "create --help",
        "features",
    ];
    let table: Vec<String> = lines
        .iter()
        .map(|line| format!("{line}\n   {}", shown(line)))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    --root /run/containerd/runc/k8s.io --log /b/log.json --log-format json create --bundle /b --pid-file /b/init.pid c1
       create c1 in /b pid Some("/b/init.pid") | ns "k8s.io" | LogTarget { path: Some("/b/log.json"), is_json: true }
    --root=/run/runc/moby --log=/b/l --log-format=json --systemd-cgroup create --bundle=/b c1
       create c1 in /b pid None | ns "moby" | LogTarget { path: Some("/b/l"), is_json: true }
    -root /r/ns -log /l -debug=true create -b /b -no-pivot c1
       create c1 in /b pid None | ns "ns" | LogTarget { path: Some("/l"), is_json: false }
    --rootless auto --criu /usr/bin/criu create c1 --bundle /b
       create c1 in /b pid None | ns "" | LogTarget { path: None, is_json: false }
    --cgroup-manager cgroupfs run -d --keep --preserve-fds 3 -b /b c1
       create c1 in /b pid None | ns "" | LogTarget { path: None, is_json: false }
    create --console-socket /s -- c1
       create c1 in . pid None | ns "" | LogTarget { path: None, is_json: false }
    create -- --bundle
       create --bundle in . pid None | ns "" | LogTarget { path: None, is_json: false }
    restore --image-path /i --bundle /b c1
       restore c1 in /b pid None | ns "" | LogTarget { path: None, is_json: false }
    --root /r/ns start c1
       pass on | ns "" | LogTarget { path: None, is_json: false }
    --root /r/ns delete --force create
       pass on | ns "" | LogTarget { path: None, is_json: false }
    --root /r/ns kill --all run KILL
       pass on | ns "" | LogTarget { path: None, is_json: false }
    --root /r/ns
       pass on | ns "" | LogTarget { path: None, is_json: false }
    --version
       pass on | ns "" | LogTarget { path: None, is_json: false }
    --newflag start c1
       pass on | ns "" | LogTarget { path: None, is_json: false }
    create --help
       pass on | ns "" | LogTarget { path: None, is_json: false }
    features
       pass on | ns "" | LogTarget { path: None, is_json: false }
    "#);
}

#[test]
fn a_pid_file_is_added_before_the_container_id() {
    let lines = [
        "--root /r/ns create --bundle /b c1",
        "create c1 --bundle /b",
        "run -d -b /b -- c1",
        "create --preserve-fds 3 --bundle=/b --no-pivot c1",
    ];
    let added = lines.map(|line| {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let Ok(Action::Create(target)) = parse(&args).1.map(|read| read.action) else {
            panic!("{line} is not a create");
        };
        let args = target.with_pid_file(&args, Path::new("/b/kerf.pid"));
        let Ok(Action::Create(again)) = parse(&args).1.map(|read| read.action) else {
            panic!("{args:?} is not a create");
        };
        assert_eq!(again.pid_file, Some("/b/kerf.pid".into()));
        assert_eq!((again.id, again.bundle), (target.id, target.bundle));
        args.join(OsStr::new(" ")).into_string().expect("text")
    });
    insta::assert_snapshot!(added.join("\n"), @r"
    --root /r/ns create --bundle /b --pid-file /b/kerf.pid c1
    create --pid-file /b/kerf.pid c1 --bundle /b
    run -d -b /b --pid-file /b/kerf.pid -- c1
    create --preserve-fds 3 --bundle=/b --no-pivot --pid-file /b/kerf.pid c1
    ");
}

#[test]
fn command_lines_that_are_not_certain() {
    let lines = [
        "--newflag value create c1",
        "--root",
        "create",
        "create a b",
        "create --unknown value c1",
        "create --bundle",
        "create -f other.json c1",
        "create --config=other.json c1",
        "create -b/b c1",
        "create --bun=/b c1",
        "create --conf other.json c1",
        "create --help=false --bundle /b c1",
        "run -h=0 c1",
        "restore --usage= c1",
    ];
    let table: Vec<String> = lines
        .iter()
        .map(|line| format!("{line}\n   {}", shown(line)))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    --newflag value create c1
       error: the global flag "--newflag" is not known, so the verb cannot be told
    --root
       error: the flag "--root" has no value
    create
       error: create takes one container id, found 0
    create a b
       error: create takes one container id, found 2
    create --unknown value c1
       error: create takes one container id, found 2
    create --bundle
       error: the flag "--bundle" has no value
    create -f other.json c1
       error: the flag --config is not supported, config.json of the bundle is what counts
    create --config=other.json c1
       error: the flag --config is not supported, config.json of the bundle is what counts
    create -b/b c1
       error: the flag "-b/b" is not spelled in full
    create --bun=/b c1
       error: the flag "--bun=/b" is not spelled in full
    create --conf other.json c1
       error: the flag "--conf" is not spelled in full
    create --help=false --bundle /b c1
       error: the flag "--help=false" has a value, so it cannot be told whether a container is made
    run -h=0 c1
       error: the flag "-h=0" has a value, so it cannot be told whether a container is made
    restore --usage= c1
       error: the flag "--usage=" has a value, so it cannot be told whether a container is made
    "#);
}

#[test]
fn the_log_is_known_even_where_the_rest_is_wrong() {
    let args = ["--log", "/l", "--log-format", "json", "create"].map(OsString::from);
    let (log, parsed) = parse(&args);
    assert_eq!(log.path, Some("/l".into()));
    assert!(log.is_json);
    assert!(parsed.is_err());
}

#[test]
fn an_id_that_is_not_text_is_refused() {
    let args = [
        OsString::from("create"),
        OsStr::from_bytes(b"\xff").to_owned(),
    ];
    let what = "container id";
    assert_eq!(parse(&args).1, Err(ArgvError::NotText { what }));
}
