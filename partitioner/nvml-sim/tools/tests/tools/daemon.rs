//! A control daemon from its start to its end, and after a sudden one.

use crate::world::{World, ended, modes, until};

#[test]
fn a_daemon_serves_its_directory_alone() {
    let world = World::new("h100x1");
    let mut daemon = world.daemon("pipe", &world.uuid(0));
    let expected = [
        ("control", 0o666),
        ("control_lock", 0o666),
        ("control_privileged", 0o755),
        ("log", 0o777),
        ("nvidia-cuda-mps-control.pid", 0o666),
    ];
    assert_eq!(
        modes(&daemon.pipe),
        expected.map(|(name, mode)| (name.to_owned(), mode))
    );
    let second = ended(world.control(&daemon.pipe).arg("-f"));
    let text = "An instance of this daemon is already running\n".to_owned();
    assert_eq!(second, (Some(1), text.clone()));
    assert_eq!(
        ended(world.control(&daemon.pipe).arg("-d")),
        (Some(1), text)
    );
    assert_eq!(daemon.done("quit"), "");
    assert_eq!(daemon.wait(), Some(0));
    let left: Vec<String> = modes(&daemon.pipe)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        left,
        ["control", "control_lock", "control_privileged", "log"]
    );
    let gone = "Cannot find MPS control daemon process\n".to_owned();
    assert_eq!(daemon.ask("get_server_list"), (Some(1), gone));
}

#[test]
fn a_directory_is_taken_over_after_a_sudden_end() {
    let world = World::new("h100x1");
    let mut daemon = world.daemon("pipe", &world.uuid(0));
    daemon.done("set_default_active_thread_percentage 25");
    daemon.kill();
    let gone = "Cannot find MPS control daemon process\n".to_owned();
    assert_eq!(daemon.ask("get_server_list"), (Some(1), gone));
    let next = world.daemon("pipe", &world.uuid(0));
    let threads = next.done("get_default_active_thread_percentage");
    assert_eq!(threads, "100.0\n", "what was set is lost with the daemon");
}

#[test]
fn in_the_background_it_goes_on_alone() {
    let world = World::new("h100x1");
    let pipe = world.pipe("pipe");
    assert_eq!(
        ended(world.control(&pipe).arg("-d")),
        (Some(0), String::new())
    );
    let (code, text) = world.ask(
        &pipe,
        "get_server_list\nget_default_active_thread_percentage",
    );
    assert_eq!((code, text.as_str()), (Some(0), "100.0\n"));
    assert_eq!(world.ask(&pipe, "quit").0, Some(0));
    assert!(!pipe.join("nvidia-cuda-mps-control.pid").exists());
}

#[test]
fn limits_come_from_the_environment_and_wrong_ones_end_it() {
    const THREADS: &str = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";
    const MEMORY: &str = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT";
    let world = World::new("h100x8");
    let uuid = world.uuid(3);
    let env = [(THREADS, "30"), (MEMORY, "0=2G")];
    let daemon = world.daemon_with("pipe", &uuid, &env);
    let threads = "get_default_active_thread_percentage";
    assert_eq!(daemon.done(threads), "30.0\n");
    let memory = "get_default_device_pinned_mem_limit 0";
    assert_eq!(daemon.done(memory), "2G\n");
    let server = daemon.done("start_server -uid 0");
    let server = server.trim();
    let of_server = format!("get_active_thread_percentage {server}");
    assert_eq!(daemon.done(&of_server), "30.0\n");
    let of_server = format!("get_device_pinned_mem_limit {server} 0");
    assert_eq!(daemon.done(&of_server), "2G\n");
    daemon.done("set_default_active_thread_percentage 50");
    assert_eq!(daemon.done(threads), "50.0\n", "a command comes later");
    for (name, value) in [(THREADS, "101"), (MEMORY, "2G"), (MEMORY, "7=2G")] {
        let mut control = world.control(&world.pipe("other"));
        control.env("CUDA_VISIBLE_DEVICES", &uuid).env(name, value);
        let (code, text) = ended(control.arg("-f"));
        assert_eq!(code, Some(1), "{name}={value}: {text}");
        assert!(text.starts_with(value), "{text}");
    }
}

#[test]
fn limits_come_from_commands() {
    let world = World::new("h100x8");
    let uuid = world.uuid(3);
    let daemon = world.daemon("pipe", &uuid);
    let set =
        "set_default_active_thread_percentage 25\nset_default_device_pinned_mem_limit 0 18432M";
    assert_eq!(daemon.done(set), "25.0\n");
    let asked = format!("get_default_device_pinned_mem_limit {uuid}");
    assert_eq!(daemon.done(&asked), "18G\n");
    let (code, text) = daemon.ask("set_default_device_pinned_mem_limit 1 1G");
    assert_eq!((code, text.as_str()), (Some(1), "Device 1 is not found\n"));
    let server = daemon.done("start_server -uid 0");
    let status = daemon.done(&format!("get_server_status {server}"));
    assert_eq!(status, "ACTIVE\n");
    assert_eq!(daemon.done("get_server_list"), server);
    assert_eq!(
        daemon.done(&format!("get_active_thread_percentage {server}")),
        "25.0\n"
    );
    assert_eq!(daemon.done(&format!("shutdown_server {server}")), "");
    assert_eq!(daemon.done("get_server_list"), "");
}

#[test]
fn a_server_holds_its_gpu_and_ends_with_its_daemon() {
    let world = World::new("h100x1");
    let mut daemon = world.daemon("pipe", &world.uuid(0));
    let server: u32 = daemon
        .done("start_server -uid 0")
        .trim()
        .parse()
        .expect("a process id");
    let there: Vec<u32> = world
        .processes(0)
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!(there, [server]);
    daemon.kill();
    until(|| nvidia_ml::control::reset(&world.machine.dir, 0).is_ok());
    assert!(world.processes(0).is_empty());
}
