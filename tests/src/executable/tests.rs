//! What is made can be executed, by whomever and whenever.

use std::process::Command;

use super::{copy, script};
use crate::{Scratch, process};

#[test]
fn a_script_runs_and_so_does_one_in_its_place() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let path = scratch.join("program");
    for word in ["first", "second"] {
        script(&path, &format!("#!/bin/sh\necho {word}\n")).expect("it is written");
        let said = process::run(&mut Command::new(&path)).expect("it runs");
        assert_eq!(said, format!("{word}\n"));
    }
}

#[test]
fn a_copy_runs_while_other_threads_start_programs() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let source = scratch.join("source");
    script(&source, "#!/bin/sh\nexit 0\n").expect("it is written");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (scratch, source) = (&scratch, &source);
            scope.spawn(move || {
                for round in 0..25 {
                    let program = scratch.join(format!("{thread}-{round}"));
                    copy(source, &program).expect("it is copied");
                    process::run(&mut Command::new(&program)).expect("it runs");
                }
            });
        }
    });
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let error = script("/nowhere/program".as_ref(), "#!/bin/sh\n").expect_err("no folder");
    assert_eq!(error.to_string(), "cannot write /nowhere/program");
    copy("/bin/sh".as_ref(), "/nowhere/program".as_ref()).expect_err("no folder");
}
