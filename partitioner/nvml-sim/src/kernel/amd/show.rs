//! What amdgpu and KFD show of their state under `/sys`.

mod kfd;
mod links;

use std::fmt::Display;

use super::topology::FIRST_RENDER;
use super::write::{COMPUTE, MEMORY};
use super::{Amd, Gpu, Memory, XcpNames};
use crate::kernel::tree::View;

/// Render nodes of one GPU that can be partitioned: those of partitions exist from boot, whether or not the partitions
/// do.
const RENDER_NODES: u32 = 8;

/// Render nodes of one GPU of a machine.
fn render_nodes(amd: &Amd) -> u32 {
    if amd.product().compute.is_empty() {
        1
    } else {
        RENDER_NODES
    }
}

/// Minor of the render node of a partition.
pub(crate) fn render_minor(amd: &Amd, place: u32, partition: u32) -> u32 {
    FIRST_RENDER + place * render_nodes(amd) + partition
}

/// Minors of a machine's DRM nodes: cards and render nodes.
pub(crate) fn drm_minors(amd: &Amd) -> Vec<(String, u32)> {
    let mut nodes = Vec::new();
    for (place, _) in (0..).zip(&amd.gpus) {
        for partition in 0..render_nodes(amd) {
            let card = place * render_nodes(amd) + partition;
            nodes.push((format!("card{card}"), card));
            let render = render_minor(amd, place, partition);
            nodes.push((format!("renderD{render}"), render));
        }
    }
    nodes
}

impl Amd {
    /// Puts everything into a view.
    pub fn show(&self, view: &mut View) {
        for (place, gpu) in (0..).zip(&self.gpus) {
            self.show_gpu(view, place, gpu);
        }
        kfd::show(self, view);
    }

    /// Puts what every PCI function shows into a view, for a kernel that has no folder with files.
    pub(crate) fn show_functions(&self, view: &mut View) {
        for gpu in &self.gpus {
            let facts = [
                ("vendor", "0x1002".to_owned()),
                ("device", format!("{:#06x}", self.product().device_id)),
                ("class", format!("{:#08x}", self.product().class)),
                ("numa_node", gpu.node.to_string()),
            ];
            for (name, text) in facts {
                view.line(format!("{}/{name}", gpu.folder), text);
            }
            let driver = "sys/bus/pci/drivers/amdgpu";
            view.link(format!("{}/driver", gpu.folder), driver);
            view.link(format!("sys/bus/pci/devices/{}", gpu.bdf), &gpu.folder);
            view.link(format!("{driver}/{}", gpu.bdf), &gpu.folder);
        }
    }

    fn show_gpu(&self, view: &mut View, place: u32, gpu: &Gpu) {
        let (product, folder) = (self.product(), &gpu.folder);
        let used: u64 = self
            .clients
            .iter()
            .filter(|client| client.gpu == place)
            .map(|client| client.memory_bytes)
            .sum();
        let facts = [
            ("product_name", product.name.to_owned()),
            ("product_number", product.number.to_owned()),
            ("serial_number", gpu.serial.clone()),
            ("unique_id", format!("{:016x}", gpu.unique_id)),
            ("mem_info_vram_total", product.memory_bytes.to_string()),
            ("mem_info_vram_used", (used + (283 << 20)).to_string()),
            ("mem_info_vram_vendor", "hynix".to_owned()),
            // All of it can be seen through the window.
            ("mem_info_vis_vram_total", product.memory_bytes.to_string()),
            ("gpu_busy_percent", "0".to_owned()),
            ("mem_busy_percent", "0".to_owned()),
            ("xgmi_hive_info/xgmi_hive_id", self.hive().to_string()),
            ("xgmi_device_id", gpu.unique_id.to_string()),
        ];
        for (name, text) in facts {
            view.line(format!("{folder}/{name}"), text);
        }
        if !product.compute.is_empty() {
            self.show_modes(view, gpu);
            self.show_config(view, gpu);
        }
        self.show_nodes(view, place, gpu);
    }

    /// The modes of partitioning that there are, and those that it is in.
    fn show_modes(&self, view: &mut View, gpu: &Gpu) {
        let (product, folder) = (self.product(), &gpu.folder);
        let available = [
            ("compute", list(product.compute, |mode| mode.name())),
            ("memory", list(product.memory, |mode| mode.name())),
        ];
        for (kind, modes) in available {
            view.line(format!("{folder}/available_{kind}_partition"), modes);
        }
        view.file(format!("{folder}/{COMPUTE}"), gpu.compute.name(), 0o644);
        view.file(format!("{folder}/{MEMORY}"), gpu.memory.name(), 0o644);
    }

    /// `compute_partition_config`: what one partition gets of each kind of engine.
    fn show_config(&self, view: &mut View, gpu: &Gpu) {
        let (product, folder) = (
            self.product(),
            format!("{}/compute_partition_config", gpu.folder),
        );
        let memory: Vec<Memory> = product
            .memory
            .iter()
            .copied()
            .filter(|memory| gpu.compute.is_valid(product.xccs, *memory))
            .collect();
        view.line(
            format!("{folder}/supported_xcp_configs"),
            list(product.compute, |mode| mode.name()),
        );
        view.line(format!("{folder}/xcp_config"), gpu.compute.name());
        view.line(
            format!("{folder}/supported_nps_configs"),
            list(&memory, |mode| mode.name()),
        );
        let partitions = gpu.compute.partitions(product.xccs);
        let engines = [
            ("xcc", product.xccs),
            ("dma", product.dma_engines),
            ("dec", product.decoders),
            ("jpeg", product.jpeg_engines),
        ];
        for (name, count) in engines {
            // Fewer than one each: partitions share them.
            let shared = partitions.div_ceil(count.max(1)).max(1);
            view.line(
                format!("{folder}/{name}/num_inst"),
                (count / partitions).max(1).to_string(),
            );
            view.line(format!("{folder}/{name}/num_shared"), shared.to_string());
        }
    }

    /// DRM nodes: the GPU's own below its PCI function, those of partitions below platform devices.
    fn show_nodes(&self, view: &mut View, place: u32, gpu: &Gpu) {
        for partition in 0..render_nodes(self) {
            let device = if partition == 0 {
                gpu.folder.clone()
            } else {
                self.platform_device(place, partition)
            };
            let card = place * render_nodes(self) + partition;
            let render = render_minor(self, place, partition);
            for (name, minor) in [
                (format!("card{card}"), card),
                (format!("renderD{render}"), render),
            ] {
                let folder = format!("{device}/drm/{name}");
                view.line(
                    format!("{folder}/dev"),
                    format!("{}:{minor}", self.drm_major),
                );
                view.link(format!("{folder}/device"), &device);
                view.link(format!("{folder}/subsystem"), "sys/class/drm");
                let uevent = format!(
                    "MAJOR={}\nMINOR={minor}\nDEVNAME=dri/{name}",
                    self.drm_major
                );
                view.line(format!("{folder}/uevent"), uevent);
                view.link(format!("sys/class/drm/{name}"), &folder);
            }
        }
    }

    /// The platform device of a partition other than the first. They are numbered through all GPUs.
    fn platform_device(&self, place: u32, partition: u32) -> String {
        let number = place * (RENDER_NODES - 1) + partition - 1;
        let joint = match self.policy.xcp_names {
            XcpNames::Underscore => '_',
            XcpNames::Dot => '.',
        };
        format!("sys/devices/platform/amdgpu_xcp{joint}{number}")
    }

    /// The id of the hive that all GPUs are in.
    fn hive(&self) -> u64 {
        self.gpus
            .first()
            .map_or(0, |gpu| crate::model::mix(gpu.unique_id))
    }
}

fn list<T: Copy, S: Display>(modes: &[T], name: impl Fn(T) -> S) -> String {
    let names: Vec<String> = modes.iter().map(|mode| name(*mode).to_string()).collect();
    names.join(", ")
}
