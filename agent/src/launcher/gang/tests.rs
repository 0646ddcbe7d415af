//! Each member is told its own place, and all of them the same of the others.

use std::sync::Arc;

use kerf_types::{Gang, GangHost, JobId};

use super::{Seat, hostfile, hosts, variables, write};

fn gang(hosts: &[(&str, u32)]) -> Arc<Gang> {
    let host = |(address, members): &(&str, u32)| GangHost {
        address: (*address).to_owned(),
        members: *members,
    };
    let hosts = hosts.iter().map(host).collect();
    Arc::new(Gang::try_new(hosts, 20_007).expect("a gang"))
}

fn told(gang: &Arc<Gang>, rank: u32) -> String {
    let seat = Seat::try_new(Arc::clone(gang), rank).expect("a member");
    let told = variables(JobId::new(1, [0; 10]), 2, Some(&seat));
    let lines = told.iter().map(|(name, value)| format!("{name}={value}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_member_is_told_where_it_stands() {
    let gang = gang(&[("10.0.0.1", 2), ("fd00::2", 3)]);
    insta::assert_snapshot!(told(&gang, 3), @r"
    KERF_JOB_ID=00000000-0001-7000-8000-000000000000
    KERF_ATTEMPT=3
    RANK=3
    WORLD_SIZE=5
    LOCAL_RANK=1
    LOCAL_WORLD_SIZE=3
    GROUP_RANK=1
    GROUP_WORLD_SIZE=2
    ROLE_RANK=3
    ROLE_WORLD_SIZE=5
    NODE_RANK=1
    MASTER_ADDR=10.0.0.1
    MASTER_PORT=20007
    KERF_HOSTFILE=/run/kerf/hostfile
    OMPI_MCA_orte_default_hostfile=/run/kerf/hostfile
    PRTE_MCA_prte_default_hostfile=/run/kerf/hostfile
    HYDRA_HOST_FILE=/run/kerf/hostfile
    KERF_MEMBERS=10.0.0.1,10.0.0.1,fd00::2,fd00::2,fd00::2
    ");
    assert_eq!(Seat::try_new(gang, 5), None);
}

#[test]
fn who_has_no_place_is_told_its_job_alone() {
    let told = variables(JobId::new(1, [0; 10]), 0, None);
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["KERF_JOB_ID", "KERF_ATTEMPT"]);
}

#[test]
fn a_list_that_no_process_could_be_given_is_in_the_file_alone() {
    let long = "a".repeat(200);
    let large = gang(&[(&long, 1_000)]);
    assert!(!told(&large, 0).contains("KERF_MEMBERS"));
    assert!(told(&gang(&[(&long, 500)]), 0).contains("KERF_MEMBERS"));
}

#[test]
fn the_file_has_a_line_for_each_host() {
    let gang = gang(&[("10.0.0.1", 2), ("10.0.0.2", 1)]);
    let expected = "10.0.0.1 slots=2\n10.0.0.2 slots=1\n";
    assert_eq!(hostfile(&gang), expected);
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = write(folder.path(), None, "me").expect("nothing to do");
    assert!(nothing.is_none(), "{nothing:?}");
    let seat = Seat::try_new(gang, 2);
    let files = write(folder.path(), seat.as_ref(), "me").expect("written");
    let files = files.expect("a gang has files");
    let read = |path| std::fs::read_to_string(path).expect("it is there");
    assert_eq!(read(files.hostfile), expected);
    assert!(read(files.hosts).ends_with("\n10.0.0.2 me\n"));
}

#[test]
fn a_container_finds_itself_by_its_name() {
    let seat = |hosts| Seat::try_new(gang(hosts), 1).expect("a member");
    let known = "127.0.0.1 localhost\n\n";
    let own = hosts(known, &seat(&[("10.0.0.1", 1), ("fd00::2", 1)]), "me");
    assert_eq!(own, "127.0.0.1 localhost\nfd00::2 me\n");
    let named = hosts(known, &seat(&[("gpu-1.example", 2)]), "me");
    assert_eq!(named, known);
}
