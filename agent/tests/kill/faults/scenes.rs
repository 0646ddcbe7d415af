//! From which layout to which one: modes at once and by a reset, slices, parts, slices over GPUs together, and a GPU
//! with vGPUs. Each leaves something alone that is used.

use nvidia_ml::kernel::Kernel;

use crate::lane::Lane;

/// A host and two layouts of it.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub name: &'static str,
    pub machine: &'static str,
    pub gpus: u32,
    pub old: &'static str,
    pub new: &'static str,
    /// What a stranger writes for a vGPU in the old layout, once the virtual functions are on.
    pub vgpu: Option<(&'static str, &'static str)>,
}

const H100: Scene = Scene {
    name: "slices",
    machine: "h100x8",
    gpus: 1,
    old: r#"{"rules":[{"gpus":[0],"slices":{"1g.10gb":2,"3g.40gb":1}}]}"#,
    new: r#"{"rules":[{"gpus":[0],"slices":{"2g.20gb":1,"1g.10gb":1,"3g.40gb":1}}]}"#,
    vgpu: None,
};

/// All of them. A layout that names one of two GPUs leaves the other alone.
pub const SCENES: [Scene; 10] = [
    H100,
    Scene {
        name: "slices all anew",
        new: r#"{"rules":[{"gpus":[0],"slices":{"2g.20gb":2,"1g.10gb":1}}]}"#,
        ..H100
    },
    Scene {
        name: "MIG on at once",
        gpus: 2,
        old: r#"{"rules":[{"gpus":[0],"mig":false},{"gpus":[1],"slices":{"1g.10gb":2}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1,"1g.10gb":1}}]}"#,
        ..H100
    },
    Scene {
        name: "MIG on by a reset",
        machine: "a100x8",
        gpus: 2,
        old: r#"{"rules":[{"gpus":[0],"mig":false},{"gpus":[1],"slices":{"1g.10gb":2}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"2g.20gb":2}}]}"#,
        ..H100
    },
    Scene {
        name: "MIG off by a reset",
        machine: "a100x8",
        gpus: 2,
        old: r#"{"rules":[{"gpus":[0,1],"slices":{"3g.40gb":1,"1g.10gb":1}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"mig":false}]}"#,
        ..H100
    },
    Scene {
        name: "parts",
        old: r#"{"rules":[{"gpus":[0],"slices":{"1c.3g.40gb":3,"1g.10gb":1}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"1c.2g.20gb":2,"2c.3g.40gb":1,"1g.10gb":1}}]}"#,
        ..H100
    },
    Scene {
        name: "parts of an A100",
        machine: "a100x8",
        old: r#"{"rules":[{"gpus":[0],"slices":{"1c.3g.40gb":2,"2g.20gb":1}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"1c.4g.40gb":2,"2c.4g.40gb":1,"2g.20gb":1}}]}"#,
        ..H100
    },
    Scene {
        name: "together",
        gpus: 2,
        old: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":2}},{"gpus":[1],"slices":{"1g.10gb":2}}]}"#,
        new: r#"{"rules":[{"gpus":[0,1],"slices":{"3g.40gb":1,"2g.20gb":2,"1g.10gb":3},"together":true}]}"#,
        ..H100
    },
    Scene {
        name: "two GPUs, one mode each way",
        gpus: 2,
        old: r#"{"rules":[{"gpus":[0],"mig":false},{"gpus":[1],"slices":{"1g.10gb":2}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1}},{"gpus":[1],"mig":false}]}"#,
        ..H100
    },
    // Type 1205 of the simulator's table lies in the smallest instance.
    Scene {
        name: "beside a vGPU",
        machine: "h200x8",
        old: r#"{"rules":[{"gpus":[0],"slices":{"1g.18gb":1,"3g.71gb":1}}]}"#,
        new: r#"{"rules":[{"gpus":[0],"slices":{"1g.18gb":1,"2g.35gb":2}}]}"#,
        vgpu: Some(("virtfn0/nvidia/current_vgpu_type", "1205")),
        ..H100
    },
];

impl Scene {
    pub fn lane(&self) -> Lane {
        match self.vgpu {
            Some(_) => Lane::with_kernel(self.machine, self.gpus),
            None => Lane::new(self.machine, self.gpus),
        }
    }

    /// The stranger's vGPU in the old layout.
    pub fn befall(&self, lane: &Lane) {
        let Some((file, value)) = self.vgpu else {
            return;
        };
        // The fuse of the life before would stop others too.
        lane.fuse.reset().expect("the fuse");
        let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
        let shown = nvidia_ml::control::show(&lane.info.dir).expect("the machine");
        let gpu = shown.gpus[0].pci.to_lowercase();
        for (file, value) in [("sriov_numvfs", "2"), (file, value)] {
            let path = format!("/sys/bus/pci/devices/{gpu}/{file}");
            let done = kernel.write(&path, value.as_bytes());
            done.unwrap_or_else(|errno| panic!("{path}: {errno}"));
        }
    }
}
