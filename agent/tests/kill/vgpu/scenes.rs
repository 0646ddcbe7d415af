//! What is drilled: a host with what others have made on it, and what is asked of its owner.

use nvidia_ml::kernel::Kernel;

use crate::course::at_rest;
use crate::lane::Lane;
use crate::life::{Alive, End};
use crate::script::{self, Op, Runtime};

/// One thing that is asked.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// A vGPU of this type on GPU 0, whose virtual functions may be turned on for it.
    Create {
        kind: &'static str,
        placement: Option<u32>,
    },
    /// The vGPU that was made goes.
    Delete { disable_sriov: bool },
}

/// A host with one GPU.
pub struct Scene {
    pub name: &'static str,
    pub machine: &'static str,
    /// Slices that it is cut into.
    pub slices: Option<&'static str>,
    /// Whether the GPU mixes sizes.
    pub mixes: bool,
    /// What a stranger writes on which function, after turning them on: file and value.
    pub stranger: Option<(&'static str, &'static str)>,
    pub asks: &'static [Ask],
}

pub const fn create(kind: &'static str) -> Ask {
    let placement = None;
    Ask::Create { kind, placement }
}

pub const KEEP: Ask = Ask::Delete {
    disable_sriov: false,
};

const ALONE: Scene = Scene {
    name: "vfio alone",
    machine: "h200x8",
    slices: None,
    mixes: false,
    stranger: None,
    asks: &[
        create("H200X-70C"),
        Ask::Delete {
            disable_sriov: true,
        },
    ],
};

/// Numbers of types are those of the simulator's table: 1201 is half a GPU, 1205 lies in the smallest instance.
pub const SCENES: [Scene; 5] = [
    ALONE,
    Scene {
        name: "vfio beside a stranger",
        stranger: Some(("virtfn0/nvidia/current_vgpu_type", "1201")),
        asks: &[create("H200X-70C"), KEEP],
        ..ALONE
    },
    Scene {
        name: "vfio in a GPU instance",
        slices: Some(r#""1g.18gb":2"#),
        stranger: Some(("virtfn0/nvidia/current_vgpu_type", "1205")),
        asks: &[create("H200X-1-18C"), KEEP],
        ..ALONE
    },
    Scene {
        name: "vfio on a GPU that mixes sizes",
        mixes: true,
        stranger: Some(("virtfn3/nvidia/current_vgpu_type", "1202")),
        asks: &[
            Ask::Create {
                kind: "H200X-70C",
                placement: Some(8),
            },
            KEEP,
        ],
        ..ALONE
    },
    Scene {
        name: "mediated beside a stranger",
        machine: "a100-40x8",
        stranger: Some((
            "virtfn0/mdev_supported_types/nvidia-1201/create",
            "0b1c2d3e-0000-4000-8000-0000000000aa",
        )),
        // Turning the functions off is the same as above.
        asks: &[create("A100X-20C"), KEEP],
        ..ALONE
    },
];

impl Scene {
    /// The host, cut and used by others as the scene says.
    pub fn lane(&self) -> Lane {
        let lane = Lane::with_kernel(self.machine, 1);
        if let Some(slices) = self.slices {
            cut(&lane, slices);
        }
        // The fuse of the life before would stop others too.
        lane.fuse.reset().expect("the fuse");
        let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
        if self.mixes {
            kernel.set_heterogeneous(0, true).expect("it can");
        }
        if let Some((file, value)) = self.stranger {
            let shown = nvidia_ml::control::show(&lane.info.dir).expect("the machine");
            let gpu = shown.gpus[0].pci.to_lowercase();
            let write = |file: &str, value: &str| {
                let path = format!("/sys/bus/pci/devices/{gpu}/{file}");
                let done = kernel.write(&path, value.as_bytes());
                done.unwrap_or_else(|errno| panic!("{path}: {errno}"));
            };
            write("sriov_numvfs", "16");
            write(file, value);
        }
        lane
    }
}

fn cut(lane: &Lane, slices: &str) {
    let runtime = Runtime::start();
    let layout = Op::Apply {
        layout: format!(r#"{{"rules":[{{"gpus":[0],"slices":{{{slices}}}}}]}}"#),
        allow_reset: true,
    };
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let done = script::carry_out(&alive.host, &runtime, &layout).await;
        done.expect("an empty GPU");
        alive.host.drain().await;
    });
    assert!(matches!(end, End::Done(())));
}
