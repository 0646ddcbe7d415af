//! Clients of a daemon: who gets in, with how much, and what becomes of them.

use kerf_sim_tools::client::{Client, ClientError};
use nvidia_ml::model::share::MpsRole;
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use crate::world::{Daemon, World, until};

fn refusal(result: Result<Client, ClientError>) -> String {
    match result {
        Err(ClientError::Refused { said }) => said,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

fn servers(daemon: &Daemon<'_>) -> Vec<String> {
    daemon
        .done("get_server_list")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_client_shows_in_the_driver_with_its_limits() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    daemon.done("set_default_active_thread_percentage 25");
    let client = daemon.client(1_024).expect("room");
    let own = std::process::id();
    let server = client.server();
    assert_eq!(servers(&daemon), [server.to_string()]);
    assert_eq!(
        daemon.done(&format!("get_client_list {server}")),
        format!("{own}\n")
    );
    let found = world.processes(0);
    let found: Vec<_> = found
        .iter()
        .map(|process| {
            (
                process.pid,
                process.mps,
                process.sm_percent,
                process.memory_bytes,
            )
        })
        .collect();
    let expected = [
        (server, Some(MpsRole::Server), 0, 30 << 20),
        (own, Some(MpsRole::Client), 25, 1 << 30),
    ];
    assert_eq!(found, expected);
    drop(client);
    until(|| world.processes(0).len() == 1);
}

#[test]
fn limits_are_kept() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    daemon.done("set_default_device_pinned_mem_limit 0 2G");
    let text = refusal(daemon.client(2_049));
    assert_eq!(text, "out of memory: a client has 2G at most");
    daemon.client(2_048).expect("room");
    let mut other = daemon.request(1);
    other.device = "1".to_owned();
    assert_eq!(refusal(Client::connect(&other)), "Device 1 is not found");
}

#[test]
fn a_fault_of_one_is_the_end_of_all() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    let mut client = daemon.client(1).expect("room");
    let server = client.server();
    client.fault().expect("it is well until then");
    assert!(matches!(client.wait(), ClientError::Lost));
    let status = format!("get_server_status {server}");
    until(|| daemon.done(&status) == "ACTIVE\n");
    daemon.client(1).expect("the server has recovered");
}

#[test]
fn a_fault_stays_until_the_last_client_has_gone() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    let mut client = daemon.client(1).expect("room");
    let server = client.server();
    client.fault().expect("it is well until then");
    let status = format!("get_server_status {server}");
    until(|| daemon.done(&status) == "FAULT\n");
    assert_eq!(refusal(daemon.client(1)), "the MPS server is in FAULT");
    drop(client);
    until(|| daemon.done(&status) == "ACTIVE\n");
}

#[test]
fn a_client_can_be_ended() {
    let world = World::new("h100x1");
    let daemon = world.daemon("pipe", &world.uuid(0));
    let client = daemon.client(1).expect("room");
    let line = format!(
        "terminate_client {} {}",
        client.server(),
        std::process::id()
    );
    assert_eq!(daemon.done(&line), "");
    assert!(matches!(client.wait(), ClientError::Lost));
}

#[test]
fn quitting_waits_for_clients_or_for_a_time() {
    let world = World::new("h100x1");
    let mut daemon = world.daemon("pipe", &world.uuid(0));
    let client = daemon.client(1).expect("room");
    std::thread::scope(|scope| {
        let quit = scope.spawn(|| world.ask(&daemon.pipe, "quit"));
        let closing = "the MPS control daemon is shutting down";
        until(|| matches!(daemon.client(1), Err(ClientError::Refused { said }) if said == closing));
        assert!(!quit.is_finished());
        drop(client);
        assert_eq!(quit.join().expect("no panic").0, Some(0));
    });
    assert_eq!(daemon.wait(), Some(0));

    let mut daemon = world.daemon("pipe", &world.uuid(0));
    let client = daemon.client(1).expect("room");
    assert_eq!(daemon.done("quit -t 0"), "");
    assert!(matches!(client.wait(), ClientError::Lost));
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn an_exclusive_gpu_is_the_servers() {
    let world = World::new("h100x1");
    let uuid = world.uuid(0);
    assert_eq!(
        world.smi(&["-i", &uuid, "-c", "EXCLUSIVE_PROCESS"]).0,
        Some(0)
    );
    let daemon = world.daemon("pipe", &uuid);
    let client = daemon.client(1).expect("room");
    let text = world.load_refused();
    let expected = format!(
        "gpu 0 is in compute mode exclusive process, and process {} has it",
        client.server()
    );
    assert_eq!(text, expected);
    drop(client);
    daemon.done(&format!("shutdown_server {}", servers(&daemon)[0]));
    assert_eq!(world.smi(&["-i", &uuid, "-c", "PROHIBITED"]).0, Some(0));
    let text = refusal(daemon.client(1));
    assert!(text.starts_with("Failed to start MPS server"), "{text}");
}

#[test]
fn a_daemon_that_dies_takes_its_clients_with_it() {
    let world = World::new("h100x1");
    let how = ToolTrouble::Die { after_ms: 3_000 };
    world.trouble(Tool::MpsControl, "start", how, Some(1));
    let mut daemon = world.daemon("pipe", &world.uuid(0));
    let client = daemon.client(1).expect("it lives still");
    assert!(matches!(client.wait(), ClientError::Lost));
    assert_eq!(daemon.wait(), None, "a signal has no exit code");
    assert!(daemon.pipe.join("nvidia-cuda-mps-control.pid").exists());
    world.daemon("pipe", &world.uuid(0));
}
