//! Who has a vGPU, and when nobody can say.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{VgpuFunction, VgpuGpu, VgpuTypeId};

use super::*;
use crate::process::holders::Holder;
use crate::process::workers::tests::offered;

const UUID: &str = "0b1c2d3e-0000-4000-8000-0000000000aa";

fn carrying(uuid: Option<&str>) -> Shown {
    let vgpu = Vgpu {
        uuid: uuid.map(|uuid| uuid.parse().expect("a UUID")),
        type_id: VgpuTypeId(1_201),
        gpu_instance: None,
        placement: None,
        user: None,
    };
    let gpu = VgpuGpu {
        pci: "0000:0f:00.0".parse().expect("an address"),
        framework: Some(VgpuFramework::Vfio),
        sriov: None,
        types: Vec::new(),
        functions: vec![VgpuFunction {
            pci: "0000:0f:00.4".parse().expect("an address"),
            creatable: None,
            vgpus: Some(vec![vgpu]),
        }],
        problems: Vec::new(),
    };
    (gpu, Vec::new())
}

/// Both frameworks, by the group and by a node of the device's own.
#[tokio::test]
async fn whoever_has_the_group_or_the_node_open_has_the_vgpu() {
    let function: PciAddress = "0000:0f:00.4".parse().expect("an address");
    for (device, uuid) in [
        (format!("sys/bus/pci/devices/{function}"), None),
        (format!("sys/bus/mdev/devices/{UUID}"), Some(UUID)),
    ] {
        for (node, link) in [("17", true), ("devices/vfio3", false)] {
            let root = tempfile::tempdir().expect("a folder");
            let device = root.path().join(&device);
            let path = root.path().join("dev/vfio").join(node);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            File::create(&path).expect("a file that stands for a node");
            fs::create_dir_all(&device).expect("a folder");
            let group = if link { "17" } else { "18" };
            let target = format!("../../kernel/iommu_groups/{group}");
            symlink(target, device.join("iommu_group")).expect("a link");
            if !link {
                fs::create_dir_all(device.join("vfio-dev/vfio3")).expect("a folder");
            }
            let gpus = [carrying(uuid)];
            let named = uuid.map(|uuid| uuid.parse().expect("a UUID"));
            let processes = offered(root.path());
            let free = Users::look(&processes, root.path(), &gpus).await;
            assert_eq!(free.of_vgpu(function, named), None);
            let open = File::open(&path).expect("it is there");
            let users = Users::look(&processes, root.path(), &gpus).await;
            let user = users.of_vgpu(function, named).expect("this process");
            let own = format!("process {} (", std::process::id());
            assert!(user.starts_with(&own), "{user}");
            drop(open);
        }
    }
}

#[test]
fn what_cannot_be_looked_into_is_unknown_and_not_nobody() {
    let function: PciAddress = "0000:0f:00.4".parse().expect("an address");
    let nodes = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        BTreeMap::from([((function, None), names)])
    };
    let known = nodes(&["/dev/vfio/17"]);
    assert!(Users::of(&known, &Seen::default()).are_known);
    let unread = Seen {
        unread: vec![Holder {
            pid: 7,
            command: "qemu".to_owned(),
            holds: Default::default(),
        }],
        ..Seen::default()
    };
    assert!(!Users::of(&known, &unread).are_known);
    // Without a group nobody knows what would have to be open.
    assert!(!Users::of(&nodes(&[]), &Seen::default()).are_known);
}
