//! What a daemon answers and decides, without processes.

use nvidia_ml::model::tool::Tool;
use proptest::prelude::*;

use super::limits::Percent;
use super::*;

fn core() -> Core {
    let devices = ["GPU-a", "GPU-b"].map(str::to_owned);
    Core::new(devices.to_vec(), Limits::default())
}

/// What a daemon says to a line, or `!` and its refusal.
fn say(core: &mut Core, line: &str) -> String {
    let command = match Command::read(line) {
        Ok(command) => command,
        Err(error) => return format!("!{error}"),
    };
    match core.command(&command) {
        Ok(Reply::Text(text)) => text,
        Ok(other) => format!("{other:?}"),
        Err(text) => format!("!{text}"),
    }
}

#[test]
fn commands_are_answered() {
    let mut core = core();
    core.started(100, 0);
    core.entered(100, 7, "GPU-a");
    core.entered(100, 9, "GPU-b");
    let cases = [
        ("get_server_list", "100\n"),
        ("get_server_status 100", "ACTIVE\n"),
        ("get_server_status 5", "!Server 5 is not found\n"),
        ("get_client_list 100", "7\n9\n"),
        (
            "get_device_client_list",
            "Device 0 GPU-a: 7\nDevice 1 GPU-b: 9\n",
        ),
        ("get_device_client_list 5", "!Server 5 is not found\n"),
        ("get_default_active_thread_percentage", "100.0\n"),
        ("set_default_active_thread_percentage 25", "25.0\n"),
        ("get_default_active_thread_percentage", "25.0\n"),
        ("get_active_thread_percentage 100", "100.0\n"),
        ("set_active_thread_percentage 100 12.5", "12.5\n"),
        ("get_active_thread_percentage 100", "12.5\n"),
        (
            "set_default_active_thread_percentage 0",
            "!Invalid arguments of set_default_active_thread_percentage\n",
        ),
        ("get_default_device_pinned_mem_limit 0", ""),
        ("set_default_device_pinned_mem_limit 0 18432M", ""),
        ("get_default_device_pinned_mem_limit 0", "18G\n"),
        ("get_default_device_pinned_mem_limit GPU-a", "18G\n"),
        ("get_default_device_pinned_mem_limit GPU-b", ""),
        ("set_default_device_pinned_mem_limit 1 1000M", ""),
        ("get_default_device_pinned_mem_limit 1", "1000M\n"),
        ("get_device_pinned_mem_limit 100 0", ""),
        (
            "set_default_device_pinned_mem_limit 2 1G",
            "!Device 2 is not found\n",
        ),
        ("start_server -uid 0", "100\n"),
        ("terminate_client 100 8", "!Client 8 is not found\n"),
        ("terminate_client 100 7", "Disconnect([7])"),
        (
            "shutdown_server 100 -f",
            "Shutdown { pid: 100, force: true }",
        ),
        ("quit now", "!Invalid arguments of quit\n"),
        ("dance", "!Unrecognized command: dance\n"),
        ("quit -t 3", "Quit { timeout: Some(3) }"),
    ];
    for (line, expected) in cases {
        assert_eq!(say(&mut core, line), expected, "{line}");
    }
}

#[test]
fn defaults_count_for_later_servers_only() {
    let mut core = core();
    core.started(100, 0);
    say(&mut core, "set_default_active_thread_percentage 30");
    assert_eq!(
        say(&mut core, "get_active_thread_percentage 100"),
        "100.0\n"
    );
    core.ended(100);
    core.started(101, 0);
    assert_eq!(say(&mut core, "get_active_thread_percentage 101"), "30.0\n");
}

#[test]
fn one_user_at_a_time() {
    let mut core = core();
    assert_eq!(core.admission(1_000), Admission::Start);
    core.started(100, 1_000);
    assert_eq!(core.admission(1_000), Admission::To(100));
    assert_eq!(core.admission(1_001), Admission::End(100));
    core.entered(100, 7, "GPU-a");
    assert_eq!(core.admission(1_001), Admission::Wait);
    core.left(7);
    assert_eq!(core.admission(1_001), Admission::End(100));
}

#[test]
fn a_fault_ends_all_clients_of_its_server() {
    let mut core = core();
    core.started(100, 0);
    core.entered(100, 7, "GPU-a");
    core.entered(100, 9, "GPU-a");
    assert_eq!(core.faulted(9), [7, 9]);
    assert_eq!(say(&mut core, "get_server_status 100"), "FAULT\n");
    assert!(matches!(core.admission(0), Admission::Refused(_)));
    core.left(9);
    assert!(matches!(core.admission(0), Admission::Refused(_)));
    core.left(7);
    assert_eq!(core.admission(0), Admission::To(100));
}

#[test]
fn who_quits_takes_nobody_in() {
    let mut core = core();
    say(&mut core, "quit");
    assert!(matches!(core.admission(0), Admission::Refused(_)));
}

#[test]
fn every_command_that_can_go_wrong_is_one() {
    for name in nvidia_ml::model::tool::DAEMON_COMMANDS {
        let read = Command::read(&format!("{name} one two many arguments"));
        let wrong = command::CommandError::Arguments(name.to_owned());
        assert_eq!(read, Err(wrong));
        assert!(Tool::MpsControl.commands().any(|known| known == name));
    }
    for name in ["start", "version", "strat"] {
        let unknown = command::CommandError::Unknown(name.to_owned());
        assert_eq!(Command::read(name), Err(unknown));
    }
}

proptest! {
    #[test]
    fn limits_read_back(tenths in 1_u32..=1_000, mib in 0_u64..10_000_000) {
        let percent: Percent = format!("{}.{}", tenths / 10, tenths % 10).parse().expect("a percentage");
        prop_assert_eq!(percent.to_string().parse(), Ok(percent));
        prop_assert_eq!(Mib(mib).to_string().parse(), Ok(Mib(mib)));
    }

    #[test]
    fn no_line_makes_it_fall_over(line in "\\PC{0,80}") {
        say(&mut core(), &line);
    }
}
