//! Time slices, and tools that go wrong.

use kerf_partitioner::sharing::text::interval_number;
use nvidia_ml::control::tools;

use super::*;

#[test]
fn a_daemon_that_does_not_start_says_why() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let place = share.gpu();
    share.trouble(Tool::MpsControl, "start", ToolTrouble::Refuse, Some(1));
    let error = refused(share.tools.mps_start(&place, &limits(None, None)));
    let text = in_words(&error);
    let said = "Failed to start the MPS control daemon";
    assert!(
        text.starts_with("the daemon of GPU-") && text.ends_with(said),
        "{text}"
    );

    share.tools.patience.start = IMPATIENCE;
    share.trouble(Tool::MpsControl, "start", ToolTrouble::Hang, None);
    let error = refused(share.tools.mps_start(&place, &limits(None, None)));
    assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    assert!(error.hint().is_some());
    share.fault(FaultRequest::ToolClear(Tool::MpsControl));
    share.tools.patience.start = Duration::from_secs(10);

    let set = "set_default_active_thread_percentage";
    for how in [ToolTrouble::Refuse, ToolTrouble::Ignore] {
        share.trouble(Tool::MpsControl, set, how, Some(1));
        let error = refused(share.tools.mps_start(&place, &limits(Some(10), None)));
        match how {
            ToolTrouble::Refuse => assert!(matches!(error, SharingError::Refused { .. })),
            _ => assert!(matches!(error, SharingError::NotDone { .. })),
        }
        assert_eq!(share.tools.mps_find(&place).expect("ended again"), None);
    }
}

#[test]
fn a_daemon_that_answers_nothing_is_ended_by_signal() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    share.tools.patience.call = IMPATIENCE;
    let question = "get_server_list";
    share.trouble(Tool::MpsControl, question, ToolTrouble::Hang, None);
    let error = refused(share.tools.mps_state(&place));
    assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    share.tools.mps_stop(&place, &daemon).expect("by signal");
    assert!(!daemon.is_alive());
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
}

#[test]
fn who_waits_for_all_of_it_waits_no_longer_than_that() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    let limited = "set_default_active_thread_percentage";
    for question in ["get_server_list", limited] {
        share.trouble(Tool::MpsControl, question, ToolTrouble::Hang, None);
    }
    let begun = Instant::now();
    let tools = share.tools.within(IMPATIENCE);
    let error = refused(tools.mps_servers(&place));
    let asked = |error: &SharingError| match error {
        SharingError::Hangs { asked, .. } => asked.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&error), "get_server_list");
    assert!(error.is_silence());
    let error = refused(tools.mps_limit(&place, &limits(Some(10), None)));
    assert!(asked(&error).starts_with(limited), "{error:?}");
    // A healthy one that waits as long for one call alone has waited for more.
    assert!(begun.elapsed() < share.tools.patience.call, "{begun:?}");
    share.fault(FaultRequest::ToolClear(Tool::MpsControl));
    // The end of a process has a moment more, also where no time is left.
    tools.mps_end_silent(&place, &daemon).expect("it ends");
    assert!(!daemon.is_alive());
}

#[test]
fn a_silent_daemon_goes_with_its_servers_and_leaves_its_place() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    assert_eq!(daemon.device(), Some(place.device.clone()));
    let client = share.client(&place);
    let server = client.server();
    drop(client);
    share
        .tools
        .mps_end_silent(&place, &daemon)
        .expect("it ends");
    assert!(!daemon.is_alive());
    assert_eq!(daemon.device(), None);
    let folder = format!("/proc/{server}/stat");
    let state = fs::read_to_string(folder).unwrap_or_default();
    // Nobody may have looked at it yet.
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    assert!(place.pipe().is_dir() && place.shm().is_dir());
    share.start(&place);
}

#[test]
fn only_the_answers_about_clients_decide_whether_a_daemon_may_end() {
    if !require(Capability::Root) {
        return;
    }
    let share = Share::new("h100x1");
    let place = share.gpu();
    let daemon = share.start(&place);
    let client = share.client(&place);
    let (own, server) = (std::process::id(), client.server());
    let percentage = "get_default_active_thread_percentage";
    share.trouble(Tool::MpsControl, percentage, ToolTrouble::Garble, None);
    let error = refused(share.tools.mps_state(&place));
    assert!(matches!(error, SharingError::Answer { .. }), "{error:?}");
    let error = refused(share.tools.mps_stop(&place, &daemon));
    assert!(matches!(error, SharingError::InUse { clients, .. } if clients == [own]));
    let clients = "get_client_list";
    share.trouble(Tool::MpsControl, clients, ToolTrouble::Garble, Some(1));
    let error = refused(share.tools.mps_stop(&place, &daemon));
    let text = in_words(&error);
    let said = format!("does not tell the clients of its servers, process {server}");
    assert!(text.ends_with(&said), "{text}");
    assert!(error.hint().is_some());
    assert!(daemon.is_alive());
    drop(client);
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = share.tools.mps_stop(&place, &daemon) {
        assert!(Instant::now() < end, "{}", in_words(&error));
    }
    assert!(!daemon.is_alive());
}

#[test]
fn time_slices_are_set_and_read_back() {
    let mut share = Share::new("h100x8");
    let gpu = share.uuid(6);
    let intervals = [
        Interval::Short,
        Interval::Medium,
        Interval::Long,
        Interval::Default,
    ];
    for interval in intervals {
        share
            .tools
            .time_slice_set(&gpu, interval)
            .expect("a healthy GPU");
        let devices = tools::devices(&share.world.info.dir).expect("a machine");
        assert_eq!(devices[6].time_slice, interval_number(interval));
    }
    // One that has it already is asked and not told.
    share.trouble(Tool::Smi, "set-timeslice", ToolTrouble::Refuse, Some(1));
    let same = share.tools.time_slice_set(&gpu, Interval::Default);
    same.expect("a healthy GPU");
    share.fault(FaultRequest::ToolClear(Tool::Smi));
    share.trouble(Tool::Smi, "set-timeslice", ToolTrouble::Ignore, Some(1));
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Long));
    let expected = format!("time slice of {gpu} reads back as default, not long");
    assert_eq!(in_words(&error), expected);
    share.trouble(Tool::Smi, "list", ToolTrouble::Garble, Some(1));
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Long));
    assert!(matches!(error, SharingError::Answer { .. }), "{error:?}");
    share.tools.patience.call = IMPATIENCE;
    share.trouble(Tool::Smi, "list", ToolTrouble::Hang, None);
    for _ in 0..2 {
        let error = refused(share.tools.time_slice_set(&gpu, Interval::Long));
        assert!(matches!(error, SharingError::Hangs { .. }), "{error:?}");
    }
    // They may be inside the driver, so they were left behind, and no more are begun.
    let error = refused(share.tools.time_slice_set(&gpu, Interval::Long));
    assert!(
        matches!(error, SharingError::StillHangs { count: 2, .. }),
        "{error:?}"
    );
    share.fault(FaultRequest::ToolClear(Tool::Smi));
    share.tools.patience.call = Duration::from_secs(5);
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(error) = share.tools.time_slice_set(&gpu, Interval::Long) {
        assert!(Instant::now() < end, "{}", in_words(&error));
    }
}

#[test]
fn what_cannot_be_named_or_is_not_there_is_said() {
    let mut share = Share::new("h100x1");
    for name in [
        "0",
        "GPU-",
        "GPU-../../etc/passwd/0000000000000000000",
        "--help",
    ] {
        let error = refused(share.tools.time_slice_set(name, Interval::Long));
        assert!(
            matches!(error, SharingError::Device { .. }),
            "{name}: {error:?}"
        );
    }
    let mut deep = share.gpu();
    deep.run = share.folder.path().join("d".repeat(80));
    let error = refused(share.tools.mps_start(&deep, &limits(None, None)));
    assert!(
        matches!(error, SharingError::PipeTooLong { .. }),
        "{error:?}"
    );
    let error = refused(share.tools.mps_state(&share.gpu()));
    assert!(in_words(&error).ends_with("Cannot find MPS control daemon process"));
    share.tools.smi = PathBuf::from("/nowhere/nvidia-smi");
    let error = refused(share.tools.time_slice_set(&share.uuid(0), Interval::Long));
    assert_eq!(in_words(&error), "there is no /nowhere/nvidia-smi");
    assert!(error.hint().is_some());
}
