//! Lives of containers, one after the other in turns, with the CPU time and the wall time of each.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kerf_runtime::frame::{Grant, LaunchReply};
use serde_json::json;

use crate::report;
use crate::sys;
use crate::world::kerfd::Kerfd;
use crate::world::{self, World};

const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

/// What is compared.
pub struct Programs {
    pub shim: PathBuf,
    pub runc: PathBuf,
    pub crun: Option<PathBuf>,
}

impl Programs {
    pub fn find(shim: PathBuf) -> Self {
        let there = |name: &str| {
            let folders = ["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(name));
            folders.into_iter().find(|path| path.exists())
        };
        Self {
            shim,
            runc: there("runc").expect("runc"),
            crun: there("crun"),
        }
    }

    /// The shim in this world, over a runtime that it knows by the link and by the file.
    pub fn install(&self, world: &World, runtime: &Path) -> PathBuf {
        let installed = world.install(&self.shim, runtime.to_str().expect("text"), 10_000);
        let link = installed.with_file_name("kerf-runtime.oci");
        symlink(runtime, link).expect("link");
        installed
    }
}

/// One life of a container.
#[derive(Clone, Copy)]
pub struct Life {
    pub create: Duration,
    pub wall: Duration,
    pub cpu: Duration,
}

/// One way to live.
pub struct Variant {
    pub name: &'static str,
    program: PathBuf,
    config: String,
    pub lives: Vec<Life>,
}

impl Variant {
    fn new(name: &'static str, program: &Path, config: &str) -> Self {
        Self {
            name,
            program: program.to_owned(),
            config: config.to_owned(),
            lives: Vec::new(),
        }
    }
}

/// Plain runc and kerf over the same runc, without and with an ask. Each of ours follows what it is compared with.
pub fn on_the_host(programs: &Programs, rounds: usize) -> [Variant; 4] {
    let world = World::new();
    let installed = programs.install(&world, &programs.runc);
    let specs = Specs::new(&world);
    let _kerfd = specs.listen(&world);
    let mut variants = [
        Variant::new("runc, no device", &programs.runc, &specs.plain),
        Variant::new("kerf, no ask", &installed, &specs.plain),
        Variant::new("runc, 6 devices", &programs.runc, &specs.edited),
        Variant::new("kerf, ask", &installed, &specs.asking),
    ];
    in_turns(&world, &mut variants, rounds);
    variants
}

/// Plain runc, and kerf over crun. Without device rules: crun before 1.9 lifts RLIMIT_MEMLOCK for its eBPF program,
/// which needs CAP_SYS_RESOURCE, and a machine without it would have nothing to compare.
pub fn over_crun(programs: &Programs, crun: &Path, rounds: usize) -> [Variant; 2] {
    let world = World::new();
    let installed = programs.install(&world, crun);
    let mut spec = world::spec(&["/bin/true"], json!({}));
    spec["linux"]["resources"] = json!({});
    let spec = spec.to_string();
    let mut variants = [
        Variant::new("runc", &programs.runc, &spec),
        Variant::new("kerf, crun", &installed, &spec),
    ];
    in_turns(&world, &mut variants, rounds);
    variants
}

/// Milliseconds of CPU that another verb than create costs more: one that runc answers at once, so that its own
/// time hides little.
pub fn other_verbs(programs: &Programs, rounds: usize) -> f64 {
    let world = World::new();
    let installed = programs.install(&world, &programs.runc);
    let mut deltas = Vec::with_capacity(rounds);
    let cpu = |program: &Path| {
        let before = sys::children_cpu();
        assert!(world.runtime(program, &["--version"]).success());
        (sys::children_cpu() - before).as_secs_f64() * 1000.0
    };
    for round in 0..rounds {
        deltas.push(match round % 2 {
            0 => {
                let there = cpu(&programs.runc);
                cpu(&installed) - there
            }
            _ => {
                let here = cpu(&installed);
                here - cpu(&programs.runc)
            }
        });
    }
    report::median(deltas)
}

/// Longest time in milliseconds until a container with an ask is refused where nobody listens.
pub fn refusals_without_kerfd(programs: &Programs, rounds: usize) -> f64 {
    let world = World::new();
    let installed = programs.install(&world, &programs.runc);
    let bundle = world.bundle(
        "bundle",
        &["/bin/true"],
        json!({"kerf.dev/accelerator": "gpu"}),
    );
    let bundle = bundle.to_str().expect("text");
    let mut longest = 0.0_f64;
    for _ in 0..rounds {
        let begin = Instant::now();
        let status = world.runtime(&installed, &["create", "--bundle", bundle, "bench"]);
        longest = longest.max(begin.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(status.code(), Some(1), "{}", world.text("stderr"));
    }
    longest
}

/// The config.json files of the variants, and the grant between the last two.
struct Specs {
    grant: Grant,
    plain: String,
    asking: String,
    edited: String,
}

impl Specs {
    fn new(world: &World) -> Self {
        let grant = grant(world);
        let plain = world::spec(&["/bin/true"], json!({})).to_string();
        let asking = json!({"kerf.dev/accelerator": "1g.10gb"});
        let asking = world::spec(&["/bin/true"], asking).to_string();
        let edited = kerf_runtime::spec::apply(&asking, &grant).expect("the edit");
        Self {
            grant,
            plain,
            asking,
            edited,
        }
    }

    fn listen(&self, world: &World) -> Kerfd {
        let grant = self.grant.clone();
        Kerfd::listen(&world.socket(), move |_| {
            Some(LaunchReply::granted(grant.clone()))
        })
    }
}

fn in_turns(world: &World, variants: &mut [Variant], rounds: usize) {
    let bundle = world.bundle("bundle", &["/bin/true"], json!({}));
    let count = variants.len();
    for round in 0..rounds + 2 {
        for turn in 0..count {
            let variant = &mut variants[(round + turn) % count];
            fs::write(bundle.join("config.json"), &variant.config).expect("config.json");
            let life = live(world, &variant.program, &bundle);
            // The first rounds warm the page cache.
            if round >= 2 {
                variant.lives.push(life);
            }
        }
    }
}

fn grant(world: &World) -> Grant {
    let major = world::free_majors().next().expect("a free major");
    let names = [
        "nvidia0",
        "nvidiactl",
        "nvidia-uvm",
        "nvidia-uvm-tools",
        "cap3",
        "cap4",
    ];
    let nodes = names
        .iter()
        .zip(0..)
        .map(|(name, minor)| world.node(name, major, minor));
    Grant {
        lease_id: LEASE.to_owned(),
        fence: 1,
        devices: nodes.collect(),
        env: vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned()],
        ..Grant::default()
    }
}

fn live(world: &World, program: &Path, bundle: &Path) -> Life {
    let pid_file = world.path("pid");
    let bundle = bundle.to_str().expect("text");
    let pid = pid_file.to_str().expect("text");
    let cpu = sys::children_cpu();
    let begin = Instant::now();
    let step = |verb: &[&str]| {
        let status = world.runtime(program, verb);
        assert!(status.success(), "{verb:?}: {}", world.text("stderr"));
    };
    step(&["create", "--bundle", bundle, "--pid-file", pid, "bench"]);
    let create = begin.elapsed();
    let init = world.text("pid").parse().expect("a pid");
    step(&["start", "bench"]);
    sys::reap(init);
    step(&["delete", "bench"]);
    Life {
        create,
        wall: begin.elapsed(),
        cpu: sys::children_cpu() - cpu,
    }
}
