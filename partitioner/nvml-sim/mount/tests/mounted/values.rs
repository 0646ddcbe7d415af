//! Values that are written, what the kernel says to them, and what follows.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use kerf_tests::process;
use nix::errno::Errno;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};

use crate::world::{MODE, NODES, complains, says, with_mount};

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> Errno {
    Errno::from_raw(result.expect_err("refused").raw_os_error().expect("errno"))
}

#[test]
fn a_shell_partitions_a_gpu_and_everything_is_listed_anew() {
    with_mount(|world, _mounted| {
        let before = world.names(NODES);
        assert_eq!(world.read(MODE), "SPX\n");
        assert_eq!(
            says(world, &format!("echo CPX > {MODE} && cat {MODE}")),
            "CPX\n"
        );
        let after = world.names(NODES);
        assert_eq!(after.len(), before.len() + 7);
        // The machine has changed, and not a file in its folder alone.
        let state = world.kernel().state().expect("a state").amd.expect("GPUs");
        assert_eq!(state.gpus[0].compute.name(), "CPX");
        // Another process takes it back, and that shows here at once.
        let link = format!("/{MODE}");
        world.kernel().write(&link, b"SPX").expect("nobody uses it");
        assert_eq!(world.read(MODE), "SPX\n");
        assert_eq!(world.names(NODES).len(), before.len());
    });
}

#[test]
fn wrong_values_and_busy_gpus_are_refused_with_the_kernels_words() {
    with_mount(|world, _mounted| {
        // Not the echo of sh, which calls every error one of I/O.
        let write = |value: &str| format!("/bin/echo {value} > {MODE}");
        for wrong in ["FOO", "TPX", "''", "XCPX"] {
            let words = complains(world, &write(wrong));
            assert!(words.contains("Invalid argument"), "{wrong}: {words}");
        }
        world.kernel().open_kfd(4_000_003, 0, 1).expect("a client");
        let words = complains(world, &write("CPX"));
        assert!(words.contains("resource busy"), "{words}");
        world.kernel().close_kfd(4_000_003).expect("closed");
        world.kernel().set_reset(0, true).expect("GPU 0");
        let words = complains(world, &format!("cat {MODE}"));
        assert!(words.contains("not permitted"), "{words}");
        world.kernel().set_reset(0, false).expect("GPU 0");
        assert_eq!(world.read(MODE), "SPX\n");
    });
}

#[test]
fn errnos_that_a_fault_asks_for_reach_the_writer() {
    with_mount(|world, _mounted| {
        for number in [Errno::EIO, Errno::ENOSPC, Errno::ETIMEDOUT, Errno::EBUSY] {
            let raw = i32::from(number as u16);
            let fault = Fault {
                path: format!("/{MODE}"),
                on: Access::Write,
                kind: FaultKind::Fail(nvidia_ml::kernel::Errno::from_number(raw)),
                times: Some(1),
            };
            world.kernel().set_fault(fault).expect("set");
            let answer = std::fs::write(world.path(MODE), "CPX");
            assert_eq!(errno(answer), number);
        }
        std::fs::write(world.path(MODE), "CPX").expect("it befalls once");
    });
}

#[test]
fn each_write_is_a_value_wherever_in_the_file_it_is() {
    with_mount(|world, _mounted| {
        let file = File::options().write(true).open(world.path(MODE));
        let mut file = file.expect("it takes values");
        for (value, shown) in [("CPX", "CPX\n"), ("DPX\n", "DPX\n")] {
            file.write_all(value.as_bytes()).expect("taken");
            assert_eq!(world.read(MODE), shown);
        }
        file.write_all_at(b"QPX", 1_000).expect("taken");
        assert_eq!(world.read(MODE), "QPX\n");
        assert_eq!(
            says(world, &format!("printf SPX >> {MODE}; cat {MODE}")),
            "SPX\n"
        );
        // Half a value is a value, and a wrong one.
        assert_eq!(errno(file.write_all(b"C")), Errno::EINVAL);
        // Truncating and nothing: no value was given.
        assert_eq!(says(world, &format!(": > {MODE}; cat {MODE}")), "SPX\n");
    });
}

#[test]
fn a_page_is_the_most_that_one_write_gives() {
    with_mount(|world, _mounted| {
        let fault = Fault {
            path: format!("/{MODE}"),
            on: Access::Write,
            kind: FaultKind::Ignore,
            times: None,
        };
        world.kernel().set_fault(fault).expect("set");
        let file = File::options().write(true).open(world.path(MODE));
        let mut file = file.expect("it takes values");
        for length in [10_000, 500_000] {
            let taken = file.write(&vec![b'x'; length]).expect("it is ignored");
            assert_eq!(taken, 4_096, "{length}");
        }
    });
}

#[test]
fn a_reader_never_sees_halves_of_two_values() {
    with_mount(|world, _mounted| {
        let mut file = File::open(world.path(MODE)).expect("it is there");
        let mut byte = [0];
        file.read_exact(&mut byte).expect("a byte");
        std::fs::write(world.path(MODE), "CPX").expect("taken");
        let mut rest = String::new();
        file.read_to_string(&mut rest).expect("the rest");
        assert_eq!((&byte, rest.as_str()), (b"S", "PX\n"));
        file.rewind().expect("at the beginning");
        rest.clear();
        file.read_to_string(&mut rest).expect("all of it");
        assert_eq!(rest, "CPX\n");
    });
}

#[test]
fn what_is_open_when_its_device_goes_says_so() {
    with_mount(|world, _mounted| {
        std::fs::write(world.path(MODE), "CPX").expect("taken");
        let last = world.names(NODES).len() - 1;
        let path = world.path(&format!("{NODES}/{last}/gpu_id"));
        let mut file = File::open(&path).expect("a node");
        std::fs::write(world.path(MODE), "SPX").expect("taken");
        let answer = file.read_to_string(&mut String::new());
        assert_eq!(errno(answer), Errno::ENODEV);
        assert_eq!(errno(File::open(&path)), Errno::ENOENT);
    });
}

#[test]
fn others_may_read_what_root_may_write() {
    with_mount(|world, _mounted| {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(world.scratch.path(), open).expect("our folder");
        let nobody = |line: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", line]).uid(65_534).gid(65_534);
            process::output(command.env("LC_ALL", "C").current_dir("/")).expect("sh starts")
        };
        let path = world.path(MODE);
        let output = nobody(&format!("cat {}", path.display()));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "SPX\n");
        let output = nobody(&format!("echo CPX > {}", path.display()));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("Permission denied"), "{words}");
        assert_eq!(world.read(MODE), "SPX\n");
    });
}
