//! What the driver of a vGPU host shows of its state under `/sys`, and the VMs under `/proc`.

use super::{Device, Framework, Function, Gpu, TOTAL_FUNCTIONS, Vgpu, VgpuType};
use crate::kernel::tree::View;

/// A number that is none, as NVML has it.
pub const INVALID: u32 = u32::MAX;
/// IOMMU groups of virtual functions, apart from those of everything else.
const FIRST_GROUP: usize = 1_000;
const DRIVER: &str = "sys/bus/pci/drivers/nvidia";

/// One function while it is shown.
struct Place<'a> {
    gpu: &'a Gpu,
    function: &'a Function,
    bdf: String,
    folder: String,
}

impl Vgpu {
    /// Puts everything into a view.
    pub fn show(&self, view: &mut View) {
        let types = self.types();
        for (place, gpu) in self.gpus.iter().enumerate() {
            let sriov = self.framework != Framework::MdevOnGpu;
            if sriov {
                let count = gpu.functions.len().to_string();
                view.line(
                    format!("{}/sriov_totalvfs", gpu.folder),
                    TOTAL_FUNCTIONS.to_string(),
                );
                view.file(format!("{}/sriov_numvfs", gpu.folder), count, 0o644);
            }
            for (nth, function) in gpu.functions.iter().enumerate() {
                let one = Place {
                    gpu,
                    function,
                    bdf: self.function_bdf(gpu, nth),
                    folder: self.function_folder(gpu, nth),
                };
                let group = FIRST_GROUP + place * 64 + nth;
                if sriov {
                    show_function(view, &one, nth, group);
                }
                match self.framework {
                    Framework::Vfio => show_vfio(view, &one, &types, group),
                    _ => self.show_mdev(view, &one, &types),
                }
            }
        }
    }

    /// Puts what every PCI function shows into a view, for a kernel that has no folder with files.
    pub(crate) fn show_functions(&self, view: &mut View) {
        for gpu in &self.gpus {
            show_identity(view, gpu, &gpu.bdf, &gpu.folder);
        }
    }

    /// Everything that may be there and is taken away whole, where a writer was killed in between.
    pub(crate) fn passing(&self) -> Vec<String> {
        let mut paths = vec!["sys/class/mdev_bus".to_owned(), "sys/bus/mdev".to_owned()];
        if self.framework == Framework::MdevOnGpu {
            return paths;
        }
        for (place, gpu) in self.gpus.iter().enumerate() {
            for nth in 0..usize::try_from(TOTAL_FUNCTIONS).unwrap_or(0) {
                let bdf = self.function_bdf(gpu, nth);
                let group = FIRST_GROUP + place * 64 + nth;
                paths.extend([
                    self.function_folder(gpu, nth),
                    format!("{}/virtfn{nth}", gpu.folder),
                    format!("sys/bus/pci/devices/{bdf}"),
                    format!("{DRIVER}/{bdf}"),
                    format!("sys/kernel/iommu_groups/{group}"),
                ]);
            }
        }
        paths
    }

    fn show_mdev(&self, view: &mut View, at: &Place<'_>, types: &[VgpuType]) {
        view.link(format!("sys/class/mdev_bus/{}", at.bdf), &at.folder);
        let taken = self.framework != Framework::MdevOnGpu && !at.function.vgpus.is_empty();
        for kind in types {
            let folder = format!("{}/mdev_supported_types/nvidia-{}", at.folder, kind.id);
            let room = match self.framework {
                Framework::MdevOnGpu => at.gpu.room(kind),
                _ if taken => 0,
                _ => at.gpu.room(kind).min(1),
            };
            let description = format!(
                "num_heads=1, frl_config=60, framebuffer={}M, max_resolution=4096x2160, max_instance={}",
                kind.memory_mib, kind.most
            );
            view.line(format!("{folder}/name"), &kind.name);
            view.line(format!("{folder}/description"), description);
            view.line(format!("{folder}/available_instances"), room.to_string());
            view.line(format!("{folder}/device_api"), "vfio-pci");
            view.file(format!("{folder}/create"), "", 0o200);
            view.folder(format!("{folder}/devices"));
        }
        for device in &at.function.vgpus {
            let uuid = device.uuid.as_deref().unwrap_or_default();
            let own = format!("{}/{uuid}", at.folder);
            let kind = format!(
                "{}/mdev_supported_types/nvidia-{}",
                at.folder, device.type_id
            );
            let vm = device.vm.as_ref().map_or("", |vm| &vm.name);
            view.link(format!("{own}/mdev_type"), &kind);
            view.file(format!("{own}/remove"), "", 0o200);
            view.file(format!("{own}/nvidia/vgpu_params"), &device.params, 0o644);
            view.line(format!("{own}/nvidia/vm_name"), vm);
            view.link(format!("{kind}/devices/{uuid}"), &own);
            view.link(format!("sys/bus/mdev/devices/{uuid}"), &own);
        }
    }

    /// The table of `creatable_vgpu_types`: a header, then a line for each type.
    #[must_use]
    pub(super) fn creatable(gpu: &Gpu, function: &Function, types: &[VgpuType]) -> String {
        let mut table = "ID    : vGPU Name\n".to_owned();
        let free = function.vgpus.is_empty();
        for kind in types.iter().filter(|kind| free && gpu.room(kind) > 0) {
            table.push_str(&format!("{:<6}: {}\n", kind.id, kind.name));
        }
        table
    }
}

/// A virtual function as a PCI function.
fn show_function(view: &mut View, at: &Place<'_>, nth: usize, group: usize) {
    show_identity(view, at.gpu, &at.bdf, &at.folder);
    view.link(format!("{}/physfn", at.folder), &at.gpu.folder);
    view.link(format!("{}/virtfn{nth}", at.gpu.folder), &at.folder);
    let group = format!("sys/kernel/iommu_groups/{group}");
    view.link(format!("{}/iommu_group", at.folder), &group);
    view.link(format!("{group}/devices/{}", at.bdf), &at.folder);
}

fn show_identity(view: &mut View, gpu: &Gpu, bdf: &str, folder: &str) {
    view.line(format!("{folder}/vendor"), "0x10de");
    view.line(
        format!("{folder}/device"),
        format!("{:#06x}", gpu.device_id),
    );
    view.line(format!("{folder}/class"), "0x030200");
    view.line(format!("{folder}/numa_node"), gpu.node.to_string());
    view.link(format!("{folder}/driver"), DRIVER);
    view.link(format!("sys/bus/pci/devices/{bdf}"), folder);
    view.link(format!("{DRIVER}/{bdf}"), folder);
}

fn show_vfio(view: &mut View, at: &Place<'_>, types: &[VgpuType], group: usize) {
    let own = format!("{}/nvidia", at.folder);
    let device = at.function.vgpus.first();
    let number = |of: fn(&Device) -> Option<u32>| {
        let number = device.and_then(of).unwrap_or(INVALID);
        number.to_string()
    };
    let current = device.map_or(0, |device| device.type_id);
    let place = match device {
        None => at.function.wanted_place.unwrap_or(INVALID).to_string(),
        Some(_) => number(|device| Some(device.place)),
    };
    view.line(
        format!("{own}/creatable_vgpu_types"),
        Vgpu::creatable(at.gpu, at.function, types),
    );
    view.file(
        format!("{own}/current_vgpu_type"),
        current.to_string(),
        0o644,
    );
    view.file(
        format!("{own}/gpu_instance_id"),
        number(|device| device.gi),
        0o644,
    );
    view.file(format!("{own}/placement_id"), place, 0o644);
    let params = device.map_or("", |device| &device.params);
    view.file(format!("{own}/vgpu_params"), params, 0o644);
    let warm = u32::from(at.function.warm_update).to_string();
    view.file(format!("{own}/warm_update"), warm, 0o644);
    // The VM's handle on the group, by which it is found before something is taken away.
    if let Some(vm) = device.and_then(|device| device.vm.as_ref()) {
        view.link(
            format!("proc/{}/fd/20", vm.pid),
            &format!("dev/vfio/{group}"),
        );
    }
}
