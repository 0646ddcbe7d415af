//! vGPUs on the wire: unknown and none stay apart.

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{GiId, Sriov, Vgpu, VgpuFunction, VgpuGpu, VgpuType, VgpuTypeId, VgpuUuid};

use super::check;
use crate::example::pci;
use crate::v1;

pub fn vgpu_uuid() -> VgpuUuid {
    let uuid = "0b1c2d3e-0000-4000-8000-0000000000aa".parse();
    uuid.expect("a UUID")
}

fn gpu() -> VgpuGpu {
    let function = |address, creatable, vgpus| VgpuFunction {
        pci: pci(address),
        creatable,
        vgpus,
    };
    let vgpu = Vgpu {
        uuid: Some(vgpu_uuid()),
        type_id: VgpuTypeId(1_145),
        gpu_instance: Some(GiId(3)),
        placement: Some(0),
        user: Some("process 7".to_owned()),
    };
    VgpuGpu {
        pci: pci("10000:e1:00.0"),
        framework: Some(VgpuFramework::Vfio),
        sriov: Some(Sriov {
            functions: 2,
            most: 16,
        }),
        types: vec![VgpuType {
            id: VgpuTypeId(1_145),
            name: "NVIDIA L40S-1B".to_owned(),
            available: 1,
        }],
        functions: vec![
            function("10000:e1:00.4", None, None),
            function("10000:e1:00.5", Some(Vec::new()), Some(vec![vgpu])),
            function(
                "10000:e1:00.6",
                Some(vec![VgpuTypeId(1_145)]),
                Some(Vec::new()),
            ),
        ],
        problems: vec!["something".to_owned()],
    }
}

#[test]
fn vgpus_survive_the_wire() {
    check::<_, v1::VgpuGpu>(&gpu());
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let refused = |change: fn(&mut v1::VgpuGpu), expected: &str| {
        let mut message = v1::VgpuGpu::from(&gpu());
        change(&mut message);
        let error = VgpuGpu::try_from(message).expect_err(expected);
        assert!(error.to_string().starts_with(expected), "{error}");
    };
    refused(|gpu| gpu.functions[1].pci.clear(), "functions[1].pci: ");
    refused(
        |gpu| gpu.functions[1].pci = gpu.functions[0].pci.clone(),
        "functions",
    );
    refused(|gpu| gpu.framework = Some("qemu".to_owned()), "framework: ");
    refused(|gpu| gpu.types.push(gpu.types[0].clone()), "types");
}
