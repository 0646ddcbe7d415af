//! One host for one test: kerfd on a simulated machine in a folder of its own, and a containerd where
//! the test has containers. Everything of it ends with it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use kerf_api::v1::{Lease, Slice};
use kerf_tests::engines::Suite;
use kerf_tests::world::kerfd::Settings;
use kerf_tests::world::{Containerd, Cri, IMAGE, Kerfd, busybox_image};
use kerf_tests::{Capability, Scratch, poll, require};
use nix::sys::stat::{major, minor};

use super::client::Client;

/// How long anything may take that kerfd does by itself; a machine under load is slow.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Samples come often, so that a change is soon in the metrics and a fault is soon met.
pub const SAMPLED: &str = "[driver]\nsample_interval_ms = 200\n";

/// Deadlines short enough for tests of calls that do not return, beside [`SAMPLED`]. A healthy GPU can
/// miss them on a machine under load, so no other test has them.
pub const QUICK: &str = "[driver]\ncall_deadline_ms = 1000\nopen_deadline_ms = 1000\nstep_deadline_ms = 3000\nsample_interval_ms = 200\n";

/// A device node of the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its path below `/dev`.
    pub name: String,
    pub major: u64,
    pub minor: u64,
}

/// The host.
pub struct World {
    // Fields are dropped in this order: containers end while their kerfd is there to see it.
    pub containerd: Option<Containerd>,
    pub kerfd: Kerfd,
    pub client: Client,
    pub scratch: Scratch,
}

impl World {
    /// The machine's kernel has another boot from now on; what a boot takes away is the caller's to take.
    pub fn begin_boot(&self, number: u32) {
        let id = self.kerfd.sysroot().join("proc/sys/kernel/random/boot_id");
        std::fs::create_dir_all(id.parent().expect("a folder")).expect("made");
        let text = format!("00000000-0000-4000-8000-{number:012}\n");
        std::fs::write(&id, text).expect("written");
    }

    /// A host without containers; none where the test is not run by root.
    pub fn bare(machine: &str, config: &str) -> Option<Self> {
        if !require(Capability::Root) {
            return None;
        }
        let scratch = Scratch::new("kh").expect("/tmp takes folders");
        let settings = settings(&scratch, machine, config, None);
        Some(Self::on(scratch, settings, None))
    }

    /// A host with containers and the busybox image; none where they cannot run.
    pub fn new(machine: &str, config: &str) -> Option<Self> {
        let scratch = Scratch::new("kh").expect("/tmp takes folders");
        Self::in_folder(scratch, machine, config)
    }

    /// [`World::new`] in a folder that is prepared already; kerfd's own is `k` in it.
    pub fn in_folder(scratch: Scratch, machine: &str, config: &str) -> Option<Self> {
        if !require(Capability::Containerd) || !require(Capability::Cgroup) {
            return None;
        }
        let containerd = Containerd::start(&scratch.join("c")).expect("containerd comes up");
        Some(Self::with_images(scratch, machine, config, containerd))
    }

    /// [`World::new`] with an engine of another version; with pods as well where `cri` says so.
    pub fn of_suite(suite: Suite, machine: &str, config: &str, cri: bool) -> Option<Self> {
        let needs = [
            Capability::Containerd,
            Capability::Cgroup,
            Capability::Engines,
        ];
        if !needs.into_iter().all(require) {
            return None;
        }
        let scratch = Scratch::new("kh").expect("/tmp takes folders");
        // Both come with kerfd, which needs containerd's socket to start.
        let served = Cri {
            runtime: scratch.join("k/state/bin/kerf-runtime"),
            cdi: scratch.join("k/cdi"),
        };
        let containerd = Containerd::start_suite(suite, &scratch.join("c"), cri.then_some(&served));
        let containerd = containerd.expect("containerd comes up");
        Some(Self::with_images(scratch, machine, config, containerd))
    }

    fn with_images(scratch: Scratch, machine: &str, config: &str, containerd: Containerd) -> Self {
        let archive = scratch.join("busybox.tar");
        busybox_image(&archive, IMAGE).expect("the host's busybox makes an image");
        containerd.import(&archive).expect("the archive is taken");
        let settings = settings(&scratch, machine, config, Some(&containerd));
        Self::on(scratch, settings, Some(containerd))
    }

    fn on(scratch: Scratch, settings: Settings, containerd: Option<Containerd>) -> Self {
        let kerfd = Kerfd::start(settings).expect("kerfd comes up");
        be_patient(&kerfd);
        Self {
            containerd,
            client: Client::new(kerfd.socket()),
            kerfd,
            scratch,
        }
    }

    /// Has the runtime wrapper of this kerfd start another runtime than the host's runc.
    pub fn has_runtime(&self, oci: &Path) {
        let file = self.kerfd.runtime().with_file_name("kerf-runtime.toml");
        let settings = std::fs::read_to_string(&file).expect("the wrapper's settings");
        std::fs::write(file, format!("{settings}runtime = {oci:?}\n")).expect("a file");
    }

    /// Has kerfd start its workers by this program, from a start of its own on.
    pub fn has_partitioner(&mut self, program: &Path) {
        let file = self.kerfd.folder().join("kerf.toml");
        let config = std::fs::read_to_string(&file).expect("its settings");
        let config = format!("{config}\n[paths]\npartitioner = {program:?}\n");
        std::fs::write(&file, config).expect("a file");
        self.kerfd.kill9().expect("it goes");
        self.kerfd.restart().expect("it comes back");
    }

    /// Polls until kerfd says so.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        if let Err(error) = poll::until_true(what, LIMIT, &mut holds) {
            panic!("{error:#}\n{}", self.kerfd.log_tail());
        }
    }

    /// The only lease there is.
    pub fn lease(&self) -> Lease {
        let leases = self.client.leases();
        let [lease] = leases.as_slice() else {
            panic!("one lease, not {leases:?}");
        };
        lease.clone()
    }

    /// Waits until no lease is left.
    pub fn until_no_leases(&self) {
        self.until("the end of all leases", || self.client.leases().is_empty());
    }

    /// Nothing is granted, cut or named, in kerfd's own words and in the driver's.
    pub fn assert_untouched(&self) {
        assert_eq!(self.client.leases(), []);
        assert_eq!(self.client.slices(), []);
        assert_eq!(self.instances(), Vec::<String>::new());
        assert_eq!(self.lease_files(), Vec::<String>::new());
    }

    /// The names of CDI files of leases.
    pub fn lease_files(&self) -> Vec<String> {
        names(&self.kerfd.cdi())
            .into_iter()
            .filter(|name| name.contains("-lease-"))
            .collect()
    }

    /// What the driver has, as `gpu 0: gi 1 1g.10gb 0:1 ci 0 MIG-…` lines in order of GPU and place.
    pub fn instances(&self) -> Vec<String> {
        let machine = nvidia_ml::control::show(&self.kerfd.machine()).expect("the machine");
        let mut lines = Vec::new();
        for gpu in &machine.gpus {
            let mut instances: Vec<_> = gpu.instances.iter().collect();
            instances.sort_by_key(|instance| instance.placement);
            for gi in instances {
                let (start, size) = gi.placement;
                let compute = gi.compute.iter();
                let compute: String = compute
                    .map(|ci| format!(" ci {} {}", ci.id, ci.uuid))
                    .collect();
                lines.push(format!(
                    "gpu {}: gi {} {} {start}:{size}{compute}",
                    gpu.index, gi.id, gi.profile
                ));
            }
        }
        lines
    }

    /// Slices of one GPU.
    pub fn slices_of(&self, gpu: u32) -> Vec<Slice> {
        let mut slices = self.client.slices();
        slices.retain(|slice| slice.gpu_index == gpu);
        slices
    }

    /// Every device node of the machine.
    pub fn nodes(&self) -> Vec<Node> {
        let dev = self.kerfd.sysroot().join("dev");
        let mut nodes = Vec::new();
        for (folder, prefix) in [(dev.clone(), ""), (dev.join("nvidia-caps"), "nvidia-caps/")] {
            for name in names(&folder) {
                let facts = folder.join(&name).symlink_metadata().expect("it is there");
                if facts.file_type().is_char_device() {
                    nodes.push(Node {
                        name: format!("{prefix}{name}"),
                        major: major(facts.rdev()),
                        minor: minor(facts.rdev()),
                    });
                }
            }
        }
        nodes.sort();
        nodes
    }
}

/// What kerfd is started with, in the folder `k` of `scratch`.
pub fn settings(
    scratch: &Scratch,
    machine: &str,
    config: &str,
    containerd: Option<&Containerd>,
) -> Settings {
    let nobody = scratch.join("nobody.sock");
    Settings {
        folder: scratch.join("k"),
        machine: machine.to_owned(),
        containerd: containerd.map_or(nobody, |containerd| containerd.socket().to_path_buf()),
        namespace: containerd.map_or("kerf", Containerd::namespace).to_owned(),
        config: config.to_owned(),
        peering: None,
        network: None,
    }
}

/// Has the runtime wrapper of this kerfd wait longer than its usual ten seconds: many launches at once take
/// as long on a machine under load, and what waits too long here fails by a limit of the tests.
fn be_patient(kerfd: &Kerfd) {
    let file = kerfd.runtime().with_file_name("kerf-runtime.toml");
    let settings = std::fs::read_to_string(&file).expect("the wrapper's settings");
    let limit_ms = LIMIT.as_millis();
    std::fs::write(file, format!("{settings}timeout_ms = {limit_ms}\n")).expect("a file");
}

/// Names of a folder's entries, sorted; none of a folder that is not there.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
