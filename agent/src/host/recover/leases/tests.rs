//! Leases of an earlier boot, held by what looks like a process and a cgroup of this one.

use kerf_types::lease::{Holder, InitProcess, LeaseState, Subject};
use kerf_types::{ContainerRef, LeaseId};

use crate::host::bench::Bench;
use crate::host::{fixture, watch};
use crate::process::{self, BootMoment, cgroup};
use crate::store::{LeaseRow, PendingLaunch};

/// This process, as it would have been recorded in that boot.
fn myself(boot: &str) -> InitProcess {
    let myself = process::identify(std::process::id()).expect("it runs");
    InitProcess {
        boot_id: boot.to_owned(),
        ..myself
    }
}

fn moment(boot: &str) -> BootMoment {
    BootMoment {
        boot_id: boot.to_owned(),
        ms: u64::MAX,
    }
}

/// A lease on a GPU that has left the host, so that nothing has to be made clean.
fn lease(bench: &mut Bench, holder: Holder, change: impl FnOnce(&mut LeaseRow)) -> LeaseId {
    let gpu = fixture::gpu(0);
    let subject = Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid,
        share: None,
    };
    // The bench has one id for all, with a zero at its end.
    let made = bench.lease(holder, vec![subject]);
    let mut row = bench.host.leases.remove(&made).expect("it is there");
    let number = bench.host.leases.len() + 1;
    let id = format!("00000000-0001-7000-8000-{number:012}");
    row.lease.id = id.parse().expect("an id");
    change(&mut row);
    let id = row.lease.id;
    bench.host.leases.insert(id, row);
    id
}

/// One of each kind, of a boot.
fn all(bench: &mut Bench, boot: &str) -> Vec<LeaseId> {
    let container = ContainerRef::try_new("default", "c0").expect("a name");
    let user = || Holder::User { uid: 0 };
    let pod = Holder::Pod {
        sandbox: "5a5a".to_owned(),
        uid: "pod-uid".to_owned(),
    };
    // Where this process is there are processes.
    let place = cgroup::place_of(std::process::id());
    let populated = place.and_then(|place| {
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&place.folder).ok()?);
        let folder = place.folder;
        Some(cgroup::Cgroup { folder, inode })
    });
    vec![
        lease(bench, Holder::Container(container.clone()), |row| {
            row.lease.state = LeaseState::Active;
            row.lease.init = Some(myself(boot));
            row.cgroup.clone_from(&populated);
        }),
        lease(bench, Holder::Container(container), |row| {
            row.lease.state = LeaseState::Active;
            row.pending = Some(PendingLaunch {
                runtime: myself(boot),
                pid_file: None,
            });
        }),
        lease(bench, user(), |row| {
            row.lease.state = LeaseState::Reserved;
            row.until = Some(moment(boot));
        }),
        lease(bench, pod, |row| {
            row.lease.state = LeaseState::Reserved;
            row.until = Some(moment(boot));
        }),
    ]
}

/// A promise without a name, before a kerfd that was killed is started again, with or without its name in the folder.
async fn promise_after_a_kill(is_named: bool) -> (Bench, LeaseId) {
    let mut bench = Bench::new();
    let container = ContainerRef::try_new("kerf", "job").expect("a name");
    let id = lease(&mut bench, Holder::Container(container), |row| {
        row.lease.state = LeaseState::Reserved;
        row.until = Some(moment(&process::boot_id()));
        row.is_nameless = true;
    });
    let row = bench.host.leases[&id].clone();
    bench.host.put(row).expect("it is kept");
    let folder = bench.folder().join("cdi");
    std::fs::create_dir_all(&folder).expect("a folder");
    if is_named {
        let name = crate::cdi::file_name(crate::cdi::Class::Lease, &id.to_string());
        std::fs::write(folder.join(name), "{}").expect("written");
    }
    bench.host.resume_leases().await;
    (bench, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_whose_name_was_written_before_the_kill_counts_as_named() {
    for is_named in [true, false] {
        let (bench, id) = promise_after_a_kill(is_named).await;
        let row = &bench.host.leases[&id];
        assert_eq!(row.is_nameless, !is_named);
        assert_eq!(bench.host.cdi.has_lease(&id.to_string()), is_named);
        let (rows, _) = bench.host.store.leases().expect("it reads");
        assert!(rows.iter().any(|row| row.is_nameless != is_named));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_earlier_boot_runs_and_all_of_this_one_stays() {
    let mut bench = Bench::new();
    let old = all(&mut bench, "00000000-0000-4000-8000-000000000001");
    let new = all(&mut bench, &process::boot_id());
    for (ids, is_old) in [(&old, true), (&new, false)] {
        for id in ids {
            let row = &bench.host.leases[id];
            assert_eq!(watch::is_of_earlier_boot(row), is_old, "{row:?}");
            let is_held = row.lease.state == LeaseState::Active;
            assert_eq!(watch::runs(row), is_held && !is_old, "{row:?}");
        }
    }
    bench.host.resume_leases().await;
    let left = |ids: &[LeaseId]| {
        let state = |id: &LeaseId| bench.host.leases.get(id).map(|row| row.lease.state);
        ids.iter().map(state).collect::<Vec<_>>()
    };
    let ending = |state: &Option<LeaseState>| !matches!(state, None | Some(LeaseState::Releasing));
    assert!(!left(&old).iter().any(ending), "{:?}", left(&old));
    assert!(left(&new).iter().all(ending), "{:?}", left(&new));
    let told = bench.told().join("\n");
    let text = "its container has ended with an earlier boot of this host";
    assert_eq!(told.matches(text).count(), 2, "{told}");
}
