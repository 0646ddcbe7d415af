//! Who may take the name of an image, and whose jobs an imported image is for.

use kerf_agent::launcher::{LaunchPolicy, LauncherError, Submitter, UserIds};

use super::parts::{Layer, Parts};
use super::{ADMIN, World, chain};

#[test]
fn only_an_admin_takes_names_that_others_rely_on() {
    let Some(world) = World::new() else { return };
    let import = |name: &str, text: &[u8], by| {
        let image = Parts::new(name, vec![Layer::busybox(), Layer::file("etc/x", text)]);
        let archive = image.archive();
        world.run(world.launcher.import_image(archive.as_slice(), None, by))
    };
    let user = user(1);
    let full = "docker.io/library/tool:1";
    import(full, b"one", user).expect("the name is free");
    import(full, b"one", user).expect("the same again changes nothing");
    for name in [full, "tool:1"] {
        let error = import(name, b"two", user).expect_err("the name is taken");
        assert_eq!(
            chain(&error),
            format!("there is another image called {full}, which only an admin may replace")
        );
    }
    import(full, b"two", ADMIN).expect("an admin may");
    let policy = LaunchPolicy {
        images: vec!["example.org/*".parse().expect("a pattern")],
        ..LaunchPolicy::default()
    };
    world.launcher.set_policy(policy);
    for name in ["example.org/new:1", "elsewhere.org/new:1"] {
        let error = import(name, b"x", user).expect_err("there is a list");
        assert!(
            matches!(error, LauncherError::RestrictedImage { .. }),
            "{error}"
        );
    }
    import("example.org/new:1", b"x", ADMIN).expect("an admin may");
}

#[test]
fn what_a_user_imports_is_for_their_own_jobs() {
    let Some(world) = World::new() else { return };
    let import = |name: &str, text: &[u8], by| {
        let image = Parts::new(name, vec![Layer::busybox(), Layer::file("x", text)]);
        let archive = image.archive();
        world.run(world.launcher.import_image(archive.as_slice(), None, by))
    };
    let mut ids = (0..).map(|number| format!("c{number}"));
    let mut start = |image: &str, submitter| {
        let id = ids.next().expect("it has no end");
        let mut request = world.request(&id, "cat /x");
        request.spec.image = image.to_owned();
        request.submitter = submitter;
        world.start(request).map(|_| world.finish(&id).1)
    };
    let name = "example.org/tool:1";
    import(name, b"of 1", user(1)).expect("the name is free");
    for by in [user(1), ADMIN] {
        assert_eq!(start(name, by).expect("it may"), "of 1");
    }
    let error = start(name, user(2)).expect_err("it is another user's");
    assert_eq!(
        chain(&error),
        "image example.org/tool:1 is for jobs of uid 1 alone, who imported it: import yours under another \
         name, or have an admin import it for all"
    );
    // The same content would leave them with a name that their jobs cannot use.
    let error = import(name, b"of 1", user(2)).expect_err("the name is taken");
    assert!(matches!(error, LauncherError::TakenImage { .. }), "{error}");
    import(name, b"of 1", user(1)).expect("the same again changes nothing");
    import(name, b"for all", ADMIN).expect("an admin may");
    assert_eq!(start(name, user(2)).expect("it may"), "for all");
    import(name, b"for all", user(2)).expect("the same again changes nothing");
    assert_eq!(
        start(name, user(1)).expect("it is still for all"),
        "for all"
    );
    // A short name that somebody takes first does not hide the full one.
    import("tool:2", b"of 1", user(1)).expect("the name is free");
    import("docker.io/library/tool:2", b"for all", ADMIN).expect("an admin may");
    assert_eq!(start("tool:2", user(1)).expect("it may"), "of 1");
    assert_eq!(start("tool:2", user(2)).expect("it may"), "for all");
    world.assert_empty();
}

/// A user who is no admin.
fn user(uid: u32) -> Submitter {
    Submitter {
        ids: UserIds { uid, gid: uid },
        admin: false,
    }
}
